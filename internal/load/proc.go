package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the times in /proc (USER_HZ, the same on every Linux).
const tick = 10 * time.Millisecond

// stat is what /proc/PID/stat says of a process.
type stat struct {
	parent   int
	own      time.Duration // CPU of the process itself
	children time.Duration // CPU of its children that have ended and were waited for
}

// parseStat reads the line of /proc/PID/stat. The second field is the program's name in
// brackets, which may hold anything; see proc(5).
func parseStat(line []byte) (stat, error) {
	const parent, utime, stime, cutime, cstime = 1, 11, 12, 13, 14 // of the fields behind the name
	at := bytes.LastIndexByte(line, ')')
	if at < 0 {
		return stat{}, errors.New("read the state of a process: no name in brackets")
	}
	fields := strings.Fields(string(line[at+1:]))
	if len(fields) <= cstime {
		return stat{}, errors.New("read the state of a process: too few fields")
	}
	var n [cstime + 1]int64
	for _, i := range []int{parent, utime, stime, cutime, cstime} {
		var err error
		if n[i], err = strconv.ParseInt(fields[i], 10, 64); err != nil {
			return stat{}, fmt.Errorf("read the state of a process: %w", err)
		}
	}
	return stat{
		parent: int(n[parent]), own: time.Duration(n[utime]+n[stime]) * tick, children: time.Duration(n[cutime]+n[cstime]) * tick,
	}, nil
}

// cpuOf returns the CPU time of a process, what has ended below it included.
func cpuOf(pid int) (time.Duration, error) {
	line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, fmt.Errorf("read the CPU time of a process: %w", err)
	}
	s, err := parseStat(line)
	return s.own + s.children, err
}

// cpuBelow returns the CPU time of a process and of its children, as those of
// PostgreSQL, one for each connection: they have none themselves.
func cpuBelow(pid int) (time.Duration, error) {
	sum, err := cpuOf(pid)
	if err != nil {
		return 0, err
	}
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, fmt.Errorf("list the processes: %w", err)
	}
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil {
			continue // it has just ended, and counts as waited for
		}
		if s, err := parseStat(line); err == nil && s.parent == pid {
			sum += s.own + s.children
		}
	}
	return sum, nil
}

// parseBusy reads from /proc/stat how long all CPUs together did something.
func parseBusy(text string) (time.Duration, error) {
	const idle, iowait, most = 4, 5, 8 // of "cpu user nice system idle iowait irq softirq steal"
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) <= most || fields[0] != "cpu" {
		return 0, errors.New("read /proc/stat: it does not begin with the sum of all CPUs")
	}
	var sum time.Duration
	for i := 1; i <= most; i++ {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read /proc/stat: %w", err)
		}
		if i != idle && i != iowait {
			sum += time.Duration(n) * tick
		}
	}
	return sum, nil
}

// parseMemory reads from /proc/PID/status how much memory a process has, in bytes.
func parseMemory(text string) (int64, error) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			fields := strings.Fields(rest)
			if len(fields) != 2 || fields[1] != "kB" {
				break
			}
			kib, err := strconv.ParseInt(fields[0], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("read the memory of a process: %w", err)
			}
			return kib << 10, nil
		}
	}
	return 0, errors.New("read the memory of a process: no VmRSS")
}

// memoryOf returns the memory of a process that is in RAM, in bytes.
func memoryOf(pid int) (int64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, fmt.Errorf("read the memory of a process: %w", err)
	}
	return parseMemory(string(text))
}

// processor names the CPU.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
