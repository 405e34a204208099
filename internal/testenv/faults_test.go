package testenv_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"patchlab/internal/testenv"
)

func TestS3Proxy(t *testing.T) {
	t.Parallel()
	var served atomic.Int64
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		served.Add(1)
		_, _ = io.WriteString(w, r.Host+" "+string(body))
	}))
	t.Cleanup(behind.Close)
	p, err := testenv.NewS3Proxy(behind.URL)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	client := &http.Client{Timeout: 10 * time.Second}
	put := func() (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+p.Addr()+"/b/k", strings.NewReader("sound"))
		require.NoError(t, err)
		res, err := client.Do(req)
		if err != nil {
			return 0, ""
		}
		defer func() { require.NoError(t, res.Body.Close()) }()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(body)
	}
	code, body := put()
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, p.Addr()+" sound", body, "the host is the one that was asked: it is signed")

	p.Set(testenv.S3Error)
	code, body = put()
	require.Equal(t, http.StatusInternalServerError, code)
	require.Contains(t, body, "InternalError")
	code, _ = put()
	require.Equal(t, http.StatusOK, code, "every second one")

	p.Set(testenv.S3SlowDown)
	for range 3 {
		code, body = put()
		require.Equal(t, http.StatusServiceUnavailable, code)
		require.Contains(t, body, "SlowDown")
	}

	p.Set(testenv.S3Lost)
	before := served.Load()
	code, _ = put()
	require.Zero(t, code, "nobody answers")
	require.Equal(t, before+1, served.Load(), "and it was done")

	p.Set(testenv.S3Stall)
	client.Timeout = 200 * time.Millisecond
	code, _ = put()
	require.Zero(t, code)
	client.Timeout = 10 * time.Second

	p.Set(testenv.S3None)
	code, _ = put()
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, 6, p.Hit())
}

func TestDisk(t *testing.T) {
	t.Parallel()
	const size = 4 << 20
	d, err := testenv.NewDisk(size)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	inside := func(script string) error {
		args := d.Inside("sh", "-c", script, "sh", d.Path("file"))
		return exec.CommandContext(t.Context(), args[0], args[1:]...).Run()
	}
	require.NoError(t, inside(`echo hello >"$1"`))
	got, err := os.ReadFile(d.Outside("file"))
	require.NoError(t, err)
	require.Equal(t, "hello\n", string(got))
	require.NoFileExists(t, d.Path("file"), "nobody else sees it")

	require.NoError(t, d.Fill())
	require.Error(t, inside(`head -c 100000 /dev/zero >"$1"`), "it is full")
	require.NoError(t, d.Free())
	require.NoError(t, inside(`head -c 100000 /dev/zero >"$1"`))
	require.Error(t, inside(`head -c 5000000 /dev/zero >"$1"`), "it has an end")
}

// MinIO keeps its data on a disk of limited size through a kill.
func TestMinIOOnADisk(t *testing.T) {
	t.Parallel()
	d, err := testenv.NewDisk(64 << 20)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	m, err := testenv.NewMinIOOn(d)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	require.DirExists(t, d.Outside("minio"))
	m.Kill()
	require.NoError(t, m.Start())
}
