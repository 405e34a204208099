package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"

	"patchlab/internal/config"
	"patchlab/internal/janitor"
	"patchlab/internal/telemetry"
)

// DryRun returns what one round of the janitor would remove, and changes nothing.
func DryRun(ctx context.Context, opt Options) ([]janitor.Finding, error) {
	opt.Roles, opt.Look = Roles{Janitor: true}, true
	a, err := prepare(opt)
	if err != nil {
		return nil, err
	}
	boot, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	p, err := a.open(boot)
	if err != nil {
		return nil, errors.Join(err, a.Stop(context.WithoutCancel(ctx)))
	}
	findings, err := a.janitor(p).DryRun(ctx)
	return findings, errors.Join(err, a.Stop(context.WithoutCancel(ctx)))
}

// DryRunMain prints what one round of the janitor would remove, with the environment of this
// process, and returns an exit code.
func DryRunMain(ctx context.Context, stdout, stderr io.Writer) int {
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	cfg, err := config.FromOS()
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return 1
	}
	log := telemetry.NewLogger(stderr, cfg.LogLevel)
	findings, err := DryRun(ctx, Options{Config: cfg, Version: Version(), Random: rand.Reader, Log: log})
	if err := errors.Join(err, printFindings(stdout, findings)); err != nil {
		log.Error("cannot look at everything", "err", err)
		return 1
	}
	return 0
}

// printFindings prints a table.
func printFindings(to io.Writer, findings []janitor.Finding) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "chore\twould remove\tfirst") // an error stays until Flush
	for _, f := range findings {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%s\n", f.Chore, f.Count, strings.Join(f.First, " "))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	return nil
}
