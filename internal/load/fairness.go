package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// fairness measures for how many renders somebody with a small pack waits behind large
// ones.
func fairness(ctx context.Context, b *bench) (*result, error) {
	const seconds, limit = 2, 25
	api, _, err := b.farm(ctx, "1")
	if err != nil {
		return nil, err
	}
	if err := b.warm(ctx, api); err != nil {
		return nil, err
	}
	packs := []int{b.n(500), b.n(50), 5}
	ids := make([]answer, len(packs))
	for i, n := range packs {
		order := b.pack(n, seconds)
		for k := range order.Sounds {
			order.Sounds[k].Prompt = prompts()[len(prompts())-1] // of the same cost: shares are of cost, and renders are counted
		}
		if ids[i], err = b.visitor(api).build(ctx, order); err != nil {
			return nil, err
		}
	}
	r := &result{
		title: "Fairness: three owners ask for packs one after the other; one worker with one slot",
		head:  []string{"sounds", "renders from its accept to its last sound", "s until its first sound", "s until its last"},
	}
	// The small ones are done long before the large one, which need not be awaited.
	for i, n := range slices.Backward(packs) {
		if err := b.until(ctx, `SELECT count(*) FROM tasks WHERE job_id = $1 AND kind = 'render' AND state <> 'succeeded'`, ids[i].Job.ID); err != nil {
			return nil, err
		}
		renders, err := b.count(ctx, `
SELECT count(*) FROM tasks t, (SELECT min(created_at) AS began, max(finished_at) AS ended FROM tasks WHERE job_id = $1 AND kind = 'render') AS mine
WHERE t.kind = 'render' AND t.finished_at > mine.began AND t.finished_at <= mine.ended`, ids[i].Job.ID)
		if err != nil {
			return nil, err
		}
		times, err := b.durations(ctx, `
SELECT extract(epoch FROM unnest(ARRAY[min(finished_at), max(finished_at)]) - min(created_at)) FROM tasks WHERE job_id = $1 AND kind = 'render'`, ids[i].Job.ID)
		if err != nil {
			return nil, err
		}
		r.row(n, renders, times[0].Seconds(), times[1].Seconds())
		if i == len(packs)-1 {
			r.atMost("renders, with its own, until the pack of 5 has its sounds", float64(renders), limit, "renders")
		}
	}
	return r, nil
}

// backlog measures how fast somebody who waits for a sound gets a worker while ten
// thousand renders of packs wait.
func backlog(ctx context.Context, b *bench) (*result, error) {
	const packs, sounds, seconds, limit = 20, 500, 2, 50
	if err := b.fresh(ctx); err != nil {
		return nil, err
	}
	api, err := b.api(ctx)
	if err != nil {
		return nil, err
	}
	each := b.n(sounds)
	began := time.Now()
	for range packs {
		if _, err := b.visitor(api).build(ctx, b.pack(each, seconds)); err != nil {
			return nil, err
		}
	}
	accepting := time.Since(began)
	if _, err := b.worker(ctx, "auto"); err != nil {
		return nil, err
	}
	if err := b.until(ctx, `SELECT greatest(0, 20 - count(*)) FROM tasks WHERE state = 'succeeded'`); err != nil {
		return nil, err
	}
	const waiting = `SELECT count(*) FROM tasks WHERE lane = 'bulk' AND state = 'queued'`
	before, err := b.count(ctx, waiting)
	if err != nil {
		return nil, err
	}
	v := b.visitor(api)
	var whole []time.Duration
	for range b.n(200) {
		began := time.Now()
		j, err := v.generate(ctx, b.sound(1), "Prefer", "wait=20")
		if err != nil {
			return nil, err
		}
		if _, err := v.drain(ctx, j.Sounds[0].DownloadURL); err != nil {
			return nil, err
		}
		whole = append(whole, time.Since(began))
	}
	after, err := b.count(ctx, waiting)
	if err != nil {
		return nil, err
	}
	steps, err := b.steps(ctx, len(whole))
	if err != nil {
		return nil, err
	}
	r := &result{
		title: "Interactive sounds of 1 s while packs wait; one worker with its own number of slots",
		head:  []string{"bulk renders that wait", "sounds", "pickup p50, ms", "p95", "p99", "most", "submit to downloaded p50, ms", "p95"},
	}
	r.row(fmt.Sprintf("%d … %d", before, after), len(whole), ms(quantile(steps[0], .5)), ms(quantile(steps[0], .95)), ms(quantile(steps[0], .99)), ms(quantile(steps[0], 1)),
		ms(quantile(whole, .5)), ms(quantile(whole, .95)))
	r.below("p95 of release to claim", ms(quantile(steps[0], .95)), limit, "ms")
	r.note("%d packs of %d, each of another visitor, accepted in %s", packs, each, accepting.Round(time.Second/10))
	return r, nil
}
