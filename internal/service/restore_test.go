package service_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/db"
	"patchlab/internal/model"
	"patchlab/internal/service"
	"patchlab/internal/service/servicetest"
)

// user makes an account.
func user(t *testing.T, h *servicetest.Harness) model.Caller {
	t.Helper()
	id := uuid.New()
	require.NoError(t, h.DB.InTx(context.Background(), func(tx *db.Tx) error {
		_, err := tx.Exec(context.Background(), `INSERT INTO users (id, email, password_hash, created_at) VALUES (?, ?, 'x', ?)`,
			id, id.String()+"@example.org", h.Clock.Now())
		return err
	}))
	return model.Caller{UserID: &id}
}

const month = 30 * 24 * time.Hour

func TestAudioOfUsersExpiresAndComesBack(t *testing.T) {
	each(t, service.Config{AssetTTL: month, AnonymousTTL: 2 * month}, func(t *testing.T, h *servicetest.Harness) {
		ctx, ann, eve := context.Background(), user(t, h), servicetest.Anon("eve")
		worker := h.Worker(t, 4)
		job := h.Accept(t, ann, 1)
		id := job.Sounds[0].ID
		render(t, h, worker, 1, func(int) string { return "d" })
		anonymous := h.Accept(t, eve, 1)
		render(t, h, worker, 1, func(int) string { return "eve" })
		_, err := h.Library.Rendered(ctx, ann, id)
		require.NoError(t, err)

		h.Clock.Advance(month - time.Second)
		n, err := h.Keeper.ExpireAudio(ctx)
		require.NoError(t, err)
		require.Zero(t, n)
		h.Clock.Advance(time.Second)
		n, err = h.Keeper.ExpireAudio(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		n, err = h.Keeper.RemoveUnreferencedAssets(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		_, err = h.Library.Rendered(ctx, eve, anonymous.Sounds[0].ID)
		require.NoError(t, err, "those of visitors go with their rows")

		// The row and its recipe stay.
		put, err := h.Library.Sound(ctx, ann, id)
		require.NoError(t, err)
		require.Equal(t, model.Succeeded, put.State)
		require.Nil(t, put.Asset)
		_, err = h.Library.Recipe(ctx, ann, id)
		require.NoError(t, err)
		_, err = h.Library.Rendered(ctx, ann, id)
		is(t, model.CodeRestoring, err)

		// Ten at once are one render.
		_, err = h.Farm.RestoreAudio(ctx, eve, id)
		is(t, model.CodeNotFound, err)
		jobs := make([]model.Job, 10)
		var all sync.WaitGroup
		for i := range jobs {
			all.Go(func() {
				var err error
				jobs[i], err = h.Farm.RestoreAudio(ctx, ann, id)
				assert.NoError(t, err)
			})
		}
		all.Wait()
		for _, j := range jobs {
			require.Equal(t, jobs[0].ID, j.ID)
			require.Equal(t, model.JobRestore, j.Kind)
			require.Equal(t, model.Interactive, j.Lane)
			require.Equal(t, ann.Owner(), j.Owner.Owner())
		}
		// It fails: nothing is lost, and the next one who asks tries again.
		claim := h.Next(t, worker)
		require.Equal(t, model.TaskRestore, claim.Ticket.Kind)
		require.Equal(t, put.Patch, claim.Sound.Patch)
		_, err = h.Library.Rendered(ctx, ann, id)
		is(t, model.CodeRestoring, err)
		require.NoError(t, h.Farm.Fail(ctx, claim.Ticket, &model.Failure{Code: "x"}, false))
		require.Equal(t, model.Failed, h.Job(t, jobs[0].ID).State)
		_, err = h.Library.Rendered(ctx, ann, id)
		is(t, model.CodeRestoring, err)
		again, err := h.Farm.RestoreAudio(ctx, ann, id)
		require.NoError(t, err)
		require.NotEqual(t, jobs[0].ID, again.ID)
		// A crash and a hand-back on the way.
		claim = h.Next(t, worker)
		require.NoError(t, h.Farm.HandBack(ctx, claim.Ticket))
		claim = h.Next(t, worker)
		commit(t, h, claim, "d")
		commit(t, h, claim, "d") // the answer was lost: it counts once
		require.Equal(t, model.Succeeded, h.Job(t, again.ID).State)
		back, err := h.Library.Rendered(ctx, ann, id)
		require.NoError(t, err)
		require.Equal(t, "d", back.Asset.Digest)
		require.Equal(t, h.Clock.Now(), *back.FinishedAt, "from now on it lives as long again")
		there, err := h.Farm.RestoreAudio(ctx, ann, id)
		require.NoError(t, err)
		require.Equal(t, job.ID, there.ID, "nothing to do")
		n, err = h.Keeper.ExpireAudio(ctx)
		require.NoError(t, err)
		require.Zero(t, n)

		// The jobs of restorations go by themselves.
		h.Clock.Advance(25 * time.Hour)
		gone, sounds, err := h.Keeper.ExpireAnonymous(ctx)
		require.NoError(t, err)
		require.Equal(t, 2, gone)
		require.Zero(t, sounds)
		_, err = h.Library.Rendered(ctx, ann, id)
		require.NoError(t, err)
	})
}

func TestRestoreHasLimits(t *testing.T) {
	each(t, service.Config{AssetTTL: month, MaxQueued: 2}, func(t *testing.T, h *servicetest.Harness) {
		ctx, ann := context.Background(), user(t, h)
		worker := h.Worker(t, 4)
		waiting := h.Accept(t, ann, 1)
		_, err := h.Farm.RestoreAudio(ctx, ann, waiting.Sounds[0].ID)
		is(t, model.CodeNotReady, err)
		render(t, h, worker, 1, func(int) string { return "d" })
		id := waiting.Sounds[0].ID
		h.Clock.Advance(month)
		_, err = h.Keeper.ExpireAudio(ctx)
		require.NoError(t, err)
		h.Accept(t, ann, 2)
		before := rows(t, h, "jobs")
		_, err = h.Farm.RestoreAudio(ctx, ann, id)
		is(t, model.CodeQuota, err)
		require.Equal(t, before, rows(t, h, "jobs"))

		// One that is deleted meanwhile stops.
		_, err = h.Farm.CancelAll(ctx, ann)
		require.NoError(t, err)
		h.Queue.Clear()
		restore, err := h.Farm.RestoreAudio(ctx, ann, id)
		require.NoError(t, err)
		claim := h.Next(t, worker)
		require.NoError(t, h.Farm.DeleteSound(ctx, ann, id))
		_, err = h.Farm.Commit(ctx, claim.Ticket, servicetest.Asset("d"))
		require.ErrorIs(t, err, service.ErrFenced)
		require.Equal(t, model.Cancelled, h.Job(t, restore.ID).State)
		back, err := h.Farm.UndeleteSound(ctx, ann, id)
		require.NoError(t, err)
		require.Equal(t, model.Succeeded, back.State, "the sound is as it was")
		_, err = h.Farm.RestoreAudio(ctx, ann, id)
		require.NoError(t, err)
		require.NoError(t, h.Farm.DeleteSound(ctx, ann, id))
		h.Clock.Advance(h.Farm.Config.DeleteGrace)
		n, err := h.Keeper.PurgeSounds(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		_, err = h.Farm.JobByID(ctx, restore.ID, 0)
		is(t, model.CodeNotFound, err)
	})
}

func TestZIPsOfUsersExpireAndComeBack(t *testing.T) {
	each(t, service.Config{AssetTTL: month}, func(t *testing.T, h *servicetest.Harness) {
		ctx, ann := context.Background(), user(t, h)
		worker := h.Worker(t, 8)
		pack, err := h.Farm.CreatePack(ctx, ann, drums(), "", nil)
		require.NoError(t, err)
		for i := range 3 {
			commit(t, h, h.Next(t, worker), fmt.Sprint(i))
		}
		commit(t, h, h.Next(t, worker), "zip")
		expire := func(audio, zips int) {
			t.Helper()
			n, err := h.Keeper.ExpireAudio(ctx)
			require.NoError(t, err)
			require.Equal(t, audio, n)
			n, err = h.Keeper.ExpireZIPs(ctx)
			require.NoError(t, err)
			require.Equal(t, zips, n)
		}
		h.Clock.Advance(month - time.Second)
		expire(0, 0)
		h.Clock.Advance(time.Second)
		expire(3, 1)
		expire(0, 0)
		n, err := h.Keeper.RemoveUnreferencedAssets(ctx)
		require.NoError(t, err)
		require.Equal(t, 4, n)

		_, err = h.Library.PackFile(ctx, ann, pack.ID)
		is(t, model.CodeRestoring, err)
		job, err := h.Farm.RestorePack(ctx, ann, pack.ID)
		require.NoError(t, err)
		again, err := h.Farm.RestorePack(ctx, ann, pack.ID)
		require.NoError(t, err)
		require.Equal(t, job.ID, again.ID, "one at a time")
		_, err = h.Library.PackFile(ctx, ann, pack.ID)
		is(t, model.CodeRestoring, err)
		shown, _, err := h.Library.Pack(ctx, ann, pack.ID)
		require.NoError(t, err)
		require.Equal(t, map[model.State]int{model.Succeeded: 3}, shown.Counts)
		for i := range 3 {
			claim := h.Next(t, worker)
			require.Equal(t, model.TaskRestore, claim.Ticket.Kind)
			commit(t, h, claim, fmt.Sprint(i))
			h.Clock.Advance(month)
			expire(0, 0) // not while it is built
		}
		zip := h.Next(t, worker)
		require.Len(t, zip.Pack.Sounds, 3)
		for _, s := range zip.Pack.Sounds {
			require.NotNil(t, s.Asset)
		}
		commit(t, h, zip, "zip")
		_, err = h.Library.PackFile(ctx, ann, pack.ID)
		require.NoError(t, err)
		expire(3, 0) // the audio is old again, the ZIP is new

		// Asked to build it again, the farm renders what was put away.
		rebuilt, err := h.Farm.RebuildPack(ctx, ann, pack.ID)
		require.NoError(t, err)
		require.Equal(t, 3, rebuilt.Job.Total)
		_, err = h.Library.PackFile(ctx, ann, pack.ID)
		require.NoError(t, err, "the old ZIP stays until the new one is there")
	})
}

func TestALostBlobIsForgotten(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx, ann, bob := context.Background(), servicetest.Anon("ann"), servicetest.Anon("bob")
		worker := h.Worker(t, 4)
		one, two := h.Accept(t, ann, 1).Sounds[0].ID, h.Accept(t, bob, 1).Sounds[0].ID
		render(t, h, worker, 2, func(int) string { return "same" })
		lost, err := h.Library.Rendered(ctx, ann, one)
		require.NoError(t, err)
		other := *lost.Asset
		other.Key = "another"
		require.NoError(t, h.Farm.DropAsset(ctx, other))
		_, err = h.Library.Rendered(ctx, ann, one)
		require.NoError(t, err, "another had taken its place")
		for range 2 {
			require.NoError(t, h.Farm.DropAsset(ctx, *lost.Asset))
		}
		for who, id := range map[string]uuid.UUID{"ann": one, "bob": two} {
			_, err = h.Library.Rendered(ctx, servicetest.Anon(who), id)
			is(t, model.CodeRestoring, err)
		}
		found, err := h.Farm.FindAsset(ctx, "same")
		require.NoError(t, err)
		require.Nil(t, found, "or its restoration would take it up again")
		_, err = h.Farm.RestoreAudio(ctx, ann, one)
		require.NoError(t, err)
		commit(t, h, h.Next(t, worker), "same")
		_, err = h.Library.Rendered(ctx, ann, one)
		require.NoError(t, err)
		_, err = h.Farm.RestoreAudio(ctx, bob, two)
		require.NoError(t, err)

		// Visitors' sounds expire all the same, with the jobs that restored them.
		h.Clock.Advance(24 * time.Hour)
		_, err = h.Library.Rendered(ctx, ann, one)
		is(t, model.CodeGone, err)
		_, sounds, err := h.Keeper.ExpireAnonymous(ctx)
		require.NoError(t, err)
		require.Equal(t, 2, sounds)
		require.Zero(t, rows(t, h, "jobs"), "also the one that was still to run")
	})
}
