package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"patchlab/db"
	"patchlab/internal/testenv"
	"patchlab/queue"
	"patchlab/storage"
)

// FullDisk fills the data folder of the all-in-one process in the middle of a pack, with
// SQLite and the sounds on it, kills the process while it is full, and frees it again.
func FullDisk(ctx context.Context, o Options) (err error) {
	r := &run{Options: o}
	r.say("seed %d: a full disk under the all-in-one process", o.Seed)
	const size = 48 << 20
	d, err := testenv.NewDisk(size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	p, err := keep("serve", o.Dir, d.Inside(o.Node, "serve"), []string{
		"DATA_DIR=" + d.Path("data"), "WORKER_CONCURRENCY=2", "RENDER_MAX_SPEED=3", "DRAIN_GRACE=5s",
	})
	if err != nil {
		return err
	}
	defer p.close()
	r.farm = &farm{fleet: []*process{p}}
	if err := r.farm.awaitHealth(ctx, time.Minute); err != nil {
		return err
	}
	who, err := newVisitor([]string{p.addr}, 0, &r.tally)
	if err != nil {
		return err
	}
	dice := dice(o.Seed, 4)
	pack := packOrder(dice, "on a small disk", 60)
	before := orders(dice.Uint64(), 6, 0, time.Second)
	full := orders(dice.Uint64(), 6, 0, time.Second)
	number := 0
	place := func(list ...*order) {
		for _, o := range list {
			number++
			o.n, o.twice, o.cancelAfter = number, false, 0
			if err := who.place(ctx, o); err != nil {
				r.verdict.add("order: %v", err)
			}
		}
	}
	r.began = time.Now()
	place(pack)
	place(before...)
	pause := func(least, most time.Duration) {
		select {
		case <-time.After(between(dice, least, most)):
		case <-ctx.Done():
		}
	}
	pause(300*time.Millisecond, 800*time.Millisecond)
	if err := d.Fill(); err != nil {
		return err
	}
	r.say("%6.1f s  the disk of the all-in-one process is full", r.since().Seconds())
	refused := 0
	for _, o := range full[:3] { // answered, one way or the other, and never with half of it
		if status, _, err := who.call(ctx, http.MethodPost, o.path, o.body, fmt.Sprintf("full-%d", o.n)); err == nil && status != http.StatusAccepted {
			refused++
		}
	}
	pause(time.Second, 2*time.Second)
	p.kill()
	pause(500*time.Millisecond, time.Second)
	if err := d.Free(); err != nil {
		return err
	}
	freed := time.Now()
	if err := r.farm.awaitHealth(ctx, time.Minute); err != nil {
		r.verdict.add("%v", err)
	}
	r.say("%6.1f s  it is free again, and ready after %.1f s; %d of 3 requests were refused while it was full",
		r.since().Seconds(), time.Since(freed).Seconds(), refused)
	for _, o := range full[:3] { // once more, with the same keys
		out, err := who.order(ctx, o, fmt.Sprintf("full-%d", o.n))
		if err != nil {
			r.verdict.add("order: %v", err)
		}
		o.jobID = out.Job.ID
	}
	place(full[3:]...)
	if err := r.inspect(ctx, d, p, who, append(append(before, full...), pack), pack); err != nil {
		return err
	}
	return r.conclude()
}

// inspect holds the records and the files of the all-in-one process to its promises, and
// ends it.
func (r *run) inspect(ctx context.Context, d *testenv.Disk, p *process, who *visitor, all []*order, pack *order) (err error) {
	const patience = 90 * time.Second
	v := &r.verdict
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	sounds := 0
	for _, o := range all {
		sounds += o.sounds
		ids, err := who.final(waiting, o.jobID)
		if err != nil {
			v.add("%v", err)
		}
		for _, id := range ids {
			if _, err := who.download(ctx, id); err != nil {
				v.add("%v", err)
			}
		}
	}
	if n, err := who.fetchPack(ctx, pack.packID, func(int) bool { return true }); err != nil || n != pack.sounds {
		v.add("the pack has %d sounds of %d: %v", n, pack.sounds, err)
	}
	r.say("%6.1f s  all is final, downloaded and verified", r.since().Seconds())
	if err := p.terminate(); err != nil {
		v.add("%v", err)
	}
	for _, s := range p.strange {
		v.add("%s", s)
	}
	// SQLite would resolve the path to the disk, and lose its way: it reads a copy.
	file := filepath.Join(r.Dir, "copy.db")
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(d.Outside("data/patchlab.db" + suffix))
		if err == nil {
			err = os.WriteFile(file+suffix, data, 0o600)
		} else if suffix != "" && errors.Is(err, os.ErrNotExist) {
			err = nil // it was taken up
		}
		if err != nil {
			return fmt.Errorf("copy the database: %w", err)
		}
	}
	records, err := db.Open(ctx, db.Config{Path: file})
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer func() { err = errors.Join(err, records.Close()) }()
	l, err := count(ctx, records)
	if err != nil {
		return err
	}
	l.check(v, len(all), sounds)
	v.equal("jobs of the all-in-one process that failed", l.Failed+l.Cancelled, 0)
	v.equal("its sounds that failed", l.Sounds-l.Rendered, 0)
	store, err := storage.NewDisk(d.Outside("data/assets"))
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	embedded, err := queue.StartEmbedded()
	if err != nil {
		return fmt.Errorf("start a queue: %w", err)
	}
	defer func() { err = errors.Join(err, embedded.Close()) }()
	client := embedded.Client()
	defer func() { err = errors.Join(err, client.Close()) }()
	blobs, removed, err := sweep(ctx, records, store, queue.NewClient(client), v)
	if err != nil {
		return err
	}
	r.say("%6.1f s  swept: %d blobs are left; removed: %v\n%s", r.since().Seconds(), blobs, nonzero(removed), l)
	return nil
}
