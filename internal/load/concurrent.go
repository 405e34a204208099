package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// concurrent measures many people at once, each as a page: it asks for a sound, follows
// its events, and then reads the job, the waveform, the file and the library. They keep
// asking, each for the next sound when the last is there; and all ask at the same moment.
func concurrent(ctx context.Context, b *bench) (*result, error) {
	const people, rounds, seconds = 100, 5, 3
	const endLimit, restLimit = 3000, 200
	api, _, err := b.farm(ctx, "auto")
	if err != nil {
		return nil, err
	}
	if err := b.warm(ctx, api); err != nil {
		return nil, err
	}
	n := b.n(people)
	r := &result{
		title: fmt.Sprintf("%d people at once, %d sounds of 3 s each; one API, one worker", n, rounds),
		head:  []string{"ms", "n", "p50", "p90", "p95", "p99", "most"},
	}
	for _, way := range []struct {
		name     string
		together bool // all at the same moment
	}{{"in turn", false}, {"at the same moment", true}} {
		var all gathered
		began := time.Now()
		if way.together {
			for range rounds {
				all.crowd(ctx, b, api, n, 1, seconds, 0)
			}
		} else {
			const ramp = 2 * time.Second // in which they come
			all.crowd(ctx, b, api, n, rounds, seconds, ramp)
		}
		took := time.Since(began)
		for _, line := range []struct {
			what string
			t    *times
		}{
			{"from the request until the event that the sound is ready", &all.final},
			{"of it until the request was accepted", &all.accepted},
			{"each REST call (that request, job, waveform, file, library)", &all.rest},
		} {
			v := line.t.values()
			r.row(way.name+": "+line.what, len(v), ms(quantile(v, .5)), ms(quantile(v, .9)), ms(quantile(v, .95)), ms(quantile(v, .99)), ms(quantile(v, 1)))
		}
		r.below(way.name+": p90 of submit to ready", ms(quantile(all.final.values(), .9)), endLimit, "ms")
		r.below(way.name+": p95 of every REST call", ms(quantile(all.rest.values(), .95)), restLimit, "ms")
		r.atMost(way.name+": errors", float64(len(all.errs)), 0, "")
		r.note("%s: %s sounds a second", way.name, number(float64(n*rounds)/took.Seconds()))
		if err := first(all.errs); err != nil {
			r.note("%s: the first error: %v", way.name, err)
		}
		if err := pause(ctx, time.Second); err != nil {
			return nil, err
		}
	}
	r.note("in turn: as many are under way all the time, each of a person who asks for the next when the last is there; the clients run on the same CPUs")
	return r, nil
}

// gathered is what people have measured.
type gathered struct {
	final, accepted, rest times

	mu   sync.Mutex
	errs []error
}

// crowd has new people ask for so many sounds each, one after the other. They come within
// a time.
func (g *gathered) crowd(ctx context.Context, b *bench, api *process, people, sounds int, seconds float64, ramp time.Duration) {
	var all sync.WaitGroup
	for i := range people {
		v := b.visitor(api)
		v.rest = &g.rest
		orders := make([]request, sounds)
		for k := range orders {
			orders[k] = b.sound(seconds)
		}
		all.Go(func() {
			err := pause(ctx, ramp*time.Duration(i)/time.Duration(people))
			for _, order := range orders {
				if err == nil {
					err = visit(ctx, v, order, &g.accepted, &g.final)
				}
			}
			if err != nil {
				g.mu.Lock()
				g.errs = append(g.errs, err)
				g.mu.Unlock()
			}
		})
	}
	all.Wait()
}

// visit is one person who wants one sound.
func visit(ctx context.Context, v *visitor, order request, accepted, final *times) error {
	began := time.Now()
	j, err := v.generate(ctx, order)
	if err != nil {
		return err
	}
	accepted.add(time.Since(began))
	if err := v.watch(ctx, j.ID); err != nil {
		return err
	}
	final.add(time.Since(began))
	path := "/v1/sounds/" + j.Sounds[0].ID.String()
	for _, path := range []string{"/v1/jobs/" + j.ID.String(), path + "/waveform", path + "/download", "/v1/sounds"} {
		if _, err := v.call(ctx, http.MethodGet, path, nil); err != nil {
			return err
		}
	}
	return nil
}
