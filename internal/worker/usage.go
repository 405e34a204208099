package worker

import "time"

// usage measures what the process uses between two readings.
type usage struct {
	at  time.Time
	cpu time.Duration // of the process by then
}

// read returns the CPUs that the process used since the last reading (0 at the first), and
// the bytes that it holds. One goroutine reads.
func (u *usage) read(now time.Time) (cpus float64, memory int64) {
	cpu, memory := processUsage()
	if wall := now.Sub(u.at); !u.at.IsZero() && wall > 0 {
		cpus = max(0, (cpu-u.cpu).Seconds()/wall.Seconds())
	}
	u.at, u.cpu = now, cpu
	return cpus, memory
}
