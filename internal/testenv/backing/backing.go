// Package backing gives a test what a farm stands on, empty and its own, in both
// forms of PatchLAB: on a laptop, and on real servers.
package backing

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"path/filepath"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"patchlab/db"
	"patchlab/db/dbtest"
	"patchlab/internal/testenv"
	"patchlab/queue"
	"patchlab/storage"
)

// Services are the database, the Redis and the asset store of one test.
type Services struct {
	DB    *db.DB
	Redis *redis.Client
	Store storage.Store
	// StopRedis ends the Redis server for good. It may be called twice.
	StopRedis func()
}

// Each runs a test on both forms, in parallel.
func Each(t *testing.T, fn func(t *testing.T, on Services)) {
	t.Helper()
	t.Run("laptop", func(t *testing.T) {
		t.Parallel()
		fn(t, Laptop(t))
	})
	t.Run("servers", func(t *testing.T) {
		t.Parallel()
		fn(t, Servers(t))
	})
}

// Laptop returns SQLite, the embedded Redis and a folder.
func Laptop(t testing.TB) Services {
	t.Helper()
	embedded, err := queue.StartEmbedded()
	require.NoError(t, err)
	stop := func() { assert.NoError(t, embedded.Close()) }
	t.Cleanup(stop)
	client := embedded.Client()
	t.Cleanup(func() { _ = client.Close() })
	disk, err := storage.NewDisk(filepath.Join(t.TempDir(), "assets"))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, disk.Close()) })
	return Services{DB: dbtest.New(t, db.SQLite), Redis: client, Store: disk, StopRedis: stop}
}

// Servers returns PostgreSQL, Redis and MinIO.
func Servers(t testing.TB) Services {
	t.Helper()
	server := testenv.StartRedis(t)
	s3, err := storage.NewS3(Bucket(t, testenv.SharedMinIO(t)))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s3.Close()) })
	require.NoError(t, s3.Prepare(t.Context()))
	return Services{DB: dbtest.New(t, db.Postgres), Redis: server.Client(t), Store: s3, StopRedis: server.Kill}
}

// Bucket names a bucket of a test's own on a private server. Nobody has made it yet.
func Bucket(t testing.TB, server *testenv.MinIO) storage.S3Config {
	t.Helper()
	b := make([]byte, 8)
	_, err := rand.Read(b)
	require.NoError(t, err)
	return storage.S3Config{
		Endpoint: server.Endpoint(), Bucket: "test-" + hex.EncodeToString(b), Region: "us-east-1",
		AccessKey: testenv.MinIOAccessKey, SecretKey: testenv.MinIOSecretKey,
	}
}

// Keys returns the keys of all blobs of a store, in order.
func Keys(t testing.TB, store storage.Store) []string {
	t.Helper()
	keys := []string{}
	require.NoError(t, store.List(context.WithoutCancel(t.Context()), "", func(i storage.Info) error {
		keys = append(keys, i.Key)
		return nil
	}))
	return keys
}

// Leaks excuses the servers that all tests of a package share, which last as long
// as its process, from the check for goroutines that tests leave behind.
func Leaks() goleak.Option { return goleak.IgnoreAnyFunction("patchlab/internal/testenv.wait") }
