package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

// Options says how a storm is run.
type Options struct {
	Seed  uint64
	Jobs  int
	Packs int
	// Short is the storm of a part of the events, in less time.
	Short bool
	// Verify is how many sounds are downloaded and rendered again at the end; 0 = all.
	Verify int
	Node   string    // the program of the processes, by Build
	Dir    string    // for their files
	Out    io.Writer // what happens, and the tables
}

// ErrBroken means that the farm broke a promise; what was written to Out says which.
var ErrBroken = errors.New("the farm broke a promise")

// struck is an event that has happened.
type struck struct {
	Event
	began, ended time.Duration
	err          error
}

// sample is the state of the farm at a moment.
type sample struct {
	at    time.Duration
	done  int // tasks that have succeeded; -1 = the database does not answer
	open  int // jobs that are not final
	ready bool
}

// run is one storm.
type run struct {
	Options
	farm     *farm
	began    time.Time
	orders   []*order
	visitors []*visitor
	watchers []*watcher
	tally    tally
	verdict  verdict

	mu      sync.Mutex // of what follows
	struck  []struck
	samples []sample
}

// Run runs a storm and holds the farm to its promises. ErrBroken where it broke one; any
// other error is trouble of the suite's own.
func Run(ctx context.Context, o Options) (err error) {
	plan := Plan(o.Seed, o.Short)
	over := end(plan)
	r := &run{Options: o, orders: orders(o.Seed, o.Jobs, o.Packs, over)}
	r.say("seed %d: a storm of %d events in %.0f s, %d jobs and %d packs\n%s", o.Seed, len(plan), over.Seconds(), o.Jobs, o.Packs, schedule(plan))
	const diskBase, diskPerJob = 128 << 20, 300 << 10
	r.farm, err = start(ctx, o.Dir, o.Node, diskBase+int64(o.Jobs+40*o.Packs)*diskPerJob, "1.5")
	if err != nil {
		return fmt.Errorf("start the farm: %w", err)
	}
	defer func() { err = errors.Join(err, r.farm.close()) }()
	if err := r.invite(ctx); err != nil {
		return err
	}
	r.weather(ctx, plan)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("the storm: %w", err)
	}
	r.settle(ctx)
	r.report(ctx)
	return r.conclude()
}

func (r *run) say(format string, args ...any) { _, _ = fmt.Fprintf(r.Out, format+"\n", args...) }

// since is how long the storm has lasted.
func (r *run) since() time.Duration { return time.Since(r.began) }

// invite gives every visitor a cookie.
func (r *run) invite(ctx context.Context) error {
	for n := range visitors {
		v, err := newVisitor(r.farm.apis(), n, &r.tally)
		if err != nil {
			return err
		}
		if status, data, err := v.insist(ctx, "GET", "/v1/sounds", "", ""); err != nil || status != 200 {
			return fmt.Errorf("the first request: %d %.300s: %w", status, data, err)
		}
		r.visitors = append(r.visitors, v)
		r.watchers = append(r.watchers, newWatcher(v, n))
	}
	return nil
}

// weather lets the storm and the load happen, and returns when all is accepted and
// mended, every job is final and every watcher has seen so, or their time is over.
func (r *run) weather(ctx context.Context, plan []Event) {
	ctx, cancel := context.WithCancel(ctx)
	var watching, asking, storming sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	r.began = time.Now()
	watching.Go(func() { r.look(ctx) })
	for _, w := range r.watchers {
		watching.Go(func() { w.run(ctx) })
	}
	for _, e := range plan {
		storming.Go(func() { r.strike(ctx, e) })
	}
	for _, o := range r.orders {
		asking.Go(func() { r.ask(ctx, o) })
	}
	storming.Wait()
	r.say("%6.1f s  the storm is over", r.since().Seconds())
	asking.Wait()
	r.say("%6.1f s  all is accepted", r.since().Seconds())
	const patience, telling = 120 * time.Second, 20 * time.Second
	if err := untilFinal(ctx, r.farm.db, patience); err != nil {
		r.verdict.add("%v", err)
	}
	r.say("%6.1f s  all is final", r.since().Seconds())
	told := time.Now()
	for _, w := range r.watchers {
		for len(w.missing()) > 0 && time.Since(told) < telling && ctx.Err() == nil {
			time.Sleep(50 * time.Millisecond)
		}
		if len(w.missing()) > 0 {
			r.verdict.add("a client does not see the end of its jobs: %s", w.describe())
		}
	}
	if err := r.farm.awaitHealth(ctx, patience); err != nil {
		r.verdict.add("%v", err)
	}
	time.Sleep(time.Second) // for the last samples
}

// strike waits for the moment of an event and makes it happen.
func (r *run) strike(ctx context.Context, e Event) {
	select {
	case <-time.After(e.At - r.since()):
	case <-ctx.Done():
		return
	}
	s := struck{Event: e, began: r.since()}
	s.err = r.farm.strike(ctx, e)
	s.ended = r.since()
	r.say("%6.1f s  %s (%.1f s)", s.began.Seconds(), e, (s.ended - s.began).Seconds())
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.err != nil {
		r.verdict.add("%s: %v", e, s.err)
	}
	r.struck = append(r.struck, s)
}

// ask waits for the moment of an order and places it.
func (r *run) ask(ctx context.Context, o *order) {
	select {
	case <-time.After(o.at - r.since()):
	case <-ctx.Done():
		return
	}
	if o.err = r.visitors[o.visitor].place(ctx, o); o.jobID != "" && o.watched {
		r.watchers[o.visitor].add(o.jobID)
	}
}

// look takes samples until ctx ends.
func (r *run) look(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s := sample{done: -1}
		var row struct {
			Done int `db:"done"`
			Open int `db:"open"`
		}
		var asking sync.WaitGroup
		var ready atomic.Int64
		for _, p := range r.farm.fleet {
			asking.Go(func() {
				if p.healthy(ctx) {
					ready.Add(1)
				}
			})
		}
		within, cancel := context.WithTimeout(ctx, time.Second)
		if r.farm.db.Reader().Get(within, &row, `
SELECT (SELECT count(*) FROM tasks WHERE state = 'succeeded') AS done,
       (SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')) AS open`) == nil {
			s.done, s.open = row.Done, row.Open
		}
		cancel()
		asking.Wait()
		s.ready = int(ready.Load()) == len(r.farm.fleet)
		s.at = r.since()
		r.mu.Lock()
		r.samples = append(r.samples, s)
		r.mu.Unlock()
	}
}

// settle holds the farm to what it promises, now that the storm is over.
func (r *run) settle(ctx context.Context) {
	v := &r.verdict
	for _, p := range r.farm.fleet {
		p.mu.Lock()
		for _, s := range p.strange {
			v.add("%s", s)
		}
		p.mu.Unlock()
		if log := p.tail(1 << 30); strings.Contains(log, "panic") {
			v.add("%s panicked: %.3000s", p.name, log[strings.Index(log, "panic"):])
		}
	}
	r.settleJobs(ctx)
	r.settleFiles(ctx)
}

// explained are the failures for which a storm is reason enough.
func explained() []string { return []string{"crashed", "storage_unavailable", "database_unavailable"} }

// settleJobs holds the records to the orders, and what the watchers saw to the records.
func (r *run) settleJobs(ctx context.Context) {
	v := &r.verdict
	sounds := 0
	for _, o := range r.orders {
		if o.err != nil {
			v.add("order %d was not accepted or not cancelled: %v", o.n, o.err)
		}
		sounds += o.sounds
	}
	l, err := count(ctx, r.farm.db)
	if err != nil {
		v.add("%v", err)
		return
	}
	l.check(v, len(r.orders), sounds)
	var rows []jobRow
	if err := r.farm.db.Reader().Select(ctx, &rows, readJobs); err != nil {
		v.add("read the jobs: %v", err)
		return
	}
	jobs := map[string]jobRow{}
	for _, row := range rows {
		jobs[row.ID] = row
	}
	for _, o := range r.orders {
		switch job, ok := jobs[o.jobID]; {
		case o.jobID == "":
		case !ok:
			v.add("job %s was accepted and is lost", o.jobID)
		case job.Total != o.sounds:
			v.add("job %s has %d sounds, %d were ordered", o.jobID, job.Total, o.sounds)
		case job.State == "cancelled" && !o.cancelled:
			v.add("job %s was cancelled, and nobody asked for it", o.jobID)
		}
	}
	for _, w := range r.watchers {
		seen, _ := w.result()
		for _, id := range slices.Sorted(maps.Keys(seen)) {
			if seen[id] != jobs[id].State {
				v.add("a client saw that job %s is %s, and it is %s", id, seen[id], jobs[id].State)
			}
		}
	}
	var failed []failedTask
	if err := r.farm.db.Reader().Select(ctx, &failed, readFailed); err != nil {
		v.add("read the failures: %v", err)
	}
	for _, t := range failed {
		var failure struct{ Code string }
		if err := json.Unmarshal(t.Error, &failure); err != nil || !slices.Contains(explained(), failure.Code) {
			v.add("task %s of job %s failed, and the storm does not explain it: %s", t.ID, t.JobID, t.Error)
		}
	}
}

// settleFiles downloads and verifies, sweeps, and holds the blobs to the rows.
func (r *run) settleFiles(ctx context.Context) {
	v := &r.verdict
	var sounds []soundRow
	if err := r.farm.db.Reader().Select(ctx, &sounds, readSounds); err != nil {
		v.add("read the sounds: %v", err)
		return
	}
	owner := map[string]*visitor{}
	for _, o := range r.orders {
		owner[o.jobID] = r.visitors[o.visitor]
	}
	d := dice(r.Seed, 3)
	d.Shuffle(len(sounds), func(i, j int) { sounds[i], sounds[j] = sounds[j], sounds[i] })
	if r.Verify > 0 {
		sounds = sounds[:min(r.Verify, len(sounds))]
	}
	for _, s := range sounds {
		who := owner[s.JobID]
		if who == nil {
			v.add("sound %s belongs to a job that nobody ordered", s.ID)
			continue
		}
		if err := who.fetch(ctx, s); err != nil {
			v.add("%v", err)
		}
	}
	packs, inside := 0, 0
	for _, o := range r.orders {
		if !o.pack || o.cancelled || o.jobID == "" {
			continue
		}
		n, err := r.visitors[o.visitor].fetchPack(ctx, o.packID, func(n int) bool { return r.Verify == 0 || n%5 == 0 })
		if err != nil {
			v.add("%v", err)
		}
		packs, inside = packs+1, inside+n
	}
	r.say("%6.1f s  %d sounds and %d packs (%d sounds) downloaded and verified", r.since().Seconds(), len(sounds), packs, inside)
	blobs, removed, err := sweep(ctx, r.farm.db, r.farm.store, r.farm.queue, v)
	if err != nil {
		v.add("%v", err)
	}
	r.say("%6.1f s  swept: %d blobs are left; removed: %v", r.since().Seconds(), blobs, nonzero(removed))
}

func nonzero(counts map[string]int) map[string]int {
	out := maps.Clone(counts)
	maps.DeleteFunc(out, func(_ string, n int) bool { return n == 0 })
	return out
}

// report prints the tables.
func (r *run) report(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortFunc(r.struck, func(a, b struck) int { return int(a.began - b.began) })
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "  at\tevent\tlasted\tnext render\tall ready")
	for _, s := range r.struck {
		render, ready := r.recovery(s.ended)
		_, _ = fmt.Fprintf(t, "  %.1f s\t%s\t%.1f s\t%s\t%s\n", s.began.Seconds(), s.Event, (s.ended - s.began).Seconds(), render, ready)
	}
	_ = t.Flush()
	r.say("\n%s\n  tasks done in each 10 s:%s\n", b.String(), r.pace())
	if l, err := count(ctx, r.farm.db); err == nil {
		r.say("%s", l)
	}
	starts, refused, drains, unclean, reconnects, watched := 0, 0, 0, 0, 0, 0
	for _, p := range r.farm.fleet {
		p.mu.Lock()
		starts, refused, drains, unclean = starts+p.starts-1, refused+p.refused, drains+p.drains, unclean+len(p.unclean)
		p.mu.Unlock()
	}
	for _, w := range r.watchers {
		seen, n := w.result()
		reconnects, watched = reconnects+n, watched+len(seen)
	}
	r.say("  %-28s %6d  (%d of them because a server was away)", "processes started again", starts, refused)
	r.say("  %-28s %6d  (%d not with exit code 0)", "orderly stops", drains, unclean)
	r.say("  %-28s %6d", "requests repeated", r.tally.repeats.Load())
	r.say("  %-28s %6d", "requests that S3 failed", r.farm.answers.Hit())
	r.say("  %-28s %6d  (%d reconnects)", "ends seen by clients", watched, reconnects)
}

// pace returns how many tasks succeeded in each 10 s.
func (r *run) pace() string {
	const step = 10 * time.Second
	var b strings.Builder
	last, done, until := 0, 0, step
	for _, s := range r.samples {
		if s.at >= until {
			fmt.Fprintf(&b, " %d", done-last)
			last, until = done, until+step
		}
		done = max(done, s.done)
	}
	fmt.Fprintf(&b, " %d", done-last)
	return b.String()
}

// recovery returns how long after a moment the next render was finished, and until all
// processes were ready: "-" where there was nothing to render.
func (r *run) recovery(ended time.Duration) (render, ready string) {
	done, open := 0, 0
	render, ready = "-", "never"
	for _, s := range r.samples {
		after := fmt.Sprintf("%.1f s", (s.at - ended).Seconds())
		switch {
		case s.at <= ended:
			if s.done >= 0 {
				done, open = s.done, s.open
			}
			continue
		case render == "-" && s.done > done && open > 0:
			render = after
		}
		if ready == "never" && s.ready {
			ready = after
		}
	}
	return render, ready
}

// conclude prints what was broken, with the evidence.
func (r *run) conclude() error {
	if len(r.verdict.broken) == 0 {
		r.say("\nseed %d: every promise was kept", r.Seed)
		return nil
	}
	const most = 40
	r.say("\nseed %d: %d promises were broken", r.Seed, len(r.verdict.broken))
	for _, b := range r.verdict.broken[:min(most, len(r.verdict.broken))] {
		r.say("  %s", b)
	}
	const tail = 4000
	for _, p := range r.farm.fleet {
		r.say("\n%s, the end of its log:\n%s", p.name, p.tail(tail))
	}
	r.say("\nreplay with: make chaos SEED=%d JOBS=%d PACKS=%d", r.Seed, r.Jobs, r.Packs)
	return ErrBroken
}

// schedule prints a plan.
func schedule(plan []Event) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, e := range plan {
		lasts := ""
		if e.For > 0 {
			lasts = fmt.Sprintf("for %.1f s", e.For.Seconds())
		}
		_, _ = fmt.Fprintf(t, "  %.1f s\t%s\t%s\n", e.At.Seconds(), e, lasts)
	}
	_ = t.Flush()
	return b.String()
}
