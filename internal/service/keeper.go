package service

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"patchlab/db"
	"patchlab/db/repo"
	"patchlab/internal/model"
)

// Keeper removes what nobody needs any more. All verbs work in bounded batches
// and are safe in several processes at once.
type Keeper struct{ Deps }

// NewKeeper makes a Keeper.
func NewKeeper(deps Deps) *Keeper { return &Keeper{Deps: deps.withDefaults()} }

// batch is how many rows one transaction of the keeper removes: few enough that
// nobody waits for it.
const batch = 100

// expiredJobs wants now, now, limit.
const expiredJobs = `
SELECT id FROM jobs WHERE ` + repo.JobExpired + ` ORDER BY expires_at LIMIT ? FOR UPDATE SKIP LOCKED`

// ExpireAnonymous removes the anonymous jobs, with their sounds, whose time is
// over and that are not waiting or running, and the jobs that only rendered audio again.
func (k *Keeper) ExpireAnonymous(ctx context.Context) (jobs, sounds int, err error) {
	for {
		var j, s int64
		err := k.DB.InTx(ctx, func(tx *db.Tx) error {
			now := k.now()
			var ids []uuid.UUID
			if err := tx.Select(ctx, &ids, expiredJobs, now, now, batch); err != nil {
				return err
			}
			j, s = 0, 0
			if len(ids) == 0 {
				return nil
			}
			if _, err := tx.Exec(ctx, `DELETE FROM packs WHERE job_id IN (?)`, ids); err != nil {
				return err
			}
			var err error
			if _, err := tx.Exec(ctx, `
DELETE FROM jobs WHERE kind = 'restore' AND id IN (
    SELECT tasks.job_id FROM tasks JOIN sounds ON sounds.id = tasks.sound_id WHERE sounds.job_id IN (?) AND tasks.kind = 'restore'
)`, ids); err != nil {
				return err
			}
			// Tasks and idempotency keys go with their job by foreign key.
			if s, err = tx.Exec(ctx, `DELETE FROM sounds WHERE job_id IN (?)`, ids); err != nil {
				return err
			}
			j, err = tx.Exec(ctx, `DELETE FROM jobs WHERE id IN (?)`, ids)
			return err
		})
		if err != nil {
			return jobs, sounds, fmt.Errorf("expire anonymous sounds: %w", err)
		}
		jobs, sounds = jobs+int(j), sounds+int(s)
		if j < batch {
			return jobs, sounds, nil
		}
	}
}

// RemoveUnreferencedAssets removes the assets that no sound and no pack refers to and puts
// their blobs on the trash list.
func (k *Keeper) RemoveUnreferencedAssets(ctx context.Context) (int, error) {
	removed := 0
	var after uuid.UUID
	for {
		ids, err := repo.Loose(ctx, k.DB.Reader(), after, batch)
		if err != nil {
			return removed, fmt.Errorf("look for unreferenced assets: %w", err)
		}
		if len(ids) == 0 {
			return removed, nil
		}
		after = ids[len(ids)-1]
		n, err := k.removeAssets(ctx, ids)
		removed += n
		if err != nil {
			return removed, fmt.Errorf("remove unreferenced assets: %w", err)
		}
	}
}

// removeAssets deletes assets and notes their keys as trash in one transaction.
// The condition alone would be no guard, for a sound may take up an asset between
// its reading and the delete; the foreign key is. Where it refuses, one asset of
// the batch has found a user, and each is tried by itself.
func (k *Keeper) removeAssets(ctx context.Context, ids []uuid.UUID) (int, error) {
	n, err := k.removeAssetsTx(ctx, ids)
	if !db.IsForeignKey(err) {
		return n, err
	}
	if len(ids) == 1 {
		return 0, nil
	}
	for _, id := range ids {
		one, err := k.removeAssets(ctx, []uuid.UUID{id})
		n += one
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (k *Keeper) removeAssetsTx(ctx context.Context, ids []uuid.UUID) (int, error) {
	n := 0
	err := k.DB.InTx(ctx, func(tx *db.Tx) error {
		n = 0
		var keys []string
		if err := tx.Select(ctx, &keys, `
DELETE FROM assets
WHERE id IN (?)
AND NOT EXISTS (SELECT 1 FROM sounds WHERE sounds.asset_id = assets.id)
AND NOT EXISTS (SELECT 1 FROM packs WHERE packs.asset_id = assets.id)
RETURNING key`, ids); err != nil {
			return err
		}
		due := k.now().Add(k.Config.TrashAfter)
		for _, key := range keys {
			if _, err := tx.Exec(ctx, `INSERT INTO blob_trash (key, after) VALUES (?, ?)`, key, due); err != nil {
				return err
			}
		}
		n = len(keys)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// DueTrash returns up to limit keys of blobs that may be deleted now. Delete
// them, then call ForgetTrash.
func (k *Keeper) DueTrash(ctx context.Context, limit int) ([]string, error) {
	keys, err := repo.DueTrash(ctx, k.DB.Reader(), k.now(), limit)
	if err != nil {
		return nil, fmt.Errorf("read the trash list: %w", err)
	}
	return keys, nil
}

// ForgetTrash strikes deleted blobs off the trash list, and returns how many were on it:
// another janitor may have been faster.
func (k *Keeper) ForgetTrash(ctx context.Context, keys []string) (int, error) {
	if len(keys) == 0 {
		return 0, nil
	}
	var n int64
	err := k.DB.InTx(ctx, func(tx *db.Tx) (err error) {
		n, err = tx.Exec(ctx, `DELETE FROM blob_trash WHERE key IN (?)`, keys)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("forget trash: %w", err)
	}
	return int(n), nil
}

// LiveKeys returns which of the keys (at most 500) the database knows, as an
// asset or as trash. A blob that it does not know, and that is more than 24 h
// old by the time in its key, is an orphan.
func (k *Keeper) LiveKeys(ctx context.Context, keys []string) (map[string]bool, error) {
	known, err := repo.KnownKeys(ctx, k.DB.Reader(), keys)
	if err != nil {
		return nil, fmt.Errorf("look for orphans: %w", err)
	}
	return known, nil
}

// ExpireIdempotencyKeys removes the keys whose time is over.
func (k *Keeper) ExpireIdempotencyKeys(ctx context.Context) (int, error) {
	removed := 0
	for {
		var n int64
		err := k.DB.InTx(ctx, func(tx *db.Tx) error {
			var err error
			by := k.now().Add(-k.Config.IdempotencyTTL)
			n, err = tx.Exec(ctx, `
DELETE FROM idempotency_keys
WHERE job_id IN (SELECT job_id FROM idempotency_keys WHERE created_at <= ? ORDER BY created_at LIMIT ?)
AND created_at <= ?`, by, batch, by)
			return err
		})
		if err != nil {
			return removed, fmt.Errorf("expire idempotency keys: %w", err)
		}
		removed += int(n)
		if n == 0 {
			return removed, nil
		}
	}
}

// ForgetIdleShares removes the fair-share marks that the clock of their lane has
// passed: without them their owners start at the clock, as with them.
func (k *Keeper) ForgetIdleShares(ctx context.Context) (int, error) {
	removed := 0
	for _, lane := range model.Lanes() {
		for {
			var n int64
			err := k.DB.InTx(ctx, func(tx *db.Tx) error {
				var clock int64
				if err := tx.Get(ctx, &clock, `SELECT clock FROM lanes WHERE lane = ?`, lane); err != nil {
					return err
				}
				var err error
				// The tag is compared again outside: the mark may have moved since.
				n, err = tx.Exec(ctx, `
DELETE FROM fair_shares
WHERE lane = ? AND tag <= ?
AND owner IN (SELECT owner FROM fair_shares WHERE lane = ? AND tag <= ? ORDER BY tag LIMIT ?)`,
					lane, clock, lane, clock, batch)
				return err
			})
			if err != nil {
				return removed, fmt.Errorf("forget idle shares: %w", err)
			}
			removed += int(n)
			if n == 0 {
				break
			}
		}
	}
	return removed, nil
}
