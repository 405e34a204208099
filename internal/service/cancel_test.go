package service_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/internal/model"
	"patchlab/internal/service"
	"patchlab/internal/service/servicetest"
)

func TestCancel(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx, ann := context.Background(), servicetest.Anon("ann")
		worker := h.Worker(t, 2)
		job := h.Accept(t, ann, 3)
		h.Release(t)
		done, running := h.Next(t, worker), h.Next(t, worker)
		_, err := h.Farm.Commit(ctx, done.Ticket, servicetest.Asset("d1"))
		require.NoError(t, err)
		other := h.Accept(t, servicetest.Anon("bob"), 1)

		_, err = h.Farm.Cancel(ctx, servicetest.Anon("bob"), job.ID)
		assert.Equal(t, model.CodeNotFound, model.CodeOf(err))
		over, err := h.Farm.Overtaken(ctx, []model.Ticket{running.Ticket})
		require.NoError(t, err)
		assert.Empty(t, over)

		got, err := h.Farm.Cancel(ctx, ann, job.ID)
		require.NoError(t, err)
		assert.Equal(t, model.Cancelled, got.State)
		assert.Zero(t, got.Remaining)
		assert.NotNil(t, got.FinishedAt)
		assert.Nil(t, got.QueuePosition)
		states := map[model.State]int{}
		for _, s := range got.Sounds {
			states[s.State]++
		}
		assert.Equal(t, map[model.State]int{model.Succeeded: 1, model.Cancelled: 2}, states)
		assert.Equal(t, got.Version, h.News.Version(job.ID))
		assert.Len(t, h.News.Cancelled(), 2)
		assert.Contains(t, h.News.Cancelled(), running.Ticket.TaskID)

		// Whoever works on it finds out, and gets nowhere.
		over, err = h.Farm.Overtaken(ctx, []model.Ticket{running.Ticket})
		require.NoError(t, err)
		assert.Equal(t, []model.Ticket{running.Ticket}, over)
		_, err = h.Farm.Commit(ctx, running.Ticket, servicetest.Asset("d2"))
		require.ErrorIs(t, err, service.ErrFenced)
		require.ErrorIs(t, h.Farm.Fail(ctx, running.Ticket, &model.Failure{Code: "x"}, true), service.ErrFenced)
		require.ErrorIs(t, h.Farm.HandBack(ctx, running.Ticket), service.ErrFenced)
		var assets int
		require.NoError(t, h.DB.Reader().Get(ctx, &assets, `SELECT count(*) FROM assets`))
		assert.Equal(t, 1, assets)

		// The ticket that was out is stale, and the slot is the next one's.
		stale, ok := h.Queue.Pop()
		require.True(t, ok)
		_, ok, err = h.Farm.Claim(ctx, stale, worker)
		require.NoError(t, err)
		assert.False(t, ok)
		next := h.Next(t, worker)
		assert.Equal(t, other.ID, next.JobID)

		again, err := h.Farm.Cancel(ctx, ann, job.ID)
		require.NoError(t, err)
		assert.Equal(t, got.Version, again.Version, "what has ended is left as it is")
		require.NoError(t, h.Farm.RetireWorker(ctx, worker))
		assert.Equal(t, model.Cancelled, h.Job(t, job.ID).State)
	})
}

func TestCancelLeavesWhatHasEnded(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx, ann := context.Background(), servicetest.Anon("ann")
		worker := h.Worker(t, 1)
		job := h.Accept(t, ann, 1)
		h.Release(t)
		_, err := h.Farm.Commit(ctx, h.Next(t, worker).Ticket, servicetest.Asset("d1"))
		require.NoError(t, err)
		got, err := h.Farm.Cancel(ctx, ann, job.ID)
		require.NoError(t, err)
		assert.Equal(t, model.Succeeded, got.State)
		assert.Empty(t, h.News.Cancelled())
		_, err = h.Farm.Cancel(ctx, ann, uuid.New())
		assert.Equal(t, model.CodeNotFound, model.CodeOf(err))
	})
}

func TestCancelSound(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx, ann := context.Background(), servicetest.Anon("ann")
		worker := h.Worker(t, 2)
		job := h.Accept(t, ann, 3)
		h.Release(t)
		running, other := h.Next(t, worker), h.Next(t, worker)

		_, err := h.Farm.CancelSound(ctx, servicetest.Anon("bob"), running.Sound.ID)
		assert.Equal(t, model.CodeNotFound, model.CodeOf(err))
		_, err = h.Farm.CancelSound(ctx, ann, uuid.New())
		assert.Equal(t, model.CodeNotFound, model.CodeOf(err))
		assert.Empty(t, h.News.Cancelled())

		got, err := h.Farm.CancelSound(ctx, ann, running.Sound.ID)
		require.NoError(t, err)
		assert.Equal(t, model.Running, got.State, "the others go on")
		assert.Equal(t, 2, got.Remaining)
		assert.Zero(t, got.FailedCount)
		assert.Equal(t, []uuid.UUID{running.Ticket.TaskID}, h.News.Cancelled())
		_, err = h.Farm.Commit(ctx, running.Ticket, servicetest.Asset("d1"))
		require.ErrorIs(t, err, service.ErrFenced)
		again, err := h.Farm.CancelSound(ctx, ann, running.Sound.ID)
		require.NoError(t, err)
		assert.Equal(t, got.Version, again.Version, "what has ended is left as it is")

		_, err = h.Farm.Commit(ctx, other.Ticket, servicetest.Asset("d2"))
		require.NoError(t, err)
		var waiting uuid.UUID
		for _, s := range job.Sounds {
			if s.ID != running.Sound.ID && s.ID != other.Sound.ID {
				waiting = s.ID
			}
		}
		got, err = h.Farm.CancelSound(ctx, ann, waiting)
		require.NoError(t, err)
		assert.Equal(t, model.Succeeded, got.State, "one is ready")
		got, err = h.Farm.CancelSound(ctx, ann, other.Sound.ID)
		require.NoError(t, err)
		assert.Equal(t, model.Succeeded, got.Sounds[other.Sound.Position].State, "what is ready stays")

		// A job of which each sound was cancelled is cancelled, one with a failure failed.
		lone := h.Accept(t, ann, 1)
		got, err = h.Farm.CancelSound(ctx, ann, lone.Sounds[0].ID)
		require.NoError(t, err)
		assert.Equal(t, model.Cancelled, got.State)
		_, ok := h.Queue.Pop()
		require.True(t, ok, "the ticket of the one that waited is stale")
		bad := h.Accept(t, ann, 2)
		h.Release(t)
		failing := h.Next(t, worker)
		require.Equal(t, bad.ID, failing.JobID)
		require.NoError(t, h.Farm.Fail(ctx, failing.Ticket, &model.Failure{Code: "x"}, false))
		got, err = h.Farm.CancelSound(ctx, ann, bad.Sounds[1-failing.Sound.Position].ID)
		require.NoError(t, err)
		assert.Equal(t, model.Failed, got.State)
	})
}

func TestCancelAll(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx, ann, bob := context.Background(), servicetest.Anon("ann"), servicetest.Anon("bob")
		worker := h.Worker(t, 1)
		ended := h.Accept(t, ann, 1)
		h.Release(t)
		_, err := h.Farm.Commit(ctx, h.Next(t, worker).Ticket, servicetest.Asset("d1"))
		require.NoError(t, err)
		mine := []model.Job{h.Accept(t, ann, 2), h.Accept(t, ann, 1)}
		others := h.Accept(t, bob, 1)

		n, err := h.Farm.CancelAll(ctx, ann)
		require.NoError(t, err)
		assert.Equal(t, 2, n)
		for _, job := range mine {
			assert.Equal(t, model.Cancelled, h.Job(t, job.ID).State)
		}
		assert.Equal(t, model.Succeeded, h.Job(t, ended.ID).State)
		assert.Equal(t, model.Queued, h.Job(t, others.ID).State)
		n, err = h.Farm.CancelAll(ctx, ann)
		require.NoError(t, err)
		assert.Zero(t, n)
	})
}
