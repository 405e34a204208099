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

// render takes every task that waits to its end, each with an asset of the digest.
func render(t *testing.T, h *servicetest.Harness, worker uuid.UUID, n int, digest func(int) string) {
	t.Helper()
	for i := range n {
		claim := h.Next(t, worker)
		_, err := h.Farm.Commit(context.Background(), claim.Ticket, servicetest.Asset(digest(i)))
		require.NoError(t, err)
	}
}

func TestExpiry(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		worker := h.Worker(t, 2)
		old := h.Accept(t, servicetest.Anon("a"), 2)
		_, _, err := h.Farm.Generate(ctx, servicetest.Anon("a"), servicetest.Request(1), "key", []byte("h"))
		require.NoError(t, err)
		render(t, h, worker, 3, func(i int) string { return fmt.Sprint("old", i) })
		h.Clock.Advance(time.Hour)
		young := h.Accept(t, servicetest.Anon("b"), 1)
		render(t, h, worker, 1, func(int) string { return "old0" }) // shares an asset with an old one

		jobs, sounds, err := h.Keeper.ExpireAnonymous(ctx)
		require.NoError(t, err)
		assert.Zero(t, jobs+sounds, "nothing is old yet")

		h.Clock.Advance(23*time.Hour + time.Minute)
		jobs, sounds, err = h.Keeper.ExpireAnonymous(ctx)
		require.NoError(t, err)
		assert.Equal(t, 2, jobs)
		assert.Equal(t, 3, sounds)
		_, err = h.Farm.JobByID(ctx, old.ID, 0)
		assert.Equal(t, model.CodeNotFound, model.CodeOf(err))
		j, s, tasks, keys := count(t, h)
		assert.Equal(t, []int{1, 1, 1, 0}, []int{j, s, tasks, keys}, "tasks and keys go with their job")

		n, err := h.Keeper.RemoveUnreferencedAssets(ctx)
		require.NoError(t, err)
		assert.Equal(t, 2, n)
		sound, err := h.Library.Rendered(ctx, servicetest.Anon("b"), young.Sounds[0].ID)
		require.NoError(t, err, "an asset in use stays")

		due, err := h.Keeper.DueTrash(ctx, 10)
		require.NoError(t, err)
		assert.Empty(t, due, "blobs have an hour left")
		h.Clock.Advance(time.Hour)
		due, err = h.Keeper.DueTrash(ctx, 10)
		require.NoError(t, err)
		require.Len(t, due, 2)
		assert.NotContains(t, due, sound.Asset.Key)
		live, err := h.Keeper.LiveKeys(ctx, append([]string{sound.Asset.Key, "orphan"}, due...))
		require.NoError(t, err)
		assert.Equal(t, map[string]bool{sound.Asset.Key: true, due[0]: true, due[1]: true}, live)
		for _, want := range []int{2, 0} {
			n, err := h.Keeper.ForgetTrash(ctx, due)
			require.NoError(t, err)
			assert.Equal(t, want, n)
		}
		due, err = h.Keeper.DueTrash(ctx, 10)
		require.NoError(t, err)
		assert.Empty(t, due)
		_, err = h.Keeper.ForgetTrash(ctx, nil)
		require.NoError(t, err)
		live, err = h.Keeper.LiveKeys(ctx, nil)
		require.NoError(t, err)
		assert.Empty(t, live)
	})
}

func TestExpiryWaitsForUnfinishedJobs(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		worker := h.Worker(t, 1)
		h.Accept(t, servicetest.Anon("a"), 1)
		h.Accept(t, servicetest.Anon("b"), 1)
		claim := h.Next(t, worker)
		h.Clock.Advance(48 * time.Hour)
		jobs, _, err := h.Keeper.ExpireAnonymous(ctx)
		require.NoError(t, err)
		assert.Zero(t, jobs, "neither the running nor the waiting one")
		_, err = h.Farm.Commit(ctx, claim.Ticket, servicetest.Asset("d"))
		require.NoError(t, err)
		jobs, _, err = h.Keeper.ExpireAnonymous(ctx)
		require.NoError(t, err)
		assert.Equal(t, 1, jobs)
	})
}

func TestExpiryInBatchesByTwoJanitors(t *testing.T) {
	each(t, service.Config{MaxQueued: 10_000}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		worker := h.Worker(t, 4)
		for range 105 {
			h.Accept(t, servicetest.Anon("a"), 1)
		}
		render(t, h, worker, 105, func(i int) string { return fmt.Sprint(i) })
		h.Clock.Advance(48 * time.Hour)
		var mu sync.Mutex
		jobs, assets := 0, 0
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				j, _, err := h.Keeper.ExpireAnonymous(ctx)
				assert.NoError(t, err)
				a, err := h.Keeper.RemoveUnreferencedAssets(ctx)
				assert.NoError(t, err)
				mu.Lock()
				defer mu.Unlock()
				jobs, assets = jobs+j, assets+a
			})
		}
		wg.Wait()
		a, err := h.Keeper.RemoveUnreferencedAssets(ctx) // what one expired after the other had looked
		require.NoError(t, err)
		assert.Equal(t, 105, jobs)
		assert.Equal(t, 105, assets+a)
		h.Clock.Advance(2 * time.Hour)
		due, err := h.Keeper.DueTrash(ctx, 1000)
		require.NoError(t, err)
		assert.Len(t, due, 105)
	})
}

// TestRemovalNeverTakesWhatIsTaken commits sounds of one digest while the keeper
// removes what is unreferenced, over and over: whatever order they fall into, no
// sound may end without its asset, and no asset's blob may be trash.
func TestRemovalNeverTakesWhatIsTaken(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		worker := h.Worker(t, 4)
		for range 15 {
			h.Accept(t, servicetest.Anon("a"), 2)
			one, two := h.Next(t, worker), h.Next(t, worker)
			_, err := h.Farm.Commit(ctx, one.Ticket, servicetest.Asset("same"))
			require.NoError(t, err)
			// The first sound goes, so that its asset is loose.
			require.NoError(t, h.DB.InTx(ctx, func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, `DELETE FROM sounds WHERE id = ?`, one.Sound.ID)
				return err
			}))
			found, err := h.Farm.FindAsset(ctx, "same")
			require.NoError(t, err)
			require.NotNil(t, found)
			var wg sync.WaitGroup
			wg.Go(func() {
				_, err := h.Keeper.RemoveUnreferencedAssets(ctx)
				assert.NoError(t, err)
			})
			wg.Go(func() {
				_, err := h.Farm.Commit(ctx, two.Ticket, *found)
				if err != nil {
					assert.ErrorIs(t, err, service.ErrAssetGone)
					_, err = h.Farm.Commit(ctx, two.Ticket, servicetest.Asset("same"))
					assert.NoError(t, err)
				}
			})
			wg.Wait()
			var bad int
			require.NoError(t, h.DB.Reader().Get(ctx, &bad, `SELECT count(*) FROM sounds WHERE state = 'succeeded' AND asset_id IS NULL`))
			assert.Zero(t, bad)
			require.NoError(t, h.DB.Reader().Get(ctx, &bad, `SELECT count(*) FROM assets JOIN blob_trash ON blob_trash.key = assets.key`))
			assert.Zero(t, bad)
			require.NoError(t, h.DB.InTx(ctx, func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, `DELETE FROM sounds WHERE id = ?`, two.Sound.ID)
				return err
			}))
		}
	})
}

func TestExpireIdempotencyKeys(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		for i := range 3 {
			_, _, err := h.Farm.Generate(ctx, servicetest.Anon("a"), servicetest.Request(1), fmt.Sprint(i), nil)
			require.NoError(t, err)
			h.Clock.Advance(10 * time.Hour)
		}
		n, err := h.Keeper.ExpireIdempotencyKeys(ctx)
		require.NoError(t, err)
		assert.Equal(t, 1, n)
	})
}

func TestForgetIdleShares(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		worker := h.Worker(t, 1)
		h.Accept(t, servicetest.Anon("done"), 1)
		render(t, h, worker, 1, func(int) string { return "d" })
		h.Accept(t, servicetest.Anon("waiting"), 8)
		n, err := h.Keeper.ForgetIdleShares(ctx)
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		n, err = h.Keeper.ForgetIdleShares(ctx)
		require.NoError(t, err)
		assert.Zero(t, n)
	})
}
