package live_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"patchlab/internal/live"
	"patchlab/internal/model"
)

func TestStoredProgressWithoutAnEnd(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		stored := live.NewStored(rdb)
		endless := func() map[uuid.UUID]bool {
			t.Helper()
			found := map[uuid.UUID]bool{}
			require.NoError(t, stored.Endless(ctx, func(jobs []uuid.UUID) error {
				for _, id := range jobs {
					found[id] = true
				}
				return nil
			}))
			return found
		}
		require.Empty(t, endless())

		// What is published has an end; what is no progress is left alone.
		pub := live.NewPublisher(rdb, quiet)
		require.NoError(t, pub.Progress(ctx, model.Progress{JobID: uuid.New(), SoundID: uuid.New(), Stage: "rendering"}))
		require.NoError(t, rdb.Set(ctx, "live:progress:rubbish", "x", 0).Err())
		want := map[uuid.UUID]bool{}
		var jobs []uuid.UUID
		for range 1200 { // more than one answer of Redis has
			id := uuid.New()
			jobs, want[id] = append(jobs, id), true
			require.NoError(t, rdb.HSet(ctx, "live:progress:"+id.String(), "a", "b").Err())
		}
		require.Equal(t, want, endless())
		n, err := stored.Forget(ctx, append(jobs[1:], uuid.New()))
		require.NoError(t, err)
		require.Equal(t, 1199, n)
		require.Equal(t, map[uuid.UUID]bool{jobs[0]: true}, endless())
		n, err = stored.Forget(ctx, nil)
		require.NoError(t, err)
		require.Zero(t, n)
		keys, err := rdb.Keys(ctx, "*").Result()
		require.NoError(t, err)
		require.Len(t, keys, 3)

		stop := context.Canceled
		require.ErrorIs(t, stored.Endless(ctx, func([]uuid.UUID) error { return stop }), stop)
	})
}
