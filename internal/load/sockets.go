package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"

	"patchlab/internal/live"
	"patchlab/internal/model"
)

// sockets measures how fast an API tells many WebSockets. The jobs that they watch wait
// for ever, as there is no worker: this program publishes their progress as a worker
// would, and cancels them in the end.
func sockets(ctx context.Context, b *bench) (*result, error) {
	const jobs, limit = 20, 100
	watchers := b.n(100)
	if err := b.fresh(ctx); err != nil {
		return nil, err
	}
	api, err := b.api(ctx)
	if err != nil {
		return nil, err
	}
	memoryBefore, err := memoryOf(api.pid())
	if err != nil {
		return nil, err
	}
	crowd, opened, err := b.gather(ctx, api, jobs, watchers)
	if crowd != nil {
		defer crowd.leave()
	}
	if err != nil {
		return nil, err
	}
	memoryAfter, err := memoryOf(api.pid())
	if err != nil {
		return nil, err
	}
	r := &result{
		title: fmt.Sprintf("%d WebSockets on one API, which watch %d jobs", jobs*watchers, jobs),
		head:  []string{"news", "messages", "of", "a second", "ms to the client: p50", "p95", "p99", "most", "CPU of the API, % of one"},
	}
	publisher := live.NewPublisher(b.rdb, slog.New(slog.DiscardHandler))
	peaks := make([]int, 2*model.PeakBuckets)
	for i := range peaks {
		peaks[i] = i % 100
	}
	news := []struct {
		name   string
		rounds int
		every  time.Duration // between two rounds
		spread bool          // the jobs of a round one after the other, not all at once
		tell   func(w *watched) error
	}{
		{"progress of each job twice a second, the jobs in turn", 20, time.Second / 2, true, func(w *watched) error {
			return publisher.Progress(ctx, crowd.progress(w, []int{}))
		}},
		{"progress and waveform of each job every second, in turn", 10, time.Second, true, func(w *watched) error {
			return publisher.Progress(ctx, crowd.progress(w, peaks))
		}},
		{"progress of all jobs at the same moment, every second", 10, time.Second, false, func(w *watched) error {
			return publisher.Progress(ctx, crowd.progress(w, []int{}))
		}},
		{"cancelled by its owner, from the request on, a job every 200 ms", 1, 200 * jobs * time.Millisecond, true, func(w *watched) error {
			w.cancelled.Store(crowd.now())
			_, err := w.owner.call(ctx, http.MethodDelete, "/v1/jobs/"+w.job.String(), nil)
			return err
		}},
	}
	lost := 0
	for _, n := range news {
		crowd.heard.reset()
		before, err := cpuOf(api.pid())
		if err != nil {
			return nil, err
		}
		began := time.Now()
		for round := range n.rounds {
			for i, w := range crowd.jobs {
				due := time.Duration(round) * n.every
				if n.spread {
					due += n.every * time.Duration(i) / time.Duration(len(crowd.jobs))
				}
				if err := pause(ctx, time.Until(began.Add(due))); err != nil {
					return nil, err
				}
				if err := n.tell(w); err != nil {
					return nil, fmt.Errorf("tell: %w", err)
				}
			}
		}
		// All have heard when the last has: or after a while, which the table shows.
		want := n.rounds * jobs * watchers
		const patience = 10 * time.Second
		for late := time.Now().Add(patience); crowd.heard.count() < want && time.Now().Before(late); {
			if err := pause(ctx, 10*time.Millisecond); err != nil {
				return nil, err
			}
		}
		wall := time.Since(began)
		after, err := cpuOf(api.pid())
		if err != nil {
			return nil, err
		}
		all := crowd.heard.values()
		r.row(n.name, len(all), want, float64(len(all))/wall.Seconds(), ms(quantile(all, .5)), ms(quantile(all, .95)), ms(quantile(all, .99)), ms(quantile(all, 1)), 100*ratio(after-before, wall))
		r.below("p99, "+n.name, ms(quantile(all, .99)), limit, "ms")
		lost += want - len(all)
	}
	r.atMost("messages that did not come", float64(lost), 0, "")
	r.atMost("sockets that broke", float64(crowd.broken.Load()), 0, "")
	r.note("opened in %s; an open socket costs the API %s KiB", opened.Round(time.Second/10), number(float64(memoryAfter-memoryBefore)/1024/float64(jobs*watchers)))
	r.note("time runs from before the publication, or the request, until this program has read the message; it reads all %d sockets on the same CPUs", jobs*watchers)
	return r, nil
}

// heard gathers how late messages came.
type heard struct{ times }

func (h *heard) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = nil
}

func (h *heard) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.all)
}

// watched is a job with its owner.
type watched struct {
	owner     *visitor
	job       uuid.UUID
	sound     uuid.UUID
	cancelled atomic.Int64 // when, by the clock of the crowd
}

// crowd is all that watch.
type crowd struct {
	began   time.Time
	jobs    []*watched
	heard   heard
	broken  atomic.Int64
	leaving atomic.Bool
	mu      sync.Mutex
	conns   []*websocket.Conn
	readers sync.WaitGroup
}

// now is the time on the clock of the crowd, in microseconds.
func (c *crowd) now() int64 { return time.Since(c.began).Microseconds() }

// progress is news of a job that carry the time at which they were told: as the number of
// frames, which rises as that of a render does.
func (c *crowd) progress(w *watched, peaks []int) model.Progress {
	const total = 1 << 50
	return model.Progress{
		JobID: w.job, SoundID: w.sound, Attempt: 1, Stage: "rendering", Percent: 50, Frames: c.now(), Total: total, Peaks: peaks,
	}
}

// gather opens the sockets and has them watch.
func (b *bench) gather(ctx context.Context, api *process, jobs, watchers int) (c *crowd, took time.Duration, err error) {
	c = &crowd{began: time.Now()}
	const atOnce = 32
	slots := make(chan struct{}, atOnce)
	errs := make([]error, jobs*watchers)
	var opening sync.WaitGroup
	began := time.Now()
	for i := range jobs {
		w := &watched{owner: b.visitor(api)}
		j, err := w.owner.generate(ctx, b.sound(1))
		if err != nil {
			return c, 0, err
		}
		w.job, w.sound = j.ID, j.Sounds[0].ID
		c.jobs = append(c.jobs, w)
		header, err := w.owner.cookies()
		if err != nil {
			return c, 0, err
		}
		for k := range watchers {
			slots <- struct{}{}
			opening.Go(func() {
				defer func() { <-slots }()
				errs[i*watchers+k] = c.join(ctx, w, header)
			})
		}
	}
	opening.Wait()
	return c, time.Since(began), first(errs)
}

// message is what we read of one.
type message struct {
	Type   string
	Frames int64
}

// join opens a socket that watches a job, and returns when it has had the first snapshot.
func (c *crowd) join(ctx context.Context, w *watched, header http.Header) error {
	address := "ws" + strings.TrimPrefix(w.owner.base, "http") + "/v1/ws"
	const patience = 30 * time.Second
	dialer := websocket.Dialer{HandshakeTimeout: patience}
	conn, res, err := dialer.DialContext(ctx, address, header)
	if err != nil {
		if res != nil {
			err = errors.Join(err, res.Body.Close())
		}
		return fmt.Errorf("open a socket: %w", err)
	}
	c.mu.Lock()
	c.conns = append(c.conns, conn)
	c.mu.Unlock()
	if err := conn.WriteJSON(map[string]any{"type": "subscribe", "job_id": w.job}); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	var m message
	if err := conn.ReadJSON(&m); err != nil || m.Type != "snapshot" {
		return fmt.Errorf("wait for the first snapshot: it is %q: %w", m.Type, err)
	}
	c.readers.Go(func() { c.read(conn, w) })
	return nil
}

// read notes how late each message comes, until the socket ends.
func (c *crowd) read(conn *websocket.Conn, w *watched) {
	for {
		_, data, err := conn.ReadMessage()
		if err != nil {
			if !c.leaving.Load() {
				c.broken.Add(1)
			}
			return
		}
		now := c.now()
		var m message
		if json.Unmarshal(data, &m) != nil {
			c.broken.Add(1)
			return
		}
		switch {
		case m.Type == "progress" && m.Frames > 0:
			c.heard.add(time.Duration(now-m.Frames) * time.Microsecond)
		case m.Type == "cancelled":
			c.heard.add(time.Duration(now-w.cancelled.Load()) * time.Microsecond)
		}
	}
}

// leave closes all sockets.
func (c *crowd) leave() {
	c.leaving.Store(true)
	c.mu.Lock()
	for _, conn := range c.conns {
		_ = conn.Close() // the API may have closed it
	}
	c.mu.Unlock()
	c.readers.Wait()
}
