package db_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"patchlab/db"
	"patchlab/db/dbtest"
	"patchlab/internal/model"
)

// A transaction whose time is over before its commit is not the caller's fault,
// however the driver puts it.
func TestATransactionThatIsTooLateIsUnavailable(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		err := d.InTx(ctx, func(tx *db.Tx) error {
			if err := addTrash(ctx, tx, "a"); err != nil {
				return err
			}
			<-ctx.Done()
			time.Sleep(200 * time.Millisecond) // the driver rolls back meanwhile
			return nil
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, model.CodeUnavailable, model.CodeOf(err), "%v", err)
		require.Zero(t, trash(t, d))

		cancelled, cancel2 := context.WithCancel(t.Context())
		defer cancel2()
		err = d.InTx(cancelled, func(tx *db.Tx) error {
			cancel2()
			time.Sleep(200 * time.Millisecond)
			return nil
		})
		require.ErrorIs(t, err, context.Canceled)
		require.NotEqual(t, model.CodeUnavailable, model.CodeOf(err), "%v", err)
	})
}

// So is one whose time is over while it waits for its next try.
func TestATransactionThatRunsOutOfTriesIsUnavailable(t *testing.T) {
	t.Parallel()
	d, proxy := proxied(t)
	require.Zero(t, trash(t, d))
	proxy.Cut()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	err := d.InTx(ctx, func(tx *db.Tx) error { return addTrash(ctx, tx, "a") })
	require.Equal(t, model.CodeUnavailable, model.CodeOf(err), "%v", err)
	proxy.Heal()
	require.Eventually(t, func() bool { return d.Ping(t.Context()) == nil }, 5*time.Second, 10*time.Millisecond)
}
