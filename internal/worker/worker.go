// Package worker runs the tasks of the farm: it claims what a ticket stands for,
// renders the sound, stores the file and commits. It writes nothing to the
// database itself and decides nothing about retries: it reports what happened.
package worker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"patchlab/engine"
	"patchlab/engine/patch"
	"patchlab/internal/model"
	"patchlab/internal/service"
	"patchlab/storage"
)

// Farm is the record of the work; *service.Farm is one.
type Farm interface {
	Claim(ctx context.Context, ticket model.Ticket, workerID uuid.UUID) (claim service.Claim, ok bool, err error)
	FindAsset(ctx context.Context, digest string) (*model.Asset, error)
	Commit(ctx context.Context, ticket model.Ticket, asset model.Asset) (service.CommitResult, error)
	Fail(ctx context.Context, ticket model.Ticket, failure *model.Failure, retryable bool) error
	HandBack(ctx context.Context, ticket model.Ticket) error
	DropAsset(ctx context.Context, asset model.Asset) error
	RegisterWorker(ctx context.Context, w service.Worker) error
	Beat(ctx context.Context, workerID uuid.UUID, state service.WorkerState) error
	Overtaken(ctx context.Context, tickets []model.Ticket) ([]model.Ticket, error)
	RetireWorker(ctx context.Context, workerID uuid.UUID) error
}

// Store is where files go; see storage.Store.
type Store interface {
	Put(ctx context.Context, key string, r io.Reader) (storage.Info, error)
	Open(ctx context.Context, key string) (io.ReadSeekCloser, storage.Info, error)
	Delete(ctx context.Context, key string) error
}

// Publisher tells watchers how a render comes on. Its calls are bounded in time
// and log their own errors.
type Publisher interface {
	Progress(ctx context.Context, p model.Progress) error
	Audio(ctx context.Context, c model.AudioChunk) error
	Listening(ctx context.Context, jobID uuid.UUID) bool
}

// Observer is told what the worker does, to be counted; *telemetry.Metrics is one.
type Observer interface {
	// Claimed is called with the time since the release of a ticket and since its
	// task was due.
	Claimed(lane string, pickup, wait time.Duration)
	// Rendered is called after each run of the engine, with the time it took, the CPU
	// time of its thread (the same where the system does not tell) and the length of the
	// sound.
	Rendered(took, cpu, audio time.Duration)
	// Ended is called once for each attempt that was claimed.
	Ended(outcome string)
	// Failed is called with the code of a failure, before Ended.
	Failed(code string)
}

// The outcomes of an attempt.
const (
	OutcomeRendered   = "rendered"
	OutcomeReused     = "reused"      // the same recipe had been rendered before
	OutcomeFailed     = "failed"      // for good
	OutcomeRetryable  = "retryable"   // the farm decides whether there is another attempt
	OutcomeHandedBack = "handed_back" // by a worker that stops
	OutcomeOvertaken  = "overtaken"   // cancelled, or another attempt has taken its place
)

// Outcomes returns all of them.
func Outcomes() []string {
	return []string{OutcomeRendered, OutcomeReused, OutcomeFailed, OutcomeRetryable, OutcomeHandedBack, OutcomeOvertaken}
}

// unobserved is an Observer that nobody hears.
type unobserved struct{}

func (unobserved) Claimed(string, time.Duration, time.Duration) {}
func (unobserved) Rendered(_, _, _ time.Duration)               {}
func (unobserved) Ended(string)                                 {}
func (unobserved) Failed(string)                                {}

// RenderFunc is engine.Render, or what a test puts in its place.
type RenderFunc func(ctx context.Context, p patch.Patch, o engine.Options) (engine.Audio, error)

// Config says how a Worker works. Zero values mean the defaults.
type Config struct {
	Name    string // what its settings are kept by; default Host
	Host    string
	Version string
	Slots   int // renders at a time, as the farm should count them, until SetSlots; default 1
	// MaxSpeed bounds a render to that multiple of real time, so that it can be
	// watched; 0 = no bound.
	MaxSpeed     float64
	BeatEvery    time.Duration             // default 2 s
	CallTimeout  time.Duration             // bounds one call on the farm; default 4 s
	StoreTimeout time.Duration             // bounds storing one sound; default 2 min
	PackTimeout  time.Duration             // bounds storing the ZIP of a pack; default 30 min
	Patience     time.Duration             // how long a commit is tried while the database is away; default 30 s
	Render       RenderFunc                // default engine.Render
	NewID        func() (uuid.UUID, error) // default uuid.NewV7
	Observer     Observer                  // default: nobody
	Log          *slog.Logger              // default: discard
}

func (c Config) withDefaults() Config {
	c.Slots = max(c.Slots, 1)
	if c.Name == "" {
		c.Name = c.Host
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.BeatEvery, 2 * time.Second},
		{&c.CallTimeout, 4 * time.Second},
		{&c.StoreTimeout, 2 * time.Minute},
		{&c.PackTimeout, 30 * time.Minute},
		{&c.Patience, 30 * time.Second},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if c.Render == nil {
		c.Render = engine.Render
	}
	if c.NewID == nil {
		c.NewID = uuid.NewV7
	}
	if c.Observer == nil {
		c.Observer = unobserved{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// The causes with which renders end whose tasks are not this worker's any more.
var (
	// errLost: the farm has given the worker up, and its tasks belong to others.
	errLost = errors.New("worker: the farm has given this worker up")
	// errCancelled: the task was cancelled, or another attempt has taken its place.
	errCancelled = errors.New("worker: the task was cancelled")
)

// overtaken reports whether the task of a context is not this worker's any more.
func overtaken(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return errors.Is(cause, errLost) || errors.Is(cause, errCancelled)
}

// Worker runs tasks. Run keeps it registered; Handle works on one ticket and may
// be called from many goroutines.
type Worker struct {
	farm  Farm
	store Store
	pub   Publisher
	cfg   Config

	kick    chan struct{} // beat now
	buffers sync.Pool     // of *bufio.Writer, between an encoder and the store

	usage usage // of the beats

	mu      sync.Mutex
	slots   int           // see SetSlots
	id      uuid.UUID     // uuid.Nil while not registered
	ready   chan struct{} // closed when registered
	nextRun uint64
	runs    map[uint64]*run
	flights map[string]chan struct{} // by digest: closed when its render has ended
}

// run is an attempt that is worked on.
type run struct {
	ticket  model.Ticket
	claimed bool
	cancel  context.CancelCauseFunc
}

// New returns a Worker. Start Run before tickets come.
func New(farm Farm, store Store, pub Publisher, cfg Config) *Worker {
	cfg = cfg.withDefaults()
	return &Worker{
		farm:    farm,
		store:   store,
		pub:     pub,
		cfg:     cfg,
		slots:   cfg.Slots,
		kick:    make(chan struct{}, 1),
		ready:   make(chan struct{}),
		runs:    make(map[uint64]*run),
		flights: make(map[string]chan struct{}),
		buffers: sync.Pool{New: func() any { return bufio.NewWriterSize(nil, uploadBuffer) }},
	}
}

// uploadBuffer is how much of a file is handed to the store at a time.
const uploadBuffer = 256 << 10

// Run registers the worker and keeps its beat until ctx ends; then it retires,
// and what it still had goes back to the farm. End ctx after the last Handle.
//
// A beat that fails because the database is away harms no render: the commit
// will wait for the database as well. A farm that no longer knows the worker has
// given its tasks to others, so they end and it registers under a new id.
func (w *Worker) Run(ctx context.Context) {
	t := time.NewTicker(w.cfg.BeatEvery)
	defer t.Stop()
	failing := false
	for {
		err := w.beat(ctx)
		if failed := err != nil && ctx.Err() == nil; failed != failing {
			failing = failed
			if failed {
				w.cfg.Log.WarnContext(ctx, "the worker's beat fails", "err", err)
			} else if ctx.Err() == nil {
				w.cfg.Log.InfoContext(ctx, "the worker's beat is back")
			}
		}
		select {
		case <-t.C:
		case <-w.kick:
		case <-ctx.Done():
			w.retire(ctx)
			return
		}
	}
}

// beat beats once, or registers where the farm does not know the worker.
func (w *Worker) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.CallTimeout)
	defer cancel()
	w.mu.Lock()
	id := w.id
	w.mu.Unlock()
	if id != uuid.Nil {
		err := w.farm.Beat(ctx, id, w.state())
		if err == nil {
			return w.stopOvertaken(ctx)
		}
		if !errors.Is(err, service.ErrWorkerGone) {
			return err
		}
		w.lose(id)
	}
	return w.register(ctx)
}

// SetSlots tells the farm how many tasks the worker may run at a time from now on, 0
// where it takes none. It bounds nothing itself: the queue does.
func (w *Worker) SetSlots(n int) {
	w.mu.Lock()
	changed := w.slots != n
	w.slots = n
	w.mu.Unlock()
	if changed {
		w.wakeBeat()
	}
}

// state is what the worker tells of itself.
func (w *Worker) state() service.WorkerState {
	cpu, memory := w.usage.read(time.Now())
	w.mu.Lock()
	defer w.mu.Unlock()
	running := 0
	for _, r := range w.runs {
		if r.claimed {
			running++
		}
	}
	return service.WorkerState{Slots: w.slots, Running: running, CPU: cpu, Memory: memory}
}

// stopOvertaken stops the renders whose attempt is over, of which nobody told.
func (w *Worker) stopOvertaken(ctx context.Context) error {
	w.mu.Lock()
	tickets := make([]model.Ticket, 0, len(w.runs))
	for _, r := range w.runs {
		if r.claimed {
			tickets = append(tickets, r.ticket)
		}
	}
	w.mu.Unlock()
	if len(tickets) == 0 {
		return nil
	}
	over, err := w.farm.Overtaken(ctx, tickets)
	if err != nil {
		return err
	}
	w.stop(func(r *run) bool { return slices.Contains(over, r.ticket) })
	return nil
}

// Cancel stops the renders of tasks, where they are this worker's.
func (w *Worker) Cancel(tasks []uuid.UUID) {
	w.stop(func(r *run) bool { return slices.Contains(tasks, r.ticket.TaskID) })
}

func (w *Worker) stop(which func(*run) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.runs {
		if which(r) {
			r.cancel(errCancelled)
		}
	}
}

func (w *Worker) register(ctx context.Context) error {
	id, err := w.cfg.NewID()
	if err != nil {
		return fmt.Errorf("name the worker: %w", err)
	}
	w.mu.Lock()
	slots := w.slots
	w.mu.Unlock()
	err = w.farm.RegisterWorker(ctx, service.Worker{
		ID: id, Name: w.cfg.Name, Host: w.cfg.Host, Version: w.cfg.Version, Slots: slots, CPUs: runtime.GOMAXPROCS(0),
	})
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.id = id
	close(w.ready)
	w.cfg.Log.InfoContext(ctx, "worker registered", "worker", id, "name", w.cfg.Name, "slots", slots)
	return nil
}

// lose forgets the identity and ends all renders.
func (w *Worker) lose(id uuid.UUID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.id != id {
		return
	}
	w.cfg.Log.Warn("the farm has given this worker up; its tasks went to others", "worker", id, "tasks", len(w.runs))
	w.id = uuid.Nil
	w.ready = make(chan struct{})
	for _, r := range w.runs {
		r.cancel(errLost)
	}
}

func (w *Worker) retire(ctx context.Context) {
	w.mu.Lock()
	id := w.id
	w.mu.Unlock()
	if id == uuid.Nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.cfg.CallTimeout)
	defer cancel()
	if err := w.farm.RetireWorker(ctx, id); err != nil {
		w.cfg.Log.WarnContext(ctx, "the worker could not retire; a janitor will notice", "worker", id, "err", err)
	}
}

// identity returns the id of the worker, waiting until it is registered.
func (w *Worker) identity(ctx context.Context) (uuid.UUID, error) {
	for {
		w.mu.Lock()
		id, ready := w.id, w.ready
		w.mu.Unlock()
		if id != uuid.Nil {
			return id, nil
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return uuid.Nil, ctx.Err()
		}
	}
}

// begin gives a task a context that ends with errLost when the worker is lost, and with
// errCancelled when the task is. Call claimed once the claim has gone through.
func (w *Worker) begin(ctx context.Context, id uuid.UUID, ticket model.Ticket) (_ context.Context, claimed, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.id != id {
		cancel(errLost)
	}
	w.nextRun++
	n, r := w.nextRun, &run{ticket: ticket, cancel: cancel}
	w.runs[n] = r
	claimed = func() {
		w.mu.Lock()
		r.claimed = true
		w.mu.Unlock()
	}
	return ctx, claimed, func() {
		w.mu.Lock()
		delete(w.runs, n)
		w.mu.Unlock()
		cancel(nil)
	}
}

// board waits for a render of the same digest in this process to end, or makes
// the caller the one who renders: it then gets the function that ends the flight.
func (w *Worker) board(ctx context.Context, digest string) (land func(), err error) {
	w.mu.Lock()
	flight, flying := w.flights[digest]
	if !flying {
		flight = make(chan struct{})
		w.flights[digest] = flight
	}
	w.mu.Unlock()
	if !flying {
		return func() {
			w.mu.Lock()
			delete(w.flights, digest)
			w.mu.Unlock()
			close(flight)
		}, nil
	}
	select {
	case <-flight:
		return nil, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
