package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os/signal"
	"runtime/debug"
	"syscall"

	"patchlab/internal/config"
	"patchlab/internal/telemetry"
)

// Version returns the version of this build: the module's, or the commit that it
// was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	return "dev"
}

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
	if err := a.Run(ctx); err != nil {
		log.Error("did not stop cleanly", "err", err)
		return 1
	}
	log.Info("stopped")
	return 0
}
