package live

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/google/uuid"

	"patchlab/internal/model"
)

// Subscription is one reader of one job. Next is for one goroutine; Close may be
// called from any, and must be called.
type Subscription struct {
	hub   *Hub
	jobID uuid.UUID
	audio bool

	mu       sync.Mutex
	started  bool                    // has its snapshot
	job      *model.Job              // the newest view that was pushed
	state    []Message               // never dropped; bounded by HubConfig.MaxState
	progress map[uuid.UUID]Message   // the newest for each sound
	order    []uuid.UUID             // sounds with progress, the longest waiting first
	sent     map[uuid.UUID]time.Time // when a sound's progress was last given
	chunks   []Message               // the newest; bounded by HubConfig.MaxAudio
	err      error                   // why there is no more, once state is read
	wake     chan struct{}
}

func newSubscription(h *Hub, jobID uuid.UUID, audio bool) *Subscription {
	return &Subscription{
		hub:      h,
		jobID:    jobID,
		audio:    audio,
		progress: make(map[uuid.UUID]Message),
		sent:     make(map[uuid.UUID]time.Time),
		wake:     make(chan struct{}, 1),
	}
}

// JobID returns the job that is watched.
func (s *Subscription) JobID() uuid.UUID { return s.jobID }

// Next returns the next message: the state of the job first, then progress (for
// each sound the newest only, at most ten times a second), then audio. After the
// final message it returns io.EOF.
func (s *Subscription) Next(ctx context.Context) (Message, error) {
	for {
		msg, ok, wait, err := s.take()
		if ok || err != nil {
			return msg, err
		}
		var due <-chan time.Time
		var timer *time.Timer
		if wait > 0 {
			timer = time.NewTimer(wait)
			due = timer.C
		}
		select {
		case <-s.wake:
		case <-due:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if timer != nil {
			timer.Stop()
		}
		if err != nil {
			return Message{}, err
		}
	}
}

// take returns what is due, or how long to wait for held progress (0: for a wake-up).
func (s *Subscription) take() (msg Message, ok bool, wait time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.state) > 0 {
		msg, s.state = s.state[0], s.state[1:]
		return msg, true, 0, nil
	}
	if s.err != nil {
		return Message{}, false, 0, s.err
	}
	now := s.hub.cfg.now()
	for i, id := range s.order {
		left := s.hub.cfg.ProgressEvery - now.Sub(s.sent[id])
		if left <= 0 {
			msg = s.progress[id]
			if msg.Job != s.job { // state has overtaken it
				msg.Job, msg.Version, msg.shared = s.job, s.job.Version, nil
			}
			delete(s.progress, id)
			s.order = append(s.order[:i], s.order[i+1:]...)
			s.sent[id] = now
			return msg, true, 0, nil
		}
		if wait == 0 || left < wait {
			wait = left
		}
	}
	if len(s.chunks) > 0 {
		msg, s.chunks = s.chunks[0], s.chunks[1:]
		return msg, true, 0, nil
	}
	return Message{}, false, wait, nil
}

// Close ends the subscription. It may be called twice.
func (s *Subscription) Close() {
	s.hub.remove(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = ErrClosed
	s.drop(true)
	s.signal()
}

// fail ends a subscription that has not ended; what it has not read is dropped.
func (s *Subscription) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.err = err
	s.drop(true)
	s.signal()
}

func (s *Subscription) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// drop forgets what may be forgotten, and the state as well where asked to.
func (s *Subscription) drop(state bool) {
	clear(s.progress)
	s.order, s.chunks = nil, nil
	if state {
		s.state = nil
	}
}

// pushState adds what must not be lost, or ends a hopeless reader.
func (s *Subscription) pushState(msg Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || (!s.started && msg.Type != Snapshot) {
		return
	}
	s.job = msg.Job
	switch msg.Type {
	case Snapshot:
		s.started = true
		// It holds all progress there is, so what waits is old.
		clear(s.progress)
		s.order = nil
		if n := len(s.state); n > 0 && s.state[n-1].Type == Snapshot {
			s.state[n-1] = msg
			return
		}
	case Take:
		s.forget(msg.Sound.ID)
	case Complete, Failed, Cancelled:
		s.drop(false)
		s.err = io.EOF
	case Progress, Audio:
	}
	if len(s.state) >= s.hub.cfg.MaxState {
		s.drop(true)
		s.err = ErrSlow
	} else {
		s.state = append(s.state, msg)
	}
	s.signal()
}

// forget drops the progress of a sound.
func (s *Subscription) forget(sound uuid.UUID) {
	delete(s.sent, sound)
	if _, ok := s.progress[sound]; !ok {
		return
	}
	delete(s.progress, sound)
	for i, id := range s.order {
		if id == sound {
			s.order = append(s.order[:i], s.order[i+1:]...)
			break
		}
	}
}

// pushProgress replaces what waits for the sound.
func (s *Subscription) pushProgress(msg Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || !s.started {
		return
	}
	s.job = msg.Job
	id := msg.Progress[0].SoundID
	if _, ok := s.progress[id]; !ok {
		s.order = append(s.order, id)
	}
	s.progress[id] = msg
	s.signal()
}

// pushAudio adds a chunk; where too many wait, the oldest goes.
func (s *Subscription) pushAudio(msg Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || !s.started || !s.audio {
		return
	}
	if len(s.chunks) >= s.hub.cfg.MaxAudio {
		s.chunks = s.chunks[1:]
	}
	s.chunks = append(s.chunks, msg)
	s.signal()
}
