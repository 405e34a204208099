package service

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"patchlab/db"
	"patchlab/db/repo"
	"patchlab/internal/model"
)

// Farm accepts requests, hands tasks to workers fairly and records what became
// of them.
type Farm struct {
	Deps
	nudge chan struct{}

	paceMu sync.Mutex
	pace   pace
	paceAt time.Time
}

// NewFarm makes a Farm.
func NewFarm(deps Deps) *Farm {
	return &Farm{Deps: deps.withDefaults(), nudge: make(chan struct{}, 1)}
}

// Queue returns the state of every lane, and the time by which it was asked.
func (f *Farm) Queue(ctx context.Context) (lanes []repo.LaneTasks, now time.Time, err error) {
	now = f.now()
	err = f.DB.Reader().View(ctx, func(q db.Queryer) error {
		lanes, err = repo.Queue(ctx, q, now)
		return err
	})
	if err != nil {
		return nil, now, fmt.Errorf("read the queue: %w", err)
	}
	return lanes, now, nil
}

// Ping checks that the database answers.
func (f *Farm) Ping(ctx context.Context) error {
	if err := f.DB.Ping(ctx); err != nil {
		return fmt.Errorf("farm: %w", err)
	}
	return nil
}

// Job returns a job of the caller; another's is CodeNotFound.
func (f *Farm) Job(ctx context.Context, caller model.Caller, id uuid.UUID) (model.Job, error) {
	job, err := f.JobByID(ctx, id, 0)
	if err != nil {
		return model.Job{}, err
	}
	if !mine(caller, job.Owner) {
		return model.Job{}, noSuchJob()
	}
	return job, nil
}

// JobHead is Job without the sounds and the place in the queue: it tells whose the job is,
// and how far.
func (f *Farm) JobHead(ctx context.Context, caller model.Caller, id uuid.UUID) (model.Job, error) {
	job, err := repo.JobHead(ctx, f.DB.Reader(), id)
	switch {
	case errors.Is(err, repo.ErrNotFound):
		return model.Job{}, noSuchJob()
	case err != nil:
		return model.Job{}, fmt.Errorf("read job %s: %w", id, err)
	case !mine(caller, job.Owner):
		return model.Job{}, noSuchJob()
	}
	return job, nil
}

// JobByID returns a job whoever asks; for the hub, after ownership was checked. Of a
// pack's job it has those sounds that became final after a version, none where it is 0.
func (f *Farm) JobByID(ctx context.Context, id uuid.UUID, since int64) (model.Job, error) {
	job, err := repo.Job(ctx, f.DB.Reader(), id, since)
	if err == nil {
		err = f.place(ctx, &job)
	}
	if errors.Is(err, repo.ErrNotFound) {
		return model.Job{}, noSuchJob()
	}
	if err != nil {
		return model.Job{}, fmt.Errorf("read job %s: %w", id, err)
	}
	return job, nil
}

func noSuchJob() error { return model.Errorf(model.CodeNotFound, "there is no such job") }

// mine reports whether what belongs to owner is the caller's.
func mine(caller, owner model.Caller) bool {
	if caller.UserID != nil {
		return owner.UserID != nil && *owner.UserID == *caller.UserID
	}
	return owner.UserID == nil && caller.AnonKey != "" && owner.AnonKey == caller.AnonKey
}

// JobVersions returns the versions of those jobs that exist.
func (f *Farm) JobVersions(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]int64, error) {
	versions, err := repo.JobVersions(ctx, f.DB.Reader(), ids)
	if err != nil {
		return nil, fmt.Errorf("read job versions: %w", err)
	}
	return versions, nil
}

// FindAsset returns the asset of a digest, nil where there is none.
func (f *Farm) FindAsset(ctx context.Context, digest string) (*model.Asset, error) {
	a, err := repo.AssetByDigest(ctx, f.DB.Reader(), digest)
	if errors.Is(err, repo.ErrNotFound) {
		return nil, nil //nolint:nilnil // the contract: absent is no error
	}
	if err != nil {
		return nil, fmt.Errorf("find asset: %w", err)
	}
	return &a, nil
}

// place fills in where a job stands in the queue and when it should end.
//
// The estimate is that of a list scheduler: what is left of the running tasks and
// all queued work up to the job's last task, spread over the slots of its lane, at the
// rate measured on the last renders; and never less than the job's own longest task.
func (f *Farm) place(ctx context.Context, job *model.Job) error {
	if job.State.Final() {
		return nil
	}
	q := f.DB.Reader()
	tasks, err := repo.Unfinished(ctx, q, job.ID)
	if err != nil || len(tasks) == 0 {
		return err
	}
	farm, err := f.currentPace(ctx)
	if err != nil {
		return err
	}
	now := f.now()
	var longest float64 // µs
	var first, last *repo.Waiting
	for i, t := range tasks {
		if t.State != string(model.Queued) {
			longest = max(longest, left(t, now, farm.rate))
			continue
		}
		wait := t.NotBefore.Sub(now)
		if wait > f.Config.BackoffMax { // by a clock that was wrong: Release takes no notice
			wait = 0
		}
		longest = max(longest, farm.rate*float64(t.Cost)+float64(wait.Microseconds()))
		last = &tasks[i]
		if first == nil {
			first = last
		}
	}
	var ahead repo.Ahead
	if first != nil {
		if ahead, err = repo.Before(ctx, q, first.Lane, first.Tag, first.ID); err != nil {
			return err
		}
		job.QueuePosition = &ahead.Tasks
	}
	lane := tasks[0].Lane // a job is in one lane
	if farm.rate == 0 || farm.slots[lane] == 0 || farm.paused[lane] {
		return nil // nobody knows until when
	}
	var work float64 // µs
	if last != nil {
		before := ahead
		if last != first {
			if before, err = repo.Before(ctx, q, last.Lane, last.Tag, last.ID); err != nil {
				return err
			}
		}
		work = farm.rate * float64(before.Cost+last.Cost)
		for _, t := range farm.running {
			work += left(t, now, farm.rate)
		}
	}
	eta := time.Duration(max(work/float64(farm.slots[lane]), longest) * float64(time.Microsecond))
	job.ETA = &eta
	return nil
}

// left is how long a running task still needs, in µs.
func left(t repo.Waiting, now time.Time, rate float64) float64 {
	if t.StartedAt == nil {
		return rate * float64(t.Cost)
	}
	return max(0, rate*float64(t.Cost)-max(0, float64(now.Sub(*t.StartedAt).Microseconds())))
}

const (
	rateTasks   = 50                     // finished tasks that the rate is measured on
	paceRefresh = 500 * time.Millisecond // how long a measured pace is used
)

// pace is what an estimate must know of the farm as a whole.
type pace struct {
	rate    float64 // µs of wall time for a µs of estimated cost, 0 = unknown
	slots   map[model.Lane]int
	paused  map[model.Lane]bool
	running []repo.Waiting
}

// currentPace is readPace, done again every paceRefresh: every view of a job that has not
// ended wants it. While one reads it the others take the old one: nobody waits for anybody
// else's database.
func (f *Farm) currentPace(ctx context.Context) (pace, error) {
	f.paceMu.Lock()
	old, last, now := f.pace, f.paceAt, f.Clock.Now()
	if age := now.Sub(last); !last.IsZero() && age >= 0 && age < paceRefresh {
		f.paceMu.Unlock()
		return old, nil
	}
	f.paceAt = now
	f.paceMu.Unlock()
	p, err := readPace(ctx, f.DB.Reader())
	f.paceMu.Lock()
	defer f.paceMu.Unlock()
	if err != nil {
		f.paceAt = last // the next one tries
		return pace{}, fmt.Errorf("read the pace of the farm: %w", err)
	}
	f.pace = p
	return p, nil
}

func readPace(ctx context.Context, reader *db.Reader) (p pace, err error) {
	p.paused = make(map[model.Lane]bool, len(model.Lanes()))
	err = reader.View(ctx, func(q db.Queryer) error {
		if p.rate, err = repo.Rate(ctx, q, rateTasks); err != nil {
			return err
		}
		if p.slots, err = repo.Slots(ctx, q); err != nil {
			return err
		}
		for _, lane := range model.Lanes() {
			if p.paused[lane], err = repo.IsPaused(ctx, q, lane); err != nil {
				return err
			}
		}
		p.running, err = repo.Running(ctx, q)
		return err
	})
	return p, err
}

// wake makes the releaser of this process look now.
func (f *Farm) wake() {
	select {
	case f.nudge <- struct{}{}:
	default: // it is awake already
	}
}

// publish tells watchers of a new version. What is lost is found by the hub's own
// reading, so a failure is only logged; and since a worker waits here, it is short.
func (f *Farm) publish(ctx context.Context, jobID uuid.UUID, version int64) {
	if f.Publisher == nil || version == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.Config.PublishTimeout)
	defer cancel()
	if err := f.Publisher.JobChanged(ctx, jobID, version); err != nil {
		f.Log.WarnContext(ctx, "job change not published; watchers will see it at their next look", "job", jobID, "version", version, "error", err)
	}
}
