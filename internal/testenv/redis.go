// Package testenv starts private servers for tests: on free ports or sockets, in
// temporary folders, and stopped with the test. Nothing that runs already is used.
package testenv

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"patchlab/queue"
)

// Redis is a private redis-server of one test, on a unix socket in a folder of
// its own, in memory only.
type Redis struct {
	t   testing.TB
	dir string
	cmd *exec.Cmd
}

// StartRedis starts a redis-server that ends with the test. Without the program
// the test fails, with a line that says what to install.
func StartRedis(t testing.TB) *Redis {
	t.Helper()
	dir, err := os.MkdirTemp("", "plr") //nolint:usetesting // t.TempDir is too long: the path of a socket has at most 107 bytes
	if err != nil {
		t.Fatalf("make a folder for redis-server: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	r := &Redis{t: t, dir: dir}
	r.Start()
	t.Cleanup(r.Kill)
	return r
}

// URL returns the address for queue.Open.
func (r *Redis) URL() string { return "unix://" + r.socket() }

func (r *Redis) socket() string { return filepath.Join(r.dir, "s") }

// Client returns a new client that is closed with the test.
func (r *Redis) Client() redis.UniversalClient {
	r.t.Helper()
	c, err := queue.Open(r.URL())
	if err != nil {
		r.t.Fatalf("open redis: %v", err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

// Start starts the server again, empty, after Kill.
func (r *Redis) Start() {
	r.t.Helper()
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		r.t.Fatal("redis-server is not installed: apt-get install redis-server")
	}
	r.cmd = exec.CommandContext(context.Background(), bin, "--port", "0", "--unixsocket", r.socket(),
		"--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction", "--dir", r.dir)
	if err := r.cmd.Start(); err != nil {
		r.t.Fatalf("start redis-server: %v", err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		conn, err := new(net.Dialer).DialContext(context.Background(), "unix", r.socket())
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("redis-server does not answer: %v", err)
		}
	}
}

// Kill ends the server at once. It may be called twice.
func (r *Redis) Kill() {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
	_ = os.Remove(r.socket()) // or Start would mistake the dead one for the new one
	r.cmd = nil
}
