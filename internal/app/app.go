// Package app is the composition root: it builds the parts of PatchLAB from a
// configuration, wires them, starts them in order and stops them in the reverse
// order. It holds no rules of its own.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"patchlab/db"
	"patchlab/internal/api"
	"patchlab/internal/auth"
	"patchlab/internal/config"
	"patchlab/internal/health"
	"patchlab/internal/janitor"
	"patchlab/internal/limit"
	"patchlab/internal/live"
	"patchlab/internal/model"
	"patchlab/internal/prompt"
	"patchlab/internal/service"
	"patchlab/internal/telemetry"
	"patchlab/internal/worker"
	"patchlab/queue"
	"patchlab/storage"
	"patchlab/web"
)

// Roles says which parts a process runs.
type Roles struct {
	API, Worker, Janitor bool
	// Embedded allows what only one process can have: SQLite, the embedded Redis
	// and a data folder of its own.
	Embedded bool
}

// AllInOne is the whole farm in one process.
func AllInOne() Roles { return Roles{API: true, Worker: true, Janitor: true, Embedded: true} }

// Options is what an App is made of.
type Options struct {
	Config  config.Config
	Roles   Roles
	Version string        // of this build
	Random  io.Reader     // for cookies and seeds; safe for concurrent use
	Look    bool          // change nothing: no migration, no probe of the store
	Clock   service.Clock // default service.SystemClock
	Log     *slog.Logger
}

// The time that the parts of a stop may take beyond the drain grace.
const (
	bootTimeout = time.Minute
	stopSlack   = 10 * time.Second
)

// App is a process of PatchLAB.
type App struct {
	opt  Options
	log  *slog.Logger
	stop []closer // in the order of their start
	addr string
	url  string // how people reach it

	failed chan error // the first part that failed by itself
	once   sync.Once
}

// closer stops one part.
type closer struct {
	name string
	stop func(ctx context.Context) error
}

// New builds and starts the parts. Where one cannot start, those before it are
// stopped again.
func New(ctx context.Context, opt Options) (*App, error) {
	a, err := prepare(opt)
	if err != nil {
		return nil, err
	}
	boot, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	if err := a.start(boot); err != nil {
		return nil, errors.Join(err, a.Stop(context.WithoutCancel(ctx)))
	}
	return a, nil
}

// prepare returns a process without its parts, or refuses one that cannot work.
func prepare(opt Options) (*App, error) {
	if opt.Clock == nil {
		opt.Clock = service.SystemClock{}
	}
	a := &App{opt: opt, log: opt.Log, failed: make(chan error, 1)}
	return a, a.check()
}

// check refuses a process that cannot work with what it was given.
func (a *App) check() error {
	if a.opt.Roles.Embedded {
		if a.opt.Config.DatabaseURL != "" {
			return errors.New("the all-in-one process does not share a database yet: unset DATABASE_URL, or run the api, worker and janitor processes")
		}
		if a.opt.Config.RedisURL != "" {
			return errors.New("the all-in-one process has a Redis of its own: unset REDIS_URL, or run the api, worker and janitor processes")
		}
		return nil
	}
	var missing []error
	if a.opt.Config.DatabaseURL == "" {
		missing = append(missing, errors.New("DATABASE_URL is not set: separate processes share a PostgreSQL database"))
	}
	if a.opt.Config.RedisURL == "" {
		missing = append(missing, errors.New("REDIS_URL is not set: separate processes share a Redis"))
	}
	return errors.Join(missing...)
}

// Addr returns the address that the HTTP server listens on, "" without one.
func (a *App) Addr() string { return a.addr }

// URL returns how people reach the HTTP server, "" without one.
func (a *App) URL() string { return a.url }

// reachable puts the real port into a public URL that says "any" (port 0).
func reachable(public, addr string) string {
	u, err := url.Parse(public)
	_, port, addrErr := net.SplitHostPort(addr)
	if err != nil || addrErr != nil || u.Port() != "0" {
		return public
	}
	u.Host = net.JoinHostPort(u.Hostname(), port)
	return u.String()
}

// Run waits until ctx ends or a part fails by itself, and stops everything.
func (a *App) Run(ctx context.Context) error {
	var failure error
	select {
	case <-ctx.Done():
		a.log.Info("stopping")
	case failure = <-a.failed:
		a.log.Error("a part failed, stopping", "err", failure)
	}
	grace := a.opt.Config.DrainGrace + stopSlack
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	return errors.Join(failure, a.Stop(stop))
}

// Stop stops all parts, the last started first. It may be called twice.
func (a *App) Stop(ctx context.Context) error {
	var errs []error
	a.once.Do(func() {
		for _, part := range slices.Backward(a.stop) {
			if err := part.stop(ctx); err != nil {
				errs = append(errs, fmt.Errorf("stop %s: %w", part.name, err))
			}
		}
	})
	return errors.Join(errs...)
}

// onStop remembers how to stop a part that has started.
func (a *App) onStop(name string, stop func(ctx context.Context) error) {
	a.stop = append(a.stop, closer{name, stop})
}

// background runs f until the part is stopped.
func (a *App) background(name string, f func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	a.onStop(name, func(stop context.Context) error {
		cancel()
		select {
		case <-done:
			return nil
		case <-stop.Done():
			return fmt.Errorf("it has not ended: %w", stop.Err())
		}
	})
}

func (a *App) fail(err error) {
	select {
	case a.failed <- err:
	default:
	}
}

// parts is what the roles share.
type parts struct {
	db        *db.DB
	redis     *redis.Client
	tickets   *queue.Client
	publisher *live.Publisher
	store     storage.Store
	signer    api.Signer // nil where downloads are not redirected
	farm      *service.Farm
	library   *service.Library
	keeper    *service.Keeper
	ops       *service.Ops
	health    *health.Monitor
	metrics   *telemetry.Metrics
	tasks     *queue.Server // what the worker runs, and how much at a time; nil without a worker
}

func (a *App) start(ctx context.Context) error {
	a.log.Info("starting", "version", a.opt.Version, "config", a.opt.Config)
	p, err := a.open(ctx)
	if err != nil {
		return err
	}
	if a.opt.Roles.Embedded {
		// Nobody else has this data: what was running died with the last process.
		n, err := p.farm.RequeueRunning(ctx)
		if err != nil {
			return fmt.Errorf("take up unfinished work: %w", err)
		}
		if n > 0 {
			a.log.Info("took up unfinished work", "tasks", n)
		}
	}
	a.background("releaser", p.farm.RunReleaser)
	if a.opt.Roles.Worker {
		if err := a.startWorker(ctx, p); err != nil {
			return err
		}
	}
	if a.opt.Roles.Janitor {
		j := a.janitor(p)
		p.metrics.ExpectChores(j.Chores())
		a.background("janitor", j.Run)
	}
	if a.opt.Roles.API {
		return a.startAPI(ctx, p)
	}
	return a.startOps(ctx, p)
}

// janitor returns the janitor of what is open.
func (a *App) janitor(p *parts) *janitor.Janitor {
	return janitor.New(p.farm, p.keeper, p.store, p.tickets, live.NewStored(p.redis), janitor.Config{
		Observer: p.metrics, Now: a.opt.Clock.Now, Log: a.log.With("part", "janitor"),
	})
}

// open opens what holds the data. Where several of the servers cannot be used it
// says so of all of them.
func (a *App) open(ctx context.Context) (*parts, error) {
	cfg := a.opt.Config
	p := &parts{}
	if a.opt.Roles.Embedded {
		dir, err := openDataDir(cfg.DataDir)
		if err != nil {
			return nil, err
		}
		a.onStop("data folder", func(context.Context) error { return dir.release() })
	}
	if err := errors.Join(a.openDatabase(ctx, p), a.openRedis(ctx, p), a.openStore(ctx, p)); err != nil {
		return nil, err
	}
	p.tickets = queue.NewClient(p.redis)
	p.publisher = live.NewPublisher(p.redis, a.log.With("part", "live"))
	deps := service.Deps{
		DB: p.db, Tickets: p.tickets, Publisher: p.publisher, Clock: a.opt.Clock, Random: a.opt.Random, Log: a.log.With("part", "service"),
		Config: service.Config{MaxJobSamples: cfg.MaxJobSamples, MaxQueued: cfg.MaxQueued, AnonymousTTL: cfg.AnonymousTTL, AssetTTL: cfg.AssetTTL, DeleteGrace: cfg.DeleteGrace},
	}
	p.farm, p.library, p.keeper = service.NewFarm(deps), service.NewLibrary(deps), service.NewKeeper(deps)
	p.ops = service.NewOps(p.farm)
	p.health = health.New(a.opt.Version, map[string]health.Check{
		"database": p.farm.Ping,
		"redis":    func(ctx context.Context) error { return p.redis.Ping(ctx).Err() },
		"storage":  p.store.Check,
	}, a.log.With("part", "health"))
	p.metrics = telemetry.NewMetrics(a.opt.Version)
	p.metrics.WatchDatabase(p.pools)
	p.metrics.WatchQueue(p.queue)
	return p, nil
}

func (a *App) openDatabase(ctx context.Context, p *parts) error {
	cfg := a.opt.Config
	var err error
	if p.db, err = db.Open(ctx, db.Config{URL: cfg.DatabaseURL.Reveal(), Path: cfg.DatabasePath(), MaxConns: cfg.DBMaxConns}); err != nil {
		if cfg.DatabaseURL != "" {
			return fmt.Errorf("check DATABASE_URL: %w", err)
		}
		return fmt.Errorf("open the database: %w", err)
	}
	a.onStop("database", func(context.Context) error { return p.db.Close() })
	if cfg.AutoMigrate && !a.opt.Look {
		if err := p.db.Migrate(ctx); err != nil {
			return fmt.Errorf("bring the database up to date: %w", err)
		}
	}
	return nil
}

// openStore opens the store of the assets.
func (a *App) openStore(ctx context.Context, p *parts) error {
	cfg := a.opt.Config
	if cfg.S3Endpoint == "" {
		disk, err := storage.NewDisk(cfg.AssetDir())
		if err != nil {
			return fmt.Errorf("open the asset store: %w", err)
		}
		a.onStop("asset store", func(context.Context) error { return disk.Close() })
		p.store = disk
		return nil
	}
	s3, err := storage.NewS3(storage.S3Config{
		Endpoint: cfg.S3Endpoint, Bucket: cfg.S3Bucket, Region: cfg.S3Region,
		AccessKey: cfg.S3AccessKey.Reveal(), SecretKey: cfg.S3SecretKey.Reveal(),
		PublicEndpoint: cfg.S3PublicEndpoint, Origin: cfg.PublicURL,
	})
	if err != nil {
		return fmt.Errorf("open the asset store: %w", err)
	}
	a.onStop("asset store", func(context.Context) error { return s3.Close() })
	if a.opt.Look {
		p.store = s3
		return nil
	}
	if err := s3.Prepare(ctx); err != nil {
		return fmt.Errorf("check S3_ENDPOINT and S3_BUCKET: %w", err)
	}
	p.store = s3
	if s3.Public() != "" && a.opt.Roles.API {
		p.signer = s3
		if err := s3.AllowOrigin(ctx); err != nil {
			// Nothing is wrong yet: MinIO, for one, allows every origin and takes no rules.
			a.log.Info("the bucket takes no rules for the origins of pages: see that the server allows ours", "origin", cfg.PublicURL, "err", err)
		}
	}
	return nil
}

func (a *App) openRedis(ctx context.Context, p *parts) error {
	queue.LogTo(a.log.With("part", "redis"))
	if a.opt.Roles.Embedded {
		embedded, err := queue.StartEmbedded()
		if err != nil {
			return fmt.Errorf("start the embedded Redis: %w", err)
		}
		a.onStop("embedded Redis", func(context.Context) error { return embedded.Close() })
		p.redis = embedded.Client()
	} else {
		client, err := queue.Open(a.opt.Config.RedisURL.Reveal())
		if err != nil {
			return fmt.Errorf("open Redis: %w", err)
		}
		p.redis = client
	}
	a.onStop("Redis client", func(context.Context) error { return p.redis.Close() })
	if a.opt.Roles.Embedded {
		return nil
	}
	if err := queue.Check(ctx, p.redis); err != nil {
		return fmt.Errorf("check REDIS_URL: %w", err)
	}
	return nil
}

// startWorker starts the worker and, after it, what feeds it.
func (a *App) startWorker(ctx context.Context, p *parts) error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("read the host's name: %w", err)
	}
	log := a.log.With("part", "worker")
	slots := a.opt.Config.WorkerConcurrency.Count()
	p.metrics.Expect(lanes(), worker.Outcomes())
	name := a.opt.Config.WorkerName
	if name == "" {
		name = host
	}
	w := worker.New(p.farm, p.store, p.publisher, worker.Config{
		Name: name, Host: host, Version: a.opt.Version, Slots: slots, MaxSpeed: a.opt.Config.RenderMaxSpeed, Observer: p.metrics, Log: log,
	})
	grace := a.opt.Config.DrainGrace
	if grace == 0 {
		grace = -1 // none; 0 would be the queue's default
	}
	p.tasks = queue.NewServer(p.redis, queue.ServerConfig{Concurrency: slots, Grace: grace, Log: log}, w.Handle)
	p.metrics.WatchWorker(p.tasks.Running, func() int { return p.tasks.Limits().Concurrency })
	tune := &tuning{app: a, parts: p, worker: w, name: name, configured: slots}
	if err := tune.apply(ctx); err != nil { // before it takes anything: it may be drained
		return err
	}
	a.background("worker", w.Run)
	a.background("cancellations", func(ctx context.Context) { live.Cancellations(ctx, p.redis, log, w.Cancel) })
	a.background("tuning", tune.run)
	if err := p.tasks.Start(); err != nil {
		return fmt.Errorf("start the worker: %w", err)
	}
	a.onStop("worker's queue", p.tasks.Stop)
	return nil
}

// The HTTP server's own time-outs; streams lift theirs.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10
)

// startAPI starts the hub and the HTTP server.
func (a *App) startAPI(ctx context.Context, p *parts) error {
	log := a.log.With("part", "api")
	hub := live.NewHub(p.redis, p.farm, live.HubConfig{Log: log})
	a.background("hub", hub.Run)
	listener, err := a.listen(ctx)
	if err != nil {
		return err
	}
	files, built := web.Files()
	maxStreams := 0 // the API's own
	if !bool(a.opt.Config.RateLimits) {
		maxStreams = -1
	}
	edge, err := api.New(api.Options{
		Farm:    p.farm,
		Library: p.library,
		Ops:     p.ops,
		Hub:     hub,
		Blobs:   blobs{p.store},
		Signer:  p.signer,
		Limits: limit.New(p.redis, limit.Config{
			Off:         !bool(a.opt.Config.RateLimits),
			Generations: a.opt.Config.RateGenerations,
			Packs:       a.opt.Config.RatePacks,
			Requests:    a.opt.Config.RateRequests,
			Log:         log,
		}),
		AdminToken:     a.opt.Config.AdminToken.Reveal(),
		Visitors:       auth.NewVisitors(a.opt.Random),
		Health:         p.health,
		Metrics:        p.metrics,
		Interpret:      func(words string, seed uint32) (any, error) { return prompt.Interpret(words, seed) },
		Web:            files,
		WebBuilt:       built,
		Version:        a.opt.Version,
		MaxStreams:     maxStreams,
		PublicURL:      a.url,
		TrustedProxies: a.opt.Config.TrustedProxies,
		Log:            log,
	})
	if err != nil {
		return errors.Join(fmt.Errorf("build the API: %w", err), listener.Close())
	}
	// Drain ends streams and sockets, which a shutdown would wait for or not know of.
	a.serve(listener, edge, edge.Drain)
	return nil
}

// listen opens the address of the HTTP server.
func (a *App) listen(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", a.opt.Config.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w (is another server running there? set ADDR to another address)", a.opt.Config.Addr, err)
	}
	a.addr = listener.Addr().String()
	a.url = reachable(a.opt.Config.PublicURL, a.addr)
	return listener, nil
}

// serve answers HTTP until the part is stopped; drain is called first then.
func (a *App) serve(listener net.Listener, handler http.Handler, drain func()) {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
	}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.fail(fmt.Errorf("serve HTTP: %w", err))
		}
	}()
	a.onStop("HTTP server", func(ctx context.Context) error {
		drain()
		ctx, cancel := context.WithTimeout(ctx, stopSlack)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			return errors.Join(fmt.Errorf("shut down: %w", err), server.Close())
		}
		return nil
	})
	a.log.Info("listening", "addr", a.addr, "url", a.url)
}

// blobs shows the store to the API in the errors that the API knows.
type blobs struct{ store storage.Store }

// Open implements api.Blobs.
func (b blobs) Open(ctx context.Context, key string) (io.ReadSeekCloser, error) {
	r, _, err := b.store.Open(ctx, key)
	if err != nil {
		return nil, gone(err)
	}
	return r, nil
}

// Stat implements api.Blobs.
func (b blobs) Stat(ctx context.Context, key string) error {
	_, err := b.store.Stat(ctx, key)
	return gone(err)
}

func gone(err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return model.Wrap(model.CodeGone, err, "the audio of this sound is no longer there")
	}
	return err
}
