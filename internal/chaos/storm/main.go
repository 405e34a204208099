// Command storm runs the chaos suite: `make chaos` calls it. It ends with 1 where the farm
// broke a promise.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"patchlab/internal/chaos"
)

func main() { os.Exit(run()) }

func run() int {
	seed := flag.String("seed", "", "the seed of the one storm; none: three, of the seeds 1, 2 and 3")
	jobs := flag.Int("jobs", 1000, "how many sounds are asked for")
	packs := flag.Int("packs", 10, "how many packs are asked for")
	flag.Parse()
	seeds := []uint64{1, 2, 3}
	if *seed != "" {
		n, err := strconv.ParseUint(*seed, 10, 64)
		if err != nil {
			_, _ = fmt.Fprintln(os.Stderr, "storm: -seed must be a whole number")
			return 2
		}
		seeds = []uint64{n}
	}
	if *jobs < 1 || *packs < 0 || flag.NArg() > 0 {
		_, _ = fmt.Fprintln(os.Stderr, "storm: -jobs must be 1 or more, -packs 0 or more")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once; the servers' guards clean up
	if err := storms(ctx, seeds, *jobs, *packs); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "storm:", err)
		return 1
	}
	return 0
}

// storms runs a storm for each seed, and says at the end of all which were survived.
func storms(ctx context.Context, seeds []uint64, jobs, packs int) (err error) {
	dir, err := os.MkdirTemp("", "patchlab-chaos-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	node, err := chaos.Build(ctx, dir)
	if err != nil {
		return err
	}
	const verified = 150
	var broken []error
	for _, seed := range seeds {
		own := filepath.Join(dir, strconv.FormatUint(seed, 10))
		if err := os.Mkdir(own, 0o700); err != nil {
			return fmt.Errorf("make a folder: %w", err)
		}
		o := chaos.Options{Seed: seed, Jobs: jobs, Packs: packs, Verify: verified, Node: node, Dir: own, Out: os.Stdout}
		for _, part := range []func(context.Context, chaos.Options) error{chaos.Run, chaos.FullDisk} {
			if err := part(ctx, o); err != nil {
				broken = append(broken, fmt.Errorf("seed %d: %w", seed, err))
			}
			if ctx.Err() != nil {
				return errors.Join(append(broken, ctx.Err())...)
			}
		}
	}
	return errors.Join(broken...)
}
