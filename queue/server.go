package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"patchlab/internal/model"
)

const (
	// DefaultPoll is how often an idle server looks for tickets in each lane although
	// nobody told of any: what a lost message costs.
	DefaultPoll = 500 * time.Millisecond
	// checkInterval is how long Asynq sleeps, half of it to one and a half, after both
	// lanes gave nothing. How often that is, the gate decides.
	checkInterval = 100 * time.Microsecond
	// DefaultGrace is how long a stopping server lets its handlers finish.
	DefaultGrace = 30 * time.Second
	// DefaultHandBack is how long cancelled handlers may take to hand back.
	DefaultHandBack = 5 * time.Second
	// abortTimeout is how long Asynq itself then still waits; its handlers have
	// ended by then, or hang.
	abortTimeout = 500 * time.Millisecond
)

// Of ten dequeues nine look at the interactive lane first. Not strictly, so
// that the bulk lane never starves.
const (
	weightInteractive = 9
	weightBulk        = 1
)

// Handler works on one ticket. Its context ends only when the server has
// stopped and its grace is over; the handler then hands its task back. What it
// returns is logged and nothing else: the farm decides what is tried again.
type Handler func(ctx context.Context, t model.Ticket) error

// ServerConfig says how a Server works. Zero values mean the defaults.
type ServerConfig struct {
	Concurrency int           // Limits.Concurrency until Tune is called; at least 1
	Poll        time.Duration // between looks that nobody asked for
	Grace       time.Duration // handlers may finish for so long after Stop; negative: not at all
	HandBack    time.Duration // then they may hand back for so long
	Log         *slog.Logger
}

func (c ServerConfig) withDefaults() ServerConfig {
	c.Concurrency = max(c.Concurrency, 1)
	if c.Poll <= 0 {
		c.Poll = DefaultPoll
	}
	if c.Grace == 0 {
		c.Grace = DefaultGrace
	}
	if c.HandBack <= 0 {
		c.HandBack = DefaultHandBack
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Server takes tickets from both lanes and calls a handler for each, as many at a
// time as its limits let it; see gate.
//
// It does not give handlers Asynq's context: Asynq ends that one when it times a
// task out, or when a lease lapses because Redis is away, and then frees the
// slot while the handler still runs. A render should survive an absent Redis,
// and the attempt fences its commit. So a handler gets a context of the server's
// own, and the gate counts handlers by their real lifetimes.
type Server struct {
	cfg     ServerConfig
	handler Handler
	rdb     *redis.Client // its own, for the sake of the gate
	gate    *gate
	asynq   *asynq.Server

	base      context.Context // of the handlers
	cancel    context.CancelFunc
	deaf      context.CancelFunc // ends listen
	listening sync.WaitGroup
	stopped   sync.Once
	stopErr   error
}

// NewServer returns a Server on the Redis of rdb, with connections of its own, which
// Stop closes.
func NewServer(rdb *redis.Client, cfg ServerConfig, h Handler) *Server {
	cfg = cfg.withDefaults()
	options := *rdb.Options()
	base, cancel := context.WithCancel(context.Background())
	s := &Server{
		cfg:     cfg,
		handler: h,
		rdb:     redis.NewClient(&options),
		gate:    newGate(Limits{Concurrency: cfg.Concurrency}, cfg.Poll),
		base:    base,
		cancel:  cancel,
		deaf:    func() {},
	}
	s.rdb.AddHook(s.gate)
	s.asynq = asynq.NewServerFromRedisClient(s.rdb, asynq.Config{
		Concurrency: model.MaxSlots, // once and for all, and for nothing: the gate has the limits
		Queues: map[string]int{
			string(model.Interactive): weightInteractive,
			string(model.Bulk):        weightBulk,
		},
		// Asynq asks for a context for each ticket that it took, whatever then becomes of it.
		BaseContext:       func() context.Context { return context.WithValue(context.Background(), visitKey{}, new(visit)) },
		ErrorHandler:      asynq.ErrorHandlerFunc(s.givenUp),
		TaskCheckInterval: checkInterval,
		ShutdownTimeout:   abortTimeout,
		Logger:            asynqLog{cfg.Log.With("component", "asynq")},
	})
	return s
}

// Start begins to take tickets. Redis may be away: the server waits for it.
func (s *Server) Start() error {
	if err := s.asynq.Start(asynq.HandlerFunc(s.process)); err != nil {
		return fmt.Errorf("start the queue server: %w", err)
	}
	var ctx context.Context
	ctx, s.deaf = context.WithCancel(context.Background())
	s.listening.Go(func() { s.listen(ctx) })
	return nil
}

// Tune sets what the server may run at a time, from the next ticket that it asks for:
// handlers that run are not cut. It may be called at any time, before Start too.
func (s *Server) Tune(l Limits) { s.gate.tune(l) }

// Limits returns what the server may run at a time now.
func (s *Server) Limits() Limits { return s.gate.now() }

// Running returns the number of handlers that run now.
func (s *Server) Running() int { return s.gate.running() }

// Stop takes no more tickets, lets the running handlers finish for the grace
// (or until ctx ends), then ends their contexts so that they hand back, and
// waits for that. Asynq by itself would give its handlers no sign until the
// grace is over and then put their tickets back while they still run.
func (s *Server) Stop(ctx context.Context) error {
	s.stopped.Do(func() { s.stopErr = s.stop(ctx) })
	return s.stopErr
}

func (s *Server) stop(ctx context.Context) error {
	defer s.cancel()
	s.gate.close() // or Asynq would wait for its dequeue, which the gate holds
	s.deaf()
	s.asynq.Stop()
	if !s.gate.idle(ctx, s.cfg.Grace) {
		s.cfg.Log.Info("the grace is over, handing work back", "running", s.Running())
	}
	s.cancel()
	var err error
	if !s.gate.idle(context.WithoutCancel(ctx), s.cfg.HandBack) {
		err = fmt.Errorf("stop the queue server: %d handlers have not ended", s.Running())
	}
	s.asynq.Shutdown()
	s.listening.Wait()
	return errors.Join(err, s.rdb.Close())
}

// visitKey is where a context of Asynq's holds the visit of its ticket.
type visitKey struct{}

// visitOf returns the visit of a ticket and its lane.
func visitOf(ctx context.Context) (*visit, model.Lane) {
	v, ok := ctx.Value(visitKey{}).(*visit)
	if !ok {
		v = new(visit)
	}
	lane, _ := asynq.GetQueueName(ctx)
	return v, model.Lane(lane)
}

// givenUp is what Asynq calls where it gives a ticket up: its deadline has passed, or
// its lease has lapsed.
func (s *Server) givenUp(ctx context.Context, _ *asynq.Task, _ error) {
	s.gate.giveUp(visitOf(ctx))
}

// process is what Asynq calls. It always returns nil: an error would make
// Asynq archive the ticket.
func (s *Server) process(ctx context.Context, task *asynq.Task) error {
	v, lane := visitOf(ctx)
	if !s.gate.begin(v, lane) {
		return nil
	}
	defer s.gate.end(lane)
	t, err := decode(task.Payload())
	if err != nil {
		s.cfg.Log.Error("dropped a ticket that cannot be read", "type", task.Type(), "err", err)
		return nil
	}
	if t.Alone {
		done, ok := s.gate.alone(s.base) //nolint:contextcheck // as the handler's
		if !ok {
			return nil // as below
		}
		defer done()
	}
	if s.base.Err() != nil {
		return nil // stopped; the sweep releases the task again
	}
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Log.Error("a handler panicked", "task", t.TaskID, "attempt", t.Attempt,
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	err = s.handler(s.base, t) //nolint:contextcheck // on purpose not Asynq's, see Server
	if err != nil && !errors.Is(err, context.Canceled) {
		s.cfg.Log.Warn("a ticket failed", "task", t.TaskID, "attempt", t.Attempt, "err", err)
	}
	return nil
}

// asynqLog sends what Asynq says to slog.
type asynqLog struct{ log *slog.Logger }

const asynqSays = "the queue library"

// Debug implements asynq.Logger, as do the others.
func (l asynqLog) Debug(args ...any) { l.log.Debug(asynqSays, "says", fmt.Sprint(args...)) }

// Info logs for debugging only: it is chatter at start and stop.
func (l asynqLog) Info(args ...any) { l.log.Debug(asynqSays, "says", fmt.Sprint(args...)) }

// Warn logs a warning.
func (l asynqLog) Warn(args ...any) { l.log.Warn(asynqSays, "says", fmt.Sprint(args...)) }

// Error logs an error.
func (l asynqLog) Error(args ...any) { l.log.Error(asynqSays, "says", fmt.Sprint(args...)) }

// Fatal logs as an error: a library does not end our process.
func (l asynqLog) Fatal(args ...any) { l.log.Error(asynqSays, "says", fmt.Sprint(args...)) }
