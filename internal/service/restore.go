package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"patchlab/db"
	"patchlab/db/repo"
	"patchlab/internal/model"
)

// restoreRetry is how long to wait before asking again for audio that is rendered again.
const restoreRetry = 2 * time.Second

// restoring says that audio was put away. It is no fault: the same request does, a little
// later.
func restoring() error {
	e := model.Errorf(model.CodeRestoring, "the audio was put away and is being made again from its recipe: ask again in a moment")
	e.RetryAfter = restoreRetry
	return e
}

// restoreJobTTL is how long the job of a restoration is kept: nobody looks for it later.
const restoreJobTTL = 24 * time.Hour

// setRestored gives a sound its audio again. How a restoration comes on, or fails, leaves
// the sound as it is: it has been rendered, and can be asked for again.
func setRestored(ctx context.Context, tx *db.Tx, task *lockedTask, state model.State, assetID *uuid.UUID, finished *time.Time) error {
	if state != model.Succeeded {
		return nil
	}
	_, err := tx.Exec(ctx, `UPDATE sounds SET asset_id = ?, finished_at = ? WHERE id = ? AND state = 'succeeded'`, assetID, finished, *task.SoundID)
	return err
}

// restoringJob wants a sound: the job that renders it again.
const restoringJob = `
SELECT job_id FROM tasks WHERE sound_id = ? AND kind = 'restore' AND state IN ('queued', 'running') ORDER BY id LIMIT 1`

// errJoined ends a transaction because somebody else has done what it was for.
var errJoined = errors.New("service: somebody else was faster")

// RestoreAudio has the audio of a sound of the caller's rendered again, and returns the job
// that does so: there is one at a time for a sound. Where the audio is there it returns the
// job that made the sound. It counts as a render of the owner's: CodeQuota. Another's sound
// is CodeNotFound, one that was never rendered CodeNotReady.
func (f *Farm) RestoreAudio(ctx context.Context, caller model.Caller, soundID uuid.UUID) (model.Job, error) {
	sound, err := f.ownSound(ctx, caller, soundID)
	if err != nil {
		return model.Job{}, err
	}
	if sound.State != model.Succeeded {
		return model.Job{}, model.Errorf(model.CodeNotReady, "this sound was not rendered, so there is nothing to render again")
	}
	var jobID uuid.UUID
	err = f.DB.InTx(ctx, func(tx *db.Tx) error {
		jobID, err = f.restoreTx(ctx, tx, &sound)
		return err
	})
	if errors.Is(err, errJoined) {
		err = f.DB.InTx(ctx, func(tx *db.Tx) error {
			err := tx.Get(ctx, &jobID, restoringJob, soundID)
			if errors.Is(err, db.ErrNoRows) {
				jobID, err = sound.JobID, nil // it is done already
			}
			return err
		})
	}
	if err != nil {
		return model.Job{}, fmt.Errorf("restore the audio of sound %s: %w", soundID, err)
	}
	f.wake()
	return f.jobNow(ctx, jobID)
}

// jobNow reads a job where it was just written: a replica may not have it yet.
func (f *Farm) jobNow(ctx context.Context, id uuid.UUID) (job model.Job, err error) {
	err = f.DB.InTx(ctx, func(tx *db.Tx) error {
		job, err = repo.Job(ctx, tx, id, 0)
		return err
	})
	if errors.Is(err, repo.ErrNotFound) {
		return model.Job{}, noSuchJob()
	}
	if err != nil {
		return model.Job{}, fmt.Errorf("read job %s: %w", id, err)
	}
	return job, nil
}

// restoreTx writes the job that renders a sound again; errJoined where there is one, or
// none is needed.
func (f *Farm) restoreTx(ctx context.Context, tx *db.Tx, sound *model.Sound) (uuid.UUID, error) {
	var other uuid.UUID
	if err := tx.Get(ctx, &other, restoringJob, sound.ID); !errors.Is(err, db.ErrNoRows) {
		return uuid.Nil, cmp.Or(err, errJoined)
	}
	owner := sound.Owner.Owner()
	cost := max(1, sound.Patch.Cost())
	// The owner's mark comes first, as in an accept, which then refers to sounds.
	tag, err := f.reserve(ctx, tx, owner, model.Interactive, cost)
	if err != nil {
		return uuid.Nil, err
	}
	if err := f.checkQuota(ctx, tx, owner, 1); err != nil {
		return uuid.Nil, err
	}
	// The update is a lock on the row: two who ask at once come one after the other.
	n, err := tx.Exec(ctx, `
UPDATE sounds SET state = 'succeeded' WHERE id = ? AND state = 'succeeded' AND asset_id IS NULL AND deleted_at IS NULL`, sound.ID)
	if err != nil {
		return uuid.Nil, err
	}
	if n == 0 {
		return uuid.Nil, errJoined
	}
	if err := tx.Get(ctx, &other, restoringJob, sound.ID); !errors.Is(err, db.ErrNoRows) {
		return uuid.Nil, cmp.Or(err, errJoined)
	}
	now := f.now()
	expires := now.Add(restoreJobTTL)
	if sound.ExpiresAt != nil && sound.ExpiresAt.Before(expires) {
		expires = *sound.ExpiresAt
	}
	var anonKey *string
	if sound.Owner.UserID == nil {
		anonKey = &sound.Owner.AnonKey
	}
	jobID, err := f.id()
	if err != nil {
		return uuid.Nil, err
	}
	taskID, err := f.id()
	if err != nil {
		return uuid.Nil, err
	}
	if _, err := tx.Exec(ctx, `
INSERT INTO jobs (id, owner_id, anon_key, kind, lane, state, version, total, remaining, created_at, expires_at)
VALUES (?, ?, ?, ?, ?, 'queued', 1, 1, 1, ?, ?)`,
		jobID, sound.Owner.UserID, anonKey, model.JobRestore, model.Interactive, now, expires); err != nil {
		return uuid.Nil, err
	}
	_, err = tx.Exec(ctx, `
INSERT INTO tasks (id, job_id, sound_id, kind, lane, owner, state, not_before, tag, cost, created_at)
VALUES (?, ?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?)`,
		taskID, jobID, sound.ID, model.TaskRestore, model.Interactive, owner, now, tag+cost, cost, now)
	return jobID, err
}

// RestorePack has the ZIP of a pack of the caller's made again, with the audio of its sounds
// where that was put away too, and returns the job that does so: there is one at a time. It
// is a build like any other; where one runs, or the ZIP is there, it returns the last.
// Another's is CodeNotFound.
func (f *Farm) RestorePack(ctx context.Context, caller model.Caller, packID uuid.UUID) (model.Job, error) {
	pack, err := f.readPack(ctx, packID)
	if err == nil && !mine(caller, pack.Owner) {
		err = noSuchPack()
	}
	if err != nil {
		return model.Job{}, err
	}
	if pack.Asset != nil || !pack.Job.State.Final() {
		return pack.Job, nil
	}
	again, err := f.RebuildPack(ctx, caller, packID)
	if model.CodeOf(err) == model.CodeConflict {
		if again, err = f.readPack(ctx, packID); err == nil && again.Job.ID == pack.Job.ID {
			return model.Job{}, model.Errorf(model.CodeNotReady, "this pack has no sounds any more, so it has no ZIP")
		}
	}
	return again.Job, err
}

// dropBatch is how many sounds lose their audio in one transaction.
const dropBatch = 500

// DropAsset forgets an asset whose blob the store has lost, so that what had it is rendered
// again when it is asked for. Nothing happens where another has taken its place.
func (f *Farm) DropAsset(ctx context.Context, asset model.Asset) error {
	for {
		var n int64
		err := f.DB.InTx(ctx, func(tx *db.Tx) error {
			var key string
			if err := tx.Get(ctx, &key, `SELECT key FROM assets WHERE id = ? AND key = ? FOR UPDATE`, asset.ID, asset.Key); err != nil {
				return err
			}
			var err error
			if n, err = tx.Exec(ctx, `
UPDATE sounds SET asset_id = NULL WHERE id IN (SELECT id FROM sounds WHERE asset_id = ? LIMIT ?)`, asset.ID, dropBatch); err != nil || n == dropBatch {
				return err
			}
			if _, err := tx.Exec(ctx, `UPDATE packs SET asset_id = NULL WHERE asset_id = ?`, asset.ID); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `DELETE FROM assets WHERE id = ?`, asset.ID); err != nil {
				return err
			}
			// Should the store find it again, it goes.
			_, err = tx.Exec(ctx, `INSERT INTO blob_trash (key, after) VALUES (?, ?)`, key, f.now().Add(f.Config.TrashAfter))
			return err
		})
		if errors.Is(err, db.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("forget the lost blob %s: %w", asset.Key, err)
		}
		if n < dropBatch {
			f.Log.WarnContext(ctx, "the store has lost a blob; it is rendered again when it is asked for", "key", asset.Key)
			return nil
		}
	}
}
