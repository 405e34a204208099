// Package servicetest is a farm for tests: the real services on a real database,
// with a clock, a queue and a publisher in the test's hands.
package servicetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"patchlab/db"
	"patchlab/db/repo"
	"patchlab/internal/model"
	"patchlab/internal/service"
)

// Harness is a farm for one test.
type Harness struct {
	DB      *db.DB
	Farm    *service.Farm
	Library *service.Library
	Keeper  *service.Keeper
	Clock   *Clock
	Queue   *Queue
	News    *News
}

// New makes a Harness on a migrated database. The configuration's zero fields
// take their defaults.
func New(t testing.TB, d *db.DB, cfg service.Config) *Harness {
	t.Helper()
	h := &Harness{
		DB: d, Clock: &Clock{now: time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)},
		Queue: &Queue{}, News: &News{versions: map[uuid.UUID]int64{}},
	}
	deps := service.Deps{DB: d, Tickets: h.Queue, Publisher: h.News, Clock: h.Clock, Config: cfg}
	h.Farm, h.Library, h.Keeper = service.NewFarm(deps), service.NewLibrary(deps), service.NewKeeper(deps)
	return h
}

// Clock is a clock that moves when told to.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now implements service.Clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// ErrDown is what the queue says while it is down.
var ErrDown = errors.New("servicetest: the queue is down")

// Queue holds tickets in the order of their arrival.
type Queue struct {
	mu      sync.Mutex
	down    bool
	tickets []model.Ticket
}

// SetDown makes all calls fail, or work again.
func (q *Queue) SetDown(down bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.down = down
}

// Enqueue implements service.Tickets.
func (q *Queue) Enqueue(_ context.Context, tickets ...model.Ticket) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.down {
		return ErrDown
	}
	q.tickets = append(q.tickets, tickets...)
	return nil
}

// Known implements service.Tickets.
func (q *Queue) Known(_ context.Context, ticket model.Ticket) (bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.down {
		return false, ErrDown
	}
	for _, t := range q.tickets {
		if t.TaskID == ticket.TaskID && t.Attempt == ticket.Attempt {
			return true, nil
		}
	}
	return false, nil
}

// Pop takes the oldest ticket; ok is false where there is none.
func (q *Queue) Pop() (ticket model.Ticket, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.tickets) == 0 {
		return model.Ticket{}, false
	}
	ticket, q.tickets = q.tickets[0], q.tickets[1:]
	return ticket, true
}

// Clear loses all tickets, as a Redis that comes back empty does.
func (q *Queue) Clear() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tickets = nil
}

// Len returns the number of tickets.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.tickets)
}

// News remembers the last version that was published of each job.
type News struct {
	mu        sync.Mutex
	versions  map[uuid.UUID]int64
	cancelled []uuid.UUID
	settings  int
}

// SettingsChanged implements service.Publisher.
func (n *News) SettingsChanged(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.settings++
	return nil
}

// Settings returns how often new settings were told of.
func (n *News) Settings() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.settings
}

// TasksCancelled implements service.Publisher.
func (n *News) TasksCancelled(_ context.Context, tasks []uuid.UUID) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cancelled = append(n.cancelled, tasks...)
	return nil
}

// Cancelled returns all tasks that were told to be cancelled.
func (n *News) Cancelled() []uuid.UUID {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.cancelled)
}

// JobChanged implements service.Publisher.
func (n *News) JobChanged(_ context.Context, jobID uuid.UUID, version int64) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.versions[jobID] = max(n.versions[jobID], version)
	return nil
}

// Version returns the highest version published of a job.
func (n *News) Version(jobID uuid.UUID) int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.versions[jobID]
}

// Anon returns an anonymous caller of a name.
func Anon(name string) model.Caller { return model.Caller{AnonKey: name} }

// Request returns a request that is accepted.
func Request(variations int) service.GenerateRequest {
	seed := uint32(7)
	return service.GenerateRequest{Prompt: "deep bass", Variations: variations, Seed: &seed}
}

// Accept makes a job.
func (h *Harness) Accept(t testing.TB, caller model.Caller, variations int) model.Job {
	t.Helper()
	job, existed, err := h.Farm.Generate(context.Background(), caller, Request(variations), "", nil)
	require.NoError(t, err)
	require.False(t, existed)
	return job
}

// Worker registers a worker.
func (h *Harness) Worker(t testing.TB, slots int) uuid.UUID {
	t.Helper()
	id, err := uuid.NewV7()
	require.NoError(t, err)
	require.NoError(t, h.Farm.RegisterWorker(context.Background(), service.Worker{ID: id, Host: "test", Version: "1", Slots: slots}))
	return id
}

// Release releases and returns the number of tickets.
func (h *Harness) Release(t testing.TB) int {
	t.Helper()
	n, err := h.Farm.Release(context.Background())
	require.NoError(t, err)
	return n
}

// Next releases, takes the next ticket and claims it.
func (h *Harness) Next(t testing.TB, worker uuid.UUID) service.Claim {
	t.Helper()
	h.Release(t)
	ticket, ok := h.Queue.Pop()
	require.True(t, ok, "no ticket")
	claim, ok, err := h.Farm.Claim(context.Background(), ticket, worker)
	require.NoError(t, err)
	require.True(t, ok, "stale ticket")
	if claim.Sound.ID != uuid.Nil { // all of it, for those who want to know whose it is
		claim.Sound, err = repo.Sound(context.Background(), h.DB.Reader(), claim.Sound.ID)
		require.NoError(t, err)
	}
	return claim
}

// Asset returns a new asset of a digest, as a worker hands it in.
func Asset(digest string) model.Asset {
	return model.Asset{
		Digest: digest, Format: "wav", Key: fmt.Sprintf("%s/%s.wav", digest, uuid.New()), Size: 1000, ETag: "etag",
		Engine: "1", Encoder: "1", Frames: 96000, SampleRate: 48000, Channels: 2, Peaks: model.Peaks{-127, 127, -1, 0},
	}
}

// Job reads a job.
func (h *Harness) Job(t testing.TB, id uuid.UUID) model.Job {
	t.Helper()
	job, err := h.Farm.JobByID(context.Background(), id, 0)
	require.NoError(t, err)
	return job
}
