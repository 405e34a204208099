package service_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"patchlab/db"
	"patchlab/internal/model"
	"patchlab/internal/service"
	"patchlab/internal/service/servicetest"
)

// TestRepair breaks rows by hand, as no code of ours does.
func TestRepair(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx, ann := context.Background(), servicetest.Anon("ann")
		worker := h.Worker(t, 8)
		exec := func(fn func(tx *db.Tx) error) {
			t.Helper()
			require.NoError(t, h.DB.InTx(ctx, fn))
		}
		repair := func(want int) {
			t.Helper()
			n, err := h.Farm.Repair(ctx)
			require.NoError(t, err)
			require.Equal(t, want, n)
			n, err = h.Farm.Repair(ctx)
			require.NoError(t, err)
			require.Zero(t, n, "once is enough")
		}
		state := func(id uuid.UUID) model.State { return h.Job(t, id).State }

		// All is well: nothing to do.
		well := h.Accept(t, ann, 2)
		commit(t, h, h.Next(t, worker), "a")
		repair(0)

		// The last task has ended, and the job has not.
		commit(t, h, h.Next(t, worker), "b")
		require.Equal(t, model.Succeeded, state(well.ID))
		exec(func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE jobs SET state = 'running', finished_at = NULL WHERE id = ?`, well.ID)
			return err
		})
		repair(1)
		require.Equal(t, model.Succeeded, state(well.ID))
		require.Equal(t, h.Job(t, well.ID).Version, h.News.Version(well.ID), "who watches is told")
		exec(func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE jobs SET state = 'running', remaining = 2, finished_at = NULL WHERE id = ?`, well.ID)
			return err
		})
		repair(1)
		require.Equal(t, model.Succeeded, state(well.ID))

		// It counts wrongly what is left, and goes on.
		for _, wrong := range []int{0, 1, 7} {
			job := h.Accept(t, ann, 2)
			exec(func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, `UPDATE jobs SET remaining = ? WHERE id = ?`, wrong, job.ID)
				return err
			})
			repair(1)
			require.Equal(t, 2, h.Job(t, job.ID).Remaining)
			render(t, h, worker, 2, func(int) string { return "c" })
			require.Equal(t, model.Succeeded, state(job.ID))
		}

		// Its tasks are gone, and its sounds would wait for ever.
		empty := h.Accept(t, ann, 2)
		exec(func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `DELETE FROM tasks WHERE job_id = ?`, empty.ID)
			return err
		})
		repair(1)
		lost := h.Job(t, empty.ID)
		require.Equal(t, model.Failed, lost.State)
		require.Equal(t, "lost", lost.Error.Code)
		for _, s := range lost.Sounds {
			require.Equal(t, model.Failed, s.State)
		}

		// It has ended, and something of it is left.
		over := h.Accept(t, ann, 2)
		running := h.Next(t, worker)
		require.Equal(t, over.ID, running.JobID)
		exec(func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE jobs SET state = 'cancelled', remaining = 0 WHERE id = ?`, over.ID)
			return err
		})
		repair(1)
		require.Contains(t, h.News.Cancelled(), running.Ticket.TaskID)
		for _, s := range h.Job(t, over.ID).Sounds {
			require.Equal(t, model.Cancelled, s.State)
		}
		h.Queue.Clear()

		// A pack whose sounds are ready gets its ZIP.
		pack, err := h.Farm.CreatePack(ctx, ann, drums(), "", nil)
		require.NoError(t, err)
		for i := range 3 {
			commit(t, h, h.Next(t, worker), fmt.Sprint("pack", i))
		}
		exec(func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `DELETE FROM tasks WHERE job_id = ? AND kind = 'assemble'`, pack.Job.ID)
			if err == nil {
				_, err = tx.Exec(ctx, `UPDATE jobs SET remaining = 0, stage = '' WHERE id = ?`, pack.Job.ID)
			}
			return err
		})
		repair(1)
		require.Equal(t, model.StageAssembling, h.Job(t, pack.Job.ID).Stage)
		commit(t, h, h.Next(t, worker), "zip")
		require.Equal(t, model.Succeeded, state(pack.Job.ID))

		// A task that runs nowhere is nobody's: the reaper takes it back.
		nowhere := h.Accept(t, ann, 1)
		claim := h.Next(t, worker)
		exec(func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE tasks SET worker_id = NULL WHERE id = ?`, claim.Ticket.TaskID)
			return err
		})
		_, err = h.Farm.ReapDead(ctx, &service.BeatWatch{})
		require.NoError(t, err)
		require.Equal(t, model.Queued, h.Job(t, nowhere.ID).Sounds[0].State)
		commit(t, h, h.Next(t, worker), "d")

		// Released without a ticket: the sweep takes it back.
		ghost := h.Accept(t, ann, 1)
		exec(func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE tasks SET released_at = ?, attempt = 3 WHERE job_id = ?`, h.Clock.Now(), ghost.ID)
			return err
		})
		h.Clock.Advance(h.Farm.Config.SweepAfter)
		n, err := h.Farm.Sweep(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		commit(t, h, h.Next(t, worker), "e")
		require.Equal(t, model.Succeeded, state(ghost.ID))
		repair(0)
	})
}
