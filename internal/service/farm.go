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

	rateMu sync.Mutex
	rate   float64 // µs of wall time for a µs of estimated cost, 0 = unknown
	rateAt time.Time
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

// JobByID returns a job whoever asks; for the hub, after ownership was checked. Of a
// pack's job it has those sounds that became final after a version, none where it is 0.
func (f *Farm) JobByID(ctx context.Context, id uuid.UUID, since int64) (model.Job, error) {
	rate, err := f.currentRate(ctx)
	if err != nil {
		return model.Job{}, err
	}
	var job model.Job
	err = f.DB.Reader().View(ctx, func(q db.Queryer) error {
		if job, err = repo.Job(ctx, q, id, since); err != nil {
			return err
		}
		return f.place(ctx, q, &job, rate)
	})
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
func (f *Farm) place(ctx context.Context, q db.Queryer, job *model.Job, rate float64) error {
	if job.State.Final() {
		return nil
	}
	tasks, err := repo.Unfinished(ctx, q, job.ID)
	if err != nil {
		return err
	}
	now := f.now()
	var last *repo.Waiting
	var longest float64 // µs
	for i, t := range tasks {
		if t.State != string(model.Queued) {
			longest = max(longest, left(t, now, rate))
			continue
		}
		longest = max(longest, rate*float64(t.Cost)+float64(t.NotBefore.Sub(now).Microseconds()))
		if last == nil {
			ahead, err := repo.Before(ctx, q, t.Lane, t.Tag, t.ID)
			if err != nil {
				return err
			}
			job.QueuePosition = &ahead.Tasks
		}
		last = &tasks[i]
	}
	if len(tasks) == 0 || rate == 0 {
		return nil
	}
	all, err := repo.Slots(ctx, q)
	slots := all[tasks[0].Lane] // a job is in one lane
	if err != nil || slots == 0 {
		return err
	}
	var work float64 // µs
	if last != nil {
		ahead, err := repo.Before(ctx, q, last.Lane, last.Tag, last.ID)
		if err != nil {
			return err
		}
		work = rate * float64(ahead.Cost+last.Cost)
		running, err := repo.Running(ctx, q)
		if err != nil {
			return err
		}
		for _, t := range running {
			work += left(t, now, rate)
		}
	}
	eta := time.Duration(max(work/float64(slots), longest) * float64(time.Microsecond))
	job.ETA = &eta
	return nil
}

// left is how long a running task still needs, in µs.
func left(t repo.Waiting, now time.Time, rate float64) float64 {
	if t.StartedAt == nil {
		return rate * float64(t.Cost)
	}
	return max(0, rate*float64(t.Cost)-float64(now.Sub(*t.StartedAt).Microseconds()))
}

const (
	rateTasks   = 50              // finished tasks that the rate is measured on
	rateRefresh = 2 * time.Second // how long a measured rate is used
)

// currentRate is repo.Rate, read again every rateRefresh: every view of a job
// wants it, and it changes slowly. While one reads it the others take the old one:
// nobody waits for anybody else's database.
func (f *Farm) currentRate(ctx context.Context) (float64, error) {
	f.rateMu.Lock()
	old, last, now := f.rate, f.rateAt, f.Clock.Now()
	if age := now.Sub(last); !last.IsZero() && age >= 0 && age < rateRefresh {
		f.rateMu.Unlock()
		return old, nil
	}
	f.rateAt = now
	f.rateMu.Unlock()
	rate, err := repo.Rate(ctx, f.DB.Reader(), rateTasks)
	f.rateMu.Lock()
	defer f.rateMu.Unlock()
	if err != nil {
		f.rateAt = last // the next one tries
		return 0, fmt.Errorf("read the render rate: %w", err)
	}
	f.rate = rate
	return rate, nil
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
