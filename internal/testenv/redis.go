package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/redis/go-redis/v9"

	"patchlab/queue"
)

// Redis is a private redis-server on a unix socket, in memory only.
type Redis struct {
	*server
	program string
	options []string
}

// NewRedis starts a redis-server with further options of its command line.
func NewRedis(options ...string) (*Redis, error) {
	program, err := find("redis-server", "apt-get install redis-server")
	if err != nil {
		return nil, err
	}
	s, err := newServer("redis-server", nil)
	if err != nil {
		return nil, err
	}
	r := &Redis{server: s, program: program, options: options}
	s.ready = func(ctx context.Context) error { return dials(ctx, "unix", r.Socket()) }
	if err := r.Start(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Start starts the server again after Kill. It is empty.
func (r *Redis) Start() error {
	_ = os.Remove(r.Socket()) // or the dead one would be taken for the new one
	args := append([]string{
		"--port", "0", "--unixsocket", r.Socket(), "--save", "", "--appendonly", "no",
		"--maxmemory-policy", "noeviction", "--dir", r.dir,
	}, r.options...)
	return r.run(nil, r.program, args...)
}

// Socket returns the path of the server's socket.
func (r *Redis) Socket() string { return filepath.Join(r.dir, "s") }

// URL returns the address for queue.Open.
func (r *Redis) URL() string { return "unix://" + r.Socket() }

// StartRedis starts a redis-server that ends with the test. Without the program
// the test fails, with a line that says what to install.
func StartRedis(t testing.TB, options ...string) *Redis {
	t.Helper()
	r, err := NewRedis(options...)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { closeServer(t, r.server) })
	return r
}

// Client returns a new client that is closed with the test.
func (r *Redis) Client(t testing.TB) *redis.Client {
	t.Helper()
	c, err := queue.Open(r.URL())
	if err != nil {
		t.Fatalf("open redis: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Restart starts the server again, empty, after Kill.
func (r *Redis) Restart(t testing.TB) {
	t.Helper()
	if err := r.Start(); err != nil {
		t.Fatalf("%v", err)
	}
}

func closeServer(t testing.TB, s *server) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", fmt.Errorf("%s: %w", s.name, err))
	}
}
