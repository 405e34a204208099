package janitor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"patchlab/internal/janitor"
	"patchlab/internal/service"
	"patchlab/internal/testenv/backing"
	"patchlab/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, backing.Leaks()) }

// books is a farm, a keeper and a queue in memory; a name in broken fails.
type books struct {
	mu     sync.Mutex
	broken map[string]bool
	live   map[string]bool
	trash  []string
	calls  map[string]int
	panics bool
}

func newBooks(broken ...string) *books {
	b := &books{broken: map[string]bool{}, live: map[string]bool{}, calls: map[string]int{}}
	for _, name := range broken {
		b.broken[name] = true
	}
	return b
}

func (b *books) call(name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls[name]++
	if b.broken[name] {
		if b.panics {
			panic(name)
		}
		return errors.New(name + " is broken")
	}
	return nil
}

func (b *books) Sweep(context.Context) (int, error) { return 2, b.call(janitor.Sweep) }
func (b *books) ReapDead(context.Context, *service.BeatWatch) (int, error) {
	return 1, b.call(janitor.Reap)
}

func (b *books) ExpireAnonymous(context.Context) (int, int, error) {
	return 1, 4, b.call(janitor.Expire)
}

func (b *books) RemoveUnreferencedAssets(context.Context) (int, error) {
	return 3, b.call(janitor.Assets)
}

func (b *books) ExpireIdempotencyKeys(context.Context) (int, error) {
	return 5, b.call(janitor.Idempotency)
}
func (b *books) Repair(context.Context) (int, error)        { return 8, b.call(janitor.Repair) }
func (b *books) PurgePacks(context.Context) (int, error)    { return 9, b.call(janitor.Packs) }
func (b *books) PurgeSounds(context.Context) (int, error)   { return 10, b.call(janitor.Sounds) }
func (b *books) ExpireAudio(context.Context) (int, error)   { return 11, b.call(janitor.Audio) }
func (b *books) ExpireZIPs(context.Context) (int, error)    { return 12, b.call(janitor.ZIPs) }
func (b *books) CountArchived(context.Context) (int, error) { return 7, b.call(janitor.Archived) }

func (b *books) Forecast(context.Context) (service.Forecast, error) {
	return service.Forecast{Assets: service.Preview{Count: 3}}, b.call(janitor.Assets)
}

func (b *books) Endless(_ context.Context, fn func([]uuid.UUID) error) error {
	return errors.Join(fn([]uuid.UUID{{1}, {2}}), fn([]uuid.UUID{{1}}), b.call(janitor.Stale))
}

func (b *books) EndedJobs(_ context.Context, ids []uuid.UUID) ([]uuid.UUID, error) { return ids, nil }

func (b *books) Forget(_ context.Context, ids []uuid.UUID) (int, error) { return len(ids), nil }

func (b *books) ForgetIdleShares(context.Context) (int, error) { return 6, b.call(janitor.Shares) }
func (b *books) ForgetArchived(context.Context) (int, error)   { return 7, b.call(janitor.Archived) }

func (b *books) DueTrash(_ context.Context, limit int) ([]string, error) {
	err := b.call(janitor.Trash)
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.trash[:min(limit, len(b.trash))]...), err
}

func (b *books) ForgetTrash(_ context.Context, keys []string) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	gone := map[string]bool{}
	for _, k := range keys {
		gone[k] = true
	}
	var left []string
	for _, k := range b.trash {
		if !gone[k] {
			left = append(left, k)
		}
	}
	n := len(b.trash) - len(left)
	b.trash = left
	return n, nil
}

func (b *books) LiveKeys(_ context.Context, keys []string) (map[string]bool, error) {
	if len(keys) > 500 {
		return nil, fmt.Errorf("%d keys are too many", len(keys))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.live, nil
}

// store is a disk store that fails to delete some keys.
type store struct {
	*storage.Disk
	stuck map[string]bool
}

func (s store) Delete(ctx context.Context, key string) error {
	if s.stuck[key] {
		return errors.New("the medium is read-only")
	}
	return s.Disk.Delete(ctx, key)
}

func newStore(t *testing.T) store {
	t.Helper()
	d, err := storage.NewDisk(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, d.Close()) })
	return store{Disk: d, stuck: map[string]bool{}}
}

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// put stores a file whose key was made so long before now.
func put(t *testing.T, s store, n int, age time.Duration) string {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	ms := now.Add(-age).UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	key := storage.NewKey(fmt.Sprintf("%064x", n), id, "wav")
	_, err := s.Put(context.Background(), key, strings.NewReader("x"))
	require.NoError(t, err)
	return key
}

func exists(t *testing.T, s store, key string) bool {
	t.Helper()
	_, err := s.Stat(context.Background(), key)
	if err != nil {
		require.ErrorIs(t, err, storage.ErrNotFound)
	}
	return err == nil
}

func fixed() janitor.Config { return janitor.Config{Now: func() time.Time { return now }} }

func TestEveryVerbRunsAndCounts(t *testing.T) {
	t.Parallel()
	b, s := newBooks(), newStore(t)
	trashed := put(t, s, 1, time.Minute)
	b.trash = []string{trashed, storage.NewKey(strings.Repeat("ab", 32), uuid.Must(uuid.NewV7()), "wav")}
	j := janitor.New(b, b, s, b, b, fixed())
	counts, err := j.RunOnce(context.Background())
	require.NoError(t, err)
	assert.Equal(t, map[string]int{
		janitor.Reap: 1, janitor.Sweep: 2, janitor.Expire: 4, janitor.Assets: 3, janitor.Trash: 2, janitor.Orphans: 0,
		janitor.Uploads: 0, janitor.Idempotency: 5, janitor.Shares: 6, janitor.Archived: 7,
		janitor.Repair: 8, janitor.Packs: 9, janitor.Sounds: 10, janitor.Audio: 11, janitor.ZIPs: 12, janitor.Stale: 3,
	}, counts)
	assert.ElementsMatch(t, slices.Collect(maps.Keys(counts)), j.Chores())
	assert.False(t, exists(t, s, trashed))
	assert.Empty(t, b.trash)
	_, err = j.RunOnce(context.Background())
	require.NoError(t, err)
	assert.Equal(t, 2*6, j.Totals()[janitor.Shares])
}

func TestOneBrokenVerbDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	names := []string{
		janitor.Reap, janitor.Sweep, janitor.Expire, janitor.Assets, janitor.Trash, janitor.Idempotency, janitor.Shares,
		janitor.Archived, janitor.Repair, janitor.Packs, janitor.Sounds, janitor.Audio, janitor.ZIPs, janitor.Stale,
	}
	for _, name := range names {
		for _, panics := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s panics=%v", name, panics), func(t *testing.T) {
				t.Parallel()
				b := newBooks(name)
				b.panics = panics
				_, err := janitor.New(b, b, newStore(t), b, b, fixed()).RunOnce(context.Background())
				require.ErrorContains(t, err, name)
				for _, other := range names {
					assert.Equal(t, 1, b.calls[other], other)
				}
			})
		}
	}
}

func TestOrphansAreOldFilesThatNoRowKnows(t *testing.T) {
	t.Parallel()
	b, s := newBooks(), newStore(t)
	live := put(t, s, 1, 48*time.Hour)
	young := put(t, s, 2, 23*time.Hour)
	b.live[live] = true
	orphans := []string{put(t, s, 1, 25*time.Hour), put(t, s, 3, 240*time.Hour)}
	for i := range 510 { // more than one batch
		orphans = append(orphans, put(t, s, 100+i, 30*time.Hour))
	}
	s.stuck[orphans[1]] = true
	counts, err := janitor.New(b, b, s, b, b, fixed()).RunOnce(context.Background())
	require.ErrorContains(t, err, "read-only")
	assert.Equal(t, len(orphans)-1, counts[janitor.Orphans])
	for _, key := range []string{live, young, orphans[1]} {
		assert.True(t, exists(t, s, key), key)
	}
	assert.False(t, exists(t, s, orphans[0]))
	assert.False(t, exists(t, s, orphans[len(orphans)-1]))
}

func TestTrashThatCannotBeDeletedStaysOnTheList(t *testing.T) {
	t.Parallel()
	b, s := newBooks(), newStore(t)
	for i := range 3 {
		b.trash = append(b.trash, put(t, s, i, time.Hour))
	}
	stuck := b.trash[1]
	s.stuck[stuck] = true
	counts, err := janitor.New(b, b, s, b, b, fixed()).RunOnce(context.Background())
	require.ErrorContains(t, err, "read-only")
	assert.Equal(t, 2, counts[janitor.Trash])
	assert.Equal(t, []string{stuck}, b.trash)
}

func TestUploadsThatNeverEndedAreRemoved(t *testing.T) {
	t.Parallel()
	b, s := newBooks(), newStore(t)
	started, release := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		_, err := s.Put(context.Background(), storage.NewKey(strings.Repeat("cd", 32), uuid.Must(uuid.NewV7()), "wav"),
			&hanging{bytes: bytes.NewReader([]byte("x")), started: started, release: release})
		ended <- err
	}()
	<-started
	cfg := janitor.Config{}
	counts, err := janitor.New(b, b, s, b, b, cfg).RunOnce(context.Background())
	require.NoError(t, err)
	assert.Zero(t, counts[janitor.Uploads], "it may still be written to")
	cfg.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	counts, err = janitor.New(b, b, s, b, b, cfg).RunOnce(context.Background())
	require.NoError(t, err)
	assert.Equal(t, 1, counts[janitor.Uploads])
	close(release)
	require.Error(t, <-ended)
}

// hanging yields its bytes and then waits.
type hanging struct {
	bytes            io.Reader
	once             sync.Once
	started, release chan struct{}
}

func (h *hanging) Read(p []byte) (int, error) {
	n, err := h.bytes.Read(p)
	if n > 0 {
		return n, nil
	}
	h.once.Do(func() {
		close(h.started)
		<-h.release
	})
	return 0, err
}

// slow makes one verb take for ever.
type slow struct {
	*books
	reaped atomic.Int32
}

func (s *slow) ReapDead(ctx context.Context, w *service.BeatWatch) (int, error) {
	s.reaped.Add(1)
	return s.books.ReapDead(ctx, w)
}

func (s *slow) RemoveUnreferencedAssets(ctx context.Context) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

func TestRunKeepsThePaceOfEachVerbAndEnds(t *testing.T) {
	t.Parallel()
	b := &slow{books: newBooks(janitor.Sweep)}
	cfg := janitor.Config{Lost: 5 * time.Millisecond, Expiry: 5 * time.Millisecond, Upkeep: time.Hour}
	j := janitor.New(b, b, newStore(t), b, b, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		j.Run(ctx)
	}()
	require.Eventually(t, func() bool { return b.reaped.Load() >= 5 }, 5*time.Second, time.Millisecond,
		"a slow verb and a failing one hold nobody up")
	cancel()
	<-done
}

// tiring is a store whose list breaks off after so many keys, as where the time is over.
type tiring struct {
	store
	keys int
}

func (s *tiring) List(ctx context.Context, after string, fn func(storage.Info) error) error {
	n := 0
	return s.store.List(ctx, after, func(i storage.Info) error {
		if n++; n > s.keys {
			return context.DeadlineExceeded
		}
		return fn(i)
	})
}

func TestTheSweepForOrphansGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	b, s := newBooks(), &tiring{newStore(t), 600}
	for i := range 1000 {
		b.live[put(t, s.store, 100+i, 30*time.Hour)] = true
	}
	late := put(t, s.store, 2000, 30*time.Hour)
	j := janitor.New(b, b, s, b, b, fixed())
	_, err := j.RunOnce(context.Background())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.True(t, exists(t, s.store, late))
	_, err = j.RunOnce(context.Background())
	require.NoError(t, err)
	assert.False(t, exists(t, s.store, late))

	early := put(t, s.store, 1, 30*time.Hour)
	_, err = j.RunOnce(context.Background())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.False(t, exists(t, s.store, early), "it begins anew")
}
