package storage_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"patchlab/storage"
	"patchlab/storage/storagetest"
)

// A server that answers before it has read the request: the client's transport may
// then still be sending when Put has returned. What it sends must not be
// overwritten by the next Put (the race detector tells).
func TestS3DoesNotReuseWhatIsStillSent(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			_, _ = io.CopyN(io.Discard, r.Body, 1<<10)
			w.Header().Set("Connection", "close")
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(server.Close)
	s, err := storage.NewS3(storage.S3Config{
		Endpoint: server.URL, Bucket: "test", Region: "us-east-1", AccessKey: "a", SecretKey: "b",
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	data := bytes.Repeat([]byte("x"), 7<<20)
	for range 30 {
		_, err := s.Put(t.Context(), storagetest.NewKey(t, "a"), bytes.NewReader(data))
		require.Error(t, err)
	}
}
