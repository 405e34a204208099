package limit

import (
	"net/netip"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

func newLimiter(t *testing.T, cfg Config) (*Limiter, *miniredis.Miniredis) {
	t.Helper()
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return New(client, cfg), server
}

var (
	home  = netip.MustParseAddr("192.0.2.1")
	other = netip.MustParseAddr("192.0.2.2")
)

func TestGenerationsCountByOwnerAndByAddress(t *testing.T) {
	t.Parallel()
	l, _ := newLimiter(t, Config{Generations: 2, Requests: 100})
	for range 2 {
		require.True(t, l.Allow(t.Context(), Generations, "anon:a", home).Allowed)
	}
	d := l.Allow(t.Context(), Generations, "anon:a", other)
	require.False(t, d.Allowed, "another address does not help")
	require.Positive(t, d.RetryAfter)
	require.Equal(t, 2, d.Limit)

	for i := range 2*perAddress - 2 {
		require.True(t, l.Allow(t.Context(), Generations, "anon:"+string(rune('b'+i)), home).Allowed)
	}
	require.False(t, l.Allow(t.Context(), Generations, "anon:z", home).Allowed, "nor does a new cookie for each request")
	require.True(t, l.Allow(t.Context(), Generations, "anon:z", other).Allowed)
}

func TestBucketsAreApart(t *testing.T) {
	t.Parallel()
	l, _ := newLimiter(t, Config{Generations: 1, Requests: 1})
	require.True(t, l.Allow(t.Context(), Requests, "", home).Allowed)
	require.False(t, l.Allow(t.Context(), Requests, "", home).Allowed)
	require.True(t, l.Allow(t.Context(), Interpret, "", home).Allowed)
	require.True(t, l.Allow(t.Context(), Generations, "anon:a", home).Allowed)
}

func TestAnIPv6NetworkIsOneAddress(t *testing.T) {
	t.Parallel()
	l, _ := newLimiter(t, Config{Generations: 1, Requests: 1})
	require.True(t, l.Allow(t.Context(), Requests, "", netip.MustParseAddr("2001:db8::1")).Allowed)
	require.False(t, l.Allow(t.Context(), Requests, "", netip.MustParseAddr("2001:db8::2")).Allowed)
	require.True(t, l.Allow(t.Context(), Requests, "", netip.MustParseAddr("2001:db8:0:1::1")).Allowed)
	require.True(t, l.Allow(t.Context(), Requests, "", netip.MustParseAddr("::ffff:192.0.2.9")).Allowed)
	require.False(t, l.Allow(t.Context(), Requests, "", netip.MustParseAddr("192.0.2.9")).Allowed)
}

func TestOffAndAbsentRedisAllow(t *testing.T) {
	t.Parallel()
	off, _ := newLimiter(t, Config{Off: true, Generations: 1, Requests: 1})
	absent, server := newLimiter(t, Config{Generations: 1, Requests: 1})
	server.Close()
	for range 3 {
		require.True(t, off.Allow(t.Context(), Requests, "", home).Allowed)
		require.True(t, absent.Allow(t.Context(), Requests, "", home).Allowed)
	}
}
