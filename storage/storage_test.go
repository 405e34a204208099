package storage_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"patchlab/storage"
	"patchlab/storage/storagetest"
)

func TestKey(t *testing.T) {
	t.Parallel()
	digest := strings.Repeat("0123456789abcdef", 4)
	before := time.Now().Truncate(time.Millisecond)
	id, err := uuid.NewV7()
	require.NoError(t, err)
	key := storage.NewKey(digest, id, "wav")
	require.Equal(t, digest+"/"+id.String()+".wav", key)

	k, err := storage.ParseKey(key)
	require.NoError(t, err)
	require.Equal(t, storage.Key{Digest: digest, ID: id, Ext: "wav"}, k)
	require.Equal(t, key, k.String())

	at, err := storage.KeyTime(key)
	require.NoError(t, err)
	require.WithinRange(t, at, before, time.Now())

	_, err = storage.KeyTime("nonsense")
	require.ErrorIs(t, err, storage.ErrKey)
}

// Only version 7 says when a key was made, which is what the janitor goes by.
func TestKeyRefusesOtherUUIDs(t *testing.T) {
	t.Parallel()
	digest := strings.Repeat("0", 64)
	for _, id := range []uuid.UUID{uuid.Nil, uuid.Max, uuid.New()} {
		_, err := storage.ParseKey(storage.NewKey(digest, id, "wav"))
		require.ErrorIs(t, err, storage.ErrKey)
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add(storagetest.NewKey(f, "a"))
	f.Add(strings.Repeat("0", 64) + "/019fd3a0-0000-7000-8000-000000000000.wav")
	f.Add("../../../etc/passwd")
	f.Add("")
	f.Fuzz(func(t *testing.T, key string) {
		k, err := storage.ParseKey(key)
		if err != nil {
			require.ErrorIs(t, err, storage.ErrKey)
			return
		}
		require.Equal(t, key, k.String(), "one spelling only")
		require.Equal(t, key, storage.NewKey(k.Digest, k.ID, k.Ext))
		require.NotContains(t, key, "..")
		require.Equal(t, 1, strings.Count(key, "/"))
		require.Less(t, len(key), 128)
		require.Empty(t, strings.Trim(key, "0123456789abcdefghijklmnopqrstuvwxyz-./"))
	})
}
