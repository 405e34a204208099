//go:build unix

package engine_test

import (
	"context"
	"maps"
	"slices"
	"syscall"
	"testing"
	"time"

	"patchlab/engine"
)

// cpuTime returns what the process has used of the processors, which tells more
// than the clock where they are shared.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCorpus renders every patch of testdata and reports how many seconds of
// sound a second of one core gives, and the estimated cost as a share of the
// measured one.
func BenchmarkCorpus(b *testing.B) {
	patches := corpus(b)
	for _, name := range slices.Sorted(maps.Keys(patches)) {
		p := patches[name]
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			seconds, renders, start := 0.0, 0, cpuTime(b)
			for b.Loop() {
				a, err := engine.Render(context.Background(), p, engine.Options{})
				if err != nil {
					b.Fatal(err)
				}
				seconds += float64(a.Frames()) / float64(a.SampleRate)
				renders++
			}
			used := (cpuTime(b) - start).Seconds()
			b.ReportMetric(seconds/used, "x-realtime")
			b.ReportMetric(float64(p.Cost())*1e-6*float64(renders)/used, "cost/real")
		})
	}
}
