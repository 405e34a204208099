package storage_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/storage"
	"patchlab/storage/storagetest"
)

// A busy server refuses a request before it has read it. The second try starts while
// the first may still be on its way out, and must be whole all the same.
func TestS3TriesAgainWithTheWholePiece(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat([]byte("0123456789abcdef"), 7<<16)
	var mu sync.Mutex
	seen := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		mu.Lock()
		seen[r.URL.Path]++
		first := seen[r.URL.Path] == 1
		mu.Unlock()
		if first {
			_, _ = io.CopyN(io.Discard, r.Body, 1<<10)
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.True(t, bytes.Equal(data, body), "%d bytes", len(body))
		w.Header().Set("ETag", `"e"`)
	}))
	t.Cleanup(server.Close)
	s, err := storage.NewS3(storage.S3Config{
		Endpoint: server.URL, Bucket: "test", Region: "us-east-1", AccessKey: "a", SecretKey: "b",
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	for range 20 {
		_, err := s.Put(t.Context(), storagetest.NewKey(t, "a"), bytes.NewReader(data))
		require.NoError(t, err)
	}
}
