package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// process is a program of the farm that runs.
type process struct {
	name string
	url  string
	log  string // the file of its words
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// start starts a program of the farm and waits until it listens.
func (b *bench) start(ctx context.Context, name string, env ...string) (*process, error) {
	program, err := filepath.Abs(filepath.Join(b.opt.bin, name))
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	log, err := os.CreateTemp(b.dir, name+"-*.log")
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer func() { _ = log.Close() }() // the program has its own handle
	p := &process{name: name, log: log.Name(), done: make(chan struct{})}
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), program) //nolint:gosec // a program of the farm, from the folder that the operator names
	p.cmd.Dir, p.cmd.Stderr, p.cmd.SysProcAttr = b.dir, log, ours()
	p.cmd.Env = slices.Concat([]string{"ADDR=127.0.0.1:0"}, b.env, env)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s (make build makes it): %w", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is read from its state
		close(p.done)
	}()
	b.parts = append(b.parts, p)
	const often, patience = 5 * time.Millisecond, time.Minute
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for p.url == "" {
		if err := b.alive(); err != nil {
			return nil, err
		}
		if err := pause(ctx, often); err != nil {
			return nil, fmt.Errorf("wait for %s: %w\n%s", name, err, p.words())
		}
		text, err := os.ReadFile(p.log)
		if err != nil {
			return nil, fmt.Errorf("wait for %s: %w", name, err)
		}
		p.url = listening(text)
	}
	return p, nil
}

// listening returns the URL of the log line that says so; "" without one.
func listening(log []byte) string {
	for line := range bytes.Lines(log) {
		var entry struct{ Msg, URL string }
		if json.Unmarshal(line, &entry) == nil && entry.Msg == "listening" {
			return entry.URL
		}
	}
	return ""
}

// words returns the last that the process said.
func (p *process) words() string {
	const most = 4000
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}

// alive is an error where a process has ended by itself.
func (b *bench) alive() error {
	for _, p := range b.parts {
		select {
		case <-p.done:
			return fmt.Errorf("%s has ended by itself: %s\n%s", p.name, p.cmd.ProcessState, p.words())
		default:
		}
	}
	return nil
}

// stop ends processes as a rolling stop would, or kills them after a while.
func (b *bench) stop(parts ...*process) error {
	parts = slices.Clone(parts)
	for _, p := range parts {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	}
	const patience = 20 * time.Second // more than DRAIN_GRACE and what a stop may take beyond
	late := time.After(patience)
	var errs []error
	for _, p := range parts {
		select {
		case <-p.done:
		case <-late:
			_ = p.cmd.Process.Kill()
			<-p.done
		}
		if code := p.cmd.ProcessState.ExitCode(); code != 0 {
			errs = append(errs, fmt.Errorf("%s ended with code %d\n%s", p.name, code, p.words()))
		}
		b.parts = slices.DeleteFunc(b.parts, func(q *process) bool { return q == p })
	}
	return errors.Join(errs...)
}

// api starts an API.
func (b *bench) api(ctx context.Context) (*process, error) { return b.start(ctx, "api") }

// worker starts a worker with so many slots ("auto" for its own choice), and waits until
// it is registered.
func (b *bench) worker(ctx context.Context, slots string) (*process, error) {
	p, err := b.start(ctx, "worker", "WORKER_CONCURRENCY="+slots)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, q := range b.parts {
		if q.name == "worker" {
			n++
		}
	}
	return p, b.until(ctx, `SELECT greatest(0, $1 - count(*)) FROM workers`, n)
}

// farm starts an empty farm of an API and a worker.
func (b *bench) farm(ctx context.Context, slots string) (api, worker *process, err error) {
	if err := b.fresh(ctx); err != nil {
		return nil, nil, err
	}
	if api, err = b.api(ctx); err != nil {
		return nil, nil, err
	}
	worker, err = b.worker(ctx, slots)
	return api, worker, err
}

// warm has the farm make a few sounds, and returns when it is idle: first times, such as
// those of connections and caches, are not what is measured.
func (b *bench) warm(ctx context.Context, api *process) error {
	const sounds, rest = 16, time.Second
	v := b.visitor(api)
	for range sounds {
		if _, err := v.generate(ctx, b.sound(1), "Prefer", "wait=20"); err != nil {
			return fmt.Errorf("warm up: %w", err)
		}
	}
	return pause(ctx, rest)
}

// metric returns the value of a metric without labels; ok is false where there is none.
func metric(text, name string) (value float64, ok bool) {
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(line, name+" "); found {
			_, err := fmt.Sscan(rest, &value)
			return value, err == nil
		}
	}
	return 0, false
}
