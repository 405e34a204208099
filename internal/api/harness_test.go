package api_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"patchlab/internal/api"
	"patchlab/internal/auth"
	"patchlab/internal/health"
	"patchlab/internal/limit"
	"patchlab/internal/live"
	"patchlab/internal/model"
	"patchlab/internal/prompt"
	"patchlab/internal/service"
	"patchlab/internal/telemetry"
	"patchlab/internal/testenv/backing"
	"patchlab/internal/worker"
	"patchlab/queue"
	"patchlab/storage"
)

func TestMain(m *testing.M) {
	// What kin-openapi knows no format of or decoder for. It keeps them in globals,
	// so they are set before any test runs.
	openapi3.DefineStringFormatValidator("uuid", openapi3.NewRegexpFormatValidator(openapi3.FormatOfStringForUUIDOfRFC9562))
	for _, media := range []string{"audio/wav", "multipart/byteranges", "text/event-stream", "text/html"} {
		openapi3filter.RegisterBodyDecoder(media, func(r io.Reader, _ http.Header, _ *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
			b, err := io.ReadAll(r)
			return string(b), err
		})
	}
	// The servers that the tests share last as long as the process.
	goleak.VerifyTestMain(m, backing.Leaks())
}

// document is that of the API, checked and read once: the tests only look at it.
var document = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(api.Source())
	if err != nil {
		return nil, err
	}
	return doc, doc.Validate(context.Background())
})

// setup says how a plant differs from the usual one.
type setup struct {
	speed   float64 // of renders, as a multiple of real time; 0 = unlimited
	slots   int     // renders at once; 0 = no worker at all
	limits  limit.Config
	service service.Config
	web     fs.FS
	change  func(*api.Options) // the last word
}

// adminToken lets operators in.
const adminToken = "a-token-for-the-tests"

// plant is the whole farm in one process, behind a real HTTP server.
type plant struct {
	backing.Services
	keeper  *service.Keeper
	api     *api.API
	doc     *openapi3.T
	url     string
	later   *atomic.Int64 // how far the services' clock is ahead, in ns
	log     *logBook
	server  *http.Server
	metrics *telemetry.Metrics
	seen    sync.Map // operation id → true, for what was answered well
}

// aheadClock is the machine's clock, moved on by a test.
type aheadClock struct{ ahead *atomic.Int64 }

func (c aheadClock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// logBook keeps what is logged.
type logBook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// start assembles a plant as package app does, with a test's own knobs.
func start(t testing.TB, on backing.Services, s setup) *plant {
	t.Helper()
	p := &plant{Services: on, later: &atomic.Int64{}, log: &logBook{}}
	log := slog.New(slog.NewJSONHandler(p.log, nil))
	p.metrics = telemetry.NewMetrics("test")
	tickets, publisher := queue.NewClient(p.Redis), live.NewPublisher(p.Redis, log)
	deps := service.Deps{
		DB: p.DB, Tickets: tickets, Publisher: publisher, Clock: aheadClock{p.later}, Log: log, Config: s.service,
	}
	farm, library := service.NewFarm(deps), service.NewLibrary(deps)
	p.keeper = service.NewKeeper(deps)
	p.metrics.WatchQueue(func(ctx context.Context) ([]telemetry.Lane, error) {
		rows, now, err := farm.Queue(ctx)
		lanes := make([]telemetry.Lane, len(rows))
		for i, r := range rows {
			lanes[i] = telemetry.Lane{Name: string(r.Lane), Waiting: r.Waiting, Released: r.Released, Running: r.Running}
			if r.DueSince != nil {
				lanes[i].Oldest = now.Sub(*r.DueSince)
			}
		}
		return lanes, err
	})
	background(t, farm.RunReleaser)
	if s.slots > 0 {
		w := worker.New(farm, p.Store, publisher, worker.Config{Host: "test", Version: "test", Slots: s.slots, MaxSpeed: s.speed, Observer: p.metrics, Log: log})
		background(t, w.Run)
		background(t, func(ctx context.Context) { live.Cancellations(ctx, p.Redis, log, w.Cancel) })
		server := queue.NewServer(p.Redis, queue.ServerConfig{Concurrency: s.slots, Grace: -1, Log: log}, w.Handle)
		require.NoError(t, server.Start())
		t.Cleanup(func() { assert.NoError(t, server.Stop(context.WithoutCancel(t.Context()))) })
	}
	hub := live.NewHub(p.Redis, farm, live.HubConfig{Log: log, Reread: 200 * time.Millisecond, ProgressEvery: 20 * time.Millisecond})
	background(t, hub.Run)

	if s.limits == (limit.Config{}) {
		s.limits.Off = true
	}
	if s.web == nil {
		s.web = webApp()
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p.url = "http://" + listener.Addr().String()
	opt := api.Options{
		Farm: farm, Library: library, Ops: service.NewOps(farm), AdminToken: adminToken, Hub: hub, Blobs: blobs{p.Store},
		Limits: limit.New(p.Redis, s.limits), Visitors: auth.NewVisitors(rand.Reader),
		Health: health.New("test", map[string]health.Check{
			"database": farm.Ping,
			"redis":    func(ctx context.Context) error { return p.Redis.Ping(ctx).Err() },
			"storage":  p.Store.Check,
		}, log),
		Metrics:   p.metrics,
		Interpret: func(words string, seed uint32) (any, error) { return prompt.Interpret(words, seed) },
		Web:       s.web, WebBuilt: true,
		Version: "test", PublicURL: "http://patchlab.example", Log: log,
	}
	if s.change != nil {
		s.change(&opt)
	}
	p.api, err = api.New(opt)
	require.NoError(t, err)
	p.doc, err = document()
	require.NoError(t, err)
	p.server = &http.Server{Handler: p.api, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := p.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			assert.NoError(t, err)
		}
	}()
	t.Cleanup(func() {
		p.api.Drain()
		assert.NoError(t, p.server.Close())
		<-done
	})
	return p
}

// background runs f until the test ends.
func background(t testing.TB, f func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

// blobs shows the store as package app does.
type blobs struct{ store storage.Store }

func (b blobs) Open(ctx context.Context, key string) (io.ReadSeekCloser, error) {
	r, _, err := b.store.Open(ctx, key)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, model.Wrap(model.CodeGone, err, "the audio of this sound is no longer there")
	}
	return r, err
}

func (b blobs) Stat(ctx context.Context, key string) error {
	_, err := b.store.Stat(ctx, key)
	if errors.Is(err, storage.ErrNotFound) {
		return model.Wrap(model.CodeGone, err, "the audio of this sound is no longer there")
	}
	return err
}

// webApp is a small browser app.
func webApp() fstest.MapFS {
	return fstest.MapFS{
		"index.html":         {Data: []byte("<!doctype html><title>PatchLAB</title>")},
		"favicon.svg":        {Data: []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`)},
		"assets/app-123.js":  {Data: []byte("export {}")},
		"assets/font.woff2":  {Data: []byte("wOF2")},
		"pages/nested/x.txt": {Data: []byte("x")},
	}
}

// visitor is a browser: it has cookies of its own, and holds every answer to the
// OpenAPI document.
type visitor struct {
	t      testing.TB
	plant  *plant
	client *http.Client
	jar    http.CookieJar
}

// nobody returns a client without a cookie.
func (p *plant) nobody(t testing.TB) *visitor {
	t.Helper()
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &visitor{t: t, plant: p, client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// visitor returns a client that has been here before.
func (p *plant) visitor(t testing.TB) *visitor {
	t.Helper()
	v := p.nobody(t)
	var err error
	v.jar, err = cookiejar.New(nil)
	require.NoError(t, err)
	v.client.Jar = v.jar
	v.get("/v1/sounds").is(http.StatusOK)
	require.NotEmpty(t, v.cookies(), "the first answer sets the cookie")
	return v
}

// as returns the visitor for a subtest.
func (v *visitor) as(t testing.TB) *visitor {
	w := *v
	w.t = t
	return &w
}

func (v *visitor) cookies() []*http.Cookie {
	u, err := url.Parse(v.plant.url)
	require.NoError(v.t, err)
	return v.jar.Cookies(u)
}

// answer is a response with its body.
type answer struct {
	t      testing.TB
	method string
	path   string
	status int
	header http.Header
	body   []byte
}

func (v *visitor) get(path string, header ...string) answer {
	v.t.Helper()
	return v.do(http.MethodGet, path, nil, header...)
}

// generate posts a request as the browser app does.
func (v *visitor) generate(body string, header ...string) answer {
	v.t.Helper()
	header = append([]string{"X-Requested-With", "patchlab", "Content-Type", "application/json"}, header...)
	return v.do(http.MethodPost, "/v1/sounds/generate", strings.NewReader(body), header...)
}

// do sends a request; header holds names and values by turns, "" removes a name.
func (v *visitor) do(method, path string, body io.Reader, header ...string) answer {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), method, v.plant.url+path, body)
	require.NoError(v.t, err)
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "" {
			req.Header.Del(header[i])
			continue
		}
		req.Header.Set(header[i], header[i+1])
	}
	return v.send(req)
}

func (v *visitor) send(req *http.Request) answer {
	v.t.Helper()
	res, err := v.client.Do(req)
	require.NoError(v.t, err)
	data, err := io.ReadAll(res.Body)
	require.NoError(v.t, err)
	require.NoError(v.t, res.Body.Close())
	a := answer{t: v.t, method: req.Method, path: req.URL.Path, status: res.StatusCode, header: res.Header, body: data}
	v.plant.hold(v.t, req, a)
	return a
}

// hold holds an answer to the document, and to what all answers have in common.
func (p *plant) hold(t testing.TB, req *http.Request, a answer) {
	t.Helper()
	where := a.method + " " + a.path
	require.NotEmpty(t, a.header.Get("X-Request-Id"), where)
	require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"), where)
	require.Equal(t, "same-origin", a.header.Get("Referrer-Policy"), where)
	require.NotEmpty(t, a.header.Get("Content-Security-Policy"), where)
	if a.status >= http.StatusBadRequest && a.header.Get("Content-Type") == "application/problem+json" && a.method != http.MethodHead {
		problem := a.problem()
		require.Equal(t, a.status, problem.Status, where)
		require.Equal(t, a.header.Get("X-Request-Id"), problem.RequestID, where)
		require.Equal(t, "/docs#"+string(problem.Code), problem.Type, where)
		require.NotEmpty(t, problem.Detail, where)
	}
	template, params := p.template(a.path)
	if template == "" {
		if strings.HasPrefix(a.path, "/v1/") || strings.HasPrefix(a.path, "/api/") {
			require.Equal(t, http.StatusNotFound, a.status, where)
			p.schema(t, "Problem", a.body)
		}
		return
	}
	item := p.doc.Paths.Value(template)
	method := a.method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	op := item.GetOperation(method)
	if op == nil {
		require.Equal(t, http.StatusMethodNotAllowed, a.status, where)
		require.NotEmpty(t, a.header.Get("Allow"), where)
		if a.method != http.MethodHead {
			p.schema(t, "Problem", a.body)
		}
		return
	}
	if a.method == http.MethodHead {
		require.Empty(t, a.body, where)
	}
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: req, PathParams: params,
			Route: &routers.Route{Spec: p.doc, Path: template, PathItem: item, Method: method, Operation: op},
		},
		Status: a.status, Header: a.header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	in.SetBodyBytes(a.body)
	require.NoError(t, openapi3filter.ValidateResponse(t.Context(), in), "%s: %s", where, a.body)
	if a.status < http.StatusBadRequest {
		p.seen.Store(op.OperationID, true)
	}
}

// template finds the path of the document that a request means.
func (p *plant) template(path string) (string, map[string]string) {
	parts := strings.Split(path, "/")
	best, params := "", map[string]string(nil)
	for _, t := range p.doc.Paths.InMatchingOrder() {
		names := strings.Split(t, "/")
		if len(names) != len(parts) {
			continue
		}
		found := map[string]string{}
		ok := true
		for i, name := range names {
			if strings.HasPrefix(name, "{") {
				found[strings.Trim(name, "{}")] = parts[i]
				continue
			}
			ok = ok && name == parts[i]
		}
		if ok && (best == "" || len(found) < len(params)) {
			best, params = t, found
		}
	}
	return best, params
}

// schema holds JSON to a schema of the document.
func (p *plant) schema(t testing.TB, name string, data []byte) {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal(data, &v), "%s", data)
	require.NoError(t, p.doc.Components.Schemas[name].Value.VisitJSON(v), "%s", data)
}

// is requires a status.
func (a answer) is(status int) answer {
	a.t.Helper()
	require.Equal(a.t, status, a.status, "%s %s: %s", a.method, a.path, a.body)
	return a
}

// fails requires a problem that names exactly these fields.
func (a answer) fails(status int, code model.Code, fields ...string) answer {
	a.t.Helper()
	a.is(status)
	require.Equal(a.t, "application/problem+json", a.header.Get("Content-Type"))
	require.Equal(a.t, "no-store", a.header.Get("Cache-Control"))
	p := a.problem()
	require.Equal(a.t, code, p.Code, "%s", a.body)
	var got []string
	for _, e := range p.Errors {
		require.NotEmpty(a.t, e.Message)
		got = append(got, e.Field)
	}
	require.Equal(a.t, fields, got, "%s", a.body)
	return a
}

func (a answer) problem() api.Problem {
	a.t.Helper()
	var p api.Problem
	a.into(&p)
	return p
}

func (a answer) into(v any) {
	a.t.Helper()
	require.NoError(a.t, json.Unmarshal(a.body, v), "%s", a.body)
}

// job is what tests read of the schema Job.
type job struct {
	ID          string
	State       string
	Version     int64
	Progress    float64
	Stage       string
	Sounds      []sound
	FailedCount int            `json:"failed_count"`
	Error       *model.Failure `json:"error"`
}

// sound is what tests read of the schema Sound.
type sound struct {
	ID          string
	JobID       string `json:"job_id"`
	Position    int
	Prompt      string
	Name        string
	State       string
	Seed        uint32
	Duration    *float64
	SampleRate  int     `json:"sample_rate"`
	BitDepth    int     `json:"bit_depth"`
	Channels    int     `json:"channels"`
	SizeBytes   *int64  `json:"size_bytes"`
	DownloadURL *string `json:"download_url"`
	WaveformURL *string `json:"waveform_url"`
	RecipeURL   string  `json:"recipe_url"`
}

// job reads the job of a 200, 201 or 202.
func (a answer) job() job {
	a.t.Helper()
	var v struct{ Job job }
	a.into(&v)
	require.NotEmpty(a.t, v.Job.ID)
	return v.Job
}

// short is a request that renders in a moment.
const short = `{"prompt":"kick","seed":7,"duration":0.1,"sample_rate":22050,"bit_depth":16,"channels":1}`

// rendered makes a sound and waits for it.
func (v *visitor) rendered() sound {
	v.t.Helper()
	j := v.generate(short, "Prefer", "wait=30").is(http.StatusCreated).job()
	require.Len(v.t, j.Sounds, 1)
	require.Equal(v.t, "succeeded", j.Sounds[0].State)
	return j.Sounds[0]
}

// rows counts what a request may write.
// Assembly is left out: a pack that was asked for before gets it at a time of its own.
func (p *plant) rows(t testing.TB) int {
	t.Helper()
	var n int
	require.NoError(t, p.DB.Reader().Get(t.Context(), &n, `
SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM sounds) + (SELECT count(*) FROM tasks WHERE kind <> 'assemble')
     + (SELECT count(*) FROM idempotency_keys) + (SELECT count(*) FROM fair_shares)`))
	return n
}

// urlEncode writes text for a query.
func urlEncode(s string) string { return url.QueryEscape(s) }

// brokenBlobs gives files that panic half-way.
type brokenBlobs struct{ api.Blobs }

func (b brokenBlobs) Open(ctx context.Context, key string) (io.ReadSeekCloser, error) {
	r, err := b.Blobs.Open(ctx, key)
	return &brokenBlob{ReadSeekCloser: r}, err
}

type brokenBlob struct {
	io.ReadSeekCloser
	reads int
}

func (b *brokenBlob) Read(p []byte) (int, error) {
	if b.reads++; b.reads > 2 {
		panic("the disk is on fire")
	}
	return b.ReadSeekCloser.Read(p[:min(len(p), 100)])
}
