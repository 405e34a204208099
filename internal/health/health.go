// Package health asks the parts that a process stands on whether they work.
package health

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Timeout bounds a report: a part that needs longer does not work.
const Timeout = 2 * time.Second

// Check asks one part whether it works.
type Check func(ctx context.Context) error

// The states.
const (
	OK   = "ok"
	Down = "down"
)

// Report is the state of a process.
type Report struct {
	Status  string          `json:"status"` // OK, or Down where any part is
	Version string          `json:"version"`
	Parts   map[string]Part `json:"parts"`
}

// Part is the state of one part. Its detail is safe to show.
type Part struct {
	Status string `json:"status"`
	Detail string `json:"detail,omitempty"`
}

// Monitor makes reports. It is safe for concurrent use.
type Monitor struct {
	version string
	parts   map[string]*part
	log     *slog.Logger
}

// part is one part with the question to it that is under way: there is never more
// than one, for a part that hangs would collect them.
type part struct {
	check Check

	mu     sync.Mutex
	asking chan struct{} // closed when err is there; nil while nobody asks
	err    error
	down   bool // the last answer; a change is logged
}

// New returns a Monitor of the parts by name.
func New(version string, checks map[string]Check, log *slog.Logger) *Monitor {
	m := &Monitor{version: version, parts: make(map[string]*part, len(checks)), log: log}
	for name, check := range checks {
		m.parts[name] = &part{check: check}
	}
	return m
}

// Report asks all parts at once, and answers within Timeout whether they do or not.
func (m *Monitor) Report(ctx context.Context) Report {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	report := Report{Status: OK, Version: m.version, Parts: make(map[string]Part, len(m.parts))}
	var (
		mu  sync.Mutex
		all sync.WaitGroup
	)
	for name, p := range m.parts {
		all.Go(func() {
			err := p.ask(ctx)
			if !errors.Is(ctx.Err(), context.Canceled) { // that of a client who left says nothing of the part
				m.note(name, p, err)
			}
			mu.Lock()
			defer mu.Unlock()
			report.Parts[name] = Part{Status: OK}
			if err != nil {
				report.Parts[name] = Part{Status: Down, Detail: "does not answer"}
				report.Status = Down
			}
		})
	}
	all.Wait()
	return report
}

// ask waits for the answer to a question of its own, or to that of somebody else.
func (p *part) ask(ctx context.Context) error {
	p.mu.Lock()
	answered := p.asking
	if answered == nil {
		answered = make(chan struct{})
		p.asking = answered
		go func() {
			// A context of its own: others wait for the same answer.
			within, cancel := context.WithTimeout(context.WithoutCancel(ctx), Timeout)
			defer cancel()
			err := p.check(within)
			p.mu.Lock()
			p.err, p.asking = err, nil
			p.mu.Unlock()
			close(answered)
		}()
	}
	p.mu.Unlock()
	select {
	case <-answered:
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.err
	case <-ctx.Done():
		return errors.Join(errors.New("no answer in time"), ctx.Err())
	}
}

// note logs that a part went down or came back.
func (m *Monitor) note(name string, p *part, err error) {
	p.mu.Lock()
	changed := p.down != (err != nil)
	p.down = err != nil
	p.mu.Unlock()
	switch {
	case !changed:
	case err != nil:
		m.log.Warn("a part is down", "part_down", name, "err", err)
	default:
		m.log.Info("a part is back", "part_back", name)
	}
}
