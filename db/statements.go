package db

import (
	"context"
	"sync"

	"github.com/jmoiron/sqlx"
)

// statements keeps the queries of one pool prepared: to parse and plan a query costs
// SQLite more than to run it, and PostgreSQL about as much. Their number is bounded by
// that of the constants in the code.
type statements struct {
	pool *sqlx.DB

	mu     sync.RWMutex
	ready  map[string]*sqlx.Stmt
	wanted map[string]struct{} // were run without, since the last prepare
}

func newStatements(pool *sqlx.DB) *statements {
	return &statements{pool: pool, ready: make(map[string]*sqlx.Stmt), wanted: make(map[string]struct{})}
}

// get returns a prepared query; nil where it is not prepared, and then prepare will do it.
func (s *statements) get(query string) *sqlx.Stmt {
	s.mu.RLock()
	stmt := s.ready[query]
	_, known := s.wanted[query]
	s.mu.RUnlock()
	if stmt == nil && !known {
		s.mu.Lock()
		s.wanted[query] = struct{}{}
		s.mu.Unlock()
	}
	return stmt
}

// prepare prepares what was wanted. It needs a connection of its own, so nobody calls it
// within a transaction: SQLite has one connection to write with. What cannot be prepared
// is run without, and tells of its fault there.
func (s *statements) prepare(ctx context.Context) {
	s.mu.RLock()
	idle := len(s.wanted) == 0
	s.mu.RUnlock()
	if idle {
		return
	}
	s.mu.Lock()
	wanted := s.wanted
	s.wanted = make(map[string]struct{})
	s.mu.Unlock()
	for query := range wanted {
		stmt, err := s.pool.PreparexContext(ctx, query) //nolint:sqlclosecheck // it is kept as long as its pool
		if err != nil {
			continue
		}
		s.mu.Lock()
		if s.ready[query] == nil {
			s.ready[query], stmt = stmt, nil
		}
		s.mu.Unlock()
		if stmt != nil {
			_ = stmt.Close() // another was faster
		}
	}
}
