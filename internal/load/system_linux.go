package main

import (
	"fmt"
	"syscall"
	"time"
)

// ours is how processes of the farm are started: Ctrl-C at the terminal is ours to pass
// on, and the kernel ends them with us, however we end.
func ours() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// rusageThread asks for the times of the calling thread; see getrusage(2).
const rusageThread = 1

// threadCPU returns the CPU time of the calling thread. Lock the goroutine to it.
func threadCPU() (time.Duration, error) { return usage(rusageThread) }

// ownCPU returns the CPU time of this process, with its garbage collection.
func ownCPU() (time.Duration, error) { return usage(syscall.RUSAGE_SELF) }

func usage(who int) (time.Duration, error) {
	var r syscall.Rusage
	if err := syscall.Getrusage(who, &r); err != nil {
		return 0, fmt.Errorf("read our own CPU time: %w", err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), nil
}
