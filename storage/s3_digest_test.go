package storage_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/storage"
	"patchlab/storage/storagetest"
)

// Each piece goes out under the digest that was taken before it was sent, so that
// the server refuses whatever else arrives. A signature that is made of the bytes
// as they leave would vouch for those that something here has spoiled meanwhile.
func TestS3SendsUnderTheDigestOfThePiece(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"whole": 100_000, "in parts": 20 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			pieces := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				assert.NoError(t, err)
				switch {
				case r.Method == http.MethodPut:
					sum := sha256.Sum256(body)
					assert.Equal(t, hex.EncodeToString(sum[:]), r.Header.Get("X-Amz-Content-Sha256"))
					mu.Lock()
					pieces++
					mu.Unlock()
					w.Header().Set("ETag", `"e"`)
				case r.URL.Query().Has("uploads"):
					_, _ = io.WriteString(w, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
				default:
					_, _ = io.WriteString(w, "<CompleteMultipartUploadResult><Bucket>test</Bucket><Key>"+strings.TrimPrefix(r.URL.Path, "/test/")+"</Key></CompleteMultipartUploadResult>")
				}
			}))
			t.Cleanup(server.Close)
			s, err := storage.NewS3(storage.S3Config{
				Endpoint: server.URL, Bucket: "test", Region: "us-east-1", AccessKey: "a", SecretKey: "b",
			})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			_, err = s.Put(t.Context(), storagetest.NewKey(t, "a"), bytes.NewReader(bytes.Repeat([]byte("x"), size)))
			require.NoError(t, err)
			require.Equal(t, 1+size/(8<<20), pieces)
		})
	}
}
