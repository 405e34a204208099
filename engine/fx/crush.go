package fx

import (
	"math"

	"patchlab/engine/dmath"
	"patchlab/engine/patch"
)

// crusher rounds a channel to few levels. Its aliases are what it is for.
type crusher struct {
	steps float64 // to either side of 0
	gain  float64
}

func newCrusher(p patch.Distortion) *crusher {
	return &crusher{steps: dmath.Exp2(p.Bits - 1), gain: dmath.Gain(p.Drive)}
}

func (c *crusher) process(block []float32) {
	up, down := float64(c.steps*c.gain), 1/float64(c.steps*c.gain)
	for i, x := range block {
		n := math.Floor(float64(up*float64(x)) + 0.5)
		block[i] = float32(float64(max(-c.steps, min(c.steps, n)) * down))
	}
}

// holder holds the samples of a channel at a lower rate. Its aliases are what it is
// for.
type holder struct {
	step  float64 // held samples a frame
	phase float64
	held  float32
}

func newHolder(p patch.Distortion, rate float64) *holder {
	return &holder{step: min(1, p.Rate/rate), phase: 1}
}

func (h *holder) process(block []float32) {
	for i, x := range block {
		if h.phase >= 1 {
			h.phase--
			h.held = x
		}
		h.phase += h.step
		block[i] = h.held
	}
}
