// Package db opens the database, SQLite or PostgreSQL, and is the only place that
// knows which of the two it is. Queries are constants with `?` for parameters,
// written once for both.
//
// Reads go through Reader, which cannot write; writes go through InTx, and only
// package service calls it.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Dialect is the kind of database.
type Dialect string

// The dialects.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// Config says where the database is.
type Config struct {
	// URL of a PostgreSQL database, postgres://…?sslmode=…; sslmode must be given,
	// for the driver's own default differs from libpq's. Empty: SQLite at Path.
	URL string
	// Path of the SQLite file.
	Path string
	// MaxConns bounds the connections of the pool of each side; 0 = 4 per CPU for
	// PostgreSQL, and 2 per CPU, at least 4, for the readers of SQLite.
	MaxConns int
	// Jitter draws a wait in [0, most) before a transaction is tried again; nil =
	// the runtime's random numbers.
	Jitter func(most time.Duration) time.Duration
}

// DB is an open database.
type DB struct {
	dialect Dialect
	dsn     string // of SQLite, for writing
	path    string // of the SQLite file
	server  server // of PostgreSQL
	write   *sqlx.DB
	reader  *Reader
	// prepared are the statements of write.
	prepared *statements
	jitter   func(time.Duration) time.Duration
	bound    *bindings
}

// Open connects to the database; it does not migrate it.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	d := &DB{jitter: cfg.Jitter, bound: &bindings{}}
	if d.jitter == nil {
		d.jitter = func(most time.Duration) time.Duration { return rand.N(most) } //nolint:gosec // spreads retries, guards nothing
	}
	var err error
	if cfg.URL != "" {
		err = d.openPostgres(ctx, cfg)
	} else {
		err = d.openSQLite(ctx, cfg)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// sqliteOptions hold for every connection to SQLite.
//
//   - journal_mode=WAL: readers do not wait for the writer.
//   - synchronous=FULL: a commit has reached the disk before it returns. NORMAL
//     would survive kill -9 too, but not a power cut, and an accepted job must.
//   - _txlock=immediate: a transaction that reads and then writes takes the write
//     lock at once, and so cannot fail half-way because another wrote meanwhile.
//   - _time_format=sqlite, _timezone=UTC: times are text of one time zone, and
//     order as text as they do as times.
func sqliteOptions() url.Values {
	return url.Values{
		"_pragma":      {busyPragma(), "journal_mode(WAL)", "foreign_keys(1)", "synchronous(FULL)"},
		"_txlock":      {"immediate"},
		"_time_format": {"sqlite"},
		"_timezone":    {"UTC"},
	}
}

// busyTimeout is how long SQLite waits for a lock.
const busyTimeout = 5 * time.Second

func busyPragma() string { return fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()) }

func (d *DB) openSQLite(ctx context.Context, cfg Config) error {
	if cfg.Path == "" {
		return errors.New("open database: neither a URL nor a path")
	}
	abs, err := filepath.Abs(cfg.Path)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	d.dialect, d.path = SQLite, abs
	file := url.URL{Scheme: "file", Path: abs}
	options := sqliteOptions()
	file.RawQuery = options.Encode()
	d.dsn = file.String()
	if d.write, err = connect(ctx, "sqlite", d.dsn); err != nil {
		return fmt.Errorf("open %s: %w", abs, err)
	}
	// One writer: SQLite has one write lock, and waiting for it in line is faster
	// and fairer than polling for it.
	d.write.SetMaxOpenConns(1)
	d.write.SetMaxIdleConns(1)

	options.Set("mode", "ro")
	options["_pragma"] = []string{busyPragma(), "query_only(1)"}
	options.Del("_txlock")
	file.RawQuery = options.Encode()
	read, err := connect(ctx, "sqlite", file.String())
	if err != nil {
		return fmt.Errorf("open %s for reading: %w", abs, err)
	}
	setPool(read, cfg.MaxConns, max(4, 2*runtime.GOMAXPROCS(0)))
	d.prepared = newStatements(d.write)
	d.reader = &Reader{db: read, q: d.queries(read, newStatements(read))}
	return nil
}

// connect waits as long as busy_timeout does for a file that is busy: while one process
// turns a new file to WAL, SQLite refuses the others at once, without its busy handler.
func connect(ctx context.Context, driver, dsn string) (*sqlx.DB, error) {
	for began := time.Now(); ; {
		x, err := sqlx.Open(driver, dsn)
		if err != nil {
			return nil, fmt.Errorf("configure: %w", err)
		}
		x, err = reached(ctx, x)
		if !again(err) || time.Since(began) > busyTimeout {
			return x, err
		}
		timer := time.NewTimer(firstWait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, errors.Join(err, ctx.Err())
		}
	}
}

// reached returns x where the database answers, and closes it otherwise.
func reached(ctx context.Context, x *sqlx.DB) (*sqlx.DB, error) {
	if err := x.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("connect: %w", err), x.Close())
	}
	return x, nil
}

func setPool(x *sqlx.DB, conns, normally int) {
	if conns <= 0 {
		conns = normally
	}
	x.SetMaxOpenConns(conns)
	x.SetMaxIdleConns(conns)
	x.SetConnMaxIdleTime(5 * time.Minute)
}

// Dialect returns the kind of database.
func (d *DB) Dialect() Dialect { return d.dialect }

// Reader returns the side that can only read.
func (d *DB) Reader() *Reader { return d.reader }

// Ping checks both sides.
func (d *DB) Ping(ctx context.Context) error {
	if err := d.write.PingContext(ctx); err != nil {
		return away(fmt.Errorf("ping the database: %w", err))
	}
	if err := d.reader.db.PingContext(ctx); err != nil {
		return away(fmt.Errorf("ping the database's readers: %w", err))
	}
	return nil
}

// Stats returns the state of the pools of connections, by name.
func (d *DB) Stats() map[string]sql.DBStats {
	return map[string]sql.DBStats{"write": d.write.Stats(), "read": d.reader.db.Stats()}
}

// Close closes all connections. One that has failed already is no fault: a process
// must be able to stop cleanly after its database has.
func (d *DB) Close() error {
	var errs []error
	quietly := func(err error) {
		if !disconnected(err) {
			errs = append(errs, err)
		}
	}
	if d.reader != nil {
		quietly(d.reader.db.Close())
	}
	if d.write != nil {
		quietly(d.write.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close the database: %w", err)
	}
	return nil
}

func (d *DB) queries(x sqlx.ExtContext, prepared *statements) queries {
	return queries{x: x, dialect: d.dialect, bound: d.bound, prepared: prepared}
}

// bindings keeps each query in the words of the dialect.
type bindings struct{ m sync.Map } // constant → string

func (b *bindings) get(dialect Dialect, q constant) string {
	if s, ok := b.m.Load(q); ok {
		return s.(string)
	}
	s := bind(dialect, string(q))
	b.m.Store(q, s)
	return s
}

// bind puts a query into the words of a dialect. SQLite has no row locks and
// needs none: its transactions here are immediate, one at a time.
func bind(dialect Dialect, q string) string {
	if dialect == Postgres {
		return sqlx.Rebind(sqlx.DOLLAR, q)
	}
	return strings.NewReplacer(" FOR UPDATE SKIP LOCKED", "", " FOR UPDATE", "").Replace(q)
}
