package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Tx is a transaction that may write.
type Tx struct{ queries }

// Exec runs a statement and returns the number of rows that it changed.
func (t *Tx) Exec(ctx context.Context, query constant, args ...any) (int64, error) {
	s, args, err := t.prepare(query, args)
	if err != nil {
		return 0, err
	}
	var res sql.Result
	if stmt := t.statement(ctx, s, args); stmt != nil {
		res, err = stmt.ExecContext(ctx, args...)
	} else {
		res, err = t.x.ExecContext(ctx, s, args...)
	}
	if err != nil {
		return 0, fmt.Errorf("exec %s: %w", head(query), err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("exec %s: count rows: %w", head(query), err)
	}
	return n, nil
}

// Bounds of the tries of one transaction.
const (
	maxTries  = 10
	firstWait = 5 * time.Millisecond
	maxWait   = 250 * time.Millisecond
	// rideOut is how long a transaction whose connection failed is begun again:
	// the restart of a server goes unnoticed, an outage is told soon.
	rideOut = 3 * time.Second
	// rideOutRead is the same for a read, for which somebody waits.
	rideOutRead = time.Second
)

// InTx runs fn in one transaction: committed when fn returns nil, rolled back when
// it returns an error or panics. It is run again where the database asks for that
// (a serialization failure, a deadlock, a busy SQLite) or where the connection
// failed before the commit, so fn must not leave traces outside of the transaction
// that a second run would double, and must not call InTx. The isolation is read
// committed with row locks on PostgreSQL; SQLite's transactions follow one another.
//
// Where the database cannot serve, the error is a *model.Error of CodeUnavailable.
// If that is because the connection failed during the commit, nobody knows whether
// the transaction counts.
func (d *DB) InTx(ctx context.Context, fn func(*Tx) error) error {
	wait := firstWait
	began := time.Now()
	for try := 1; ; try++ {
		committing, err := d.once(ctx, fn)
		retry := again(err) || !committing && disconnected(err) && time.Since(began) < rideOut
		if err == nil || try == maxTries || !retry {
			return away(err)
		}
		timer := time.NewTimer(wait/2 + d.jitter(wait/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return away(errors.Join(err, ctx.Err()))
		}
		wait = min(2*wait, maxWait)
	}
}

// once runs fn in one transaction. committing says that a failure came with the
// commit, not before it.
func (d *DB) once(ctx context.Context, fn func(*Tx) error) (committing bool, err error) {
	within, cancel := bounded(ctx)
	defer cancel()
	defer d.prepared.prepare(within)
	tx, err := d.write.BeginTxx(within, nil)
	if err != nil {
		return false, fmt.Errorf("begin: %w", err)
	}
	done := false
	defer func() {
		if !done { // an error or a panic
			err = errors.Join(err, rollback(tx))
		}
	}()
	if err := fn(&Tx{queries: d.queries(tx, d.prepared)}); err != nil {
		if errors.Is(err, sql.ErrTxDone) {
			err = errors.Join(err, within.Err()) // it was ended because it took too long
		}
		return false, err
	}
	done = true
	if err := tx.Commit(); err != nil {
		if errors.Is(err, sql.ErrTxDone) {
			err = errors.Join(err, within.Err()) // it was ended before the commit
		}
		return true, fmt.Errorf("commit: %w", err)
	}
	return true, nil
}

// rollback undoes a transaction. That of a cancelled context or of a connection
// that failed is undone already.
func rollback(tx *sqlx.Tx) error {
	if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) && !errors.Is(err, driver.ErrBadConn) {
		return fmt.Errorf("roll back: %w", err)
	}
	return nil
}

// again reports whether the database says that the same transaction may succeed
// when it is run once more.
func again(err error) bool {
	var p *pq.Error
	if errors.As(err, &p) {
		return p.Code == "40001" || p.Code == "40P01" // serialization_failure, deadlock_detected
	}
	var s *sqlite.Error
	if errors.As(err, &s) {
		return s.Code()&0xff == sqlite3.SQLITE_BUSY || s.Code()&0xff == sqlite3.SQLITE_LOCKED
	}
	return false
}

// IsForeignKey reports whether err is a refusal by a foreign key.
func IsForeignKey(err error) bool {
	var p *pq.Error
	if errors.As(err, &p) {
		return p.Code == "23503" // foreign_key_violation
	}
	var s *sqlite.Error
	return errors.As(err, &s) && (s.Code() == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY || s.Code() == sqlite3.SQLITE_CONSTRAINT_TRIGGER)
}

// hasList reports whether an argument stands for a list.
func hasList(args []any) bool {
	for _, a := range args {
		switch a.(type) {
		case []uuid.UUID, []string:
			return true
		}
	}
	return false
}
