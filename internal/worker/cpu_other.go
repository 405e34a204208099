//go:build !linux

package worker

import (
	"runtime"
	"time"
)

// cpuClock measures wall time: the system does not tell the CPU time of a thread.
type cpuClock struct{ began time.Time }

func startCPUClock() cpuClock { return cpuClock{began: time.Now()} }

func (c cpuClock) stop() time.Duration { return time.Since(c.began) }

// processUsage returns no CPU time, which the system does not tell alike everywhere, and
// the bytes that the Go runtime holds.
func processUsage() (cpu time.Duration, memory int64) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return 0, int64(m.Sys - m.HeapReleased) //nolint:gosec // no machine has that much
}
