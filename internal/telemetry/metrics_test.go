package telemetry_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"patchlab/internal/telemetry"
)

var update = flag.Bool("update", false, "write the generated files instead of checking them")

// full returns metrics with a value in each.
func full(lanes func(context.Context) ([]telemetry.Lane, error)) *telemetry.Metrics {
	m := telemetry.NewMetrics("v1")
	m.WatchQueue(lanes)
	m.WatchDatabase(func() map[string]telemetry.Pool {
		return map[string]telemetry.Pool{"write": {InUse: 2, Idle: 1, Max: 8, Waits: 3, Waited: time.Second}}
	})
	m.WatchWorker(func() int { return 2 }, func() int { return 3 })
	m.Request("GET", "/v1/sounds/:id", 200, 3*time.Millisecond, false)
	m.Watching("sse")
	m.Claimed("bulk", 2*time.Millisecond, time.Second)
	m.Rendered(20*time.Millisecond, 15*time.Millisecond, 2*time.Second)
	m.Ended("rendered")
	m.Failed("poison")
	m.Tidied("orphans_deleted", 2, true)
	m.Tidied("orphans_deleted", 1, false)
	return m
}

func twoLanes(context.Context) ([]telemetry.Lane, error) {
	return []telemetry.Lane{
		{Name: "interactive", Waiting: 1, Released: 2, Running: 3, Oldest: 1500 * time.Millisecond},
		{Name: "bulk"},
	}, nil
}

func scrape(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, w.Code)
	return w.Body.String()
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	text := scrape(t, full(twoLanes))
	for _, line := range []string{
		`patchlab_build_info{version="v1"} 1`,
		`patchlab_http_requests_total{method="GET",route="/v1/sounds/:id",status="200"} 1`,
		`patchlab_http_request_seconds_bucket{method="GET",route="/v1/sounds/:id",le="0.005"} 1`,
		`patchlab_live_clients{transport="sse"} 1`,
		`patchlab_task_pickup_seconds_bucket{lane="bulk",le="0.002"} 1`,
		`patchlab_task_wait_seconds_sum{lane="bulk"} 1`,
		`patchlab_attempts_total{outcome="rendered"} 1`,
		`patchlab_attempt_failures_total{code="poison"} 1`,
		`patchlab_render_seconds_count 1`,
		`patchlab_audio_seconds_total 2`,
		`patchlab_janitor_total{chore="orphans_deleted"} 3`,
		`patchlab_janitor_last_success_timestamp_seconds{chore="orphans_deleted"}`,
		`patchlab_worker_running 2`,
		`patchlab_worker_slots 3`,
		`patchlab_queue_up 1`,
		`patchlab_queue_depth{lane="interactive",state="waiting"} 1`,
		`patchlab_queue_depth{lane="interactive",state="released"} 2`,
		`patchlab_queue_depth{lane="interactive",state="running"} 3`,
		`patchlab_queue_oldest_wait_seconds{lane="interactive"} 1.5`,
		`patchlab_queue_depth{lane="bulk",state="waiting"} 0`,
		`patchlab_db_connections{pool="write",state="in_use"} 2`,
		`patchlab_db_connections_max{pool="write"} 8`,
		`patchlab_db_waits_total{pool="write"} 3`,
		"go_goroutines", "process_resident_memory_bytes",
	} {
		require.Contains(t, text, line)
	}
	faults, err := testutil.GatherAndLint(full(twoLanes).Registry())
	require.NoError(t, err)
	require.Empty(t, faults)
}

// Clients cannot fill the memory by making up methods, paths or statuses.
func TestLabelsAreBounded(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics("v1")
	for i := range 1000 {
		m.Request(fmt.Sprintf("HACK%d", i), "", 404, time.Millisecond, false)
	}
	n, err := testutil.GatherAndCount(m.Registry(), "patchlab_http_requests_total")
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

func TestCountersStartAtZero(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics("v1")
	m.Expect([]string{"bulk"}, []string{"rendered"})
	m.ExpectChores([]string{"orphans_deleted"})
	text := scrape(t, m)
	require.Contains(t, text, `patchlab_attempts_total{outcome="rendered"} 0`)
	require.Contains(t, text, `patchlab_task_wait_seconds_count{lane="bulk"} 0`)
	require.Contains(t, text, `patchlab_janitor_total{chore="orphans_deleted"} 0`)
	require.NotContains(t, text, "patchlab_janitor_last_success", "it was never done")
}

func TestWhatLastsIsNotMeasured(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics("v1")
	m.Request("GET", "/v1/ws", 200, time.Hour, true)
	text := scrape(t, m)
	require.Contains(t, text, `route="/v1/ws",status="200"} 1`)
	require.NotContains(t, text, "patchlab_http_request_seconds_bucket")
	left := m.Watching("websocket")
	require.Contains(t, scrape(t, m), `patchlab_live_clients{transport="websocket"} 1`)
	left()
	require.Contains(t, scrape(t, m), `patchlab_live_clients{transport="websocket"} 0`)
}

// Scrapes do not load the database, and do not need it.
func TestTheQueueIsReadNowAndThen(t *testing.T) {
	t.Parallel()
	var reads atomic.Int32
	m := full(func(ctx context.Context) ([]telemetry.Lane, error) {
		reads.Add(1)
		return twoLanes(ctx)
	})
	for range 20 {
		scrape(t, m)
	}
	require.LessOrEqual(t, reads.Load(), int32(2))

	m = full(func(context.Context) ([]telemetry.Lane, error) { return nil, errors.New("away") })
	text := scrape(t, m)
	require.Contains(t, text, "patchlab_queue_up 0")
	require.NotContains(t, text, "patchlab_queue_depth")
	require.Contains(t, text, "patchlab_attempts_total")
}

func TestAScrapeDoesNotWaitForADatabaseThatHangs(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	hang := make(chan struct{})
	defer close(hang)
	m := full(func(context.Context) ([]telemetry.Lane, error) {
		asked.Add(1)
		<-hang
		return nil, nil
	})
	began := time.Now()
	for range 2 {
		require.Contains(t, scrape(t, m), "patchlab_queue_up 0")
	}
	require.Less(t, time.Since(began), 8*time.Second)
	require.EqualValues(t, 1, asked.Load())
}

// The table in docs/operations.md is made from what is gathered: `make docs`.
func TestDocumentsAreUpToDate(t *testing.T) {
	t.Parallel()
	families, err := full(twoLanes).Registry().Gather()
	require.NoError(t, err)
	var table strings.Builder
	table.WriteString("| metric | kind | labels | what it says |\n|---|---|---|---|\n")
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "patchlab_") {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+l.GetName()+"`")
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), f.GetHelp())
	}
	const begin, end, page = "<!-- metrics:begin -->\n", "<!-- metrics:end -->", "../../docs/operations.md"
	old, err := os.ReadFile(page)
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(old), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	require.True(t, ok && ok2, "docs/operations.md has lost its marks")
	want := head + begin + table.String() + end + tail
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o600))
		return
	}
	require.Equal(t, want, string(old), "run `make docs`")
}
