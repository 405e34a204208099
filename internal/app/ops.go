package app

import (
	"context"
	"encoding/json"
	"net/http"

	"patchlab/internal/health"
	"patchlab/internal/model"
	"patchlab/internal/telemetry"
)

// startOps starts the HTTP server of a process without the API: its health and its
// metrics, at the same paths as the API's.
func (a *App) startOps(ctx context.Context, p *parts) error {
	listener, err := a.listen(ctx)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", p.metrics.Handler())
	mux.HandleFunc("GET /api/health", func(w http.ResponseWriter, r *http.Request) {
		report := p.health.Report(r.Context())
		body, err := json.Marshal(report)
		if err != nil {
			a.log.ErrorContext(r.Context(), "cannot encode the state of the parts", "err", err)
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if report.Status != health.OK {
			w.Header().Set("Retry-After", "2")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		if _, err := w.Write(body); err != nil {
			a.log.DebugContext(r.Context(), "cannot write a response", "err", err)
		}
	})
	a.serve(listener, mux, func() {})
	return nil
}

// queue reads the state of the queue for the metrics.
func (p *parts) queue(ctx context.Context) ([]telemetry.Lane, error) {
	rows, now, err := p.farm.Queue(ctx)
	if err != nil {
		return nil, err
	}
	lanes := make([]telemetry.Lane, len(rows))
	for i, r := range rows {
		lanes[i] = telemetry.Lane{Name: string(r.Lane), Waiting: r.Waiting, Released: r.Released, Running: r.Running}
		if r.DueSince != nil {
			lanes[i].Oldest = now.Sub(*r.DueSince)
		}
	}
	return lanes, nil
}

// pools reads the state of the connections to the database for the metrics.
func (p *parts) pools() map[string]telemetry.Pool {
	pools := map[string]telemetry.Pool{}
	for name, s := range p.db.Stats() {
		pools[name] = telemetry.Pool{InUse: s.InUse, Idle: s.Idle, Max: s.MaxOpenConnections, Waits: s.WaitCount, Waited: s.WaitDuration}
	}
	return pools
}

// lanes returns the names of all lanes.
func lanes() []string {
	var names []string
	for _, l := range model.Lanes() {
		names = append(names, string(l))
	}
	return names
}
