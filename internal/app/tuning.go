package app

import (
	"context"
	"fmt"
	"time"

	"patchlab/internal/live"
	"patchlab/internal/model"
	"patchlab/internal/worker"
	"patchlab/queue"
)

const (
	// settingsEvery is how often a worker reads the settings although nobody told of new
	// ones: what a lost message costs.
	settingsEvery = time.Second
	// settingsTimeout bounds one reading.
	settingsTimeout = 2 * time.Second
)

// tuning holds a worker to what ops have set.
type tuning struct {
	app        *App
	parts      *parts
	worker     *worker.Worker
	name       string
	configured int // slots
}

// apply reads the settings and sets the limits of the queue by them, and what the farm
// counts on.
func (t *tuning) apply(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settingsTimeout)
	defer cancel()
	settings, err := t.parts.farm.Settings(ctx)
	if err != nil {
		return fmt.Errorf("tune the worker: %w", err)
	}
	want := queue.Limits{Concurrency: settings.Slots(t.name, t.configured), Paused: settings.Paused}
	have := t.parts.tasks.Limits()
	same := have.Concurrency == want.Concurrency
	for _, lane := range model.Lanes() {
		same = same && have.Paused[lane] == want.Paused[lane]
	}
	if !same {
		t.parts.tasks.Tune(want)
		t.app.log.InfoContext(ctx, "the worker is tuned", "slots", want.Concurrency, "paused", want.Paused)
	}
	t.worker.SetSlots(want.Concurrency)
	return nil
}

// run applies the settings when they change, until ctx ends. While they cannot be read,
// what was set last holds.
func (t *tuning) run(ctx context.Context) {
	changed := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		live.Settings(ctx, t.parts.redis, func() {
			select {
			case changed <- struct{}{}:
			default: // it is to be read anyway
			}
		})
	}()
	defer func() { <-done }()
	ticker := time.NewTicker(settingsEvery)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-changed:
		}
		err := t.apply(ctx)
		if failed := err != nil && ctx.Err() == nil; failed != failing {
			failing = failed
			if failed {
				t.app.log.WarnContext(ctx, "the settings cannot be read; the worker goes on as it was set", "err", err)
			} else {
				t.app.log.InfoContext(ctx, "the settings can be read again")
			}
		}
	}
}
