// Package filter holds the state-variable filter of a layer and the small
// filters that keep a signal tidy. State and coefficients are float64.
package filter

import (
	"math"

	"patchlab/engine/dmath"
)

// Mode is what a filter lets through.
type Mode int

// The modes.
const (
	LowPass Mode = iota
	HighPass
	BandPass // 0 dB at the centre
	Notch
)

// SVF is one second-order section by trapezoidal integration with zero-delay
// feedback (Zavalishin, "The Art of VA Filter Design"; in the form of Simper,
// "Linear trapezoidal integrated SVF", 2013): its response is that of the analogue
// filter, bent by the bilinear transform and tuned at the cutoff, and it stays
// stable while the cutoff moves.
type SVF struct {
	s1, s2 float64
}

// Coefficient returns g = tan(π·cutoff/rate) of a cutoff in Hz, which is held
// within 5 Hz and 0.49 of the rate.
func Coefficient(cutoff, rate float64) float64 {
	f := max(5/rate, min(0.49, cutoff/rate))
	return dmath.TanTurns(float64(f / 2))
}

// Stereo is a section for each of two channels.
type Stereo struct{ left, right SVF }

// Process filters the left channel in place, and the right one unless it is nil.
// The coefficient goes in a straight line from g0 to g1 over them; k is 1/Q.
func (f *Stereo) Process(left, right []float64, mode Mode, g0, g1, k float64) {
	step := (g1 - g0) / float64(len(left))
	if right == nil {
		f.left.process(left, mode, g0, step, k)
		return
	}
	// Both in one loop: each is a chain of operations that wait for one another,
	// and two chains run side by side.
	a, b := f.left, f.right
	right = right[:len(left)]
	g := g0
	for i, x := range left {
		g += step
		c := newCoefficients(g, k)
		left[i] = a.tick(x, mode, &c)
		right[i] = b.tick(right[i], mode, &c)
	}
	f.left, f.right = a.quiet(), b.quiet()
}

func (f *SVF) process(block []float64, mode Mode, g, step, k float64) {
	s := *f
	for i, x := range block {
		g += step
		c := newCoefficients(g, k)
		block[i] = s.tick(x, mode, &c)
	}
	*f = s.quiet()
}

type coefficients struct{ k, a1, a2, a3 float64 }

func newCoefficients(g, k float64) coefficients {
	a1 := 1 / (1 + float64(g*(g+k)))
	a2 := float64(g * a1)
	return coefficients{k, a1, a2, float64(g * a2)}
}

// tick filters a sample.
func (f *SVF) tick(x float64, mode Mode, c *coefficients) float64 {
	v3 := x - f.s2
	v1 := float64(c.a1*f.s1) + float64(c.a2*v3)
	v2 := f.s2 + float64(c.a2*f.s1) + float64(c.a3*v3)
	f.s1 = float64(2*v1) - f.s1
	f.s2 = float64(2*v2) - f.s2
	switch mode {
	case LowPass:
		return v2
	case HighPass:
		return x - float64(c.k*v1) - v2
	case BandPass:
		return float64(c.k * v1)
	default:
		return x - float64(c.k*v1)
	}
}

func (f SVF) quiet() SVF { return SVF{quiet(f.s1), quiet(f.s2)} }

// quiet flushes what is too small to hear, so that tails do not run into
// denormal numbers, and what is not a number.
func quiet(x float64) float64 {
	if x > -1e-30 && x < 1e-30 || x != x {
		return 0
	}
	return x
}

// DCBlock is a first-order high-pass of a few Hz.
type DCBlock struct {
	r, x1, y1 float64
}

// NewDCBlock returns a high-pass with the given cutoff in Hz.
func NewDCBlock(cutoff, rate float64) DCBlock {
	return DCBlock{r: dmath.Exp2(float64(-2*dmath.Pi/math.Ln2) * (cutoff / rate))}
}

// Process filters block in place.
func (d *DCBlock) Process(block []float64) {
	x1, y1 := d.x1, d.y1
	for i, x := range block {
		y1 = x - x1 + float64(d.r*y1)
		x1 = x
		block[i] = y1
	}
	d.x1, d.y1 = x1, quiet(y1)
}
