package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"patchlab/db"
	"patchlab/db/repo"
	"patchlab/internal/model"
)

// Repair ends the jobs of which nothing is left to do, sets right those that count wrongly
// what is left, and cancels what is left of jobs that have ended. None of that can happen by
// design: it is what a hand in the database, or a fault of ours, may leave, and nobody would
// ever see the end of it. It returns the number of jobs.
func (f *Farm) Repair(ctx context.Context) (int, error) {
	repaired := 0
	var after uuid.UUID
	for {
		ids, err := repo.Miscounted(ctx, f.DB.Reader(), after, batch)
		if err != nil {
			return repaired, fmt.Errorf("look for stuck jobs: %w", err)
		}
		n, err := f.repairAll(ctx, ids)
		repaired += n
		if err != nil {
			return repaired, err
		}
		if len(ids) < batch {
			break
		}
		after = ids[len(ids)-1]
	}
	ids, err := repo.EndedWithTasks(ctx, f.DB.Reader(), batch)
	if err != nil {
		return repaired, fmt.Errorf("look for tasks of jobs that have ended: %w", err)
	}
	n, err := f.repairAll(ctx, ids)
	return repaired + n, err
}

func (f *Farm) repairAll(ctx context.Context, ids []uuid.UUID) (int, error) {
	repaired := 0
	for _, id := range ids {
		done, err := f.repair(ctx, id)
		if err != nil {
			return repaired, fmt.Errorf("repair job %s: %w", id, err)
		}
		if done {
			repaired++
		}
	}
	return repaired, nil
}

// repair sets one job right; false where it is by now.
func (f *Farm) repair(ctx context.Context, id uuid.UUID) (bool, error) {
	var was, job lockedJob
	var unfinished int
	var cancelled []uuid.UUID
	err := f.DB.InTx(ctx, func(tx *db.Tx) error {
		cancelled = cancelled[:0]
		err := tx.Get(ctx, &job, lockJob, id)
		if errors.Is(err, db.ErrNoRows) {
			return errUnchanged
		}
		if err != nil {
			return err
		}
		was = job
		var tasks struct {
			Unfinished int `db:"unfinished"`
			Failed     int `db:"failed"`
		}
		if err := tx.Get(ctx, &tasks, `
SELECT COALESCE(sum(CASE WHEN state IN ('queued', 'running') THEN 1 ELSE 0 END), 0) AS unfinished,
       COALESCE(sum(CASE WHEN state = 'failed' AND sound_id IS NOT NULL THEN 1 ELSE 0 END), 0) AS failed
FROM tasks WHERE job_id = ?`, id); err != nil {
			return err
		}
		unfinished = tasks.Unfinished
		switch {
		case job.State.Final():
			if unfinished == 0 {
				return errUnchanged
			}
			if err := tx.Select(ctx, &cancelled, cancelTasks, id, f.now()); err != nil {
				return err
			}
			err = f.endLeftSounds(ctx, tx, &job, model.Cancelled, nil)
		case unfinished > 0:
			if unfinished == job.Remaining {
				return errUnchanged
			}
			job.Remaining = unfinished
		default:
			job.Remaining, job.FailedCount = 0, tasks.Failed
			err = f.finishStuck(ctx, tx, &job)
		}
		if err != nil {
			return err
		}
		job.Version++
		return saveJob(ctx, tx, job)
	})
	if errors.Is(err, errUnchanged) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	f.Log.WarnContext(ctx, "repaired a job that was stuck", "job", id, "state", was.State, "remaining", was.Remaining,
		"unfinished_tasks", unfinished, "new_state", job.State)
	f.tellCancelled(ctx, cancelled)
	f.publish(ctx, id, job.Version)
	f.wake()
	return true, nil
}

// finishStuck ends a job as the last of its tasks would have.
func (f *Farm) finishStuck(ctx context.Context, tx *db.Tx, job *lockedJob) error {
	lost, err := json.Marshal(model.Failure{Code: "lost", Message: "its record was damaged: render it again"})
	if err != nil {
		return fmt.Errorf("encode the failure: %w", err)
	}
	text := string(lost)
	if err := f.endLeftSounds(ctx, tx, job, model.Failed, &text); err != nil {
		return err
	}
	last := lockedTask{State: model.Failed}
	err = tx.Get(ctx, &last, `
SELECT owner, state FROM tasks WHERE job_id = ?
ORDER BY CASE kind WHEN 'assemble' THEN 0 ELSE 1 END, finished_at DESC, id DESC LIMIT 1`, job.ID)
	if errors.Is(err, db.ErrNoRows) {
		job.Error = &text
		var whole model.Job
		whole, err = repo.Job(ctx, tx, job.ID, 0)
		last.Owner = whole.Owner.Owner()
	}
	if err != nil {
		return err
	}
	return f.finish(ctx, tx, job, &last)
}

// endLeftSounds ends the sounds of a job that wait for a task which is not there.
func (f *Farm) endLeftSounds(ctx context.Context, tx *db.Tx, job *lockedJob, state model.State, failure *string) error {
	var ended int64
	if job.PackID != nil {
		ended = job.Version + 1 // which this transaction gives it
	}
	_, err := tx.Exec(ctx, `
UPDATE sounds SET state = ?, error = ?, finished_at = ?, ended_version = ? WHERE job_id = ? AND state IN ('queued', 'running')`,
		state, failure, f.now(), ended, job.ID)
	return err
}
