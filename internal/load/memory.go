package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// memory measures how much API and worker grow while a large pack is built, and while its
// ZIP is downloaded.
func memory(ctx context.Context, b *bench) (*result, error) {
	const limit, sounds, seconds = 64, 500, 2
	api, worker, err := b.farm(ctx, "auto")
	if err != nil {
		return nil, err
	}
	parts := []*process{api, worker}
	// Nothing has warmed them up: what the first sounds take counts.
	resting, err := watchMemory(ctx, parts, func() error { return pause(ctx, 3*time.Second) })
	if err != nil {
		return nil, err
	}
	v := b.visitor(api)
	n := b.n(sounds)
	var order answer
	var took time.Duration
	building, err := watchMemory(ctx, parts, func() error {
		began := time.Now()
		if order, err = v.build(ctx, b.pack(n, seconds)); err != nil {
			return err
		}
		if err := v.watch(ctx, order.Job.ID); err != nil {
			return err
		}
		took = time.Since(began)
		return b.ended(ctx)
	})
	if err != nil {
		return nil, err
	}
	var zip int64
	loading, err := watchMemory(ctx, parts, func() error {
		zip, err = v.drain(ctx, "/v1/packs/"+order.Pack.ID.String()+"/download")
		return err
	})
	if err != nil {
		return nil, err
	}
	after, err := watchMemory(ctx, parts, func() error { return pause(ctx, 2*time.Second) })
	if err != nil {
		return nil, err
	}
	r := &result{
		title: fmt.Sprintf("Memory: a pack of %d sounds of 2 s, watched over SSE, one worker; MiB in RAM", n),
		head:  []string{"", "idle", "most while it is built", "most while its ZIP is downloaded", "2 s later", "**growth**"},
	}
	const mib = 1 << 20
	for i, p := range parts {
		at := func(m []int64) float64 { return float64(m[i]) / mib }
		growth := max(at(building), at(loading)) - at(resting)
		r.row(p.name, at(resting), at(building), at(loading), at(after), growth)
		r.below(p.name+" above idle", growth, limit, "MiB")
	}
	r.note("built in %s; the ZIP has %d MiB; looked at every 100 ms", took.Round(time.Second/10), zip/mib)
	return r, nil
}

// watchMemory returns the most memory that each process had while f ran.
func watchMemory(ctx context.Context, parts []*process, f func() error) (most []int64, err error) {
	const often = 100 * time.Millisecond
	done := make(chan error, 1)
	go func() { done <- f() }()
	most = make([]int64, len(parts))
	t := time.NewTicker(often)
	defer t.Stop()
	for {
		for i, p := range parts {
			m, err := memoryOf(p.pid())
			if err != nil {
				return nil, errors.Join(err, ctx.Err())
			}
			most[i] = max(most[i], m)
		}
		select {
		case err := <-done:
			return most, err
		case <-t.C:
		}
	}
}
