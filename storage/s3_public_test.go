package storage_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"patchlab/storage"
	"patchlab/storage/storagetest"
)

// What Public says goes into the pages' policy, so it must be where the signed
// addresses really lead: Amazon's have the bucket in the name of the host.
func TestS3PublicIsTheOriginOfSignedAddresses(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{
		"http://127.0.0.1:9000", "https://files.example", "https://s3.eu-central-1.amazonaws.com", "https://s3.amazonaws.com", "https://storage.googleapis.com",
	} {
		s, err := storage.NewS3(storage.S3Config{
			Endpoint: "http://127.0.0.1:1", Bucket: "sounds-of-mine", Region: "eu-central-1", AccessKey: "a", SecretKey: "b",
			PublicEndpoint: endpoint,
		})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		at, err := s.URL(t.Context(), storagetest.NewKey(t, "a"), time.Minute, "audio/wav", "inline")
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(at, s.Public()+"/"), "%s is not at %s", at, s.Public())
	}
}
