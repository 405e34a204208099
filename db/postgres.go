package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"patchlab/internal/stall"
)

// The bounds of what PostgreSQL is asked for. Each statement of ours is a matter
// of milliseconds; what takes seconds is held up, and to give up and try again
// later is better than to hold everybody else up as well.
const (
	connectTimeout   = 5 * time.Second
	statementTimeout = 8 * time.Second
	lockTimeout      = 4 * time.Second
	// idleInTxTimeout frees the locks of a process that froze in a transaction.
	idleInTxTimeout = 15 * time.Second
	// connLifetime moves a pool over to the server that an address means now, where a
	// standby took over and the old one still answers.
	connLifetime = 10 * time.Minute
	// silence is how long the network may say nothing: the server has ended every
	// statement by then.
	silence = statementTimeout + 2*time.Second
)

// server is how to reach a PostgreSQL server. The zero value is for SQLite.
type server struct{ url *url.URL }

// newServer reads a URL and fills in what it leaves open.
func newServer(raw string) (server, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// The cause holds the URL and so the password.
		return server{}, errors.New("the URL cannot be parsed")
	}
	if u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return server{}, fmt.Errorf("the scheme is %q, not postgres", u.Scheme)
	}
	query := u.Query()
	modes := []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
	if !slices.Contains(modes, query.Get("sslmode")) {
		return server{}, fmt.Errorf("the URL must say sslmode=, one of %s", strings.Join(modes, ", "))
	}
	query.Set("timezone", "UTC")
	// One exchange with the server for each statement instead of two: a statement is
	// parsed and run at once. Bytes then go as bytes, so JSON has to go as text.
	query.Set("binary_parameters", "yes")
	if !query.Has("application_name") {
		query.Set("application_name", "patchlab")
	}
	if !query.Has("connect_timeout") {
		query.Set("connect_timeout", strconv.Itoa(int(connectTimeout.Seconds())))
	}
	u.RawQuery = query.Encode()
	return server{u}, nil
}

// String returns where the server is, without the password.
func (s server) String() string {
	if host := s.url.Query().Get("host"); host != "" && s.url.Host == "" {
		return host
	}
	return s.url.Host
}

// open returns a pool of connections with settings of their own, which those in
// the URL outrank, and gives each up after so much silence (0 = never).
func (s server) open(settings map[string]string, silence time.Duration) (*sql.DB, error) {
	u := *s.url
	query := u.Query()
	for name, value := range settings {
		if !query.Has(name) {
			query.Set(name, value)
		}
	}
	u.RawQuery = query.Encode()
	connector, err := pq.NewConnector(u.String())
	if err != nil {
		return nil, fmt.Errorf("configure: %w", err)
	}
	connector.Dialer(stall.Dialer{Connect: connectTimeout, Silence: silence})
	return sql.OpenDB(connector), nil
}

// serving are the settings of the connections that serve requests.
func serving() map[string]string {
	ms := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	return map[string]string{
		"statement_timeout":                   ms(statementTimeout),
		"lock_timeout":                        ms(lockTimeout),
		"idle_in_transaction_session_timeout": ms(idleInTxTimeout),
	}
}

func (d *DB) openPostgres(ctx context.Context, cfg Config) error {
	s, err := newServer(cfg.URL)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	d.dialect, d.server = Postgres, s
	conns := 4 * runtime.GOMAXPROCS(0)
	settings := serving()
	if d.write, err = s.pool(ctx, settings); err != nil {
		return fmt.Errorf("open database at %s: %w", s, err)
	}
	setPool(d.write, cfg.MaxConns, conns)
	d.write.SetConnMaxLifetime(connLifetime)
	settings["default_transaction_read_only"] = "on"
	read, err := s.pool(ctx, settings)
	if err != nil {
		return fmt.Errorf("open database at %s for reading: %w", s, err)
	}
	setPool(read, cfg.MaxConns, conns)
	read.SetConnMaxLifetime(connLifetime)
	d.prepared = newStatements(d.write)
	d.reader = &Reader{db: read, q: d.queries(read, newStatements(read))}
	return nil
}

func (s server) pool(ctx context.Context, settings map[string]string) (*sqlx.DB, error) {
	x, err := s.open(settings, silence)
	if err != nil {
		return nil, err
	}
	return reached(ctx, sqlx.NewDb(x, "postgres"))
}
