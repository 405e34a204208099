package service

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"

	"patchlab/internal/model"
)

var errSkeleton = errors.New("service: being built")

// Farm accepts requests, hands tasks to workers fairly and records what became
// of them.
type Farm struct {
	Deps
	nudge chan struct{}
}

// NewFarm makes a Farm.
func NewFarm(deps Deps) *Farm {
	return &Farm{Deps: deps.withDefaults(), nudge: make(chan struct{}, 1)}
}

// GenerateRequest asks for the takes of one prompt. Absent fields are left to
// the words and to the defaults of the parameter table.
type GenerateRequest struct {
	Prompt     string   // 1–500 characters
	Variations int      // takes, 1–8; 0 = 1
	Seed       *uint32  // drawn when nil
	Duration   *float64 // s, 0.05–30
	SampleRate *int     // Hz: 22050, 44100, 48000, 96000
	BitDepth   *int     // 16, 24, 32
	Channels   *int     // 1, 2
	Overrides  map[string]json.RawMessage // patch values by path, after the words
}

// Generate accepts a request. With an idempotency key (not "") the same request
// hash gives the job of the first call, existed = true.
func (f *Farm) Generate(ctx context.Context, caller model.Caller, req GenerateRequest, idemKey string, requestHash []byte) (job model.Job, existed bool, err error) {
	return model.Job{}, false, errSkeleton
}

// Job returns a job of the caller; another's is CodeNotFound.
func (f *Farm) Job(ctx context.Context, caller model.Caller, id uuid.UUID) (model.Job, error) {
	return model.Job{}, errSkeleton
}

// JobByID returns a job whoever asks; for the hub, after ownership was checked.
func (f *Farm) JobByID(ctx context.Context, id uuid.UUID) (model.Job, error) {
	return model.Job{}, errSkeleton
}

// JobVersions returns the versions of those jobs that exist.
func (f *Farm) JobVersions(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]int64, error) {
	return nil, errSkeleton
}

// Release hands out tickets for the tasks that are next, as many as the live
// workers can use, and returns how many.
func (f *Farm) Release(ctx context.Context) (int, error) { return 0, errSkeleton }

// RunReleaser releases after each accept and finish of this process and every
// Config.ReleaseEvery, until ctx ends.
func (f *Farm) RunReleaser(ctx context.Context) {}

// Sweep takes back released tasks whose ticket the queue has lost, so that the
// next release hands them out again. It returns how many.
func (f *Farm) Sweep(ctx context.Context) (int, error) { return 0, errSkeleton }

// RequeueRunning takes back every released and running task, and forgets all
// workers: for the boot of the all-in-one process, before its workers start.
func (f *Farm) RequeueRunning(ctx context.Context) (int, error) { return 0, errSkeleton }

// Claim is a task in the hands of a worker.
type Claim struct {
	Ticket model.Ticket
	JobID  uuid.UUID
	Cost   int64       // estimated µs of CPU
	Sound  model.Sound // what to render
}

// Claim starts the attempt of a ticket. ok is false where the ticket is stale.
func (f *Farm) Claim(ctx context.Context, ticket model.Ticket, workerID uuid.UUID) (claim Claim, ok bool, err error) {
	return Claim{}, false, errSkeleton
}

// FindAsset returns the asset of a digest, nil where there is none.
func (f *Farm) FindAsset(ctx context.Context, digest string) (*model.Asset, error) {
	return nil, errSkeleton
}

// CommitResult says what became of a rendered blob.
type CommitResult struct {
	Asset   model.Asset // the one that the sound has now
	Adopted bool        // another's blob of the same digest had won: delete your own
}

// Commit ends an attempt well. An asset with an ID is one that FindAsset gave
// (ErrAssetGone: it was removed meanwhile, render after all); one without is a
// blob just stored. On ErrFenced delete your blob; on any other error leave it,
// for the commit may have happened: the orphan sweep takes care of it.
func (f *Farm) Commit(ctx context.Context, ticket model.Ticket, asset model.Asset) (CommitResult, error) {
	return CommitResult{}, errSkeleton
}

// Fail ends an attempt badly: a retryable failure waits and tries again, up to
// Config.MaxAttempts, any other is final. ErrFenced where the attempt is stale.
func (f *Farm) Fail(ctx context.Context, ticket model.Ticket, failure *model.Failure, retryable bool) error {
	return errSkeleton
}

// HandBack gives up an attempt without a charge, as at a shutdown.
func (f *Farm) HandBack(ctx context.Context, ticket model.Ticket) error { return errSkeleton }

// Worker describes a worker process.
type Worker struct {
	ID      uuid.UUID
	Host    string
	Version string
	Slots   int // renders at a time
}

// RegisterWorker makes a worker known; its slots count from now on.
func (f *Farm) RegisterWorker(ctx context.Context, w Worker) error { return errSkeleton }

// Beat shows that a worker lives; every 2 s. ErrWorkerGone: stop all tasks and
// register under a new id.
func (f *Farm) Beat(ctx context.Context, workerID uuid.UUID) error { return errSkeleton }

// RetireWorker forgets a worker that stops, and takes back what it still had.
func (f *Farm) RetireWorker(ctx context.Context, workerID uuid.UUID) error { return errSkeleton }

// BeatWatch remembers which beats a janitor has seen, and for how long. Each
// janitor has its own. The zero value is ready.
type BeatWatch struct {
	mu   sync.Mutex
	seen map[uuid.UUID]seenBeat
	last time.Time
}

type seenBeat struct {
	beat  int64
	since time.Time
}

// ReapDead looks at all beats (call it every second or two) and takes back the
// tasks of the workers whose beat stood still for Config.DeadAfter by the clock
// of this process. It returns the number of workers given up.
func (f *Farm) ReapDead(ctx context.Context, watch *BeatWatch) (int, error) { return 0, errSkeleton }

// Ping checks that the database can be written.
func (f *Farm) Ping(ctx context.Context) error { return errSkeleton }
