// Package service holds the rules of PatchLAB and every write to the database:
// Farm accepts and moves work, Library shows people what is theirs, Keeper tidies
// up. All of them keep one order in every transaction: lock the job's row, then
// its tasks by id, then assets. Nothing but the database is touched inside a
// transaction; tickets and news go out after it.
package service

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"patchlab/db"
	"patchlab/engine/patch"
	"patchlab/internal/model"
	"patchlab/internal/prompt"
)

// Tickets is the queue as the farm needs it.
type Tickets interface {
	// Enqueue puts tickets on the queue. A ticket that is there already is no error.
	Enqueue(ctx context.Context, tickets ...model.Ticket) error
	// Known reports whether a worker can still get the ticket, or has it in hand.
	Known(ctx context.Context, ticket model.Ticket) (bool, error)
}

// Publisher tells watchers that a job has a new version, and workers that tasks are
// cancelled. News may be lost: who watches reads the versions again every few seconds,
// and who works looks at its tasks with each beat.
type Publisher interface {
	JobChanged(ctx context.Context, jobID uuid.UUID, version int64) error
	TasksCancelled(ctx context.Context, tasks []uuid.UUID) error
	// SettingsChanged tells workers to read the settings again.
	SettingsChanged(ctx context.Context) error
}

// Interpreter turns a request into a patch. take counts from 0.
type Interpreter interface {
	// Build returns a *model.Error of CodeInvalid that names every wrong field.
	Build(ctx context.Context, text string, seed uint32, take int, o prompt.Overrides) (prompt.Interpretation, error)
}

// Lexicon is the Interpreter that works offline, from the words of package prompt
// alone.
type Lexicon struct{}

// Build implements Interpreter.
func (Lexicon) Build(_ context.Context, text string, seed uint32, take int, o prompt.Overrides) (prompt.Interpretation, error) {
	return prompt.Build(text, seed, take, o) //nolint:wrapcheck // its errors are the caller's to see
}

// Clock tells the time.
type Clock interface {
	Now() time.Time
}

// SystemClock is the clock of the machine.
type SystemClock struct{}

// Now implements Clock.
func (SystemClock) Now() time.Time { return time.Now() }

// Errors that callers tell apart.
var (
	// ErrFenced means that a ticket's attempt is over: the task was released
	// again, finished or cancelled meanwhile. Whatever was made must be thrown away.
	ErrFenced = errors.New("service: the attempt is no longer the task's")
	// ErrAssetGone means that an asset found by its digest was removed before it
	// could be used: render after all.
	ErrAssetGone = errors.New("service: the asset was removed meanwhile")
	// ErrWorkerGone means that the worker is not registered, or was given up for
	// dead: its tasks went to others. It must stop them and register anew.
	ErrWorkerGone = errors.New("service: the worker is not registered")
)

// Config holds the limits. The zero value of a field means its default.
type Config struct {
	MaxJobSamples  int64         // samples (frames × channels) of all takes together; default 2^25
	MaxCost        int64         // estimated µs of CPU of one take; default patch.MaxCost
	MaxQueued      int           // unfinished tasks an owner may have; default 1,000
	AnonymousTTL   time.Duration // life of an anonymous sound; default 24 h
	AssetTTL       time.Duration // life of the audio of users' sounds and of their packs' ZIPs; 0 = no end
	DeleteGrace    time.Duration // for how long what was deleted can be brought back; default 24 h
	IdempotencyTTL time.Duration // life of an idempotency key; default 24 h
	TrashAfter     time.Duration // from an asset's removal to its blob's; default 1 h
	MaxAttempts    int           // failures that end a task; default 5
	MaxOutages     int           // failures that end a task whose last one was an outage; default 15, some 20 min
	BackoffBase    time.Duration // wait after the first failure, doubled by each further one; default 2 s
	BackoffMax     time.Duration // longest wait; default 2 min
	ReleaseEvery   time.Duration // pace of RunReleaser; default 1 s
	SweepAfter     time.Duration // age of a ticket before Sweep asks for it; default 5 s
	DeadAfter      time.Duration // a worker whose beat stands still for so long is dead; default 10 s
	PublishTimeout time.Duration // longest wait for a publish; default 1 s
}

func (c Config) withDefaults() Config {
	def(&c.MaxJobSamples, 1<<25)
	def(&c.MaxCost, int64(patch.MaxCost))
	def(&c.MaxQueued, 1000)
	def(&c.AnonymousTTL, 24*time.Hour)
	def(&c.DeleteGrace, 24*time.Hour)
	def(&c.IdempotencyTTL, 24*time.Hour)
	def(&c.TrashAfter, time.Hour)
	def(&c.MaxAttempts, 5)
	def(&c.MaxOutages, 15)
	def(&c.BackoffBase, 2*time.Second)
	def(&c.BackoffMax, 2*time.Minute)
	def(&c.ReleaseEvery, time.Second)
	def(&c.SweepAfter, 5*time.Second)
	def(&c.DeadAfter, 10*time.Second)
	def(&c.PublishTimeout, time.Second)
	return c
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Deps is what the services stand on. DB is needed by all, Tickets and Publisher by
// Farm alone; the rest has defaults.
type Deps struct {
	DB          *db.DB
	Tickets     Tickets
	Publisher   Publisher
	Interpreter Interpreter               // default Lexicon
	Clock       Clock                     // default SystemClock
	NewID       func() (uuid.UUID, error) // default uuid.NewV7
	Random      io.Reader                 // seeds and jitter; default crypto/rand; safe for concurrent use
	Log         *slog.Logger              // default: discard
	Config      Config
}

func (d Deps) withDefaults() Deps {
	if d.Interpreter == nil {
		d.Interpreter = Lexicon{}
	}
	if d.Clock == nil {
		d.Clock = SystemClock{}
	}
	if d.NewID == nil {
		d.NewID = uuid.NewV7
	}
	if d.Random == nil {
		d.Random = rand.Reader
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	d.Config = d.Config.withDefaults()
	return d
}

// now is the time as the databases keep it: UTC, in microseconds.
func (d Deps) now() time.Time { return d.Clock.Now().UTC().Truncate(time.Microsecond) }

// uint32 draws a random number.
func (d Deps) uint32() (uint32, error) {
	var b [4]byte
	if _, err := io.ReadFull(d.Random, b[:]); err != nil {
		return 0, fmt.Errorf("draw a random number: %w", err)
	}
	return binary.LittleEndian.Uint32(b[:]), nil
}
