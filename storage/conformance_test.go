package storage_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"patchlab/storage"
	"patchlab/storage/storagetest"
)

func TestDiskConforms(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storage.Store {
		d, err := storage.NewDisk(t.TempDir())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, d.Close()) })
		return d
	})
}
