// Command node is a process of the farm whose clock the chaos suite can step: the same
// parts as the programs in cmd, configured by the same environment. It is never shipped.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"patchlab/internal/app"
	"patchlab/internal/config"
	"patchlab/internal/telemetry"
)

// clockVar names the file that holds how much the clock is wrong, such as "-90m".
const clockVar = "PATCHLAB_CHAOS_CLOCK"

func main() { os.Exit(run()) }

func run() int {
	roles, ok := map[string]app.Roles{
		"api": {API: true}, "worker": {Worker: true}, "janitor": {Janitor: true}, "serve": app.AllInOne(),
	}[strings.Join(os.Args[1:], " ")]
	if !ok {
		_, _ = fmt.Fprintln(os.Stderr, "usage: node api|worker|janitor|serve")
		return 2
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	context.AfterFunc(ctx, cancel)
	cfg, err := config.FromOS()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	log := telemetry.NewLogger(os.Stderr, cfg.LogLevel)
	clock := &wrongClock{file: os.Getenv(clockVar)}
	clock.look()
	go clock.watch(ctx)
	a, err := app.New(ctx, app.Options{
		Config: cfg, Roles: roles, Version: "chaos", Random: rand.Reader, Clock: clock, Log: log,
	})
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

// wrongClock is the machine's clock and an offset.
type wrongClock struct {
	file   string
	offset atomic.Int64 // ns
}

// Now implements service.Clock.
func (c *wrongClock) Now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

// watch reads the offset again and again.
func (c *wrongClock) watch(ctx context.Context) {
	for ctx.Err() == nil {
		c.look()
		time.Sleep(50 * time.Millisecond)
	}
}

func (c *wrongClock) look() {
	if c.file == "" {
		return
	}
	text, err := os.ReadFile(c.file)
	if err != nil {
		return // the file is not there yet
	}
	if d, err := time.ParseDuration(strings.TrimSpace(string(text))); err == nil {
		c.offset.Store(int64(d))
	}
}
