package service_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/internal/model"
	"patchlab/internal/service"
	"patchlab/internal/service/servicetest"
)

// is requires an error of a code.
func is(t *testing.T, want model.Code, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, model.CodeOf(err), "%v", err)
}

func TestDeleteSound(t *testing.T) {
	each(t, service.Config{AnonymousTTL: 100 * time.Hour}, func(t *testing.T, h *servicetest.Harness) {
		ctx, ann, bob := context.Background(), servicetest.Anon("ann"), servicetest.Anon("bob")
		worker := h.Worker(t, 2)
		job := h.Accept(t, ann, 2)
		gone, stays := job.Sounds[0].ID, job.Sounds[1].ID
		render(t, h, worker, 2, func(i int) string { return fmt.Sprint(i) })
		child, _, err := h.Farm.Vary(ctx, ann, service.VaryRequest{SoundID: gone, Count: 1}, "", nil)
		require.NoError(t, err)
		render(t, h, worker, 1, func(int) string { return "child" })

		is(t, model.CodeNotFound, h.Farm.DeleteSound(ctx, bob, gone))
		is(t, model.CodeNotFound, h.Farm.DeleteSound(ctx, ann, uuid.New()))
		before := h.Job(t, job.ID)
		require.NoError(t, h.Farm.DeleteSound(ctx, ann, gone))
		assert.Greater(t, h.News.Version(job.ID), before.Version, "who watches is told")

		hidden := func() {
			t.Helper()
			_, err := h.Library.Sound(ctx, ann, gone)
			is(t, model.CodeNotFound, err)
			_, err = h.Library.Rendered(ctx, ann, gone)
			is(t, model.CodeNotFound, err)
			_, err = h.Library.Recipe(ctx, ann, gone)
			is(t, model.CodeNotFound, err)
			_, _, err = h.Farm.Vary(ctx, ann, service.VaryRequest{SoundID: gone, Count: 1}, "", nil)
			is(t, model.CodeNotFound, err)
			_, err = h.Farm.CancelSound(ctx, ann, gone)
			is(t, model.CodeNotFound, err)
			_, err = h.Farm.RestoreAudio(ctx, ann, gone)
			is(t, model.CodeNotFound, err)
			is(t, model.CodeNotFound, h.Farm.DeleteSound(ctx, ann, gone))
			list, _, err := h.Library.Sounds(ctx, ann, "", 10)
			require.NoError(t, err)
			require.Len(t, list, 2)
			sounds := h.Job(t, job.ID).Sounds
			require.Len(t, sounds, 1)
			require.Equal(t, stays, sounds[0].ID)
		}
		hidden()

		// Back again, as often as one likes, until the grace is over.
		_, err = h.Farm.UndeleteSound(ctx, bob, gone)
		is(t, model.CodeNotFound, err)
		h.Clock.Advance(h.Farm.Config.DeleteGrace - time.Second)
		n, err := h.Keeper.PurgeSounds(ctx)
		require.NoError(t, err)
		require.Zero(t, n)
		for range 2 {
			back, err := h.Farm.UndeleteSound(ctx, ann, gone)
			require.NoError(t, err)
			require.Equal(t, gone, back.ID)
			require.Nil(t, back.DeletedAt)
		}
		_, err = h.Library.Rendered(ctx, ann, gone)
		require.NoError(t, err, "with its audio")
		require.Len(t, h.Job(t, job.ID).Sounds, 2)

		require.NoError(t, h.Farm.DeleteSound(ctx, ann, gone))
		h.Clock.Advance(h.Farm.Config.DeleteGrace)
		_, err = h.Farm.UndeleteSound(ctx, ann, gone)
		is(t, model.CodeNotFound, err)
		hidden()
		n, err = h.Keeper.PurgeSounds(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		relative, err := h.Library.Sound(ctx, ann, child.Sounds[0].ID)
		require.NoError(t, err)
		require.Nil(t, relative.ParentID)
		require.Equal(t, 2, rows(t, h, "jobs"), "the job has a sound left")

		require.NoError(t, h.Farm.DeleteSound(ctx, ann, stays))
		h.Clock.Advance(h.Farm.Config.DeleteGrace)
		n, err = h.Keeper.PurgeSounds(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, 1, rows(t, h, "jobs"), "the job has none left")
		require.Equal(t, 1, rows(t, h, "tasks"))
		n, err = h.Keeper.RemoveUnreferencedAssets(ctx)
		require.NoError(t, err)
		require.Equal(t, 2, n)
	})
}

func TestDeletingASoundCancelsIt(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx, ann := context.Background(), servicetest.Anon("ann")
		worker := h.Worker(t, 2)
		job := h.Accept(t, ann, 2)
		running := h.Next(t, worker)
		waiting := job.Sounds[1-running.Sound.Position].ID
		require.NoError(t, h.Farm.DeleteSound(ctx, ann, running.Sound.ID))
		require.Contains(t, h.News.Cancelled(), running.Ticket.TaskID)
		_, err := h.Farm.Commit(ctx, running.Ticket, servicetest.Asset("d"))
		require.ErrorIs(t, err, service.ErrFenced)
		require.NoError(t, h.Farm.DeleteSound(ctx, ann, waiting))
		ended := h.Job(t, job.ID)
		require.Equal(t, model.Cancelled, ended.State)
		require.Empty(t, ended.Sounds)
		back, err := h.Farm.UndeleteSound(ctx, ann, waiting)
		require.NoError(t, err)
		require.Equal(t, model.Cancelled, back.State)
	})
}

func TestDeletePack(t *testing.T) {
	each(t, service.Config{AnonymousTTL: 100 * time.Hour}, func(t *testing.T, h *servicetest.Harness) {
		ctx, ann, bob := context.Background(), servicetest.Anon("ann"), servicetest.Anon("bob")
		worker := h.Worker(t, 8)
		pack, err := h.Farm.CreatePack(ctx, ann, drums(), "key", []byte("hash"))
		require.NoError(t, err)
		for i := range 3 {
			commit(t, h, h.Next(t, worker), fmt.Sprint(i))
		}
		commit(t, h, h.Next(t, worker), "zip")
		_, sounds, err := h.Library.Pack(ctx, ann, pack.ID)
		require.NoError(t, err)

		// One sound of it: the ZIP has it until it is built again.
		require.NoError(t, h.Farm.DeleteSound(ctx, ann, sounds[0].ID))
		h.Clock.Advance(time.Second)
		shown, listed, err := h.Library.Pack(ctx, ann, pack.ID)
		require.NoError(t, err)
		require.Len(t, listed, 2)
		require.Equal(t, map[model.State]int{model.Succeeded: 2}, shown.Counts)
		_, err = h.Library.PackFile(ctx, ann, pack.ID)
		require.NoError(t, err)

		is(t, model.CodeNotFound, h.Farm.DeletePack(ctx, bob, pack.ID))
		require.NoError(t, h.Farm.DeletePack(ctx, ann, pack.ID))
		_, _, err = h.Library.Pack(ctx, ann, pack.ID)
		is(t, model.CodeNotFound, err)
		_, err = h.Library.PackFile(ctx, ann, pack.ID)
		is(t, model.CodeNotFound, err)
		_, err = h.Farm.RebuildPack(ctx, ann, pack.ID)
		is(t, model.CodeNotFound, err)
		_, err = h.Farm.RestorePack(ctx, ann, pack.ID)
		is(t, model.CodeNotFound, err)
		_, err = h.Library.Sound(ctx, ann, sounds[1].ID)
		is(t, model.CodeNotFound, err)
		for i := range 2 {
			_, err = h.Farm.UndeleteSound(ctx, ann, sounds[i].ID)
			is(t, model.CodeNotFound, err)
		}
		page, _, err := h.Library.Packs(ctx, ann, "", 10)
		require.NoError(t, err)
		require.Empty(t, page)
		other, err := h.Farm.CreatePack(ctx, ann, drums(), "key", []byte("hash"))
		require.NoError(t, err)
		require.NotEqual(t, pack.ID, other.ID, "the same request again asks for a new one")
		require.NoError(t, h.Farm.DeletePack(ctx, ann, other.ID), "also while it is built")

		n, err := h.Keeper.PurgeSounds(ctx)
		require.NoError(t, err)
		require.Zero(t, n)
		_, err = h.Farm.UndeletePack(ctx, bob, pack.ID)
		is(t, model.CodeNotFound, err)
		for range 2 {
			back, err := h.Farm.UndeletePack(ctx, ann, pack.ID)
			require.NoError(t, err)
			require.Equal(t, map[model.State]int{model.Succeeded: 2}, back.Counts, "without the one that was deleted before")
		}
		_, err = h.Farm.UndeleteSound(ctx, ann, sounds[0].ID)
		require.NoError(t, err)

		require.NoError(t, h.Farm.DeletePack(ctx, ann, pack.ID))
		h.Clock.Advance(h.Farm.Config.DeleteGrace)
		_, err = h.Farm.UndeletePack(ctx, ann, pack.ID)
		is(t, model.CodeNotFound, err)
		n, err = h.Keeper.PurgeSounds(ctx)
		require.NoError(t, err)
		require.Zero(t, n, "they go with their pack")
		n, err = h.Keeper.PurgePacks(ctx)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		for _, table := range []string{"packs", "jobs", "sounds", "tasks"} {
			require.Zero(t, rows(t, h, table), table)
		}
	})
}
