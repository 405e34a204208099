package queue

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"patchlab/internal/model"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	bulkPaused := map[model.Lane]bool{model.Bulk: true}
	for _, tc := range []struct {
		name              string
		given             Limits
		interactive, bulk int
	}{
		{"nothing", Limits{}, 0, 0},
		{"negative", Limits{Concurrency: -3, Bulk: -1}, 0, 0},
		{"one slot is for both lanes", Limits{Concurrency: 1}, 1, 1},
		{"a reserve of one", Limits{Concurrency: 2}, 2, 1},
		{"a reserve of a quarter", Limits{Concurrency: 16, Bulk: -1}, 16, 12},
		{"a cap of its own", Limits{Concurrency: 16, Bulk: 15}, 16, 15},
		{"a cap beyond all slots", Limits{Concurrency: 2, Bulk: 5}, 2, 2},
		{"paused", Limits{Concurrency: 2, Bulk: 5, Paused: bulkPaused}, 2, 0},
		{"too many", Limits{Concurrency: 1 << 20}, model.MaxSlots, model.MaxSlots * 3 / 4},
	} {
		l := tc.given.bounded()
		require.Equal(t, tc.interactive, l.slots(model.Interactive), tc.name)
		require.Equal(t, tc.bulk, l.slots(model.Bulk), tc.name)
	}
}

func TestLimitsAreACopy(t *testing.T) {
	t.Parallel()
	paused := map[model.Lane]bool{model.Bulk: true}
	g := newGate(Limits{Concurrency: 1, Paused: paused}, time.Second)
	paused[model.Bulk] = false
	got := g.now()
	require.True(t, got.Paused[model.Bulk])
	got.Paused[model.Bulk] = false
	require.True(t, g.now().Paused[model.Bulk])
}

func TestOnlyTheDequeueIsRecognised(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, tc := range []struct {
		name string
		cmd  redis.Cmder
		lane model.Lane
	}{
		{"by digest", redis.NewCmd(ctx, "evalsha", "d", 4, "asynq:{bulk}:pending", "asynq:{bulk}:paused", "asynq:{bulk}:active", "asynq:{bulk}:lease", int64(1), "asynq:{bulk}:t:"), model.Bulk},
		{"with the script", redis.NewCmd(ctx, "eval", "return nil", 4, "asynq:{interactive}:pending", "asynq:{interactive}:paused", "a", "l", int64(1)), model.Interactive},
		{"a queue of others", redis.NewCmd(ctx, "evalsha", "d", 4, "asynq:{default}:pending", "asynq:{default}:paused", "a", "l", int64(1)), ""},
		{"another script", redis.NewCmd(ctx, "evalsha", "d", 4, "asynq:{bulk}:active", "asynq:{bulk}:lease", "asynq:{bulk}:pending", "t", int64(1)), ""},
		{"too short", redis.NewCmd(ctx, "evalsha", "d", 1, "asynq:{bulk}:pending"), ""},
		{"another command", redis.NewCmd(ctx, "get", "asynq:{bulk}:pending"), ""},
	} {
		lane, ok := dequeues(tc.cmd)
		require.Equal(t, tc.lane, lane, tc.name)
		require.Equal(t, tc.lane != "", ok, tc.name)
	}
}

// taken lets a ticket of a lane in, as far as Asynq's dequeue.
func taken(t *testing.T, g *gate, lane model.Lane) {
	t.Helper()
	require.True(t, g.admit(t.Context(), lane))
	g.answered(lane, nil)
}

// full reports whether the gate still holds a dequeue of a lane after a time.
func full(t *testing.T, g *gate, lane model.Lane, after time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	ok := g.admit(ctx, lane)
	if ok {
		g.answered(lane, redis.Nil)
		g.wake(lane)
	}
	return !ok
}

func TestASlotIsGivenBackOnce(t *testing.T) {
	t.Parallel()
	const lane = model.Interactive
	for name, visited := range map[string]func(t *testing.T, g *gate){
		"a handler that ends": func(t *testing.T, g *gate) {
			v := new(visit)
			require.True(t, g.begin(v, lane))
			g.end(lane)
		},
		"given up before its handler": func(t *testing.T, g *gate) {
			v := new(visit)
			g.giveUp(v, lane)
			g.giveUp(v, lane)
			require.False(t, g.begin(v, lane), "the slot may be another's by now")
		},
		"given up while its handler runs": func(t *testing.T, g *gate) {
			v := new(visit)
			require.True(t, g.begin(v, lane))
			g.giveUp(v, lane)
			require.True(t, full(t, g, lane, time.Millisecond), "it still runs")
			g.end(lane)
		},
		"never heard of again": func(*testing.T, *gate) { time.Sleep(takeUpTimeout) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newGate(Limits{Concurrency: 2}, time.Hour)
				taken(t, g, lane)
				require.False(t, full(t, g, lane, time.Millisecond))
				taken(t, g, lane)
				require.True(t, full(t, g, lane, time.Millisecond))
				require.True(t, g.begin(new(visit), lane)) // the other one stays
				visited(t, g)
				require.False(t, full(t, g, lane, time.Millisecond))
				taken(t, g, lane)
				require.True(t, full(t, g, lane, time.Millisecond))
				require.False(t, g.idle(t.Context(), time.Millisecond))
				g.end(lane)
				require.True(t, g.idle(t.Context(), 2*takeUpTimeout))
			})
		})
	}
}

func TestWhatTheGateDoesWithAnswers(t *testing.T) {
	t.Parallel()
	const poll = time.Minute
	for name, tc := range map[string]struct {
		answer error
		told   bool          // of tickets, while Redis was asked
		wait   time.Duration // until the next look
	}{
		"a ticket: there may be more":           {answer: nil},
		"none":                                  {answer: redis.Nil, wait: poll},
		"none, but one came meanwhile":          {answer: redis.Nil, told: true},
		"the script is not known: it is sent":   {answer: noScriptError{}},
		"an error: Asynq would ask without end": {answer: errors.New("away"), told: true, wait: poll},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newGate(Limits{Concurrency: 9, Paused: map[model.Lane]bool{model.Bulk: true}}, poll)
				require.True(t, g.admit(t.Context(), model.Interactive))
				if tc.told {
					g.wake(model.Interactive)
				}
				g.answered(model.Interactive, tc.answer)
				begin := time.Now()
				require.True(t, g.admit(t.Context(), model.Interactive))
				require.Equal(t, tc.wait, time.Since(begin))
			})
		})
	}
}

// noScriptError is how Redis answers that it does not know a script.
type noScriptError struct{}

func (noScriptError) Error() string { return "NOSCRIPT No matching script. Please use EVAL." }
func (noScriptError) RedisError()   {}

func TestTheOtherLaneGoesFirstWhereOnlyItMay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(Limits{Concurrency: 2}, time.Hour)
		taken(t, g, model.Bulk)
		require.False(t, g.admit(t.Context(), model.Bulk), "the bulk lane has its one slot")
		require.True(t, g.admit(t.Context(), model.Interactive))
		g.answered(model.Interactive, redis.Nil)
		go func() {
			time.Sleep(time.Second)
			g.wake(model.Interactive)
			g.wake("nobody's")
		}()
		begin := time.Now()
		require.False(t, g.admit(t.Context(), model.Bulk), "held, until there is something for the other lane")
		require.Equal(t, time.Second, time.Since(begin))
		require.True(t, g.admit(t.Context(), model.Interactive))
		g.close()
		require.False(t, g.admit(t.Context(), model.Interactive))
	})
}
