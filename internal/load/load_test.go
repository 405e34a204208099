package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestQuantile(t *testing.T) {
	t.Parallel()
	up := func(n int) []time.Duration {
		var out []time.Duration
		for i := n; i > 0; i-- { // they come in no order
			out = append(out, time.Duration(i))
		}
		return out
	}
	for _, c := range []struct {
		n    int
		q    float64
		want time.Duration
	}{
		{0, .5, 0},
		{1, .5, 1},
		{1, .99, 1},
		{2, .5, 1},
		{3, .5, 2},
		{4, .95, 4},
		{100, .5, 50},
		{100, .9, 90},
		{100, .99, 99},
		{100, 1, 100},
		{100, 0, 1},
		{200, .99, 198},
		{1000, .999, 999},
	} {
		require.Equal(t, c.want, quantile(up(c.n), c.q), "%v of %d", c.q, c.n)
	}
	values := up(3)
	quantile(values, .5)
	require.Equal(t, up(3), values, "the values stay in their order")
}

func TestParts(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 1.5, each(3*time.Second, 2000), 1e-9)
	require.Zero(t, each(time.Second, 0))
	require.InDelta(t, 0.25, ratio(time.Second, 4*time.Second), 1e-9)
	require.Zero(t, ratio(time.Second, 0))
	a, b := cost{5, 7, 9, 11}, cost{1, 2, 3, 4}
	require.Equal(t, cost{4, 5, 6, 7}, a.minus(b))
	require.Equal(t, a, a.minus(b).plus(b))
	require.EqualValues(t, 32, a.total())
}

func TestProcesses(t *testing.T) {
	t.Parallel()
	const line = "4242 (odd) name) S 17 4242 4242 0 -1 4194560 100 200 0 0 31 12 5 2 20 0 9 0 100 200 300\n"
	s, err := parseStat([]byte(line))
	require.NoError(t, err)
	require.Equal(t, stat{parent: 17, own: 430 * time.Millisecond, children: 70 * time.Millisecond}, s)
	for _, bad := range []string{"", "1 name S 2", "1 (name) S 2 3", strings.Replace(line, " 31 ", " x ", 1)} {
		_, err := parseStat([]byte(bad))
		require.Error(t, err, "%q", bad)
	}

	busy, err := parseBusy("cpu  100 1 20 9999 50 3 4 2 7 8\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
	require.NoError(t, err)
	require.Equal(t, 1300*time.Millisecond, busy, "without idle, iowait and guests, which user has counted")
	for _, bad := range []string{"", "cpu 1 2", "intr 1 2 3 4 5 6 7 8 9", "cpu 1 2 3 4 5 6 x 8"} {
		_, err := parseBusy(bad)
		require.Error(t, err, "%q", bad)
	}

	size, err := parseMemory("Name:\tworker\nVmHWM:\t  9000 kB\nVmRSS:\t    2048 kB\n")
	require.NoError(t, err)
	require.EqualValues(t, 2<<20, size)
	for _, bad := range []string{"", "VmRSS: many kB\n", "VmRSS:\t2048\n"} {
		_, err := parseMemory(bad)
		require.Error(t, err, "%q", bad)
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	n, err := parseCommands("# Commandstats\r\ncmdstat_evalsha:calls=120,usec=9,rejected_calls=0\r\ncmdstat_info:calls=1000,usec=1\r\ncmdstat_client|setinfo:calls=3,usec=4\r\n")
	require.NoError(t, err)
	require.EqualValues(t, 123, n)
	_, err = parseCommands("cmdstat_get:calls=many,usec=1\n")
	require.Error(t, err)

	value, ok := metric("# HELP a_total x\na_total_more 3\na_total 1.5e-1\n", "a_total")
	require.True(t, ok)
	require.InDelta(t, 0.15, value, 1e-9)
	_, ok = metric("a_total{lane=\"x\"} 1\n", "a_total")
	require.False(t, ok)

	require.Equal(t, "http://127.0.0.1:1", listening([]byte("no JSON\n{\"msg\":\"starting\"}\n{\"msg\":\"listening\",\"url\":\"http://127.0.0.1:1\"}\n{\"msg\":\"liste")))
	require.Empty(t, listening([]byte(`{"msg":"starting"}`)))
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	r := &result{title: "T", head: []string{"a", "b"}}
	r.row("x", 1.234)
	r.row(7, 123.4)
	r.below("p50", 39.94, 40, "ms")
	r.below("p90", 40, 40, "ms")
	r.atMost("errors", 0, 0, "")
	r.atMost("growth", 1.26, 1.25, "times")
	r.note("n %d", 1)
	require.Equal(t, 2, r.missed())
	require.Equal(t, `### T

| a | b |
|---|---|
| x | 1.23 |
| 7 | 123 |

- PASS: p50: 39.9, must be below 40 ms
- **FAIL**: p90: 40, must be below 40 ms
- PASS: errors: 0, must be at most 0
- **FAIL**: growth: 1.26, must be at most 1.25 times
- n 1
`, r.markdown())
}

func TestChosen(t *testing.T) {
	t.Parallel()
	all, err := chosen("")
	require.NoError(t, err)
	require.Len(t, all, len(scenarios()))
	two, err := chosen("size, idle")
	require.NoError(t, err)
	require.Equal(t, []string{"size", "idle"}, []string{two[0].name, two[1].name})
	_, err = chosen("idle,nothing")
	require.ErrorContains(t, err, "nothing")
}

func TestSeedsAreNotUsedTwice(t *testing.T) {
	t.Parallel()
	of := func(seed uint) map[uint32]bool {
		b, seen := &bench{opt: options{seed: seed, scale: 1}}, map[uint32]bool{}
		for _, s := range b.pack(500, 2).Sounds {
			seen[s.Seed] = true
		}
		require.Len(t, seen, 500)
		return seen
	}
	one := of(1)
	require.Equal(t, one, of(1), "the same seed asks for the same sounds")
	for s := range of(2) {
		require.False(t, one[s])
	}
}
