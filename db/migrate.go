package db

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	"github.com/golang-migrate/migrate/v4/database/postgres"
	migratesqlite "github.com/golang-migrate/migrate/v4/database/sqlite"
	"github.com/golang-migrate/migrate/v4/source/iofs"
)

// migrations holds both sets, of the same version numbers.
//
//go:embed migrations/postgres/*.sql migrations/sqlite/*.sql
var migrations embed.FS

// migrateLock is the advisory lock under which PostgreSQL is migrated: any fixed
// number that nobody else uses.
const migrateLock = 0x70617463686c6162 // "patchlab"

// Migrate brings the schema up to date. Several processes may call it at once:
// the others wait for the first. A migration that a crash interrupted is run
// again, or only noted as done where it was through.
func (d *DB) Migrate(ctx context.Context) (err error) {
	unlock, err := d.lockMigrations(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()

	m, err := d.migrator(ctx)
	if err != nil {
		return err
	}
	defer func() {
		source, target := m.Close() // closes the connection made for it, too
		err = errors.Join(err, source, target)
	}()
	if err := d.mend(ctx, m); err != nil {
		return err
	}
	if err := m.Up(); err != nil && !errors.Is(err, migrate.ErrNoChange) {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// mend clears the mark of a migration that was interrupted. A migration is one
// transaction that notes its version in migrations_done, so it happened or it did
// not.
func (d *DB) mend(ctx context.Context, m *migrate.Migrate) error {
	version, dirty, err := m.Version()
	if errors.Is(err, migrate.ErrNilVersion) || (err == nil && !dirty) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("migrate: read version: %w", err)
	}
	var through int64
	// The table itself is made by the first migration: without it nothing is through.
	if err := d.queries(d.write, nil).Get(ctx, &through, `SELECT count(*) FROM migrations_done WHERE version = ?`, int64(version)); err != nil {
		through = 0
	}
	target := int(version)
	if through == 0 {
		target--
	}
	if target == 0 {
		target = database.NilVersion
	}
	if err := m.Force(target); err != nil {
		return fmt.Errorf("migrate: clear the mark of an interrupted migration: %w", err)
	}
	return nil
}

func (d *DB) migrator(ctx context.Context) (*migrate.Migrate, error) {
	source, err := iofs.New(migrations, "migrations/"+string(d.dialect))
	if err != nil {
		return nil, fmt.Errorf("migrate: open the migrations: %w", err)
	}
	// A connection of its own, because closing a migrator closes its database.
	x, err := d.migrating()
	if err != nil {
		return nil, err
	}
	if err := x.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate: connect: %w", err), x.Close())
	}
	var target database.Driver
	if d.dialect == Postgres {
		target, err = postgres.WithInstance(x, &postgres.Config{})
	} else {
		x.SetMaxOpenConns(1)
		target, err = migratesqlite.WithInstance(x, &migratesqlite.Config{})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("migrate: prepare: %w", err), x.Close())
	}
	m, err := migrate.NewWithInstance("iofs", source, string(d.dialect), target)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("migrate: prepare: %w", err), target.Close())
	}
	return m, nil
}

// lockMigrations keeps other processes out. golang-migrate's own lock is not
// enough: on SQLite it holds within the process only, and mending must be under
// the same lock as migrating.
func (d *DB) lockMigrations(ctx context.Context) (unlock func() error, err error) {
	if d.dialect == SQLite {
		return lockFile(ctx, d.path+".migrate.lock")
	}
	x, err := d.migrating()
	if err != nil {
		return nil, err
	}
	conn, err := x.Conn(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("migrate: connect to lock: %w", err), x.Close())
	}
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, int64(migrateLock)); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate: lock: %w", err), conn.Close(), x.Close())
	}
	return func() error {
		// Not ctx: the lock must go even where ctx has ended.
		_, err := conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, int64(migrateLock))
		return errors.Join(err, conn.Close(), x.Close())
	}, nil
}

// migrating opens the database for migrations, which may take their time: without
// the bounds of what serves requests.
func (d *DB) migrating() (*sql.DB, error) {
	var x *sql.DB
	var err error
	if d.dialect == Postgres {
		x, err = d.server.open(nil, 0)
	} else {
		x, err = sql.Open("sqlite", d.dsn)
	}
	if err != nil {
		return nil, fmt.Errorf("migrate: open: %w", err)
	}
	return x, nil
}
