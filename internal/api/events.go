package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"patchlab/internal/live"
	"patchlab/internal/model"
)

const (
	// heartbeat is how often a silent stream shows that it lives, so that no proxy
	// on the way takes it for dead.
	heartbeat = 15 * time.Second
	// writeTimeout bounds one write to a stream or socket: whoever takes longer
	// for one message has gone.
	writeTimeout = 10 * time.Second
)

// unhurried gives a response more time than others have.
func (a *API) unhurried(c *gin.Context, d time.Duration) {
	if err := http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(d)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		a.log.DebugContext(c.Request.Context(), "cannot set a write deadline", "err", err)
	}
}

// events handles GET /v1/jobs/{id}/events.
func (a *API) events(c *gin.Context) error {
	job, err := a.ownJob(c, a.opt.Farm.JobHead)
	if err != nil {
		return err
	}
	if last, err := strconv.ParseInt(c.GetHeader("Last-Event-ID"), 10, 64); err == nil && job.State.Final() && last >= job.Version {
		c.Status(http.StatusNoContent) // tells an EventSource to stop
		c.Writer.WriteHeaderNow()
		return nil
	}
	leave, err := a.occupy(c)
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithCancel(c.Request.Context())
	defer cancel()
	stop := context.AfterFunc(a.draining, cancel)
	defer stop()
	sub, err := a.opt.Hub.Subscribe(ctx, job.ID, live.Options{})
	if err == nil {
		defer sub.Close()
	}
	if a.draining.Err() != nil {
		return model.Errorf(model.CodeUnavailable, "the server restarts: connect again")
	}
	if err != nil {
		return fmt.Errorf("watch job %s: %w", job.ID, err)
	}

	defer a.opt.Metrics.Watching("sse")()
	c.Set(lastingKey, true)
	h := c.Writer.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	c.Writer.WriteHeader(http.StatusOK)
	a.stream(ctx, c, sub)
	return nil
}

// stream writes what a subscription gives until it ends.
func (a *API) stream(ctx context.Context, c *gin.Context, sub *live.Subscription) {
	out := &bytes.Buffer{}
	for {
		next, cancel := context.WithTimeout(ctx, heartbeat)
		m, err := sub.Next(next)
		cancel()
		out.Reset()
		switch {
		case err == nil:
			if err := writeEvents(out, m); err != nil {
				a.log.ErrorContext(ctx, "cannot encode an event", "err", err)
				return
			}
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			out.WriteString(": alive\n\n")
		default:
			return // the final event was sent, or the client or the server goes
		}
		a.unhurried(c, writeTimeout)
		if _, err := c.Writer.Write(out.Bytes()); err != nil {
			return
		}
		c.Writer.Flush()
	}
}

// writeEvents appends a message as Server-Sent Events. Only those that carry a
// state have an id: a client that comes back names the last state that it saw.
// What comes before the final event in the same version has none: else a client
// that lost the stream between the two would be told that it has had the end.
func writeEvents(out *bytes.Buffer, m live.Message) error {
	early := m.Job != nil && m.Job.State.Final() && (m.Type == live.Snapshot || m.Type == live.Take)
	all, err := encode(m)
	if err != nil {
		return err
	}
	for _, e := range all {
		if e.name != "progress" && e.name != "waveform" && !early {
			fmt.Fprintf(out, "id: %d\n", m.Version)
		}
		fmt.Fprintf(out, "event: %s\ndata: %s\n\n", e.name, e.data)
	}
	return nil
}

// encoded is one message as clients get it: JSON, or the bytes of an audio frame.
type encoded struct {
	name string
	data []byte
}

// encode returns what clients are told of a message of the hub, made once for all who are
// told the same.
func encode(m live.Message) ([]encoded, error) {
	type made struct {
		all []encoded
		err error
	}
	got, _ := m.Shared(func() any {
		all, err := encodeAll(m)
		return made{all, err}
	}).(made)
	return got.all, got.err
}

func encodeAll(m live.Message) ([]encoded, error) {
	if m.Chunk != nil {
		return []encoded{{string(live.Audio), audioFrame(m.Chunk)}}, nil
	}
	events := eventsOf(m)
	all := make([]encoded, 0, len(events))
	for _, e := range events {
		data, err := json.Marshal(e.body)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", e.name, err)
		}
		all = append(all, encoded{e.name, data})
	}
	return all, nil
}
