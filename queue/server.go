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
	// DefaultCheckInterval is how often an idle server looks for tickets, in both
	// lanes: measured pickup p50 25 ms, p95 69 ms, for 40 commands a second, which
	// cost 4 % of a CPU on the embedded Redis. (Asynq's own default of 1 s gives
	// p50 851 ms; 10 ms gives 6/14 ms for 200 commands a second and 16 %.)
	DefaultCheckInterval = 50 * time.Millisecond
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
	Concurrency   int           // tickets at once, at least 1
	CheckInterval time.Duration // between looks for tickets when idle
	Grace         time.Duration // handlers may finish for so long after Stop; negative: not at all
	HandBack      time.Duration // then they may hand back for so long
	Log           *slog.Logger
}

func (c ServerConfig) withDefaults() ServerConfig {
	c.Concurrency = max(c.Concurrency, 1)
	if c.CheckInterval <= 0 {
		c.CheckInterval = DefaultCheckInterval
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

// Server takes tickets from both lanes and calls a handler for each.
//
// It does not give handlers Asynq's context: Asynq ends that one when it times a
// task out, or when a lease lapses because Redis is away, and then frees the
// slot while the handler still runs. A render should survive an absent Redis,
// and the attempt fences its commit. So a handler gets a context of the server's
// own, and slots counts handlers by their real lifetimes.
type Server struct {
	cfg     ServerConfig
	handler Handler
	asynq   *asynq.Server

	slots  chan struct{} // one token for each running handler
	base   context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	running int
	idle    chan struct{} // closed when running falls to 0; nil while nobody waits
	stopped sync.Once
	stopErr error
}

// NewServer returns a Server on rdb, which the caller keeps and closes after
// Stop.
func NewServer(rdb redis.UniversalClient, cfg ServerConfig, h Handler) *Server {
	cfg = cfg.withDefaults()
	base, cancel := context.WithCancel(context.Background())
	return &Server{
		cfg:     cfg,
		handler: h,
		slots:   make(chan struct{}, cfg.Concurrency),
		base:    base,
		cancel:  cancel,
		asynq: asynq.NewServerFromRedisClient(rdb, asynq.Config{
			Concurrency: cfg.Concurrency,
			Queues: map[string]int{
				string(model.Interactive): weightInteractive,
				string(model.Bulk):        weightBulk,
			},
			TaskCheckInterval: cfg.CheckInterval,
			ShutdownTimeout:   abortTimeout,
			Logger:            asynqLog{cfg.Log.With("component", "asynq")},
		}),
	}
}

// Start begins to take tickets. Redis may be away: the server waits for it.
func (s *Server) Start() error {
	if err := s.asynq.Start(asynq.HandlerFunc(s.process)); err != nil {
		return fmt.Errorf("start the queue server: %w", err)
	}
	return nil
}

// Running returns the number of handlers that run now.
func (s *Server) Running() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

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
	s.asynq.Stop()
	if !s.waitIdle(ctx, s.cfg.Grace) {
		s.cfg.Log.Info("the grace is over, handing work back", "running", s.Running())
	}
	s.cancel()
	var err error
	if !s.waitIdle(context.WithoutCancel(ctx), s.cfg.HandBack) {
		err = fmt.Errorf("stop the queue server: %d handlers have not ended", s.Running())
	}
	s.asynq.Shutdown()
	return err
}

// waitIdle waits until no handler runs, and reports false where it gave up.
func (s *Server) waitIdle(ctx context.Context, limit time.Duration) bool {
	s.mu.Lock()
	if s.running == 0 {
		s.mu.Unlock()
		return true
	}
	if limit <= 0 {
		s.mu.Unlock()
		return false
	}
	if s.idle == nil {
		s.idle = make(chan struct{})
	}
	idle := s.idle
	s.mu.Unlock()

	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-idle:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// process is what Asynq calls. It always returns nil: an error would make
// Asynq archive the ticket.
func (s *Server) process(_ context.Context, task *asynq.Task) error {
	t, err := decode(task.Payload())
	if err != nil {
		s.cfg.Log.Error("dropped a ticket that cannot be read", "type", task.Type(), "err", err)
		return nil
	}
	if !s.enter() {
		return nil // stopped; the sweep releases the task again
	}
	defer s.leave()
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

// enter takes a slot, and reports false where the server stops before one is free.
func (s *Server) enter() bool {
	select {
	case s.slots <- struct{}{}:
	case <-s.base.Done():
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.base.Err() != nil {
		<-s.slots
		return false
	}
	s.running++
	return true
}

func (s *Server) leave() {
	<-s.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	if s.running == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
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
