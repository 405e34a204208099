package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"patchlab/internal/api"
	"patchlab/internal/model"
	"patchlab/internal/testenv/backing"
)

// TestAStreamThatBreaksBeforeItsEnd: the last take, or the snapshot of a job that
// has ended, comes a moment before the final event and is of the same version.
// Who lost the connection between the two has not had the end.
func TestAStreamThatBreaksBeforeItsEnd(t *testing.T) {
	t.Parallel()
	p := start(t, backing.Laptop(t), setup{slots: 1, speed: 4})
	v := p.visitor(t)
	j := v.generate(long(1)).is(http.StatusAccepted).job()
	var last string // as an EventSource keeps it
	watch := v.events(j.ID)
	for {
		m, ok := watch.next()
		require.True(t, ok)
		if m.eventID != "" {
			last = m.eventID
		}
		if m.Type == "take" {
			break
		}
	}
	_ = watch.res.Body.Close()
	require.Eventually(t, func() bool {
		return v.get("/v1/jobs/"+j.ID).is(http.StatusOK).job().State == "succeeded"
	}, patience, 5*time.Millisecond)

	watch = v.events(j.ID, "Last-Event-ID", last)
	m, ok := watch.next()
	require.True(t, ok)
	require.Equal(t, "snapshot", m.Type)
	if m.eventID != "" {
		last = m.eventID
	}
	_ = watch.res.Body.Close()

	all := v.events(j.ID, "Last-Event-ID", last).rest()
	require.Equal(t, []string{"snapshot", "complete"}, types(all))
	v.get("/v1/jobs/"+j.ID+"/events", "Last-Event-ID", all[1].eventID).is(http.StatusNoContent)
}

// TestDrainWaitsForNoTalker: nor is a client waited for that goes on talking after
// it was told that the socket ends.
func TestDrainWaitsForNoTalker(t *testing.T) {
	t.Parallel()
	p := start(t, backing.Laptop(t), setup{})
	s := p.visitor(t).dial(t) // reads nothing, so it answers no close
	s.send(`{"type":"ping"}`)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		p.api.Drain()
	}()
	for deadline := time.After(8 * time.Second); ; {
		select {
		case <-drained:
			return
		case <-deadline:
			_ = s.conn.Close()
			require.Fail(t, "Drain waits for a client that talks")
		case <-time.After(50 * time.Millisecond):
			_ = s.conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"ping"}`)) // fails when the server has had enough
		}
	}
}

// TestNoStreamOpensWhileTheServerDrains: it is refused as a socket is.
func TestNoStreamOpensWhileTheServerDrains(t *testing.T) {
	t.Parallel()
	p := start(t, backing.Laptop(t), setup{})
	v := p.visitor(t)
	j := v.generate(short).is(http.StatusAccepted).job()
	p.api.Drain()
	a := v.get("/v1/jobs/"+j.ID+"/events").fails(http.StatusServiceUnavailable, model.CodeUnavailable)
	require.NotEmpty(t, a.header.Get("Retry-After"))
}

// TestAnAddressHasSoManyStreams: sockets and event streams cost memory for as long
// as they are open, so the rate at which they are opened is no bound.
func TestAnAddressHasSoManyStreams(t *testing.T) {
	t.Parallel()
	p := start(t, backing.Laptop(t), setup{change: func(o *api.Options) { o.MaxStreams = 3 }})
	v := p.visitor(t)
	j := v.generate(short).is(http.StatusAccepted).job()
	first := v.dial(t)
	p.visitor(t).dial(t) // another cookie gains nothing
	events := v.events(j.ID)
	_, ok := events.next()
	require.True(t, ok)

	_, res, err := v.tryDial(http.Header{})
	require.ErrorIs(t, err, websocket.ErrBadHandshake)
	require.Equal(t, http.StatusTooManyRequests, res.StatusCode)
	v.get("/v1/jobs/"+j.ID+"/events").fails(http.StatusTooManyRequests, model.CodeRateLimited)
	v.get("/v1/jobs/" + j.ID).is(http.StatusOK)

	first.close()
	require.Eventually(t, func() bool {
		conn, _, err := v.tryDial(http.Header{})
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}, patience, 10*time.Millisecond, "one that ends makes room")
	_ = events.res.Body.Close()
}
