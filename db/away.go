package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"time"

	"github.com/lib/pq"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"patchlab/internal/model"
)

// callTimeout bounds one transaction or one read, the wait for a connection
// included, where the caller's context does not bound it more closely.
const callTimeout = 12 * time.Second

// bounded returns ctx with the bound of one call.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, callTimeout)
}

// away marks an error that says that the database cannot serve now, as
// model.CodeUnavailable: it may be shown, and the same call may succeed later.
// Another error, and nil, it returns as it is.
func away(err error) error {
	var known *model.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) {
		return err
	}
	message := "the database cannot be reached at the moment"
	switch {
	case full(err):
		message = "the database is full"
	case overloaded(err):
		message = "the database is too busy at the moment"
	case !disconnected(err):
		return err
	}
	return model.Wrap(model.CodeUnavailable, err, message)
}

// disconnected reports whether the connection failed, or the server sent us away.
func disconnected(err error) bool {
	var network net.Error
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network) {
		return true
	}
	var p *pq.Error
	if errors.As(err, &p) {
		switch p.Code {
		case "57P01", "57P02", "57P03", // shut down, crashed, starting up
			"25P03", // idle in a transaction for too long
			"25006": // read only: a standby that was not promoted yet
			return true
		}
		return p.Code.Class() == "08" // connection exception
	}
	var s *sqlite.Error
	return errors.As(err, &s) && (s.Code()&0xff == sqlite3.SQLITE_IOERR || s.Code()&0xff == sqlite3.SQLITE_CANTOPEN)
}

// overloaded reports whether something took longer than it may.
func overloaded(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	var p *pq.Error
	if errors.As(err, &p) {
		switch p.Code {
		case "57014", "55P03", "53300", "53200": // statement or lock time-out, too many connections, out of memory
			return true
		}
	}
	return again(err)
}

// full reports whether the disk of the database is full.
func full(err error) bool {
	var p *pq.Error
	if errors.As(err, &p) {
		return p.Code == "53100" // disk_full
	}
	var s *sqlite.Error
	return errors.As(err, &s) && s.Code()&0xff == sqlite3.SQLITE_FULL
}
