// Package janitor keeps the farm tidy: it releases work that was lost, gives up
// dead workers, and removes what has expired and what nothing refers to. Any
// number of janitors may run at once, without a leader: each verb is a
// compare-and-set or can be repeated without harm.
package janitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/google/uuid"

	"patchlab/internal/service"
	"patchlab/storage"
)

// Farm moves work that was lost; *service.Farm is one.
type Farm interface {
	Sweep(ctx context.Context) (int, error)
	ReapDead(ctx context.Context, watch *service.BeatWatch) (int, error)
	Repair(ctx context.Context) (int, error)
}

// Keeper removes rows; *service.Keeper is one.
type Keeper interface {
	ExpireAnonymous(ctx context.Context) (jobs, sounds int, err error)
	PurgePacks(ctx context.Context) (int, error)
	PurgeSounds(ctx context.Context) (int, error)
	ExpireAudio(ctx context.Context) (int, error)
	ExpireZIPs(ctx context.Context) (int, error)
	RemoveUnreferencedAssets(ctx context.Context) (int, error)
	DueTrash(ctx context.Context, limit int) ([]string, error)
	ForgetTrash(ctx context.Context, keys []string) (int, error)
	LiveKeys(ctx context.Context, keys []string) (map[string]bool, error)
	ExpireIdempotencyKeys(ctx context.Context) (int, error)
	ForgetIdleShares(ctx context.Context) (int, error)
	EndedJobs(ctx context.Context, ids []uuid.UUID) ([]uuid.UUID, error)
	Forecast(ctx context.Context) (service.Forecast, error)
}

// Store is where the files are; every storage.Store is one.
type Store interface {
	Delete(ctx context.Context, key string) error
	List(ctx context.Context, after string, fn func(storage.Info) error) error
	SweepTemp(ctx context.Context, before time.Time) (int, error)
	CountTemp(ctx context.Context, before time.Time) (int, error)
}

// Tickets is the queue; *queue.Client is one.
type Tickets interface {
	ForgetArchived(ctx context.Context) (int, error)
	CountArchived(ctx context.Context) (int, error)
}

// Progress is what Redis keeps of how jobs come on; *live.Stored is one.
type Progress interface {
	Endless(ctx context.Context, fn func(jobs []uuid.UUID) error) error
	Forget(ctx context.Context, jobs []uuid.UUID) (int, error)
}

// Observer is told of each run of a verb, to count it; *telemetry.Metrics is one.
type Observer interface {
	// Tidied says with how many things a verb has dealt, and whether it was well.
	Tidied(chore string, things int, well bool)
}

type unobserved struct{}

func (unobserved) Tidied(string, int, bool) {}

// The verbs, in the order in which RunOnce does them: what one frees the next can
// remove.
const (
	Reap        = "workers_reaped"
	Sweep       = "tasks_swept"
	Repair      = "jobs_repaired"
	Expire      = "sounds_expired"
	Packs       = "packs_purged"
	Sounds      = "sounds_purged"
	Audio       = "audio_expired"
	ZIPs        = "zips_expired"
	Assets      = "assets_removed"
	Trash       = "blobs_deleted"
	Orphans     = "orphans_deleted"
	Uploads     = "uploads_removed"
	Idempotency = "idempotency_keys_expired"
	Shares      = "shares_forgotten"
	Archived    = "tickets_forgotten"
	Stale       = "progress_forgotten"
)

// Config says how a Janitor works. Zero values mean the defaults.
type Config struct {
	Lost        time.Duration    // between looks for lost work and dead workers; default 1 s
	Expiry      time.Duration    // between removals of what has expired; default 1 min
	Upkeep      time.Duration    // between the small chores; default 10 min
	OrphansAge  time.Duration    // a file without a row is an orphan at this age, by its key; default 24 h
	OrphansEach time.Duration    // between looks at all files; default 1 h
	UploadsAge  time.Duration    // an upload is given up after no write for so long; default 1 h
	Timeout     time.Duration    // bounds one run of a verb; default 10 min
	Now         func() time.Time // default time.Now
	Observer    Observer         // default: none
	Log         *slog.Logger     // default: discard
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.Lost, time.Second},
		{&c.Expiry, time.Minute},
		{&c.Upkeep, 10 * time.Minute},
		{&c.OrphansAge, 24 * time.Hour},
		{&c.OrphansEach, time.Hour},
		{&c.UploadsAge, time.Hour},
		{&c.Timeout, 10 * time.Minute},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Observer == nil {
		c.Observer = unobserved{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// batch is how many keys are asked about or deleted between two looks at the
// database.
const batch = 500

// verb is one thing the janitor does.
type verb struct {
	name  string
	every time.Duration
	do    func(ctx context.Context) (int, error)
}

// Janitor does its verbs, each at a pace of its own.
type Janitor struct {
	farm     Farm
	keeper   Keeper
	store    Store
	tickets  Tickets
	progress Progress
	cfg      Config
	watch    service.BeatWatch
	verbs    []verb

	mu          sync.Mutex
	total       map[string]int
	judgedUntil string // the last key that the sweep for orphans has judged; "" = begin anew
}

// New returns a Janitor.
func New(farm Farm, keeper Keeper, store Store, tickets Tickets, progress Progress, cfg Config) *Janitor {
	j := &Janitor{
		farm: farm, keeper: keeper, store: store, tickets: tickets, progress: progress,
		cfg: cfg.withDefaults(), total: make(map[string]int),
	}
	j.verbs = []verb{
		{Reap, j.cfg.Lost, func(ctx context.Context) (int, error) { return farm.ReapDead(ctx, &j.watch) }},
		{Sweep, j.cfg.Lost, farm.Sweep},
		{Repair, j.cfg.Upkeep, farm.Repair},
		{Expire, j.cfg.Expiry, j.expire},
		{Packs, j.cfg.Expiry, keeper.PurgePacks},
		{Sounds, j.cfg.Expiry, keeper.PurgeSounds},
		{Audio, j.cfg.Expiry, keeper.ExpireAudio},
		{ZIPs, j.cfg.Upkeep, keeper.ExpireZIPs},
		{Assets, j.cfg.Expiry, keeper.RemoveUnreferencedAssets},
		{Trash, j.cfg.Expiry, j.emptyTrash},
		{Orphans, j.cfg.OrphansEach, j.deleteOrphans},
		{Uploads, j.cfg.Upkeep, j.sweepUploads},
		{Idempotency, j.cfg.Upkeep, keeper.ExpireIdempotencyKeys},
		{Shares, j.cfg.Upkeep, keeper.ForgetIdleShares},
		{Archived, j.cfg.Upkeep, tickets.ForgetArchived},
		{Stale, j.cfg.Upkeep, j.forgetProgress},
	}
	return j
}

// Chores returns the names of all verbs.
func (j *Janitor) Chores() []string {
	names := make([]string, len(j.verbs))
	for i, v := range j.verbs {
		names[i] = v.name
	}
	return names
}

// Run does every verb again and again until ctx ends. They do not wait for each
// other: a look through all files must not keep a dead worker's tasks waiting.
func (j *Janitor) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, v := range j.verbs {
		all.Go(func() { j.repeat(ctx, v) })
	}
	all.Wait()
}

// repeat does one verb at its pace. The start is spread over the first interval,
// so that janitors started together do not work in step.
func (j *Janitor) repeat(ctx context.Context, v verb) {
	t := time.NewTimer(rand.N(v.every)) //nolint:gosec // spreads load, guards nothing
	defer t.Stop()
	failing := false
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		_, err := j.once(ctx, v)
		if ctx.Err() != nil {
			return
		}
		if failed := err != nil; failed != failing {
			failing = failed
			if failed {
				j.cfg.Log.WarnContext(ctx, "the janitor cannot do a chore", "chore", v.name, "err", err)
			} else {
				j.cfg.Log.InfoContext(ctx, "the janitor can do the chore again", "chore", v.name)
			}
		}
		t.Reset(v.every)
	}
}

// RunOnce does every verb once, whether others fail or not, and returns how many
// things each has dealt with.
func (j *Janitor) RunOnce(ctx context.Context) (map[string]int, error) {
	counts := make(map[string]int, len(j.verbs))
	var errs []error
	for _, v := range j.verbs {
		n, err := j.once(ctx, v)
		counts[v.name] = n
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", v.name, err))
		}
	}
	return counts, errors.Join(errs...)
}

// once does a verb, bounded in time and with its panics contained.
func (j *Janitor) once(ctx context.Context, v verb) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, j.cfg.Timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			j.cfg.Log.ErrorContext(ctx, "a chore panicked", "chore", v.name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
		j.cfg.Observer.Tidied(v.name, n, err == nil)
		if n > 0 {
			j.mu.Lock()
			j.total[v.name] += n
			j.mu.Unlock()
			j.cfg.Log.InfoContext(ctx, "tidied", "chore", v.name, "count", n)
		}
	}()
	return v.do(ctx)
}

// Totals returns how many things each verb has dealt with since the start.
func (j *Janitor) Totals() map[string]int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.total)
}

func (j *Janitor) expire(ctx context.Context) (int, error) {
	_, sounds, err := j.keeper.ExpireAnonymous(ctx)
	return sounds, err
}

// emptyTrash deletes the files whose time in the trash is over, and then strikes
// them off: one that cannot be deleted stays on the list.
func (j *Janitor) emptyTrash(ctx context.Context) (int, error) {
	deleted := 0
	for {
		keys, err := j.keeper.DueTrash(ctx, batch)
		if err != nil {
			return deleted, err
		}
		gone, failed := j.deleteAll(ctx, keys)
		if len(gone) > 0 {
			n, err := j.keeper.ForgetTrash(ctx, gone)
			if err != nil {
				return deleted, errors.Join(failed, err)
			}
			deleted += n
		}
		if failed != nil || len(keys) < batch {
			return deleted, failed
		}
	}
}

// deleteAll deletes files; one that fails does not stop the others, but the end
// of ctx does.
func (j *Janitor) deleteAll(ctx context.Context, keys []string) (gone []string, failed error) {
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			return gone, errors.Join(failed, err)
		}
		switch err := j.store.Delete(ctx, key); {
		case err == nil:
			gone = append(gone, key)
		case failed == nil: // one error says enough
			failed = err
		}
	}
	return gone, failed
}

// deleteOrphans deletes the files that no row knows: their worker died between
// storing and committing. Young ones may still be committed.
func (j *Janitor) deleteOrphans(ctx context.Context) (int, error) {
	var (
		deleted int
		failed  error
	)
	j.mu.Lock()
	from := j.judgedUntil
	j.mu.Unlock()
	err := j.eachOrphan(ctx, from, func(orphans []string, last string) error {
		gone, err := j.deleteAll(ctx, orphans)
		deleted += len(gone)
		if failed == nil {
			failed = err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		j.judged(last)
		return nil
	})
	if err == nil {
		j.judged("") // that was the last: from the start again
	}
	return deleted, errors.Join(err, failed)
}

// eachOrphan calls fn with the orphans, some at a time, among the files after a key; all
// files up to last were looked at by then.
func (j *Janitor) eachOrphan(ctx context.Context, from string, fn func(orphans []string, last string) error) error {
	before := j.cfg.Now().Add(-j.cfg.OrphansAge)
	var old []string
	judge := func() error {
		if len(old) == 0 {
			return nil
		}
		last := old[len(old)-1]
		live, err := j.keeper.LiveKeys(ctx, old)
		if err != nil {
			return err
		}
		orphans := make([]string, 0, len(old))
		for _, key := range old {
			if !live[key] {
				orphans = append(orphans, key)
			}
		}
		old = old[:0]
		return fn(orphans, last)
	}
	err := j.store.List(ctx, from, func(info storage.Info) error {
		made, err := storage.KeyTime(info.Key)
		if err != nil || !made.Before(before) {
			return nil //nolint:nilerr // not a file of ours, so not ours to delete
		}
		if old = append(old, info.Key); len(old) < batch {
			return nil
		}
		return judge()
	})
	if err == nil {
		err = judge()
	}
	return err
}

// judged notes how far the sweep for orphans has come. Where its time is over before it
// is through, the next one goes on from there, or the last keys of a large store would
// never be looked at.
func (j *Janitor) judged(until string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.judgedUntil = until
}

func (j *Janitor) sweepUploads(ctx context.Context) (int, error) {
	return j.store.SweepTemp(ctx, j.cfg.Now().Add(-j.cfg.UploadsAge))
}

// forgetProgress removes the progress of jobs that have ended, or are gone, and that would
// stay for ever.
func (j *Janitor) forgetProgress(ctx context.Context) (int, error) {
	forgotten := 0
	err := j.progress.Endless(ctx, func(jobs []uuid.UUID) error {
		ended, err := j.keeper.EndedJobs(ctx, jobs)
		if err != nil {
			return err
		}
		n, err := j.progress.Forget(ctx, ended)
		forgotten += n
		return err
	})
	return forgotten, err
}
