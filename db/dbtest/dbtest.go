// Package dbtest gives each test a database of its own, migrated and empty.
package dbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"patchlab/db"
)

// PostgresURL is the environment variable that names a PostgreSQL database, with
// sslmode, in which tests may make schemas of their own. Where it is set the
// suites run on it as well as on SQLite.
const PostgresURL = "PATCHLAB_TEST_POSTGRES"

// Each runs a test on every dialect there is, in parallel.
func Each(t *testing.T, fn func(t *testing.T, d *db.DB)) {
	t.Helper()
	t.Run(string(db.SQLite), func(t *testing.T) {
		t.Parallel()
		fn(t, New(t))
	})
	if base := os.Getenv(PostgresURL); base != "" {
		t.Run(string(db.Postgres), func(t *testing.T) {
			t.Parallel()
			fn(t, newPostgres(t, base))
		})
	}
}

// New returns a SQLite database in a temporary folder, closed when the test ends.
func New(t testing.TB) *db.DB {
	t.Helper()
	return open(t, db.Config{Path: filepath.Join(t.TempDir(), "patchlab.db")})
}

func open(t testing.TB, cfg db.Config) *db.DB {
	t.Helper()
	ctx := context.Background()
	d, err := db.Open(ctx, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	require.NoError(t, d.Migrate(ctx))
	return d
}

func newPostgres(t testing.TB, base string) *db.DB {
	t.Helper()
	admin, err := sql.Open("postgres", base)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, admin.Close()) })
	b := make([]byte, 8)
	_, err = rand.Read(b)
	require.NoError(t, err)
	schema := "test_" + hex.EncodeToString(b)
	_, err = admin.ExecContext(t.Context(), `CREATE SCHEMA `+schema)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := admin.ExecContext(context.WithoutCancel(t.Context()), `DROP SCHEMA `+schema+` CASCADE`)
		require.NoError(t, err)
	})
	u, err := url.Parse(base)
	require.NoError(t, err)
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return open(t, db.Config{URL: u.String(), MaxConns: 6})
}
