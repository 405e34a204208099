// Package lfo computes low-frequency oscillators in closed form, so that any
// moment of one can be asked for without those before it.
package lfo

import (
	"math"

	"patchlab/engine/dmath"
	"patchlab/engine/patch"
	"patchlab/engine/rng"
)

// LFO is a low-frequency oscillator from −1 to 1.
type LFO struct {
	shape  shape
	rate   float64 // Hz
	phase  float64 // turns at the start
	fade   float64 // s
	random rng.Stream
}

type shape int

const (
	sine shape = iota
	triangle
	saw
	square
	random
	smooth
)

func shapeOf(name string) shape {
	switch name {
	case "triangle":
		return triangle
	case "saw":
		return saw
	case "square":
		return square
	case "random":
		return random
	case "smooth":
		return smooth
	default:
		return sine
	}
}

// New returns an oscillator. The tempo, in beats per minute, is for one that is
// synced; random is for those of random shape.
func New(p patch.LFO, tempo float64, random rng.Stream) LFO {
	l := LFO{shape: shapeOf(p.Shape), rate: p.Rate, phase: p.Phase, fade: p.Fade, random: random}
	if period := patch.NoteSeconds(p.Sync, tempo); period > 0 {
		l.rate = 1 / period
	}
	return l
}

// At returns the value, −1 to 1, t seconds after the start. Within the time of the
// fade it grows from 0 in a straight line.
func (l *LFO) At(t float64) float64 {
	t = max(0, t)
	y := l.wave(float64(t*l.rate) + l.phase)
	if t < l.fade {
		y = float64(y * (t / l.fade))
	}
	return y
}

// wave returns the value at a phase in turns, at least 0.
func (l *LFO) wave(turns float64) float64 {
	period := math.Floor(turns)
	x := turns - period
	switch l.shape {
	case triangle:
		return triangular(x)
	case saw:
		return float64(2*x) - 1
	case square:
		if x < 0.5 {
			return 1
		}
		return -1
	case random:
		return l.random.Bipolar(uint64(period))
	case smooth:
		return l.smooth(uint64(period), x)
	default:
		return dmath.SinTurns(x)
	}
}

// triangular goes from 0 up to 1, down to −1 and back to 0.
func triangular(x float64) float64 {
	switch {
	case x < 0.25:
		return float64(4 * x)
	case x < 0.75:
		return 2 - float64(4*x)
	default:
		return float64(4*x) - 4
	}
}

// smooth goes through the values of random at the start of each period, by the cubic
// that has no slope where a value is higher or lower than both of its neighbours, and
// the harmonic mean of the slopes to them where it lies between (Fritsch and Butland,
// "A method for constructing local monotone piecewise cubic interpolants", 1984): its
// slope has no jumps, and it never goes beyond the values.
func (l *LFO) smooth(period uint64, x float64) float64 {
	b, c := l.random.Bipolar(period), l.random.Bipolar(period+1)
	a := b // nothing is before the first
	if period > 0 {
		a = l.random.Bipolar(period - 1)
	}
	d := l.random.Bipolar(period + 2)
	rise := c - b
	s0, s1 := slope(b-a, rise), slope(rise, d-c)
	// b + s0·x + (3·rise − 2·s0 − s1)·x² + (s0 + s1 − 2·rise)·x³, by Horner's scheme
	p := s0 + s1 - float64(2*rise)
	p = float64(p*x) + (float64(3*rise) - float64(2*s0) - s1)
	p = float64(p*x) + s0
	return float64(p*x) + b
}

// slope returns the harmonic mean of two slopes of one sign; 0 of others.
func slope(before, after float64) float64 {
	if float64(before*after) <= 0 {
		return 0
	}
	return float64(2*before) * (after / (before + after))
}
