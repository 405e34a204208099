package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"patchlab/db"
	"patchlab/db/repo"
	"patchlab/engine/patch"
	"patchlab/internal/model"
)

// Ops is what operators do while all runs. Whatever changes something takes an actor,
// and notes in the same transaction who did what.
type Ops struct {
	Deps
	farm *Farm
}

// NewOps makes the Ops of a farm.
func NewOps(farm *Farm) *Ops { return &Ops{Deps: farm.Deps, farm: farm} }

// mostRunning bounds the running tasks of an overview.
const mostRunning = 200

// Overview returns the state of the whole farm, on one snapshot.
func (o *Ops) Overview(ctx context.Context) (model.Overview, error) {
	var out model.Overview
	err := o.DB.Reader().View(ctx, func(q db.Queryer) error {
		out = model.Overview{At: o.now()}
		var err error
		if out.Settings, err = repo.Settings(ctx, q); err != nil {
			return err
		}
		if out.Workers, err = repo.Workers(ctx, q); err != nil {
			return err
		}
		if out.Running, err = repo.InHand(ctx, q, mostRunning); err != nil {
			return err
		}
		lanes, err := repo.Queue(ctx, q, out.At)
		if err != nil {
			return err
		}
		each := make([]int, len(out.Workers))
		for i, w := range out.Workers {
			each[i] = w.Slots
		}
		slots := repo.LaneSlots(each)
		for _, l := range lanes {
			out.Lanes = append(out.Lanes, model.LaneState{
				Lane: l.Lane, Paused: out.Settings.Paused[l.Lane], Slots: slots[l.Lane],
				Waiting: l.Waiting, Released: l.Released, Running: l.Running, DueSince: l.DueSince,
			})
		}
		for _, over := range throughputs() {
			t, err := repo.Done(ctx, q, out.At.Add(-over))
			if err != nil {
				return err
			}
			t.Over = over
			out.Throughput = append(out.Throughput, t)
		}
		return nil
	})
	if err != nil {
		return model.Overview{}, fmt.Errorf("read the overview: %w", err)
	}
	return out, nil
}

// ParseOwner reads an owner as Caller.Owner writes it.
func ParseOwner(s string) (model.Caller, error) {
	wrong := model.Invalid(model.FieldError{Field: "owner", Message: "must be user:<id> or anon:<64 hex digits>, as jobs and tasks have it"})
	if id, ok := strings.CutPrefix(s, "user:"); ok {
		parsed, err := uuid.Parse(id)
		if err != nil {
			return model.Caller{}, wrong
		}
		return model.Caller{UserID: &parsed}, nil
	}
	key, ok := strings.CutPrefix(s, "anon:")
	if !ok || len(key) != 64 || strings.Trim(key, "0123456789abcdef") != "" {
		return model.Caller{}, wrong
	}
	return model.Caller{AnonKey: key}, nil
}

// JobFilter selects jobs; "" selects all.
type JobFilter struct{ State, Kind, Owner string }

// Jobs returns a page of everybody's jobs without their sounds, the newest first; cursor,
// limit and next are as those of Library.Sounds.
func (o *Ops) Jobs(ctx context.Context, filter JobFilter, cursor string, limit int) (items []model.Job, next string, err error) {
	after, err := page(cursor, limit)
	if err != nil {
		return nil, "", err
	}
	by := repo.JobFilter{State: model.State(filter.State), Kind: model.JobKind(filter.Kind)}
	var faults faults
	if states := []model.State{"", model.Queued, model.Running, model.Succeeded, model.Failed, model.Cancelled}; !slices.Contains(states, by.State) {
		faults.add("state", "must be queued, running, succeeded, failed or cancelled")
	}
	if kinds := []model.JobKind{"", model.JobGenerate, model.JobVariation, model.JobPack, model.JobRestore}; !slices.Contains(kinds, by.Kind) {
		faults.add("kind", "must be generate, variation, pack or restore")
	}
	if filter.Owner != "" {
		owner, err := ParseOwner(filter.Owner)
		if err := faults.take(err); err != nil {
			return nil, "", err
		}
		by.Owner = &owner
	}
	if len(faults) > 0 {
		return nil, "", faults.err()
	}
	items, err = repo.Jobs(ctx, o.DB.Reader(), by, after, limit+1)
	if err != nil {
		return nil, "", fmt.Errorf("list jobs: %w", err)
	}
	if len(items) > limit {
		items = items[:limit]
		next = encodeCursor(repo.Place{CreatedAt: items[limit-1].CreatedAt, ID: items[limit-1].ID})
	}
	return items, next, nil
}

// checkFailureCode refuses what is no code of a failure; "" is every code.
func checkFailureCode(code string) error {
	if len(code) > 64 || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return model.Invalid(model.FieldError{Field: "code", Message: "must be the code of an error: up to 64 small letters, digits and underscores"})
	}
	return nil
}

// Dead returns a page of the tasks that failed for good and for which nothing was done
// since, by the code of their error ("" = any), the newest first.
func (o *Ops) Dead(ctx context.Context, code, cursor string, limit int) (items []model.DeadTask, next string, err error) {
	after, err := page(cursor, limit)
	if err == nil {
		err = checkFailureCode(code)
	}
	if err != nil {
		return nil, "", err
	}
	items, err = repo.Dead(ctx, o.DB.Reader(), code, after, limit+1)
	if err != nil {
		return nil, "", fmt.Errorf("list dead tasks: %w", err)
	}
	if len(items) > limit {
		items = items[:limit]
		next = encodeCursor(repo.Place{CreatedAt: items[limit-1].FinishedAt, ID: items[limit-1].TaskID})
	}
	return items, next, nil
}

// Audit returns a page of what ops did, the newest first.
func (o *Ops) Audit(ctx context.Context, cursor string, limit int) (items []model.AuditEvent, next string, err error) {
	after, err := page(cursor, limit)
	if err != nil {
		return nil, "", err
	}
	items, err = repo.Audit(ctx, o.DB.Reader(), after, limit+1)
	if err != nil {
		return nil, "", fmt.Errorf("list audit events: %w", err)
	}
	if len(items) > limit {
		items = items[:limit]
		next = encodeCursor(repo.Place{CreatedAt: items[limit-1].At, ID: items[limit-1].ID})
	}
	return items, next, nil
}

// noted writes down what was done where the doing has transactions of its own.
func (o *Ops) noted(ctx context.Context, actor, action, subject string, detail any) error {
	err := o.DB.InTx(ctx, func(tx *db.Tx) error { return o.audit(ctx, tx, actor, action, subject, detail) })
	if err != nil {
		return fmt.Errorf("note %s: %w", action, err)
	}
	return nil
}

// CancelJob cancels anybody's job, as Farm.Cancel does. It is noted before it is done: what
// is done and not noted nobody would find.
func (o *Ops) CancelJob(ctx context.Context, actor string, jobID uuid.UUID) (model.Job, error) {
	job, err := o.farm.JobByID(ctx, jobID, 0)
	if err != nil || job.State.Final() {
		return job, err
	}
	if err := o.noted(ctx, actor, "job.cancel", jobID.String(), map[string]string{"owner": job.Owner.Owner(), "state": string(job.State)}); err != nil {
		return model.Job{}, err
	}
	return o.farm.Cancel(ctx, job.Owner, jobID)
}

// CancelOwner cancels all jobs of an owner that have not ended, and returns how many.
func (o *Ops) CancelOwner(ctx context.Context, actor, owner string) (int, error) {
	who, err := ParseOwner(owner)
	if err != nil {
		return 0, err
	}
	if err := o.noted(ctx, actor, "owner.cancel", owner, struct{}{}); err != nil {
		return 0, err
	}
	return o.farm.CancelAll(ctx, who)
}

// RequeueJob renders again what of a job failed or was cancelled, as a new job with
// retry_of; its sounds move there. Of a pack's job it builds the pack again. CodeConflict
// where the job is under way, or lacks nothing; CodeNotFound where there is none.
func (o *Ops) RequeueJob(ctx context.Context, actor string, jobID uuid.UUID) (model.Job, error) {
	id, err := o.requeue(ctx, actor, jobID, nil)
	if err != nil {
		return model.Job{}, err
	}
	return o.farm.JobByID(ctx, id, 0)
}

// requeue is RequeueJob for some sounds of the job; nil: all that failed or were cancelled.
func (o *Ops) requeue(ctx context.Context, actor string, jobID uuid.UUID, only []uuid.UUID) (uuid.UUID, error) {
	var id uuid.UUID
	err := o.DB.InTx(ctx, func(tx *db.Tx) error {
		var err error
		if id, err = o.requeueTx(ctx, tx, jobID, only); err != nil {
			return err
		}
		var sounds int
		if err := tx.Get(ctx, &sounds, `SELECT total FROM jobs WHERE id = ?`, id); err != nil {
			return err
		}
		return o.audit(ctx, tx, actor, "job.requeue", jobID.String(), map[string]any{"job": id, "sounds": sounds})
	})
	if err != nil {
		return uuid.Nil, fmt.Errorf("requeue job %s: %w", jobID, err)
	}
	o.farm.wake()
	return id, nil
}

// retriedJob is what a job that is tried again has beyond lockedJob.
type retriedJob struct {
	OwnerID   *uuid.UUID `db:"owner_id"`
	AnonKey   *string    `db:"anon_key"`
	ExpiresAt *time.Time `db:"expires_at"`
}

func (o *Ops) requeueTx(ctx context.Context, tx *db.Tx, jobID uuid.UUID, only []uuid.UUID) (uuid.UUID, error) {
	var old lockedJob
	if err := tx.Get(ctx, &old, lockJob, jobID); err != nil {
		if errors.Is(err, db.ErrNoRows) {
			return uuid.Nil, noSuchJob()
		}
		return uuid.Nil, err
	}
	if !old.State.Final() {
		return uuid.Nil, model.Errorf(model.CodeConflict, "this job is still %s: wait for its end, or cancel it first", old.State)
	}
	var more retriedJob
	if err := tx.Get(ctx, &more, `SELECT owner_id, anon_key, expires_at FROM jobs WHERE id = ?`, jobID); err != nil {
		return uuid.Nil, err
	}
	owner := model.Caller{UserID: more.OwnerID}
	if more.AnonKey != nil {
		owner.AnonKey = *more.AnonKey
	}
	if old.PackID != nil {
		var current uuid.UUID
		if err := tx.Get(ctx, &current, `SELECT job_id FROM packs WHERE id = ?`, *old.PackID); err != nil {
			return uuid.Nil, absentPack(err)
		}
		if current != jobID {
			return uuid.Nil, model.Errorf(model.CodeConflict, "this pack was built again since, by job %s", current)
		}
		if err := o.farm.rebuildTx(ctx, tx, owner, *old.PackID); err != nil {
			return uuid.Nil, err
		}
		var id uuid.UUID
		err := tx.Get(ctx, &id, `SELECT job_id FROM packs WHERE id = ?`, *old.PackID)
		return id, err
	}
	type left struct {
		ID    uuid.UUID `db:"id"`
		Patch []byte    `db:"patch"`
	}
	var sounds []left
	if err := tx.Select(ctx, &sounds, `
SELECT id, patch FROM sounds WHERE job_id = ? AND state IN ('failed', 'cancelled') AND deleted_at IS NULL ORDER BY position`, jobID); err != nil {
		return uuid.Nil, err
	}
	if only != nil {
		sounds = slices.DeleteFunc(sounds, func(s left) bool { return !slices.Contains(only, s.ID) })
	}
	if len(sounds) == 0 {
		return uuid.Nil, model.Errorf(model.CodeConflict, "nothing of this job failed or was cancelled, or it was requeued already")
	}
	costs, total := make([]int64, len(sounds)), int64(0)
	for i, s := range sounds {
		p, err := patch.Decode(s.Patch)
		if err != nil {
			return uuid.Nil, fmt.Errorf("sound %s: decode its patch: %w", s.ID, err)
		}
		costs[i] = max(1, p.Cost())
		total += costs[i]
	}
	id, err := o.id()
	if err != nil {
		return uuid.Nil, err
	}
	now := o.now()
	if _, err := tx.Exec(ctx, `
INSERT INTO jobs (id, owner_id, anon_key, kind, lane, state, version, total, remaining, retry_of, created_at, expires_at)
VALUES (?, ?, ?, ?, ?, 'queued', 1, ?, ?, ?, ?, ?)`,
		id, more.OwnerID, more.AnonKey, old.Kind, old.Lane, len(sounds), len(sounds), jobID, now, more.ExpiresAt); err != nil {
		return uuid.Nil, err
	}
	tag, err := o.farm.reserve(ctx, tx, owner.Owner(), old.Lane, total)
	if err != nil {
		return uuid.Nil, err
	}
	for i, s := range sounds {
		if _, err := tx.Exec(ctx, `
UPDATE sounds SET job_id = ?, state = 'queued', error = NULL, finished_at = NULL, ended_version = 0 WHERE id = ?`, id, s.ID); err != nil {
			return uuid.Nil, err
		}
		task, err := o.id()
		if err != nil {
			return uuid.Nil, err
		}
		tag += costs[i]
		if _, err := tx.Exec(ctx, insertRetry, task, id, s.ID, model.TaskRender, old.Lane, owner.Owner(), now, tag, costs[i], now, s.ID); err != nil {
			return uuid.Nil, err
		}
	}
	return id, nil
}

// Requeued is what became of a dead task.
type Requeued struct {
	TaskID uuid.UUID
	JobID  *uuid.UUID   // the new job; nil where there is none
	Err    *model.Error // why there is none
}

// MaxRequeue is the most tasks that one request requeues.
const MaxRequeue = 500

// RequeueDead requeues dead tasks, those of one job as one new job; what cannot be is
// listed and keeps nothing else from it. The tasks are named, or those of an error code
// are taken, the newest first, up to MaxRequeue.
func (o *Ops) RequeueDead(ctx context.Context, actor string, tasks []uuid.UUID, code string) ([]Requeued, error) {
	if (len(tasks) == 0) == (code == "") {
		return nil, model.Invalid(model.FieldError{Field: "task_ids", Message: fmt.Sprintf("send 1 to %d task_ids, or the code of an error, and not both", MaxRequeue)})
	}
	if len(tasks) > MaxRequeue {
		return nil, model.Invalid(model.FieldError{Field: "task_ids", Message: fmt.Sprintf("has %d tasks: send 1 to %d", len(tasks), MaxRequeue)})
	}
	if err := checkFailureCode(code); err != nil {
		return nil, err
	}
	if code != "" {
		dead, err := repo.Dead(ctx, o.DB.Reader(), code, nil, MaxRequeue)
		if err != nil {
			return nil, fmt.Errorf("look for dead tasks: %w", err)
		}
		for _, d := range dead {
			tasks = append(tasks, d.TaskID)
		}
	}
	results := make([]Requeued, len(tasks))
	byJob := make(map[uuid.UUID][]int)
	var jobs []uuid.UUID // in the order of the tasks
	sounds := make([]uuid.UUID, len(tasks))
	for i, id := range tasks {
		results[i].TaskID = id
		jobID, soundID, failed, err := repo.JobOfTask(ctx, o.DB.Reader(), id)
		switch {
		case errors.Is(err, repo.ErrNotFound):
			results[i].Err = model.Errorf(model.CodeNotFound, "there is no such task")
		case err != nil:
			return nil, fmt.Errorf("read task %s: %w", id, err)
		case !failed:
			results[i].Err = model.Errorf(model.CodeConflict, "this task has not failed for good")
		default:
			if byJob[jobID] == nil {
				jobs = append(jobs, jobID)
			}
			byJob[jobID] = append(byJob[jobID], i)
			if soundID != nil {
				sounds[i] = *soundID
			}
		}
	}
	for _, jobID := range jobs {
		only := make([]uuid.UUID, len(byJob[jobID]))
		for k, i := range byJob[jobID] {
			only[k] = sounds[i]
		}
		id, err := o.requeue(ctx, actor, jobID, only)
		var refused *model.Error
		if err != nil && (!errors.As(err, &refused) || refused.Code == model.CodeUnavailable) {
			return nil, err
		}
		for _, i := range byJob[jobID] {
			if results[i].Err = refused; refused == nil {
				results[i].JobID = &id
			}
		}
	}
	return results, nil
}
