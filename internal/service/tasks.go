package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"patchlab/db"
	"patchlab/db/repo"
	"patchlab/engine/patch"
	"patchlab/internal/model"
)

// lockedJob is a job's row, locked.
type lockedJob struct {
	ID          uuid.UUID   `db:"id"`
	Kind        string      `db:"kind"`
	State       model.State `db:"state"`
	Version     int64       `db:"version"`
	Lane        model.Lane  `db:"lane"`
	Stage       string      `db:"stage"`
	PackID      *uuid.UUID  `db:"pack_id"`
	Remaining   int         `db:"remaining"`
	FailedCount int         `db:"failed_count"`
	Error       *string     `db:"error"`
	StartedAt   *time.Time  `db:"started_at"`
	FinishedAt  *time.Time  `db:"finished_at"`
}

// lockedTask is a task's row, locked.
type lockedTask struct {
	ID         uuid.UUID      `db:"id"`
	SoundID    *uuid.UUID     `db:"sound_id"`
	Kind       model.TaskKind `db:"kind"`
	Lane       model.Lane     `db:"lane"`
	Owner      string         `db:"owner"`
	State      model.State    `db:"state"`
	Attempt    int            `db:"attempt"`
	Failures   int            `db:"failures"`
	Crashes    int            `db:"crashes"`
	NotBefore  time.Time      `db:"not_before"`
	Cost       int64          `db:"cost"`
	Reused     bool           `db:"reused"`
	WorkerID   *uuid.UUID     `db:"worker_id"`
	Error      *string        `db:"error"`
	ReleasedAt *time.Time     `db:"released_at"`
	StartedAt  *time.Time     `db:"started_at"`
	FinishedAt *time.Time     `db:"finished_at"`
}

// held reports whether the ticket's attempt is the one that runs.
func (t lockedTask) held(ticket model.Ticket) bool {
	return t.State == model.Running && t.Attempt == ticket.Attempt
}

// waiting reports whether the ticket's attempt was released and not claimed yet.
func (t lockedTask) waiting(ticket model.Ticket) bool {
	return t.State == model.Queued && t.Attempt == ticket.Attempt && t.ReleasedAt != nil
}

// errUnchanged ends a transition without a change.
var errUnchanged = errors.New("service: nothing to change")

// transition changes a task and its job in one transaction, and publishes. It
// locks the job's row first and the task's second: siblings that finish at the
// same moment come one after the other, so exactly one of them sees that it is the
// last. fn changes the rows in memory; both are written after it. A task that is
// gone is ErrFenced.
func (f *Farm) transition(ctx context.Context, taskID uuid.UUID, fn func(tx *db.Tx, job *lockedJob, task *lockedTask) error) error {
	var jobID uuid.UUID
	var version int64
	err := f.DB.InTx(ctx, func(tx *db.Tx) error {
		job, task, err := lockTask(ctx, tx, taskID)
		if err != nil {
			return err
		}
		if err := fn(tx, &job, &task); err != nil {
			return err
		}
		if err := saveTask(ctx, tx, task); err != nil {
			return err
		}
		if job.Remaining == 0 && !job.State.Final() {
			if err := f.finish(ctx, tx, &job, &task); err != nil {
				return err
			}
		}
		job.Version++
		jobID, version = job.ID, job.Version
		return saveJob(ctx, tx, job)
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	if err != nil {
		return err
	}
	f.publish(ctx, jobID, version)
	return nil
}

func lockTask(ctx context.Context, tx *db.Tx, taskID uuid.UUID) (job lockedJob, task lockedTask, err error) {
	var row struct {
		lockedTask

		Job lockedJob `db:"j"`
	}
	err = tx.Get(ctx, &row, lockTaskAndJob, taskID)
	if errors.Is(err, db.ErrNoRows) {
		err = ErrFenced // expired or deleted with its job
	}
	return row.Job, row.lockedTask, err
}

const lockedJobColumns = `
SELECT id, kind, state, version, lane, stage, pack_id, remaining, failed_count, error, started_at, finished_at
FROM jobs `

const (
	// lockJob wants the id.
	lockJob = lockedJobColumns + `WHERE id = ? FOR UPDATE`
	// lockTaskAndJob wants the id of a task. PostgreSQL locks in the order of FROM, waits for
	// each, and returns what the rows have become meanwhile.
	lockTaskAndJob = `
SELECT t.id, t.sound_id, t.kind, t.lane, t.owner, t.state, t.attempt, t.failures, t.crashes, t.not_before, t.cost, t.reused,
       t.worker_id, t.error, t.released_at, t.started_at, t.finished_at,
       j.id AS "j.id", j.kind AS "j.kind", j.state AS "j.state", j.version AS "j.version", j.lane AS "j.lane", j.stage AS "j.stage",
       j.pack_id AS "j.pack_id", j.remaining AS "j.remaining", j.failed_count AS "j.failed_count", j.error AS "j.error",
       j.started_at AS "j.started_at", j.finished_at AS "j.finished_at"
FROM jobs j JOIN tasks t ON t.job_id = j.id WHERE t.id = ? FOR UPDATE`
)

func saveTask(ctx context.Context, tx *db.Tx, t lockedTask) error {
	_, err := tx.Exec(ctx, `
UPDATE tasks SET state = ?, failures = ?, crashes = ?, not_before = ?, reused = ?, worker_id = ?, error = ?,
                 released_at = ?, started_at = ?, finished_at = ?
WHERE id = ?`,
		t.State, t.Failures, t.Crashes, t.NotBefore, t.Reused, t.WorkerID, t.Error, t.ReleasedAt, t.StartedAt, t.FinishedAt, t.ID)
	return err
}

func saveJob(ctx context.Context, tx *db.Tx, j lockedJob) error {
	_, err := tx.Exec(ctx, `
UPDATE jobs SET state = ?, version = ?, stage = ?, remaining = ?, failed_count = ?, error = ?, started_at = ?, finished_at = ?
WHERE id = ?`,
		j.State, j.Version, j.Stage, j.Remaining, j.FailedCount, j.Error, j.StartedAt, j.FinishedAt, j.ID)
	return err
}

// finish ends a job whose last task has ended, or inserts the task of its second stage:
// whoever ends the last task holds the job's row, so exactly one does.
func (f *Farm) finish(ctx context.Context, tx *db.Tx, job *lockedJob, last *lockedTask) error {
	if job.PackID != nil && job.Stage == "" {
		assembling, err := f.assemble(ctx, tx, job, last.Owner)
		if err != nil || assembling {
			return err
		}
	}
	var good int
	if job.Stage == model.StageAssembling {
		if last.State == model.Succeeded {
			good = 1
		}
	} else if err := tx.Get(ctx, &good, `SELECT count(*) FROM tasks WHERE job_id = ? AND state = 'succeeded'`, job.ID); err != nil {
		return err
	}
	now := f.now()
	job.FinishedAt = &now
	switch {
	case good > 0:
		job.State, job.Error = model.Succeeded, nil
	case last.State == model.Cancelled && job.FailedCount == 0:
		job.State = model.Cancelled // each of its sounds was, by itself
	default:
		job.State = model.Failed
	}
	return nil
}

// setSound writes the state of a task's sound.
func setSound(ctx context.Context, tx *db.Tx, job *lockedJob, task *lockedTask, state model.State, assetID *uuid.UUID, failure *string, finished *time.Time) error {
	if task.SoundID == nil {
		return nil
	}
	if task.Kind == model.TaskRestore {
		return setRestored(ctx, tx, task, state, assetID, finished)
	}
	var ended int64
	if job.PackID != nil && state.Final() {
		ended = job.Version + 1 // which this transaction gives it
	}
	_, err := tx.Exec(ctx, `UPDATE sounds SET state = ?, asset_id = ?, error = ?, finished_at = ?, ended_version = ? WHERE id = ?`,
		state, assetID, failure, finished, ended, *task.SoundID)
	return err
}

// Claim is a task in the hands of a worker.
type Claim struct {
	Ticket model.Ticket
	JobID  uuid.UUID
	Cost   int64       // estimated µs of CPU
	Sound  model.Sound // what to render: its ID, Patch and Format
	Pack   *PackBuild  // what to assemble

	PickedUp time.Duration // from the release of the ticket to this claim
	Waited   time.Duration // from when the task was due
}

// Claim starts the attempt of a ticket. ok is false where the ticket is stale,
// ErrWorkerGone where the worker is not registered.
func (f *Farm) Claim(ctx context.Context, ticket model.Ticket, workerID uuid.UUID) (claim Claim, ok bool, err error) {
	err = f.transition(ctx, ticket.TaskID, func(tx *db.Tx, job *lockedJob, task *lockedTask) error {
		if !task.waiting(ticket) || job.State.Final() {
			return ErrFenced
		}
		now := f.now()
		task.State, task.WorkerID, task.StartedAt = model.Running, &workerID, &now
		if job.State == model.Queued {
			job.State, job.StartedAt = model.Running, &now
		}
		claim = Claim{Ticket: ticket, JobID: job.ID, Cost: task.Cost, Waited: now.Sub(task.NotBefore)}
		if task.ReleasedAt != nil {
			claim.PickedUp = now.Sub(*task.ReleasedAt)
		}
		claim.Ticket.Kind, claim.Ticket.Lane = task.Kind, task.Lane
		if task.SoundID != nil {
			claim.Sound, err = begin(ctx, tx, task, workerID)
			return err
		}
		var registered int
		if err := tx.Get(ctx, &registered, `SELECT count(*) FROM workers WHERE id = ?`, workerID); err != nil {
			return err
		}
		if registered == 0 {
			return ErrWorkerGone
		}
		if task.Kind == model.TaskAssemble {
			claim.Pack, err = packBuild(ctx, tx, *job.PackID)
		}
		return err
	})
	if errors.Is(err, ErrFenced) {
		return Claim{}, false, nil
	}
	if err != nil {
		return Claim{}, false, fmt.Errorf("claim task %s: %w", ticket.TaskID, err)
	}
	return claim, true, nil
}

// beginSound wants a sound and a worker. What a worker claims again has no end yet.
const beginSound = `
UPDATE sounds SET state = 'running', asset_id = NULL, error = NULL, finished_at = NULL, ended_version = 0
WHERE id = ? AND EXISTS (SELECT 1 FROM workers WHERE workers.id = ?)
RETURNING patch, format`

// beginRestore wants what beginSound does. The sound stays as it is until its audio is back.
const beginRestore = `
SELECT patch, format FROM sounds WHERE id = ? AND EXISTS (SELECT 1 FROM workers WHERE workers.id = ?)`

// begin marks the sound of a task as being rendered by a registered worker, and returns
// what is to be rendered of it. Its task keeps the sound, so if it is not there the worker
// is not.
func begin(ctx context.Context, tx *db.Tx, task *lockedTask, workerID uuid.UUID) (model.Sound, error) {
	soundID := *task.SoundID
	var row struct {
		Patch  []byte `db:"patch"`
		Format string `db:"format"`
	}
	var err error
	if task.Kind == model.TaskRestore {
		err = tx.Get(ctx, &row, beginRestore, soundID, workerID)
	} else {
		err = tx.Get(ctx, &row, beginSound, soundID, workerID)
	}
	if errors.Is(err, db.ErrNoRows) {
		return model.Sound{}, ErrWorkerGone
	}
	if err != nil {
		return model.Sound{}, err
	}
	p, err := patch.Decode(row.Patch)
	if err != nil {
		return model.Sound{}, fmt.Errorf("sound %s: decode its patch: %w", soundID, err)
	}
	return model.Sound{ID: soundID, Patch: p, Format: row.Format}, nil
}

// CommitResult says what became of a rendered blob.
type CommitResult struct {
	Asset   model.Asset // the one that the sound has now
	Adopted bool        // another's blob of the same digest had won: delete your own
}

// Commit ends an attempt well. An asset with an ID is one that FindAsset gave
// (ErrAssetGone: it was removed meanwhile, render after all); one without is a
// blob just stored. On ErrFenced delete your blob, unless FindAsset names it: an
// earlier call may have counted without an answer. On any other error leave it, for
// the commit may have happened: the orphan sweep takes care of it, and calling
// Commit again is safe.
func (f *Farm) Commit(ctx context.Context, ticket model.Ticket, asset model.Asset) (CommitResult, error) {
	var result CommitResult
	err := f.transition(ctx, ticket.TaskID, func(tx *db.Tx, job *lockedJob, task *lockedTask) error {
		if !task.held(ticket) {
			return f.committed(ctx, tx, job, task, ticket, asset, &result)
		}
		won, err := f.settle(ctx, tx, asset)
		if err != nil {
			return err
		}
		reused := asset.ID != uuid.Nil
		result = CommitResult{Asset: won, Adopted: !reused && won.Key != asset.Key}
		now := f.now()
		task.State, task.FinishedAt, task.Reused, task.Error = model.Succeeded, &now, reused, nil
		job.Remaining--
		if task.Kind == model.TaskAssemble {
			_, err := tx.Exec(ctx, `UPDATE packs SET asset_id = ? WHERE id = ?`, won.ID, job.PackID)
			return err
		}
		return setSound(ctx, tx, job, task, model.Succeeded, &won.ID, nil, &now)
	})
	if err != nil {
		return CommitResult{}, fmt.Errorf("commit task %s: %w", ticket.TaskID, err)
	}
	f.wake()
	return result, nil
}

// committed answers a commit of an attempt that does not run (any more). Where the
// very same attempt has succeeded, an answer was lost on its way and the caller
// asks again: its blob is in use and must not be deleted.
func (f *Farm) committed(ctx context.Context, tx *db.Tx, job *lockedJob, task *lockedTask, ticket model.Ticket, asset model.Asset, result *CommitResult) error {
	if task.State != model.Succeeded || task.Attempt != ticket.Attempt {
		return ErrFenced
	}
	var won *model.Asset
	switch {
	case task.SoundID != nil:
		sound, err := repo.Sound(ctx, tx, *task.SoundID)
		if err != nil {
			return err
		}
		won = sound.Asset
	case task.Kind == model.TaskAssemble:
		pack, err := repo.Pack(ctx, tx, *job.PackID)
		if err != nil {
			return err
		}
		won = pack.Asset
	}
	if won == nil || won.Digest != asset.Digest {
		return ErrFenced
	}
	*result = CommitResult{Asset: *won, Adopted: asset.ID == uuid.Nil && won.Key != asset.Key}
	return errUnchanged
}

// settleTries bounds how often an asset may vanish between being in the way and
// being adopted; twice in a row is all but impossible.
const settleTries = 3

// settle makes the row of an asset, or finds the one of the same digest, and locks
// it. An asset that was found by its digest must still be there: its blob may be
// deleted already.
func (f *Farm) settle(ctx context.Context, tx *db.Tx, a model.Asset) (model.Asset, error) {
	if a.ID != uuid.Nil {
		won, err := repo.LockAssetByDigest(ctx, tx, a.Digest)
		if errors.Is(err, repo.ErrNotFound) {
			return model.Asset{}, ErrAssetGone
		}
		return won, err
	}
	var err error
	if a.ID, err = f.id(); err != nil {
		return model.Asset{}, err
	}
	a.CreatedAt = f.now()
	for range settleTries {
		n, err := tx.Exec(ctx, `
INSERT INTO assets (id, digest, key, size, etag, format, engine, encoder, frames, sample_rate, channels, peaks, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (digest) DO NOTHING`,
			a.ID, a.Digest, a.Key, a.Size, a.ETag, a.Format, a.Engine, a.Encoder, a.Frames, a.SampleRate, a.Channels,
			repo.EncodePeaks(a.Peaks), a.CreatedAt)
		if err != nil {
			return model.Asset{}, err
		}
		if n == 1 {
			return a, nil
		}
		won, err := repo.LockAssetByDigest(ctx, tx, a.Digest)
		if !errors.Is(err, repo.ErrNotFound) {
			return won, err
		}
	}
	return model.Asset{}, fmt.Errorf("asset %s keeps appearing and vanishing", a.Digest)
}

// Fail ends an attempt badly: a retryable failure waits and tries again, up to
// Config.MaxAttempts failures (Config.MaxOutages of outages), any other is final. ErrFenced where the attempt is
// stale.
func (f *Farm) Fail(ctx context.Context, ticket model.Ticket, failure *model.Failure, retryable bool) error {
	spread, err := f.uint32()
	if err != nil {
		return err
	}
	err = f.transition(ctx, ticket.TaskID, func(tx *db.Tx, job *lockedJob, task *lockedTask) error {
		if !task.held(ticket) {
			return ErrFenced
		}
		return f.charge(ctx, tx, job, task, failure, retryable, f.backoff(task.Failures+1, spread))
	})
	if err != nil {
		return fmt.Errorf("fail task %s: %w", ticket.TaskID, err)
	}
	f.wake()
	return nil
}

// charge counts a failure of a running task, which then waits to be tried again or
// has failed for good.
func (f *Farm) charge(ctx context.Context, tx *db.Tx, job *lockedJob, task *lockedTask, failure *model.Failure, retryable bool, wait time.Duration) error {
	encoded, err := json.Marshal(failure)
	if err != nil {
		return fmt.Errorf("encode the failure: %w", err)
	}
	text := string(encoded)
	now := f.now()
	task.Failures++
	task.Error = &text
	most := f.Config.MaxAttempts
	if failure.Outage() {
		most = max(most, f.Config.MaxOutages)
	}
	if retryable && task.Failures < most {
		requeue(task, now.Add(wait))
		return setSound(ctx, tx, job, task, model.Queued, nil, nil, nil)
	}
	task.State, task.FinishedAt = model.Failed, &now
	job.Remaining--
	if task.SoundID != nil {
		job.FailedCount++
	}
	job.Error = &text // cleared again where a sibling succeeded
	return setSound(ctx, tx, job, task, model.Failed, nil, &text, &now)
}

// requeue makes a task wait for its next release. The attempt stays as it is: the
// release raises it, and so fences whoever still works on this one.
func requeue(task *lockedTask, notBefore time.Time) {
	task.State, task.NotBefore = model.Queued, notBefore
	task.ReleasedAt, task.StartedAt, task.WorkerID = nil, nil, nil
}

// backoff is the wait after the n-th failure: doubling from Config.BackoffBase to
// Config.BackoffMax, and of that a random half to whole, so that what failed
// together does not come back together.
func (f *Farm) backoff(n int, spread uint32) time.Duration {
	wait := f.Config.BackoffMax
	if shift := n - 1; shift < 32 && f.Config.BackoffBase<<shift < wait {
		wait = f.Config.BackoffBase << shift
	}
	half := wait / 2
	return half + time.Duration(float64(half)*float64(spread)/(1<<32))
}

// HandBack gives up an attempt without a charge, as at a shutdown.
func (f *Farm) HandBack(ctx context.Context, ticket model.Ticket) error {
	err := f.transition(ctx, ticket.TaskID, func(tx *db.Tx, job *lockedJob, task *lockedTask) error {
		if !task.held(ticket) && !task.waiting(ticket) {
			return ErrFenced
		}
		requeue(task, f.now())
		return setSound(ctx, tx, job, task, model.Queued, nil, nil, nil)
	})
	if err != nil {
		return fmt.Errorf("hand back task %s: %w", ticket.TaskID, err)
	}
	f.wake()
	return nil
}
