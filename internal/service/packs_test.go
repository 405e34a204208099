package service_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/internal/format"
	"patchlab/internal/model"
	"patchlab/internal/service"
	"patchlab/internal/service/servicetest"
)

// drums is a pack of three short sounds.
func drums() service.PackRequest {
	seed := uint32(7)
	short := 0.1
	return service.PackRequest{
		Name: "drums", Format: format.WAV, Seed: &seed,
		Sounds: []service.PackSound{{Prompt: "kick", Duration: &short}, {Prompt: "snare", Name: "Snare", Duration: &short}, {Prompt: "snare", Duration: &short}},
	}
}

// commit ends a claim well, with an asset of a digest.
func commit(t *testing.T, h *servicetest.Harness, c service.Claim, digest string) {
	t.Helper()
	_, err := h.Farm.Commit(context.Background(), c.Ticket, servicetest.Asset(digest))
	require.NoError(t, err)
}

func TestPack(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx, ann, bob := context.Background(), servicetest.Anon("ann"), servicetest.Anon("bob")
		worker := h.Worker(t, 8)
		pack, err := h.Farm.CreatePack(ctx, ann, drums(), "key", []byte("hash"))
		require.NoError(t, err)
		again, err := h.Farm.CreatePack(ctx, ann, drums(), "key", []byte("hash"))
		require.NoError(t, err)
		require.Equal(t, pack.ID, again.ID)
		require.Equal(t, model.JobPack, pack.Job.Kind)
		require.Equal(t, model.Bulk, pack.Job.Lane)
		require.Equal(t, map[model.State]int{model.Queued: 3}, pack.Counts)
		_, sounds, err := h.Library.Pack(ctx, ann, pack.ID)
		require.NoError(t, err)
		var names []string
		for i, s := range sounds {
			require.Equal(t, i, s.Position)
			names = append(names, s.Name)
		}
		require.Equal(t, []string{"kick", "Snare", "snare-2"}, names)
		list, _, err := h.Library.Sounds(ctx, ann, "", 10)
		require.NoError(t, err)
		require.Empty(t, list, "a pack's sounds are listed with the pack")
		first := h.Job(t, pack.Job.ID)
		require.Empty(t, first.Sounds)
		require.Equal(t, 3, first.Total)

		// Two end well, one does not: the ZIP comes after the last, whichever that is.
		a, b, c := h.Next(t, worker), h.Next(t, worker), h.Next(t, worker)
		require.NotEqual(t, b.Sound.Patch.Seed, c.Sound.Patch.Seed)
		commit(t, h, a, "a")
		commit(t, h, c, "c")
		seen, err := h.Farm.JobByID(ctx, pack.Job.ID, first.Version)
		require.NoError(t, err)
		require.Len(t, seen.Sounds, 2)
		require.Zero(t, h.Release(t))
		require.NoError(t, h.Farm.Fail(ctx, b.Ticket, &model.Failure{Code: "x", Message: "it broke"}, false))
		after, err := h.Farm.JobByID(ctx, pack.Job.ID, seen.Version)
		require.NoError(t, err)
		require.Len(t, after.Sounds, 1)
		require.Equal(t, model.Failed, after.Sounds[0].State)
		require.Equal(t, model.StageAssembling, after.Stage)
		require.Equal(t, model.Running, after.State)

		_, err = h.Library.PackFile(ctx, ann, pack.ID)
		require.Equal(t, model.CodeNotReady, model.CodeOf(err))
		_, err = h.Farm.RebuildPack(ctx, ann, pack.ID)
		require.Equal(t, model.CodeConflict, model.CodeOf(err))
		zip := h.Next(t, worker)
		require.Equal(t, model.TaskAssemble, zip.Ticket.Kind)
		require.Equal(t, "drums", zip.Pack.Name)
		require.Len(t, zip.Pack.Sounds, 3)
		require.NotNil(t, zip.Pack.Sounds[0].Asset)
		require.Equal(t, "it broke", zip.Pack.Sounds[1].Error.Message)
		commit(t, h, zip, "zip1")
		// Asked again, as where the answer was lost: it counts once.
		commit(t, h, zip, "zip1")
		done := h.Job(t, pack.Job.ID)
		require.Equal(t, model.Succeeded, done.State)
		require.Equal(t, 1, done.FailedCount)
		require.Zero(t, done.Remaining)
		file, err := h.Library.PackFile(ctx, ann, pack.ID)
		require.NoError(t, err)
		require.Equal(t, "zip1", file.Asset.Digest)
		_, err = h.Library.PackFile(ctx, bob, pack.ID)
		require.Equal(t, model.CodeNotFound, model.CodeOf(err))
		removed, err := h.Keeper.RemoveUnreferencedAssets(ctx)
		require.NoError(t, err)
		require.Zero(t, removed)

		// Only what failed is made again, and the ZIP.
		_, err = h.Farm.RebuildPack(ctx, bob, pack.ID)
		require.Equal(t, model.CodeNotFound, model.CodeOf(err))
		rebuilt, err := h.Farm.RebuildPack(ctx, ann, pack.ID)
		require.NoError(t, err)
		require.NotEqual(t, pack.Job.ID, rebuilt.Job.ID)
		require.Equal(t, pack.Job.ID, *rebuilt.Job.RetryOf)
		require.Equal(t, 1, rebuilt.Job.Total)
		require.Equal(t, map[model.State]int{model.Succeeded: 2, model.Queued: 1}, rebuilt.Counts)
		_, err = h.Library.PackFile(ctx, ann, pack.ID)
		require.NoError(t, err, "the old ZIP stays until the new one is there")
		commit(t, h, h.Next(t, worker), "b")
		commit(t, h, h.Next(t, worker), "zip2")
		whole, err := h.Library.PackFile(ctx, ann, pack.ID)
		require.NoError(t, err)
		require.Equal(t, "zip2", whole.Asset.Digest)
		require.Equal(t, map[model.State]int{model.Succeeded: 3}, whole.Counts)
		_, err = h.Farm.RebuildPack(ctx, ann, pack.ID)
		require.Equal(t, model.CodeConflict, model.CodeOf(err), "nothing is missing")
		removed, err = h.Keeper.RemoveUnreferencedAssets(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, removed, "the old ZIP")

		page, next, err := h.Library.Packs(ctx, ann, "", 1)
		require.NoError(t, err)
		require.Len(t, page, 1)
		require.Empty(t, next)
		page, _, err = h.Library.Packs(ctx, bob, "", 1)
		require.NoError(t, err)
		require.Empty(t, page)

		require.Equal(t, model.CodeNotFound, model.CodeOf(h.Farm.DeletePack(ctx, bob, pack.ID)))
		require.NoError(t, h.Farm.DeletePack(ctx, ann, pack.ID))
		require.Equal(t, model.CodeNotFound, model.CodeOf(h.Farm.DeletePack(ctx, ann, pack.ID)))
		h.Clock.Advance(h.Farm.Config.DeleteGrace)
		purged, err := h.Keeper.PurgePacks(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, purged)
		for _, table := range []string{"packs", "jobs", "sounds", "tasks", "idempotency_keys"} {
			require.Zero(t, rows(t, h, table), table)
		}
	})
}

// rows returns the number of rows of a table.
func rows(t *testing.T, h *servicetest.Harness, table string) int {
	t.Helper()
	var n int
	var err error
	switch table {
	case "packs":
		err = h.DB.Reader().Get(context.Background(), &n, `SELECT count(*) FROM packs`)
	case "jobs":
		err = h.DB.Reader().Get(context.Background(), &n, `SELECT count(*) FROM jobs`)
	case "sounds":
		err = h.DB.Reader().Get(context.Background(), &n, `SELECT count(*) FROM sounds`)
	case "tasks":
		err = h.DB.Reader().Get(context.Background(), &n, `SELECT count(*) FROM tasks`)
	case "idempotency_keys":
		err = h.DB.Reader().Get(context.Background(), &n, `SELECT count(*) FROM idempotency_keys`)
	default:
		require.Fail(t, "no such table", table)
	}
	require.NoError(t, err)
	return n
}

// TestPackOfNothing has no ZIP where no sound was rendered.
func TestPackOfNothing(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx, ann := context.Background(), servicetest.Anon("ann")
		worker := h.Worker(t, 8)
		pack, err := h.Farm.CreatePack(ctx, ann, drums(), "", nil)
		require.NoError(t, err)
		for range 3 {
			require.NoError(t, h.Farm.Fail(ctx, h.Next(t, worker).Ticket, &model.Failure{Code: "x"}, false))
		}
		job := h.Job(t, pack.Job.ID)
		require.Equal(t, model.Failed, job.State)
		require.Equal(t, 3, job.FailedCount)
		_, err = h.Library.PackFile(ctx, ann, pack.ID)
		require.Equal(t, model.CodeNotReady, model.CodeOf(err))
		rebuilt, err := h.Farm.RebuildPack(ctx, ann, pack.ID)
		require.NoError(t, err)
		require.Equal(t, 3, rebuilt.Job.Total)
	})
}

// TestPackWhoseZIPFails is rebuilt by its ZIP alone.
func TestPackWhoseZIPFails(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx, ann := context.Background(), servicetest.Anon("ann")
		worker := h.Worker(t, 8)
		pack, err := h.Farm.CreatePack(ctx, ann, drums(), "", nil)
		require.NoError(t, err)
		for i := range 3 {
			commit(t, h, h.Next(t, worker), fmt.Sprint(i))
		}
		require.NoError(t, h.Farm.Fail(ctx, h.Next(t, worker).Ticket, &model.Failure{Code: "pack_failed"}, false))
		job := h.Job(t, pack.Job.ID)
		require.Equal(t, model.Failed, job.State)
		require.Zero(t, job.FailedCount, "no sound has failed")
		require.Equal(t, "pack_failed", job.Error.Code)
		rebuilt, err := h.Farm.RebuildPack(ctx, ann, pack.ID)
		require.NoError(t, err)
		require.Zero(t, rebuilt.Job.Total)
		require.Equal(t, model.StageAssembling, rebuilt.Job.Stage)
		commit(t, h, h.Next(t, worker), "zip")
		_, err = h.Library.PackFile(ctx, ann, pack.ID)
		require.NoError(t, err)
	})
}

func TestCancelPack(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx, ann := context.Background(), servicetest.Anon("ann")
		worker := h.Worker(t, 8)
		pack, err := h.Farm.CreatePack(ctx, ann, drums(), "", nil)
		require.NoError(t, err)
		commit(t, h, h.Next(t, worker), "a")
		before := h.Job(t, pack.Job.ID)
		_, err = h.Farm.Cancel(ctx, ann, pack.Job.ID)
		require.NoError(t, err)
		after, err := h.Farm.JobByID(ctx, pack.Job.ID, before.Version)
		require.NoError(t, err)
		require.Len(t, after.Sounds, 2)
		require.Equal(t, model.Cancelled, after.State)
		// The deletion of a pack that runs stops its renders.
		rebuilt, err := h.Farm.RebuildPack(ctx, ann, pack.ID)
		require.NoError(t, err)
		require.Equal(t, 2, rebuilt.Job.Total)
		h.Queue.Clear() // of the tickets of what was cancelled
		running := h.Next(t, worker)
		require.Equal(t, rebuilt.Job.ID, running.JobID)
		require.NoError(t, h.Farm.DeletePack(ctx, ann, pack.ID))
		require.Contains(t, h.News.Cancelled(), running.Ticket.TaskID)
		_, err = h.Farm.Commit(ctx, running.Ticket, servicetest.Asset("late"))
		require.ErrorIs(t, err, service.ErrFenced)
	})
}

func TestAnonymousPacksExpire(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx, ann := context.Background(), servicetest.Anon("ann")
		worker := h.Worker(t, 8)
		pack, err := h.Farm.CreatePack(ctx, ann, drums(), "", nil)
		require.NoError(t, err)
		a, b, c := h.Next(t, worker), h.Next(t, worker), h.Next(t, worker)
		commit(t, h, a, "a")
		commit(t, h, b, "b")
		require.NoError(t, h.Farm.Fail(ctx, c.Ticket, &model.Failure{Code: "x"}, false))
		commit(t, h, h.Next(t, worker), "zip")
		h.Clock.Advance(h.Farm.Config.AnonymousTTL / 2)
		_, err = h.Farm.RebuildPack(ctx, ann, pack.ID)
		require.NoError(t, err)
		commit(t, h, h.Next(t, worker), "c")
		commit(t, h, h.Next(t, worker), "zip2")
		h.Clock.Advance(h.Farm.Config.AnonymousTTL / 2)
		_, err = h.Library.PackFile(ctx, ann, pack.ID)
		require.Equal(t, model.CodeGone, model.CodeOf(err))
		jobs, sounds, err := h.Keeper.ExpireAnonymous(ctx)
		require.NoError(t, err)
		assert.Equal(t, 2, jobs)
		assert.Equal(t, 3, sounds)
		require.Zero(t, rows(t, h, "packs"))
		removed, err := h.Keeper.RemoveUnreferencedAssets(ctx)
		require.NoError(t, err)
		require.Equal(t, 5, removed)
	})
}

func TestBadPacks(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		long := 31.0
		many := make([]service.PackSound, 501)
		for i := range many {
			many[i].Prompt = "kick"
		}
		huge := make([]service.PackSound, 500)
		most, rate, bits := 30.0, 96000, 32
		for i := range huge {
			huge[i] = service.PackSound{Prompt: "kick", Duration: &most}
		}
		for name, tt := range map[string]struct {
			change func(r *service.PackRequest)
			fields []string
		}{
			"neither theme nor sounds": {func(r *service.PackRequest) { r.Sounds = nil }, []string{"theme", "count"}},
			"0 of a theme":             {func(r *service.PackRequest) { r.Sounds, r.Theme = nil, "drums" }, []string{"count"}},
			"501 of a theme":           {func(r *service.PackRequest) { r.Sounds, r.Theme, r.Count = nil, "drums", 501 }, []string{"count"}},
			"-1 of a theme":            {func(r *service.PackRequest) { r.Sounds, r.Theme, r.Count = nil, "drums", -1 }, []string{"count"}},
			"a theme of controls":      {func(r *service.PackRequest) { r.Sounds, r.Theme, r.Count = nil, "\x01\x02", 3 }, []string{"theme"}},
			"501 sounds":               {func(r *service.PackRequest) { r.Sounds = many }, []string{"sounds"}},
			"sounds and a count":       {func(r *service.PackRequest) { r.Count = 3 }, []string{"count"}},
			"another format":           {func(r *service.PackRequest) { r.Format = "mp4" }, []string{"format"}},
			"a path":                   {func(r *service.PackRequest) { r.Name = "../etc" }, []string{"name"}},
			"a sound that is a path":   {func(r *service.PackRequest) { r.Sounds[0].Name = "a/b" }, []string{"sounds.0.name"}},
			"the same name twice":      {func(r *service.PackRequest) { r.Sounds[0].Name = "sNARE" }, []string{"sounds.1.name"}},
			"an empty prompt":          {func(r *service.PackRequest) { r.Sounds[2].Prompt = " " }, []string{"sounds.2.prompt"}},
			"too long":                 {func(r *service.PackRequest) { r.Sounds[1].Duration = &long }, []string{"sounds.1.duration"}},
			"too much":                 {func(r *service.PackRequest) { r.Sounds, r.SampleRate, r.BitDepth = huge, &rate, &bits }, []string{"sounds"}},
			"many faults":              {func(r *service.PackRequest) { r.Sounds = make([]service.PackSound, 100) }, nil},
		} {
			req := drums()
			tt.change(&req)
			_, err := h.Farm.CreatePack(context.Background(), servicetest.Anon("ann"), req, "", nil)
			var e *model.Error
			require.ErrorAs(t, err, &e, name)
			require.Equal(t, model.CodeInvalid, e.Code, name)
			var fields []string
			for _, f := range e.Fields {
				fields = append(fields, f.Field)
			}
			if tt.fields == nil {
				require.Len(t, fields, 20, name)
			} else {
				require.Equal(t, tt.fields, fields, "%s: %v", name, err)
			}
		}
		require.Zero(t, rows(t, h, "jobs"))
		require.Zero(t, rows(t, h, "sounds"))
		_, err := h.Farm.RebuildPack(context.Background(), servicetest.Anon("ann"), uuid.New())
		require.Equal(t, model.CodeNotFound, model.CodeOf(err))
	})
}

func TestPlanPack(t *testing.T) {
	t.Parallel()
	f := service.NewFarm(service.Deps{})
	name, sounds, err := f.PlanPack(t.Context(), "Dark platformer", 30)
	require.NoError(t, err)
	require.Equal(t, "dark-platformer", name)
	require.Len(t, sounds, 30)
	seen := map[string]bool{}
	for _, s := range sounds {
		require.Empty(t, format.CheckName(s.Name))
		require.False(t, seen[strings.ToLower(s.Name)], s.Name)
		seen[strings.ToLower(s.Name)] = true
	}
}

// The queue caps the bulk work of each worker, so that is how it is counted.
func TestBulkIsReleasedForTheSlotsOfEachWorker(t *testing.T) {
	for _, tc := range []struct {
		workers []int
		want    int // two tickets for each slot that bulk work may fill
	}{
		{[]int{1}, 2},
		{[]int{4}, 6},
		{[]int{1, 1, 1, 1}, 8},
		{[]int{2, 2}, 4},
		{[]int{8, 1}, 14},
	} {
		t.Run(fmt.Sprint(tc.workers), func(t *testing.T) {
			each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
				for _, slots := range tc.workers {
					h.Worker(t, slots)
				}
				req := drums()
				req.Sounds = slices.Repeat(req.Sounds[1:2], 20)
				for i := range req.Sounds {
					req.Sounds[i].Name = fmt.Sprintf("snare %d", i)
				}
				_, err := h.Farm.CreatePack(context.Background(), servicetest.Anon("ann"), req, "key", []byte("hash"))
				require.NoError(t, err)
				assert.Equal(t, tc.want, h.Release(t))
			})
		})
	}
}
