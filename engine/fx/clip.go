// Package fx holds the effects of the bus.
package fx

import (
	"math"

	"patchlab/engine/dmath"
)

// The clipper works at four times the sample rate, so that what it folds back
// is filtered away. One filter serves both ways: a windowed sinc of 4·16 taps.
const (
	oversample = 4
	perPhase   = 16
	firTaps    = oversample * perPhase
)

// ClipLatency is the delay of a Clip in frames: that of the filter, half its
// length, going up and coming down.
const ClipLatency = perPhase - 1

// Clip is a soft clipper of one channel.
type Clip struct {
	drive, makeup, mix float64
	fir                [firTaps]float64
	in                 [2 * perPhase]float64 // written twice, so that a run of it is always in one piece
	up                 [2 * firTaps]float64
	at, upAt           int
}

// NewClip returns a clipper with a drive in dB, at least 0, and a mix of 0 to 1.
// Its level is made up by half of the drive, so that more drive is denser rather
// than just louder.
func NewClip(drive, mix float64) *Clip {
	c := &Clip{drive: dmath.Gain(drive), makeup: dmath.Gain(-drive / 2), mix: mix}
	sum := 0.0
	for i := range c.fir {
		// Odd-length symmetric, the last tap being 0, so that the delay is whole.
		t := float64(i - (firTaps/2 - 1))
		x := t / (firTaps / 2)
		w := 0.0
		if math.Abs(x) < 1 {
			// Blackman–Harris window, −92 dB.
			w = 0.35875 + float64(0.48829*dmath.CosTurns(x/2)) + float64(0.14128*dmath.CosTurns(x)) + float64(0.01168*dmath.CosTurns(1.5*x))
		}
		s := 1.0
		if t != 0 {
			y := float64(dmath.Pi*t) / oversample
			s = dmath.SinTurns(t/(2*oversample)) / y
		}
		c.fir[i] = float64(s * w)
		sum += c.fir[i]
	}
	for i := range c.fir {
		c.fir[i] /= sum
	}
	return c
}

// Process clips block in place.
func (c *Clip) Process(block []float64) {
	for i, x := range block {
		c.at = (c.at + perPhase - 1) % perPhase
		c.in[c.at], c.in[c.at+perPhase] = x, x
		past := c.in[c.at : c.at+perPhase]
		for phase := range oversample {
			y := 0.0
			for k, p := range past {
				y += float64(p * c.fir[oversample*k+phase])
			}
			y = dmath.SoftClip(float64(float64(y*oversample) * c.drive))
			c.upAt = (c.upAt + firTaps - 1) % firTaps
			c.up[c.upAt], c.up[c.upAt+firTaps] = y, y
		}
		y := 0.0
		shaped := c.up[c.upAt : c.upAt+firTaps]
		for k, s := range shaped {
			y += float64(s * c.fir[k])
		}
		dry := past[perPhase-1]
		block[i] = dry + float64(c.mix*(float64(y*c.makeup)-dry))
	}
}
