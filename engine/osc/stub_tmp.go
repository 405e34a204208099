package osc

import (
	"patchlab/engine/patch"
	"patchlab/engine/rng"
)

type Wavetable struct{ *Oscillator }

func NewWavetable(p patch.Oscillator, random rng.Stream, rate float64) *Oscillator { return New(p, random) }
func NewFM(p patch.Oscillator, random rng.Stream, rate float64) *Oscillator        { return New(p, random) }
