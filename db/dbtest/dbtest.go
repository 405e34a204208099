// Package dbtest gives each test a database of its own, migrated and empty.
package dbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"patchlab/db"
	"patchlab/internal/testenv"
)

// Each runs a test on every dialect there is, in parallel.
func Each(t *testing.T, fn func(t *testing.T, d *db.DB)) {
	t.Helper()
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			t.Parallel()
			fn(t, New(t, dialect))
		})
	}
}

// New returns a migrated database of the dialect, closed and removed when the test
// ends: a SQLite file in a temporary folder, or a database of the private
// PostgreSQL server.
func New(t testing.TB, dialect db.Dialect) *db.DB {
	t.Helper()
	cfg := db.Config{Path: filepath.Join(t.TempDir(), "patchlab.db")}
	if dialect == db.Postgres {
		cfg = db.Config{URL: PostgresURL(t), MaxConns: poolSize}
	}
	d, err := db.Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	if dialect == db.SQLite {
		require.NoError(t, d.Migrate(t.Context()))
	}
	return d
}

// poolSize keeps many tests at once within the server's connections.
const poolSize = 6

// PostgresURL returns the address of a migrated, empty database on the private
// PostgreSQL server, removed when the test ends.
func PostgresURL(t testing.TB) string {
	t.Helper()
	server := testenv.SharedPostgres(t)
	require.NoError(t, template(server))
	return clone(t, server, templateName)
}

// EmptyPostgresURL is PostgresURL without a schema.
func EmptyPostgresURL(t testing.TB) string {
	t.Helper()
	return clone(t, testenv.SharedPostgres(t), "template0")
}

// clone makes a database as a copy of another.
func clone(t testing.TB, server *testenv.Postgres, of string) string {
	t.Helper()
	b := make([]byte, 8)
	_, err := rand.Read(b)
	require.NoError(t, err)
	name := "test_" + hex.EncodeToString(b)
	require.NoError(t, admin(t.Context(), server, `CREATE DATABASE `+name+` TEMPLATE `+of))
	t.Cleanup(func() {
		require.NoError(t, admin(context.WithoutCancel(t.Context()), server, `DROP DATABASE `+name+` WITH (FORCE)`))
	})
	return server.URL(name)
}

// admin runs a statement on the server's own database.
func admin(ctx context.Context, server *testenv.Postgres, statement string) (err error) {
	x, err := sql.Open("postgres", server.URL(""))
	if err != nil {
		return fmt.Errorf("open the private server: %w", err)
	}
	defer func() { _ = x.Close() }()
	if _, err := x.ExecContext(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

const templateName = "patchlab_template"

//nolint:gochecknoglobals // one for the process, like the server that it is on
var templated struct {
	once sync.Once
	err  error
}

// template makes the database that those of the tests are copied from.
func template(server *testenv.Postgres) error {
	templated.once.Do(func() {
		templated.err = func() error {
			ctx := context.Background()
			if err := admin(ctx, server, `CREATE DATABASE `+templateName); err != nil {
				return err
			}
			d, err := db.Open(ctx, db.Config{URL: server.URL(templateName)})
			if err != nil {
				return fmt.Errorf("open the template: %w", err)
			}
			if err := d.Migrate(ctx); err != nil {
				_ = d.Close()
				return fmt.Errorf("migrate the template: %w", err)
			}
			return d.Close()
		}()
	})
	return templated.err
}

// Through returns the address of a database by way of a proxy at host:port.
func Through(t testing.TB, at, proxy string) string {
	t.Helper()
	u, err := url.Parse(at)
	require.NoError(t, err)
	u.Host = proxy
	query := u.Query()
	query.Del("host")
	u.RawQuery = query.Encode()
	return u.String()
}
