package telemetry

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// namespace is the first word of the name of every metric of our own.
const namespace = "patchlab"

// Metrics is what a process counts and measures, for Prometheus. Its labels take
// few values each: nothing of who asked, or for what. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry

	requests *prometheus.CounterVec
	answer   *prometheus.HistogramVec
	clients  *prometheus.GaugeVec

	pickup   *prometheus.HistogramVec
	wait     *prometheus.HistogramVec
	attempts *prometheus.CounterVec
	failures *prometheus.CounterVec
	render   prometheus.Histogram
	cpu      prometheus.Counter
	audio    prometheus.Counter

	tidied *prometheus.CounterVec
	tidy   *prometheus.GaugeVec
}

// Buckets of durations, in seconds.
func quick() []float64 {
	return []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
}

func patient() []float64 {
	return []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60, 300, 1800}
}

// NewMetrics returns metrics with those of the runtime and the process.
func NewMetrics(version string) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: counter("http_requests_total", "Requests that were answered, by route as the router writes it.", "method", "route", "status"),
		answer:   histogram("http_request_seconds", "Time to answer a request; streams and sockets are left out.", quick(), "method", "route"),
		clients: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Name: "live_clients", Help: "Clients that watch live now.",
		}, []string{"transport"}),
		pickup:   histogram("task_pickup_seconds", "Time from the release of a ticket until a worker claims it.", patient(), "lane"),
		wait:     histogram("task_wait_seconds", "Time from when a task was due until a worker claims it.", patient(), "lane"),
		attempts: counter("attempts_total", "Attempts at tasks that ended, by how.", "outcome"),
		failures: counter("attempt_failures_total", "Attempts at tasks that failed, by the code of the failure.", "code"),
		render: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "render_seconds", Help: "Time the engine took for one sound.", Buckets: patient(),
		}),
		cpu: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "render_cpu_seconds_total", Help: "CPU time of the engine alone. Over process_cpu_seconds_total it is the efficiency of a worker.",
		}),
		audio: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "audio_seconds_total", Help: "Length of all sounds that the engine rendered.",
		}),
	}
	m.tidied = counter("janitor_total", "Things that the janitor of this process has dealt with, by chore.", "chore")
	m.tidy = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: namespace, Name: "janitor_last_success_timestamp_seconds", Help: "When a chore of the janitor was last done to its end, in Unix time.",
	}, []string{"chore"})
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "1, with the version of this build.",
	}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	m.registry.MustRegister(m.requests, m.answer, m.clients, m.pickup, m.wait, m.attempts, m.failures, m.render, m.cpu, m.audio, m.tidied, m.tidy, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Registry returns where the metrics are gathered.
func (m *Metrics) Registry() prometheus.Gatherer { return m.registry }

// Request counts a request; took is not measured of what lasts as long as its
// client wants.
func (m *Metrics) Request(method, route string, status int, took time.Duration, lasting bool) {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
	default:
		method = "other" // a client may make up any word
	}
	if route == "" {
		route = "other"
	}
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	if !lasting {
		m.answer.WithLabelValues(method, route).Observe(took.Seconds())
	}
}

// Watching counts a client that watches live, until the returned function is called.
func (m *Metrics) Watching(transport string) (left func()) {
	gauge := m.clients.WithLabelValues(transport)
	gauge.Inc()
	return gauge.Dec
}

// Claimed measures how long a task waited: pickup since its ticket was released,
// wait since it was due.
func (m *Metrics) Claimed(lane string, pickup, wait time.Duration) {
	m.pickup.WithLabelValues(lane).Observe(max(0, pickup.Seconds()))
	m.wait.WithLabelValues(lane).Observe(max(0, wait.Seconds()))
}

// Rendered measures a run of the engine, with its CPU time, that made so much audio.
func (m *Metrics) Rendered(took, cpu, audio time.Duration) {
	m.render.Observe(took.Seconds())
	m.cpu.Add(max(0, cpu.Seconds()))
	m.audio.Add(audio.Seconds())
}

// Expect makes the counters of these lanes and outcomes start at 0 instead of with
// their first event, which a rate would miss.
func (m *Metrics) Expect(lanes, outcomes []string) {
	for _, l := range lanes {
		m.pickup.WithLabelValues(l)
		m.wait.WithLabelValues(l)
	}
	for _, o := range outcomes {
		m.attempts.WithLabelValues(o)
	}
}

// ExpectChores makes the counters of these chores start at 0.
func (m *Metrics) ExpectChores(chores []string) {
	for _, c := range chores {
		m.tidied.WithLabelValues(c)
	}
}

// Tidied counts what a chore of the janitor has dealt with, and notes the time where it was
// done to its end.
func (m *Metrics) Tidied(chore string, things int, well bool) {
	m.tidied.WithLabelValues(chore).Add(float64(things))
	if well {
		m.tidy.WithLabelValues(chore).SetToCurrentTime()
	}
}

// Ended counts the end of an attempt.
func (m *Metrics) Ended(outcome string) { m.attempts.WithLabelValues(outcome).Inc() }

// Failed counts the failure of an attempt by its code.
func (m *Metrics) Failed(code string) { m.failures.WithLabelValues(code).Inc() }

// WatchWorker adds how many tasks the worker of this process runs now, and how many it
// may run.
func (m *Metrics) WatchWorker(running, slots func() int) {
	gauge := func(name, help string, value func() int) prometheus.GaugeFunc {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	m.registry.MustRegister(
		gauge("worker_running", "Tasks that the worker of this process runs now.", running),
		gauge("worker_slots", "Tasks that the worker of this process may run at a time; 0 where it is drained.", slots))
}

// Lane is what waits in a lane of the queue.
type Lane struct {
	Name     string
	Waiting  int           // tasks not yet released
	Released int           // tasks with a ticket on the queue
	Running  int           // tasks that a worker has
	Oldest   time.Duration // how long the oldest task that is due has waited; 0 = none
}

// WatchQueue adds the state of the queue, which is the same in every process: read
// asks the database, and is called at a scrape, at most every few seconds.
func (m *Metrics) WatchQueue(read func(ctx context.Context) ([]Lane, error)) {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
	}
	m.registry.MustRegister(&queueCollector{
		read:   read,
		up:     describe("queue_up", "Whether the state of the queue could be read at the last scrape."),
		depth:  describe("queue_depth", "Tasks that wait or run in the whole farm: every process says the same.", "lane", "state"),
		oldest: describe("queue_oldest_wait_seconds", "How long the oldest task that is due has waited.", "lane"),
	})
}

const (
	// queueEvery is how often the database is asked at most.
	queueEvery = 2 * time.Second
	// queueTimeout bounds the question: a scrape does not wait for a database that
	// hangs.
	queueTimeout = 2 * time.Second
)

type queueCollector struct {
	read              func(ctx context.Context) ([]Lane, error)
	up, depth, oldest *prometheus.Desc

	mu     sync.Mutex
	asking chan struct{} // closed when the answer is there; nil while nobody asks
	at     time.Time     // of the last answer
	lanes  []Lane
	err    error
}

// Describe implements prometheus.Collector.
func (c *queueCollector) Describe(out chan<- *prometheus.Desc) {
	out <- c.up
	out <- c.depth
	out <- c.oldest
}

// Collect implements prometheus.Collector.
func (c *queueCollector) Collect(out chan<- prometheus.Metric) {
	lanes, err := c.state()
	if err != nil {
		out <- prometheus.MustNewConstMetric(c.up, prometheus.GaugeValue, 0)
		return
	}
	out <- prometheus.MustNewConstMetric(c.up, prometheus.GaugeValue, 1)
	for _, l := range lanes {
		for state, n := range map[string]int{"waiting": l.Waiting, "released": l.Released, "running": l.Running} {
			out <- prometheus.MustNewConstMetric(c.depth, prometheus.GaugeValue, float64(n), l.Name, state)
		}
		out <- prometheus.MustNewConstMetric(c.oldest, prometheus.GaugeValue, l.Oldest.Seconds(), l.Name)
	}
}

// state returns the last answer where it is fresh, and waits for a new one
// otherwise, but not for a database that hangs, whatever its driver makes of the
// end of a context. There is one question at a time.
func (c *queueCollector) state() ([]Lane, error) {
	c.mu.Lock()
	if !c.at.IsZero() && time.Since(c.at) < queueEvery {
		defer c.mu.Unlock()
		return c.lanes, c.err
	}
	answered := c.asking
	if answered == nil {
		answered = make(chan struct{})
		c.asking = answered
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), queueTimeout)
			defer cancel()
			lanes, err := c.read(ctx)
			c.mu.Lock()
			c.lanes, c.err, c.at, c.asking = lanes, err, time.Now(), nil
			c.mu.Unlock()
			close(answered)
		}()
	}
	c.mu.Unlock()
	select {
	case <-answered:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.lanes, c.err
	case <-time.After(queueTimeout):
		return nil, errors.New("no answer in time")
	}
}

// Pool is the state of a pool of connections.
type Pool struct {
	InUse, Idle, Max int
	Waits            int64         // how often somebody had to wait for a connection
	Waited           time.Duration // in all
}

// WatchDatabase adds the state of the pools of connections, by name.
func (m *Metrics) WatchDatabase(stats func() map[string]Pool) {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
	}
	m.registry.MustRegister(&poolCollector{
		stats:  stats,
		conns:  describe("db_connections", "Connections to the database.", "pool", "state"),
		limit:  describe("db_connections_max", "The most connections that a pool may have (DB_MAX_CONNS).", "pool"),
		waits:  describe("db_waits_total", "How often somebody had to wait for a connection.", "pool"),
		waited: describe("db_wait_seconds_total", "How long they waited in all.", "pool"),
	})
}

type poolCollector struct {
	stats                       func() map[string]Pool
	conns, limit, waits, waited *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *poolCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.conns, c.limit, c.waits, c.waited} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *poolCollector) Collect(out chan<- prometheus.Metric) {
	for pool, s := range c.stats() {
		out <- prometheus.MustNewConstMetric(c.conns, prometheus.GaugeValue, float64(s.InUse), pool, "in_use")
		out <- prometheus.MustNewConstMetric(c.conns, prometheus.GaugeValue, float64(s.Idle), pool, "idle")
		out <- prometheus.MustNewConstMetric(c.limit, prometheus.GaugeValue, float64(s.Max), pool)
		out <- prometheus.MustNewConstMetric(c.waits, prometheus.CounterValue, float64(s.Waits), pool)
		out <- prometheus.MustNewConstMetric(c.waited, prometheus.CounterValue, s.Waited.Seconds(), pool)
	}
}
