package testenv

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Postgres is a private cluster of PostgreSQL 15 or later on a unix socket. Unless
// Durable, it does not wait for the disk, so it survives kill -9, not a power cut.
type Postgres struct {
	*server
	program string
	options []string
}

// superuser owns the cluster; the socket trusts everybody who can reach it.
const superuser = "patchlab"

// Durable returns the options with which a cluster waits for the disk, as in production.
func Durable() []string { return []string{"-c", "fsync=on", "-c", "full_page_writes=on"} }

// NewPostgres makes a cluster and starts it, with further options of its command line.
func NewPostgres(options ...string) (*Postgres, error) {
	const install = "apt-get install postgresql"
	folders := []string{"/usr/lib/postgresql/1[5-9]/bin", "/usr/pgsql-1[5-9]/bin", "/opt/homebrew/opt/postgresql@1[5-9]/bin"}
	program, err := find("postgres", install, folders...)
	if err != nil {
		return nil, err
	}
	if resolved, err := filepath.EvalSymlinks(program); err == nil {
		program = resolved
	}
	initdb, err := find("initdb", install, append([]string{filepath.Dir(program)}, folders...)...)
	if err != nil {
		return nil, err
	}
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	s, err := newServer("postgres", as)
	if err != nil {
		return nil, err
	}
	s.quit = syscall.SIGQUIT // SIGKILL would leave shared memory behind
	p := &Postgres{server: s, program: program, options: options}
	s.ready = func(context.Context) error {
		// The socket is there before the server takes connections after a crash; the
		// file of its process says "ready" on the line made for that.
		return readyLine(filepath.Join(p.data(), "postmaster.pid"))
	}
	cmd := exec.CommandContext(context.Background(), initdb, "--pgdata", p.data(), "--username", superuser,
		"--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LANG=C", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("make a cluster of PostgreSQL: %w\n%s", err, out), s.Close())
	}
	if err := p.Start(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Postgres) data() string { return filepath.Join(p.dir, "data") }

// Start starts the server again after Kill, with all that was committed. The children
// of one that was killed lead groups of their own and end by themselves when they miss
// it: until then they hold its memory, and the next one refuses to start.
func (p *Postgres) Start() error {
	for deadline := time.Now().Add(startTimeout); ; {
		_ = os.Remove(filepath.Join(p.data(), "postmaster.pid")) // or the dead one would be taken for ready
		args := append([]string{
			"-D", p.data(), "-k", p.dir, "-c", "listen_addresses=",
			"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=300",
			"-c", "shared_buffers=64MB", "-c", "autovacuum_naptime=5s", "-c", "log_min_messages=warning",
		}, p.options...)
		err := p.run(nil, p.program, args...)
		if err == nil || !strings.Contains(err.Error(), "pre-existing shared memory block") || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Socket returns the path of the server's socket.
func (p *Postgres) Socket() string { return filepath.Join(p.dir, ".s.PGSQL.5432") }

// URL returns the address of a database of the cluster; "" = the one that is there
// from the start.
func (p *Postgres) URL(database string) string {
	if database == "" {
		database = "postgres"
	}
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Path: "/" + database}
	u.RawQuery = url.Values{"host": {p.dir}, "sslmode": {"disable"}}.Encode()
	return u.String()
}

// StartPostgres starts a server that ends with the test.
func StartPostgres(t testing.TB) *Postgres {
	t.Helper()
	p, err := NewPostgres()
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { closeServer(t, p.server) })
	return p
}

// shared are the servers that all tests of a package use. A cluster takes two
// seconds to make: too long for each test, which has a database of its own
// instead. They end with the process, by their guards.
//
//nolint:gochecknoglobals // one for the process, like the process itself
var shared = struct {
	postgres func() (*Postgres, error)
	minio    func() (*MinIO, error)
}{sync.OnceValues(func() (*Postgres, error) { return NewPostgres() }), sync.OnceValues(NewMinIO)}

// SharedPostgres returns the one server of this process for tests that do not
// disturb one another: each uses a database of its own, and nobody kills it.
func SharedPostgres(t testing.TB) *Postgres {
	t.Helper()
	p, err := shared.postgres()
	if err != nil {
		t.Fatalf("%v", err)
	}
	return p
}

// readyLine reads the line in which PostgreSQL says how far its start is.
func readyLine(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("not yet: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		if strings.TrimSpace(line) == "ready" {
			return nil
		}
	}
	return errors.New("not ready yet")
}
