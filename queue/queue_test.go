package queue_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"patchlab/internal/model"
	"patchlab/internal/testenv"
	"patchlab/queue"
)

func TestMain(m *testing.M) {
	queue.LogTo(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

// onBoth runs a test on a real Redis and on the embedded one.
func onBoth(t *testing.T, test func(t *testing.T, rdb *redis.Client)) {
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

func ticket(lane model.Lane, attempt int) model.Ticket {
	return model.Ticket{TaskID: uuid.Must(uuid.NewV7()), Attempt: attempt, Kind: model.TaskRender, Lane: lane}
}

// serve starts a server that stops with the test.
func serve(t *testing.T, rdb *redis.Client, cfg queue.ServerConfig, h queue.Handler) *queue.Server {
	t.Helper()
	s := queue.NewServer(rdb, cfg, h)
	require.NoError(t, s.Start())
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	return s
}

func known(t *testing.T, c *queue.Client, tk model.Ticket) bool {
	t.Helper()
	ok, err := c.Known(context.Background(), tk)
	require.NoError(t, err)
	return ok
}

func TestTicketsReachTheHandlerOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		c := queue.NewClient(rdb)
		var (
			mu  sync.Mutex
			got = map[model.Ticket]int{}
		)
		want := []model.Ticket{ticket(model.Interactive, 1), ticket(model.Bulk, 7), ticket(model.Interactive, 2)}
		require.NoError(t, c.Enqueue(ctx, want...))
		require.NoError(t, c.Enqueue(ctx, want...), "a ticket that is there already counts as enqueued")

		stats, err := c.Stats(ctx)
		require.NoError(t, err)
		assert.Equal(t, int64(2), stats[model.Interactive].Pending)
		assert.Equal(t, int64(1), stats[model.Bulk].Pending)

		serve(t, rdb, queue.ServerConfig{Concurrency: 2}, func(_ context.Context, tk model.Ticket) error {
			mu.Lock()
			defer mu.Unlock()
			got[tk]++
			return errors.New("whatever it returns, Asynq must not try again")
		})
		require.Eventually(t, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(got) == 3
		}, 5*time.Second, 5*time.Millisecond)
		require.Eventually(t, func() bool {
			return !known(t, c, want[0]) && !known(t, c, want[1]) && !known(t, c, want[2])
		}, 5*time.Second, 5*time.Millisecond)
		stats, err = c.Stats(ctx)
		require.NoError(t, err)
		assert.Equal(t, queue.LaneStats{}, stats[model.Interactive], "nothing is archived or waits")
		mu.Lock()
		defer mu.Unlock()
		for _, tk := range want {
			assert.Equal(t, 1, got[tk])
		}
	})
}

func TestKnownAgreesWithTheInspector(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		c := queue.NewClient(rdb)
		ac := asynq.NewClientFromRedisClient(rdb)
		insp := asynq.NewInspectorFromRedisClient(rdb)
		state := func(tk model.Ticket) asynq.TaskState {
			info, err := insp.GetTaskInfo(string(tk.Lane), queue.TaskID(tk))
			if err != nil {
				return 0
			}
			return info.State
		}

		absent := ticket(model.Bulk, 1)
		assert.False(t, known(t, c, absent))

		tk := ticket(model.Bulk, 3)
		require.NoError(t, c.Enqueue(ctx, tk))
		assert.Equal(t, asynq.TaskStatePending, state(tk))
		assert.True(t, known(t, c, tk))
		next := tk
		next.Attempt++
		assert.False(t, known(t, c, next), "another attempt is another ticket")

		later := ticket(model.Bulk, 1)
		_, err := ac.Enqueue(asynq.NewTask("x", nil), asynq.TaskID(queue.TaskID(later)), asynq.Queue(string(model.Bulk)), asynq.ProcessIn(time.Hour))
		require.NoError(t, err)
		assert.Equal(t, asynq.TaskStateScheduled, state(later))
		assert.True(t, known(t, c, later))

		require.NoError(t, insp.ArchiveTask(string(model.Bulk), queue.TaskID(later)))
		assert.Equal(t, asynq.TaskStateArchived, state(later))
		assert.False(t, known(t, c, later))
		n, err := c.CountArchived(ctx)
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		n, err = c.ForgetArchived(ctx)
		require.NoError(t, err)
		assert.Equal(t, 1, n)

		started, release := make(chan struct{}), make(chan struct{})
		serve(t, rdb, queue.ServerConfig{}, func(context.Context, model.Ticket) error {
			close(started)
			<-release
			return nil
		})
		<-started
		assert.Equal(t, asynq.TaskStateActive, state(tk))
		assert.True(t, known(t, c, tk))
		// A lease that ended, or that is missing, belongs to a worker that died.
		lease := "asynq:{bulk}:lease"
		end, err := rdb.ZScore(ctx, lease, queue.TaskID(tk)).Result()
		require.NoError(t, err, "the lease is where Known looks for it")
		require.NoError(t, rdb.ZAdd(ctx, lease, redis.Z{Score: end - 60, Member: queue.TaskID(tk)}).Err())
		assert.False(t, known(t, c, tk))
		require.NoError(t, rdb.ZRem(ctx, lease, queue.TaskID(tk)).Err())
		assert.False(t, known(t, c, tk))
		close(release)
	})
}

func TestAnEmptiedRedisIsSeenAgain(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		c := queue.NewClient(rdb)
		tk := ticket(model.Interactive, 1)
		require.NoError(t, c.Enqueue(ctx, tk))
		require.NoError(t, rdb.FlushAll(ctx).Err())
		assert.False(t, known(t, c, tk))
		require.NoError(t, c.Enqueue(ctx, tk))
		assert.True(t, known(t, c, tk))
		queues, err := asynq.NewInspectorFromRedisClient(rdb).Queues()
		require.NoError(t, err)
		assert.Equal(t, []string{"interactive"}, queues)
	})
}

func TestConcurrencyCountsHandlersThatRun(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		var now, most, done atomic.Int32
		serve(t, rdb, queue.ServerConfig{Concurrency: 3}, func(context.Context, model.Ticket) error {
			n := now.Add(1)
			for {
				m := most.Load()
				if n <= m || most.CompareAndSwap(m, n) {
					break
				}
			}
			time.Sleep(20 * time.Millisecond)
			now.Add(-1)
			done.Add(1)
			return nil
		})
		c := queue.NewClient(rdb)
		for range 12 {
			require.NoError(t, c.Enqueue(context.Background(), ticket(model.Interactive, 1)))
		}
		require.Eventually(t, func() bool { return done.Load() == 12 }, 10*time.Second, 5*time.Millisecond)
		assert.Equal(t, int32(3), most.Load())
	})
}

func TestAPanicAndRubbishEndOnlyTheirTicket(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		ac := asynq.NewClientFromRedisClient(rdb)
		_, err := ac.Enqueue(asynq.NewTask("generate", []byte("{")), asynq.Queue("interactive"), asynq.MaxRetry(0))
		require.NoError(t, err)
		c := queue.NewClient(rdb)
		var done atomic.Int32
		serve(t, rdb, queue.ServerConfig{}, func(context.Context, model.Ticket) error {
			if done.Add(1) == 1 {
				panic("poison")
			}
			return nil
		})
		require.NoError(t, c.Enqueue(ctx, ticket(model.Interactive, 1)))
		require.NoError(t, c.Enqueue(ctx, ticket(model.Interactive, 1)))
		require.Eventually(t, func() bool {
			stats, err := c.Stats(ctx)
			return err == nil && done.Load() == 2 && stats[model.Interactive] == queue.LaneStats{}
		}, 5*time.Second, 10*time.Millisecond)
	})
}

func TestStop(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		grace    time.Duration
		work     time.Duration // how long the handler takes unless its context ends
		deaf     bool          // the handler ignores its context
		finishes bool
		wantErr  bool
	}{
		{name: "a handler finishes within the grace", grace: 5 * time.Second, work: 100 * time.Millisecond, finishes: true},
		{name: "a handler is cancelled when the grace is over", grace: 50 * time.Millisecond, work: time.Minute},
		{name: "no grace", grace: -1, work: time.Minute},
		{name: "a handler that hangs is named", grace: -1, work: 2 * time.Second, deaf: true, finishes: true, wantErr: true},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, rdb *redis.Client) {
				c := queue.NewClient(rdb)
				started, ended := make(chan struct{}), make(chan bool, 1)
				s := serve(t, rdb, queue.ServerConfig{Grace: tc.grace, HandBack: 200 * time.Millisecond},
					func(ctx context.Context, _ model.Ticket) error {
						close(started)
						stop := ctx.Done()
						if tc.deaf {
							stop = nil
						}
						select {
						case <-time.After(tc.work):
							ended <- true
						case <-stop:
							ended <- false
						}
						return nil
					})
				first, second := ticket(model.Interactive, 1), ticket(model.Interactive, 1)
				require.NoError(t, c.Enqueue(context.Background(), first))
				<-started
				require.NoError(t, c.Enqueue(context.Background(), second))
				begin := time.Now()
				err := s.Stop(context.Background())
				assert.Equal(t, tc.wantErr, err != nil, "%v", err)
				assert.Less(t, time.Since(begin), 5*time.Second)
				assert.Equal(t, tc.finishes, <-ended)
				assert.True(t, known(t, c, second), "what was not pulled stays")
				assert.Equal(t, err, s.Stop(context.Background()), "a second Stop says the same")
			})
		})
	}
}

func TestPickupIsQuick(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		picked := make(chan time.Time, 1)
		s := queue.NewServer(rdb, queue.ServerConfig{Log: slog.New(slog.DiscardHandler)}, func(context.Context, model.Ticket) error {
			picked <- time.Now()
			return nil
		})
		require.NoError(t, s.Start())
		t.Cleanup(func() { _ = s.Stop(context.Background()) })
		c := queue.NewClient(rdb)
		var sum time.Duration
		const n = 20
		for range n {
			begin := time.Now()
			require.NoError(t, c.Enqueue(context.Background(), ticket(model.Bulk, 1)))
			sum += (<-picked).Sub(begin)
		}
		t.Logf("mean pickup %v", sum/n)
		assert.Less(t, sum/n, 200*time.Millisecond, "an order of magnitude above what it takes, for busy machines")
	})
}

func TestEmbeddedAgesItsKeys(t *testing.T) {
	t.Parallel()
	e, err := queue.StartEmbedded()
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	rdb := e.Client()
	defer func() { require.NoError(t, rdb.Close()) }()
	ctx := context.Background()
	require.NoError(t, rdb.Set(ctx, "k", "v", 1500*time.Millisecond).Err())
	require.Eventually(t, func() bool { return rdb.Exists(ctx, "k").Val() == 0 }, 5*time.Second, 50*time.Millisecond)

	stranger := redis.NewClient(&redis.Options{Addr: e.Addr(), MaxRetries: -1})
	defer func() { require.NoError(t, stranger.Close()) }()
	require.ErrorContains(t, stranger.Get(ctx, "k").Err(), "NOAUTH")
}

func TestCallsAreBoundedWhenRedisIsAway(t *testing.T) {
	t.Parallel()
	server := testenv.StartRedis(t)
	rdb := server.Client(t)
	c := queue.NewClient(rdb)
	server.Kill()
	begin := time.Now()
	require.Error(t, c.Enqueue(context.Background(), ticket(model.Bulk, 1)))
	_, err := c.Known(context.Background(), ticket(model.Bulk, 1))
	require.Error(t, err)
	assert.Less(t, time.Since(begin), 5*time.Second)
}

func TestOpenRefusesRubbish(t *testing.T) {
	t.Parallel()
	_, err := queue.Open("http://localhost")
	require.Error(t, err)
}
