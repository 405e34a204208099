package osc

import (
	"math"

	"patchlab/engine/dmath"
	"patchlab/engine/patch"
	"patchlab/engine/rng"
)

// Controls is what moves an oscillator, at one moment.
type Controls struct {
	Frequency  float64 // of the layer, in turns per frame, 0 to 0.45
	PulseWidth float64 // what is added to the oscillator's own, likewise for the rest
	Position   float64
	FMIndex    float64 // rad
}

// voice is one of the unison voices. Phases are integers, a turn being 2^64, so
// that they never lose precision and wrap by overflow.
type voice struct {
	phase  uint64
	ratio  float64 // its frequency to the layer's
	gl, gr float64 // gains of left and right
}

// unison returns the voices of an oscillator. A single one starts at the phase
// start, several at phases drawn from random. mono says that left and right are the
// same.
func unison(p patch.Oscillator, random rng.Stream, start uint64) (voices []voice, mono bool) {
	voices = make([]voice, p.Unison)
	inner := 0.0 // place of the middle voices
	if p.Unison%2 == 0 {
		inner = 1 / float64(p.Unison-1)
	}
	power := 0.0 // voices of random phase add by power
	for i := range voices {
		v := &voices[i]
		place := 0.0 // −1 … 1
		v.phase = start
		if p.Unison > 1 {
			place = float64(2*i)/float64(p.Unison-1) - 1
			v.phase = random.Bits(uint64(i))
		}
		v.ratio = dmath.Ratio(p.Tune + float64(place*p.Detune))
		side := float64(place * p.Spread)
		if min(i, p.Unison-1-i)%2 == 1 { // neighbours in pitch stand on opposite sides, mirror images too
			side = -side
		}
		gain := 1.0
		if p.Unison > 2 {
			gain -= float64((math.Abs(place) - inner) / (1 - inner) * (1 - p.Blend))
		}
		power += float64(gain * gain)
		gl, gr := Pan(side)
		v.gl, v.gr = float64(gl*gain), float64(gr*gain)
	}
	for i := range voices {
		v := &voices[i]
		g := p.Level / math.Sqrt(power)
		v.gl, v.gr = float64(v.gl*g), float64(v.gr*g)
	}
	return voices, p.Unison == 1 || p.Spread == 0
}

// Pan returns the gains of left and right of a place from −1 to 1 by the
// equal-power law, exactly 1 at the centre.
func Pan(place float64) (left, right float64) {
	if place == 0 {
		return 1, 1
	}
	t := float64((max(-1, min(1, place)) + 1) / 8)
	return float64(math.Sqrt2 * dmath.SinTurns(0.25-t)), float64(math.Sqrt2 * dmath.SinTurns(t))
}

// maxStep is the largest increment of a phase, a frequency of 0.45 of the rate.
const maxStep = 0.45

// turn is 2^64 as a float.
const turn = 1 << 64

// increment returns a step of 0 to 1 turns as a step of a phase.
func increment(f float64) uint64 { return uint64(float64(f * turn)) }
