package db_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/db"
	"patchlab/db/dbtest"
)

func trash(t *testing.T, d *db.DB) int {
	t.Helper()
	var n int
	require.NoError(t, d.Reader().Get(context.Background(), &n, `SELECT count(*) FROM blob_trash`))
	return n
}

func addTrash(ctx context.Context, tx *db.Tx, key string) error {
	_, err := tx.Exec(ctx, `INSERT INTO blob_trash (key, after) VALUES (?, ?)`, key, time.Unix(0, 0).UTC())
	return err
}

func TestInTx(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := context.Background()
		require.NoError(t, d.InTx(ctx, func(tx *db.Tx) error { return addTrash(ctx, tx, "a") }))
		assert.Equal(t, 1, trash(t, d))

		boom := errors.New("boom")
		require.ErrorIs(t, d.InTx(ctx, func(tx *db.Tx) error {
			require.NoError(t, addTrash(ctx, tx, "b"))
			return boom
		}), boom)
		assert.Equal(t, 1, trash(t, d), "an error rolls back")

		assert.Panics(t, func() {
			_ = d.InTx(ctx, func(tx *db.Tx) error {
				require.NoError(t, addTrash(ctx, tx, "c"))
				panic("boom")
			})
		})
		assert.Equal(t, 1, trash(t, d), "a panic rolls back, and the writer is free again")
		require.NoError(t, d.InTx(ctx, func(tx *db.Tx) error { return addTrash(ctx, tx, "d") }))

		cancelled, cancel := context.WithCancel(ctx)
		require.Error(t, d.InTx(cancelled, func(tx *db.Tx) error {
			require.NoError(t, addTrash(cancelled, tx, "e"))
			cancel()
			return nil
		}))
		assert.Equal(t, 2, trash(t, d))
	})
}

func TestForeignKeysHold(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := context.Background()
		err := d.InTx(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO idempotency_keys (owner, key, request_hash, job_id, created_at) VALUES ('o', 'k', ?, ?, ?)`,
				[]byte{1}, uuid.New(), time.Now().UTC())
			return err
		})
		require.Error(t, err)
		assert.True(t, db.IsForeignKey(err), "%v", err)
		assert.False(t, db.IsForeignKey(errors.New("another")))
	})
}

func TestTheReaderCannotWrite(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := context.Background()
		var keys []string
		require.Error(t, d.Reader().Select(ctx, &keys, `INSERT INTO blob_trash (key, after) VALUES ('x', ?) RETURNING key`, time.Now()))
		require.Error(t, d.Reader().View(ctx, func(q db.Queryer) error {
			return q.Select(ctx, &keys, `INSERT INTO blob_trash (key, after) VALUES ('x', ?) RETURNING key`, time.Now())
		}))
		assert.Zero(t, trash(t, d))
	})
}

func TestViewIsOneSnapshot(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := context.Background()
		require.NoError(t, d.Reader().View(ctx, func(q db.Queryer) error {
			var before, after int
			require.NoError(t, q.Get(ctx, &before, `SELECT count(*) FROM blob_trash`))
			require.NoError(t, d.InTx(ctx, func(tx *db.Tx) error { return addTrash(ctx, tx, "a") }))
			require.NoError(t, q.Get(ctx, &after, `SELECT count(*) FROM blob_trash`))
			assert.Equal(t, before, after)
			return nil
		}))
		assert.Equal(t, 1, trash(t, d))
	})
}

func TestLists(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := context.Background()
		require.NoError(t, d.InTx(ctx, func(tx *db.Tx) error {
			return errors.Join(addTrash(ctx, tx, "a"), addTrash(ctx, tx, "b"), addTrash(ctx, tx, "c"))
		}))
		var keys []string
		require.NoError(t, d.Reader().Select(ctx, &keys,
			`SELECT key FROM blob_trash WHERE after < ? AND key IN (?) ORDER BY key LIMIT ?`, time.Now().UTC(), []string{"c", "a", "x"}, 5))
		assert.Equal(t, []string{"a", "c"}, keys)
	})
}

func TestTimesKeepTheirMicroseconds(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := context.Background()
		zone := time.FixedZone("east", 9*3600)
		base := time.Date(2026, 3, 1, 21, 0, 0, 0, zone)
		steps := []time.Duration{0, time.Microsecond, 100 * time.Microsecond, 120 * time.Microsecond, 100 * time.Millisecond, 990 * time.Millisecond, time.Second}
		require.NoError(t, d.InTx(ctx, func(tx *db.Tx) error {
			for i, s := range steps {
				if _, err := tx.Exec(ctx, `INSERT INTO blob_trash (key, after) VALUES (?, ?)`, string(rune('a'+i)), base.Add(s)); err != nil {
					return err
				}
			}
			return nil
		}))
		var times []time.Time
		require.NoError(t, d.Reader().Select(ctx, &times, `SELECT after FROM blob_trash ORDER BY after`))
		require.Len(t, times, len(steps))
		for i, s := range steps {
			assert.True(t, times[i].Equal(base.Add(s)), "%v is not %v", times[i], base.Add(s))
		}
		var n int
		require.NoError(t, d.Reader().Get(ctx, &n, `SELECT count(*) FROM blob_trash WHERE after <= ?`, base.Add(100*time.Millisecond)))
		assert.Equal(t, 5, n)
	})
}

func TestSQLiteIsDurable(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t, db.SQLite)
	ctx := context.Background()
	require.NoError(t, d.InTx(ctx, func(tx *db.Tx) error {
		var mode string
		var sync, keys int
		require.NoError(t, tx.Get(ctx, &mode, `PRAGMA journal_mode`))
		require.NoError(t, tx.Get(ctx, &sync, `PRAGMA synchronous`))
		require.NoError(t, tx.Get(ctx, &keys, `PRAGMA foreign_keys`))
		assert.Equal(t, "wal", mode)
		assert.Equal(t, 2, sync, "FULL: on disk before a commit returns")
		assert.Equal(t, 1, keys)
		return nil
	}))
}

func TestInTxTriesAgainWhenBusy(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "a ?%name.db") // odd names need escaping
	d, err := db.Open(ctx, db.Config{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	require.NoError(t, d.Migrate(ctx))
	require.FileExists(t, path)
	require.NoError(t, d.InTx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `PRAGMA busy_timeout = 0`)
		return err
	}))

	second, err := db.Open(ctx, db.Config{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, second.Close()) })
	held, free := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		assert.NoError(t, second.InTx(ctx, func(*db.Tx) error {
			close(held)
			<-free
			return nil
		}))
	})
	<-held
	time.AfterFunc(50*time.Millisecond, func() { close(free) })
	require.NoError(t, d.InTx(ctx, func(tx *db.Tx) error { return addTrash(ctx, tx, "a") }))
	wg.Wait()
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		cfg  db.Config
		want string
	}{
		"nothing":          {db.Config{}, "neither a URL nor a path"},
		"no sslmode":       {db.Config{URL: "postgres://u:secret@127.0.0.1:1/x"}, "sslmode"},
		"odd sslmode":      {db.Config{URL: "postgres://u:secret@127.0.0.1:1/x?sslmode=maybe"}, "sslmode"},
		"another database": {db.Config{URL: "mysql://u:secret@127.0.0.1:1/x?sslmode=disable"}, "mysql"},
		"broken":           {db.Config{URL: "postgres://u:secret@%zz"}, "cannot be parsed"},
		"nobody there":     {db.Config{URL: "postgres://u:secret@127.0.0.1:1/x?sslmode=disable"}, "127.0.0.1:1"},
		"no folder":        {db.Config{Path: filepath.Join(t.TempDir(), "no", "such", "x.db")}, "x.db"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := db.Open(context.Background(), tt.cfg)
			require.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestMigrateFromSeveralProcesses(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]db.Config{
		"sqlite":   {Path: filepath.Join(t.TempDir(), "x.db")},
		"postgres": {URL: dbtest.EmptyPostgresURL(t)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					d, err := db.Open(context.Background(), cfg)
					if !assert.NoError(t, err) {
						return
					}
					assert.NoError(t, d.Migrate(context.Background()))
					assert.Zero(t, trash(t, d))
					assert.NoError(t, d.Close())
				})
			}
			wg.Wait()
		})
	}
}

// A new file is turned to WAL by whoever comes first.
func TestManyOpenANewFileAtOnce(t *testing.T) {
	t.Parallel()
	for range 20 {
		cfg := db.Config{Path: filepath.Join(t.TempDir(), "x.db")}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				d, err := db.Open(context.Background(), cfg)
				if assert.NoError(t, err) {
					assert.NoError(t, d.Close())
				}
			})
		}
		wg.Wait()
	}
}

func TestMigrateMendsACrash(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := context.Background()
		// The crash came after the migration and before the note that it is through.
		require.NoError(t, d.InTx(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE schema_migrations SET dirty = ?`, true)
			return err
		}))
		require.NoError(t, d.Migrate(ctx))
		require.NoError(t, d.Migrate(ctx))
	})
	t.Run("before it", func(t *testing.T) {
		t.Parallel()
		ctx := context.Background()
		path := filepath.Join(t.TempDir(), "x.db")
		raw, err := sql.Open("sqlite", path)
		require.NoError(t, err)
		_, err = raw.Exec(`CREATE TABLE schema_migrations (version uint64, dirty bool); INSERT INTO schema_migrations VALUES (1, true)`)
		require.NoError(t, err)
		require.NoError(t, raw.Close())
		d, err := db.Open(ctx, db.Config{Path: path})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, d.Close()) })
		require.NoError(t, d.Migrate(ctx))
		assert.Zero(t, trash(t, d))
	})
}
