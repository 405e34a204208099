// Package live tells watchers how their jobs come on. Workers and services
// publish over Redis; the Hub of each API process fans out to its subscribers.
//
// State comes from the database only: a publication merely says that a job has a
// new version, and the versions of watched jobs are read again every two seconds,
// so nothing that a dying worker or a restarting Redis swallows stays hidden.
// Progress and preview audio are fleeting and may be lost.
//
// The package knows no HTTP.
package live

import (
	"errors"
	"sync"

	"github.com/google/uuid"

	"patchlab/internal/model"
)

// Type says what a Message is.
type Type string

// The types of messages. After Complete, Failed or Cancelled a subscription ends.
const (
	Snapshot  Type = "snapshot"  // Job and Progress: all there is to know
	Progress  Type = "progress"  // Progress has one entry
	Take      Type = "take"      // Sound is final
	Complete  Type = "complete"  // the job has succeeded
	Failed    Type = "failed"    // the job has failed
	Cancelled Type = "cancelled" // the job was cancelled
	Audio     Type = "audio"     // Chunk
)

// Message is one thing that a subscriber is told. What it points to is shared
// with other subscribers: read it only.
type Message struct {
	Type     Type
	JobID    uuid.UUID
	Version  int64             // of the job
	Job      *model.Job        // the newest view; nil for Audio alone
	Sound    *model.Sound      // of Take, one of Job.Sounds
	Progress []model.Progress  // of Snapshot and Progress
	Chunk    *model.AudioChunk // of Audio

	shared *shared // with those who get the same; nil where nobody does
}

// shared is what the readers of a message make of it.
type shared struct {
	once sync.Once
	made any
}

// Shared returns what the first of those who were given this very message has made of
// it, such as its encoding; where there is no other, of this one. All must make the same
// type, and only read it.
func (m *Message) Shared(encode func() any) any {
	if m.shared == nil {
		return encode()
	}
	m.shared.once.Do(func() { m.shared.made = encode() })
	return m.shared.made
}

// StageQueued is the stage of a sound that waits for a worker. The hub makes
// such progress when the place in the queue, Job.QueuePosition, has changed.
const StageQueued = "queued"

// Why a subscription ended. One that ended well gives io.EOF.
var (
	// ErrSlow means that the reader fell hopelessly behind. Subscribe again: the
	// snapshot makes up for everything.
	ErrSlow = errors.New("live: the reader is too slow")
	// ErrClosed means that the hub or the subscription was closed.
	ErrClosed = errors.New("live: closed")
	// ErrGone means that the job was removed.
	ErrGone = errors.New("live: the job is gone")
)

// newer reports whether p comes after q in the life of one sound.
func newer(p, q model.Progress) bool {
	if p.Attempt != q.Attempt {
		return p.Attempt > q.Attempt
	}
	if p.Frames != q.Frames {
		return p.Frames > q.Frames
	}
	return p.Percent > q.Percent
}
