// Command patchlab is the whole of PatchLAB in one binary: `serve` runs the farm
// in one process, the other commands work offline.
package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"patchlab/internal/app"
	"patchlab/internal/cli"
)

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	ends := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as it is under nohup
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), ends...)
	defer cancel()
	// A reader of standard output that goes away is an error of the write, and not the end
	// of the process: temporary files are removed.
	signal.Ignore(syscall.SIGPIPE)
	return cli.Run(ctx, args, cli.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		StdoutIsTerminal: terminal(os.Stdout), StderrIsTerminal: terminal(os.Stderr),
		Seed:    drawSeed,
		Version: app.Version(),
		Extra: map[string]cli.Command{
			"serve":  {Summary: "run the whole farm in one process", Run: serve},
			"health": {Summary: "ask the server of this machine whether it is ready", Run: health},
		},
	})
}

func serve(ctx context.Context, args []string) int {
	if len(args) > 0 {
		_, _ = fmt.Fprintln(os.Stderr, "patchlab serve takes no arguments: it is configured by environment variables, see docs/operations.md")
		return cli.Usage
	}
	return app.Main(ctx, app.AllInOne(), os.Stderr)
}

func health(ctx context.Context, args []string) int {
	if len(args) > 0 {
		_, _ = fmt.Fprintln(os.Stderr, "patchlab health takes no arguments: it reads ADDR, as the server does")
		return cli.Usage
	}
	return app.HealthMain(ctx, os.Stderr)
}

func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func drawSeed() (uint32, error) {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fmt.Errorf("draw a seed: %w", err)
	}
	return binary.LittleEndian.Uint32(b[:]), nil
}
