package health_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"patchlab/internal/health"
)

func TestReport(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	var log bytes.Buffer
	m := health.New("v1", map[string]health.Check{
		"a": func(context.Context) error { return nil },
		"b": func(context.Context) error {
			if broken.Load() {
				return errors.New("secret place 10.0.0.1")
			}
			return nil
		},
	}, slog.New(slog.NewTextHandler(&log, nil)))
	well := health.Report{Status: health.OK, Version: "v1", Parts: map[string]health.Part{"a": {Status: health.OK}, "b": {Status: health.OK}}}
	require.Equal(t, well, m.Report(t.Context()))
	require.Empty(t, log.String())
	broken.Store(true)
	for range 3 {
		r := m.Report(t.Context())
		require.Equal(t, health.Down, r.Status)
		require.Equal(t, health.Part{Status: health.OK}, r.Parts["a"])
		require.Equal(t, health.Part{Status: health.Down, Detail: "does not answer"}, r.Parts["b"])
	}
	broken.Store(false)
	require.Equal(t, well, m.Report(t.Context()))
	require.Equal(t, 2, strings.Count(log.String(), "\n"), "each change is logged once:\n%s", &log)
}

// A part that hangs, whatever its context says, holds up nobody and is asked by one
// at a time.
func TestAPartThatHangs(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	var asked atomic.Int32
	m := health.New("v1", map[string]health.Check{"a": func(context.Context) error {
		asked.Add(1)
		<-hang
		return nil
	}}, slog.New(slog.DiscardHandler))
	began := time.Now()
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if r := m.Report(t.Context()); r.Status != health.Down {
				t.Errorf("it is said to be %s", r.Status)
			}
		})
	}
	all.Wait()
	require.Less(t, time.Since(began), 2*health.Timeout)
	require.EqualValues(t, 1, asked.Load())
	close(hang)
	require.Eventually(t, func() bool { return m.Report(t.Context()).Status == health.OK }, time.Second, time.Millisecond)
}
