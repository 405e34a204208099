package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// throughput measures how many jobs of one sound of 2 s a number of workers makes. The
// jobs wait when the workers start.
func throughput(ctx context.Context, b *bench) (*result, error) {
	const seconds, clients = 2, 8
	r := &result{
		title: "Throughput: jobs of one sound of 2 s, stereo, 48 kHz, accepted before the workers start",
		head: []string{
			"workers × slots", "jobs", "accepted a second", "jobs a second", "audio seconds a second", "CPUs used", "ms of CPU a job: worker", "api (accept)", "PostgreSQL", "Redis", "efficiency",
		},
	}
	jobs := b.n(600)
	for _, set := range []struct {
		workers int
		slots   string
	}{{1, "1"}, {2, "1"}, {4, "1"}, {1, "auto"}} {
		boot, err := b.boot(ctx, set.slots)
		if err != nil {
			return nil, err
		}
		if err := b.fresh(ctx); err != nil {
			return nil, err
		}
		api, err := b.api(ctx)
		if err != nil {
			return nil, err
		}
		began := time.Now()
		if err := b.backlogOf(ctx, api, jobs, clients, seconds); err != nil {
			return nil, err
		}
		accepting := time.Since(began)
		accepted, err := b.cost()
		if err != nil {
			return nil, err
		}
		for range set.workers {
			if _, err := b.start(ctx, "worker", "WORKER_CONCURRENCY="+set.slots); err != nil {
				return nil, err
			}
		}
		if err := b.ended(ctx); err != nil {
			return nil, err
		}
		used, err := b.cost()
		if err != nil {
			return nil, err
		}
		used = used.minus(accepted)
		used.worker -= time.Duration(set.workers) * boot
		took, err := b.durations(ctx, `SELECT extract(epoch FROM max(finished_at) - min(started_at)) FROM tasks`)
		if err != nil {
			return nil, err
		}
		wall := took[0]
		patches, err := b.patches(ctx, began)
		if err != nil {
			return nil, err
		}
		if err := b.clear(); err != nil {
			return nil, err
		}
		const sample = 200
		patches = patches[:min(sample, len(patches))]
		engine, err := b.engineAlone(ctx, patches)
		if err != nil {
			return nil, err
		}
		rate := float64(jobs) / wall.Seconds()
		r.row(fmt.Sprintf("%d × %s", set.workers, set.slots), jobs, float64(jobs)/accepting.Seconds(), rate, rate*seconds, ratio(used.total(), wall),
			each(used.worker, jobs), each(accepted.api, jobs), each(used.postgres, jobs), each(used.redis, jobs),
			fmt.Sprintf("%.0f %%", 100*ratio(engine.engine*time.Duration(jobs)/time.Duration(len(patches)), used.total())))
	}
	r.note("what a worker uses to start is taken off; what the API uses to start is in its accepts; PostgreSQL and Redis are counted while the workers run; this machine has two CPUs, so more than two workers cannot scale")
	return r, nil
}

// boot measures what a worker uses to start, when there is nothing to do.
func (b *bench) boot(ctx context.Context, slots string) (time.Duration, error) {
	if err := b.fresh(ctx); err != nil {
		return 0, err
	}
	if _, err := b.api(ctx); err != nil { // it makes the schema
		return 0, err
	}
	w, err := b.worker(ctx, slots)
	if err != nil {
		return 0, err
	}
	if err := pause(ctx, time.Second/2); err != nil {
		return 0, err
	}
	return cpuOf(w.pid())
}

// backlogOf asks for jobs of one sound, from some visitors at once.
func (b *bench) backlogOf(ctx context.Context, api *process, jobs, clients int, seconds float64) error {
	todo := make(chan request, jobs)
	for range jobs {
		todo <- b.sound(seconds)
	}
	close(todo)
	var work sync.WaitGroup
	errs := make([]error, clients)
	for i := range clients {
		v := b.visitor(api)
		work.Go(func() {
			for r := range todo {
				if _, errs[i] = v.generate(ctx, r); errs[i] != nil {
					return
				}
			}
		})
	}
	work.Wait()
	return first(errs)
}

// first returns the first error of many, which are mostly the same.
func first(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// size measures what a sound costs in packs of several sizes.
func size(ctx context.Context, b *bench) (*result, error) {
	const seconds, limit = 2, 1.25
	api, _, err := b.farm(ctx, "auto")
	if err != nil {
		return nil, err
	}
	if err := b.warm(ctx, api); err != nil {
		return nil, err
	}
	r := &result{
		title: "Cost against size: packs of sounds of 2 s, stereo, 48 kHz, with their ZIP, one worker",
		head:  []string{"sounds", "packs", "s a pack", "ms a sound", "ms of CPU a sound: worker", "api", "PostgreSQL", "Redis", "in all"},
	}
	sets := []struct{ sounds, packs int }{{10, 10}, {50, 3}, {100, 2}, {500, 1}}
	// In rounds, so that what changes with time (caches, tables that grow, the rest of the
	// machine) is in all of them.
	const rounds = 3
	used, wall := make([]cost, len(sets)), make([]time.Duration, len(sets))
	for range rounds {
		for i, set := range sets {
			for range set.packs {
				c, took, err := b.onePack(ctx, api, b.n(set.sounds), seconds)
				if err != nil {
					return nil, err
				}
				used[i], wall[i] = used[i].plus(c), wall[i]+took
			}
		}
	}
	sums := make([]float64, len(sets)) // CPU of a sound
	for i, set := range sets {
		n, packs := b.n(set.sounds), rounds*set.packs
		made := n * packs
		sums[i] = each(used[i].total(), made)
		r.row(n, packs, wall[i].Seconds()/float64(packs), each(wall[i], made), each(used[i].worker, made), each(used[i].api, made), each(used[i].postgres, made), each(used[i].redis, made), sums[i])
	}
	r.atMost("CPU a sound in the largest pack over that in one of "+strconv.Itoa(b.n(sets[1].sounds)), sums[len(sums)-1]/sums[1], limit, "times")
	return r, nil
}

// onePack builds a pack and returns what that cost.
func (b *bench) onePack(ctx context.Context, api *process, n int, seconds float64) (c cost, took time.Duration, err error) {
	v, order := b.visitor(api), b.pack(n, seconds)
	before, err := b.cost()
	if err != nil {
		return c, 0, err
	}
	began := time.Now()
	if _, err := v.build(ctx, order); err != nil {
		return c, 0, err
	}
	if err := b.ended(ctx); err != nil {
		return c, 0, err
	}
	took = time.Since(began)
	after, err := b.cost()
	if err != nil {
		return c, 0, err
	}
	return after.minus(before), took, pause(ctx, time.Second/4)
}
