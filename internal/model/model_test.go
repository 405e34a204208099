package model_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"patchlab/internal/model"
)

func TestBulkSlots(t *testing.T) {
	t.Parallel()
	for slots, want := range map[int]int{-1: 0, 0: 0, 1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 7: 6, 8: 6, 16: 12, 1024: 768} {
		require.Equal(t, want, model.BulkSlots(slots), "of %d slots", slots)
	}
}

// Bulk work alone uses every CPU, and an interactive ticket finds a slot beside it.
func TestSlotsFor(t *testing.T) {
	t.Parallel()
	require.Equal(t, 3, model.SlotsFor(2))
	require.Equal(t, model.SlotsFor(1), model.SlotsFor(0))
	for cpus := 1; cpus <= 512; cpus++ {
		slots := model.SlotsFor(cpus)
		require.Equal(t, cpus, model.BulkSlots(slots), "%d CPUs", cpus)
		require.Greater(t, slots, cpus)
		if slots > 2 {
			require.NotEqual(t, cpus, model.BulkSlots(slots-1), "%d CPUs: no more slots than it takes", cpus)
		}
	}
}
