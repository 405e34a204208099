package service

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"patchlab/db"
	"patchlab/db/repo"
)

// PurgePacks removes the packs, with their sounds and jobs, that were deleted
// Config.DeleteGrace ago, and returns how many packs there were.
func (k *Keeper) PurgePacks(ctx context.Context) (int, error) {
	removed := 0
	for {
		ids, err := repo.DeletedPacks(ctx, k.DB.Reader(), k.now().Add(-k.Config.DeleteGrace), batch)
		if err != nil {
			return removed, fmt.Errorf("look for deleted packs: %w", err)
		}
		before := removed
		for _, id := range ids {
			gone, err := k.purgePack(ctx, id)
			if err != nil {
				return removed, fmt.Errorf("remove pack %s: %w", id, err)
			}
			if gone {
				removed++
			}
		}
		if len(ids) < batch || removed == before {
			return removed, nil
		}
	}
}

// purgePack removes one pack, unless it was brought back or another janitor was faster.
func (k *Keeper) purgePack(ctx context.Context, id uuid.UUID) (bool, error) {
	err := k.DB.InTx(ctx, func(tx *db.Tx) error {
		var jobs []uuid.UUID
		if err := tx.Select(ctx, &jobs, `SELECT id FROM jobs WHERE pack_id = ? ORDER BY id FOR UPDATE`, id); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `DELETE FROM packs WHERE id = ? AND `+repo.PackOver, id, k.now().Add(-k.Config.DeleteGrace))
		if err != nil {
			return err
		}
		if n == 0 {
			return errUnchanged
		}
		if _, err := tx.Exec(ctx, `
DELETE FROM jobs WHERE kind = 'restore' AND id IN (
    SELECT tasks.job_id FROM tasks JOIN sounds ON sounds.id = tasks.sound_id WHERE sounds.pack_id = ? AND tasks.kind = 'restore'
)`, id); err != nil {
			return err
		}
		// Tasks go with their sounds and jobs by foreign key, as do idempotency keys.
		if _, err := tx.Exec(ctx, `DELETE FROM sounds WHERE pack_id = ?`, id); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM jobs WHERE pack_id = ?`, id)
		return err
	})
	if errors.Is(err, errUnchanged) {
		return false, nil
	}
	return err == nil, err
}

// PurgeSounds removes the sounds that were deleted, by themselves, Config.DeleteGrace ago,
// and the jobs that have no sounds left. It returns how many sounds there were.
func (k *Keeper) PurgeSounds(ctx context.Context) (int, error) {
	removed := 0
	for {
		sounds, jobs, err := repo.DeletedSounds(ctx, k.DB.Reader(), k.now().Add(-k.Config.DeleteGrace), batch)
		if err != nil {
			return removed, fmt.Errorf("look for deleted sounds: %w", err)
		}
		if len(sounds) == 0 {
			return removed, nil
		}
		slices.SortFunc(jobs, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
		n, err := k.purgeSounds(ctx, sounds, slices.Compact(jobs))
		removed += n
		if err != nil {
			return removed, fmt.Errorf("remove deleted sounds: %w", err)
		}
		if len(sounds) < batch || n == 0 {
			return removed, nil
		}
	}
}

func (k *Keeper) purgeSounds(ctx context.Context, sounds, jobs []uuid.UUID) (int, error) {
	var n int64
	err := k.DB.InTx(ctx, func(tx *db.Tx) error {
		by := k.now().Add(-k.Config.DeleteGrace)
		var locked []uuid.UUID
		if err := tx.Select(ctx, &locked, `SELECT id FROM jobs WHERE id IN (?) ORDER BY id FOR UPDATE`, jobs); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
DELETE FROM jobs WHERE kind = 'restore' AND id IN (
    SELECT tasks.job_id FROM tasks JOIN sounds ON sounds.id = tasks.sound_id
    WHERE sounds.id IN (?) AND tasks.kind = 'restore' AND `+repo.SoundOver+`
)`, sounds, by); err != nil {
			return err
		}
		var err error
		if n, err = tx.Exec(ctx, `DELETE FROM sounds WHERE id IN (?) AND `+repo.SoundOver, sounds, by); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
DELETE FROM jobs WHERE id IN (?) AND pack_id IS NULL AND state IN ('succeeded', 'failed', 'cancelled')
AND NOT EXISTS (SELECT 1 FROM sounds WHERE sounds.job_id = jobs.id)`, jobs)
		return err
	})
	if err != nil {
		return 0, err
	}
	return int(n), nil
}

// oldAudio wants a time and a limit.
const oldAudio = `SELECT id FROM sounds WHERE ` + repo.AudioOver + ` ORDER BY finished_at LIMIT ? FOR UPDATE SKIP LOCKED`

// ExpireAudio puts away the audio of users' sounds that were rendered Config.AssetTTL ago,
// and returns how many there were. The sounds stay, and are rendered again where somebody
// wants to hear them.
func (k *Keeper) ExpireAudio(ctx context.Context) (int, error) {
	if k.Config.AssetTTL <= 0 {
		return 0, nil
	}
	expired := 0
	for {
		var n int64
		err := k.DB.InTx(ctx, func(tx *db.Tx) error {
			n = 0
			var ids []uuid.UUID
			if err := tx.Select(ctx, &ids, oldAudio, k.now().Add(-k.Config.AssetTTL), batch); err != nil || len(ids) == 0 {
				return err
			}
			var err error
			n, err = tx.Exec(ctx, `UPDATE sounds SET asset_id = NULL WHERE id IN (?)`, ids)
			return err
		})
		if err != nil {
			return expired, fmt.Errorf("expire audio: %w", err)
		}
		expired += int(n)
		if n < batch {
			return expired, nil
		}
	}
}

// ExpireZIPs puts away the ZIPs of users' packs whose last build ended Config.AssetTTL ago,
// and returns how many there were.
func (k *Keeper) ExpireZIPs(ctx context.Context) (int, error) {
	if k.Config.AssetTTL <= 0 {
		return 0, nil
	}
	expired := 0
	var after uuid.UUID
	for {
		by := k.now().Add(-k.Config.AssetTTL)
		ids, err := repo.OldZIPs(ctx, k.DB.Reader(), after, by, batch)
		if err != nil {
			return expired, fmt.Errorf("look for old ZIPs: %w", err)
		}
		if len(ids) == 0 {
			return expired, nil
		}
		after = ids[len(ids)-1]
		var n int64
		err = k.DB.InTx(ctx, func(tx *db.Tx) error {
			n, err = tx.Exec(ctx, `UPDATE packs SET asset_id = NULL WHERE id IN (?) AND `+repo.ZIPOver, ids, by)
			return err
		})
		if err != nil {
			return expired, fmt.Errorf("expire ZIPs: %w", err)
		}
		expired += int(n)
	}
}

// EndedJobs returns those of the jobs that have ended or do not exist.
func (k *Keeper) EndedJobs(ctx context.Context, ids []uuid.UUID) ([]uuid.UUID, error) {
	unended, err := repo.Unended(ctx, k.DB.Reader(), ids)
	if err != nil {
		return nil, fmt.Errorf("look for jobs that have ended: %w", err)
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id uuid.UUID) bool { return unended[id] }), nil
}
