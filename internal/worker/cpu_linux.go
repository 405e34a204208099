package worker

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cpuClock measures the CPU time of the calling goroutine, which keeps its thread until
// the clock is stopped.
type cpuClock struct {
	from  time.Duration
	began time.Time
}

func startCPUClock() cpuClock {
	runtime.LockOSThread()
	return cpuClock{from: threadTime(), began: time.Now()}
}

func (c cpuClock) stop() time.Duration {
	defer runtime.UnlockOSThread()
	if c.from == 0 {
		return time.Since(c.began)
	}
	return threadTime() - c.from
}

// threadTime returns the CPU time of this thread, 0 where the system does not tell.
func threadTime() time.Duration {
	var t unix.Timespec // finer than getrusage, which may be a tick behind
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// processUsage returns the CPU time of this process and its resident memory in bytes, 0
// where the system does not tell.
func processUsage() (cpu time.Duration, memory int64) {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) == nil {
		cpu = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	statm, err := os.ReadFile("/proc/self/statm") // see proc(5): the second field counts resident pages
	if fields := bytes.Fields(statm); err == nil && len(fields) > 1 {
		if pages, err := strconv.ParseInt(string(fields[1]), 10, 64); err == nil {
			memory = pages * int64(os.Getpagesize())
		}
	}
	return cpu, memory
}
