// Package model holds the words that every part of PatchLAB shares: jobs,
// tasks, sounds, assets, who is calling, and the one error type. It knows no
// database, no HTTP and no Redis.
package model

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"patchlab/engine/patch"
)

// State is the state of a job, a task or a sound.
type State string

// The states. Succeeded, failed and cancelled are final.
const (
	Queued    State = "queued"
	Running   State = "running"
	Succeeded State = "succeeded"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Final reports whether nothing can change any more.
func (s State) Final() bool { return s == Succeeded || s == Failed || s == Cancelled }

// JobKind says what a job was asked to do.
type JobKind string

// The kinds of jobs.
const (
	JobGenerate  JobKind = "generate"  // renders the takes of one prompt
	JobVariation JobKind = "variation" // renders relatives of a sound
	JobPack      JobKind = "pack"      // renders the sounds of a pack and puts them into a ZIP
	JobRestore   JobKind = "restore"   // renders a sound again whose audio is gone
)

// StageAssembling is the stage of a pack's job whose sounds are final: the ZIP is made.
const StageAssembling = "assembling"

// TaskKind says what a task does.
type TaskKind string

// The kinds of tasks.
const (
	TaskRender   TaskKind = "render"   // renders one sound
	TaskAssemble TaskKind = "assemble" // puts the sounds of a pack into a ZIP
	TaskRestore  TaskKind = "restore"  // renders one sound again whose audio is gone
)

// Lane is one of the two queues of the farm.
type Lane string

// The lanes. Slots are reserved for the interactive one.
const (
	Interactive Lane = "interactive"
	Bulk        Lane = "bulk"
)

// Lanes returns every lane, the most urgent first.
func Lanes() []Lane { return []Lane{Interactive, Bulk} }

// MaxSlots is the most tasks that one worker runs at a time.
const MaxSlots = 1024

// BulkSlots returns how many of a worker's slots the bulk lane may fill. A quarter
// of them, and at least one where there are two, is kept for the interactive lane:
// who waits for a sound finds a slot, however much bulk work there is.
func BulkSlots(slots int) int {
	if slots < 2 {
		return max(0, slots)
	}
	return slots - max(1, slots/4)
}

// SlotsFor returns the slots with which a worker's bulk work alone can use all
// CPUs: the fewest above one for which BulkSlots is cpus.
func SlotsFor(cpus int) int {
	cpus = max(1, cpus)
	return cpus + max(1, (cpus-1)/3)
}

// Caller is who makes a request: a user, or an anonymous visitor known by the
// SHA-256 (hex) of a random cookie. Exactly one of the two is set.
type Caller struct {
	UserID  *uuid.UUID
	AnonKey string
}

// Owner returns the caller as one string, the key of fair shares, idempotency
// keys and rate limits: "user:<uuid>" or "anon:<hex>".
func (c Caller) Owner() string {
	if c.UserID != nil {
		return "user:" + c.UserID.String()
	}
	return "anon:" + c.AnonKey
}

// Ticket is a hint on the queue that a task is waiting. It is never the record:
// the row in tasks is. Attempt is a fence: a claim compares it with the row.
type Ticket struct {
	TaskID  uuid.UUID `json:"task_id"`
	Attempt int       `json:"attempt"`
	Kind    TaskKind  `json:"kind"`
	Lane    Lane      `json:"lane"`
	// Alone says that a worker must run nothing beside it: the task was there when a
	// worker crashed.
	Alone bool `json:"alone,omitempty"`
}

// Job is one accepted request with its sounds.
type Job struct {
	ID          uuid.UUID
	Owner       Caller
	Kind        JobKind
	State       State
	Lane        Lane
	Version     int64  // raised by every transaction that changes the job; the event id
	Stage       string // StageAssembling, or "" before it and in jobs of other kinds
	PackID      *uuid.UUID
	Total       int // sounds that it was to render
	Remaining   int // tasks that are not final
	FailedCount int
	Error       *Failure
	RetryOf     *uuid.UUID
	Attempts    int // the highest attempt of its tasks
	CreatedAt   time.Time
	StartedAt   *time.Time
	FinishedAt  *time.Time

	// Sounds in order of position. Of a job of a pack there are those alone that became
	// final since the version that was asked for.
	Sounds []Sound

	QueuePosition *int           // number of tasks that run before this job's first waiting one; nil when none waits
	ETA           *time.Duration // honest estimate until the job ends; nil when unknown or final
}

// Sound is one entry of a library.
type Sound struct {
	ID          uuid.UUID
	Owner       Caller
	JobID       uuid.UUID
	TaskID      uuid.UUID
	Position    int // 0-based place among the takes of its job
	ParentID    *uuid.UUID
	PackID      *uuid.UUID
	Ended       int64 // version of its job by which a sound of a pack became final; 0 before, and of other sounds
	Prompt      string
	Name        string
	State       State
	Patch       patch.Patch
	Format      string          // "wav"
	Explanation json.RawMessage // the interpretation, as package prompt encodes it
	Asset       *Asset          // nil until rendered
	Error       *Failure
	CreatedAt   time.Time
	FinishedAt  *time.Time // when its audio was rendered last
	ExpiresAt   *time.Time
	DeletedAt   *time.Time // hidden since then, and removed after a grace; nil = not deleted
}

// Pack is a named, ordered set of sounds with a ZIP.
type Pack struct {
	ID        uuid.UUID
	Owner     Caller
	Job       Job // its last build, without sounds
	Name      string
	Theme     string // "" where it was not planned from one
	Format    string // of its sounds: "wav"
	Total     int    // sounds
	Counts    map[State]int
	Asset     *Asset // the ZIP of the last build that arrived
	CreatedAt time.Time
	ExpiresAt *time.Time
	DeletedAt *time.Time // as of a sound
}

// PackSound is a sound of a pack, as far as a list of them needs it.
type PackSound struct {
	ID       uuid.UUID
	Position int // 0-based
	Name     string
	Prompt   string
	State    State
	Size     int64         // bytes of its file; 0 until rendered
	Length   time.Duration // 0 until rendered
	Source   string        // of its first layer
	Peaks    Peaks         // of at most PackPeakBuckets stretches; nil until rendered
	Error    *Failure
}

// PackPeakBuckets is the number of stretches in the small overview of a sound of a pack.
const PackPeakBuckets = 24

// Asset is a stored blob, found by the digest of its recipe.
type Asset struct {
	ID         uuid.UUID
	Digest     string // hex SHA-256 of the canonical recipe
	Format     string // "wav", "zip"
	Key        string // where the blob is, see package storage
	Size       int64  // bytes
	ETag       string // hex SHA-256 of the bytes
	Engine     string // engine version that rendered it
	Encoder    string // encoder version that wrote it
	Frames     int64
	SampleRate int // Hz
	Channels   int
	Peaks      Peaks
	CreatedAt  time.Time
}

// Peaks is the overview of a waveform: for each of at most PeakBuckets equal
// stretches of time the lowest and the highest sample over all channels,
// interleaved (min, max, min, max, …), scaled so that ±127 is full scale.
type Peaks []int8

// Coarser returns the overview in at most so many stretches.
func (p Peaks) Coarser(buckets int) Peaks {
	n := len(p) / 2
	if n <= buckets {
		return p
	}
	out := make(Peaks, 2*buckets)
	for i := range buckets {
		lo, hi := p[2*(i*n/buckets)], p[2*(i*n/buckets)+1]
		for j := i * n / buckets; j < (i+1)*n/buckets; j++ {
			lo, hi = min(lo, p[2*j]), max(hi, p[2*j+1])
		}
		out[2*i], out[2*i+1] = lo, hi
	}
	return out
}

// PeakBuckets is the number of stretches in the overview of a whole sound.
const PeakBuckets = 512

// Failure is why a task, a sound or a job failed, in words for its owner.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// The codes of failures that are no fault of what was to be made: a part of the farm was
// away. They are tried again for longer than others.
const (
	FailureStorage  = "storage_unavailable"
	FailureDatabase = "database_unavailable"
)

// Outage reports whether a part of the farm was away.
func (f Failure) Outage() bool { return f.Code == FailureStorage || f.Code == FailureDatabase }

// Progress is how far one attempt at a task has come. It orders by
// (TaskID, Attempt, Frames), is fleeting, and may be lost.
type Progress struct {
	JobID   uuid.UUID `json:"job_id"`
	SoundID uuid.UUID `json:"sound_id"`
	TaskID  uuid.UUID `json:"task_id"`
	Attempt int       `json:"attempt"`
	Stage   string    `json:"stage"`   // "rendering", "encoding", "storing"
	Percent float64   `json:"percent"` // 0..100
	Frames  int64     `json:"frames"`  // rendered so far
	Total   int64     `json:"total"`   // frames in all
	Peaks   []int     `json:"peaks"`   // so far, as in Peaks; cumulative from the start of the sound
}

// AudioChunk is a stretch of preview PCM of one attempt: 16-bit mono at
// PreviewRate, never stored.
type AudioChunk struct {
	JobID   uuid.UUID
	SoundID uuid.UUID
	Attempt int
	Offset  int64 // in samples at PreviewRate
	PCM     []int16
}

// PreviewRate is the sample rate of preview PCM in Hz.
const PreviewRate = 24000
