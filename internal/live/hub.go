package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"patchlab/internal/model"
)

// Jobs is where the hub reads state. Whose jobs they are was checked before.
type Jobs interface {
	// JobByID returns a job; of a pack's job it has those sounds that became final after a
	// version, none where it is 0.
	JobByID(ctx context.Context, id uuid.UUID, since int64) (model.Job, error)
	// JobVersions returns the versions of those jobs that exist.
	JobVersions(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]int64, error)
}

// HubConfig says how a Hub works. Zero values mean the defaults.
type HubConfig struct {
	Reread        time.Duration // between reads of all watched versions; default 2 s
	ProgressEvery time.Duration // least time between two progress messages on one sound; default 100 ms
	AckTimeout    time.Duration // wait for Redis to confirm a channel before reading anyway; default 300 ms
	ReadTimeout   time.Duration // bounds a read of the database; default 5 s
	PackEvery     time.Duration // least time between two reads of a pack's job; default 100 ms
	MaxState      int           // unread state messages that end a subscription; default 256
	MaxAudio      int           // unread audio chunks kept; default 64
	MaxReads      int           // reads of jobs at once; default 4
	MaxPositions  int           // queue positions looked up per re-read; default 32
	Log           *slog.Logger

	now func() time.Time
}

func (c HubConfig) withDefaults() HubConfig {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.Reread, 2 * time.Second},
		{&c.ProgressEvery, 100 * time.Millisecond},
		{&c.AckTimeout, 300 * time.Millisecond},
		{&c.ReadTimeout, 5 * time.Second},
		{&c.PackEvery, 100 * time.Millisecond},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	for _, d := range []struct {
		field *int
		value int
	}{{&c.MaxState, 256}, {&c.MaxAudio, 64}, {&c.MaxReads, 4}, {&c.MaxPositions, 32}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.now == nil {
		c.now = time.Now
	}
	return c
}

const (
	// idsPerRead bounds one question for versions.
	idsPerRead = 500
	// goneAfter is how many re-reads in a row must miss a job before it counts
	// as removed: a replica of the database may lag.
	goneAfter = 3
	// deafAfter is how many questions in a row without an answer, one each Reread,
	// make a connection count as dead.
	deafAfter = 3
	// maxTakes is how many sounds that became final in one step are told one by
	// one. More, as when a pack is cancelled, come as one snapshot: they would
	// make a reader that keeps up look slow.
	maxTakes = 64
	// maxSounds bounds the progress held for a job before it is read.
	maxSounds = 1024
)

// Options says what a subscriber wants beside state and progress.
type Options struct {
	Audio bool // preview PCM
}

// Hub fans out what is new about jobs to any number of subscriptions over one
// Redis connection. Without Redis it still serves, by reading the versions of
// the watched jobs again and again.
type Hub struct {
	rdb  redis.UniversalClient
	jobs Jobs
	cfg  HubConfig

	work    sync.WaitGroup // reads that run
	reads   chan struct{}  // one token for each
	control chan struct{}  // the wanted channels have changed
	reread  chan struct{}  // read the versions now

	mu       sync.Mutex
	closed   bool
	watches  map[uuid.UUID]*watch
	channels map[string]*channel // what Redis was asked for
}

// watch is a job with at least one subscription.
type watch struct {
	id       uuid.UUID
	subs     map[*Subscription]struct{}
	ready    chan struct{} // closed when Redis has confirmed the job's channel
	isReady  bool
	late     bool // somebody read the database before that
	job      *model.Job
	progress map[uuid.UUID]model.Progress
	ended    map[uuid.UUID]struct{} // the sounds of a pack that were told to be final
	missing  int                    // re-reads in a row that did not find it
	reading  bool                   // a read runs
	again    bool                   // and another is due after it
}

// channel is one that Redis was asked for.
type channel struct{ confirmed bool }

// NewHub returns a Hub on rdb, which the caller keeps and closes after Run.
func NewHub(rdb redis.UniversalClient, jobs Jobs, cfg HubConfig) *Hub {
	cfg = cfg.withDefaults()
	return &Hub{
		rdb:      rdb,
		jobs:     jobs,
		cfg:      cfg,
		reads:    make(chan struct{}, cfg.MaxReads),
		control:  make(chan struct{}, 1),
		reread:   make(chan struct{}, 1),
		watches:  make(map[uuid.UUID]*watch),
		channels: make(map[string]*channel),
	}
}

// Run serves until ctx ends, and then ends all subscriptions with ErrClosed. It
// runs once.
func (h *Hub) Run(ctx context.Context) {
	var loops sync.WaitGroup
	loops.Go(func() {
		for ctx.Err() == nil {
			h.serve(ctx)
		}
	})
	loops.Go(func() { h.rereadLoop(ctx) })

	<-ctx.Done()
	h.close()
	loops.Wait()
	h.work.Wait()
}

// serve listens to Redis until ctx ends, or until a connection that should live
// says nothing any more. The library replaces one that breaks, but not one whose
// other end vanished without a word: it sends pings and does not wait for answers,
// and the kernel gives up only after a quarter of an hour.
func (h *Hub) serve(run context.Context) {
	ctx, cancel := context.WithCancel(run)
	ps := h.rdb.Subscribe(ctx, h.asked()...)
	events := ps.ChannelWithSubscriptions(
		redis.WithChannelSize(1024),
		redis.WithChannelHealthCheckInterval(h.cfg.Reread),
		redis.WithChannelPingTimeout(h.cfg.Reread),
		redis.WithChannelReconnectTimeout(h.cfg.Reread),
	)
	heard := make(chan struct{}, 1)
	var loops sync.WaitGroup
	loops.Go(func() { h.listen(run, events, heard) }) // reads of jobs outlive this connection
	loops.Go(func() { h.subscribeLoop(ctx, ps) })
	h.untilDeaf(ctx, ps, heard)
	cancel()
	_ = ps.Close() // ends listen
	loops.Wait()
}

// untilDeaf asks Redis for a sign of life now and then; it returns when some in a
// row stay out, or ctx ends.
func (h *Hub) untilDeaf(ctx context.Context, ps *redis.PubSub, heard <-chan struct{}) {
	t := time.NewTicker(h.cfg.Reread)
	defer t.Stop()
	for silent := 0; silent < deafAfter; {
		// Redis confirms this as well where there is no such subscription.
		if ps.Unsubscribe(ctx, probeChannel) == nil {
			silent++
		} else {
			silent = 0 // the library is about to connect again
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		select {
		case <-heard:
			silent = 0
		default:
		}
	}
	h.cfg.Log.WarnContext(ctx, "Redis has fallen silent: connecting again")
}

// asked returns the channels that Redis was asked for.
func (h *Hub) asked() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	names := make([]string, 0, len(h.channels))
	for name := range h.channels {
		names = append(names, name)
	}
	return names
}

// close ends all subscriptions and refuses new ones.
func (h *Hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, w := range h.watches {
		for s := range w.subs {
			s.fail(ErrClosed)
		}
	}
}

// Subscribe watches a job. It subscribes on Redis first and reads the database
// then, so that nothing falls between; the first message is the snapshot. An
// error of Jobs is returned as it is.
func (h *Hub) Subscribe(ctx context.Context, jobID uuid.UUID, opt Options) (*Subscription, error) {
	s := newSubscription(h, jobID, opt.Audio)
	w, err := h.add(s)
	if err != nil {
		return nil, err
	}
	if err := h.start(ctx, w, s); err != nil {
		h.remove(s)
		return nil, err
	}
	return s, nil
}

// start waits for Redis, reads the job and gives the snapshot.
func (h *Hub) start(ctx context.Context, w *watch, s *Subscription) error {
	timer := time.NewTimer(h.cfg.AckTimeout)
	defer timer.Stop()
	confirmed := false
	select {
	case <-w.ready:
		confirmed = true
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	job, err := h.read(ctx, w)
	if err != nil {
		return err
	}
	var stored map[uuid.UUID]model.Progress
	// Of a pack there would be that of all its sounds; those that run will tell anew.
	if confirmed && !job.State.Final() && job.PackID == nil {
		stored = h.stored(ctx, w.id)
	}

	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return ErrClosed
	}
	w.late = w.late || !confirmed
	for _, p := range stored {
		w.keep(p)
	}
	h.apply(w, &job)
	s.pushState(w.snapshot())
	if w.job.State.Final() {
		s.pushState(w.final())
	}
	return nil
}

// read reads what is new of a job, bounded in time.
func (h *Hub) read(ctx context.Context, w *watch) (model.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.ReadTimeout)
	defer cancel()
	h.mu.Lock()
	var since int64
	if w.job != nil {
		since = w.job.Version
	}
	h.mu.Unlock()
	return h.jobs.JobByID(ctx, w.id, since)
}

// stored reads the progress that Redis keeps; it is no loss where it cannot.
func (h *Hub) stored(ctx context.Context, id uuid.UUID) map[uuid.UUID]model.Progress {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	fields, err := h.rdb.HGetAll(ctx, progressKey(id)).Result()
	if err != nil {
		h.cfg.Log.DebugContext(ctx, "stored progress cannot be read", "job", id, "err", err)
		return nil
	}
	all := make(map[uuid.UUID]model.Progress, len(fields))
	for _, value := range fields {
		if p, err := decodeStored(id, value); err == nil {
			all[p.SoundID] = p
		}
	}
	return all
}

// Percent returns how far the sounds of jobs are that are being rendered, 0 to 100, as far
// as Redis knows.
func (h *Hub) Percent(ctx context.Context, jobs []uuid.UUID) map[uuid.UUID]float64 {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout) // of all of them
	defer cancel()
	percent := make(map[uuid.UUID]float64)
	asked := make(map[uuid.UUID]bool, len(jobs))
	for _, id := range jobs {
		if asked[id] {
			continue
		}
		asked[id] = true
		for sound, p := range h.stored(ctx, id) {
			percent[sound] = p.Percent
		}
	}
	return percent
}

// add registers a subscription and has Redis asked for its channels.
func (h *Hub) add(s *Subscription) (*watch, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrClosed
	}
	w := h.watches[s.jobID]
	if w == nil {
		w = &watch{
			id:       s.jobID,
			subs:     make(map[*Subscription]struct{}),
			ready:    make(chan struct{}),
			progress: make(map[uuid.UUID]model.Progress),
			ended:    make(map[uuid.UUID]struct{}),
		}
		if c := h.channels[jobChannel(s.jobID)]; c != nil && c.confirmed {
			w.confirm()
		}
		h.watches[s.jobID] = w
	}
	w.subs[s] = struct{}{}
	nudge(h.control)
	return w, nil
}

func (h *Hub) remove(s *Subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.watches[s.jobID]
	if w == nil {
		return
	}
	if _, ok := w.subs[s]; !ok {
		return
	}
	delete(w.subs, s)
	if len(w.subs) == 0 {
		delete(h.watches, s.jobID)
	}
	nudge(h.control)
}

// nudge wakes a loop that has not been woken yet.
func nudge(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// subscribeLoop keeps what Redis was asked for equal to what is wanted.
func (h *Hub) subscribeLoop(ctx context.Context, ps *redis.PubSub) {
	for {
		add, drop := h.wanted()
		// An error needs no care: the library remembers the channels and asks
		// for them again when it has a connection.
		if len(drop) > 0 {
			_ = ps.Unsubscribe(ctx, drop...)
		}
		if len(add) > 0 {
			_ = ps.Subscribe(ctx, add...)
		}
		select {
		case <-h.control:
		case <-ctx.Done():
			return
		}
	}
}

// wanted returns the channels to ask for and those to give up.
func (h *Hub) wanted() (add, drop []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	want := make(map[string]bool, len(h.watches))
	for id, w := range h.watches {
		want[jobChannel(id)] = true
		for s := range w.subs {
			if s.audio {
				want[audioChannel(id)] = true
				break
			}
		}
	}
	for name := range h.channels {
		if !want[name] {
			delete(h.channels, name)
			drop = append(drop, name)
		}
	}
	for name := range want {
		if h.channels[name] == nil {
			h.channels[name] = &channel{}
			add = append(add, name)
		}
	}
	return add, drop
}

// listen handles what Redis sends. It never waits for anyone: the embedded Redis
// would hold all publishers up.
func (h *Hub) listen(ctx context.Context, events <-chan any, heard chan<- struct{}) {
	for event := range events {
		nudge(heard)
		switch e := event.(type) {
		case *redis.Subscription:
			if e.Kind == "subscribe" {
				h.confirmed(e.Channel)
			}
		case *redis.Message:
			if err := h.heard(ctx, e.Channel, e.Payload); err != nil {
				h.cfg.Log.DebugContext(ctx, "ignored a publication", "channel", e.Channel, "err", err)
			}
		}
	}
}

// confirmed notes that Redis listens for a channel. A second confirmation means
// that the connection was lost meanwhile, and news with it.
func (h *Hub) confirmed(name string) {
	id, audio, err := splitChannel(name)
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.channels[name]
	if c == nil {
		return
	}
	missed := c.confirmed
	c.confirmed = true
	if w := h.watches[id]; w != nil && !audio {
		missed = missed || w.late
		w.late = false
		w.confirm()
	}
	if missed {
		nudge(h.reread)
	}
}

// confirm lets those go on who wait for the channel.
func (w *watch) confirm() {
	if !w.isReady {
		w.isReady = true
		close(w.ready)
	}
}

// heard handles one publication.
func (h *Hub) heard(ctx context.Context, name, payload string) error {
	id, audio, err := splitChannel(name)
	if err != nil {
		return err
	}
	if audio {
		c, err := decodeChunk(id, payload)
		if err != nil {
			return err
		}
		h.gotAudio(&c)
		return nil
	}
	if payload == "" {
		return errors.New("empty")
	}
	switch mark, rest := payload[0], payload[1:]; mark {
	case markVersion:
		v, err := decodeVersion(rest)
		if err != nil {
			return err
		}
		h.gotVersion(ctx, id, v)
	case markProgress:
		p, err := decodeProgress(id, rest)
		if err != nil {
			return err
		}
		h.gotProgress(p)
	default:
		return fmt.Errorf("unknown mark %q", mark)
	}
	return nil
}

func (h *Hub) gotVersion(ctx context.Context, id uuid.UUID, version int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w := h.watches[id]; w != nil && (w.job == nil || version > w.job.Version) {
		h.refresh(ctx, w)
	}
}

func (h *Hub) gotProgress(p model.Progress) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.watches[p.JobID]
	if w == nil || !w.keep(p) || w.job == nil {
		return
	}
	w.tell(w.progressOf(p))
}

func (h *Hub) gotAudio(c *model.AudioChunk) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.watches[c.JobID]
	if w == nil || c.Attempt < w.progress[c.SoundID].Attempt {
		return
	}
	msg := Message{Type: Audio, JobID: w.id, Chunk: c, shared: &shared{}}
	for s := range w.subs {
		s.pushAudio(msg)
	}
}

// refresh has a job read again, by a goroutine that ends with ctx, which is Run's.
func (h *Hub) refresh(ctx context.Context, w *watch) {
	if w.reading {
		w.again = true
		return
	}
	if h.closed || (w.job != nil && w.job.State.Final()) {
		return
	}
	w.reading = true
	h.work.Go(func() { h.readUntilStill(ctx, w) })
}

// readUntilStill reads a job as long as there is news of it.
func (h *Hub) readUntilStill(ctx context.Context, w *watch) {
	for {
		select {
		case h.reads <- struct{}{}:
		case <-ctx.Done():
			return
		}
		h.mu.Lock()
		w.again = false
		h.mu.Unlock()
		job, err := h.read(ctx, w)
		<-h.reads
		if err != nil && ctx.Err() == nil {
			// The next re-read of the versions tries again.
			h.cfg.Log.WarnContext(ctx, "a watched job cannot be read", "job", w.id, "err", err)
		}
		h.mu.Lock()
		if err == nil {
			h.apply(w, &job)
		}
		w.reading = w.again && err == nil
		done := !w.reading
		h.mu.Unlock()
		if done {
			return
		}
		if job.PackID != nil { // five hundred sounds that end are told in some steps
			select {
			case <-time.After(h.cfg.PackEvery):
			case <-ctx.Done():
				return
			}
		}
	}
}

// apply takes in a view of a job and tells the subscribers what is new in it.
func (h *Hub) apply(w *watch, job *model.Job) {
	old := w.job
	if old != nil && job.Version < old.Version {
		return
	}
	w.job, w.missing = job, 0
	if job.PackID != nil && old != nil {
		// A read that was asked for an older version has told some of them already.
		job.Sounds = slices.DeleteFunc(slices.Clone(job.Sounds), func(s model.Sound) bool { return s.Ended <= old.Version })
		for i := range job.Sounds {
			w.ended[job.Sounds[i].ID] = struct{}{}
		}
	}
	for id := range w.progress {
		if !w.runs(id) {
			delete(w.progress, id)
		}
	}
	switch {
	case old == nil: // nobody has a snapshot yet
	case job.Version == old.Version:
		w.tellPosition(old)
	default:
		w.tellState(old)
	}
}

// tellState sends what changed in the state of the job since old.
func (w *watch) tellState(old *model.Job) {
	before := make(map[uuid.UUID]model.State, len(old.Sounds))
	for i := range old.Sounds {
		before[old.Sounds[i].ID] = old.Sounds[i].State
	}
	moved := w.job.State != old.State || w.job.Stage != old.Stage
	if w.job.PackID == nil && len(w.job.Sounds) < len(old.Sounds) {
		moved = true // one was deleted
	}
	ended := 0
	for i := range w.job.Sounds {
		if s := &w.job.Sounds[i]; s.State.Final() && !before[s.ID].Final() {
			ended++
		}
	}
	for i := range w.job.Sounds {
		s := &w.job.Sounds[i]
		was, known := before[s.ID]
		switch {
		case s.State.Final() && !was.Final() && ended <= maxTakes:
			w.tell(Message{Type: Take, JobID: w.id, Version: w.job.Version, Job: w.job, Sound: s})
		case w.job.PackID == nil && (!known || s.State != was):
			moved = true
		}
	}
	if ended > maxTakes {
		moved = true
	}
	if w.job.State.Final() {
		if ended > maxTakes {
			w.tell(w.snapshot())
		}
		w.tell(w.final())
		return
	}
	if moved {
		w.tell(w.snapshot())
	}
	w.tellPosition(old)
}

// tell gives all subscribers one message, which they share.
func (w *watch) tell(msg Message) {
	msg.shared = &shared{}
	for sub := range w.subs {
		if msg.Type == Progress {
			sub.pushProgress(msg)
		} else {
			sub.pushState(msg)
		}
	}
}

// tellPosition sends the place of waiting sounds where it has changed; of a pack, once
// for all of them.
func (w *watch) tellPosition(old *model.Job) {
	pos := w.job.QueuePosition
	if pos == nil || (old.QueuePosition != nil && *pos == *old.QueuePosition) {
		return
	}
	if w.job.PackID != nil {
		w.tell(w.progressOf(model.Progress{JobID: w.id, Stage: StageQueued}))
		return
	}
	for i := range w.job.Sounds {
		s := &w.job.Sounds[i]
		if s.State != model.Queued {
			continue
		}
		w.tell(w.progressOf(model.Progress{JobID: w.id, SoundID: s.ID, TaskID: s.TaskID, Stage: StageQueued}))
	}
}

// keep stores p unless it is old news, and reports whether it did.
func (w *watch) keep(p model.Progress) bool {
	if w.job != nil && !w.runs(p.SoundID) {
		return false
	}
	if _, known := w.progress[p.SoundID]; !known && len(w.progress) >= maxSounds {
		return false
	}
	if last, ok := w.progress[p.SoundID]; ok && newer(last, p) {
		return false
	}
	w.progress[p.SoundID] = p
	return true
}

// runs reports whether a sound of the job may still have progress.
func (w *watch) runs(id uuid.UUID) bool {
	if w.job.PackID == nil {
		s := soundOf(w.job, id)
		return s != nil && !s.State.Final()
	}
	_, ended := w.ended[id]
	return !ended && w.job.Stage == "" && !w.job.State.Final()
}

func (w *watch) progressOf(p model.Progress) Message {
	return Message{Type: Progress, JobID: w.id, Version: w.job.Version, Job: w.job, Progress: []model.Progress{p}}
}

func (w *watch) snapshot() Message {
	msg := Message{Type: Snapshot, JobID: w.id, Version: w.job.Version, Job: w.job}
	if w.job.PackID != nil { // its sounds are not here
		for _, p := range w.progress {
			msg.Progress = append(msg.Progress, p)
		}
		return msg
	}
	for i := range w.job.Sounds {
		if p, ok := w.progress[w.job.Sounds[i].ID]; ok {
			msg.Progress = append(msg.Progress, p)
		}
	}
	return msg
}

// final returns the last message of a job.
func (w *watch) final() Message { return Ended(w.job) }

// Ended returns the last message of a job that is final.
func Ended(job *model.Job) Message {
	msg := Message{Type: Complete, JobID: job.ID, Version: job.Version, Job: job}
	switch job.State {
	case model.Failed:
		msg.Type = Failed
	case model.Cancelled:
		msg.Type = Cancelled
	case model.Succeeded, model.Queued, model.Running:
	}
	return msg
}

func soundOf(job *model.Job, id uuid.UUID) *model.Sound {
	for i := range job.Sounds {
		if job.Sounds[i].ID == id {
			return &job.Sounds[i]
		}
	}
	return nil
}

// rereadLoop reads the versions of all watched jobs now and then, and at once
// where news may have been missed.
func (h *Hub) rereadLoop(ctx context.Context) {
	t := time.NewTicker(h.cfg.Reread)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-h.reread:
		case <-ctx.Done():
			return
		}
		if err := h.rereadVersions(ctx); err != nil && ctx.Err() == nil {
			h.cfg.Log.Warn("the versions of watched jobs cannot be read", "err", err)
		}
	}
}

func (h *Hub) rereadVersions(ctx context.Context) error {
	ids := h.unfinished()
	for len(ids) > 0 {
		n := min(len(ids), idsPerRead)
		batch := ids[:n]
		ids = ids[n:]
		rctx, cancel := context.WithTimeout(ctx, h.cfg.ReadTimeout)
		versions, err := h.jobs.JobVersions(rctx, batch)
		cancel()
		if err != nil {
			return err
		}
		h.compare(ctx, batch, versions)
	}
	h.lookUpPositions(ctx)
	return nil
}

// unfinished returns the watched jobs that were read and are not final.
func (h *Hub) unfinished() []uuid.UUID {
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := make([]uuid.UUID, 0, len(h.watches))
	for id, w := range h.watches {
		if w.job != nil && !w.job.State.Final() {
			ids = append(ids, id)
		}
	}
	return ids
}

func (h *Hub) compare(ctx context.Context, ids []uuid.UUID, versions map[uuid.UUID]int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		w := h.watches[id]
		if w == nil || w.job == nil {
			continue
		}
		v, ok := versions[id]
		switch {
		case !ok:
			if w.missing++; w.missing >= goneAfter {
				for s := range w.subs {
					s.fail(ErrGone)
				}
			}
		case v > w.job.Version:
			w.missing = 0
			h.refresh(ctx, w)
		default:
			w.missing = 0
		}
	}
}

// lookUpPositions reads some of the jobs that wait: their place in the queue
// changes without a new version of theirs. A map gives them in random order.
func (h *Hub) lookUpPositions(ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	left := h.cfg.MaxPositions
	for _, w := range h.watches {
		if left == 0 {
			return
		}
		if w.job != nil && !w.job.State.Final() && w.job.QueuePosition != nil {
			h.refresh(ctx, w)
			left--
		}
	}
}
