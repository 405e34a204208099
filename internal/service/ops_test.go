package service_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/internal/model"
	"patchlab/internal/service"
	"patchlab/internal/service/servicetest"
)

func TestSettings(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		ops := service.NewOps(h.Farm)
		a, b := uuid.New(), uuid.New()
		require.NoError(t, h.Farm.RegisterWorker(ctx, service.Worker{ID: a, Name: "one", Slots: 3}))
		require.NoError(t, h.Farm.RegisterWorker(ctx, service.Worker{ID: b, Name: "two", Slots: 3}))
		slots := func() string {
			s, err := h.Farm.Settings(ctx)
			require.NoError(t, err)
			return fmt.Sprint(s.Slots("one", 3), s.Slots("two", 3), s.Paused[model.Interactive], s.Paused[model.Bulk])
		}
		five, nine := 5, 9
		for i, step := range []struct {
			do   func() error
			want string
		}{
			{func() error { return nil }, "3 3 false false"},
			{func() error { return ops.SetConcurrency(ctx, "ops", &five) }, "5 5 false false"},
			{func() error { return ops.SetWorkerConcurrency(ctx, "ops", a, &nine) }, "9 5 false false"},
			{func() error { return ops.DrainWorker(ctx, "ops", a, true) }, "0 5 false false"},
			{func() error { return ops.SetConcurrency(ctx, "ops", nil) }, "0 3 false false"},
			{func() error { return ops.PauseLane(ctx, "ops", model.Bulk, true) }, "0 3 false true"},
			{func() error { return ops.DrainWorker(ctx, "ops", a, false) }, "9 3 false true"},
			{func() error { return ops.SetWorkerConcurrency(ctx, "ops", a, nil) }, "3 3 false true"},
			{func() error { return ops.PauseLane(ctx, "ops", model.Bulk, false) }, "3 3 false false"},
		} {
			require.NoError(t, step.do())
			assert.Equal(t, step.want, slots(), "step %d", i)
			told, events := h.News.Settings(), audit(t, ops)
			require.NoError(t, step.do())
			assert.Equal(t, told, h.News.Settings(), "the same again is told to nobody")
			assert.Len(t, audit(t, ops), len(events), "nor noted")
		}
		s, err := h.Farm.Settings(ctx)
		require.NoError(t, err)
		assert.Empty(t, s.Rows, "what is as configured leaves no row")
		events := audit(t, ops)
		require.Len(t, events, 8)
		assert.Equal(t, "worker.drain", events[5].Action)
		assert.Equal(t, "one", events[5].Subject)
		var detail struct{ Before, After map[string]any }
		require.NoError(t, json.Unmarshal(events[5].Detail, &detail))
		assert.Equal(t, map[string]any{"concurrency": 9.0}, detail.Before)
		assert.Equal(t, map[string]any{"concurrency": 9.0, "drained": true}, detail.After)

		for _, n := range []int{-1, 0, 1025, 10000} {
			require.Equal(t, model.CodeInvalid, model.CodeOf(ops.SetConcurrency(ctx, "ops", &n)))
			require.Equal(t, model.CodeInvalid, model.CodeOf(ops.SetWorkerConcurrency(ctx, "ops", a, &n)))
		}
		require.Equal(t, model.CodeNotFound, model.CodeOf(ops.DrainWorker(ctx, "ops", uuid.New(), true)))
		require.Equal(t, model.CodeNotFound, model.CodeOf(ops.PauseLane(ctx, "ops", "slow", true)))
		assert.Len(t, audit(t, ops), 8)
	})
}

func audit(t *testing.T, ops *service.Ops) []model.AuditEvent {
	t.Helper()
	events, next, err := ops.Audit(context.Background(), "", 100)
	require.NoError(t, err)
	require.Empty(t, next)
	return events
}

// Two who set two things of one worker at once both get their way.
func TestSettingsAtOnce(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		ops, worker := service.NewOps(h.Farm), uuid.New()
		require.NoError(t, h.Farm.RegisterWorker(ctx, service.Worker{ID: worker, Name: "one", Slots: 3}))
		for range 10 {
			five := 5
			var both sync.WaitGroup
			both.Go(func() { assert.NoError(t, ops.SetWorkerConcurrency(ctx, "a", worker, &five)) })
			both.Go(func() { assert.NoError(t, ops.DrainWorker(ctx, "b", worker, true)) })
			both.Wait()
			s, err := h.Farm.Settings(ctx)
			require.NoError(t, err)
			require.Equal(t, model.WorkerSettings{Concurrency: 5, Drained: true}, s.Workers["one"])
			require.NoError(t, ops.SetWorkerConcurrency(ctx, "a", worker, nil))
			require.NoError(t, ops.DrainWorker(ctx, "b", worker, false))
		}
	})
}

func TestAPausedLaneIsNotReleased(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		ops := service.NewOps(h.Farm)
		worker := h.Worker(t, 2)
		require.NoError(t, ops.PauseLane(ctx, "ops", model.Interactive, true))
		job := h.Accept(t, servicetest.Anon("a"), 1)
		assert.Zero(t, h.Release(t))
		assert.Nil(t, h.Job(t, job.ID).ETA)
		require.NoError(t, ops.PauseLane(ctx, "ops", model.Interactive, false))
		assert.Equal(t, 1, h.Release(t))

		// A drained worker has no slots, and tells so with its beat.
		h.Accept(t, servicetest.Anon("a"), 3)
		require.NoError(t, h.Farm.Beat(ctx, worker, service.WorkerState{}))
		assert.Zero(t, h.Release(t))
		require.NoError(t, h.Farm.Beat(ctx, worker, service.WorkerState{Slots: 2, Running: 1, CPU: 0.5, Memory: 1 << 20}))
		assert.Equal(t, 3, h.Release(t))
		over, err := ops.Overview(ctx)
		require.NoError(t, err)
		require.Len(t, over.Workers, 1)
		assert.Equal(t, 2, over.Workers[0].Slots)
		assert.Equal(t, 1, over.Workers[0].Running)
		assert.InDelta(t, 0.5, over.Workers[0].CPU, 1e-6)
		assert.EqualValues(t, 1<<20, over.Workers[0].Memory)
	})
}

func TestOverview(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		ops, worker := service.NewOps(h.Farm), h.Worker(t, 2)
		h.Accept(t, servicetest.Anon("a"), 4)
		done, failed := h.Next(t, worker), h.Next(t, worker)
		_, err := h.Farm.Commit(ctx, done.Ticket, servicetest.Asset("d"))
		require.NoError(t, err)
		require.NoError(t, h.Farm.Fail(ctx, failed.Ticket, &model.Failure{Code: "poison", Message: "no"}, false))
		running := h.Next(t, worker)
		h.Clock.Advance(3 * time.Second)
		over, err := ops.Overview(ctx)
		require.NoError(t, err)
		require.Len(t, over.Running, 1)
		assert.Equal(t, running.Ticket.TaskID, over.Running[0].TaskID)
		assert.Equal(t, servicetest.Anon("a").Owner(), over.Running[0].Owner)
		assert.Equal(t, 3*time.Second, over.At.Sub(over.Running[0].StartedAt))
		assert.Equal(t, model.Interactive, over.Lanes[0].Lane)
		assert.Equal(t, 1, over.Lanes[0].Running)
		assert.Equal(t, 1, over.Lanes[0].Waiting+over.Lanes[0].Released)
		assert.Equal(t, 2, over.Lanes[0].Slots)
		assert.Equal(t, 1, over.Throughput[0].Sounds)
		assert.Equal(t, 2*time.Second, over.Throughput[0].Audio)
		assert.Equal(t, map[string]int{"poison": 1}, over.Throughput[0].Failed)
		h.Clock.Advance(2 * time.Minute)
		over, err = ops.Overview(ctx)
		require.NoError(t, err)
		assert.Zero(t, over.Throughput[0].Sounds)
		assert.Equal(t, 1, over.Throughput[1].Sounds)
	})
}

// What failed for good is listed, requeued in bulk, and ends: the sound keeps its id.
func TestDeadLetters(t *testing.T) {
	each(t, service.Config{MaxAttempts: 1}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		ops, worker := service.NewOps(h.Farm), h.Worker(t, 4)
		jobs := []model.Job{h.Accept(t, servicetest.Anon("a"), 2), h.Accept(t, servicetest.Anon("b"), 1), h.Accept(t, servicetest.Anon("c"), 1)}
		for i := range 4 {
			claim := h.Next(t, worker)
			h.Clock.Advance(time.Second)
			code := "poison"
			if claim.JobID == jobs[2].ID {
				code = "other"
			}
			require.NoError(t, h.Farm.Fail(ctx, claim.Ticket, &model.Failure{Code: code, Message: "no"}, true), "attempt %d", i)
		}
		first, next, err := ops.Dead(ctx, "", "", 3)
		require.NoError(t, err)
		require.Len(t, first, 3)
		rest, end, err := ops.Dead(ctx, "", next, 3)
		require.NoError(t, err)
		require.Len(t, rest, 1)
		require.Empty(t, end)
		assert.True(t, first[0].FinishedAt.After(first[2].FinishedAt))
		others, _, err := ops.Dead(ctx, "other", "", 10)
		require.NoError(t, err)
		require.Len(t, others, 1)
		assert.Equal(t, jobs[2].ID, others[0].JobID)
		assert.Equal(t, servicetest.Anon("c").Owner(), others[0].Owner)
		assert.Equal(t, "other", others[0].Error.Code)
		assert.NotEmpty(t, others[0].Prompt)

		results, err := ops.RequeueDead(ctx, "ops", nil, "poison")
		require.NoError(t, err)
		require.Len(t, results, 3)
		retries := map[uuid.UUID]int{}
		for _, r := range results {
			require.Nil(t, r.Err)
			retries[*r.JobID]++
		}
		assert.Len(t, retries, 2, "one new job for each of the old")
		left, _, err := ops.Dead(ctx, "", "", 10)
		require.NoError(t, err)
		assert.Len(t, left, 1)
		again, err := ops.RequeueDead(ctx, "ops", []uuid.UUID{results[0].TaskID}, "")
		require.NoError(t, err)
		require.NotNil(t, again[0].Err)
		assert.Equal(t, model.CodeConflict, again[0].Err.Code, "it was requeued already")

		for range 3 {
			claim := h.Next(t, worker)
			_, err := h.Farm.Commit(ctx, claim.Ticket, servicetest.Asset(claim.Sound.ID.String()))
			require.NoError(t, err)
		}
		for id, n := range retries {
			job := h.Job(t, id)
			assert.Equal(t, model.Succeeded, job.State)
			assert.Len(t, job.Sounds, n)
			require.NotNil(t, job.RetryOf)
		}
		for _, s := range jobs[0].Sounds {
			sound, err := h.Library.Rendered(ctx, servicetest.Anon("a"), s.ID)
			require.NoError(t, err)
			assert.Equal(t, s.Patch, sound.Patch)
		}

		running := h.Accept(t, servicetest.Anon("d"), 1)
		_, err = ops.RequeueJob(ctx, "ops", running.ID)
		assert.Equal(t, model.CodeConflict, model.CodeOf(err))
		cancelled, err := ops.CancelJob(ctx, "ops", running.ID)
		require.NoError(t, err)
		assert.Equal(t, model.Cancelled, cancelled.State)
		retry, err := ops.RequeueJob(ctx, "ops", running.ID)
		require.NoError(t, err)
		assert.Equal(t, model.Queued, retry.State)
		assert.Equal(t, running.Sounds[0].ID, retry.Sounds[0].ID)
		events, _, err := ops.Audit(ctx, "", 1)
		require.NoError(t, err)
		require.Len(t, events, 1)
		assert.JSONEq(t, `{"job":"`+retry.ID.String()+`","sounds":1}`, string(events[0].Detail))
		n, err := ops.CancelOwner(ctx, "ops", servicetest.Anon("d").Owner())
		if assert.Equal(t, model.CodeInvalid, model.CodeOf(err), "the keys of tests are no hex") {
			assert.Zero(t, n)
		}
	})
}

// Two who take back the same setting at once both get their way: the row goes with the
// first.
func TestASettingIsTakenBackByTwo(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		ops := service.NewOps(h.Farm)
		for range 20 {
			require.NoError(t, ops.PauseLane(ctx, "ops", model.Bulk, true))
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() { assert.NoError(t, ops.PauseLane(ctx, "ops", model.Bulk, false)) })
			}
			all.Wait()
			s, err := h.Farm.Settings(ctx)
			require.NoError(t, err)
			require.Empty(t, s.Rows)
		}
		assert.Len(t, audit(t, ops), 40, "each change is noted once")
	})
}

// What was deleted cannot be requeued, and so is no dead letter: else it would stand before
// those that can.
func TestWhatWasDeletedIsNoDeadLetter(t *testing.T) {
	each(t, service.Config{MaxAttempts: 1}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		ops, worker, caller := service.NewOps(h.Farm), h.Worker(t, 4), servicetest.Anon("a")
		fail := func() {
			require.NoError(t, h.Farm.Fail(ctx, h.Next(t, worker).Ticket, &model.Failure{Code: "poison", Message: "no"}, false))
		}
		job := h.Accept(t, caller, 1)
		fail()
		pack, err := h.Farm.CreatePack(ctx, caller, service.PackRequest{Theme: "drums", Count: 2, Format: "wav"}, "", nil)
		require.NoError(t, err)
		claim := h.Next(t, worker)
		_, err = h.Farm.Commit(ctx, claim.Ticket, servicetest.Asset("d"))
		require.NoError(t, err)
		fail() // the other sound
		fail() // and the ZIP
		dead := func() (n int) {
			list, _, err := ops.Dead(ctx, "", "", 10)
			require.NoError(t, err)
			return len(list)
		}
		require.Equal(t, 3, dead())
		require.NoError(t, h.Farm.DeleteSound(ctx, caller, job.Sounds[0].ID))
		require.Equal(t, 2, dead())
		require.NoError(t, h.Farm.DeletePack(ctx, caller, pack.ID))
		require.Zero(t, dead())
		_, err = h.Farm.UndeletePack(ctx, caller, pack.ID)
		require.NoError(t, err)
		require.Equal(t, 2, dead())
	})
}

// A requeue is noted with the number of sounds that it took.
func TestARequeueIsNotedWithItsSounds(t *testing.T) {
	each(t, service.Config{MaxAttempts: 1}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		ops, worker := service.NewOps(h.Farm), h.Worker(t, 4)
		job := h.Accept(t, servicetest.Anon("a"), 3)
		for range 3 {
			require.NoError(t, h.Farm.Fail(ctx, h.Next(t, worker).Ticket, &model.Failure{Code: "poison", Message: "no"}, false))
		}
		again, err := ops.RequeueJob(ctx, "ops", job.ID)
		require.NoError(t, err)
		var detail struct {
			Job    uuid.UUID
			Sounds int
		}
		require.NoError(t, json.Unmarshal(audit(t, ops)[0].Detail, &detail))
		assert.Equal(t, again.ID, detail.Job)
		assert.Equal(t, 3, detail.Sounds)
	})
}

func TestJobsByState(t *testing.T) {
	each(t, service.Config{MaxAttempts: 1}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		ops, worker := service.NewOps(h.Farm), h.Worker(t, 4)
		var ids []uuid.UUID
		for range 5 {
			ids = append(ids, h.Accept(t, servicetest.Anon("a"), 1).ID)
			h.Clock.Advance(time.Second)
		}
		failed, succeeded := h.Next(t, worker), h.Next(t, worker)
		require.NoError(t, h.Farm.Fail(ctx, failed.Ticket, &model.Failure{Code: "poison", Message: "no"}, false))
		_, err := h.Farm.Commit(ctx, succeeded.Ticket, servicetest.Asset("d"))
		require.NoError(t, err)
		h.Next(t, worker)
		for _, tt := range []struct {
			filter service.JobFilter
			want   []uuid.UUID // the newest first
		}{
			{service.JobFilter{}, []uuid.UUID{ids[4], ids[3], ids[2], ids[1], ids[0]}},
			{service.JobFilter{State: "queued"}, []uuid.UUID{ids[4], ids[3]}},
			{service.JobFilter{State: "running"}, []uuid.UUID{ids[2]}},
			{service.JobFilter{State: "succeeded"}, []uuid.UUID{ids[1]}},
			{service.JobFilter{State: "failed"}, []uuid.UUID{ids[0]}},
			{service.JobFilter{State: "cancelled"}, nil},
			{service.JobFilter{State: "queued", Kind: "generate"}, []uuid.UUID{ids[4], ids[3]}},
			{service.JobFilter{State: "queued", Kind: "pack"}, nil},
		} {
			var got []uuid.UUID
			for cursor, more := "", true; more; more = cursor != "" {
				page, next, err := ops.Jobs(ctx, tt.filter, cursor, 1)
				require.NoError(t, err)
				for _, j := range page {
					got = append(got, j.ID)
				}
				cursor = next
			}
			assert.Equal(t, tt.want, got, "%+v", tt.filter)
		}
	})
}

// What has crashed a worker does not run beside others because it was requeued.
func TestWhatCrashedRunsAloneAlsoWhenItIsTriedAgain(t *testing.T) {
	each(t, service.Config{MaxAttempts: 1}, func(t *testing.T, h *servicetest.Harness) {
		ctx, caller := context.Background(), servicetest.Anon("a")
		ops, worker := service.NewOps(h.Farm), h.Worker(t, 4)
		crash := func() {
			t.Helper()
			_, err := h.Farm.RequeueRunning(ctx) // as after a kill -9
			require.NoError(t, err)
			h.Queue.Clear()
			worker = h.Worker(t, 4)
		}
		job := h.Accept(t, caller, 2)
		h.Next(t, worker)
		crash()
		_, err := h.Farm.Commit(ctx, h.Next(t, worker).Ticket, servicetest.Asset("d"))
		require.NoError(t, err)
		require.Equal(t, 1, h.Job(t, job.ID).FailedCount)
		_, err = ops.RequeueJob(ctx, "ops", job.ID)
		require.NoError(t, err)
		assert.True(t, h.Next(t, worker).Ticket.Alone, "a requeue")

		pack, err := h.Farm.CreatePack(ctx, caller, service.PackRequest{Theme: "drums", Count: 2, Format: "wav"}, "", nil)
		require.NoError(t, err)
		crash()
		require.False(t, h.Next(t, worker).Ticket.Alone)
		crash()
		for _, digest := range []string{"e", "zip"} {
			_, err = h.Farm.Commit(ctx, h.Next(t, worker).Ticket, servicetest.Asset(digest))
			require.NoError(t, err)
		}
		_, err = h.Farm.RebuildPack(ctx, caller, pack.ID)
		require.NoError(t, err)
		assert.True(t, h.Next(t, worker).Ticket.Alone, "a rebuild")
	})
}
