// Command up runs the farm as separate processes on this machine, on a PostgreSQL,
// a Redis and a MinIO of its own in temporary folders, until Ctrl-C. `make up` calls
// it. Nothing that it holds outlives it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"patchlab/internal/testenv"
)

func main() { os.Exit(run()) }

func run() int {
	var o options
	flag.StringVar(&o.bin, "bin", "bin", "folder of the programs")
	flag.StringVar(&o.addr, "addr", ":8080", "where the first api listens; the others take any free port")
	flag.IntVar(&o.apis, "apis", 1, "how many api processes")
	flag.IntVar(&o.workers, "workers", 1, "how many worker processes")
	flag.IntVar(&o.janitors, "janitors", 1, "how many janitor processes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once; the servers' guards clean up
	if err := up(ctx, o, os.Stdout, os.Stderr); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "up:", err)
		return 1
	}
	return 0
}

type options struct {
	bin, addr               string
	apis, workers, janitors int
}

// closing gathers what is to be stopped, the last started first.
type closing []func() error

func (c closing) run() error {
	var errs []error
	for _, stop := range slices.Backward(c) {
		errs = append(errs, stop())
	}
	return errors.Join(errs...)
}

func up(ctx context.Context, o options, out, logs io.Writer) (err error) {
	var stop closing
	defer func() { err = errors.Join(err, stop.run()) }()
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }

	say("starting PostgreSQL, Redis and MinIO")
	postgres, err := testenv.NewPostgres()
	if err != nil {
		return err
	}
	stop = append(stop, postgres.Close)
	redis, err := testenv.NewRedis()
	if err != nil {
		return err
	}
	stop = append(stop, redis.Close)
	minio, err := testenv.NewMinIO()
	if err != nil {
		return err
	}
	stop = append(stop, minio.Close)
	say("\n  DATABASE_URL  %s\n  REDIS_URL     %s\n  S3_ENDPOINT   %s  (S3_ACCESS_KEY=%s S3_SECRET_KEY=%s)\n",
		postgres.URL(""), redis.URL(), minio.Endpoint(), testenv.MinIOAccessKey, testenv.MinIOSecretKey)

	f := &fleet{bin: o.bin, logs: logs, ended: make(chan string, o.apis+o.workers+o.janitors)}
	stop = append(stop, f.stop)
	env := append(os.Environ(), "DATABASE_URL="+postgres.URL(""), "REDIS_URL="+redis.URL(), "S3_ENDPOINT="+minio.Endpoint(),
		"S3_ACCESS_KEY="+testenv.MinIOAccessKey, "S3_SECRET_KEY="+testenv.MinIOSecretKey)
	for _, part := range []struct {
		name string
		n    int
	}{{"api", o.apis}, {"worker", o.workers}, {"janitor", o.janitors}} {
		for i := range part.n {
			addr := "127.0.0.1:0"
			if part.name == "api" && i == 0 {
				addr = o.addr
			}
			url, pid, err := f.start(ctx, part.name, addr, append(env, fmt.Sprintf("WORKER_NAME=%s-%d", part.name, i+1)))
			if err != nil {
				return err
			}
			say("  %-8s  %s  (pid %d)", part.name, url, pid)
		}
	}
	say("\n  Ctrl-C stops all and removes their data.\n")
	select {
	case <-ctx.Done():
		say("stopping")
		return nil
	case who := <-f.ended:
		return fmt.Errorf("%s has ended by itself", who)
	}
}

// fleet is the processes of the farm.
type fleet struct {
	bin   string
	logs  io.Writer
	ended chan string

	mu      sync.Mutex
	running []*process
}

type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
}

// start starts a program and waits until it is ready. It returns its address.
func (f *fleet) start(ctx context.Context, name, addr string, env []string) (url string, pid int, err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("read the address of %s: %w", name, err)
	}
	if port == "0" {
		// Named here, so that it can be said and asked for.
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", addr)
		if err != nil {
			return "", 0, fmt.Errorf("find a port for %s: %w", name, err)
		}
		addr = l.Addr().String()
		_, port, _ = net.SplitHostPort(addr)
		if err := l.Close(); err != nil {
			return "", 0, fmt.Errorf("find a port for %s: %w", name, err)
		}
	}
	if host == "" {
		host = "localhost"
	}
	program, err := filepath.Abs(filepath.Join(f.bin, name))
	if err != nil {
		return "", 0, fmt.Errorf("find %s: %w", name, err)
	}
	p := &process{name: name, cmd: exec.CommandContext(context.WithoutCancel(ctx), program), done: make(chan struct{})}
	p.cmd.Env = append(env, "ADDR="+addr)
	p.cmd.Stderr = f.logs
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is ours to pass on, in order
	if err := p.cmd.Start(); err != nil {
		return "", 0, fmt.Errorf("start %s (make build makes it): %w", name, err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
		f.ended <- name
	}()
	f.mu.Lock()
	f.running = append(f.running, p)
	f.mu.Unlock()
	return "http://" + net.JoinHostPort(host, port), p.cmd.Process.Pid, f.ready(ctx, p, program, env, addr)
}

// ready waits until a process says that it is well, by its own probe.
func (f *fleet) ready(ctx context.Context, p *process, program string, env []string, addr string) error {
	const patience, pause = time.Minute, 100 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		probe := exec.CommandContext(ctx, program, "health")
		probe.Env = append(env, "ADDR="+addr)
		if probe.Run() == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s has ended by itself", p.name)
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", p.name, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// stop ends all processes, as a rolling stop would: they drain, and exit by
// themselves, or are killed after a while.
func (f *fleet) stop() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.running {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	}
	const patience = 45 * time.Second // more than DRAIN_GRACE
	late := time.After(patience)
	var errs []error
	for _, p := range f.running {
		select {
		case <-p.done:
		case <-late:
			_ = p.cmd.Process.Kill()
			<-p.done
		}
		if code := p.cmd.ProcessState.ExitCode(); code != 0 {
			errs = append(errs, fmt.Errorf("%s ended with code %d", p.name, code))
		}
	}
	return errors.Join(errs...)
}
