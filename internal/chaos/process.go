package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// process is a program that is started again whenever it ends, as an init system does.
type process struct {
	name, addr string
	dir        string
	command    []string
	env        []string
	stop       context.CancelFunc
	done       chan struct{}

	mu      sync.Mutex
	cmd     *exec.Cmd
	ended   chan struct{} // closed when cmd has ended
	ready   bool          // this start has answered that it is
	asked   bool          // this start was told to end, by whatever means
	starts  int
	refused int      // starts that ended before they were ready, by themselves
	drains  int      // orderly ends that were asked for
	unclean []string // orderly ends with another exit code than 0
	strange []string // ends that nobody asked for
}

// restartAfter is how long an init system waits before it starts a program again.
const restartAfter = 200 * time.Millisecond

// keep starts a program, with a port of its own as ADDR, and a file that its clock reads.
func keep(name, dir string, command, env []string) (*process, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("find a port for %s: %w", name, err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, fmt.Errorf("find a port for %s: %w", name, err)
	}
	if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
		return nil, fmt.Errorf("make a folder for %s: %w", name, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &process{name: name, addr: addr, dir: filepath.Join(dir, name), command: command, stop: stop, done: make(chan struct{})}
	p.env = append([]string{
		"ADDR=" + addr, "RATE_LIMITS=off", "PATH=" + os.Getenv("PATH"), "PATCHLAB_CHAOS_CLOCK=" + filepath.Join(p.dir, "clock"),
	}, env...)
	go p.run(ctx)
	return p, nil
}

func (p *process) logFile() string { return filepath.Join(p.dir, "log") }

// run starts the program again and again until ctx ends.
func (p *process) run(ctx context.Context) {
	defer close(p.done)
	for ctx.Err() == nil {
		if err := p.once(ctx); err != nil {
			p.mu.Lock()
			p.strange = append(p.strange, err.Error())
			p.mu.Unlock()
		}
		select {
		case <-ctx.Done():
		case <-time.After(restartAfter):
		}
	}
}

// once runs the program to its end.
func (p *process) once(ctx context.Context) error {
	// The kernel kills the program with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	defer func() { _ = log.Close() }() // the program has its own handle
	cmd := exec.CommandContext(context.WithoutCancel(ctx), p.command[0], p.command[1:]...)
	cmd.Dir, cmd.Stderr, cmd.Env = p.dir, log, p.env
	cmd.SysProcAttr = attributes()
	p.mu.Lock()
	if ctx.Err() != nil { // stopped before this moment, it would never be killed
		p.mu.Unlock()
		return nil
	}
	if err := cmd.Start(); err != nil {
		p.mu.Unlock()
		return fmt.Errorf("start: %w", err)
	}
	ended := make(chan struct{})
	p.cmd, p.ended, p.ready, p.asked = cmd, ended, false, false
	p.starts++
	p.mu.Unlock()
	watch, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { p.untilReady(watch) })
	_ = cmd.Wait() // its state tells
	cancel()
	watching.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	defer close(ended)
	p.cmd = nil
	switch {
	case p.asked, ctx.Err() != nil:
	case !p.ready:
		p.refused++ // a server was away: it says so and ends
	default:
		return fmt.Errorf("%s ended by itself: %s", p.name, cmd.ProcessState)
	}
	return nil
}

// untilReady asks the program until it is ready.
func (p *process) untilReady(ctx context.Context) {
	for ctx.Err() == nil {
		if p.healthy(ctx) {
			p.mu.Lock()
			p.ready = true
			p.mu.Unlock()
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// healthy reports whether the program says that it is ready.
func (p *process) healthy(ctx context.Context) bool {
	const patience = 3 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+"/api/health", nil)
	if err != nil {
		return false
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// signal tells the program to end, and returns what is closed when it has.
func (p *process) signal(sig syscall.Signal) (ended <-chan struct{}, cmd *exec.Cmd) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		gone := make(chan struct{})
		close(gone)
		return gone, nil
	}
	p.asked = true
	_ = p.cmd.Process.Signal(sig)
	return p.ended, p.cmd
}

// kill ends the program at once; it is started again.
func (p *process) kill() {
	ended, _ := p.signal(syscall.SIGKILL)
	<-ended
}

// drain ends the program in order and waits until its successor is ready.
func (p *process) drain(ctx context.Context) error {
	const patience = time.Minute
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ended, cmd := p.signal(syscall.SIGTERM)
	select {
	case <-ended:
	case <-ctx.Done():
		return fmt.Errorf("%s does not end when it is told to", p.name)
	}
	p.mu.Lock()
	p.drains++
	if cmd != nil && cmd.ProcessState.ExitCode() != 0 {
		p.unclean = append(p.unclean, cmd.ProcessState.String())
	}
	p.mu.Unlock()
	for !p.healthy(ctx) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not start again", p.name)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// freeze lets the program stand still during a pause. After that it goes on as if nothing
// had happened.
func (p *process) freeze(pause func()) error {
	p.mu.Lock()
	cmd := p.cmd
	p.mu.Unlock()
	if cmd == nil {
		return nil // it is being started
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("freeze %s: %w", p.name, err)
	}
	pause()
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		return fmt.Errorf("thaw %s: %w", p.name, err)
	}
	return nil
}

// terminate ends the program in order and for good.
func (p *process) terminate() error {
	p.stop()
	ended, cmd := p.signal(syscall.SIGTERM)
	const patience = 30 * time.Second
	select {
	case <-ended:
	case <-time.After(patience):
		p.close()
		return fmt.Errorf("%s does not end when it is told to", p.name)
	}
	<-p.done
	if cmd != nil && cmd.ProcessState.ExitCode() != 0 {
		return fmt.Errorf("%s ended with %s when it was told to", p.name, cmd.ProcessState)
	}
	return nil
}

// step makes the program's clock wrong.
func (p *process) step(by time.Duration) error {
	// Renamed into place, so that nobody reads half of it.
	file := filepath.Join(p.dir, "clock")
	err := os.WriteFile(file+".new", []byte(by.String()), 0o600)
	if err = errors.Join(err, os.Rename(file+".new", file)); err != nil {
		return fmt.Errorf("step the clock of %s: %w", p.name, err)
	}
	return nil
}

// close ends the program for good.
func (p *process) close() {
	p.stop()
	ended, _ := p.signal(syscall.SIGKILL)
	<-ended
	<-p.done
}

// tail returns the end of what the program has logged.
func (p *process) tail(most int) string {
	log, err := os.ReadFile(p.logFile())
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-most):])
}
