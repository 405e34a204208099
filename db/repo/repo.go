// Package repo holds the queries that only read, and turns rows into model types.
// Its functions take a db.Queryer, so that they serve on the read-only side and
// inside a transaction alike.
package repo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"patchlab/db"
	"patchlab/internal/model"
)

// ErrNotFound means that there is no such row.
var ErrNotFound = errors.New("repo: not found")

// notFound tells callers of an absent row without the words of database/sql.
func notFound(err error) error {
	if errors.Is(err, db.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

const soundFields = `
SELECT s.id, s.owner_id, s.anon_key, s.job_id, s.position, s.parent_id, s.pack_id, s.ended_version, s.prompt, s.name, s.state, s.patch,
       s.format, s.explanation, s.error, s.created_at, s.finished_at, s.expires_at, s.deleted_at,
       (SELECT t.id FROM tasks t WHERE t.sound_id = s.id ORDER BY t.id DESC LIMIT 1) AS task_id,
       a.id AS a_id, a.digest AS a_digest, a.format AS a_format, a.key AS a_key, a.size AS a_size, a.etag AS a_etag,
       a.engine AS a_engine, a.encoder AS a_encoder, a.frames AS a_frames, a.sample_rate AS a_sample_rate,
       a.channels AS a_channels, a.peaks AS a_peaks, a.created_at AS a_created_at`

const soundColumns = soundFields + `
FROM sounds s LEFT JOIN assets a ON a.id = s.asset_id
`

// Sound returns one sound with its asset, also one that was deleted.
func Sound(ctx context.Context, q db.Queryer, id uuid.UUID) (model.Sound, error) {
	var r soundRow
	if err := q.Get(ctx, &r, soundColumns+`WHERE s.id = ?`, id); err != nil {
		return model.Sound{}, notFound(err)
	}
	return r.model()
}

// Place is where a page of a list starts: after this row.
type Place struct {
	CreatedAt time.Time
	ID        uuid.UUID
}

// Queries of a page, constants so that a test can ask for their plans.
const (
	// UserPage wants owner_id, now, created_at, id, limit.
	UserPage = soundColumns + `
WHERE s.owner_id = ? AND s.pack_id IS NULL AND s.deleted_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > ?) AND (s.created_at, s.id) < (?, ?)
ORDER BY s.created_at DESC, s.id DESC LIMIT ?`
	// AnonPage wants anon_key, now, created_at, id, limit.
	AnonPage = soundColumns + `
WHERE s.anon_key = ? AND s.pack_id IS NULL AND s.deleted_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > ?) AND (s.created_at, s.id) < (?, ?)
ORDER BY s.created_at DESC, s.id DESC LIMIT ?`
)

// endOfTime is after every sound.
//
//nolint:gochecknoglobals // a constant that Go cannot write as one
var endOfTime = Place{CreatedAt: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), ID: uuid.Max}

// Sounds returns up to limit sounds of a caller that have not expired, are not deleted
// and are in no pack, the newest first, after a place (nil = from the newest).
func Sounds(ctx context.Context, q db.Queryer, c model.Caller, now time.Time, after *Place, limit int) ([]model.Sound, error) {
	if after == nil {
		after = &endOfTime
	}
	var rows []soundRow
	var err error
	if c.UserID != nil {
		err = q.Select(ctx, &rows, UserPage, *c.UserID, now, after.CreatedAt, after.ID, limit)
	} else {
		err = q.Select(ctx, &rows, AnonPage, c.AnonKey, now, after.CreatedAt, after.ID, limit)
	}
	if err != nil {
		return nil, err
	}
	return soundModels(rows)
}

func soundModels(rows []soundRow) ([]model.Sound, error) {
	sounds := make([]model.Sound, len(rows))
	for i, r := range rows {
		var err error
		if sounds[i], err = r.model(); err != nil {
			return nil, err
		}
	}
	return sounds, nil
}

const jobColumns = `
SELECT id, owner_id, anon_key, kind, lane, state, version, stage, pack_id, total, remaining, failed_count, retry_of, error,
       created_at, started_at, finished_at,
       COALESCE((SELECT max(attempt) FROM tasks WHERE job_id = jobs.id), 0) AS attempts
FROM jobs `

// EndedSounds wants job_id and two versions: the sounds of a pack's job that became final
// after the first and by the second.
const EndedSounds = soundColumns + `
WHERE s.job_id = ? AND s.ended_version > ? AND s.ended_version <= ? AND s.deleted_at IS NULL ORDER BY s.position`

// JobWithSounds wants the id of a job: its sounds, each with the job; none of a pack's job.
// SQLite joins in the order of a CROSS JOIN: the five hundred of a pack are not looked at.
const JobWithSounds = soundFields + `,
       j.id AS "j.id", j.owner_id AS "j.owner_id", j.anon_key AS "j.anon_key", j.kind AS "j.kind", j.lane AS "j.lane",
       j.state AS "j.state", j.version AS "j.version", j.stage AS "j.stage", j.pack_id AS "j.pack_id", j.total AS "j.total",
       j.remaining AS "j.remaining", j.failed_count AS "j.failed_count", j.retry_of AS "j.retry_of", j.error AS "j.error",
       j.created_at AS "j.created_at", j.started_at AS "j.started_at", j.finished_at AS "j.finished_at",
       COALESCE((SELECT max(t.attempt) FROM tasks t WHERE t.job_id = j.id), 0) AS "j.attempts"
FROM jobs j CROSS JOIN sounds s LEFT JOIN assets a ON a.id = s.asset_id
WHERE j.id = ? AND j.pack_id IS NULL AND s.job_id = j.id AND s.deleted_at IS NULL ORDER BY s.position`

// Job returns a job with its sounds, without its place in the queue. Of a pack's job
// there are those sounds that became final after a version, none where it is 0. What it
// returns belongs together also outside of a transaction: the sounds of a job come in one
// statement with it, and those of a pack by its version.
func Job(ctx context.Context, q db.Queryer, id uuid.UUID, since int64) (model.Job, error) {
	var whole []struct {
		soundRow

		Job jobRow `db:"j"`
	}
	if err := q.Select(ctx, &whole, JobWithSounds, id); err != nil {
		return model.Job{}, err
	}
	if len(whole) > 0 {
		job, err := whole[0].Job.model()
		if err != nil {
			return model.Job{}, err
		}
		rows := make([]soundRow, len(whole))
		for i := range whole {
			rows[i] = whole[i].soundRow
		}
		job.Sounds, err = soundModels(rows)
		return job, err
	}
	job, err := JobHead(ctx, q, id)
	if err != nil {
		return model.Job{}, err
	}
	var rows []soundRow
	if job.PackID != nil && since > 0 {
		// By the version that was just read: what is newer comes with the next.
		if err := q.Select(ctx, &rows, EndedSounds, id, since, job.Version); err != nil {
			return model.Job{}, err
		}
	}
	job.Sounds, err = soundModels(rows)
	return job, err
}

// JobHead returns a job without its sounds and its place in the queue.
func JobHead(ctx context.Context, q db.Queryer, id uuid.UUID) (model.Job, error) {
	var r jobRow
	if err := q.Get(ctx, &r, jobColumns+`WHERE id = ?`, id); err != nil {
		return model.Job{}, notFound(err)
	}
	return r.model()
}

// JobVersions returns the versions of those of the jobs that exist.
func JobVersions(ctx context.Context, q db.Queryer, ids []uuid.UUID) (map[uuid.UUID]int64, error) {
	versions := make(map[uuid.UUID]int64, len(ids))
	if len(ids) == 0 {
		return versions, nil
	}
	var rows []struct {
		ID      uuid.UUID `db:"id"`
		Version int64     `db:"version"`
	}
	if err := q.Select(ctx, &rows, `SELECT id, version FROM jobs WHERE id IN (?)`, ids); err != nil {
		return nil, err
	}
	for _, r := range rows {
		versions[r.ID] = r.Version
	}
	return versions, nil
}

const assetColumns = `
SELECT id, digest, format, key, size, etag, engine, encoder, frames, sample_rate, channels, peaks, created_at
FROM assets `

// AssetByDigest returns the asset of a digest.
func AssetByDigest(ctx context.Context, q db.Queryer, digest string) (model.Asset, error) {
	var r assetRow
	if err := q.Get(ctx, &r, assetColumns+`WHERE digest = ?`, digest); err != nil {
		return model.Asset{}, notFound(err)
	}
	return r.model(), nil
}

// LockAssetByDigest is AssetByDigest that keeps the row until the transaction ends.
func LockAssetByDigest(ctx context.Context, tx *db.Tx, digest string) (model.Asset, error) {
	var r assetRow
	if err := tx.Get(ctx, &r, assetColumns+`WHERE digest = ? FOR UPDATE`, digest); err != nil {
		return model.Asset{}, notFound(err)
	}
	return r.model(), nil
}

// Slots returns how many tasks of each lane all live workers can run at a time. The
// lanes share the slots: those of the bulk lane are among those of the interactive one.
func Slots(ctx context.Context, q db.Queryer) (map[model.Lane]int, error) {
	var workers []int
	if err := q.Select(ctx, &workers, `SELECT slots FROM workers`); err != nil {
		return nil, err
	}
	return LaneSlots(workers), nil
}

// LaneSlots returns the slots of each lane where workers have so many.
func LaneSlots(workers []int) map[model.Lane]int {
	slots := make(map[model.Lane]int, len(model.Lanes()))
	for _, n := range workers {
		slots[model.Interactive] += n
		slots[model.Bulk] += model.BulkSlots(n) // of each: that is where the cap is
	}
	return slots
}

// Waiting is a queued or running task of a job, as far as its place in the queue
// needs it.
type Waiting struct {
	ID        uuid.UUID  `db:"id"`
	Lane      model.Lane `db:"lane"`
	State     string     `db:"state"`
	Tag       int64      `db:"tag"`
	Cost      int64      `db:"cost"`
	NotBefore time.Time  `db:"not_before"`
	StartedAt *time.Time `db:"started_at"`
}

// Unfinished returns the queued and running tasks of a job in the order of their
// release.
func Unfinished(ctx context.Context, q db.Queryer, jobID uuid.UUID) ([]Waiting, error) {
	var rows []Waiting
	err := q.Select(ctx, &rows, `
SELECT id, lane, state, tag, cost, not_before, started_at FROM tasks
WHERE job_id = ? AND state IN ('queued', 'running') ORDER BY tag, id`, jobID)
	return rows, err
}

// OpenJobs wants an owner: the jobs of which a task is not final.
const OpenJobs = `SELECT DISTINCT job_id FROM tasks WHERE owner = ? AND state IN ('queued', 'running') ORDER BY job_id`

// UnfinishedJobs returns the ids of an owner's jobs that have not ended, the oldest first.
func UnfinishedJobs(ctx context.Context, q db.Queryer, owner model.Caller) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	err := q.Select(ctx, &ids, OpenJobs, owner.Owner())
	return ids, err
}

// Running returns all running tasks.
func Running(ctx context.Context, q db.Queryer) ([]Waiting, error) {
	var rows []Waiting
	err := q.Select(ctx, &rows, `SELECT id, lane, state, tag, cost, not_before, started_at FROM tasks WHERE state = 'running'`)
	return rows, err
}

// Ahead is work that comes before something.
type Ahead struct {
	Tasks int   `db:"tasks"`
	Cost  int64 `db:"cost"` // µs of CPU, estimated
}

// QueuedBefore wants lane, tag, id: the queued tasks of a lane before a place.
const QueuedBefore = `
SELECT count(*) AS tasks, COALESCE(sum(cost), 0) AS cost FROM tasks
WHERE lane = ? AND state = 'queued' AND (tag, id) < (?, ?)`

// Before returns the queued work that is released before a place in a lane: what
// has lower tags there, and all of the more urgent lanes.
func Before(ctx context.Context, q db.Queryer, lane model.Lane, tag int64, id uuid.UUID) (Ahead, error) {
	var sum Ahead
	for _, l := range model.Lanes() {
		var a Ahead
		var err error
		if l == lane {
			err = q.Get(ctx, &a, QueuedBefore, l, tag, id)
		} else {
			err = q.Get(ctx, &a, `
SELECT count(*) AS tasks, COALESCE(sum(cost), 0) AS cost FROM tasks
WHERE lane = ? AND state = 'queued'`, l)
		}
		if err != nil {
			return Ahead{}, err
		}
		sum.Tasks += a.Tasks
		sum.Cost += a.Cost
		if l == lane {
			break
		}
	}
	return sum, nil
}

// LaneTasks are the tasks of a lane that are not final.
type LaneTasks struct {
	Lane     model.Lane `db:"lane"`
	Waiting  int        `db:"waiting"`  // not yet released
	Released int        `db:"released"` // with a ticket on the queue
	Running  int        `db:"running"`
	DueSince *time.Time `db:"due_since"` // when the oldest that waits was due; nil = none is
}

// Queries of the state of the queue, constants so that a test can ask for their plans.
const (
	// QueuedTasks wants nothing.
	QueuedTasks = `
SELECT lane, count(*) - count(released_at) AS waiting, count(released_at) AS released FROM tasks
WHERE state = 'queued' GROUP BY lane`
	// RunningTasks wants nothing.
	RunningTasks = `SELECT lane, count(*) AS running FROM tasks WHERE state = 'running' GROUP BY lane`
	// OldestDue wants a lane and a time. It reads all that waits in the lane: an index
	// for what is asked at a scrape would cost each task more than it saves.
	OldestDue = `
SELECT not_before FROM tasks WHERE lane = ? AND state = 'queued' AND not_before <= ? ORDER BY not_before LIMIT 1`
)

// Queue returns the state of every lane.
func Queue(ctx context.Context, q db.Queryer, now time.Time) ([]LaneTasks, error) {
	var queued, running []LaneTasks
	if err := q.Select(ctx, &queued, QueuedTasks); err != nil {
		return nil, err
	}
	if err := q.Select(ctx, &running, RunningTasks); err != nil {
		return nil, err
	}
	lanes := make([]LaneTasks, 0, len(model.Lanes()))
	for _, lane := range model.Lanes() {
		l := LaneTasks{Lane: lane}
		for _, row := range queued {
			if row.Lane == lane {
				l.Waiting, l.Released = row.Waiting, row.Released
			}
		}
		for _, row := range running {
			if row.Lane == lane {
				l.Running = row.Running
			}
		}
		if l.Waiting+l.Released > 0 {
			var due time.Time
			err := q.Get(ctx, &due, OldestDue, lane, now)
			if err != nil && !errors.Is(err, db.ErrNoRows) {
				return nil, err
			}
			if err == nil {
				l.DueSince = &due
			}
		}
		lanes = append(lanes, l)
	}
	return lanes, nil
}

// RecentRenders wants a limit: the renders that finished last.
const RecentRenders = `
SELECT cost, started_at, finished_at, reused FROM tasks
WHERE state = 'succeeded' ORDER BY finished_at DESC LIMIT ?`

// Rate returns how long a µs of estimated cost takes in µs of wall time, measured
// on the last n finished tasks that really rendered; 0 where none did. Younger
// ones weigh more.
func Rate(ctx context.Context, q db.Queryer, n int) (float64, error) {
	var rows []struct {
		Cost       int64      `db:"cost"`
		StartedAt  *time.Time `db:"started_at"`
		FinishedAt *time.Time `db:"finished_at"`
		Reused     bool       `db:"reused"`
	}
	if err := q.Select(ctx, &rows, RecentRenders, n); err != nil {
		return 0, err
	}
	var wall, cost float64
	weight := 1.0
	for _, r := range rows {
		if r.Reused || r.StartedAt == nil || r.FinishedAt == nil || r.FinishedAt.Before(*r.StartedAt) { // a clock went back
			continue
		}
		wall += weight * float64(r.FinishedAt.Sub(*r.StartedAt).Microseconds())
		cost += weight * float64(r.Cost)
		weight *= rateDecay
	}
	if cost == 0 {
		return 0, nil
	}
	return wall / cost, nil
}

// rateDecay is the weight of a finished task relative to the next younger one.
const rateDecay = 0.9

// KnownKeys returns those of the keys that an asset or the trash list names.
func KnownKeys(ctx context.Context, q db.Queryer, keys []string) (map[string]bool, error) {
	known := make(map[string]bool, len(keys))
	if len(keys) == 0 {
		return known, nil
	}
	var rows []string
	err := q.Select(ctx, &rows, `
SELECT key FROM assets WHERE key IN (?) UNION SELECT key FROM blob_trash WHERE key IN (?)`, keys, keys)
	if err != nil {
		return nil, fmt.Errorf("look up blob keys: %w", err)
	}
	for _, k := range rows {
		known[k] = true
	}
	return known, nil
}

// DueTrash returns up to limit keys of blobs that may go by now.
func DueTrash(ctx context.Context, q db.Queryer, now time.Time, limit int) ([]string, error) {
	var keys []string
	// An asset never has the key of trash, for keys are used once; better a blob too
	// many than a sound too few.
	err := q.Select(ctx, &keys, `
SELECT key FROM blob_trash WHERE after <= ? AND NOT EXISTS (SELECT 1 FROM assets WHERE assets.key = blob_trash.key)
ORDER BY after LIMIT ?`, now, limit)
	return keys, err
}

// LooseAssets wants an id and a limit: assets after the id that nothing refers to.
const LooseAssets = `
SELECT id FROM assets
WHERE id > ? AND NOT EXISTS (SELECT 1 FROM sounds WHERE sounds.asset_id = assets.id)
AND NOT EXISTS (SELECT 1 FROM packs WHERE packs.asset_id = assets.id)
ORDER BY id LIMIT ?`

// Loose returns up to limit ids, above one, of assets that no sound and no pack refers to.
func Loose(ctx context.Context, q db.Queryer, after uuid.UUID, limit int) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	err := q.Select(ctx, &ids, LooseAssets, after, limit)
	return ids, err
}

// Beat is how often a worker has shown that it lives.
type Beat struct {
	ID   uuid.UUID `db:"id"`
	Beat int64     `db:"beat"`
}

// Beats returns the beats of all workers.
func Beats(ctx context.Context, q db.Queryer) ([]Beat, error) {
	var rows []Beat
	err := q.Select(ctx, &rows, `SELECT id, beat FROM workers`)
	return rows, err
}

// AbandonedTasks are the running tasks whose worker is not registered.
const AbandonedTasks = `
SELECT id FROM tasks WHERE state = 'running'
AND NOT EXISTS (SELECT 1 FROM workers WHERE workers.id = tasks.worker_id)`

// Abandoned returns the ids of AbandonedTasks.
func Abandoned(ctx context.Context, q db.Queryer) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	err := q.Select(ctx, &ids, AbandonedTasks)
	return ids, err
}

// StaleTickets wants two times and a limit: tickets released by the first, or after the
// second, and not claimed yet, the oldest first.
const StaleTickets = `
SELECT id, attempt, kind, lane FROM tasks
WHERE state = 'queued' AND released_at IS NOT NULL AND (released_at <= ? OR released_at > ?)
ORDER BY released_at LIMIT ?`

type ticketRow struct {
	ID      uuid.UUID `db:"id"`
	Attempt int       `db:"attempt"`
	Kind    string    `db:"kind"`
	Lane    string    `db:"lane"`
}

// Tickets returns up to limit tickets that were released by a time and are not
// claimed yet, the oldest first; and those that were released after future, which only
// a process whose clock is wrong can have done.
func Tickets(ctx context.Context, q db.Queryer, by, future time.Time, limit int) ([]model.Ticket, error) {
	var rows []ticketRow
	if err := q.Select(ctx, &rows, StaleTickets, by, future, limit); err != nil {
		return nil, err
	}
	tickets := make([]model.Ticket, len(rows))
	for i, r := range rows {
		tickets[i] = model.Ticket{TaskID: r.ID, Attempt: r.Attempt, Kind: model.TaskKind(r.Kind), Lane: model.Lane(r.Lane)}
	}
	return tickets, nil
}
