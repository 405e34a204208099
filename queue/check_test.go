package queue_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"patchlab/internal/testenv"
	"patchlab/queue"
)

func TestCheckSaysWhatIsWrongWithARedis(t *testing.T) {
	t.Parallel()
	rdb := testenv.StartRedis(t).Client(t)
	ctx := context.Background()
	require.NoError(t, queue.Check(ctx, rdb))

	require.NoError(t, rdb.ConfigSet(ctx, "maxmemory-policy", "allkeys-lru").Err())
	require.EqualError(t, queue.Check(ctx, rdb), `redis has maxmemory-policy "allkeys-lru" and may throw tickets away: set it to noeviction`)
	require.NoError(t, rdb.ConfigSet(ctx, "maxmemory-policy", "noeviction").Err())
	require.NoError(t, queue.Check(ctx, rdb), "mended while it runs")

	away, err := queue.Open("redis://127.0.0.1:1/0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = away.Close() })
	require.ErrorContains(t, queue.Check(ctx, away), "redis does not answer")
}
