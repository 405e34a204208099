package db_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/db"
	"patchlab/db/dbtest"
	"patchlab/internal/model"
	"patchlab/internal/testenv"
)

// within checks that f gives up in time, and says that the database is away.
func within(t *testing.T, most time.Duration, f func() error) {
	t.Helper()
	began := time.Now()
	err := f()
	require.Error(t, err)
	assert.Equal(t, model.CodeUnavailable, model.CodeOf(err), "%v", err)
	assert.Less(t, time.Since(began), most, "%v", err)
}

// proxied returns a database of a private server behind a proxy.
func proxied(t *testing.T) (*db.DB, *testenv.Proxy) {
	t.Helper()
	proxy := testenv.StartProxy(t, "unix", testenv.SharedPostgres(t).Socket())
	d, err := db.Open(t.Context(), db.Config{URL: dbtest.Through(t, dbtest.PostgresURL(t), proxy.Addr()), MaxConns: 2})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d, proxy
}

func TestAServerThatIsGone(t *testing.T) {
	t.Parallel()
	d, proxy := proxied(t)
	require.Zero(t, trash(t, d))
	proxy.Cut()
	ctx := t.Context()
	within(t, 2*time.Second, func() error { return d.Ping(ctx) })
	within(t, 2*time.Second, func() error {
		var n int
		return d.Reader().Get(ctx, &n, `SELECT count(*) FROM blob_trash`)
	})
	within(t, 2*time.Second, func() error {
		return d.Reader().View(ctx, func(db.Queryer) error { return nil })
	})
	within(t, 8*time.Second, func() error {
		return d.InTx(ctx, func(tx *db.Tx) error { return addTrash(ctx, tx, "a") })
	})
	proxy.Heal()
	require.NoError(t, d.InTx(ctx, func(tx *db.Tx) error { return addTrash(ctx, tx, "a") }))
	require.Equal(t, 1, trash(t, d), "it is back by itself")
}

// The restart of a server is not noticed by who writes.
func TestAConnectionThatBreaksIsMadeAgain(t *testing.T) {
	t.Parallel()
	d, proxy := proxied(t)
	ctx := t.Context()
	tries := 0
	require.NoError(t, d.InTx(ctx, func(tx *db.Tx) error {
		if tries++; tries < 3 {
			proxy.Reset()
		}
		return addTrash(ctx, tx, "a")
	}))
	require.Equal(t, 3, tries)
	require.Equal(t, 1, trash(t, d))
}

func TestAReadGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	d, proxy := proxied(t)
	ctx := t.Context()
	require.NoError(t, d.InTx(ctx, func(tx *db.Tx) error { return errors.Join(addTrash(ctx, tx, "a"), addTrash(ctx, tx, "b")) }))
	for range 3 {
		proxy.Reset() // all connections of the pools
		var keys []string
		require.NoError(t, d.Reader().Select(ctx, &keys, `SELECT key FROM blob_trash ORDER BY key`))
		require.Equal(t, []string{"a", "b"}, keys)
		proxy.Reset()
		tries := 0
		require.NoError(t, d.Reader().View(ctx, func(q db.Queryer) error {
			if tries++; tries == 1 {
				proxy.Reset()
			}
			return q.Select(ctx, &keys, `SELECT key FROM blob_trash ORDER BY key LIMIT 1`)
		}))
		require.Equal(t, []string{"a"}, keys)
		require.Equal(t, 2, tries)
	}
	proxy.Cut()
	time.AfterFunc(400*time.Millisecond, proxy.Heal)
	require.Equal(t, 2, trash(t, d))
}

// A network that says nothing at all: the worst case, for nobody is told.
func TestAServerThatIsSilent(t *testing.T) {
	t.Parallel()
	d, proxy := proxied(t)
	require.Zero(t, trash(t, d))
	proxy.Stall()
	var all sync.WaitGroup
	for range 6 { // more than there are connections
		all.Go(func() {
			within(t, 25*time.Second, func() error {
				var n int
				return d.Reader().Get(t.Context(), &n, `SELECT count(*) FROM blob_trash`)
			})
		})
		all.Go(func() {
			within(t, 25*time.Second, func() error {
				return d.InTx(t.Context(), func(tx *db.Tx) error { return addTrash(t.Context(), tx, "a") })
			})
		})
	}
	all.Wait()
	proxy.Heal()
	require.Zero(t, trash(t, d))
}

func TestASlowServerStillServes(t *testing.T) {
	t.Parallel()
	d, proxy := proxied(t)
	proxy.Delay(50 * time.Millisecond)
	ctx := t.Context()
	require.NoError(t, d.InTx(ctx, func(tx *db.Tx) error { return addTrash(ctx, tx, "a") }))
	require.Equal(t, 1, trash(t, d))
}

// What holds a row for too long holds up nobody else for longer than the bounds.
func TestLocksAndStatementsAreBounded(t *testing.T) {
	t.Parallel()
	at := dbtest.PostgresURL(t)
	d, err := db.Open(t.Context(), db.Config{URL: at, MaxConns: 4})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	ctx := t.Context()
	require.NoError(t, d.InTx(ctx, func(tx *db.Tx) error { return addTrash(ctx, tx, "a") }))

	other, err := sql.Open("postgres", at)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	tx, err := other.BeginTx(ctx, nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(ctx, `SELECT * FROM blob_trash FOR UPDATE`)
	require.NoError(t, err)

	var both sync.WaitGroup
	both.Go(func() {
		within(t, 7*time.Second, func() error {
			return d.InTx(ctx, func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, `UPDATE blob_trash SET after = ?`, time.Now())
				return err
			})
		})
	})
	both.Go(func() {
		within(t, 11*time.Second, func() error {
			var void string
			return d.Reader().Get(ctx, &void, `SELECT pg_sleep(30)`)
		})
	})
	both.Wait()
	require.NoError(t, tx.Rollback())
}

func TestTheBoundsOfTheURLOutrank(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(dbtest.PostgresURL(t))
	require.NoError(t, err)
	query := u.Query()
	query.Set("statement_timeout", "50")
	u.RawQuery = query.Encode()
	d, err := db.Open(t.Context(), db.Config{URL: u.String(), MaxConns: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	within(t, 2*time.Second, func() error {
		var void string
		return d.Reader().Get(t.Context(), &void, `SELECT pg_sleep(30)`)
	})
}

// Two transactions that take the same rows in the opposite order: PostgreSQL ends
// one of them, which is run again.
func TestADeadlockIsTriedAgain(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t, db.Postgres)
	ctx := t.Context()
	require.NoError(t, d.InTx(ctx, func(tx *db.Tx) error {
		return errors.Join(addTrash(ctx, tx, "a"), addTrash(ctx, tx, "b"))
	}))
	var first, both sync.WaitGroup
	first.Add(2)
	errs := make([]error, 2)
	tries := make([]int, 2)
	for i, keys := range [][]string{{"a", "b"}, {"b", "a"}} {
		both.Go(func() {
			errs[i] = d.InTx(ctx, func(tx *db.Tx) error {
				if _, err := tx.Exec(ctx, `UPDATE blob_trash SET after = ? WHERE key = ?`, time.Now(), keys[0]); err != nil {
					return err
				}
				if tries[i]++; tries[i] == 1 {
					first.Done()
					first.Wait()
				}
				_, err := tx.Exec(ctx, `UPDATE blob_trash SET after = ? WHERE key = ?`, time.Now(), keys[1])
				return err
			})
		})
	}
	both.Wait()
	require.NoError(t, errors.Join(errs...))
	require.GreaterOrEqual(t, tries[0]+tries[1], 3, "one of them was run twice; both, where both found the deadlock at once")
}

func TestACancelledCallIsNotAFaultOfTheDatabase(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var n int
		err := d.Reader().Get(ctx, &n, `SELECT count(*) FROM blob_trash`)
		require.ErrorIs(t, err, context.Canceled)
		require.NotEqual(t, model.CodeUnavailable, model.CodeOf(err))
		err = d.InTx(ctx, func(*db.Tx) error { return nil })
		require.ErrorIs(t, err, context.Canceled)
		require.NotEqual(t, model.CodeUnavailable, model.CodeOf(err))
	})
}

func TestTheErrorHoldsNoPassword(t *testing.T) {
	t.Parallel()
	proxy := testenv.StartProxy(t, "unix", testenv.SharedPostgres(t).Socket())
	proxy.Cut()
	_, err := db.Open(t.Context(), db.Config{URL: "postgres://someone:secret@" + proxy.Addr() + "/x?sslmode=disable"})
	require.ErrorContains(t, err, proxy.Addr())
	require.NotContains(t, err.Error(), "secret")
}
