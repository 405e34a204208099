package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"time"

	"github.com/google/uuid"

	"patchlab/engine"
	"patchlab/engine/patch"
	"patchlab/internal/format"
	"patchlab/storage"
)

// overhead measures what a worker uses beyond the engine for a sound of 2 s, stereo, 48
// kHz, on the disk. All that is no rendering counts, encoding and storing too; what these
// two cost alone is printed beside.
func overhead(ctx context.Context, b *bench) (*result, error) {
	const seconds, takes, limit = 2, 8, 1.5
	api, worker, err := b.farm(ctx, "1")
	if err != nil {
		return nil, err
	}
	if err := b.warm(ctx, api); err != nil {
		return nil, err
	}
	v := b.visitor(api)
	pack, jobs, singles := b.n(500), b.n(25), b.n(200)
	oneByOne := func(n, takes int) func() error {
		return func() error {
			for range n {
				r := b.sound(seconds)
				r.Variations = takes
				if _, err := v.generate(ctx, r, "Prefer", "wait=60"); err != nil {
					return err
				}
			}
			return nil
		}
	}
	batches := []struct {
		name   string
		sounds int
		run    func() error
	}{
		{fmt.Sprintf("a pack of %d, until its ZIP is due", pack), pack, func() error {
			a, err := v.build(ctx, b.pack(pack, seconds))
			if err != nil {
				return err
			}
			return b.until(ctx, `SELECT count(*) FROM jobs WHERE id = $1 AND state IN ('queued', 'running') AND stage = ''`, a.Job.ID)
		}},
		{fmt.Sprintf("%d jobs of %d takes in turn", jobs, takes), jobs * takes, oneByOne(jobs, takes)},
		{fmt.Sprintf("%d jobs of one sound in turn", singles), singles, oneByOne(singles, 1)},
	}
	type made struct {
		used     cost
		rendered time.Duration // CPU of the engine by the worker's own metric
		patches  []patch.Patch
	}
	var all []made
	for _, batch := range batches {
		began := time.Now()
		before, metered, err := b.spent(ctx, worker)
		if err != nil {
			return nil, err
		}
		if err := batch.run(); err != nil {
			return nil, err
		}
		after, meteredAfter, err := b.spent(ctx, worker)
		if err != nil {
			return nil, err
		}
		if err := b.ended(ctx); err != nil {
			return nil, err
		}
		patches, err := b.patches(ctx, began)
		if err == nil && len(patches) != batch.sounds {
			err = fmt.Errorf("%d sounds were made, not %d", len(patches), batch.sounds)
		}
		if err := errors.Join(err, pause(ctx, time.Second)); err != nil {
			return nil, err
		}
		all = append(all, made{after.minus(before), meteredAfter - metered, patches})
	}
	if err := b.clear(); err != nil { // the machine is ours now
		return nil, err
	}

	r := &result{
		title: "Farm overhead: sounds of 2 s, stereo, 48 kHz, one worker with one slot; ms of CPU a sound",
		head: []string{
			"what", "worker", "engine alone", "worker − engine", "of which encoding, storing", "the rest", "engine by the worker's metric", "api", "PostgreSQL", "Redis", "efficiency",
		},
	}
	for i, batch := range batches {
		m, n := all[i], batch.sounds
		alone, err := b.engineAlone(ctx, m.patches)
		if err != nil {
			return nil, err
		}
		over := each(m.used.worker-alone.engine, n)
		metered := any("–")
		if m.rendered > 0 {
			metered = each(m.rendered, n)
		}
		r.row(batch.name, each(m.used.worker, n), each(alone.engine, n), over, each(alone.stored, n), over-each(alone.stored, n), metered,
			each(m.used.api, n), each(m.used.postgres, n), each(m.used.redis, n), fmt.Sprintf("%.0f %%", 100*ratio(alone.engine, m.used.total())))
		if i == 0 {
			r.atMost("worker CPU beyond the engine's own for a sound of a pack", over, limit, "ms")
			r.note("the engine alone renders the same patches in this program, on one thread; with what its garbage costs other threads it is %s ms", number(each(alone.collected, n)))
		}
	}
	r.note("beyond the engine's own is all that is no rendering, so encoding (dither, WAV, SHA-256) and storing (write, fsync, rename) count; alone they cost what the table says")
	r.note("efficiency is the CPU of the engine over that of worker, API, PostgreSQL and Redis together")
	return r, nil
}

// spent returns what the farm has used so far, and of that the engine, by the metric of
// the worker; 0 where it has none.
func (b *bench) spent(ctx context.Context, worker *process) (used cost, rendered time.Duration, err error) {
	const name = "patchlab_render_cpu_seconds_total"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, worker.url+"/metrics", nil)
	if err != nil {
		return used, 0, fmt.Errorf("ask for metrics: %w", err)
	}
	res, err := b.web.RoundTrip(req)
	if err != nil {
		return used, 0, fmt.Errorf("ask for metrics: %w", err)
	}
	text, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return used, 0, fmt.Errorf("read the metrics: %w", err)
	}
	value, _ := metric(string(text), name)
	used, err = b.cost()
	return used, time.Duration(value * float64(time.Second)), err
}

// patches returns those of the sounds that were asked for since a moment.
func (b *bench) patches(ctx context.Context, since time.Time) (out []patch.Patch, err error) {
	rows, err := b.db.QueryContext(ctx, `SELECT patch FROM sounds WHERE created_at >= $1 ORDER BY id`, since)
	if err != nil {
		return nil, fmt.Errorf("read the patches: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var text []byte
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("read the patches: %w", err)
		}
		p, err := patch.Decode(text)
		if err != nil {
			return nil, fmt.Errorf("read a patch: %w", err)
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

// alone is the CPU time of what a worker does for some sounds, without a farm.
type alone struct {
	engine    time.Duration // on the thread that renders
	collected time.Duration // the same, with the garbage collection on others
	stored    time.Duration // encoding and storing, which comes on top
}

// engineAlone renders patches in this process, and encodes and stores them as a worker
// does.
func (b *bench) engineAlone(ctx context.Context, patches []patch.Patch) (a alone, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	disk, err := storage.NewDisk(filepath.Join(b.dir, "alone"))
	if err != nil {
		return a, fmt.Errorf("open a store: %w", err)
	}
	defer func() { err = errors.Join(err, disk.Close()) }()
	const warmUp = 20
	for _, p := range patches[:min(warmUp, len(patches))] {
		if _, err := engine.Render(ctx, p, engine.Options{}); err != nil {
			return a, fmt.Errorf("render: %w", err)
		}
	}
	runtime.GC() // what was left before is not the engine's
	own, thread := stopwatch(ownCPU), stopwatch(threadCPU)
	for _, p := range patches {
		if _, err := engine.Render(ctx, p, engine.Options{}); err != nil {
			return a, fmt.Errorf("render: %w", err)
		}
	}
	if a.engine, err = thread(); err != nil {
		return a, err
	}
	if a.collected, err = own(); err != nil {
		return a, err
	}
	for _, p := range patches {
		audio, err := engine.Render(ctx, p, engine.Options{})
		if err != nil {
			return a, fmt.Errorf("render: %w", err)
		}
		took := stopwatch(ownCPU)
		if err := keep(ctx, disk, audio, format.NewRecipe(p, format.WAV)); err != nil {
			return a, err
		}
		d, err := took()
		if err != nil {
			return a, err
		}
		a.stored += d
	}
	return a, nil
}

// stopwatch returns what a clock of CPU time has gone on by when it is asked.
func stopwatch(clock func() (time.Duration, error)) func() (time.Duration, error) {
	from, failed := clock()
	return func() (time.Duration, error) {
		to, err := clock()
		return to - from, errors.Join(failed, err)
	}
}

// keep encodes a sound into a store, as a worker does.
func keep(ctx context.Context, disk *storage.Disk, audio engine.Audio, recipe format.Recipe) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("name a file: %w", err)
	}
	file := encoding(func(w io.Writer) error { return format.Encode(ctx, w, audio, recipe) })
	if _, err := disk.Put(ctx, storage.NewKey(recipe.Digest(), id, format.Extension(recipe.Format)), file); err != nil {
		return fmt.Errorf("store a sound: %w", err)
	}
	return nil
}

// encoding is a file that writes itself.
type encoding func(io.Writer) error

// Read implements io.Reader for a store that would read; a disk has it written.
func (encoding) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// WriteTo implements io.WriterTo. Nobody counts.
func (e encoding) WriteTo(w io.Writer) (int64, error) { return 0, e(w) }
