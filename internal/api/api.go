// Package api is the HTTP edge: routes, guards, problem documents, and the live
// streams. It holds no rules of the farm: those are in package service.
package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"patchlab/internal/auth"
	"patchlab/internal/health"
	"patchlab/internal/limit"
	"patchlab/internal/live"
	"patchlab/internal/model"
	"patchlab/internal/service"
)

// Farm accepts work and knows its state; *service.Farm is one.
type Farm interface {
	Generate(ctx context.Context, caller model.Caller, req service.GenerateRequest, idemKey string, requestHash []byte) (job model.Job, existed bool, err error)
	Vary(ctx context.Context, caller model.Caller, req service.VaryRequest, idemKey string, requestHash []byte) (job model.Job, existed bool, err error)
	Job(ctx context.Context, caller model.Caller, id uuid.UUID) (model.Job, error)
	JobHead(ctx context.Context, caller model.Caller, id uuid.UUID) (model.Job, error)
	Cancel(ctx context.Context, caller model.Caller, jobID uuid.UUID) (model.Job, error)
	CancelSound(ctx context.Context, caller model.Caller, soundID uuid.UUID) (model.Job, error)
	CancelAll(ctx context.Context, owner model.Caller) (jobs int, err error)
	PlanPack(ctx context.Context, theme string, count int) (name string, sounds []service.PackSound, err error)
	CreatePack(ctx context.Context, caller model.Caller, req service.PackRequest, idemKey string, requestHash []byte) (model.Pack, error)
	RebuildPack(ctx context.Context, caller model.Caller, packID uuid.UUID) (model.Pack, error)
	DeletePack(ctx context.Context, caller model.Caller, packID uuid.UUID) error
	UndeletePack(ctx context.Context, caller model.Caller, packID uuid.UUID) (model.Pack, error)
	DeleteSound(ctx context.Context, caller model.Caller, id uuid.UUID) error
	UndeleteSound(ctx context.Context, caller model.Caller, id uuid.UUID) (model.Sound, error)
	RestoreAudio(ctx context.Context, caller model.Caller, soundID uuid.UUID) (model.Job, error)
	RestorePack(ctx context.Context, caller model.Caller, packID uuid.UUID) (model.Job, error)
	DropAsset(ctx context.Context, asset model.Asset) error
}

// Library shows callers their sounds; *service.Library is one.
type Library interface {
	Sounds(ctx context.Context, caller model.Caller, cursor string, limit int) (items []model.Sound, next string, err error)
	Sound(ctx context.Context, caller model.Caller, id uuid.UUID) (model.Sound, error)
	Rendered(ctx context.Context, caller model.Caller, id uuid.UUID) (model.Sound, error)
	Recipe(ctx context.Context, caller model.Caller, id uuid.UUID) (service.Recipe, error)
	Packs(ctx context.Context, caller model.Caller, cursor string, limit int) (items []model.Pack, next string, err error)
	Pack(ctx context.Context, caller model.Caller, id uuid.UUID) (pack model.Pack, sounds []model.PackSound, err error)
	PackFile(ctx context.Context, caller model.Caller, id uuid.UUID) (model.Pack, error)
}

// Hub tells what is new about a job; *live.Hub is one.
type Hub interface {
	Subscribe(ctx context.Context, jobID uuid.UUID, opt live.Options) (*live.Subscription, error)
	// Percent returns how far the sounds of jobs are that are being rendered, 0 to 100, as
	// far as is known.
	Percent(ctx context.Context, jobs []uuid.UUID) map[uuid.UUID]float64
}

// Blobs opens stored files. A file that is gone is a model.Error of CodeGone.
type Blobs interface {
	Open(ctx context.Context, key string) (io.ReadSeekCloser, error)
	// Stat reports whether Open would succeed.
	Stat(ctx context.Context, key string) error
}

// Signer gives a stored file an address of its own, elsewhere, for a time.
type Signer interface {
	URL(ctx context.Context, key string, ttl time.Duration, mediaType, disposition string) (string, error)
	// Public is the origin of these addresses.
	Public() string
}

// Limiter bounds how often somebody may ask; *limit.Limiter is one.
type Limiter interface {
	Allow(ctx context.Context, bucket limit.Bucket, owner string, addr netip.Addr) limit.Decision
}

// Observer is told what the API does, to be counted; *telemetry.Metrics is one.
type Observer interface {
	// Request is called after each request. lasting says that it took as long as its
	// client wanted.
	Request(method, route string, status int, took time.Duration, lasting bool)
	// Watching is called when a client comes to watch live by "websocket" or "sse".
	Watching(transport string) (left func())
	// Handler serves what was counted.
	Handler() http.Handler
}

// Options is what the API is made of.
type Options struct {
	Farm     Farm
	Library  Library
	Ops      Ops
	Hub      Hub
	Blobs    Blobs
	Signer   Signer // nil: downloads are served from here
	Limits   Limiter
	Visitors *auth.Visitors
	// Interpret returns what encodes to the schema Interpretation, or a
	// *model.Error.
	Interpret func(prompt string, seed uint32) (any, error)
	Health    *health.Monitor
	Metrics   Observer
	// Web is the built browser app; WebBuilt is false where it was not built.
	Web      fs.FS
	WebBuilt bool

	// AdminToken lets operators in; "" = there is no /v1/admin.
	AdminToken string

	Version        string
	PublicURL      string   // origin of the app; WebSockets from others are refused
	TrustedProxies []string // whose X-Forwarded-For is believed
	// MaxStreams is how many sockets and event streams one address may have open at
	// this process; default 256, negative = no bound.
	MaxStreams int
	// RestoreWait is how long a download waits for audio that is rendered again; default
	// 10 s.
	RestoreWait time.Duration
	// BodyTimeout is how long a client may take to send a body; default 20 s.
	BodyTimeout time.Duration
	Log         *slog.Logger
}

// API is the HTTP handler.
type API struct {
	opt    Options
	log    *slog.Logger
	doc    *document
	origin string // of PublicURL
	csp    string
	engine *gin.Engine

	draining context.Context // ends when streams are to end
	drain    context.CancelFunc

	mu      sync.Mutex // keeps sockets from opening while Drain waits for them
	sockets sync.WaitGroup
	streams map[string]int // open sockets and event streams, by address
}

// New returns the API.
func New(opt Options) (*API, error) {
	doc, err := readDocument()
	if err != nil {
		return nil, err
	}
	public, err := url.Parse(opt.PublicURL)
	if err != nil {
		return nil, fmt.Errorf("read the public URL: %w", err)
	}
	a := &API{opt: opt, log: opt.Log, doc: doc, origin: public.Scheme + "://" + public.Host, csp: policy(opt.Signer), streams: make(map[string]int)}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.opt.BodyTimeout <= 0 {
		a.opt.BodyTimeout = 20 * time.Second
	}
	if a.opt.RestoreWait <= 0 {
		a.opt.RestoreWait = 10 * time.Second
	}
	if a.opt.MaxStreams == 0 {
		a.opt.MaxStreams = 256
	}
	a.draining, a.drain = context.WithCancel(context.Background())
	if err := a.build(); err != nil {
		return nil, err
	}
	return a, nil
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.engine.ServeHTTP(w, r) }

// Drain ends all streams and sockets; their clients connect to another process
// or again. It is called before the server shuts down, which does not know of
// sockets: when Drain returns they have been told, or given up within seconds.
func (a *API) Drain() {
	a.mu.Lock()
	a.drain()
	a.mu.Unlock()
	a.sockets.Wait()
}

// enter counts a socket in; false while the API drains.
func (a *API) enter() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.draining.Err() != nil {
		return false
	}
	a.sockets.Add(1)
	return true
}

// occupy counts a socket or event stream of the caller's address until leave is
// called, and refuses one too many: each costs memory for as long as it is open.
func (a *API) occupy(c *gin.Context) (leave func(), err error) {
	addr, err := netip.ParseAddr(c.ClientIP())
	if err != nil {
		return nil, model.Wrap(model.CodeBadRequest, err, "the address of the client cannot be read")
	}
	from := limit.Network(addr)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.opt.MaxStreams > 0 && a.streams[from] >= a.opt.MaxStreams {
		e := model.Errorf(model.CodeRateLimited, "an address may have %d live connections open: close one, or ask for the state of the job", a.opt.MaxStreams)
		e.RetryAfter = time.Minute
		return nil, e
	}
	a.streams[from]++
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.streams[from]--; a.streams[from] == 0 {
			delete(a.streams, from)
		}
	}, nil
}

// Guard says what a request must pass before its handler runs.
type Guard struct {
	// Mutating requests that carry a cookie need X-Requested-With.
	Mutating bool
	// Bucket that the request counts in; "" = none.
	Bucket limit.Bucket
	// Owner says who may call.
	Owner Owner
}

// Owner says whose things a route touches.
type Owner string

// The owners.
const (
	Anybody Owner = "anybody" // nothing of anyone's
	Visitor Owner = "visitor" // the caller's own list; a new caller becomes a visitor
	OwnJob  Owner = "job"     // a job that must be the caller's
	OwnItem Owner = "sound"   // a sound that must be the caller's
	OwnPack Owner = "pack"    // a pack that must be the caller's
	NoOwner Owner = "ops"     // everybody's: for operators alone
)

// Route is one route with its guards.
type Route struct {
	Method, Path string // Path as Gin writes it, "/v1/jobs/:id"
	Guard        Guard
	handle       func(a *API, c *gin.Context) error
}

// Routes returns every route but the browser app's. The tests hold the router, the
// OpenAPI document and the matrix of callers to it.
func Routes() []Route {
	const get, post, put, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete
	read := func(o Owner) Guard { return Guard{Bucket: limit.Requests, Owner: o} }
	change := func(o Owner) Guard { return Guard{Mutating: true, Bucket: limit.Requests, Owner: o} }
	return []Route{
		{post, "/v1/sounds/generate", Guard{Mutating: true, Bucket: limit.Generations, Owner: Visitor}, (*API).generate},
		{post, "/v1/sounds/:id/variations", Guard{Mutating: true, Bucket: limit.Generations, Owner: OwnItem}, (*API).variations},
		{get, "/v1/interpret", Guard{Bucket: limit.Interpret, Owner: Anybody}, (*API).interpret},
		{get, "/v1/jobs/:id", read(OwnJob), (*API).job},
		{del, "/v1/jobs/:id", change(OwnJob), (*API).cancel},
		{del, "/v1/jobs", change(Visitor), (*API).cancelAll},
		{get, "/v1/jobs/:id/events", read(OwnJob), (*API).events},
		{get, "/v1/ws", read(Visitor), (*API).socket},
		{get, "/v1/sounds", read(Visitor), (*API).sounds},
		{get, "/v1/sounds/:id", read(OwnItem), (*API).sound},
		{del, "/v1/sounds/:id", change(OwnItem), (*API).deleteSound},
		{post, "/v1/sounds/:id/restore", change(OwnItem), (*API).undeleteSound},
		{post, "/v1/sounds/:id/cancel", change(OwnItem), (*API).cancelSound},
		{get, "/v1/sounds/:id/download", read(OwnItem), (*API).download},
		{get, "/v1/sounds/:id/waveform", read(OwnItem), (*API).waveform},
		{get, "/v1/sounds/:id/recipe", read(OwnItem), (*API).recipe},
		{post, "/v1/packs/plan", Guard{Mutating: true, Bucket: limit.Interpret, Owner: Visitor}, (*API).planPack},
		{post, "/v1/packs", Guard{Mutating: true, Bucket: limit.Packs, Owner: Visitor}, (*API).createPack},
		{get, "/v1/packs", read(Visitor), (*API).packs},
		{get, "/v1/packs/:id", read(OwnPack), (*API).pack},
		{del, "/v1/packs/:id", change(OwnPack), (*API).deletePack},
		{post, "/v1/packs/:id/restore", change(OwnPack), (*API).undeletePack},
		{get, "/v1/packs/:id/download", read(OwnPack), (*API).downloadPack},
		{post, "/v1/packs/:id/rebuild", Guard{Mutating: true, Bucket: limit.Packs, Owner: OwnPack}, (*API).rebuildPack},
		{get, "/v1/admin/overview", read(NoOwner), (*API).overview},
		{post, "/v1/admin/queues/:lane/pause", change(NoOwner), (*API).pauseQueue},
		{post, "/v1/admin/queues/:lane/resume", change(NoOwner), (*API).resumeQueue},
		{put, "/v1/admin/concurrency", change(NoOwner), (*API).setConcurrency},
		{put, "/v1/admin/workers/:id/concurrency", change(NoOwner), (*API).setWorkerConcurrency},
		{post, "/v1/admin/workers/:id/drain", change(NoOwner), (*API).drainWorker},
		{post, "/v1/admin/workers/:id/wake", change(NoOwner), (*API).wakeWorker},
		{get, "/v1/admin/jobs", read(NoOwner), (*API).adminJobs},
		{post, "/v1/admin/jobs/:id/cancel", change(NoOwner), (*API).adminCancel},
		{post, "/v1/admin/jobs/:id/requeue", change(NoOwner), (*API).adminRequeue},
		{post, "/v1/admin/owners/cancel", change(NoOwner), (*API).adminCancelOwner},
		{get, "/v1/admin/dead", read(NoOwner), (*API).dead},
		{post, "/v1/admin/dead/requeue", change(NoOwner), (*API).requeueDead},
		{get, "/v1/admin/audit", read(NoOwner), (*API).audit},
		{get, "/v1/openapi.json", read(Anybody), (*API).openapi},
		{get, "/api/health", Guard{Owner: Anybody}, (*API).health},
		{get, "/metrics", Guard{Owner: Anybody}, (*API).metrics},
	}
}

// build makes the router.
func (a *API) build() error {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	e.RemoteIPHeaders = []string{"X-Forwarded-For"}
	if err := e.SetTrustedProxies(a.opt.TrustedProxies); err != nil {
		return fmt.Errorf("set the trusted proxies: %w", err)
	}
	e.Use(a.outermost)
	for _, r := range Routes() {
		e.Handle(r.Method, r.Path, a.guarded(r))
		if r.Method == http.MethodGet && r.Path != "/v1/ws" && r.Path != "/v1/jobs/:id/events" {
			e.HEAD(r.Path, a.guarded(r))
		}
	}
	docs := func(c *gin.Context) { a.finish(c, a.docs(c)) }
	e.GET("/docs", docs)
	e.HEAD("/docs", docs)
	e.NoMethod(func(c *gin.Context) {
		a.finish(c, model.Errorf(model.CodeMethod, "%s is not for %s; the Allow header names what is", c.Request.URL.Path, c.Request.Method))
	})
	e.NoRoute(func(c *gin.Context) { a.finish(c, a.app(c)) })
	a.engine = e
	return nil
}

// id returns the id in the path; what is no UUID names nothing.
func id(c *gin.Context) (uuid.UUID, error) {
	text := c.Param("id")
	v, err := uuid.Parse(text)
	if err != nil || len(text) != 36 {
		return uuid.Nil, model.Errorf(model.CodeNotFound, "there is nothing with this id: ids look like 0192d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d")
	}
	return v, nil
}

// bareID returns the id in the path of a request that takes no query.
func bareID(c *gin.Context) (uuid.UUID, error) {
	if err := onlyQuery(c); err != nil {
		return uuid.Nil, err
	}
	return id(c)
}

// onlyQuery refuses query parameters that a route does not know: a typing error
// would else be silently ignored.
func onlyQuery(c *gin.Context, known ...string) error {
	values, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil {
		return model.Errorf(model.CodeBadRequest, "the query of the URL cannot be read: encode it as %%XX")
	}
	var faults []model.FieldError
	for name, v := range values {
		switch {
		case !slices.Contains(known, name):
			faults = append(faults, model.FieldError{Field: clip(name), Message: "is not a parameter of this request"})
		case len(v) > 1:
			faults = append(faults, model.FieldError{Field: name, Message: "is given more than once"})
		}
	}
	if len(faults) > 0 {
		return model.Invalid(faults...)
	}
	return nil
}

// errGone ends a handler whose client has gone: nothing is answered.
var errGone = errors.New("api: the client has gone")
