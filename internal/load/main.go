// Command load measures the farm: real processes on a PostgreSQL and a Redis of its own
// and a folder, on this machine. `make load` calls it. Each scenario prints a table and
// holds its figures to what they must be; one that misses ends the program with code 1.
// Nothing that it starts outlives it.
//
// It reads CPU times and memory from /proc, so it runs on Linux alone.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() { os.Exit(run()) }

// options is what the command line says.
type options struct {
	bin   string
	seed  uint
	only  string
	scale float64
	wait  time.Duration
	tries int
	out   string
}

func run() int {
	var o options
	flag.StringVar(&o.bin, "bin", "bin", "folder of the programs")
	flag.UintVar(&o.seed, "seed", 1, "where the seeds of the sounds begin: the same seed asks for the same sounds")
	flag.StringVar(&o.only, "only", "", "names of scenarios, separated by commas; empty: all")
	flag.Float64Var(&o.scale, "scale", 1, "how much of each scenario: 0.1 for a quick look. The limits are meant for 1")
	flag.DurationVar(&o.wait, "wait", 0, "before each scenario, how long to wait until nothing else runs on the machine")
	flag.IntVar(&o.tries, "tries", 1, "how often a scenario may run that misses while other programs are busy")
	flag.StringVar(&o.out, "o", "", "a file for the tables, too")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once; the guards and the kernel clean up
	missed, err := load(ctx, o, os.Stdout, os.Stderr)
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "load:", err)
		return 1
	}
	if missed > 0 {
		_, _ = fmt.Fprintf(os.Stderr, "load: %d figures miss what they must be\n", missed)
		return 1
	}
	return 0
}

// scenario is one thing that is measured.
type scenario struct {
	name string
	run  func(ctx context.Context, b *bench) (*result, error)
}

// scenarios returns all of them, in the order in which they run.
func scenarios() []scenario {
	return []scenario{
		{"idle", idle},
		{"latency", latency},
		{"overhead", overhead},
		{"throughput", throughput},
		{"size", size},
		{"memory", memory},
		{"concurrent", concurrent},
		{"sockets", sockets},
		{"fairness", fairness},
		{"backlog", backlog},
	}
}

// chosen returns those that -only names.
func chosen(only string) ([]scenario, error) {
	all := scenarios()
	if only == "" {
		return all, nil
	}
	var out []scenario
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(all, func(s scenario) bool { return s.name == strings.TrimSpace(name) })
		if i < 0 {
			var names []string
			for _, s := range all {
				names = append(names, s.name)
			}
			return nil, fmt.Errorf("there is no scenario %q: take of %s", name, strings.Join(names, ", "))
		}
		out = append(out, all[i])
	}
	return out, nil
}

// load runs the chosen scenarios and returns how many figures missed their limits.
func load(ctx context.Context, o options, out, logs io.Writer) (missed int, err error) {
	todo, err := chosen(o.only)
	if err != nil {
		return 0, err
	}
	if !(o.scale > 0 && o.scale <= 10) {
		return 0, errors.New("-scale must be above 0 and at most 10")
	}
	if o.out != "" {
		file, err := os.Create(o.out)
		if err != nil {
			return 0, fmt.Errorf("write the tables: %w", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		out = io.MultiWriter(out, file)
	}
	b, err := newBench(ctx, o, logs)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if _, err := fmt.Fprintf(out, "%s\n", head(ctx, o)); err != nil {
		return 0, fmt.Errorf("write the tables: %w", err)
	}
	for _, s := range todo {
		r, err := b.measure(ctx, s)
		if err != nil {
			return missed, fmt.Errorf("%s: %w", s.name, err)
		}
		missed += r.missed()
		if _, err := fmt.Fprintf(out, "\n%s", r.markdown()); err != nil {
			return missed, fmt.Errorf("write the tables: %w", err)
		}
	}
	return missed, nil
}

// measure runs a scenario, again where it missed and others disturbed it.
func (b *bench) measure(ctx context.Context, s scenario) (*result, error) {
	for try := 1; ; try++ {
		if err := b.await(ctx, b.opt.wait); err != nil {
			return nil, err
		}
		_, _ = fmt.Fprintf(b.logs, "load: %s\n", s.name)
		began, before := time.Now(), b.busy()
		r, err := s.run(ctx, b)
		took := time.Since(began)
		others := b.others(before, took)
		if err := errors.Join(err, b.clear()); err != nil {
			return nil, err
		}
		if r.missed() > 0 && others > disturbed && try < b.opt.tries {
			_, _ = fmt.Fprintf(b.logs, "load: %s missed while others used %.0f %% of a CPU: again\n", s.name, 100*others)
			continue
		}
		r.note("run %d, in %s; other programs used %.0f %% of one CPU meanwhile; load average %s at the end",
			try, took.Round(time.Second), 100*others, loadAverage())
		return r, nil
	}
}

// head says what ran where.
func head(ctx context.Context, o options) string {
	words := func(cmd *exec.Cmd) string {
		out, err := cmd.Output()
		if err != nil {
			return "unknown"
		}
		return strings.TrimSpace(string(out))
	}
	return fmt.Sprintf("Commit %s, %d CPUs (%s), %s, seed %d, scale %g.\nPrivate PostgreSQL (with fsync) and Redis, assets on the disk, everything on the loopback of one machine.\n`uptime` at the start: %s",
		words(exec.CommandContext(ctx, "git", "describe", "--tags", "--always", "--dirty")), runtime.NumCPU(), processor(), runtime.Version(), o.seed, o.scale, words(exec.CommandContext(ctx, "uptime")))
}
