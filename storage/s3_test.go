package storage_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/internal/model"
	"patchlab/internal/testenv"
	"patchlab/storage"
	"patchlab/storage/storagetest"
)

// bucket returns where a bucket of a test's own would be; nobody has made it yet.
func bucket(t testing.TB, endpoint string) storage.S3Config {
	t.Helper()
	b := make([]byte, 8)
	_, err := rand.Read(b)
	require.NoError(t, err)
	return storage.S3Config{
		Endpoint: endpoint, Bucket: "test-" + hex.EncodeToString(b), Region: "us-east-1",
		AccessKey: testenv.MinIOAccessKey, SecretKey: testenv.MinIOSecretKey,
	}
}

func openS3(t testing.TB, cfg storage.S3Config) *storage.S3 {
	t.Helper()
	s, err := storage.NewS3(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func newS3(t testing.TB) *storage.S3 {
	t.Helper()
	s := openS3(t, bucket(t, testenv.SharedMinIO(t).Endpoint()))
	require.NoError(t, s.Prepare(t.Context()))
	return s
}

// client speaks to the server as its operator would.
func client(t testing.TB, cfg storage.S3Config) *minio.Client {
	t.Helper()
	c, err := minio.New(strings.TrimPrefix(cfg.Endpoint, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, ""), Region: cfg.Region,
	})
	require.NoError(t, err)
	return c
}

func TestS3(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storage.Store { return newS3(t) })
}

// What a Put holds does not grow with the blob. Not parallel: it counts what the
// whole process allocates.
func TestS3HoldsOnePartInMemory(t *testing.T) { //nolint:paralleltest // see above
	s := newS3(t)
	key := storagetest.NewKey(t, "a")
	const size = 128 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	info, err := s.Put(t.Context(), key, io.LimitReader(zeros{}, size))
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	require.EqualValues(t, size, info.Size)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20), "bytes allocated in all for 128 MiB")
	require.NoError(t, s.Delete(t.Context(), key))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestS3MakesItsBucketOnce(t *testing.T) {
	t.Parallel()
	cfg := bucket(t, testenv.SharedMinIO(t).Endpoint())
	early := openS3(t, cfg)
	err := early.Check(t.Context())
	require.Equal(t, model.CodeUnavailable, model.CodeOf(err))
	require.ErrorContains(t, err, cfg.Bucket)
	var all sync.WaitGroup
	for range 4 { // as several processes that start together
		all.Go(func() { assert.NoError(t, openS3(t, cfg).Prepare(t.Context())) })
	}
	all.Wait()
	require.NoError(t, early.Check(t.Context()))
	require.NoError(t, early.List(t.Context(), "", func(i storage.Info) error {
		return errors.New("the self-test left " + i.Key)
	}))
}

func TestS3SaysWhyItCannotStart(t *testing.T) {
	t.Parallel()
	server := testenv.SharedMinIO(t).Endpoint()
	for name, tt := range map[string]struct {
		change func(*storage.S3Config)
		want   string
	}{
		"nobody there":  {func(c *storage.S3Config) { c.Endpoint = "http://127.0.0.1:1" }, "127.0.0.1:1"},
		"wrong key":     {func(c *storage.S3Config) { c.SecretKey = "wrong-secret" }, "signature"},
		"unknown user":  {func(c *storage.S3Config) { c.AccessKey = "nobody" }, "Access Key"},
		"no such name":  {func(c *storage.S3Config) { c.Bucket = "x" }, "Bucket"},
		"no URL at all": {func(c *storage.S3Config) { c.Endpoint = "localhost:9000" }, "http or https"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := bucket(t, server)
			tt.change(&cfg)
			s, err := storage.NewS3(cfg)
			if err == nil {
				err = s.Prepare(t.Context())
			}
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), cfg.SecretKey)
		})
	}
}

func TestS3KeepsTheDigestOfSmallBlobs(t *testing.T) {
	t.Parallel()
	s := newS3(t)
	key := storagetest.NewKey(t, "a")
	info, err := s.Put(t.Context(), key, strings.NewReader("x"))
	require.NoError(t, err)
	now, err := s.Stat(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, info.ETag, now.ETag)
}

// An upload whose process was killed stays with the server, unseen, until it is swept.
func TestS3AbortsWhatItDoesNotFinish(t *testing.T) {
	t.Parallel()
	cfg := bucket(t, testenv.SharedMinIO(t).Endpoint())
	s := openS3(t, cfg)
	require.NoError(t, s.Prepare(t.Context()))
	c := client(t, cfg)
	left := func(key string) (n int) {
		t.Helper()
		for u := range c.ListIncompleteUploads(t.Context(), cfg.Bucket, key, true) {
			require.NoError(t, u.Err)
			n++
		}
		return n
	}
	key := storagetest.NewKey(t, "a")
	ctx, cancel := context.WithCancel(t.Context())
	seen := 0
	_, err := s.Put(ctx, key, io.MultiReader(io.LimitReader(zeros{}, 17<<20), readFunc(func([]byte) (int, error) {
		seen = left(key)
		cancel()
		return 0, io.EOF
	})))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, seen, "it was under way")
	require.Zero(t, left(key))
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// Two writers of one key meet, which only a mistake could make: one wins, whole,
// and the other is told.
func TestS3OneOfTwo(t *testing.T) {
	t.Parallel()
	s := newS3(t)
	for range 5 {
		key := storagetest.NewKey(t, "a")
		var both sync.WaitGroup
		errs := make([]error, 2)
		for i := range errs {
			both.Go(func() { _, errs[i] = s.Put(t.Context(), key, bytes.NewReader(bytes.Repeat([]byte{byte(i)}, 100_000))) })
		}
		both.Wait()
		winner := slices.Index(errs, nil)
		require.GreaterOrEqual(t, winner, 0, "%v", errs)
		require.ErrorIs(t, errs[1-winner], storage.ErrExists)
		r, _, err := s.Open(t.Context(), key)
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		require.NoError(t, errors.Join(err, r.Close()))
		require.Equal(t, bytes.Repeat([]byte{byte(winner)}, 100_000), got)
	}
}

func TestS3SignedAddress(t *testing.T) {
	t.Parallel()
	server := testenv.SharedMinIO(t)
	public := testenv.StartProxy(t, "tcp", server.Addr())
	cfg := bucket(t, server.Endpoint())
	cfg.PublicEndpoint, cfg.Origin = "http://"+public.Addr(), "https://patchlab.example"
	s := openS3(t, cfg)
	require.NoError(t, s.Prepare(t.Context()))
	key := storagetest.NewKey(t, "a")
	data := bytes.Repeat([]byte("0123456789"), 1000)
	_, err := s.Put(t.Context(), key, bytes.NewReader(data))
	require.NoError(t, err)
	name := `attachment; filename="a b.wav"; filename*=UTF-8''a%20b.wav`
	at, err := s.URL(t.Context(), key, time.Minute, "audio/wav", name)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(at, cfg.PublicEndpoint+"/"+cfg.Bucket+"/"), at)
	get := func(at, span string) (*http.Response, []byte) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
		require.NoError(t, err)
		if span != "" {
			req.Header.Set("Range", span)
		}
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, errors.Join(err, res.Body.Close()))
		return res, body
	}
	res, body := get(at, "")
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, data, body)
	require.Equal(t, "audio/wav", res.Header.Get("Content-Type"))
	require.Equal(t, name, res.Header.Get("Content-Disposition"))
	res, body = get(at, "bytes=10-19")
	require.Equal(t, http.StatusPartialContent, res.StatusCode)
	require.Equal(t, "0123456789", string(body))
	require.Positive(t, public.Connections())

	res, _ = get(strings.Replace(at, "a%20b.wav", "evil.exe", 1), "")
	require.Equal(t, http.StatusForbidden, res.StatusCode, "the name is signed")
	res, _ = get(strings.Split(at, "?")[0], "")
	require.Equal(t, http.StatusForbidden, res.StatusCode, "the bucket is private")

	_, err = s.URL(t.Context(), "../x", time.Minute, "a", "b")
	require.ErrorIs(t, err, storage.ErrKey)
	_, err = newS3(t).URL(t.Context(), key, time.Minute, "a", "b")
	require.ErrorContains(t, err, "no public endpoint")
}

// MinIO has one rule for all buckets, which allows every origin: it refuses to be
// told one, and says so.
func TestS3SaysWhereABucketTakesNoRules(t *testing.T) {
	t.Parallel()
	err := newS3(t).AllowOrigin(t.Context())
	require.ErrorContains(t, err, "not implemented")
}

func TestS3FaultsAreBounded(t *testing.T) {
	t.Parallel()
	proxy := testenv.StartProxy(t, "tcp", testenv.SharedMinIO(t).Addr())
	cfg := bucket(t, "http://"+proxy.Addr())
	cfg.Silence = 3 * time.Second
	s := openS3(t, cfg)
	require.NoError(t, s.Prepare(t.Context()))
	key := storagetest.NewKey(t, "a")
	data := bytes.Repeat([]byte("x"), 300_000)
	_, err := s.Put(t.Context(), key, bytes.NewReader(data))
	require.NoError(t, err)
	away := func(what string, most time.Duration, f func() error) {
		t.Helper()
		began := time.Now()
		err := f()
		assert.Equal(t, model.CodeUnavailable, model.CodeOf(err), "%s: %v", what, err)
		assert.Less(t, time.Since(began), most, what)
	}
	all := func(most time.Duration) {
		t.Helper()
		var wg sync.WaitGroup
		for what, f := range map[string]func() error{
			"put": func() error {
				_, err := s.Put(t.Context(), storagetest.NewKey(t, "b"), bytes.NewReader(data))
				return err
			},
			"open": func() error {
				_, _, err := s.Open(t.Context(), key)
				return err
			},
			"stat": func() error {
				_, err := s.Stat(t.Context(), key)
				return err
			},
			"delete": func() error { return s.Delete(t.Context(), storagetest.NewKey(t, "c")) },
			"check":  func() error { return s.Check(t.Context()) },
			"list":   func() error { return s.List(t.Context(), "", func(storage.Info) error { return nil }) },
		} {
			wg.Go(func() { away(what, most, f) })
		}
		wg.Wait()
	}
	read := func() error {
		r, _, err := s.Open(t.Context(), key)
		if err != nil {
			return err
		}
		got, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err == nil && !bytes.Equal(got, data) {
			return errors.New("other bytes")
		}
		return err
	}

	proxy.Cut()
	all(15 * time.Second)
	proxy.Heal()
	require.NoError(t, read(), "it is back by itself")

	proxy.Delay(30 * time.Millisecond)
	require.NoError(t, read(), "slow is not away")
	proxy.Throttle(1_000_000)
	require.NoError(t, read())
	proxy.Heal()

	// Half-way through a download the cable is pulled.
	r, _, err := s.Open(t.Context(), key)
	require.NoError(t, err)
	proxy.Throttle(100_000)
	_, err = io.ReadFull(r, make([]byte, 1000))
	require.NoError(t, err)
	proxy.Stall()
	away("read", 6*time.Second, func() error {
		_, err := io.ReadAll(r)
		return err
	})
	_ = r.Close() // its connection has failed
	all(12 * time.Second)
	proxy.Heal()
	require.NoError(t, read(), "it is back by itself")
}
