package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"patchlab/internal/model"
)

const (
	// publishTimeout bounds one publication.
	publishTimeout = 500 * time.Millisecond
	// restAfterError is how long publications are dropped after one failed, so
	// that an absent Redis costs its callers next to nothing.
	restAfterError = time.Second
	// logEvery limits how often the same trouble is logged.
	logEvery = 10 * time.Second
	// progressTTL is how long progress is kept after the last of a job.
	progressTTL = time.Hour
	// audienceTTL is how long the number of listeners is believed.
	audienceTTL = 500 * time.Millisecond
	// maxAudiences bounds the memory for it.
	maxAudiences = 1024
)

// errResting is what publications give while the publisher rests after an error.
var errResting = errors.New("live: not published, Redis failed a moment ago")

// storeProgress keeps progress where it is not older than what is stored
// (an attempt that lost its task may still talk) and then publishes it.
//
// KEYS: hash. ARGV: sound, attempt, frames, thousandths of a percent, JSON,
// TTL in ms, channel, mark.
const storeProgress = `
local old = redis.call('HGET', KEYS[1], ARGV[1])
if old then
  local _, _, a, f, p = string.find(old, '^(%d+) (%d+) (%d+) ')
  if a then
    a, f, p = tonumber(a), tonumber(f), tonumber(p)
    local na, nf, np = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
    if na < a or (na == a and (nf < f or (nf == f and np < p))) then
      return 0
    end
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4] .. ' ' .. ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
redis.call('PUBLISH', ARGV[7], ARGV[8] .. ARGV[5])
return 1
`

// Publisher tells hubs, here and in other processes, what is new. It never
// takes long and never does harm: a call is bounded in time, and one that fails
// is logged (now and then) and forgotten. Its errors may be ignored.
type Publisher struct {
	rdb redis.UniversalClient
	log *slog.Logger
	now func() time.Time

	store *redis.Script

	mu        sync.Mutex
	restUntil time.Time
	logAfter  time.Time
	audiences map[uuid.UUID]audience
}

type audience struct {
	listening bool
	until     time.Time
}

// NewPublisher returns a Publisher on rdb, which the caller keeps and closes.
func NewPublisher(rdb redis.UniversalClient, log *slog.Logger) *Publisher {
	return &Publisher{rdb: rdb, log: log, now: time.Now, store: redis.NewScript(storeProgress), audiences: make(map[uuid.UUID]audience)}
}

// JobChanged says that a job has a new version.
func (p *Publisher) JobChanged(ctx context.Context, jobID uuid.UUID, version int64) error {
	return p.call(ctx, "version", func(ctx context.Context) error {
		return p.rdb.Publish(ctx, jobChannel(jobID), fmt.Sprintf("%c%d", markVersion, version)).Err()
	})
}

// TasksCancelled tells all workers to stop tasks.
func (p *Publisher) TasksCancelled(ctx context.Context, tasks []uuid.UUID) error {
	return p.call(ctx, "cancellation", func(ctx context.Context) error {
		return p.rdb.Publish(ctx, cancelChannel, encodeIDs(tasks)).Err()
	})
}

// SettingsChanged tells all workers to read the settings.
func (p *Publisher) SettingsChanged(ctx context.Context) error {
	return p.call(ctx, "settings", func(ctx context.Context) error {
		return p.rdb.Publish(ctx, settingsChannel, "").Err()
	})
}

// Progress stores and publishes how far an attempt has come. What is older than
// the stored is dropped. The caller keeps to 10 a second for a sound.
func (p *Publisher) Progress(ctx context.Context, pr model.Progress) error {
	body, err := json.Marshal(pr)
	if err != nil {
		return fmt.Errorf("encode progress: %w", err)
	}
	return p.call(ctx, "progress", func(ctx context.Context) error {
		return p.store.Run(ctx, p.rdb, []string{progressKey(pr.JobID)},
			pr.SoundID.String(), pr.Attempt, pr.Frames, int64(math.Round(pr.Percent*1000)), body,
			progressTTL.Milliseconds(), jobChannel(pr.JobID), string(rune(markProgress))).Err()
	})
}

// Audio publishes preview PCM where someone listens.
func (p *Publisher) Audio(ctx context.Context, c model.AudioChunk) error {
	if !p.Listening(ctx, c.JobID) {
		return nil
	}
	return p.call(ctx, "audio", func(ctx context.Context) error {
		n, err := p.rdb.Publish(ctx, audioChannel(c.JobID), encodeChunk(c)).Result()
		if err == nil && n == 0 {
			p.remember(c.JobID, false)
		}
		return err
	})
}

// Listening reports whether anyone wants the preview audio of a job, from an
// answer that is at most 500 ms old. It may ask Redis.
func (p *Publisher) Listening(ctx context.Context, jobID uuid.UUID) bool {
	p.mu.Lock()
	a, ok := p.audiences[jobID]
	p.mu.Unlock()
	if ok && p.now().Before(a.until) {
		return a.listening
	}
	listening := false
	_ = p.call(ctx, "audience", func(ctx context.Context) error {
		channel := audioChannel(jobID)
		n, err := p.rdb.PubSubNumSub(ctx, channel).Result()
		listening = err == nil && n[channel] > 0
		return err
	})
	p.remember(jobID, listening)
	return listening
}

func (p *Publisher) remember(jobID uuid.UUID, listening bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if len(p.audiences) >= maxAudiences {
		for id, a := range p.audiences {
			if !now.Before(a.until) {
				delete(p.audiences, id)
			}
		}
	}
	if len(p.audiences) < maxAudiences {
		p.audiences[jobID] = audience{listening: listening, until: now.Add(audienceTTL)}
	}
}

// call runs one publication. A caller whose context ends does not take the
// publication with it: it is bounded by itself.
func (p *Publisher) call(ctx context.Context, what string, f func(context.Context) error) error {
	p.mu.Lock()
	resting := p.now().Before(p.restUntil)
	p.mu.Unlock()
	if resting {
		return errResting
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	err := f(ctx)
	if err == nil {
		return nil
	}
	p.mu.Lock()
	now := p.now()
	var answered redis.Error
	if !errors.As(err, &answered) { // what Redis refuses, it refuses at once: that is no reason to drop other news
		p.restUntil = now.Add(restAfterError)
	}
	say := !now.Before(p.logAfter)
	if say {
		p.logAfter = now.Add(logEvery)
	}
	p.mu.Unlock()
	if say {
		p.log.Warn("live news is not published; watchers read the database instead", "what", what, "err", err)
	}
	return fmt.Errorf("publish %s: %w", what, err)
}
