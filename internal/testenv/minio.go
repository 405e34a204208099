package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// MinIO is a private MinIO server on a port of the loopback.
type MinIO struct {
	*server
	program string
	port    int
	disk    *Disk // that holds its data; nil = the one of the machine
}

// The keys of a private MinIO.
const (
	MinIOAccessKey = "patchlab"
	MinIOSecretKey = "patchlab-minio"
)

// NewMinIO starts a server. Its program is built from the module proxy, once, by
// scripts/tool.sh, which takes minutes.
func NewMinIO() (*MinIO, error) { return NewMinIOOn(nil) }

// NewMinIOOn starts a server whose data are on a disk; nil = that of the machine.
func NewMinIOOn(disk *Disk) (*MinIO, error) {
	program, err := tool("minio")
	if err != nil {
		return nil, err
	}
	s, err := newServer("minio", nil)
	if err != nil {
		return nil, err
	}
	m := &MinIO{server: s, program: program, disk: disk}
	s.ready = func(ctx context.Context) error {
		// Its own answer about its health comes before it knows its users.
		client, err := minio.New(m.Addr(), &minio.Options{
			Creds: credentials.NewStaticV4(MinIOAccessKey, MinIOSecretKey, ""), Region: "us-east-1", MaxRetries: 1,
			Transport: &http.Transport{DisableKeepAlives: true},
		})
		if err != nil {
			return fmt.Errorf("ask: %w", err)
		}
		if _, err := client.ListBuckets(ctx); err != nil {
			return fmt.Errorf("ask: %w", err)
		}
		return nil
	}
	// Somebody may take the port between the look and the start.
	const tries = 3
	for range tries {
		if m.port, err = freePort(); err != nil {
			return nil, err
		}
		if err = m.Start(); err == nil {
			return m, nil
		}
	}
	return nil, errors.Join(err, m.Close())
}

// Start starts the server again after Kill, at the same port and with its data.
func (m *MinIO) Start() error {
	data := filepath.Join(m.dir, "data")
	if m.disk != nil {
		data = m.disk.Path("minio")
	}
	command := []string{m.program, "server", "--quiet", "--address", m.Addr(), data}
	if m.disk != nil {
		command = m.disk.Inside(command...)
	}
	return m.run([]string{
		"MINIO_ROOT_USER=" + MinIOAccessKey, "MINIO_ROOT_PASSWORD=" + MinIOSecretKey,
		"MINIO_BROWSER=off", "MINIO_UPDATE=off", "MINIO_CALLHOME_ENABLE=off",
	}, command[0], command[1:]...)
}

// Addr returns the server's host and port.
func (m *MinIO) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(m.port)) }

// Endpoint returns the server's URL.
func (m *MinIO) Endpoint() string { return "http://" + m.Addr() }

// StartMinIO starts a server that ends with the test.
func StartMinIO(t testing.TB) *MinIO {
	t.Helper()
	m, err := NewMinIO()
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { closeServer(t, m.server) })
	return m
}

// SharedMinIO returns the one server of this process for tests that do not
// disturb one another: each uses a bucket of its own, and nobody kills it.
func SharedMinIO(t testing.TB) *MinIO {
	t.Helper()
	m, err := shared.minio()
	if err != nil {
		t.Fatalf("%v", err)
	}
	return m
}
