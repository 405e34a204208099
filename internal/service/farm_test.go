package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/db"
	"patchlab/db/dbtest"
	"patchlab/internal/model"
	"patchlab/internal/service"
	"patchlab/internal/service/servicetest"
)

func ptr[T any](v T) *T { return &v }

// each runs a test on a farm of its own on every dialect.
func each(t *testing.T, cfg service.Config, fn func(t *testing.T, h *servicetest.Harness)) {
	t.Helper()
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { fn(t, servicetest.New(t, d, cfg)) })
}

func count(t *testing.T, h *servicetest.Harness) (jobs, sounds, tasks, keys int) {
	t.Helper()
	ctx := context.Background()
	require.NoError(t, h.DB.Reader().Get(ctx, &jobs, `SELECT count(*) FROM jobs`))
	require.NoError(t, h.DB.Reader().Get(ctx, &sounds, `SELECT count(*) FROM sounds`))
	require.NoError(t, h.DB.Reader().Get(ctx, &tasks, `SELECT count(*) FROM tasks`))
	require.NoError(t, h.DB.Reader().Get(ctx, &keys, `SELECT count(*) FROM idempotency_keys`))
	return jobs, sounds, tasks, keys
}

func TestGenerateWritesAJob(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		h.Queue.SetDown(true) // accepting needs the database only
		job := h.Accept(t, servicetest.Anon("a"), 3)
		assert.Equal(t, model.Queued, job.State)
		assert.Equal(t, model.JobGenerate, job.Kind)
		assert.EqualValues(t, 1, job.Version)
		assert.Equal(t, 3, job.Remaining)
		assert.Equal(t, h.Clock.Now(), job.CreatedAt)
		require.NotNil(t, job.QueuePosition)
		assert.Equal(t, 0, *job.QueuePosition)
		assert.Nil(t, job.ETA, "nothing was measured yet")
		require.Len(t, job.Sounds, 3)
		seeds := map[uint32]bool{}
		for i, s := range job.Sounds {
			assert.Equal(t, i, s.Position)
			assert.Equal(t, fmt.Sprintf("deep-bass-%d", i+1), s.Name)
			assert.Equal(t, model.Queued, s.State)
			assert.Equal(t, "wav", s.Format)
			assert.NotEqual(t, uuid.Nil, s.TaskID)
			assert.Contains(t, string(s.Explanation), "confidence")
			require.NotNil(t, s.ExpiresAt)
			assert.Equal(t, h.Clock.Now().Add(24*time.Hour), *s.ExpiresAt)
			seeds[s.Patch.Seed] = true
		}
		assert.Len(t, seeds, 3, "every take has a seed of its own")
		assert.EqualValues(t, 7, job.Sounds[0].Patch.Seed, "the first take has the seed asked for")

		second := h.Accept(t, servicetest.Anon("a"), 1)
		require.NotNil(t, second.QueuePosition)
		assert.Equal(t, 3, *second.QueuePosition)
		assert.Equal(t, "deep-bass", second.Sounds[0].Name)
	})
}

func TestGenerateDrawsASeed(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		req := servicetest.Request(1)
		req.Seed = nil
		seen := map[uint32]bool{}
		for range 4 {
			job, _, err := h.Farm.Generate(context.Background(), servicetest.Anon("a"), req, "", nil)
			require.NoError(t, err)
			seen[job.Sounds[0].Patch.Seed] = true
		}
		assert.Greater(t, len(seen), 1)
	})
}

func TestGenerateRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(*service.GenerateRequest)
		fields []string
	}{
		"no words":       {func(r *service.GenerateRequest) { r.Prompt = "" }, []string{"prompt"}},
		"501 characters": {func(r *service.GenerateRequest) { r.Prompt = strings.Repeat("ä", 501) }, []string{"prompt"}},
		"not UTF-8":      {func(r *service.GenerateRequest) { r.Prompt = "bass \xff" }, []string{"prompt"}},
		"no takes":       {func(r *service.GenerateRequest) { r.Variations = 0 }, []string{"variations"}},
		"9 takes":        {func(r *service.GenerateRequest) { r.Variations = 9 }, []string{"variations"}},
		"31 s":           {func(r *service.GenerateRequest) { r.Duration = ptr(31.0) }, []string{"duration"}},
		"not a duration": {func(r *service.GenerateRequest) { r.Duration = ptr(math.NaN()) }, []string{"duration"}},
		"odd rate":       {func(r *service.GenerateRequest) { r.SampleRate = ptr(12345) }, []string{"sample_rate"}},
		"unknown parameter": {func(r *service.GenerateRequest) {
			r.Overrides = map[string]json.RawMessage{"layers.0.nothing": json.RawMessage("1")}
		}, []string{"overrides.layers.0.nothing"}},
		"too many samples": {func(r *service.GenerateRequest) {
			r.Variations, r.Duration, r.SampleRate = 8, ptr(30.0), ptr(96000)
		}, []string{"variations"}},
		"all at once": {func(r *service.GenerateRequest) {
			r.Prompt, r.Variations, r.Duration, r.SampleRate = "", 9, ptr(31.0), ptr(12345)
		}, []string{"variations", "prompt", "duration", "sample_rate"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
				req := servicetest.Request(1)
				tt.change(&req)
				_, _, err := h.Farm.Generate(context.Background(), servicetest.Anon("a"), req, "key", []byte("h"))
				var e *model.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, model.CodeInvalid, e.Code)
				var fields []string
				for _, f := range e.Fields {
					fields = append(fields, f.Field)
					assert.NotEmpty(t, f.Message)
				}
				assert.Equal(t, tt.fields, fields)
				jobs, sounds, tasks, keys := count(t, h)
				assert.Zero(t, jobs+sounds+tasks+keys, "nothing is written")
			})
		})
	}
}

func TestGenerateRefusesWhatCostsTooMuch(t *testing.T) {
	each(t, service.Config{MaxCost: 1}, func(t *testing.T, h *servicetest.Harness) {
		_, _, err := h.Farm.Generate(context.Background(), servicetest.Anon("a"), servicetest.Request(2), "", nil)
		var e *model.Error
		require.ErrorAs(t, err, &e)
		require.Len(t, e.Fields, 1)
		assert.Equal(t, "duration", e.Fields[0].Field)
	})
}

func TestQuota(t *testing.T) {
	each(t, service.Config{MaxQueued: 5}, func(t *testing.T, h *servicetest.Harness) {
		h.Accept(t, servicetest.Anon("a"), 4)
		_, _, err := h.Farm.Generate(context.Background(), servicetest.Anon("a"), servicetest.Request(2), "k", []byte("h"))
		require.Equal(t, model.CodeQuota, model.CodeOf(err))
		jobs, sounds, tasks, keys := count(t, h)
		assert.Equal(t, []int{1, 4, 4, 0}, []int{jobs, sounds, tasks, keys})
		h.Accept(t, servicetest.Anon("b"), 4) // another owner is not concerned
		h.Accept(t, servicetest.Anon("a"), 1)
	})
}

func TestQuotaHoldsAgainstARush(t *testing.T) {
	each(t, service.Config{MaxQueued: 5}, func(t *testing.T, h *servicetest.Harness) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				_, _, err := h.Farm.Generate(context.Background(), servicetest.Anon("a"), servicetest.Request(2), "", nil)
				if err != nil {
					assert.Equal(t, model.CodeQuota, model.CodeOf(err))
				}
			})
		}
		wg.Wait()
		_, _, tasks, _ := count(t, h)
		assert.Equal(t, 4, tasks)
	})
}

func TestIdempotency(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		var mu sync.Mutex
		ids := map[uuid.UUID]int{}
		fresh := 0
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() {
				job, existed, err := h.Farm.Generate(ctx, servicetest.Anon("a"), servicetest.Request(2), "key", []byte("body"))
				if !assert.NoError(t, err) {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				ids[job.ID]++
				if !existed {
					fresh++
				}
			})
		}
		wg.Wait()
		assert.Len(t, ids, 1)
		assert.Equal(t, 1, fresh)
		jobs, sounds, tasks, keys := count(t, h)
		assert.Equal(t, []int{1, 2, 2, 1}, []int{jobs, sounds, tasks, keys})

		_, _, err := h.Farm.Generate(ctx, servicetest.Anon("a"), servicetest.Request(3), "key", []byte("other"))
		assert.Equal(t, model.CodeKeyReused, model.CodeOf(err))

		other, existed, err := h.Farm.Generate(ctx, servicetest.Anon("b"), servicetest.Request(2), "key", []byte("body"))
		require.NoError(t, err)
		assert.False(t, existed, "keys belong to their owner")
		assert.NotContains(t, ids, other.ID)

		h.Clock.Advance(24 * time.Hour)
		again, existed, err := h.Farm.Generate(ctx, servicetest.Anon("a"), servicetest.Request(2), "key", []byte("other"))
		require.NoError(t, err)
		assert.False(t, existed, "a key is forgotten after a day")
		assert.NotContains(t, ids, again.ID)
	})
}

func TestFairness(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		// 504, 48 and 5 tasks, queued in this order.
		for _, o := range []struct {
			name string
			jobs int
			each int
		}{{"big", 63, 8}, {"middle", 6, 8}, {"small", 1, 5}} {
			for range o.jobs {
				h.Accept(t, servicetest.Anon(o.name), o.each)
			}
		}
		worker := h.Worker(t, 2)
		last := map[string]int{}
		for i := 1; i <= 120; i++ { // by then the two smaller ones are through
			claim := h.Next(t, worker)
			last[claim.Sound.Owner.AnonKey] = i
			_, err := h.Farm.Commit(context.Background(), claim.Ticket, servicetest.Asset(claim.Sound.ID.String()))
			require.NoError(t, err)
		}
		assert.LessOrEqual(t, last["small"], 18, "the owner of 5 waits for about 15 renders")
		assert.LessOrEqual(t, last["middle"], 105)
	})
}

func TestANewcomerStartsAtTheClock(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		worker := h.Worker(t, 1)
		for range 6 {
			h.Accept(t, servicetest.Anon("old"), 8)
		}
		for range 20 {
			claim := h.Next(t, worker)
			_, err := h.Farm.Commit(context.Background(), claim.Ticket, servicetest.Asset(claim.Sound.ID.String()))
			require.NoError(t, err)
		}
		job := h.Accept(t, servicetest.Anon("new"), 1)
		require.NotNil(t, job.QueuePosition)
		assert.LessOrEqual(t, *job.QueuePosition, 3)
	})
}

func TestReleaseKeepsTheBudget(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		for range 3 {
			h.Accept(t, servicetest.Anon("a"), 8)
		}
		assert.Zero(t, h.Release(t), "nobody is there to render")
		worker := h.Worker(t, 3)
		assert.Equal(t, 6, h.Release(t))
		assert.Zero(t, h.Release(t))
		for n, want := range []int{0, 2} { // there is enough at hand after the first
			ticket, _ := h.Queue.Pop()
			claim, ok, err := h.Farm.Claim(context.Background(), ticket, worker)
			require.NoError(t, err)
			require.True(t, ok)
			assert.Zero(t, h.Release(t), "a running task keeps its place")
			_, err = h.Farm.Commit(context.Background(), claim.Ticket, servicetest.Asset(fmt.Sprint(n)))
			require.NoError(t, err)
			assert.Equal(t, want, h.Release(t))
		}
	})
}

func TestParallelReleasesHandOutEachTaskOnce(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		for range 5 {
			h.Accept(t, servicetest.Anon("a"), 8)
		}
		h.Worker(t, 8)
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				_, err := h.Farm.Release(context.Background())
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		seen := map[uuid.UUID]bool{}
		for {
			ticket, ok := h.Queue.Pop()
			if !ok {
				break
			}
			assert.False(t, seen[ticket.TaskID])
			assert.Equal(t, 1, ticket.Attempt)
			seen[ticket.TaskID] = true
		}
		assert.Len(t, seen, 16)
	})
}

func TestCommitToTheEnd(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		worker := h.Worker(t, 2)
		job := h.Accept(t, servicetest.Anon("a"), 2)

		first := h.Next(t, worker)
		assert.Equal(t, job.ID, first.JobID)
		assert.Equal(t, job.Sounds[0].Patch, first.Sound.Patch)
		job = h.Job(t, job.ID)
		assert.Equal(t, model.Running, job.State)
		assert.Equal(t, model.Running, job.Sounds[0].State)
		assert.EqualValues(t, 2, job.Version)
		assert.EqualValues(t, 2, h.News.Version(job.ID))
		require.NotNil(t, job.StartedAt)

		_, ok, err := h.Farm.Claim(ctx, first.Ticket, worker)
		require.NoError(t, err)
		assert.False(t, ok, "a ticket is claimed once")

		h.Clock.Advance(time.Second)
		asset := servicetest.Asset("d1")
		result, err := h.Farm.Commit(ctx, first.Ticket, asset)
		require.NoError(t, err)
		assert.False(t, result.Adopted)
		job = h.Job(t, job.ID)
		assert.Equal(t, 1, job.Remaining)
		require.NotNil(t, job.Sounds[0].Asset)
		assert.Equal(t, asset.Key, job.Sounds[0].Asset.Key)
		assert.Equal(t, asset.Peaks, job.Sounds[0].Asset.Peaks)
		assert.Equal(t, model.Succeeded, job.Sounds[0].State)

		again, err := h.Farm.Commit(ctx, first.Ticket, asset)
		require.NoError(t, err, "a commit whose answer was lost may be repeated")
		assert.False(t, again.Adopted)
		assert.EqualValues(t, job.Version, h.Job(t, job.ID).Version)

		second := h.Next(t, worker)
		_, err = h.Farm.Commit(ctx, second.Ticket, servicetest.Asset("d2"))
		require.NoError(t, err)
		job = h.Job(t, job.ID)
		assert.Equal(t, model.Succeeded, job.State)
		assert.Equal(t, 0, job.Remaining)
		assert.Equal(t, 1, job.Attempts)
		assert.EqualValues(t, 5, job.Version)
		assert.EqualValues(t, 5, h.News.Version(job.ID))
		require.NotNil(t, job.FinishedAt)
		assert.Nil(t, job.QueuePosition)
		assert.Nil(t, job.ETA)
		versions, err := h.Farm.JobVersions(ctx, []uuid.UUID{job.ID, uuid.New()})
		require.NoError(t, err)
		assert.Equal(t, map[uuid.UUID]int64{job.ID: 5}, versions)
	})
}

func TestLastCommitsRace(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		worker := h.Worker(t, 8)
		job := h.Accept(t, servicetest.Anon("a"), 8)
		claims := make([]service.Claim, 8)
		for i := range claims {
			claims[i] = h.Next(t, worker)
		}
		var wg sync.WaitGroup
		for i, c := range claims {
			wg.Go(func() {
				_, err := h.Farm.Commit(context.Background(), c.Ticket, servicetest.Asset(fmt.Sprint(i)))
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		job = h.Job(t, job.ID)
		assert.Equal(t, model.Succeeded, job.State)
		assert.Equal(t, 0, job.Remaining)
		assert.EqualValues(t, 1+8+8, job.Version)
	})
}

func TestStaleAttemptsAreFenced(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		worker := h.Worker(t, 1)
		job := h.Accept(t, servicetest.Anon("a"), 1)
		old := h.Next(t, worker)
		require.NoError(t, h.Farm.HandBack(ctx, old.Ticket))
		next := h.Next(t, worker)
		assert.Equal(t, old.Ticket.Attempt+1, next.Ticket.Attempt)

		_, err := h.Farm.Commit(ctx, old.Ticket, servicetest.Asset("old"))
		require.ErrorIs(t, err, service.ErrFenced)
		require.ErrorIs(t, h.Farm.Fail(ctx, old.Ticket, &model.Failure{Code: "x"}, true), service.ErrFenced)
		require.ErrorIs(t, h.Farm.HandBack(ctx, old.Ticket), service.ErrFenced)
		_, ok, err := h.Farm.Claim(ctx, old.Ticket, worker)
		require.NoError(t, err)
		assert.False(t, ok)
		found, err := h.Farm.FindAsset(ctx, "old")
		require.NoError(t, err)
		assert.Nil(t, found, "what is fenced leaves no row")

		_, err = h.Farm.Commit(ctx, next.Ticket, servicetest.Asset("new"))
		require.NoError(t, err)
		_, err = h.Farm.Commit(ctx, next.Ticket, servicetest.Asset("other"))
		require.ErrorIs(t, err, service.ErrFenced)
		unknown := model.Ticket{TaskID: uuid.New(), Attempt: 1}
		_, err = h.Farm.Commit(ctx, unknown, servicetest.Asset("x"))
		require.ErrorIs(t, err, service.ErrFenced)
		assert.Equal(t, 2, h.Job(t, job.ID).Attempts)
	})
}

func TestAssetsAreShared(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		worker := h.Worker(t, 4)
		h.Accept(t, servicetest.Anon("a"), 3)
		one, two, three := h.Next(t, worker), h.Next(t, worker), h.Next(t, worker)

		first := servicetest.Asset("same")
		_, err := h.Farm.Commit(ctx, one.Ticket, first)
		require.NoError(t, err)
		adopted, err := h.Farm.Commit(ctx, two.Ticket, servicetest.Asset("same"))
		require.NoError(t, err)
		assert.True(t, adopted.Adopted, "another blob of the same digest loses")
		assert.Equal(t, first.Key, adopted.Asset.Key)
		again, err := h.Farm.Commit(ctx, two.Ticket, servicetest.Asset("same"))
		require.NoError(t, err)
		assert.True(t, again.Adopted)

		found, err := h.Farm.FindAsset(ctx, "same")
		require.NoError(t, err)
		require.NotNil(t, found)
		reused, err := h.Farm.Commit(ctx, three.Ticket, *found)
		require.NoError(t, err)
		assert.False(t, reused.Adopted, "there is no blob to delete")
		assert.Equal(t, first.Key, reused.Asset.Key)
		var assets int
		require.NoError(t, h.DB.Reader().Get(ctx, &assets, `SELECT count(*) FROM assets`))
		assert.Equal(t, 1, assets)
	})
}

func TestAFoundAssetMayVanish(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		worker := h.Worker(t, 1)
		h.Accept(t, servicetest.Anon("a"), 1)
		claim := h.Next(t, worker)
		gone := servicetest.Asset("gone")
		gone.ID = uuid.New()
		_, err := h.Farm.Commit(ctx, claim.Ticket, gone)
		require.ErrorIs(t, err, service.ErrAssetGone)
		_, err = h.Farm.Commit(ctx, claim.Ticket, servicetest.Asset("gone"))
		require.NoError(t, err, "the attempt is still good: it renders")
	})
}

func TestFailuresBackOffAndEnd(t *testing.T) {
	each(t, service.Config{BackoffBase: time.Second, BackoffMax: 4 * time.Second}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		worker := h.Worker(t, 1)
		job := h.Accept(t, servicetest.Anon("a"), 1)
		failure := &model.Failure{Code: "storage", Message: "the store is full"}
		for i, wait := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second} {
			claim := h.Next(t, worker)
			assert.Equal(t, i+1, claim.Ticket.Attempt)
			require.NoError(t, h.Farm.Fail(ctx, claim.Ticket, failure, true))
			state := h.Job(t, job.ID)
			assert.Equal(t, model.Running, state.State)
			assert.Equal(t, model.Queued, state.Sounds[0].State)
			assert.Zero(t, h.Release(t))
			h.Clock.Advance(wait/2 - time.Millisecond)
			assert.Zero(t, h.Release(t), "it waits at least half of its back-off")
			h.Clock.Advance(wait/2 + time.Millisecond)
		}
		claim := h.Next(t, worker)
		require.NoError(t, h.Farm.Fail(ctx, claim.Ticket, failure, true))
		state := h.Job(t, job.ID)
		assert.Equal(t, model.Failed, state.State)
		assert.Equal(t, 1, state.FailedCount)
		assert.Equal(t, 0, state.Remaining)
		assert.Equal(t, failure, state.Error)
		assert.Equal(t, failure, state.Sounds[0].Error)
		assert.Equal(t, model.Failed, state.Sounds[0].State)
		assert.Equal(t, 5, state.Attempts)
		h.Clock.Advance(time.Hour)
		assert.Zero(t, h.Release(t))
	})
}

func TestOneGoodTakeMakesAJobSucceed(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		worker := h.Worker(t, 2)
		job := h.Accept(t, servicetest.Anon("a"), 2)
		bad, good := h.Next(t, worker), h.Next(t, worker)
		require.NoError(t, h.Farm.Fail(ctx, bad.Ticket, &model.Failure{Code: "engine", Message: "no"}, false))
		_, err := h.Farm.Commit(ctx, good.Ticket, servicetest.Asset("d"))
		require.NoError(t, err)
		state := h.Job(t, job.ID)
		assert.Equal(t, model.Succeeded, state.State)
		assert.Equal(t, 1, state.FailedCount)
		assert.Nil(t, state.Error)
		assert.NotNil(t, state.Sounds[0].Error)
	})
}

// A process whose clock is hours ahead accepts, releases and dies. The others, whose
// clocks are right, neither wait for its times to come nor lose its tickets.
func TestAClockThatWasAheadDelaysNothing(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		worker := h.Worker(t, 2)
		h.Clock.Advance(3 * time.Hour)
		h.Accept(t, servicetest.Anon("a"), 2)
		h.Clock.Advance(-3 * time.Hour)
		require.Equal(t, 2, h.Release(t), "accepted by the wrong clock")
		claim := h.Next(t, worker)

		// It is handed back, and released again, by the wrong clock; then Redis is emptied.
		h.Clock.Advance(3 * time.Hour)
		require.NoError(t, h.Farm.HandBack(ctx, claim.Ticket))
		h.Release(t)
		h.Clock.Advance(-3 * time.Hour)
		h.Queue.Clear()
		n, err := h.Farm.Sweep(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, n, "released by the wrong clock")
		require.Equal(t, 1, h.Release(t))

		// A wait after a failure is one that a clock may ask for.
		require.NoError(t, h.Farm.Fail(ctx, h.Next(t, worker).Ticket, &model.Failure{Code: "x", Message: "x"}, true))
		require.Zero(t, h.Release(t), "it waits")
		job, err := h.Farm.Job(ctx, servicetest.Anon("a"), claim.JobID)
		require.NoError(t, err)
		require.False(t, job.State.Final())
	})
}

// A janitor whose time goes back still gives up the dead.
func TestReapDeadWhenTimeGoesBack(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		h.Worker(t, 1)
		var watch service.BeatWatch
		look := func() int {
			t.Helper()
			n, err := h.Farm.ReapDead(ctx, &watch)
			require.NoError(t, err)
			return n
		}
		require.Zero(t, look())
		h.Clock.Advance(-2 * time.Hour)
		for range 10 {
			require.Zero(t, look())
			h.Clock.Advance(time.Second)
		}
		require.Equal(t, 1, look())
	})
}

func TestSweepHealsLostTickets(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		worker := h.Worker(t, 2)
		h.Accept(t, servicetest.Anon("a"), 3)
		h.Queue.SetDown(true)
		_, err := h.Farm.Release(ctx)
		require.ErrorIs(t, err, servicetest.ErrDown)
		h.Clock.Advance(10 * time.Second)
		_, err = h.Farm.Sweep(ctx)
		require.ErrorIs(t, err, servicetest.ErrDown)

		h.Queue.SetDown(false)
		n, err := h.Farm.Sweep(ctx)
		require.NoError(t, err)
		assert.Equal(t, 3, n)
		assert.Equal(t, 3, h.Release(t))
		n, err = h.Farm.Sweep(ctx)
		require.NoError(t, err)
		assert.Zero(t, n, "young tickets are left alone")
		h.Clock.Advance(10 * time.Second)
		n, err = h.Farm.Sweep(ctx)
		require.NoError(t, err)
		assert.Zero(t, n, "the queue knows them all")

		ticket, _ := h.Queue.Pop()
		assert.Equal(t, 2, ticket.Attempt)
		_, ok, err := h.Farm.Claim(ctx, ticket, worker)
		require.NoError(t, err)
		require.True(t, ok)
		h.Queue.Clear()
		n, err = h.Farm.Sweep(ctx)
		require.NoError(t, err)
		assert.Equal(t, 2, n, "what runs needs no ticket")
		for range 2 {
			claim := h.Next(t, worker)
			assert.Equal(t, 3, claim.Ticket.Attempt)
		}
	})
}

func TestRequeueRunning(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		worker := h.Worker(t, 2)
		job := h.Accept(t, servicetest.Anon("a"), 8)
		running := h.Next(t, worker)
		h.Queue.Clear() // the process died

		n, err := h.Farm.RequeueRunning(ctx)
		require.NoError(t, err)
		assert.Equal(t, 4, n)
		state := h.Job(t, job.ID)
		assert.Equal(t, model.Queued, state.Sounds[0].State)
		assert.Zero(t, h.Release(t), "the old workers are forgotten")
		_, _, err = h.Farm.Claim(ctx, running.Ticket, worker)
		require.NoError(t, err)

		worker = h.Worker(t, 2)
		for i := range 8 {
			claim := h.Next(t, worker)
			_, err := h.Farm.Commit(ctx, claim.Ticket, servicetest.Asset(fmt.Sprint(i)))
			require.NoError(t, err)
		}
		assert.Equal(t, model.Succeeded, h.Job(t, job.ID).State)
		_, err = h.Farm.Commit(ctx, running.Ticket, servicetest.Asset("ghost"))
		require.ErrorIs(t, err, service.ErrFenced)
	})
}

func TestReapDead(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		dead, alive := h.Worker(t, 1), h.Worker(t, 1)
		job := h.Accept(t, servicetest.Anon("a"), 2)
		lost, kept := h.Next(t, dead), h.Next(t, alive)
		var one, two service.BeatWatch
		reaped := 0
		for range 7 { // 12 s from the first look to the last
			for _, watch := range []*service.BeatWatch{&one, &two} {
				n, err := h.Farm.ReapDead(ctx, watch)
				require.NoError(t, err)
				reaped += n
			}
			require.NoError(t, h.Farm.Beat(ctx, alive, service.WorkerState{Slots: 1}))
			h.Clock.Advance(2 * time.Second)
		}
		assert.Equal(t, 1, reaped, "two janitors give up a worker once")
		require.ErrorIs(t, h.Farm.Beat(ctx, dead, service.WorkerState{Slots: 1}), service.ErrWorkerGone)
		_, err := h.Farm.Commit(ctx, lost.Ticket, servicetest.Asset("late"))
		require.ErrorIs(t, err, service.ErrFenced)
		_, err = h.Farm.Commit(ctx, kept.Ticket, servicetest.Asset("kept"))
		require.NoError(t, err)
		again := h.Next(t, alive)
		assert.Equal(t, lost.Ticket.TaskID, again.Ticket.TaskID)
		assert.Equal(t, 2, again.Ticket.Attempt)
		_, err = h.Farm.Commit(ctx, again.Ticket, servicetest.Asset("again"))
		require.NoError(t, err)
		assert.Equal(t, model.Succeeded, h.Job(t, job.ID).State)
	})
}

func TestReapDeadForgivesItsOwnAbsence(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		worker := h.Worker(t, 1)
		var watch service.BeatWatch
		for range 3 {
			n, err := h.Farm.ReapDead(ctx, &watch)
			require.NoError(t, err)
			assert.Zero(t, n)
			h.Clock.Advance(time.Hour) // the database was away, for the worker too
		}
		require.NoError(t, h.Farm.Beat(ctx, worker, service.WorkerState{Slots: 1}))
	})
}

func TestCrashesEndATask(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		job := h.Accept(t, servicetest.Anon("a"), 1)
		for range 5 {
			h.Next(t, h.Worker(t, 1))
			_, err := h.Farm.RequeueRunning(ctx)
			require.NoError(t, err)
		}
		state := h.Job(t, job.ID)
		assert.Equal(t, model.Failed, state.State)
		require.NotNil(t, state.Error)
		assert.Equal(t, "crashed", state.Error.Code)
	})
}

func TestRetireWorker(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		leaving := h.Worker(t, 1)
		h.Accept(t, servicetest.Anon("a"), 1)
		left := h.Next(t, leaving)
		require.NoError(t, h.Farm.RetireWorker(ctx, leaving))
		_, _, err := h.Farm.Claim(ctx, left.Ticket, leaving)
		require.NoError(t, err)
		again := h.Next(t, h.Worker(t, 1))
		assert.Equal(t, 2, again.Ticket.Attempt)
		var failures int
		require.NoError(t, h.DB.Reader().Get(ctx, &failures, `SELECT failures FROM tasks`))
		assert.Zero(t, failures)
	})
}

func TestAWorkerThatIsNotRegisteredClaimsNothing(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		h.Accept(t, servicetest.Anon("a"), 1)
		h.Worker(t, 1)
		h.Release(t)
		ticket, ok := h.Queue.Pop()
		require.True(t, ok)
		_, _, err := h.Farm.Claim(context.Background(), ticket, uuid.New())
		require.ErrorIs(t, err, service.ErrWorkerGone)
	})
}

func TestETA(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		worker := h.Worker(t, 2)
		h.Accept(t, servicetest.Anon("a"), 2)
		for i := range 2 { // each take needs 3 s
			claim := h.Next(t, worker)
			h.Clock.Advance(3 * time.Second)
			_, err := h.Farm.Commit(ctx, claim.Ticket, servicetest.Asset(fmt.Sprint(i)))
			require.NoError(t, err)
		}
		job := h.Accept(t, servicetest.Anon("b"), 8)
		require.NotNil(t, job.ETA)
		assert.InDelta(t, 12, job.ETA.Seconds(), 3, "8 takes of 3 s on 2 slots")
		other := h.Accept(t, servicetest.Anon("c"), 1)
		require.NotNil(t, other.QueuePosition)
		assert.LessOrEqual(t, *other.QueuePosition, 1)
		assert.Less(t, *other.ETA, *job.ETA)

		claim := h.Next(t, worker)
		h.Clock.Advance(time.Second)
		state := h.Job(t, claim.JobID)
		require.NotNil(t, state.ETA)
		assert.Greater(t, *state.ETA, time.Duration(0))
	})
}

func TestJobsBelongToTheirOwner(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		job := h.Accept(t, servicetest.Anon("a"), 1)
		_, err := h.Farm.Job(ctx, servicetest.Anon("a"), job.ID)
		require.NoError(t, err)
		user := uuid.New()
		for _, c := range []model.Caller{servicetest.Anon("b"), {UserID: &user}, {}} {
			_, err = h.Farm.Job(ctx, c, job.ID)
			assert.Equal(t, model.CodeNotFound, model.CodeOf(err))
		}
		_, err = h.Farm.Job(ctx, servicetest.Anon("a"), uuid.New())
		assert.Equal(t, model.CodeNotFound, model.CodeOf(err))
	})
}

type deafPublisher struct{}

func (deafPublisher) SettingsChanged(context.Context) error { return nil }

func (d deafPublisher) TasksCancelled(ctx context.Context, _ []uuid.UUID) error {
	return d.JobChanged(ctx, uuid.Nil, 0)
}

func (deafPublisher) JobChanged(ctx context.Context, _ uuid.UUID, _ int64) error {
	<-ctx.Done()
	return errors.New("no redis")
}

func TestADeafPublisherDelaysButDoesNotFail(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		h.Accept(t, servicetest.Anon("a"), 1)
		farm := service.NewFarm(service.Deps{
			DB: h.DB, Tickets: h.Queue, Publisher: deafPublisher{}, Clock: h.Clock,
			Config: service.Config{PublishTimeout: time.Millisecond},
		})
		worker := h.Worker(t, 1)
		h.Release(t)
		ticket, _ := h.Queue.Pop()
		_, ok, err := farm.Claim(context.Background(), ticket, worker)
		require.NoError(t, err)
		assert.True(t, ok)
	})
}

func TestRunReleaser(t *testing.T) {
	each(t, service.Config{ReleaseEvery: time.Hour}, func(t *testing.T, h *servicetest.Harness) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.Farm.RunReleaser(ctx)
		}()
		h.Worker(t, 1)
		h.Accept(t, servicetest.Anon("a"), 2)
		assert.Eventually(t, func() bool { return h.Queue.Len() == 2 }, 5*time.Second, time.Millisecond, "an accept wakes the releaser")
		cancel()
		<-done
	})
}

// After a crash all that ran there is suspected and runs alone; what breaks a worker then
// charges nobody else.
func TestAfterACrashATaskRunsAlone(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		worker := h.Worker(t, 3)
		job := h.Accept(t, servicetest.Anon("a"), 3)
		first, second := h.Next(t, worker), h.Next(t, worker)
		require.False(t, first.Ticket.Alone)
		n, err := h.Farm.RequeueRunning(ctx) // as after a kill -9
		require.NoError(t, err)
		require.Positive(t, n)
		for { // what was out is stale
			if _, ok := h.Queue.Pop(); !ok {
				break
			}
		}

		h.Worker(t, 3)
		h.Release(t)
		alone := map[uuid.UUID]bool{}
		for {
			ticket, ok := h.Queue.Pop()
			if !ok {
				break
			}
			alone[ticket.TaskID] = ticket.Alone
		}
		require.Len(t, alone, 3)
		for _, s := range h.Job(t, job.ID).Sounds {
			assert.Equal(t, s.TaskID == first.Ticket.TaskID || s.TaskID == second.Ticket.TaskID, alone[s.TaskID])
		}
	})
}

// A part of the farm that is away for minutes costs nobody a sound; what fails by itself
// does not get the patience of it.
func TestAnOutageIsRiddenOut(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		worker := h.Worker(t, 1)
		job := h.Accept(t, servicetest.Anon("a"), 1)
		began := h.Clock.Now()
		for range 12 {
			claim := h.Next(t, worker)
			require.NoError(t, h.Farm.Fail(ctx, claim.Ticket, &model.Failure{Code: model.FailureStorage, Message: "away"}, true))
			require.Equal(t, model.Queued, h.Job(t, job.ID).Sounds[0].State)
			h.Clock.Advance(2 * time.Minute) // the longest wait
		}
		assert.Greater(t, h.Clock.Now().Sub(began), 10*time.Minute)
		claim := h.Next(t, worker)
		require.NoError(t, h.Farm.Fail(ctx, claim.Ticket, &model.Failure{Code: "other", Message: "no"}, true))
		assert.Equal(t, model.Failed, h.Job(t, job.ID).State, "it has failed more often than it may")
	})
}
