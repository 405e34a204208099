package chaos_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"patchlab/internal/chaos"
)

// node is the program of the processes, built once.
var node string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "patchlab-chaos-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if node, err = chaos.Build(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// lines writes what a storm says to the log of a test.
type lines struct{ t *testing.T }

func (l lines) Write(b []byte) (int, error) {
	l.t.Logf("%s", b)
	return len(b), nil
}

// Seed 3 is one that found a fault: an API whose clock was hours ahead accepted a job and
// died, and the others waited for those hours.
func TestAShortStorm(t *testing.T) {
	t.Parallel()
	require.NoError(t, chaos.Run(t.Context(), chaos.Options{
		Seed: 3, Jobs: 60, Packs: 2, Short: true, Node: node, Dir: t.TempDir(), Out: lines{t},
	}))
}

func TestAFullDiskUnderTheAllInOneProcess(t *testing.T) {
	t.Parallel()
	require.NoError(t, chaos.FullDisk(t.Context(), chaos.Options{Seed: 1, Node: node, Dir: t.TempDir(), Out: lines{t}}))
}

// A seed is a storm: the same one each time, with everything in it, in order, and only
// one event at a time for a target.
func TestPlan(t *testing.T) {
	t.Parallel()
	once, again := chaos.Plan(7, false), chaos.Plan(7, false)
	require.Equal(t, once, again)
	require.NotEqual(t, once, chaos.Plan(8, false))
	for seed := range uint64(200) {
		plan := chaos.Plan(seed, false)
		kinds := map[chaos.Kind]int{}
		until := map[string]time.Duration{}
		for i, e := range plan {
			kinds[e.Kind]++
			if i > 0 {
				require.GreaterOrEqual(t, e.At, plan[i-1].At)
			}
			require.GreaterOrEqual(t, e.At, until[e.Target], "seed %d: %s", seed, e)
			until[e.Target] = e.At + e.For
		}
		for _, k := range []chaos.Kind{
			chaos.Kill, chaos.Freeze, chaos.Roll, chaos.Shutdown, chaos.Cut, chaos.Stall, chaos.Delay, chaos.Error, chaos.SlowDown,
			chaos.Mute, chaos.Lost, chaos.Clock, chaos.Reboot, chaos.Fill,
		} {
			require.Positive(t, kinds[k], "seed %d has no %s", seed, k)
		}
		require.True(t, slices.ContainsFunc(plan, func(e chaos.Event) bool { return e.By < 0 }), "a clock goes back")
		require.True(t, slices.ContainsFunc(plan, func(e chaos.Event) bool { return e.Kind == chaos.Clock && e.By > 0 }), "and one forward")
	}
}
