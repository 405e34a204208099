package queue_test

import (
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"patchlab/internal/model"
	"patchlab/internal/testenv"
	"patchlab/queue"
)

// benchBoth runs a benchmark on a real Redis and on the embedded one.
func benchBoth(b *testing.B, bench func(b *testing.B, rdb *redis.Client)) {
	b.Run("redis", func(b *testing.B) {
		bench(b, testenv.StartRedis(b).Client(b))
	})
	b.Run("embedded", func(b *testing.B) {
		e, err := queue.StartEmbedded()
		require.NoError(b, err)
		rdb := e.Client()
		bench(b, rdb)
		require.NoError(b, rdb.Close())
		require.NoError(b, e.Close())
	})
}

// BenchmarkPickup measures how long a ticket waits for an idle server.
func BenchmarkPickup(b *testing.B) {
	benchBoth(b, func(b *testing.B, rdb *redis.Client) { pickup(b, rdb, 0) })
}

// BenchmarkPickupBesideBulk is the same while bulk work fills all slots that it may,
// and much more of it waits.
func BenchmarkPickupBesideBulk(b *testing.B) {
	benchBoth(b, func(b *testing.B, rdb *redis.Client) { pickup(b, rdb, 10_000) })
}

func pickup(b *testing.B, rdb *redis.Client, backlog int) {
	b.Helper()
	c := queue.NewClient(rdb)
	for range backlog {
		require.NoError(b, c.Enqueue(b.Context(), ticket(model.Bulk, 1)))
	}
	picked := make(chan time.Time)
	s := queue.NewServer(rdb, queue.ServerConfig{Concurrency: 3, Grace: -1}, func(ctx context.Context, tk model.Ticket) error {
		if tk.Lane == model.Interactive {
			picked <- time.Now()
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond): // a short sound
		case <-ctx.Done():
		}
		return nil
	})
	require.NoError(b, s.Start())
	var took []time.Duration
	for b.Loop() {
		time.Sleep(20*time.Millisecond + rand.N(100*time.Millisecond)) // idle again, at no fixed phase
		begin := time.Now()
		require.NoError(b, c.Enqueue(b.Context(), ticket(model.Interactive, 1)))
		took = append(took, (<-picked).Sub(begin))
	}
	slices.Sort(took)
	ms := func(share float64) float64 {
		return float64(took[int(share*float64(len(took)-1))].Microseconds()) / 1000
	}
	b.ReportMetric(0, "ns/op") // mostly the pauses
	b.ReportMetric(ms(0.5), "p50-ms")
	b.ReportMetric(ms(0.95), "p95-ms")
	require.NoError(b, s.Stop(context.Background()))
}

// BenchmarkIdle measures what a server costs that has nothing to do: what it asks
// Redis, and the CPU of this process, which on the embedded Redis is both sides.
// One operation is a second.
func BenchmarkIdle(b *testing.B) {
	benchBoth(b, func(b *testing.B, rdb *redis.Client) {
		var writes atomic.Int64
		opt := *rdb.Options()
		opt.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			return countingConn{conn, &writes}, err
		}
		counted := redis.NewClient(&opt)
		s := queue.NewServer(counted, queue.ServerConfig{Concurrency: 2}, func(context.Context, model.Ticket) error { return nil })
		require.NoError(b, s.Start())
		time.Sleep(time.Second) // what it says only once
		before, cpu, begin := writes.Load(), cpuTime(b), time.Now()
		for b.Loop() {
			time.Sleep(time.Second)
		}
		seconds := time.Since(begin).Seconds()
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(writes.Load()-before)/seconds, "commands/s")
		b.ReportMetric(100*(cpuTime(b)-cpu).Seconds()/seconds, "%cpu")
		require.NoError(b, s.Stop(context.Background()))
		require.NoError(b, counted.Close())
	})
}

// countingConn counts writes: each is a command, or a pipeline of some.
type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// cpuTime is what this process has used of the CPUs.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
