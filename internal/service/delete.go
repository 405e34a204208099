package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"patchlab/db"
	"patchlab/db/repo"
	"patchlab/internal/model"
)

// DeleteSound hides a sound of the caller's at once, everywhere; one that waits or runs is
// cancelled first. For Config.DeleteGrace UndeleteSound brings it back. The ZIP of its pack
// has it until it is built again. Another's sound is CodeNotFound.
func (f *Farm) DeleteSound(ctx context.Context, caller model.Caller, id uuid.UUID) error {
	if _, err := f.CancelSound(ctx, caller, id); err != nil {
		return err
	}
	var jobID uuid.UUID
	var version int64
	err := f.DB.InTx(ctx, func(tx *db.Tx) error {
		var job lockedJob
		err := tx.Get(ctx, &job, lockJobOfSound, id)
		if err == nil {
			var state model.State
			err = tx.Get(ctx, &state, `
UPDATE sounds SET deleted_at = ? WHERE id = ? AND job_id = ? AND deleted_at IS NULL RETURNING state`, f.now(), id, job.ID)
			if err == nil && !state.Final() { // its pack was just rebuilt
				return model.Errorf(model.CodeConflict, "this sound is being rendered again: cancel it first")
			}
		}
		if errors.Is(err, db.ErrNoRows) {
			return noSuchSound() // removed since
		}
		if err != nil {
			return err
		}
		job.Version++
		jobID, version = job.ID, job.Version
		return saveJob(ctx, tx, job)
	})
	if err != nil {
		return fmt.Errorf("delete sound %s: %w", id, err)
	}
	f.publish(ctx, jobID, version)
	return nil
}

// lockJobOfSound wants the id of a sound.
const lockJobOfSound = lockedJobColumns + `WHERE id = (SELECT job_id FROM sounds WHERE id = ?) FOR UPDATE`

// UndeleteSound brings back a sound of the caller's that was deleted within
// Config.DeleteGrace. One that is there is left as it is. After the grace, where its pack is
// deleted, and of another's sound, it is CodeNotFound.
func (f *Farm) UndeleteSound(ctx context.Context, caller model.Caller, id uuid.UUID) (model.Sound, error) {
	var sound model.Sound
	err := f.DB.InTx(ctx, func(tx *db.Tx) error {
		var err error
		if sound, err = repo.Sound(ctx, tx, id); err == nil && !mine(caller, sound.Owner) {
			err = repo.ErrNotFound
		}
		if errors.Is(err, repo.ErrNotFound) {
			return noSuchSound()
		}
		if err != nil || sound.DeletedAt == nil {
			return err
		}
		n, err := tx.Exec(ctx, `
UPDATE sounds SET deleted_at = NULL WHERE id = ? AND deleted_at > ?
AND NOT EXISTS (SELECT 1 FROM packs WHERE packs.id = sounds.pack_id AND packs.deleted_at IS NOT NULL)`,
			id, f.now().Add(-f.Config.DeleteGrace))
		if err == nil && n == 0 {
			err = noSuchSound()
		}
		sound.DeletedAt = nil
		return err
	})
	if err != nil {
		return model.Sound{}, fmt.Errorf("bring back sound %s: %w", id, err)
	}
	return sound, nil
}

// DeletePack hides a pack of the caller's with its sounds, at once, and stops what of it is
// being built. For Config.DeleteGrace UndeletePack brings it back. Another's is CodeNotFound.
func (f *Farm) DeletePack(ctx context.Context, caller model.Caller, packID uuid.UUID) error {
	pack, err := f.readPack(ctx, packID)
	if err == nil && !mine(caller, pack.Owner) {
		err = noSuchPack()
	}
	if err != nil {
		return err
	}
	if _, err := f.Cancel(ctx, caller, pack.Job.ID); err != nil {
		return err
	}
	err = f.DB.InTx(ctx, func(tx *db.Tx) error {
		row, _, idle, err := lockIdlePack(ctx, tx, packID)
		switch {
		case err != nil:
			return err
		case row.DeletedAt != nil:
			return noSuchPack()
		case !idle: // it was just rebuilt
			return model.Errorf(model.CodeConflict, "this pack is being built again: cancel that first")
		}
		now := f.now()
		if _, err := tx.Exec(ctx, `UPDATE packs SET deleted_at = ? WHERE id = ?`, now, packID); err != nil {
			return err
		}
		// Those that were deleted before, by themselves, stay so if the pack comes back.
		if _, err := tx.Exec(ctx, `UPDATE sounds SET deleted_at = ? WHERE pack_id = ? AND deleted_at IS NULL`, now, packID); err != nil {
			return err
		}
		// The same request again asks for a new pack.
		_, err = tx.Exec(ctx, `DELETE FROM idempotency_keys WHERE job_id IN (SELECT id FROM jobs WHERE pack_id = ?)`, packID)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete pack %s: %w", packID, err)
	}
	return nil
}

// UndeletePack brings back a pack of the caller's, with the sounds that were deleted with
// it, within Config.DeleteGrace. One that is there is left as it is. After the grace, and of
// another's pack, it is CodeNotFound.
func (f *Farm) UndeletePack(ctx context.Context, caller model.Caller, packID uuid.UUID) (model.Pack, error) {
	err := f.DB.InTx(ctx, func(tx *db.Tx) error {
		pack, err := repo.Pack(ctx, tx, packID)
		if errors.Is(err, repo.ErrNotFound) || err == nil && !mine(caller, pack.Owner) {
			return noSuchPack()
		}
		if err != nil || pack.DeletedAt == nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE packs SET deleted_at = NULL WHERE id = ? AND deleted_at > ?`, packID, f.now().Add(-f.Config.DeleteGrace))
		if err == nil && n == 0 {
			err = noSuchPack()
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE sounds SET deleted_at = NULL WHERE pack_id = ? AND deleted_at = ?`, packID, *pack.DeletedAt)
		return err
	})
	if err != nil {
		return model.Pack{}, fmt.Errorf("bring back pack %s: %w", packID, err)
	}
	return f.readPack(ctx, packID)
}
