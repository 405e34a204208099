package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
)

// constant is the type of a query. Being unexported, it can be given from other
// packages only as a constant: SQL that was put together from strings at run time
// does not compile.
type constant string

// ErrNoRows is returned by Get where nothing was found.
var ErrNoRows = sql.ErrNoRows

// Queryer reads, inside a transaction or out of it.
type Queryer interface {
	// Get scans one row into dest, a pointer to a struct or a value; ErrNoRows.
	Get(ctx context.Context, dest any, query constant, args ...any) error
	// Select scans all rows into dest, a pointer to a slice. One argument that is a
	// slice of ids or strings stands for a list, in `IN (?)`; it must not be empty.
	Select(ctx context.Context, dest any, query constant, args ...any) error
}

type queries struct {
	x        sqlx.ExtContext
	dialect  Dialect
	bound    *bindings
	prepared *statements // of the pool that x is, or comes from
}

func (q queries) Get(ctx context.Context, dest any, query constant, args ...any) error {
	s, args, err := q.prepare(query, args)
	if err != nil {
		return err
	}
	if stmt := q.statement(ctx, s, args); stmt != nil { //nolint:sqlclosecheck // it is kept, or ends with its transaction
		err = stmt.GetContext(ctx, dest, args...)
	} else {
		err = sqlx.GetContext(ctx, q.x, dest, s, args...)
	}
	if err != nil {
		return fmt.Errorf("query %s: %w", head(query), err)
	}
	return nil
}

func (q queries) Select(ctx context.Context, dest any, query constant, args ...any) error {
	s, args, err := q.prepare(query, args)
	if err != nil {
		return err
	}
	if stmt := q.statement(ctx, s, args); stmt != nil { //nolint:sqlclosecheck // as above
		err = stmt.SelectContext(ctx, dest, args...)
	} else {
		err = sqlx.SelectContext(ctx, q.x, dest, s, args...)
	}
	if err != nil {
		return fmt.Errorf("query %s: %w", head(query), err)
	}
	return nil
}

// statement returns a query prepared, nil where it is not (yet): then it is parsed anew.
// With a list among its arguments it may be another one each time.
func (q queries) statement(ctx context.Context, s string, args []any) *sqlx.Stmt {
	if q.prepared == nil || hasList(args) {
		return nil
	}
	stmt := q.prepared.get(s)
	if tx, ok := q.x.(*sqlx.Tx); ok && stmt != nil {
		return tx.StmtxContext(ctx, stmt)
	}
	return stmt
}

// prepare binds a query. The only thing that varies at run time is the number of
// question marks of a list.
func (q queries) prepare(query constant, args []any) (string, []any, error) {
	if !hasList(args) {
		return q.bound.get(q.dialect, query), args, nil
	}
	s, args, err := sqlx.In(string(query), args...)
	if err != nil {
		return "", nil, fmt.Errorf("query %s: %w", head(query), err)
	}
	return bind(q.dialect, s), args, nil
}

// head is the start of a query, for errors.
func head(query constant) string {
	words := strings.Fields(string(query))
	return strings.Join(words[:min(len(words), 6)], " ")
}

// Reader is the side of the database that cannot write: its connections refuse it.
type Reader struct {
	db *sqlx.DB
	q  queries
}

// Get implements Queryer. Where the database cannot serve, the error is a
// *model.Error of CodeUnavailable.
func (r *Reader) Get(ctx context.Context, dest any, query constant, args ...any) error {
	return r.insist(ctx, func(ctx context.Context) error { return r.q.Get(ctx, dest, query, args...) })
}

// Select implements Queryer, with errors as Get.
func (r *Reader) Select(ctx context.Context, dest any, query constant, args ...any) error {
	return r.insist(ctx, func(ctx context.Context) error {
		reflect.ValueOf(dest).Elem().SetZero() // of a try that got half-way
		return r.q.Select(ctx, dest, query, args...)
	})
}

// insist reads, for a moment also while the database is away: its restart goes
// unnoticed.
func (r *Reader) insist(ctx context.Context, read func(context.Context) error) error {
	within, cancel := bounded(ctx)
	defer cancel()
	defer r.q.prepared.prepare(within)
	began := time.Now()
	for wait := firstWait; ; wait = min(2*wait, maxWait) {
		err := read(within)
		if !disconnected(err) || time.Since(began) > rideOutRead {
			return away(err)
		}
		select {
		case <-time.After(wait):
		case <-within.Done():
			return away(errors.Join(err, within.Err()))
		}
	}
}

// View runs fn on one snapshot: what its queries see belongs together. Its errors
// are as those of Get. fn may be run again, so it must not add to what it has read.
func (r *Reader) View(ctx context.Context, fn func(Queryer) error) error {
	return r.insist(ctx, func(ctx context.Context) error { return r.view(ctx, fn) })
}

func (r *Reader) view(ctx context.Context, fn func(Queryer) error) (err error) {
	tx, err := r.db.BeginTxx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return fmt.Errorf("begin to read: %w", err)
	}
	defer func() {
		// Nothing was written, so ending by rollback loses nothing.
		if end := tx.Rollback(); end != nil && err == nil && !errors.Is(end, sql.ErrTxDone) && !errors.Is(end, driver.ErrBadConn) {
			err = fmt.Errorf("end reading: %w", end)
		}
	}()
	return fn(queries{x: tx, dialect: r.q.dialect, bound: r.q.bound, prepared: r.q.prepared})
}
