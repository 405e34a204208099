package queue_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/internal/model"
	"patchlab/internal/testenv"
	"patchlab/queue"
)

const (
	patience = 10 * time.Second       // for what must happen, on busy machines
	moment   = 150 * time.Millisecond // for what must not
	look     = 2 * time.Millisecond
)

// load counts handlers.
type load struct {
	mu        sync.Mutex
	now, most map[model.Lane]int
	done      int
}

func newLoad() *load { return &load{now: map[model.Lane]int{}, most: map[model.Lane]int{}} }

// all is the sum of both lanes.
const all = model.Lane("all")

func (l *load) enter(lane model.Lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, lane := range []model.Lane{lane, all} {
		l.now[lane]++
		l.most[lane] = max(l.most[lane], l.now[lane])
	}
}

func (l *load) leave(lane model.Lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now[lane]--
	l.now[all]--
	l.done++
}

func (l *load) running(lane model.Lane) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now[lane]
}

func (l *load) ended() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.done
}

// peak returns the most since it was asked last.
func (l *load) peak(lane model.Lane) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	most := l.most[lane]
	l.most[lane] = l.now[lane]
	return most
}

// nap is a handler that takes long enough for a slow Redis to fill 16 slots.
func (l *load) nap(_ context.Context, tk model.Ticket) error {
	l.enter(tk.Lane)
	defer l.leave(tk.Lane)
	time.Sleep(20*time.Millisecond + rand.N(40*time.Millisecond))
	return nil
}

// hold is a handler that runs until its context ends or release is closed.
func (l *load) hold(release <-chan struct{}) queue.Handler {
	return func(ctx context.Context, tk model.Ticket) error {
		l.enter(tk.Lane)
		defer l.leave(tk.Lane)
		select {
		case <-release:
		case <-ctx.Done():
		}
		return nil
	}
}

func enqueue(t *testing.T, rdb *redis.Client, lane model.Lane, n int) {
	t.Helper()
	tickets := make([]model.Ticket, n)
	for i := range tickets {
		tickets[i] = ticket(lane, 1)
	}
	require.NoError(t, queue.NewClient(rdb).Enqueue(context.Background(), tickets...))
}

// feed keeps tickets of a lane waiting until the test ends.
func feed(t *testing.T, rdb *redis.Client, lane model.Lane) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	t.Cleanup(func() { cancel(); done.Wait() })
	c := queue.NewClient(rdb)
	done.Go(func() {
		for ctx.Err() == nil {
			if stats, err := c.Stats(ctx); err != nil || stats[lane].Pending > 50 {
				time.Sleep(look)
				continue
			}
			tickets := make([]model.Ticket, 20)
			for i := range tickets {
				tickets[i] = ticket(lane, 1)
			}
			_ = c.Enqueue(ctx, tickets...)
		}
	})
}

func TestLimitsHoldAndAreReachedWhileTheyChange(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		l := newLoad()
		s := serve(t, rdb, queue.ServerConfig{Concurrency: 1}, l.nap)
		feed(t, rdb, model.Interactive)
		for _, n := range []int{2, 8, 3, 16, 1} {
			s.Tune(queue.Limits{Concurrency: n})
			require.Equal(t, n, s.Limits().Concurrency)
			// What was taken under the old limit may still be on its way to its handler.
			require.Eventually(t, func() bool { return s.Busy() <= n }, patience, look)
			l.peak(all)
			most := 0
			require.Eventually(t, func() bool { most = max(most, l.peak(all)); return most >= n }, patience, look, "limit %d is reached", n)
			time.Sleep(moment)
			require.Equal(t, n, max(most, l.peak(all)), "limit %d holds", n)
		}
	})
}

func TestBulkWorkLeavesSlotsToWhoWaits(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		l, release := newLoad(), make(chan struct{})
		s := serve(t, rdb, queue.ServerConfig{Concurrency: 4}, l.hold(release))
		enqueue(t, rdb, model.Bulk, 20)
		require.Eventually(t, func() bool { return l.running(model.Bulk) == 3 }, patience, look)
		time.Sleep(moment)
		require.Equal(t, 3, l.peak(model.Bulk), "a quarter of four is kept")
		enqueue(t, rdb, model.Interactive, 2)
		require.Eventually(t, func() bool { return l.running(model.Interactive) == 1 }, patience, look)
		time.Sleep(moment)
		require.Equal(t, 4, l.peak(all))

		s.Tune(queue.Limits{Concurrency: 8, Bulk: 4})
		require.Eventually(t, func() bool { return l.running(model.Interactive) == 2 && l.running(model.Bulk) == 4 }, patience, look)
		time.Sleep(moment)
		require.Equal(t, 4, l.peak(model.Bulk))
		close(release)
		require.Eventually(t, func() bool { return l.ended() == 22 }, patience, look)
	})
}

// settle waits until what was asked for under the old limits has come.
func settle(t *testing.T, s *queue.Server, l *load) {
	t.Helper()
	require.Eventually(t, func() bool { return s.Busy() == l.running(all) }, patience, look)
}

func TestPauseDrainAndResume(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		l, release := newLoad(), make(chan struct{})
		s := serve(t, rdb, queue.ServerConfig{Concurrency: 4}, l.hold(release))
		enqueue(t, rdb, model.Bulk, 1)
		require.Eventually(t, func() bool { return l.running(model.Bulk) == 1 }, patience, look)
		s.Tune(queue.Limits{Concurrency: 4, Paused: map[model.Lane]bool{model.Bulk: true}})
		settle(t, s, l)
		enqueue(t, rdb, model.Bulk, 1)
		enqueue(t, rdb, model.Interactive, 1)
		require.Eventually(t, func() bool { return l.running(model.Interactive) == 1 }, patience, look)
		time.Sleep(moment)
		require.Equal(t, 1, l.running(model.Bulk), "paused; what runs goes on")
		s.Tune(queue.Limits{Concurrency: 4})
		require.Eventually(t, func() bool { return l.running(model.Bulk) == 2 }, patience, look)

		s.Tune(queue.Limits{})
		settle(t, s, l)
		enqueue(t, rdb, model.Interactive, 3)
		time.Sleep(moment)
		require.Equal(t, 3, l.running(all), "drained: nothing more is taken, nothing is cut")
		close(release)
		require.Eventually(t, func() bool { return s.Running() == 0 }, patience, look)
		time.Sleep(moment)
		require.Equal(t, 3, l.ended())
		s.Tune(queue.Limits{Concurrency: 1})
		require.Eventually(t, func() bool { return l.ended() == 6 }, patience, look)
	})
}

// The gate knows Asynq's dequeue by its keys. Were it another in a later version, a
// drained server would take tickets; so this guards the version in go.mod.
func TestTheGateRecognisesTheDequeueOfThisAsynq(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		l := newLoad()
		s := queue.NewServer(rdb, queue.ServerConfig{}, l.nap)
		s.Tune(queue.Limits{})
		require.NoError(t, s.Start())
		t.Cleanup(func() { _ = s.Stop(context.Background()) })
		enqueue(t, rdb, model.Interactive, 1)
		enqueue(t, rdb, model.Bulk, 1)
		time.Sleep(2 * queue.DefaultPoll)
		require.Zero(t, l.ended(), "the gate was passed by")
		s.Tune(queue.Limits{Concurrency: 1})
		require.Eventually(t, func() bool { return l.ended() == 2 }, patience, look)
	})
}

func TestAnIdleServerIsWoken(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		l := newLoad()
		s := serve(t, rdb, queue.ServerConfig{Concurrency: 2, Poll: time.Hour}, l.nap)
		require.Eventually(t, func() bool {
			return rdb.PubSubNumSub(context.Background(), "patchlab:tickets").Val()["patchlab:tickets"] == 1
		}, patience, look)
		for i := range 20 {
			time.Sleep(rand.N(20 * time.Millisecond))
			enqueue(t, rdb, model.Lanes()[i%2], 1)
			require.Eventually(t, func() bool { return l.ended() == i+1 }, patience, look)
		}
		begin := time.Now()
		require.NoError(t, s.Stop(context.Background()))
		assert.Less(t, time.Since(begin), patience, "the gate lets go of Asynq")
	})
}

func TestALostWakeUpCostsOnePoll(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		l := newLoad()
		serve(t, rdb, queue.ServerConfig{Poll: 50 * time.Millisecond}, l.nap)
		silent := redis.NewClient(rdb.Options())
		defer func() { _ = silent.Close() }()
		silent.AddHook(noPublish{})
		for i := range 3 {
			time.Sleep(rand.N(50 * time.Millisecond))
			enqueue(t, silent, model.Bulk, 1)
			require.Eventually(t, func() bool { return l.ended() == i+1 }, patience, look)
		}
	})
}

// noPublish makes a client whose messages fail.
type noPublish struct{}

func (noPublish) DialHook(next redis.DialHook) redis.DialHook { return next }
func (noPublish) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (noPublish) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "publish" {
			cmd.SetErr(net.ErrClosed)
			return net.ErrClosed
		}
		return next(ctx, cmd)
	}
}

// A server with one slot goes on after whatever came: no slot is lost.
func TestNoSlotIsLost(t *testing.T) {
	t.Parallel()
	raw := func(t *testing.T, rdb *redis.Client, payload []byte, opts ...asynq.Option) {
		t.Helper()
		opts = append(opts, asynq.Queue(string(model.Interactive)), asynq.MaxRetry(0))
		_, err := asynq.NewClientFromRedisClient(rdb).Enqueue(asynq.NewTask("generate", payload), opts...)
		require.NoError(t, err)
	}
	const dropped = "a message that is none" // Asynq says nothing of it: its slot is free after 5 s
	for name, send := range map[string]func(t *testing.T, rdb *redis.Client){
		"a panic": func(t *testing.T, rdb *redis.Client) {
			t.Helper()
			tk := ticket(model.Interactive, 1)
			tk.Kind = "panic"
			require.NoError(t, queue.NewClient(rdb).Enqueue(context.Background(), tk))
		},
		"a payload that is no ticket": func(t *testing.T, rdb *redis.Client) { t.Helper(); raw(t, rdb, []byte("{")) },
		"a deadline that has passed": func(t *testing.T, rdb *redis.Client) {
			t.Helper()
			raw(t, rdb, []byte("{}"), asynq.Deadline(time.Now().Add(-time.Hour)))
		},
		"an id without a message": func(t *testing.T, rdb *redis.Client) {
			t.Helper()
			require.NoError(t, rdb.LPush(context.Background(), "asynq:{interactive}:pending", uuid.NewString()).Err())
		},
		dropped: func(t *testing.T, rdb *redis.Client) {
			t.Helper()
			ctx, id := context.Background(), uuid.NewString()
			require.NoError(t, rdb.HSet(ctx, "asynq:{interactive}:t:"+id, "msg", "\xff\xff").Err())
			require.NoError(t, rdb.LPush(ctx, "asynq:{interactive}:pending", id).Err())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			within := 4 * time.Second
			if name == dropped {
				within = 2 * patience
			}
			onBoth(t, func(t *testing.T, rdb *redis.Client) {
				l := newLoad()
				s := serve(t, rdb, queue.ServerConfig{}, func(ctx context.Context, tk model.Ticket) error {
					if tk.Kind != model.TaskRender {
						panic("poison")
					}
					return l.nap(ctx, tk)
				})
				for i := range 2 {
					send(t, rdb)
					enqueue(t, rdb, model.Interactive, 1)
					require.Eventually(t, func() bool { return l.ended() == i+1 }, within, look)
				}
				require.Eventually(t, func() bool { return s.Running() == 0 }, patience, look)
			})
		})
	}
}

// Asynq frees the slot of a ticket that it times out. Ours is free when the handler ends.
func TestAHandlerKeepsItsSlotPastItsDeadline(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		l, release := newLoad(), make(chan struct{})
		serve(t, rdb, queue.ServerConfig{}, l.hold(release))
		payload, err := json.Marshal(ticket(model.Interactive, 1))
		require.NoError(t, err)
		_, err = asynq.NewClientFromRedisClient(rdb).Enqueue(asynq.NewTask("generate", payload),
			asynq.Queue(string(model.Interactive)), asynq.MaxRetry(0), asynq.Deadline(time.Now().Add(2*time.Second)))
		require.NoError(t, err)
		require.Eventually(t, func() bool { return l.running(all) == 1 }, patience, look)
		enqueue(t, rdb, model.Interactive, 1)
		require.Eventually(t, func() bool {
			stats, err := queue.NewClient(rdb).Stats(context.Background())
			return err == nil && stats[model.Interactive].Archived == 1
		}, patience, look, "Asynq gave it up")
		time.Sleep(moment)
		require.Equal(t, 1, l.peak(all))
		close(release)
		require.Eventually(t, func() bool { return l.ended() == 2 }, patience, look)
	})
}

func TestATicketThatGotLostIsMissedSoon(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		release := make(chan struct{})
		l := newLoad()
		serve(t, rdb, queue.ServerConfig{}, l.hold(release))
		tk := ticket(model.Interactive, 1)
		begin := time.Now()
		require.NoError(t, queue.NewClient(rdb).Enqueue(ctx, tk))
		lease := func() time.Duration {
			end, err := rdb.ZScore(ctx, "asynq:{interactive}:lease", queue.TaskID(tk)).Result()
			if err != nil {
				return 0
			}
			return time.Unix(int64(end), 0).Sub(begin)
		}
		require.Eventually(t, func() bool { return lease() > 0 }, patience, look)
		assert.Less(t, lease(), 25*time.Second, "short, until there is a heartbeat")
		require.Eventually(t, func() bool { return lease() > 25*time.Second }, 2*patience, 50*time.Millisecond, "then as Asynq will")
		assert.True(t, known(t, queue.NewClient(rdb), tk))
		close(release)
	})
}

// far is a client of a Redis behind a proxy.
func far(t *testing.T, server *testenv.Redis) (*redis.Client, *testenv.Proxy) {
	t.Helper()
	proxy := testenv.StartProxy(t, "unix", server.Socket())
	rdb, err := queue.Open("redis://" + proxy.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb, proxy
}

func TestAServerOutlivesItsRedis(t *testing.T) {
	t.Parallel()
	server := testenv.StartRedis(t)
	near := server.Client(t)
	rdb, proxy := far(t, server)
	var release atomic.Pointer[chan struct{}]
	l := newLoad()
	const slots = 3
	serve(t, rdb, queue.ServerConfig{Concurrency: slots}, func(ctx context.Context, tk model.Ticket) error {
		return l.hold(*release.Load())(ctx, tk)
	})
	// all slots can be filled, no more, and emptied again
	whole := func(after string) {
		t.Helper()
		free := make(chan struct{})
		release.Store(&free)
		before := l.ended()
		enqueue(t, near, model.Interactive, slots+1)
		require.Eventually(t, func() bool { return l.running(all) == slots }, 2*patience, look, after)
		time.Sleep(moment)
		require.Equal(t, slots, l.peak(all), after)
		close(free)
		require.Eventually(t, func() bool { return l.ended() >= before+slots+1 && l.running(all) == 0 }, 2*patience, look, after)
	}
	whole("the start")
	for range 5 {
		proxy.Reset()
		time.Sleep(rand.N(20 * time.Millisecond))
	}
	whole("connections that were reset")
	proxy.Cut()
	time.Sleep(moment)
	proxy.Heal()
	whole("a network that was cut")
	server.Kill()
	time.Sleep(moment)
	server.Restart(t)
	whole("a Redis that came back empty")
}

func TestASilentSubscriptionIsGivenUp(t *testing.T) {
	t.Parallel()
	rdb, proxy := far(t, testenv.StartRedis(t))
	s := queue.NewServer(rdb, queue.ServerConfig{}, newLoad().nap)
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	heard := make(chan struct{})
	go func() { s.Hear(t.Context()); close(heard) }()
	select {
	case <-heard:
		t.Fatal("gave up a subscription that answers")
	case <-time.After(5 * time.Second): // more than a question and its answer
	}
	proxy.Stall()
	select {
	case <-heard:
	case <-time.After(2 * patience):
		t.Fatal("it waits for ever")
	}
}

// A ticket that asks for it has the server for itself, whatever else waits; and then the
// others go on.
func TestALonerRunsAlone(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		l := newLoad()
		var beside, alone atomic.Int64
		s := serve(t, rdb, queue.ServerConfig{Concurrency: 8}, func(ctx context.Context, tk model.Ticket) error {
			if !tk.Alone {
				return l.nap(ctx, tk)
			}
			l.enter(tk.Lane)
			defer l.leave(tk.Lane)
			for range 5 {
				beside.Add(int64(l.running(all) - 1))
				time.Sleep(5 * time.Millisecond)
			}
			alone.Add(1)
			return nil
		})
		feed(t, rdb, model.Bulk)
		const loners = 6
		for n := range loners {
			require.Eventually(t, func() bool { return l.peak(all) > 2 }, patience, look, "the others run")
			first, second := ticket(model.Interactive, 1), ticket(model.Bulk, 1)
			first.Alone, second.Alone = true, true
			require.NoError(t, queue.NewClient(rdb).Enqueue(context.Background(), first, second), "round %d", n)
		}
		require.Eventually(t, func() bool { return alone.Load() == 2*loners }, patience, look)
		require.Zero(t, beside.Load(), "nothing ran beside them")
		require.Eventually(t, func() bool { return l.peak(all) > 2 }, patience, look, "the others go on")
		require.Eventually(t, func() bool { return s.Busy() > 0 }, patience, look)
	})
}

// A server that stops does not wait for its neighbours to let a loner begin: another
// worker takes it.
func TestALonerThatWaitsDoesNotBeginOnAServerThatStops(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		l, release := newLoad(), make(chan struct{})
		s := serve(t, rdb, queue.ServerConfig{Concurrency: 4}, l.hold(release))
		enqueue(t, rdb, model.Interactive, 1)
		require.Eventually(t, func() bool { return l.running(all) == 1 }, patience, look)
		loner := ticket(model.Interactive, 1)
		loner.Alone = true
		require.NoError(t, queue.NewClient(rdb).Enqueue(context.Background(), loner))
		require.Eventually(t, func() bool { return s.Running() == 2 }, patience, look, "it waits")
		enqueue(t, rdb, model.Interactive, 1)
		time.Sleep(moment)
		require.Equal(t, 1, l.running(all), "nothing more is let through")
		stopped := make(chan error, 1)
		go func() { stopped <- s.Stop(context.Background()) }()
		require.Eventually(t, func() bool { return s.Running() == 1 }, patience, look)
		close(release)
		require.NoError(t, <-stopped)
		require.Equal(t, 1, l.ended())
	})
}

// Whatever ops turn while a loner waits, and while it runs: it has its turn, alone, and the
// server its slots afterwards.
func TestALonerOutlivesEveryKnob(t *testing.T) {
	t.Parallel()
	both := map[model.Lane]bool{model.Interactive: true, model.Bulk: true}
	for name, limits := range map[string]queue.Limits{
		"drained": {},
		"paused":  {Concurrency: 4, Paused: both},
		"fewer":   {Concurrency: 1},
		"more":    {Concurrency: 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, rdb *redis.Client) {
				l, free := newLoad(), make(chan struct{})
				lone, freeLoner := make(chan struct{}), make(chan struct{})
				s := serve(t, rdb, queue.ServerConfig{Concurrency: 4}, func(ctx context.Context, tk model.Ticket) error {
					if !tk.Alone {
						return l.hold(free)(ctx, tk)
					}
					close(lone)
					<-freeLoner
					return nil
				})
				enqueue(t, rdb, model.Interactive, 2)
				require.Eventually(t, func() bool { return l.running(all) == 2 }, patience, look)
				loner := ticket(model.Interactive, 1)
				loner.Alone = true
				require.NoError(t, queue.NewClient(rdb).Enqueue(context.Background(), loner))
				require.Eventually(t, func() bool { return s.Running() == 3 }, patience, look, "it waits")
				s.Tune(limits)
				close(free)
				select {
				case <-lone:
				case <-time.After(patience):
					t.Fatal("its turn never came")
				}
				s.Tune(queue.Limits{Concurrency: 4})
				enqueue(t, rdb, model.Interactive, 5)
				time.Sleep(moment)
				require.Equal(t, 2, l.ended(), "nothing runs beside it")
				close(freeLoner)
				require.Eventually(t, func() bool { return l.ended() == 7 && s.Running() == 0 }, patience, look)
			})
		})
	}
}
