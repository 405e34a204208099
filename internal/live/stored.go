package live

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// scanCount is about how many keys Redis looks at for one answer.
const scanCount = 500

// Stored is the progress that Redis keeps. It goes by itself an hour after the last of a
// job; what has no such end would stay for ever.
type Stored struct{ rdb redis.UniversalClient }

// NewStored returns a Stored on rdb, which the caller keeps and closes.
func NewStored(rdb redis.UniversalClient) *Stored { return &Stored{rdb: rdb} }

// Endless calls fn with the jobs, some at a time and perhaps one twice, whose progress has
// no end.
func (s *Stored) Endless(ctx context.Context, fn func(jobs []uuid.UUID) error) error {
	for cursor := uint64(0); ; {
		keys, next, err := s.rdb.Scan(ctx, cursor, progressPrefix+"*", scanCount).Result()
		if err != nil {
			return fmt.Errorf("look for stored progress: %w", err)
		}
		jobs, err := s.endless(ctx, keys)
		if err != nil {
			return err
		}
		if len(jobs) > 0 {
			if err := fn(jobs); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// endless returns the jobs of those of the keys that have no end.
func (s *Stored) endless(ctx context.Context, keys []string) ([]uuid.UUID, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	left := make([]*redis.DurationCmd, len(keys))
	if _, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, key := range keys {
			left[i] = p.PTTL(ctx, key)
		}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("look at the ends of stored progress: %w", err)
	}
	const none = time.Duration(-1) // what Redis says of a key that is there and has no end
	var jobs []uuid.UUID
	for i, key := range keys {
		if id, err := uuid.Parse(strings.TrimPrefix(key, progressPrefix)); err == nil && left[i].Val() == none {
			jobs = append(jobs, id)
		}
	}
	return jobs, nil
}

// Forget removes the progress of jobs and returns of how many there was any.
func (s *Stored) Forget(ctx context.Context, jobs []uuid.UUID) (int, error) {
	if len(jobs) == 0 {
		return 0, nil
	}
	keys := make([]string, len(jobs))
	for i, id := range jobs {
		keys[i] = progressKey(id)
	}
	n, err := s.rdb.Del(ctx, keys...).Result()
	if err != nil {
		return 0, fmt.Errorf("forget stored progress: %w", err)
	}
	return int(n), nil
}
