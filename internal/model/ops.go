package model

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// Settings is what ops have set while all runs. The zero value sets nothing.
type Settings struct {
	Paused      map[Lane]bool             // lanes from which nothing is taken
	Concurrency int                       // of each worker; 0 = as it is configured
	Workers     map[string]WorkerSettings // by name
	Rows        []Setting                 // who set what, and when
}

// WorkerSettings is what ops have set for the workers of one name.
type WorkerSettings struct {
	Concurrency int  // 0 = that of all
	Drained     bool // takes nothing
}

// Slots returns how many tasks a worker may run at a time that is configured to run so
// many; 0 where it is drained.
func (s Settings) Slots(name string, configured int) int {
	own := s.Workers[name]
	switch {
	case own.Drained:
		return 0
	case own.Concurrency > 0:
		return own.Concurrency
	case s.Concurrency > 0:
		return s.Concurrency
	}
	return configured
}

// Setting is one thing that was set, by whom and when.
type Setting struct {
	Key   string // "lane:bulk", "workers" or "worker:<name>"
	Value json.RawMessage
	By    string
	At    time.Time
}

// WorkerInfo is a live worker as the farm knows it.
type WorkerInfo struct {
	ID        uuid.UUID
	Name      string // outlives the process
	Host      string
	Version   string
	Slots     int     // tasks that it may run at a time; 0 = drained
	Running   int     // tasks that it ran at its last beat
	CPU       float64 // CPUs that its process used, since the beat before
	CPUs      int     // that it may use
	Memory    int64   // bytes that its process holds
	StartedAt time.Time
	SeenAt    time.Time // of its last beat, by its clock
}

// RunningTask is a task that a worker has in hand.
type RunningTask struct {
	TaskID    uuid.UUID
	JobID     uuid.UUID
	SoundID   *uuid.UUID
	Owner     string
	Kind      TaskKind
	Lane      Lane
	Attempt   int
	Alone     bool // a worker crashed with it before
	Worker    string
	StartedAt time.Time
}

// LaneState is how a lane stands.
type LaneState struct {
	Lane     Lane
	Paused   bool
	Slots    int        // that all live workers have for it
	Waiting  int        // tasks not yet released
	Released int        // tasks with a ticket on the queue
	Running  int        // tasks in hand
	DueSince *time.Time // when the oldest that waits was due; nil = none is
}

// Throughput is what was rendered in a stretch of time.
type Throughput struct {
	Over   time.Duration
	Sounds int
	Audio  time.Duration // length of all of them
	Failed map[string]int
}

// Overview is the state of the whole farm.
type Overview struct {
	At         time.Time
	Lanes      []LaneState
	Running    []RunningTask // the oldest first, a bounded number of them
	Workers    []WorkerInfo
	Throughput []Throughput
	Settings   Settings
}

// DeadTask is a task that has failed for good.
type DeadTask struct {
	TaskID     uuid.UUID
	JobID      uuid.UUID
	SoundID    *uuid.UUID
	PackID     *uuid.UUID
	Owner      string
	Kind       TaskKind
	Prompt     string // "" where it made no sound
	Failures   int
	Attempts   int
	Crashes    int
	Error      *Failure
	CreatedAt  time.Time
	FinishedAt time.Time
}

// AuditEvent is something that ops did.
type AuditEvent struct {
	ID      uuid.UUID
	Actor   string
	Action  string // "lane.pause", "worker.drain", "job.cancel" and the like
	Subject string // what it was done to
	Detail  json.RawMessage
	At      time.Time
}
