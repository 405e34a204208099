package chaos

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// watcher is a page with a socket, which watches jobs until each is final, and connects
// again, to the other API, when it is cut.
type watcher struct {
	visitor *visitor
	turn    int

	mu         sync.Mutex
	conn       *websocket.Conn
	want       map[string]bool   // jobs whose end it has not seen
	seen       map[string]string // the final state of the others
	reconnects int
}

func newWatcher(v *visitor, n int) *watcher {
	return &watcher{visitor: v, turn: n, want: map[string]bool{}, seen: map[string]string{}}
}

// add watches one more job.
func (w *watcher) add(jobID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.want[jobID] = true
	w.say("subscribe", jobID)
}

// say sends a message; the socket that cannot take it is about to end.
func (w *watcher) say(kind, jobID string) {
	if w.conn == nil {
		return
	}
	m := map[string]string{"type": kind}
	if jobID != "" {
		m["job_id"] = jobID
	}
	_ = w.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	_ = w.conn.WriteJSON(m)
}

// missing returns the jobs whose end it has not seen.
func (w *watcher) missing() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.want))
}

// result returns the final states that it has seen, and how often it connected again.
func (w *watcher) result() (map[string]string, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.seen), w.reconnects
}

// run watches until ctx ends.
func (w *watcher) run(ctx context.Context) {
	for ctx.Err() == nil {
		w.session(ctx)
		w.mu.Lock()
		w.turn++
		if ctx.Err() == nil {
			w.reconnects++
		}
		w.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// session is one socket, to its end.
func (w *watcher) session(ctx context.Context) {
	dialer := websocket.Dialer{Jar: w.visitor.client.Jar, HandshakeTimeout: 5 * time.Second}
	api := w.visitor.apis[w.turn%len(w.visitor.apis)]
	conn, res, err := dialer.DialContext(ctx, "ws://"+api+"/v1/ws", http.Header{})
	if err != nil {
		return
	}
	_ = res.Body.Close()
	w.mu.Lock()
	w.conn = conn
	for id := range w.want {
		w.say("subscribe", id)
	}
	w.mu.Unlock()
	over, cancel := context.WithCancel(ctx)
	var pinging sync.WaitGroup
	pinging.Go(func() { w.ping(over, conn) })
	w.read(conn)
	cancel()
	w.mu.Lock()
	w.conn = nil
	w.mu.Unlock()
	_ = conn.Close()
	pinging.Wait()
}

// ping shows the client that the server lives, and asks once more for what was refused.
func (w *watcher) ping(ctx context.Context, conn *websocket.Conn) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			_ = conn.Close() // ends the reader
			return
		case <-tick.C:
			w.mu.Lock()
			w.say("ping", "")
			w.mu.Unlock()
		}
	}
}

// read takes what the server tells until the socket ends.
func (w *watcher) read(conn *websocket.Conn) {
	const silence = 15 * time.Second
	for {
		var m struct {
			Type  string
			JobID string `json:"job_id"`
			Job   *struct{ ID, State string }
		}
		if conn.SetReadDeadline(time.Now().Add(silence)) != nil || conn.ReadJSON(&m) != nil {
			return
		}
		w.mu.Lock()
		switch {
		case m.Job != nil && (m.Job.State == "succeeded" || m.Job.State == "failed" || m.Job.State == "cancelled"):
			delete(w.want, m.Job.ID)
			w.seen[m.Job.ID] = m.Job.State
		case m.Type == "error" && w.want[m.JobID]:
			time.AfterFunc(500*time.Millisecond, func() {
				w.mu.Lock()
				defer w.mu.Unlock()
				if w.want[m.JobID] {
					w.say("subscribe", m.JobID)
				}
			})
		}
		w.mu.Unlock()
	}
}

// describe says what a watcher still waits for.
func (w *watcher) describe() string {
	_, n := w.result()
	return fmt.Sprintf("%d reconnects, still waiting for %v", n, w.missing())
}
