package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"patchlab/internal/config"
	"patchlab/internal/telemetry"
)

// version is set by the build (-ldflags=-X), which can set variables only.
var version = "dev"

// Version returns the version of this build, "dev" where it was not told.
func Version() string { return version }

// Main runs a process with the given roles from the environment until it is told
// to stop (SIGINT or SIGTERM; a second signal kills it), and returns its exit
// code.
func Main(ctx context.Context, roles Roles, stderr io.Writer) int {
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	context.AfterFunc(ctx, cancel) // gives the signals back, so that the next one kills

	cfg, err := config.FromOS()
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return 1
	}
	log := telemetry.NewLogger(stderr, cfg.LogLevel)
	a, err := New(ctx, Options{Config: cfg, Roles: roles, Version: Version(), Random: rand.Reader, Log: log})
	if err != nil {
		log.Error("cannot start", "err", err)
		return 1
	}
	if f, ok := stderr.(*os.File); ok && a.URL() != "" && terminal(f) {
		_, _ = fmt.Fprintf(f, "\n  PatchLAB is at %s\n\n", a.URL()) // for people, among the log lines
	}
	if err := a.Run(ctx); err != nil {
		log.Error("did not stop cleanly", "err", err)
		return 1
	}
	log.Info("stopped")
	return 0
}

// Command is the main of a separate process: NAME runs it with the given roles, NAME
// health probes the one on this machine. It returns the exit code.
func Command(ctx context.Context, name string, roles Roles, args []string, stderr io.Writer) int {
	switch {
	case len(args) == 0:
		return Main(ctx, roles, stderr)
	case len(args) == 1 && args[0] == "health":
		return HealthMain(ctx, stderr)
	}
	usage := "[health]"
	if roles == (Roles{Janitor: true}) {
		usage = "[health|--dry-run]"
	}
	_, _ = fmt.Fprintf(stderr, "usage: %s %s; it is configured by environment variables, see docs/operations.md\n", name, usage)
	return 2
}

func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
