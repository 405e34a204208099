package worker_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/db"
	"patchlab/engine"
	"patchlab/engine/patch"
	"patchlab/internal/format"
	"patchlab/internal/janitor"
	"patchlab/internal/live"
	"patchlab/internal/model"
	"patchlab/internal/service"
	"patchlab/internal/testenv/backing"
	"patchlab/internal/worker"
	"patchlab/queue"
)

// plant is the farm in one process: the real database, store, queue and engine.
type plant struct {
	t       *testing.T
	db      *db.DB
	disk    *disk
	rdb     *redis.Client
	pub     *live.Publisher
	tickets *queue.Client
	farm    *service.Farm
	library *service.Library
	keeper  *service.Keeper
	hub     *live.Hub
	deaf    bool // workers hear nothing of cancellations
}

func newPlant(t *testing.T, on backing.Services) *plant {
	t.Helper()
	p := &plant{t: t, db: on.DB, disk: &disk{Store: on.Store}, rdb: on.Redis}
	p.pub, p.tickets = live.NewPublisher(p.rdb, quiet), queue.NewClient(p.rdb)
	deps := service.Deps{DB: p.db, Tickets: p.tickets, Publisher: p.pub, Config: service.Config{
		ReleaseEvery: 20 * time.Millisecond, SweepAfter: 100 * time.Millisecond, DeadAfter: time.Second,
		BackoffBase: 10 * time.Millisecond, BackoffMax: 20 * time.Millisecond,
	}}
	p.farm, p.library, p.keeper = service.NewFarm(deps), service.NewLibrary(deps), service.NewKeeper(deps)
	p.hub = live.NewHub(p.rdb, p.farm, live.HubConfig{Reread: 100 * time.Millisecond})
	p.spawn(p.hub.Run)
	p.spawn(p.farm.RunReleaser)
	return p
}

// spawn runs f until the test ends, or the returned function is called.
func (p *plant) spawn(f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	p.t.Cleanup(stop)
	return stop
}

// work starts a worker with its queue server; the function it returns stops both
// with the grace given.
func (p *plant) work(farm worker.Farm, grace time.Duration, cfg worker.Config) (stop func()) {
	p.t.Helper()
	cfg.BeatEvery = cmp.Or(cfg.BeatEvery, 50*time.Millisecond)
	w := worker.New(farm, p.disk, p.pub, cfg)
	retire := p.spawn(w.Run)
	if !p.deaf {
		p.spawn(func(ctx context.Context) { live.Cancellations(ctx, p.rdb, quiet, w.Cancel) })
	}
	s := queue.NewServer(p.rdb, queue.ServerConfig{Concurrency: max(cfg.Slots, 1), Grace: grace}, w.Handle)
	require.NoError(p.t, s.Start())
	stop = sync.OnceFunc(func() {
		if err := s.Stop(context.Background()); err != nil {
			p.t.Error(err)
		}
		retire()
	})
	p.t.Cleanup(stop)
	return stop
}

func (p *plant) tidy(cfg janitor.Config) *janitor.Janitor {
	return janitor.New(p.farm, p.keeper, p.disk, p.tickets, live.NewStored(p.rdb), cfg)
}

// sweeping runs a janitor that looks for lost work all the time.
func (p *plant) sweeping() {
	p.spawn(p.tidy(janitor.Config{Lost: 40 * time.Millisecond, Expiry: time.Hour}).Run)
}

func (p *plant) generate(caller string, prompt string, takes int, seed uint32, duration float64) model.Job {
	p.t.Helper()
	rate := 22050
	job, _, err := p.farm.Generate(context.Background(), model.Caller{AnonKey: caller}, service.GenerateRequest{
		Prompt: prompt, Variations: takes, Seed: &seed, Duration: &duration, SampleRate: &rate,
	}, "", nil)
	require.NoError(p.t, err)
	return job
}

func (p *plant) job(id uuid.UUID) model.Job {
	p.t.Helper()
	job, err := p.farm.JobByID(context.Background(), id, 0)
	require.NoError(p.t, err)
	return job
}

// finish waits until a job is final.
func (p *plant) finish(id uuid.UUID) model.Job {
	p.t.Helper()
	var job model.Job
	require.Eventually(p.t, func() bool {
		job = p.job(id)
		return job.State.Final()
	}, 20*time.Second, 10*time.Millisecond)
	return job
}

// counted counts the renders of the engine.
func counted(n *atomic.Int32) worker.RenderFunc {
	return func(ctx context.Context, p patch.Patch, o engine.Options) (engine.Audio, error) {
		n.Add(1)
		return engine.Render(ctx, p, o)
	}
}

func TestPipelineFromWordsToAFileThatVerifies(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		ctx := context.Background()
		p := newPlant(t, on)
		p.work(p.farm, time.Second, worker.Config{Slots: 2, MaxSpeed: 2})
		job := p.generate("ann", "deep wobble bass", 2, 7, 0.5)
		s, err := p.hub.Subscribe(ctx, job.ID, live.Options{Audio: true})
		require.NoError(t, err)
		defer s.Close()

		var (
			begin  = time.Now()
			last   = map[uuid.UUID]model.Progress{}
			takes  = map[uuid.UUID]bool{}
			chunks int
			end    live.Message
		)
		for {
			nctx, cancel := context.WithTimeout(ctx, 20*time.Second)
			msg, err := s.Next(nctx)
			cancel()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			switch msg.Type {
			case live.Progress, live.Snapshot:
				for _, pr := range msg.Progress {
					before := last[pr.SoundID]
					assert.GreaterOrEqual(t, pr.Percent, before.Percent)
					assert.GreaterOrEqual(t, pr.Frames, before.Frames)
					assert.GreaterOrEqual(t, len(pr.Peaks), len(before.Peaks))
					last[pr.SoundID] = pr
				}
			case live.Take:
				takes[msg.Sound.ID] = true
			case live.Audio:
				chunks++
			case live.Complete, live.Failed, live.Cancelled:
				end = msg
			}
		}
		assert.GreaterOrEqual(t, time.Since(begin), 200*time.Millisecond, "RENDER_MAX_SPEED slows")
		require.Equal(t, live.Complete, end.Type)
		assert.Len(t, takes, 2)
		assert.Len(t, last, 2)
		assert.Positive(t, chunks)
		require.Len(t, end.Job.Sounds, 2)
		for _, sound := range end.Job.Sounds {
			require.NotNil(t, sound.Asset)
			file, info, err := p.disk.Open(ctx, sound.Asset.Key)
			require.NoError(t, err)
			assert.Equal(t, sound.Asset.ETag, info.ETag)
			assert.Len(t, sound.Asset.Peaks, 2*model.PeakBuckets)
			whole, err := io.ReadAll(file)
			require.NoError(t, errors.Join(err, file.Close()))
			_, err = format.Verify(ctx, bytes.NewReader(whole), info.Size)
			assert.NoError(t, err)
		}
		assert.NotEqual(t, end.Job.Sounds[0].Asset.Digest, end.Job.Sounds[1].Asset.Digest)
	})
}

func TestPipelineRendersARecipeOnce(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := newPlant(t, on)
		var renders atomic.Int32
		p.work(p.farm, time.Second, worker.Config{Slots: 2, Render: counted(&renders)})
		p.work(p.farm, time.Second, worker.Config{Slots: 2, Render: counted(&renders)})
		ids := make([]uuid.UUID, 0, 6)
		for _, caller := range []string{"ann", "bob", "cem"} {
			ids = append(ids, p.generate(caller, "bright bell", 1, 3, 0.2).ID)
		}
		assets := map[uuid.UUID]bool{}
		for _, id := range ids {
			assets[p.finish(id).Sounds[0].Asset.ID] = true
		}
		ids = ids[:0]
		before := renders.Load()
		assert.LessOrEqual(t, before, int32(2), "at most once on each worker")
		for _, caller := range []string{"ann", "dov"} {
			ids = append(ids, p.generate(caller, "bright bell", 1, 3, 0.2).ID)
		}
		for _, id := range ids {
			assets[p.finish(id).Sounds[0].Asset.ID] = true
		}
		assert.Equal(t, before, renders.Load())
		assert.Len(t, assets, 1)
		require.Eventually(t, func() bool { return len(p.disk.keys(t)) == 1 }, 5*time.Second, 10*time.Millisecond,
			"the loser of a race between two workers deletes its file")
	})
}

// mortal is the farm as seen by a process that dies when it commits: nothing of
// it reaches the database from then on.
type mortal struct {
	worker.Farm
	dead atomic.Bool
}

var errDead = errors.New("the process is dead")

func (m *mortal) Commit(context.Context, model.Ticket, model.Asset) (service.CommitResult, error) {
	m.dead.Store(true)
	return service.CommitResult{}, errDead
}

func (m *mortal) Fail(ctx context.Context, t model.Ticket, f *model.Failure, retryable bool) error {
	if m.dead.Load() {
		return errDead
	}
	return m.Farm.Fail(ctx, t, f, retryable)
}

func (m *mortal) HandBack(ctx context.Context, t model.Ticket) error {
	if m.dead.Load() {
		return errDead
	}
	return m.Farm.HandBack(ctx, t)
}

func (m *mortal) Beat(ctx context.Context, id uuid.UUID, state service.WorkerState) error {
	if m.dead.Load() {
		return errDead
	}
	return m.Farm.Beat(ctx, id, state)
}

func (m *mortal) RetireWorker(ctx context.Context, id uuid.UUID) error {
	if m.dead.Load() {
		return errDead
	}
	return m.Farm.RetireWorker(ctx, id)
}

func TestPipelineKilledBetweenStoreAndCommit(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := newPlant(t, on)
		p.sweeping()
		m := &mortal{Farm: p.farm}
		kill := p.work(m, -1, worker.Config{})
		job := p.generate("ann", "kick", 1, 1, 0.2)
		require.Eventually(t, m.dead.Load, 10*time.Second, time.Millisecond)
		kill()
		assert.Equal(t, model.Running, p.job(job.ID).Sounds[0].State, "the record still believes in the dead")
		require.Len(t, p.disk.keys(t), 1)

		p.work(p.farm, time.Second, worker.Config{})
		done := p.finish(job.ID)
		assert.Equal(t, model.Succeeded, done.State)
		assert.GreaterOrEqual(t, done.Attempts, 2)
		files := len(p.disk.keys(t))
		require.GreaterOrEqual(t, files, 2, "one of them is an orphan")

		counts, err := p.tidy(janitor.Config{}).RunOnce(context.Background())
		require.NoError(t, err)
		assert.Zero(t, counts[janitor.Orphans], "it is young")
		counts, err = p.tidy(janitor.Config{Now: func() time.Time { return time.Now().Add(25 * time.Hour) }}).RunOnce(context.Background())
		require.NoError(t, err)
		assert.Equal(t, files-1, counts[janitor.Orphans])
		assert.Equal(t, []string{done.Sounds[0].Asset.Key}, p.disk.keys(t))
	})
}

func TestPipelinePoisonHarmsNobodyElse(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := newPlant(t, on)
		p.work(p.farm, time.Second, worker.Config{Slots: 2, Render: func(ctx context.Context, pt patch.Patch, o engine.Options) (engine.Audio, error) {
			if pt.Output.Duration == 0.25 {
				panic("poison")
			}
			return engine.Render(ctx, pt, o)
		}})
		poison := p.generate("ann", "kick", 1, 1, 0.25)
		good := p.generate("bob", "kick", 3, 1, 0.2)
		failed := p.finish(poison.ID)
		assert.Equal(t, model.Failed, failed.State)
		assert.Equal(t, 1, failed.Attempts, "a panic is final")
		require.NotNil(t, failed.Sounds[0].Error)
		assert.Equal(t, "poison", failed.Sounds[0].Error.Code)
		assert.Equal(t, model.Succeeded, p.finish(good.ID).State)
	})
}

func TestPipelineRetriesAStoreThatFails(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := newPlant(t, on)
		p.disk.err = errors.New("disk full")
		p.work(p.farm, time.Second, worker.Config{})
		job := p.finish(p.generate("ann", "kick", 1, 1, 0.1).ID)
		assert.Equal(t, model.Failed, job.State)
		assert.Equal(t, 15, job.Attempts, "an outage has a patience of its own")
		assert.Equal(t, "storage_unavailable", job.Sounds[0].Error.Code)
		assert.Equal(t, int32(15), p.disk.puts.Load())
	})
}

func TestPipelineShutdownHandsBack(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := newPlant(t, on)
		stop := p.work(p.farm, -1, worker.Config{MaxSpeed: 0.5})
		job := p.generate("ann", "kick", 1, 1, 5)
		require.Eventually(t, func() bool { return p.job(job.ID).Sounds[0].State == model.Running }, 10*time.Second, 5*time.Millisecond)
		begin := time.Now()
		stop()
		assert.Less(t, time.Since(begin), 3*time.Second)
		assert.Equal(t, model.Queued, p.job(job.ID).Sounds[0].State)

		p.work(p.farm, time.Second, worker.Config{})
		done := p.finish(job.ID)
		assert.Equal(t, model.Succeeded, done.State)
		assert.Equal(t, 2, done.Attempts)
	})
}

// TestPipelineCancels cancels a job that renders: its render stops within 200 ms of the
// call, or with the worker's next beat where nobody tells it, the slot takes the next
// sound, and nothing of it is left.
func TestPipelineCancels(t *testing.T) {
	t.Parallel()
	for name, deaf := range map[string]bool{"told": false, "by the beat": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backing.Each(t, func(t *testing.T, on backing.Services) {
				p := newPlant(t, on)
				p.deaf = deaf
				ended := make(chan time.Time, 8)
				beat := time.Minute // of no help
				if deaf {
					beat = 0
				}
				p.work(p.farm, time.Second, worker.Config{MaxSpeed: 0.5, BeatEvery: beat, Render: func(ctx context.Context, pt patch.Patch, o engine.Options) (engine.Audio, error) {
					defer func() { ended <- time.Now() }()
					return engine.Render(ctx, pt, o)
				}})
				job := p.generate("ann", "kick", 2, 1, 8)
				running := func() bool {
					j := p.job(job.ID)
					return j.Sounds[0].State == model.Running || j.Sounds[1].State == model.Running
				}
				require.Eventually(t, running, 10*time.Second, 5*time.Millisecond)
				next := p.generate("bob", "kick", 1, 2, 0.1)
				begin := time.Now()
				got, err := p.farm.Cancel(context.Background(), model.Caller{AnonKey: "ann"}, job.ID)
				require.NoError(t, err)
				assert.Equal(t, model.Cancelled, got.State)
				t.Logf("the render stopped after %v", (<-ended).Sub(begin))
				assert.Equal(t, model.Succeeded, p.finish(next.ID).State)
				after := p.job(job.ID)
				assert.Equal(t, got.Version, after.Version)
				for _, s := range after.Sounds {
					assert.Equal(t, model.Cancelled, s.State)
					assert.Nil(t, s.Asset)
				}
				assert.Equal(t, int32(1), p.disk.puts.Load(), "only the other job's sound is stored")
			})
		})
	}
}

func TestPipelineOutlivesAnEmptiedRedis(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := newPlant(t, on)
		p.sweeping()
		p.work(p.farm, time.Second, worker.Config{MaxSpeed: 2})
		ids := make([]uuid.UUID, 0, 6)
		for i := range 6 {
			ids = append(ids, p.generate("ann", "kick", 1, uint32(i), 0.2).ID)
			require.NoError(t, p.rdb.FlushAll(context.Background()).Err())
			time.Sleep(20 * time.Millisecond)
		}
		for _, id := range ids {
			assert.Equal(t, model.Succeeded, p.finish(id).State)
		}
	})
}
