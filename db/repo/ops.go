package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"patchlab/db"
	"patchlab/internal/model"
)

// The keys of settings. A row is there while something is set: no row of a lane means
// that it is not paused.
const (
	laneKey    = "lane:"
	workerKey  = "worker:"
	WorkersKey = "workers"
)

// LaneKey is the key of what is set for a lane.
func LaneKey(lane model.Lane) string { return laneKey + string(lane) }

// WorkerKey is the key of what is set for the workers of a name.
func WorkerKey(name string) string { return workerKey + name }

// SettingValue is the value of a row of settings. The zero value sets nothing, and is
// never kept.
type SettingValue struct {
	Paused      bool `json:"paused,omitempty"`      // of a lane
	Concurrency int  `json:"concurrency,omitempty"` // of all workers, or of one
	Drained     bool `json:"drained,omitempty"`     // of a worker
}

// Settings returns what is set.
func Settings(ctx context.Context, q db.Queryer) (model.Settings, error) {
	var rows []struct {
		Key   string    `db:"key"`
		Value []byte    `db:"value"`
		By    string    `db:"updated_by"`
		At    time.Time `db:"updated_at"`
	}
	if err := q.Select(ctx, &rows, `SELECT key, value, updated_by, updated_at FROM settings ORDER BY key`); err != nil {
		return model.Settings{}, err
	}
	s := model.Settings{Paused: map[model.Lane]bool{}, Workers: map[string]model.WorkerSettings{}}
	for _, r := range rows {
		var v SettingValue
		if err := json.Unmarshal(r.Value, &v); err != nil {
			return model.Settings{}, fmt.Errorf("setting %s: %w", r.Key, err)
		}
		compact, err := json.Marshal(v)
		if err != nil {
			return model.Settings{}, fmt.Errorf("setting %s: %w", r.Key, err)
		}
		s.Rows = append(s.Rows, model.Setting{Key: r.Key, Value: compact, By: r.By, At: r.At.UTC()})
		if lane, ok := strings.CutPrefix(r.Key, laneKey); ok {
			s.Paused[model.Lane(lane)] = v.Paused
		} else if name, ok := strings.CutPrefix(r.Key, workerKey); ok {
			s.Workers[name] = model.WorkerSettings{Concurrency: v.Concurrency, Drained: v.Drained}
		} else if r.Key == WorkersKey {
			s.Concurrency = v.Concurrency
		}
	}
	return s, nil
}

// Workers returns the live workers by name.
func Workers(ctx context.Context, q db.Queryer) ([]model.WorkerInfo, error) {
	var rows []struct {
		ID        uuid.UUID `db:"id"`
		Name      string    `db:"name"`
		Host      string    `db:"host"`
		Version   string    `db:"version"`
		Slots     int       `db:"slots"`
		Running   int       `db:"running"`
		CPU       float64   `db:"cpu"`
		CPUs      int       `db:"cpus"`
		Memory    int64     `db:"memory"`
		StartedAt time.Time `db:"started_at"`
		SeenAt    time.Time `db:"seen_at"`
	}
	if err := q.Select(ctx, &rows, `
SELECT id, name, host, version, slots, running, cpu, cpus, memory, started_at, seen_at FROM workers ORDER BY name, id`); err != nil {
		return nil, err
	}
	workers := make([]model.WorkerInfo, len(rows))
	for i, r := range rows {
		workers[i] = model.WorkerInfo(r)
		workers[i].StartedAt, workers[i].SeenAt = r.StartedAt.UTC(), r.SeenAt.UTC()
	}
	return workers, nil
}

// WorkerName returns the name of a live worker.
func WorkerName(ctx context.Context, q db.Queryer, id uuid.UUID) (string, error) {
	var name string
	err := q.Get(ctx, &name, `SELECT name FROM workers WHERE id = ?`, id)
	return name, notFound(err)
}

// TasksInHand wants a limit: the running tasks, the oldest first.
const TasksInHand = `
SELECT t.id, t.job_id, t.sound_id, t.owner, t.kind, t.lane, t.attempt, t.crashes, t.started_at, COALESCE(w.name, '') AS worker
FROM tasks t LEFT JOIN workers w ON w.id = t.worker_id
WHERE t.state = 'running' ORDER BY t.started_at, t.id LIMIT ?`

// InHand returns up to limit running tasks, the oldest first.
func InHand(ctx context.Context, q db.Queryer, limit int) ([]model.RunningTask, error) {
	var rows []struct {
		ID        uuid.UUID  `db:"id"`
		JobID     uuid.UUID  `db:"job_id"`
		SoundID   *uuid.UUID `db:"sound_id"`
		Owner     string     `db:"owner"`
		Kind      string     `db:"kind"`
		Lane      string     `db:"lane"`
		Attempt   int        `db:"attempt"`
		Crashes   int        `db:"crashes"`
		StartedAt time.Time  `db:"started_at"`
		Worker    string     `db:"worker"`
	}
	if err := q.Select(ctx, &rows, TasksInHand, limit); err != nil {
		return nil, err
	}
	tasks := make([]model.RunningTask, len(rows))
	for i, r := range rows {
		tasks[i] = model.RunningTask{
			TaskID: r.ID, JobID: r.JobID, SoundID: r.SoundID, Owner: r.Owner, Kind: model.TaskKind(r.Kind), Lane: model.Lane(r.Lane),
			Attempt: r.Attempt, Alone: r.Crashes > 0, Worker: r.Worker, StartedAt: r.StartedAt.UTC(),
		}
	}
	return tasks, nil
}

// Queries of what was done lately, constants so that a test can ask for their plans.
const (
	// RenderedSince wants a time. A sound that was there already is none.
	RenderedSince = `
SELECT count(*) AS sounds, COALESCE(sum(CAST(a.frames AS REAL) / a.sample_rate), 0) AS audio
FROM tasks t JOIN sounds s ON s.id = t.sound_id JOIN assets a ON a.id = s.asset_id
WHERE t.state = 'succeeded' AND t.finished_at > ?`
	// FailedSince wants a time.
	FailedSince = `
SELECT COALESCE(error->>'code', '') AS code, count(*) AS n FROM tasks WHERE state = 'failed' AND finished_at > ? GROUP BY 1`
)

// Done returns what was rendered, and what failed for good, since a time.
func Done(ctx context.Context, q db.Queryer, since time.Time) (model.Throughput, error) {
	var sum struct {
		Sounds int     `db:"sounds"`
		Audio  float64 `db:"audio"` // seconds
	}
	if err := q.Get(ctx, &sum, RenderedSince, since); err != nil {
		return model.Throughput{}, err
	}
	var failed []struct {
		Code string `db:"code"`
		N    int    `db:"n"`
	}
	if err := q.Select(ctx, &failed, FailedSince, since); err != nil {
		return model.Throughput{}, err
	}
	t := model.Throughput{Sounds: sum.Sounds, Audio: time.Duration(sum.Audio * float64(time.Second)), Failed: map[string]int{}}
	for _, f := range failed {
		t.Failed[f.Code] = f.N
	}
	return t, nil
}

// JobFilter selects jobs; an empty field selects all.
type JobFilter struct {
	State model.State
	Kind  model.JobKind
	Owner *model.Caller
}

// The pages of all jobs: each wants state, state, kind, kind, the place and a limit, that of
// a user or a visitor the owner first; "" selects every state, and every kind.
const (
	// UnfinishedJobsPage is that of everybody's that have not ended. They are found by their
	// tasks: few they are at any time, and who asks for them asks again and again.
	UnfinishedJobsPage = jobColumns + `
WHERE id IN (SELECT job_id FROM tasks WHERE state IN ('queued', 'running'))
  AND (? = '' OR state = ?) AND (? = '' OR kind = ?) AND (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT ?`
	// JobsPage is that of everybody's.
	JobsPage = jobColumns + `
WHERE (? = '' OR state = ?) AND (? = '' OR kind = ?) AND (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT ?`
	jobsOfUser = jobColumns + `
WHERE owner_id = ? AND (? = '' OR state = ?) AND (? = '' OR kind = ?) AND (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT ?`
	jobsOfVisitor = jobColumns + `
WHERE anon_key = ? AND (? = '' OR state = ?) AND (? = '' OR kind = ?) AND (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT ?`
)

// Jobs returns up to limit jobs of anybody, without their sounds, the newest first, after
// a place (nil = from the newest).
func Jobs(ctx context.Context, q db.Queryer, f JobFilter, after *Place, limit int) ([]model.Job, error) {
	if after == nil {
		after = &endOfTime
	}
	args := []any{string(f.State), string(f.State), string(f.Kind), string(f.Kind), after.CreatedAt, after.ID, limit}
	var rows []jobRow
	var err error
	switch {
	case f.Owner == nil && f.State != "" && !f.State.Final():
		err = q.Select(ctx, &rows, UnfinishedJobsPage, args...)
	case f.Owner == nil:
		err = q.Select(ctx, &rows, JobsPage, args...)
	case f.Owner.UserID != nil:
		err = q.Select(ctx, &rows, jobsOfUser, append([]any{*f.Owner.UserID}, args...)...)
	default:
		err = q.Select(ctx, &rows, jobsOfVisitor, append([]any{f.Owner.AnonKey}, args...)...)
	}
	if err != nil {
		return nil, err
	}
	jobs := make([]model.Job, len(rows))
	for i, r := range rows {
		if jobs[i], err = r.model(); err != nil {
			return nil, err
		}
	}
	return jobs, nil
}

// DeadTasks wants the place, code, code and a limit: the tasks that failed for good and
// for which nothing was done since, the newest first, without those of what was deleted.
// "" selects every code.
const DeadTasks = `
SELECT t.id, t.job_id, t.sound_id, s.pack_id, t.owner, t.kind, COALESCE(s.prompt, '') AS prompt, t.failures, t.attempt, t.crashes,
       t.error, t.created_at, t.finished_at
FROM tasks t LEFT JOIN sounds s ON s.id = t.sound_id
WHERE t.state = 'failed' AND (t.finished_at, t.id) < (?, ?) AND (? = '' OR t.error->>'code' = ?)
  AND (s.state = 'failed' AND s.job_id = t.job_id AND s.deleted_at IS NULL
       OR t.sound_id IS NULL AND NOT EXISTS (SELECT 1 FROM jobs r WHERE r.retry_of = t.job_id)
          AND NOT EXISTS (SELECT 1 FROM packs p WHERE p.job_id = t.job_id AND p.deleted_at IS NOT NULL))
ORDER BY t.finished_at DESC, t.id DESC LIMIT ?`

// Dead returns up to limit tasks of DeadTasks; a place's CreatedAt is here when they failed.
func Dead(ctx context.Context, q db.Queryer, code string, after *Place, limit int) ([]model.DeadTask, error) {
	if after == nil {
		after = &endOfTime
	}
	var rows []struct {
		ID         uuid.UUID  `db:"id"`
		JobID      uuid.UUID  `db:"job_id"`
		SoundID    *uuid.UUID `db:"sound_id"`
		PackID     *uuid.UUID `db:"pack_id"`
		Owner      string     `db:"owner"`
		Kind       string     `db:"kind"`
		Prompt     string     `db:"prompt"`
		Failures   int        `db:"failures"`
		Attempt    int        `db:"attempt"`
		Crashes    int        `db:"crashes"`
		Error      []byte     `db:"error"`
		CreatedAt  time.Time  `db:"created_at"`
		FinishedAt time.Time  `db:"finished_at"`
	}
	if err := q.Select(ctx, &rows, DeadTasks, after.CreatedAt, after.ID, code, code, limit); err != nil {
		return nil, err
	}
	tasks := make([]model.DeadTask, len(rows))
	for i, r := range rows {
		failure, err := decodeFailure(r.Error)
		if err != nil {
			return nil, fmt.Errorf("task %s: %w", r.ID, err)
		}
		tasks[i] = model.DeadTask{
			TaskID: r.ID, JobID: r.JobID, SoundID: r.SoundID, PackID: r.PackID, Owner: r.Owner, Kind: model.TaskKind(r.Kind),
			Prompt: r.Prompt, Failures: r.Failures, Attempts: r.Attempt, Crashes: r.Crashes, Error: failure,
			CreatedAt: r.CreatedAt.UTC(), FinishedAt: r.FinishedAt.UTC(),
		}
	}
	return tasks, nil
}

// JobOfTask returns the job and the sound of a task, and whether it has failed for good.
func JobOfTask(ctx context.Context, q db.Queryer, taskID uuid.UUID) (jobID uuid.UUID, soundID *uuid.UUID, failed bool, err error) {
	var row struct {
		JobID   uuid.UUID  `db:"job_id"`
		SoundID *uuid.UUID `db:"sound_id"`
		State   string     `db:"state"`
	}
	if err := q.Get(ctx, &row, `SELECT job_id, sound_id, state FROM tasks WHERE id = ?`, taskID); err != nil {
		return uuid.Nil, nil, false, notFound(err)
	}
	return row.JobID, row.SoundID, row.State == string(model.Failed), nil
}

// AuditPage wants a place and a limit.
const AuditPage = `
SELECT id, actor, action, subject, detail, created_at FROM audit_events
WHERE (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT ?`

// Audit returns up to limit events, the newest first, after a place (nil = from the newest).
func Audit(ctx context.Context, q db.Queryer, after *Place, limit int) ([]model.AuditEvent, error) {
	if after == nil {
		after = &endOfTime
	}
	var rows []struct {
		ID        uuid.UUID `db:"id"`
		Actor     string    `db:"actor"`
		Action    string    `db:"action"`
		Subject   string    `db:"subject"`
		Detail    []byte    `db:"detail"`
		CreatedAt time.Time `db:"created_at"`
	}
	if err := q.Select(ctx, &rows, AuditPage, after.CreatedAt, after.ID, limit); err != nil {
		return nil, err
	}
	events := make([]model.AuditEvent, len(rows))
	for i, r := range rows {
		events[i] = model.AuditEvent{ID: r.ID, Actor: r.Actor, Action: r.Action, Subject: r.Subject, Detail: r.Detail, At: r.CreatedAt.UTC()}
	}
	return events, nil
}

// IsPaused reports whether a lane is paused.
func IsPaused(ctx context.Context, q db.Queryer, lane model.Lane) (bool, error) {
	var one int
	err := q.Get(ctx, &one, `SELECT 1 FROM settings WHERE key = ?`, LaneKey(lane))
	if errors.Is(err, db.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
