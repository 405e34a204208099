package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// latency measures how long somebody waits on an idle farm: from the request until the
// last byte of the file.
func latency(ctx context.Context, b *bench) (*result, error) {
	const limit = 40
	api, _, err := b.farm(ctx, "auto")
	if err != nil {
		return nil, err
	}
	if err := b.warm(ctx, api); err != nil {
		return nil, err
	}
	v := b.visitor(api)
	var ready, loaded []time.Duration
	for range b.n(200) {
		began := time.Now()
		j, err := v.generate(ctx, b.sound(1), "Prefer", "wait=20")
		if err != nil {
			return nil, err
		}
		ready = append(ready, time.Since(began))
		if _, err := v.drain(ctx, j.Sounds[0].DownloadURL); err != nil {
			return nil, err
		}
		loaded = append(loaded, time.Since(began))
		const rest = 20 * time.Millisecond // or it would not be idle
		if err := pause(ctx, rest); err != nil {
			return nil, err
		}
	}
	steps, err := b.steps(ctx, len(ready))
	if err != nil {
		return nil, err
	}
	r := &result{
		title: "Latency when idle: sounds of 1 s, stereo, 48 kHz, one after the other",
		head:  []string{"ms from the request until", "p50", "p95", "p99", "most"},
	}
	line := func(what string, t []time.Duration) {
		r.row(what, ms(quantile(t, .5)), ms(quantile(t, .95)), ms(quantile(t, .99)), ms(quantile(t, 1)))
	}
	line("the answer, with the sound ready", ready)
	line("the file is here", loaded)
	line("(in it: from the release of the ticket to its claim)", steps[0])
	line("(in it: from the claim to the commit)", steps[1])
	r.below("p50 of submit to downloaded", ms(quantile(loaded, .5)), limit, "ms")
	return r, nil
}

// steps returns how long the last n renders took from release to claim, and from claim to
// commit.
func (b *bench) steps(ctx context.Context, n int) (out [2][]time.Duration, err error) {
	if out[0], err = b.durations(ctx, `
SELECT extract(epoch FROM started_at - released_at) FROM tasks WHERE lane = 'interactive' ORDER BY created_at DESC LIMIT $1`, n); err != nil {
		return out, err
	}
	out[1], err = b.durations(ctx, `
SELECT extract(epoch FROM finished_at - started_at) FROM tasks WHERE lane = 'interactive' ORDER BY created_at DESC LIMIT $1`, n)
	return out, err
}

// idle measures how fast a worker without work takes a ticket, and what it asks Redis for
// meanwhile.
func idle(ctx context.Context, b *bench) (*result, error) {
	const pickupLimit, commandLimit, watched = 10, 50, 20 * time.Second
	api, worker, err := b.farm(ctx, "auto")
	if err != nil {
		return nil, err
	}
	if err := b.warm(ctx, api); err != nil {
		return nil, err
	}
	v := b.visitor(api)
	n := b.n(100)
	for range n {
		if _, err := v.generate(ctx, b.sound(1), "Prefer", "wait=20"); err != nil {
			return nil, err
		}
		const rest = 150 * time.Millisecond
		if err := pause(ctx, rest); err != nil {
			return nil, err
		}
	}
	steps, err := b.steps(ctx, n)
	if err != nil {
		return nil, err
	}
	if err := b.stop(api); err != nil { // its commands are not the worker's
		return nil, err
	}
	if err := pause(ctx, time.Second); err != nil {
		return nil, err
	}
	calls, err := b.commands(ctx)
	if err != nil {
		return nil, err
	}
	used, err := cpuOf(worker.pid())
	if err != nil {
		return nil, err
	}
	if err := pause(ctx, watched); err != nil {
		return nil, err
	}
	usedAfter, err := cpuOf(worker.pid())
	if err != nil {
		return nil, err
	}
	callsAfter, err := b.commands(ctx)
	if err != nil {
		return nil, err
	}
	rate := float64(callsAfter-calls) / watched.Seconds()
	r := &result{
		title: "An idle worker",
		head:  []string{"pickups", "pickup p50, ms", "p95", "p99", "Redis commands a second", "CPU of the worker, % of one"},
	}
	r.row(n, ms(quantile(steps[0], .5)), ms(quantile(steps[0], .95)), ms(quantile(steps[0], .99)), rate, 100*ratio(usedAfter-used, watched))
	r.below("p50 of release to claim", ms(quantile(steps[0], .5)), pickupLimit, "ms")
	r.below("Redis commands of an idle worker", rate, commandLimit, "a second")
	r.note("pickup is started_at − released_at of the task: queueing, dequeue and the claim's transaction up to there. Commands are those of INFO commandstats over %s, those inside scripts too, without INFO", watched)
	return r, nil
}

// commands returns how many commands Redis has run so far, without our own questions.
func (b *bench) commands(ctx context.Context) (int64, error) {
	text, err := b.rdb.Info(ctx, "commandstats").Result()
	if err != nil {
		return 0, fmt.Errorf("ask Redis: %w", err)
	}
	return parseCommands(text)
}

// parseCommands sums the calls in what INFO commandstats says, but those of INFO.
func parseCommands(text string) (sum int64, err error) {
	for line := range strings.Lines(text) {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), ":calls=")
		if !ok || name == "cmdstat_info" {
			continue
		}
		var n int64
		if _, err := fmt.Sscanf(rest, "%d,", &n); err != nil {
			return 0, fmt.Errorf("read the counts of Redis: %w", err)
		}
		sum += n
	}
	return sum, nil
}
