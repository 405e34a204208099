package worker_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"patchlab/engine"
	"patchlab/engine/patch"
	"patchlab/internal/model"
	"patchlab/internal/service"
	"patchlab/internal/testenv/backing"
	"patchlab/internal/worker"
	"patchlab/queue"
	"patchlab/storage"
)

func TestMain(m *testing.M) {
	queue.LogTo(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m, backing.Leaks()) // the servers that tests share
}

var quiet = slog.New(slog.DiscardHandler)

var errDown = errors.New("the database is away")

// farm is a record of work in memory. A test scripts its answers.
type farm struct {
	mu         sync.Mutex
	sound      model.Sound
	kind       model.TaskKind
	assets     map[string]model.Asset
	registered map[uuid.UUID]bool
	stale      bool             // claims are stale
	down       map[string]int   // verb → how many calls fail; −1: all
	commits    []model.Asset    // those that counted
	fenced     bool             // commits find the attempt overtaken
	vanishes   bool             // the first commit counts, but its answer is lost and then its task is gone
	winner     *model.Asset     // commits find that another was faster
	goneOnce   bool             // the first reuse finds that the asset was removed
	failures   []*model.Failure // and whether they may be retried
	retryable  []bool
	handedBack int
	retired    int
	beats      int
}

func newFarm(p patch.Patch) *farm {
	return &farm{
		sound:      model.Sound{ID: uuid.New(), Patch: p, Format: "wav", State: model.Running},
		kind:       model.TaskRender,
		assets:     map[string]model.Asset{},
		registered: map[uuid.UUID]bool{},
		down:       map[string]int{},
	}
}

// broken reports, and counts, a call that fails.
func (f *farm) broken(verb string) bool {
	n := f.down[verb]
	if n > 0 {
		f.down[verb]--
	}
	return n != 0
}

func (f *farm) Claim(_ context.Context, t model.Ticket, id uuid.UUID) (service.Claim, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.broken("claim"):
		return service.Claim{}, false, errDown
	case !f.registered[id]:
		return service.Claim{}, false, service.ErrWorkerGone
	case f.stale:
		return service.Claim{}, false, nil
	}
	t.Kind = f.kind
	return service.Claim{Ticket: t, JobID: uuid.New(), Sound: f.sound}, true, nil
}

func (f *farm) FindAsset(_ context.Context, digest string) (*model.Asset, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken("find") {
		return nil, errDown
	}
	if a, ok := f.assets[digest]; ok {
		return &a, nil
	}
	return nil, nil
}

func (f *farm) Commit(_ context.Context, _ model.Ticket, a model.Asset) (service.CommitResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.broken("commit"):
		return service.CommitResult{}, errDown
	case f.fenced:
		return service.CommitResult{}, service.ErrFenced
	case a.ID != uuid.Nil && f.goneOnce:
		f.goneOnce = false
		delete(f.assets, a.Digest)
		return service.CommitResult{}, service.ErrAssetGone
	case f.winner != nil:
		return service.CommitResult{Asset: *f.winner, Adopted: true}, nil
	}
	f.commits = append(f.commits, a)
	if a.ID == uuid.Nil {
		a.ID = uuid.New()
		f.assets[a.Digest] = a
	}
	if f.vanishes {
		f.fenced = true
		return service.CommitResult{}, errDown
	}
	return service.CommitResult{Asset: a}, nil
}

func (f *farm) Fail(_ context.Context, _ model.Ticket, failure *model.Failure, retryable bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken("fail") {
		return errDown
	}
	f.failures, f.retryable = append(f.failures, failure), append(f.retryable, retryable)
	return nil
}

func (f *farm) DropAsset(context.Context, model.Asset) error { return nil }

func (f *farm) HandBack(context.Context, model.Ticket) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken("hand back") {
		return errDown
	}
	f.handedBack++
	return nil
}

func (f *farm) RegisterWorker(_ context.Context, w service.Worker) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken("register") {
		return errDown
	}
	f.registered[w.ID] = true
	return nil
}

func (f *farm) Overtaken(context.Context, []model.Ticket) ([]model.Ticket, error) { return nil, nil }

func (f *farm) Beat(_ context.Context, id uuid.UUID, _ service.WorkerState) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.beats++
	switch {
	case f.broken("beat"):
		return errDown
	case !f.registered[id]:
		return service.ErrWorkerGone
	}
	return nil
}

func (f *farm) RetireWorker(_ context.Context, id uuid.UUID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.registered, id)
	f.retired++
	return nil
}

func (f *farm) get(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
}

// news keeps what was published.
type news struct {
	mu       sync.Mutex
	progress []model.Progress
	chunks   []model.AudioChunk
	deaf     bool
	delay    time.Duration
}

func (n *news) Progress(_ context.Context, p model.Progress) error {
	time.Sleep(n.delay)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.progress = append(n.progress, p)
	return nil
}

func (n *news) Audio(_ context.Context, c model.AudioChunk) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.chunks = append(n.chunks, c)
	return nil
}

func (n *news) Listening(context.Context, uuid.UUID) bool { return !n.deaf }

// disk is a store that can be told to fail.
type disk struct {
	storage.Store
	puts atomic.Int32
	err  error
	full bool // after some bytes
	hang bool
}

// crammed is a medium with room for so many bytes.
type crammed int

func (c *crammed) Write(p []byte) (int, error) {
	n := min(len(p), int(*c))
	*c -= crammed(n)
	if n < len(p) {
		return n, errors.New("disk full")
	}
	return n, nil
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	d, err := storage.NewDisk(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, d.Close()) })
	return &disk{Store: d}
}

func (d *disk) Put(ctx context.Context, key string, r io.Reader) (storage.Info, error) {
	d.puts.Add(1)
	if d.hang {
		<-ctx.Done()
		return storage.Info{}, ctx.Err()
	}
	if d.full {
		room := crammed(1000)
		_, err := r.(io.WriterTo).WriteTo(&room)
		return storage.Info{}, err
	}
	if d.err != nil {
		_, _ = io.CopyN(io.Discard, r, 10)
		return storage.Info{}, d.err
	}
	return d.Store.Put(ctx, key, r)
}

func (d *disk) keys(t *testing.T) []string {
	t.Helper()
	var keys []string
	require.NoError(t, d.List(context.Background(), "", func(i storage.Info) error {
		keys = append(keys, i.Key)
		return nil
	}))
	return keys
}

func shortPatch() patch.Patch {
	p := patch.Default()
	p.Output.Duration = 0.2
	return p
}

// start runs a worker until the test ends.
func start(t *testing.T, f *farm, s worker.Store, n *news, cfg worker.Config) *worker.Worker {
	t.Helper()
	w := worker.New(f, s, n, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return w
}

func ticket() model.Ticket {
	return model.Ticket{TaskID: uuid.New(), Attempt: 1, Kind: model.TaskRender, Lane: model.Interactive}
}

func TestASoundIsRenderedStoredAndCommitted(t *testing.T) {
	t.Parallel()
	f, d, n := newFarm(shortPatch()), newDisk(t), &news{}
	w := start(t, f, d, n, worker.Config{MaxSpeed: 1}) // long enough to be listened to
	require.NoError(t, w.Handle(context.Background(), ticket()))

	require.Len(t, f.commits, 1)
	a := f.commits[0]
	info, err := d.Stat(context.Background(), a.Key)
	require.NoError(t, err)
	assert.Equal(t, info.Size, a.Size)
	assert.Equal(t, info.ETag, a.ETag)
	assert.Equal(t, int64(9600), a.Frames)
	assert.Equal(t, 48000, a.SampleRate)
	assert.Equal(t, 2, a.Channels)
	assert.Len(t, a.Peaks, 2*model.PeakBuckets)
	assert.Empty(t, f.failures)

	last := n.progress[len(n.progress)-1]
	assert.InDelta(t, 100, last.Percent, 0)
	assert.Equal(t, a.Frames, last.Frames)
	assert.Len(t, last.Peaks, len(a.Peaks))
	assert.Equal(t, f.sound.ID, last.SoundID)
	total := 0
	for _, c := range n.chunks {
		assert.Equal(t, int64(total), c.Offset)
		total += len(c.PCM)
	}
	assert.Equal(t, 4800, total, "0.2 s at 24 kHz")

	// The same recipe again costs no render.
	require.NoError(t, w.Handle(context.Background(), ticket()))
	require.Len(t, f.commits, 2)
	assert.Equal(t, a.Key, f.commits[1].Key)
	assert.Equal(t, int32(1), d.puts.Load())
	assert.InDelta(t, 100, n.progress[len(n.progress)-1].Percent, 0)
	assert.Len(t, n.progress[len(n.progress)-1].Peaks, len(a.Peaks))
}

func TestProgressIsMonotoneAndSparse(t *testing.T) {
	t.Parallel()
	p := shortPatch()
	p.Output.Duration = 1
	f, d, n := newFarm(p), newDisk(t), &news{deaf: true}
	w := start(t, f, d, n, worker.Config{MaxSpeed: 2})
	begin := time.Now()
	require.NoError(t, w.Handle(context.Background(), ticket()))
	took := time.Since(begin)
	assert.GreaterOrEqual(t, took, 490*time.Millisecond, "1 s at twice real time")
	assert.LessOrEqual(t, len(n.progress), int(took/(100*time.Millisecond))+3)
	assert.GreaterOrEqual(t, len(n.progress), 3)
	assert.Empty(t, n.chunks, "nobody listens")
	for i := 1; i < len(n.progress); i++ {
		a, b := n.progress[i-1], n.progress[i]
		assert.GreaterOrEqual(t, b.Percent, a.Percent)
		assert.GreaterOrEqual(t, b.Frames, a.Frames)
		assert.GreaterOrEqual(t, len(b.Peaks), len(a.Peaks))
		assert.LessOrEqual(t, b.Frames, b.Total)
	}
}

func TestASlowPublisherDoesNotSlowTheRender(t *testing.T) {
	t.Parallel()
	f, d, n := newFarm(shortPatch()), newDisk(t), &news{delay: 400 * time.Millisecond}
	committed := make(chan time.Duration, 1)
	w := start(t, f, d, n, worker.Config{})
	begin := time.Now()
	go func() {
		for {
			f.mu.Lock()
			done := len(f.commits) > 0
			f.mu.Unlock()
			if done {
				committed <- time.Since(begin)
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	require.NoError(t, w.Handle(context.Background(), ticket()))
	assert.Less(t, <-committed, 390*time.Millisecond)
}

func TestHowAttemptsEnd(t *testing.T) {
	t.Parallel()
	boom := func(context.Context, patch.Patch, engine.Options) (engine.Audio, error) { panic("poison") }
	bad := func(context.Context, patch.Patch, engine.Options) (engine.Audio, error) {
		return engine.Audio{}, errors.New("unstable filter")
	}
	mute := func(context.Context, patch.Patch, engine.Options) (engine.Audio, error) {
		return engine.Audio{SampleRate: 48000, Channels: 2}, nil
	}
	other := model.Asset{ID: uuid.New(), Key: "the winner's"}
	tests := []struct {
		name      string
		cfg       worker.Config
		prepare   func(f *farm, d *disk)
		code      string // of the failure; "" = none
		retryable bool
		commits   int
		blobs     int
		backs     int
		wantErr   bool
	}{
		{name: "a panic", cfg: worker.Config{Render: boom}, code: "poison"},
		{name: "an error of the engine", cfg: worker.Config{Render: bad}, code: "render_failed"},
		{name: "no samples", cfg: worker.Config{Render: mute}, code: "render_failed"},
		{name: "an unknown kind", prepare: func(f *farm, _ *disk) { f.kind = "convert" }, code: "unknown_task"},
		{name: "an unknown format", prepare: func(f *farm, _ *disk) { f.sound.Format = "xyz" }, code: "render_failed"},
		{name: "a patch that is not valid", prepare: func(f *farm, _ *disk) { f.sound.Patch.Output.Channels = 0 }, code: "render_failed"},
		{name: "a full disk", prepare: func(_ *farm, d *disk) { d.err = errors.New("disk full") }, code: "storage_unavailable", retryable: true},
		{name: "a disk that fills", prepare: func(_ *farm, d *disk) { d.full = true }, code: "storage_unavailable", retryable: true},
		{name: "a store that hangs", cfg: worker.Config{StoreTimeout: 50 * time.Millisecond}, prepare: func(_ *farm, d *disk) { d.hang = true }, code: "storage_unavailable", retryable: true},
		{name: "assets cannot be looked up", prepare: func(f *farm, _ *disk) { f.down["find"] = -1 }, code: "database_unavailable", retryable: true},
		{name: "the failure is reported later", cfg: worker.Config{Render: bad}, prepare: func(f *farm, _ *disk) { f.down["fail"] = 2 }, code: "render_failed"},
		{name: "a commit in a short outage", prepare: func(f *farm, _ *disk) { f.down["commit"] = 3 }, commits: 1, blobs: 1},
		{name: "a commit in a long outage", cfg: worker.Config{Patience: 50 * time.Millisecond}, prepare: func(f *farm, _ *disk) { f.down["commit"] = -1 }, code: "database_unavailable", retryable: true, blobs: 1},
		{name: "another was faster", prepare: func(f *farm, _ *disk) { f.winner = &other }},
		{name: "the attempt was overtaken", prepare: func(f *farm, _ *disk) { f.fenced = true }},
		{name: "the commit counted, its answer was lost, its task is gone", prepare: func(f *farm, _ *disk) { f.vanishes = true }, commits: 1, blobs: 1},
		{name: "the ticket is stale", prepare: func(f *farm, _ *disk) { f.stale = true }},
		{name: "an asset that vanished", prepare: func(f *farm, _ *disk) { f.goneOnce = true }, commits: 1, blobs: 1},
		{name: "a claim without an answer", prepare: func(f *farm, _ *disk) { f.down["claim"] = 1; f.down["hand back"] = 2 }, backs: 1, wantErr: true},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f, d := newFarm(shortPatch()), newDisk(t)
			w := start(t, f, d, &news{}, tc.cfg)
			if tc.name == "an asset that vanished" {
				require.NoError(t, w.Handle(context.Background(), ticket()))
				f.commits = nil
				require.NoError(t, d.Delete(context.Background(), d.keys(t)[0]))
			}
			if tc.prepare != nil {
				f.get(func() { tc.prepare(f, d) })
			}
			err := w.Handle(context.Background(), ticket())
			assert.Equal(t, tc.wantErr, err != nil, "%v", err)
			f.mu.Lock()
			defer f.mu.Unlock()
			if tc.code == "" {
				assert.Empty(t, f.failures)
			} else if assert.Len(t, f.failures, 1) {
				assert.Equal(t, tc.code, f.failures[0].Code)
				assert.Equal(t, tc.retryable, f.retryable[0])
				assert.NotContains(t, f.failures[0].Message, "goroutine", "no stack for the owner")
			}
			assert.Len(t, f.commits, tc.commits)
			assert.Equal(t, tc.backs, f.handedBack)
			assert.Len(t, d.keys(t), tc.blobs)
		})
	}
}

func TestShutdownHandsBack(t *testing.T) {
	t.Parallel()
	p := shortPatch()
	p.Output.Duration = 20
	f, d := newFarm(p), newDisk(t)
	w := start(t, f, d, &news{}, worker.Config{MaxSpeed: 1})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Handle(ctx, ticket()) }()
	time.Sleep(100 * time.Millisecond)
	begin := time.Now()
	cancel()
	require.NoError(t, <-done)
	assert.Less(t, time.Since(begin), 200*time.Millisecond)
	assert.Equal(t, 1, f.handedBack)
	assert.Empty(t, f.failures)
	assert.Empty(t, d.keys(t))
}

func TestAShutdownAfterTheUploadStillCommits(t *testing.T) {
	t.Parallel()
	f, d := newFarm(shortPatch()), newDisk(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := &cancelling{disk: d, cancel: cancel}
	w := start(t, f, s, &news{}, worker.Config{})
	require.NoError(t, w.Handle(ctx, ticket()))
	assert.Len(t, f.commits, 1)
	assert.Zero(t, f.handedBack)
}

// cancelling ends a context when a file is stored.
type cancelling struct {
	*disk
	cancel func()
}

func (c *cancelling) Put(ctx context.Context, key string, r io.Reader) (storage.Info, error) {
	info, err := c.disk.Put(ctx, key, r)
	c.cancel()
	return info, err
}

func TestOneDigestIsRenderedOnceAtATime(t *testing.T) {
	t.Parallel()
	f, d := newFarm(shortPatch()), newDisk(t)
	var renders atomic.Int32
	w := start(t, f, d, &news{}, worker.Config{Render: func(ctx context.Context, p patch.Patch, o engine.Options) (engine.Audio, error) {
		renders.Add(1)
		time.Sleep(50 * time.Millisecond)
		return engine.Render(ctx, p, o)
	}})
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() { assert.NoError(t, w.Handle(context.Background(), ticket())) })
	}
	all.Wait()
	assert.Equal(t, int32(1), renders.Load())
	assert.Len(t, f.commits, 6)
	assert.Len(t, d.keys(t), 1)
}

func TestAFailedFlightLetsTheNextTry(t *testing.T) {
	t.Parallel()
	f, d := newFarm(shortPatch()), newDisk(t)
	var renders atomic.Int32
	w := start(t, f, d, &news{}, worker.Config{Render: func(ctx context.Context, p patch.Patch, o engine.Options) (engine.Audio, error) {
		if renders.Add(1) == 1 {
			time.Sleep(50 * time.Millisecond)
			panic("once")
		}
		return engine.Render(ctx, p, o)
	}})
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() { assert.NoError(t, w.Handle(context.Background(), ticket())) })
	}
	all.Wait()
	assert.Equal(t, int32(2), renders.Load())
	assert.Len(t, f.commits, 2)
	assert.Len(t, f.failures, 1)
}

func TestTheBeat(t *testing.T) {
	t.Parallel()
	f, d := newFarm(shortPatch()), newDisk(t)
	f.down["register"] = 2
	f.sound.Patch.Output.Duration = 20
	w := start(t, f, d, &news{}, worker.Config{MaxSpeed: 1, BeatEvery: 10 * time.Millisecond})
	done := make(chan error, 1)
	go func() { done <- w.Handle(context.Background(), ticket()) }() // waits for the registration

	// A database that is away harms no render.
	time.Sleep(100 * time.Millisecond)
	f.get(func() { f.down["beat"] = -1 })
	time.Sleep(100 * time.Millisecond)
	select {
	case err := <-done:
		t.Fatalf("the render ended: %v", err)
	default:
	}
	f.get(func() { f.down["beat"] = 0 })

	// Given up by the farm: the render ends without a word, a new id is used.
	var old uuid.UUID
	f.get(func() {
		for id := range f.registered {
			old = id
		}
		clear(f.registered)
	})
	require.NoError(t, <-done)
	require.Eventually(t, func() bool {
		var n int
		f.get(func() { n = len(f.registered) })
		return n == 1
	}, 5*time.Second, 5*time.Millisecond)
	f.get(func() {
		assert.NotContains(t, f.registered, old)
		assert.Zero(t, f.handedBack)
		assert.Empty(t, f.failures)
		f.sound.Patch = shortPatch()
	})
	require.NoError(t, w.Handle(context.Background(), ticket()))
	assert.Len(t, f.commits, 1)
}

func TestAClaimByAWorkerThatIsGoneRegistersAnew(t *testing.T) {
	t.Parallel()
	f, d := newFarm(shortPatch()), newDisk(t)
	w := start(t, f, d, &news{}, worker.Config{BeatEvery: time.Hour})
	require.NoError(t, w.Handle(context.Background(), ticket()))
	f.get(func() { clear(f.registered) })
	require.ErrorIs(t, w.Handle(context.Background(), ticket()), service.ErrWorkerGone)
	assert.Equal(t, 1, f.handedBack)
	require.NoError(t, w.Handle(context.Background(), ticket()))
	assert.Len(t, f.commits, 2)
}

func TestRunRetires(t *testing.T) {
	t.Parallel()
	f := newFarm(shortPatch())
	w := worker.New(f, newDisk(t), &news{}, worker.Config{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx)
	}()
	require.NoError(t, w.Handle(ctx, ticket()))
	cancel()
	<-done
	assert.Equal(t, 1, f.retired)
	assert.Empty(t, f.registered)
}

func TestMathNaNNeverReachesThePeaks(t *testing.T) {
	t.Parallel()
	f, d, n := newFarm(shortPatch()), newDisk(t), &news{}
	w := start(t, f, d, n, worker.Config{Render: func(_ context.Context, _ patch.Patch, o engine.Options) (engine.Audio, error) {
		samples := []float32{float32(math.NaN()), 5, -5, float32(math.Inf(1))}
		o.OnBlock(engine.Block{Total: 2, Samples: samples, Sofar: samples})
		return engine.Audio{SampleRate: 48000, Channels: 2, Samples: samples}, nil
	}})
	require.NoError(t, w.Handle(context.Background(), ticket()))
	for _, p := range n.progress {
		for _, v := range p.Peaks {
			assert.LessOrEqual(t, v, 127)
			assert.GreaterOrEqual(t, v, -127)
		}
	}
}
