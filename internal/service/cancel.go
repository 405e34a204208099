package service

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"patchlab/db"
	"patchlab/db/repo"
	"patchlab/internal/model"
)

// cancelTasks wants now and the job. The rows are locked by id, as every transaction
// does.
const cancelTasks = `
WITH left_over AS MATERIALIZED (
    SELECT id FROM tasks WHERE job_id = ? AND state IN ('queued', 'running') ORDER BY id FOR UPDATE
)
UPDATE tasks SET state = 'cancelled', finished_at = ?, released_at = NULL
WHERE id IN (SELECT id FROM left_over)
RETURNING id`

// Cancel ends a job of the caller's at once and for good: what of it waits or runs is
// cancelled and never tried again, what has succeeded stays. Workers are told to stop;
// whatever they still make is thrown away. A job that has ended is left as it is.
// Another's job is CodeNotFound.
func (f *Farm) Cancel(ctx context.Context, caller model.Caller, jobID uuid.UUID) (model.Job, error) {
	if _, err := f.Job(ctx, caller, jobID); err != nil {
		return model.Job{}, err
	}
	var tasks []uuid.UUID
	var version int64
	err := f.DB.InTx(ctx, func(tx *db.Tx) error {
		tasks, version = tasks[:0], 0
		var job lockedJob
		err := tx.Get(ctx, &job, lockJob, jobID)
		if errors.Is(err, db.ErrNoRows) {
			return noSuchJob() // expired since
		}
		if err != nil || job.State.Final() {
			return err
		}
		now := f.now()
		if err := tx.Select(ctx, &tasks, cancelTasks, jobID, now); err != nil {
			return err
		}
		var ended int64
		if job.PackID != nil {
			ended = job.Version + 1 // which this transaction gives it
		}
		if _, err := tx.Exec(ctx, `
UPDATE sounds SET state = 'cancelled', finished_at = ?, ended_version = ? WHERE job_id = ? AND state IN ('queued', 'running')`, now, ended, jobID); err != nil {
			return err
		}
		job.State, job.Remaining, job.FinishedAt = model.Cancelled, 0, &now
		job.Version++
		version = job.Version
		return saveJob(ctx, tx, job)
	})
	if err != nil {
		return model.Job{}, fmt.Errorf("cancel job %s: %w", jobID, err)
	}
	f.tellCancelled(ctx, tasks)
	f.publish(ctx, jobID, version)
	f.wake()
	return f.Job(ctx, caller, jobID)
}

// CancelSound ends the render of one sound of the caller's, as Cancel does that of a whole
// job, and returns its job: which goes on with the others, and has ended with the last of
// them. A sound that has ended is left as it is. Another's is CodeNotFound.
func (f *Farm) CancelSound(ctx context.Context, caller model.Caller, soundID uuid.UUID) (model.Job, error) {
	sound, err := f.ownSound(ctx, caller, soundID)
	if err != nil {
		return model.Job{}, err
	}
	cancelled := false
	err = f.transition(ctx, sound.TaskID, func(tx *db.Tx, job *lockedJob, task *lockedTask) error {
		if cancelled = !task.State.Final() && !job.State.Final(); !cancelled {
			return errUnchanged
		}
		now := f.now()
		task.State, task.FinishedAt, task.ReleasedAt = model.Cancelled, &now, nil
		job.Remaining--
		return setSound(ctx, tx, job, task, model.Cancelled, nil, nil, &now)
	})
	if errors.Is(err, ErrFenced) {
		err = noSuchSound() // expired since
	}
	if err != nil {
		return model.Job{}, fmt.Errorf("cancel sound %s: %w", soundID, err)
	}
	if cancelled {
		f.tellCancelled(ctx, []uuid.UUID{sound.TaskID})
		f.wake()
	}
	return f.JobByID(ctx, sound.JobID, 0)
}

// CancelAll ends every job of an owner's that has not ended, and returns how many there
// were. What the owner asks for meanwhile may be missed.
func (f *Farm) CancelAll(ctx context.Context, owner model.Caller) (int, error) {
	jobs, err := repo.UnfinishedJobs(ctx, f.DB.Reader(), owner)
	if err != nil {
		return 0, fmt.Errorf("look for unfinished jobs: %w", err)
	}
	cancelled := 0
	for _, id := range jobs {
		job, err := f.Cancel(ctx, owner, id)
		if model.CodeOf(err) == model.CodeNotFound {
			continue // deleted since
		}
		if err != nil {
			return cancelled, err
		}
		if job.State == model.Cancelled {
			cancelled++
		}
	}
	return cancelled, nil
}

// tellCancelled tells the workers which tasks to stop. One that does not hear it sees it
// at its next beat.
func (f *Farm) tellCancelled(ctx context.Context, tasks []uuid.UUID) {
	if f.Publisher == nil || len(tasks) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.Config.PublishTimeout)
	defer cancel()
	if err := f.Publisher.TasksCancelled(ctx, tasks); err != nil {
		f.Log.WarnContext(ctx, "workers are not told of cancelled tasks; they will see it at their next beat", "tasks", len(tasks), "error", err)
	}
}

// Overtaken returns those of a worker's tickets, which it has claimed, whose attempt is
// over: cancelled, or another has taken its place.
func (f *Farm) Overtaken(ctx context.Context, tickets []model.Ticket) ([]model.Ticket, error) {
	if len(tickets) == 0 {
		return nil, nil
	}
	over, err := overtaken(ctx, f.DB.Reader(), tickets)
	if err == nil && len(over) > 0 {
		// What the reader says may be older than the claim.
		err = f.DB.InTx(ctx, func(tx *db.Tx) error {
			over, err = overtaken(ctx, tx, over)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("look for overtaken tasks: %w", err)
	}
	return over, nil
}

func overtaken(ctx context.Context, q db.Queryer, tickets []model.Ticket) ([]model.Ticket, error) {
	ids := make([]uuid.UUID, len(tickets))
	for i, t := range tickets {
		ids[i] = t.TaskID
	}
	var rows []struct {
		ID      uuid.UUID `db:"id"`
		Attempt int       `db:"attempt"`
	}
	if err := q.Select(ctx, &rows, `SELECT id, attempt FROM tasks WHERE state = 'running' AND id IN (?)`, ids); err != nil {
		return nil, err
	}
	held := make(map[uuid.UUID]int, len(rows))
	for _, r := range rows {
		held[r.ID] = r.Attempt
	}
	return slices.DeleteFunc(slices.Clone(tickets), func(t model.Ticket) bool {
		attempt, ok := held[t.TaskID]
		return ok && attempt == t.Attempt
	}), nil
}
