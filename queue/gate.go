package queue

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"patchlab/internal/model"
)

const (
	// takeUpTimeout is how long a ticket that was taken counts although no handler
	// has it yet. That lasts microseconds, or for ever where what came from Redis was
	// not a ticket: Asynq then drops it without a word to us.
	takeUpTimeout = 5 * time.Second
	// firstLease is the lease of a ticket that was just taken. Asynq would give it 30 s,
	// and does so with each of its heartbeats, every 5 s. So a ticket that got lost on
	// its way to the worker (killed just then, or the answer of Redis never came) is
	// missed by Known after 13 s and not 35. A lease too short would cost nothing but
	// a ticket, which the fence makes stale.
	firstLease = 8 * time.Second
)

// Limits is what a server may run at a time. The zero value takes nothing.
type Limits struct {
	// Concurrency is the number of handlers of both lanes, up to model.MaxSlots; 0:
	// nothing is taken.
	Concurrency int
	// Bulk is how many of them may be of the bulk lane; 0: model.BulkSlots(Concurrency).
	// (A lane of which there shall be none is paused.)
	Bulk int
	// Paused lanes are not taken from.
	Paused map[model.Lane]bool
}

// bounded returns a copy of the limits within what a server can do.
func (l Limits) bounded() Limits {
	l.Concurrency = min(max(l.Concurrency, 0), model.MaxSlots)
	l.Bulk = max(l.Bulk, 0)
	l.Paused = maps.Clone(l.Paused)
	return l
}

// slots returns how many handlers of a lane may run.
func (l Limits) slots(lane model.Lane) int {
	switch {
	case l.Paused[lane]:
		return 0
	case lane != model.Bulk:
		return l.Concurrency
	case l.Bulk == 0:
		return model.BulkSlots(l.Concurrency)
	default:
		return min(l.Bulk, l.Concurrency)
	}
}

// gate stands between Asynq and Redis, as a hook of the server's client, and decides
// when a ticket is taken from a lane. Asynq has a number of slots that is fixed at the
// start, one for all its queues, and frees them while handlers still run; and it
// polls. The gate holds its dequeue (a script, known by its keys) until there is a
// slot for the lane, and a reason to look: somebody told of tickets, the last look
// found one, or the time of the safety poll has come. Where only the other lane may be
// looked at it answers for Redis that there is nothing, and Asynq asks for that one.
//
// Asynq's processor is one goroutine that does nothing but dequeue, so holding it
// holds nothing else. A server that stops must close the gate first.
type gate struct {
	poll time.Duration // between looks that nothing asked for

	mu      sync.Mutex
	limits  Limits
	lanes   map[model.Lane]*laneGate
	changed chan struct{} // closed, and made anew, when something has changed
	closed  bool
	loners  int  // handlers that run alone, or wait for it
	lonely  bool // one of them runs
}

// laneGate is what the gate knows of a lane.
type laneGate struct {
	asking  int         // dequeues that are on their way
	taken   []time.Time // when tickets came that no handler has yet, the oldest first
	running int         // handlers
	hot     bool        // there may be tickets
	due     time.Time   // look then in any case
}

func (l *laneGate) busy() int { return l.asking + len(l.taken) + l.running }

func newGate(limits Limits, poll time.Duration) *gate {
	g := &gate{poll: poll, limits: limits.bounded(), lanes: make(map[model.Lane]*laneGate), changed: make(chan struct{})}
	for _, lane := range model.Lanes() {
		g.lanes[lane] = &laneGate{hot: true}
	}
	return g
}

// tell wakes who waits for a change. The caller has g.mu.
func (g *gate) tell() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// tune sets the limits. What runs is not cut.
func (g *gate) tune(l Limits) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limits = l.bounded()
	for _, l := range g.lanes {
		l.hot = true
	}
	g.tell()
}

// now returns the limits.
func (g *gate) now() Limits {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.limits.bounded()
}

// wake says that there may be tickets in lanes.
func (g *gate) wake(lanes ...model.Lane) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, lane := range lanes {
		if l, ok := g.lanes[lane]; ok {
			l.hot = true
		}
	}
	g.tell()
}

// close lets nothing through any more.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.tell()
}

// running returns the number of handlers that run.
func (g *gate) running() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, l := range g.lanes {
		n += l.running
	}
	return n
}

// expire forgets tickets that no handler has taken up in time. The caller has g.mu.
func (g *gate) expire(now time.Time) {
	for _, l := range g.lanes {
		l.taken = slices.DeleteFunc(l.taken, func(t time.Time) bool { return now.Sub(t) >= takeUpTimeout })
	}
}

// busy returns how many slots are taken, or reserved. The caller has g.mu.
func (g *gate) busy() int {
	n := 0
	for _, l := range g.lanes {
		n += l.busy()
	}
	return n
}

// alone waits until nothing runs beside the calling handler and keeps others out until
// done is called. It reports false where the gate is closed, or ctx ends, before that.
func (g *gate) alone(ctx context.Context) (done func(), ok bool) {
	g.mu.Lock()
	g.loners++ // nothing more is let through
	for g.lonely || g.busy() > g.loners {
		changed := g.changed
		if g.closed || ctx.Err() != nil {
			g.loners--
			g.tell()
			g.mu.Unlock()
			return nil, false
		}
		g.mu.Unlock()
		timer := time.NewTimer(takeUpTimeout)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		g.mu.Lock()
		g.expire(time.Now())
	}
	g.lonely = true
	g.mu.Unlock()
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.lonely = false
		g.loners--
		g.tell()
	}, true
}

// wait returns for how long a lane may not be looked at: 0 = it may be now. The caller
// has g.mu.
func (g *gate) wait(lane model.Lane, now time.Time) time.Duration {
	l := g.lanes[lane]
	switch {
	case g.loners > 0, g.busy() >= g.limits.Concurrency, l.busy() >= g.limits.slots(lane):
		return takeUpTimeout // or until a change; what no handler has taken up by then has expired
	case l.hot:
		return 0
	default:
		return max(0, l.due.Sub(now))
	}
}

// admit waits until Asynq may look at any lane, and reports whether that is this one:
// a slot is then reserved until answered.
func (g *gate) admit(ctx context.Context, lane model.Lane) bool {
	for {
		g.mu.Lock()
		now := time.Now()
		g.expire(now)
		if g.closed {
			g.mu.Unlock()
			return false
		}
		if g.wait(lane, now) == 0 {
			l := g.lanes[lane]
			l.asking++
			l.hot = false // unless it is told meanwhile, or finds one
			g.mu.Unlock()
			return true
		}
		next := takeUpTimeout
		for other := range g.lanes {
			next = min(next, g.wait(other, now))
		}
		changed := g.changed
		g.mu.Unlock()
		if next == 0 {
			return false
		}
		timer := time.NewTimer(next)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return false
		}
	}
}

// answered takes note of what came of a look at a lane.
func (g *gate) answered(lane model.Lane, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	l := g.lanes[lane]
	l.asking--
	l.due = now.Add(g.poll)
	switch {
	case err == nil:
		l.taken = append(l.taken, now)
		l.hot = true
	case redis.HasErrorPrefix(err, "NOSCRIPT"):
		l.hot = true // Asynq now sends the script itself
	case !errors.Is(err, redis.Nil):
		l.hot = false // Asynq makes no pause after an error
	}
	g.tell()
}

// visit follows one ticket through Asynq, so that its slot is given back once. The
// gate's mutex guards it.
type visit struct {
	begun bool // its handler began
	over  bool // Asynq gave it up before that
}

// begin turns the reservation of a ticket into a running handler. It reports false
// where Asynq has given the ticket up meanwhile; else end must follow.
func (g *gate) begin(v *visit, lane model.Lane) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if v.over {
		return false
	}
	v.begun = true
	l := g.lanes[lane]
	l.drop()
	l.running++
	return true
}

// end gives the slot of a handler back.
func (g *gate) end(lane model.Lane) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lanes[lane].running--
	g.tell()
}

// giveUp gives the slot of a ticket back whose handler will not run. A handler that
// runs keeps its own, whatever Asynq thinks of its ticket.
func (g *gate) giveUp(v *visit, lane model.Lane) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if v.begun || v.over {
		return
	}
	v.over = true
	g.lanes[lane].drop()
	g.tell()
}

// drop ends the oldest reservation: which one it is of those of a lane is all the same.
func (l *laneGate) drop() {
	if len(l.taken) > 0 {
		l.taken = slices.Delete(l.taken, 0, 1)
	}
}

// idle waits until there is no ticket in this server, and reports false where the
// limit or ctx ended first.
func (g *gate) idle(ctx context.Context, limit time.Duration) bool {
	over := time.NewTimer(limit)
	defer over.Stop()
	for {
		g.mu.Lock()
		g.expire(time.Now())
		busy, expiring := 0, false
		for _, l := range g.lanes {
			busy += l.busy()
			expiring = expiring || len(l.taken) > 0
		}
		changed := g.changed
		g.mu.Unlock()
		if busy == 0 {
			return true
		}
		var expiry <-chan time.Time
		if expiring {
			expiry = time.After(takeUpTimeout)
		}
		select {
		case <-changed:
		case <-expiry:
		case <-over.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// DialHook implements redis.Hook.
func (g *gate) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook implements redis.Hook: Asynq does not dequeue in pipelines.
func (g *gate) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook implements redis.Hook.
func (g *gate) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		lane, ok := dequeues(cmd)
		if !ok {
			return next(ctx, cmd)
		}
		if !g.admit(ctx, lane) {
			cmd.SetErr(redis.Nil)
			return redis.Nil
		}
		shortenLease(cmd, time.Now())
		err := next(ctx, cmd)
		g.answered(lane, err)
		return err
	}
}

// The arguments of Asynq's dequeue: EVALSHA digest 4 pending paused active lease, and
// then the end of the lease in Unix seconds. No other script of its server begins with
// these keys.
const (
	argPending = 3
	argPaused  = 4
	argLease   = 7
)

// dequeues returns the lane from which a command takes a ticket; ok is false for any
// other command.
func dequeues(cmd redis.Cmder) (lane model.Lane, ok bool) {
	if name := cmd.Name(); name != "evalsha" && name != "eval" {
		return "", false
	}
	args := cmd.Args()
	if len(args) <= argLease {
		return "", false
	}
	for _, lane := range model.Lanes() {
		if args[argPending] == key(lane, "pending") && args[argPaused] == key(lane, "paused") {
			return lane, true
		}
	}
	return "", false
}

// shortenLease makes the lease that a dequeue asks for firstLease.
func shortenLease(cmd redis.Cmder, now time.Time) {
	if end, ok := cmd.Args()[argLease].(int64); ok {
		cmd.Args()[argLease] = min(end, now.Add(firstLease).Unix())
	}
}
