package db_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"patchlab/db"
	"patchlab/db/dbtest"
	"patchlab/internal/model"
	"patchlab/internal/testenv"
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

// A process that stops while its database is away, or was restarted, stops cleanly
// all the same: there is nothing left to lose.
func TestClosingABrokenConnectionIsNoFault(t *testing.T) {
	t.Parallel()
	proxy := testenv.StartProxy(t, "unix", testenv.SharedPostgres(t).Socket())
	d, err := db.Open(t.Context(), db.Config{URL: dbtest.Through(t, dbtest.PostgresURL(t), proxy.Addr()), MaxConns: 2})
	require.NoError(t, err)
	require.NoError(t, d.InTx(t.Context(), func(tx *db.Tx) error { return addTrash(t.Context(), tx, "a") }))
	require.Equal(t, 1, trash(t, d))
	proxy.Cut()
	time.Sleep(50 * time.Millisecond)
	require.NoError(t, d.Close())
}
