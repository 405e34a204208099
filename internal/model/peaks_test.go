package model

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCoarserPeaks(t *testing.T) {
	t.Parallel()
	p := Peaks{-1, 1, -5, 2, 0, 9, -3, 3, -2, 4}
	assert.Equal(t, p, p.Coarser(5))
	assert.Equal(t, p, p.Coarser(24))
	assert.Equal(t, Peaks{-5, 2, -3, 9}, p.Coarser(2))
	assert.Equal(t, Peaks{-5, 9}, p.Coarser(1))
	assert.Empty(t, Peaks(nil).Coarser(24))
}
