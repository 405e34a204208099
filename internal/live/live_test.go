package live_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"patchlab/internal/live"
	"patchlab/internal/model"
	"patchlab/internal/testenv"
	"patchlab/queue"
)

func TestMain(m *testing.M) {
	queue.LogTo(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

var quiet = slog.New(slog.DiscardHandler)

// onBoth runs a test on a real Redis and on the embedded one.
func onBoth(t *testing.T, test func(t *testing.T, rdb redis.UniversalClient)) {
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(t, testenv.StartRedis(t).Client(t))
	})
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		e, err := queue.StartEmbedded()
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, e.Close()) })
		rdb := e.Client()
		t.Cleanup(func() { assert.NoError(t, rdb.Close()) })
		test(t, rdb)
	})
}

var errNotFound = errors.New("no such job")

// jobs is a database of jobs in memory.
type jobs struct {
	mu   sync.Mutex
	rows map[uuid.UUID]model.Job
	down error
	read int // sounds so far
}

func newJobs() *jobs { return &jobs{rows: make(map[uuid.UUID]model.Job)} }

func (j *jobs) JobByID(_ context.Context, id uuid.UUID, since int64) (model.Job, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.down != nil {
		return model.Job{}, j.down
	}
	job, ok := j.rows[id]
	if !ok {
		return model.Job{}, errNotFound
	}
	all := job.Sounds
	job.Sounds = nil
	for _, s := range all {
		if job.PackID == nil || since > 0 && s.Ended > since {
			job.Sounds = append(job.Sounds, s)
		}
	}
	j.read += len(job.Sounds)
	return job, nil
}

func (j *jobs) JobVersions(_ context.Context, ids []uuid.UUID) (map[uuid.UUID]int64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.down != nil {
		return nil, j.down
	}
	v := make(map[uuid.UUID]int64)
	for _, id := range ids {
		if job, ok := j.rows[id]; ok {
			v[id] = job.Version
		}
	}
	return v, nil
}

// create stores a queued job of n sounds.
func (j *jobs) create(n int) model.Job {
	j.mu.Lock()
	defer j.mu.Unlock()
	job := model.Job{ID: uuid.Must(uuid.NewV7()), Kind: model.JobGenerate, State: model.Queued, Version: 1}
	for i := range n {
		job.Sounds = append(job.Sounds, model.Sound{ID: uuid.Must(uuid.NewV7()), JobID: job.ID, TaskID: uuid.Must(uuid.NewV7()), Position: i, State: model.Queued})
	}
	j.rows[job.ID] = job
	return job
}

// change edits a job and raises its version.
func (j *jobs) change(id uuid.UUID, edit func(*model.Job)) int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	job := j.rows[id]
	job.Sounds = append([]model.Sound(nil), job.Sounds...)
	edit(&job)
	job.Version++
	j.rows[id] = job
	return job.Version
}

func (j *jobs) remove(id uuid.UUID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.rows, id)
}

func (j *jobs) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.down = err
}

func setState(i int, s model.State) func(*model.Job) {
	return func(job *model.Job) { job.Sounds[i].State = s }
}

func endJob(s model.State) func(*model.Job) { return func(job *model.Job) { job.State = s } }

// startHub runs a hub that ends with the test.
func startHub(t *testing.T, rdb redis.UniversalClient, db live.Jobs, cfg live.HubConfig) *live.Hub {
	t.Helper()
	if cfg.Reread == 0 {
		cfg.Reread = time.Hour // what arrives came by publication
	}
	h := live.NewHub(rdb, db, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return h
}

func subscribe(t *testing.T, h *live.Hub, id uuid.UUID, audio bool) *live.Subscription {
	t.Helper()
	s, err := h.Subscribe(context.Background(), id, live.Options{Audio: audio})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func next(t *testing.T, s *live.Subscription) live.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	msg, err := s.Next(ctx)
	require.NoError(t, err)
	return msg
}

// expect reads until a message of the type, past progress and snapshots.
func expect(t *testing.T, s *live.Subscription, want live.Type) live.Message {
	t.Helper()
	for {
		msg := next(t, s)
		if msg.Type == want {
			return msg
		}
		require.Contains(t, []live.Type{live.Progress, live.Snapshot}, msg.Type, "waiting for %s", want)
	}
}

func expectNothing(t *testing.T, s *live.Subscription, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	msg, err := s.Next(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded, "%+v", msg)
}

func progressOf(job model.Job, i, attempt int, frames int64) model.Progress {
	return model.Progress{
		JobID: job.ID, SoundID: job.Sounds[i].ID, TaskID: job.Sounds[i].TaskID, Attempt: attempt,
		Stage: "rendering", Percent: float64(frames) / 10, Frames: frames, Total: 1000, Peaks: []int{-1, 1},
	}
}

func TestAJobIsFollowedToItsEndOnEveryHub(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := context.Background()
		db := newJobs()
		job := db.create(2)
		pub := live.NewPublisher(rdb, quiet)
		subs := []*live.Subscription{
			subscribe(t, startHub(t, rdb, db, live.HubConfig{}), job.ID, false),
			subscribe(t, startHub(t, rdb, db, live.HubConfig{}), job.ID, false),
		}
		for _, s := range subs {
			msg := next(t, s)
			assert.Equal(t, live.Snapshot, msg.Type)
			assert.Equal(t, int64(1), msg.Version)
			assert.Len(t, msg.Job.Sounds, 2)
		}

		v := db.change(job.ID, func(j *model.Job) { j.State = model.Running; j.Sounds[0].State = model.Running })
		require.NoError(t, pub.JobChanged(ctx, job.ID, v))
		for _, s := range subs {
			msg := next(t, s)
			assert.Equal(t, live.Snapshot, msg.Type)
			assert.Equal(t, model.Running, msg.Job.State)
		}

		p := progressOf(job, 0, 1, 500)
		require.NoError(t, pub.Progress(ctx, p))
		for _, s := range subs {
			msg := next(t, s)
			assert.Equal(t, live.Progress, msg.Type)
			assert.Equal(t, []model.Progress{p}, msg.Progress)
			assert.Equal(t, model.Running, msg.Job.State)
		}

		v = db.change(job.ID, setState(0, model.Succeeded))
		require.NoError(t, pub.JobChanged(ctx, job.ID, v))
		for _, s := range subs {
			msg := next(t, s)
			assert.Equal(t, live.Take, msg.Type)
			assert.Equal(t, job.Sounds[0].ID, msg.Sound.ID)
			assert.Equal(t, v, msg.Version)
		}
		// The last take and the end come in one transaction.
		v = db.change(job.ID, func(j *model.Job) { j.Sounds[1].State = model.Failed; j.State = model.Succeeded })
		require.NoError(t, pub.JobChanged(ctx, job.ID, v))
		for _, s := range subs {
			msg := next(t, s)
			assert.Equal(t, live.Take, msg.Type)
			assert.Equal(t, model.Failed, msg.Sound.State)
			msg = next(t, s)
			assert.Equal(t, live.Complete, msg.Type)
			assert.Len(t, msg.Job.Sounds, 2)
			_, err := s.Next(ctx)
			assert.ErrorIs(t, err, io.EOF)
		}
	})
}

func TestAFinalJobEndsAtOnce(t *testing.T) {
	t.Parallel()
	for state, want := range map[model.State]live.Type{
		model.Succeeded: live.Complete, model.Failed: live.Failed, model.Cancelled: live.Cancelled,
	} {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
				db := newJobs()
				job := db.create(1)
				db.change(job.ID, endJob(state))
				s := subscribe(t, startHub(t, rdb, db, live.HubConfig{}), job.ID, false)
				assert.Equal(t, live.Snapshot, next(t, s).Type)
				assert.Equal(t, want, next(t, s).Type)
				_, err := s.Next(context.Background())
				assert.ErrorIs(t, err, io.EOF)
			})
		})
	}
}

func TestALostNudgeIsHealedByTheReread(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		db := newJobs()
		job := db.create(1)
		s := subscribe(t, startHub(t, rdb, db, live.HubConfig{Reread: 50 * time.Millisecond}), job.ID, false)
		next(t, s)
		// The worker committed and died before it could publish.
		db.change(job.ID, func(j *model.Job) { j.Sounds[0].State = model.Succeeded; j.State = model.Succeeded })
		begin := time.Now()
		expect(t, s, live.Take)
		expect(t, s, live.Complete)
		assert.Less(t, time.Since(begin), 2*time.Second)
	})
}

func TestALateSubscriberSeesStoredProgress(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := context.Background()
		db := newJobs()
		job := db.create(2)
		pub := live.NewPublisher(rdb, quiet)
		newest := progressOf(job, 0, 2, 300)
		require.NoError(t, pub.Progress(ctx, progressOf(job, 0, 1, 900)))
		require.NoError(t, pub.Progress(ctx, newest))
		require.NoError(t, pub.Progress(ctx, progressOf(job, 0, 2, 200)), "late")
		require.NoError(t, pub.Progress(ctx, progressOf(job, 0, 1, 950)), "of an attempt that lost its task")
		require.NoError(t, pub.Progress(ctx, progressOf(job, 1, 1, 10)))

		s := subscribe(t, startHub(t, rdb, db, live.HubConfig{}), job.ID, false)
		msg := next(t, s)
		assert.Equal(t, []model.Progress{newest, progressOf(job, 1, 1, 10)}, msg.Progress)

		ttl, err := rdb.PTTL(ctx, "live:progress:"+job.ID.String()).Result()
		require.NoError(t, err)
		assert.InDelta(t, time.Hour, ttl, float64(time.Minute))

		require.NoError(t, pub.Progress(ctx, progressOf(job, 0, 1, 999)), "stale again, now for the hub")
		expectNothing(t, s, 200*time.Millisecond)
	})
}

func TestSlowReaderGetsTheNewestProgress(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := context.Background()
		db := newJobs()
		job := db.create(2)
		pub := live.NewPublisher(rdb, quiet)
		h := startHub(t, rdb, db, live.HubConfig{})
		slow, probe := subscribe(t, h, job.ID, false), subscribe(t, h, job.ID, false)
		next(t, slow)
		next(t, probe)
		for i := range 50 {
			require.NoError(t, pub.Progress(ctx, progressOf(job, 0, 1, int64(i+1))))
			require.NoError(t, pub.Progress(ctx, progressOf(job, 1, 1, int64(i+1))))
		}
		for msg := next(t, probe); msg.Progress[0].SoundID != job.Sounds[1].ID || msg.Progress[0].Frames != 50; msg = next(t, probe) {
		}
		a, b := next(t, slow), next(t, slow)
		assert.Equal(t, progressOf(job, 0, 1, 50), a.Progress[0])
		assert.Equal(t, progressOf(job, 1, 1, 50), b.Progress[0])
		expectNothing(t, slow, 150*time.Millisecond)
	})
}

func TestProgressComesAtMostTenTimesASecond(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		db := newJobs()
		job := db.create(1)
		pub := live.NewPublisher(rdb, quiet)
		s := subscribe(t, startHub(t, rdb, db, live.HubConfig{}), job.ID, false)
		next(t, s)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		go func() {
			for i := int64(1); ctx.Err() == nil && i <= 1000; i++ {
				_ = pub.Progress(context.Background(), progressOf(job, 0, 1, i))
				time.Sleep(5 * time.Millisecond)
			}
		}()
		var last int64
		n := 0
		for {
			msg, err := s.Next(ctx)
			if err != nil {
				break
			}
			assert.Greater(t, msg.Progress[0].Frames, last)
			last = msg.Progress[0].Frames
			n++
		}
		assert.LessOrEqual(t, n, 11)
		assert.GreaterOrEqual(t, n, 2)
	})
}

// A message that many get is encoded once; one that a newer state has overtaken speaks of
// that state, so it is made anew.
func TestWhatManyAreToldIsMadeOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := context.Background()
		db := newJobs()
		job := db.create(2)
		pub := live.NewPublisher(rdb, quiet)
		h := startHub(t, rdb, db, live.HubConfig{})
		a, b, late := subscribe(t, h, job.ID, true), subscribe(t, h, job.ID, true), subscribe(t, h, job.ID, false)
		next(t, a)
		next(t, b)
		next(t, late)

		made := 0
		read := func(m live.Message) int64 {
			version, _ := m.Shared(func() any {
				made++
				return m.Version
			}).(int64)
			return version
		}
		require.NoError(t, pub.Progress(ctx, progressOf(job, 0, 1, 10)))
		first, second := expect(t, a, live.Progress), expect(t, b, live.Progress)
		assert.Equal(t, int64(1), read(first))
		assert.Equal(t, int64(1), read(second))
		assert.Equal(t, 1, made)

		require.NoError(t, pub.JobChanged(ctx, job.ID, db.change(job.ID, setState(1, model.Succeeded))))
		expect(t, a, live.Take)
		subscribe(t, h, job.ID, false) // the hub has told all others by then
		assert.Equal(t, live.Take, next(t, late).Type, "the state comes first")
		assert.Equal(t, int64(2), read(expect(t, late, live.Progress)), "with the version of the state that was told before")
		assert.Equal(t, 2, made)
		assert.Equal(t, int64(1), read(first), "what the others share stays")
		assert.Equal(t, 2, made)
	})
}

func TestAHopelessReaderIsClosedAndHealsByReconnecting(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := context.Background()
		db := newJobs()
		job := db.create(20)
		pub := live.NewPublisher(rdb, quiet)
		h := startHub(t, rdb, db, live.HubConfig{MaxState: 8})
		hopeless, probe := subscribe(t, h, job.ID, false), subscribe(t, h, job.ID, false)
		next(t, probe)
		for i := range 12 {
			require.NoError(t, pub.JobChanged(ctx, job.ID, db.change(job.ID, setState(i, model.Succeeded))))
			expect(t, probe, live.Take)
		}
		_, err := hopeless.Next(ctx)
		require.ErrorIs(t, err, live.ErrSlow)
		hopeless.Close()

		healed := subscribe(t, h, job.ID, false)
		msg := next(t, healed)
		require.Equal(t, live.Snapshot, msg.Type)
		for i := range 12 {
			assert.Equal(t, model.Succeeded, msg.Job.Sounds[i].State)
		}
		require.NoError(t, pub.JobChanged(ctx, job.ID, db.change(job.ID, setState(12, model.Succeeded))))
		assert.Equal(t, live.Take, next(t, healed).Type)
	})
}

func TestStateComesInOrderAndNoneIsLost(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := context.Background()
		db := newJobs()
		const n = 40
		job := db.create(n)
		pub := live.NewPublisher(rdb, quiet)
		s := subscribe(t, startHub(t, rdb, db, live.HubConfig{}), job.ID, false)
		next(t, s)
		go func() {
			for i := range n {
				_ = pub.Progress(ctx, progressOf(job, i, 1, 10))
				v := db.change(job.ID, func(j *model.Job) {
					j.Sounds[i].State = model.Succeeded
					if i == n-1 {
						j.State = model.Succeeded
					}
				})
				_ = pub.JobChanged(ctx, job.ID, v)
			}
		}()
		var version int64
		taken := map[uuid.UUID]bool{}
		for {
			msg := next(t, s)
			assert.GreaterOrEqual(t, msg.Version, version)
			version = msg.Version
			if msg.Type == live.Progress {
				assert.False(t, taken[msg.Progress[0].SoundID], "no progress after the take")
			}
			if msg.Type == live.Take {
				assert.False(t, taken[msg.Sound.ID], "one take for a sound")
				taken[msg.Sound.ID] = true
			}
			if msg.Type == live.Complete {
				break
			}
		}
		assert.Len(t, taken, n)
	})
}

func TestAudioIsSentOnlyToThoseWhoListen(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := context.Background()
		db := newJobs()
		job := db.create(1)
		pub := live.NewPublisher(rdb, quiet)
		h := startHub(t, rdb, db, live.HubConfig{MaxAudio: 4})
		deaf := subscribe(t, h, job.ID, false)
		next(t, deaf)
		assert.False(t, pub.Listening(ctx, job.ID))

		listener := subscribe(t, h, job.ID, true)
		next(t, listener)
		require.Eventually(t, func() bool { return pub.Listening(ctx, job.ID) }, 3*time.Second, 20*time.Millisecond)

		chunk := model.AudioChunk{JobID: job.ID, SoundID: job.Sounds[0].ID, Attempt: 1, Offset: 48000, PCM: []int16{0, 1, -1, 32767, -32768}}
		require.NoError(t, pub.Audio(ctx, chunk))
		msg := next(t, listener)
		assert.Equal(t, live.Audio, msg.Type)
		assert.Equal(t, chunk, *msg.Chunk)
		expectNothing(t, deaf, 50*time.Millisecond)

		// Too many unread chunks: the oldest go, state and progress stay.
		for i := range 10 {
			chunk.Offset = int64(i)
			require.NoError(t, pub.Audio(ctx, chunk))
		}
		require.NoError(t, pub.Progress(ctx, progressOf(job, 0, 1, 10)))
		require.NoError(t, pub.JobChanged(ctx, job.ID, db.change(job.ID, setState(0, model.Running))))
		next(t, deaf)
		time.Sleep(50 * time.Millisecond)
		assert.NotEqual(t, live.Audio, next(t, listener).Type, "state comes first")
		var offsets []int64
		for len(offsets) < 4 {
			if msg := next(t, listener); msg.Type == live.Audio {
				offsets = append(offsets, msg.Chunk.Offset)
			}
		}
		assert.Equal(t, []int64{6, 7, 8, 9}, offsets)

		listener.Close()
		require.Eventually(t, func() bool { return !pub.Listening(ctx, job.ID) }, 3*time.Second, 20*time.Millisecond)
		require.NoError(t, pub.Audio(ctx, chunk))
	})
}

func TestRedisComesAndGoes(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	server := testenv.StartRedis(t)
	rdb := server.Client(t)
	db := newJobs()
	job := db.create(3)
	pub := live.NewPublisher(rdb, quiet)
	byNews := startHub(t, rdb, db, live.HubConfig{})
	byRead := startHub(t, rdb, db, live.HubConfig{Reread: 100 * time.Millisecond})
	a, b := subscribe(t, byNews, job.ID, false), subscribe(t, byRead, job.ID, false)
	next(t, a)
	next(t, b)

	server.Kill()
	begin := time.Now()
	for range 20 {
		_ = pub.JobChanged(ctx, job.ID, 1)
		_ = pub.Progress(ctx, progressOf(job, 0, 1, 1))
		_ = pub.Audio(ctx, model.AudioChunk{JobID: job.ID})
	}
	assert.Less(t, time.Since(begin), time.Second, "publishing costs nothing while Redis is away")
	db.change(job.ID, setState(0, model.Succeeded))
	expect(t, b, live.Take)
	late := subscribe(t, byRead, job.ID, false)
	assert.Equal(t, model.Succeeded, next(t, late).Job.Sounds[0].State, "a snapshot needs no Redis")

	server.Restart(t)
	expect(t, a, live.Take) // the hub saw that it was reconnected: nobody published
	require.Eventually(t, func() bool { return pub.JobChanged(ctx, job.ID, 0) == nil }, 5*time.Second, 50*time.Millisecond)
	require.NoError(t, pub.JobChanged(ctx, job.ID, db.change(job.ID, setState(1, model.Succeeded))))
	expect(t, a, live.Take)
	expect(t, b, live.Take)
	expect(t, late, live.Take)
}

func TestTheDatabaseComesAndGoes(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := context.Background()
		db := newJobs()
		job := db.create(1)
		h := startHub(t, rdb, db, live.HubConfig{Reread: 50 * time.Millisecond})
		s := subscribe(t, h, job.ID, false)
		next(t, s)
		db.fail(errors.New("database is away"))
		_, err := h.Subscribe(ctx, job.ID, live.Options{})
		require.ErrorContains(t, err, "database is away")
		pub := live.NewPublisher(rdb, quiet)
		require.NoError(t, pub.JobChanged(ctx, job.ID, db.change(job.ID, setState(0, model.Succeeded))))
		expectNothing(t, s, 150*time.Millisecond)
		db.fail(nil)
		expect(t, s, live.Take)
	})
}

func TestJobsThatAreNotThere(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		db := newJobs()
		job := db.create(1)
		h := startHub(t, rdb, db, live.HubConfig{Reread: 30 * time.Millisecond})
		_, err := h.Subscribe(context.Background(), uuid.New(), live.Options{})
		require.ErrorIs(t, err, errNotFound)
		s := subscribe(t, h, job.ID, false)
		next(t, s)
		db.remove(job.ID)
		_, err = s.Next(context.Background())
		require.ErrorIs(t, err, live.ErrGone)
	})
}

func TestThePlaceInTheQueueIsTold(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		db := newJobs()
		job := db.create(1)
		place := func(n int) {
			db.mu.Lock()
			defer db.mu.Unlock()
			j := db.rows[job.ID]
			j.QueuePosition = &n
			db.rows[job.ID] = j // without a new version, as in the database
		}
		place(5)
		s := subscribe(t, startHub(t, rdb, db, live.HubConfig{Reread: 30 * time.Millisecond}), job.ID, false)
		assert.Equal(t, 5, *next(t, s).Job.QueuePosition)
		expectNothing(t, s, 100*time.Millisecond)
		place(2)
		msg := next(t, s)
		assert.Equal(t, live.Progress, msg.Type)
		assert.Equal(t, live.StageQueued, msg.Progress[0].Stage)
		assert.Equal(t, 2, *msg.Job.QueuePosition)
	})
}

func TestRubbishOnTheChannelsIsIgnored(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := context.Background()
		db := newJobs()
		job := db.create(1)
		s := subscribe(t, startHub(t, rdb, db, live.HubConfig{}), job.ID, true)
		next(t, s)
		require.Eventually(t, func() bool {
			n, err := rdb.PubSubNumSub(ctx, "live:audio:"+job.ID.String()).Result()
			return err == nil && n["live:audio:"+job.ID.String()] == 1
		}, 3*time.Second, 10*time.Millisecond)
		for _, payload := range []string{"", "v", "vx", "p", "p{}", "x", `p{"percent":1e9}`, "v99999999999999999999"} {
			require.NoError(t, rdb.Publish(ctx, "live:job:"+job.ID.String(), payload).Err())
			require.NoError(t, rdb.Publish(ctx, "live:audio:"+job.ID.String(), payload).Err())
		}
		require.NoError(t, rdb.HSet(ctx, "live:progress:"+job.ID.String(), "x", "rubbish", job.Sounds[0].ID.String(), "rubbish").Err())
		pub := live.NewPublisher(rdb, quiet)
		p := progressOf(job, 0, 1, 10)
		require.NoError(t, pub.Progress(ctx, p))
		assert.Equal(t, []model.Progress{p}, next(t, s).Progress)
	})
}

func TestClosing(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		db := newJobs()
		job := db.create(1)
		h := live.NewHub(rdb, db, live.HubConfig{})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.Run(ctx)
		}()
		s, err := h.Subscribe(ctx, job.ID, live.Options{})
		require.NoError(t, err)
		other, err := h.Subscribe(ctx, job.ID, live.Options{})
		require.NoError(t, err)
		next(t, s)
		other.Close()
		other.Close()
		_, err = other.Next(context.Background())
		require.ErrorIs(t, err, live.ErrClosed)
		cancel()
		<-done
		_, err = s.Next(context.Background())
		require.ErrorIs(t, err, live.ErrClosed)
		s.Close()
		_, err = h.Subscribe(context.Background(), job.ID, live.Options{})
		require.ErrorIs(t, err, live.ErrClosed)
	})
}

func TestManySubscribersComeAndGo(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		db := newJobs()
		h := startHub(t, rdb, db, live.HubConfig{Reread: 20 * time.Millisecond})
		pub := live.NewPublisher(rdb, quiet)
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				job := db.create(1)
				for range 5 {
					s, err := h.Subscribe(context.Background(), job.ID, live.Options{Audio: i%2 == 0})
					if err != nil {
						t.Error(err)
						return
					}
					_ = pub.JobChanged(context.Background(), job.ID, db.change(job.ID, func(*model.Job) {}))
					if _, err = s.Next(context.Background()); err != nil {
						t.Error(err)
					}
					s.Close()
				}
				s, err := h.Subscribe(context.Background(), job.ID, live.Options{})
				if err != nil {
					t.Error(err)
					return
				}
				defer s.Close()
				_ = pub.JobChanged(context.Background(), job.ID, db.change(job.ID, endJob(model.Succeeded)))
				for {
					if _, err := s.Next(context.Background()); err != nil {
						assert.ErrorIs(t, err, io.EOF)
						return
					}
				}
			})
		}
		all.Wait()
		require.Eventually(t, func() bool {
			channels, err := rdb.PubSubChannels(context.Background(), "live:*").Result()
			return err == nil && len(channels) == 0
		}, 5*time.Second, 20*time.Millisecond, "Redis is left with no channel of ours")
	})
}
