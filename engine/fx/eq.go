package fx

import (
	"math"

	"patchlab/engine/dmath"
	"patchlab/engine/patch"
)

// EQ is a low shelf, a bell and a high shelf in a row. Each is a second-order
// section by the bilinear transform, exact at its frequency (R. Bristow-Johnson,
// "Cookbook formulae for audio equalizer biquad filter coefficients", 1998: the
// shelves with S = 1, which is a Q of 1/√2). A band without gain is left out. A
// frequency is held at 0.49 of the sample rate.
type EQ struct {
	bands []band
	frame int // of calm
	tail  float64
}

// calm is how many frames, of the absolute count, lie between two looks at a
// recursion for what is too small to matter.
const calm = 64

// band is a section and its state for both channels. Its form is the transposed
// direct form II with its output taken out of the recursion: of what a frame
// waits for there is one product and one sum.
type band struct {
	b0, c1, c2, a1, a2 float64 // c1 = b1 − a1·b0, c2 = b2 − a2·b0
	left, right        [2]float64
}

// NewEQ returns an equaliser, nil where no band has a gain.
func NewEQ(p patch.EQ, rate float64) *EQ {
	e := &EQ{}
	if p.LowGain != 0 {
		e.bands = append(e.bands, lowShelf(p.LowGain, turnsPerFrame(p.LowFreq, rate)))
	}
	if p.MidGain != 0 {
		e.bands = append(e.bands, bell(p.MidGain, turnsPerFrame(p.MidFreq, rate), p.MidQ))
	}
	if p.HighGain != 0 {
		e.bands = append(e.bands, highShelf(p.HighGain, turnsPerFrame(p.HighFreq, rate)))
	}
	if len(e.bands) == 0 {
		return nil
	}
	for i := range e.bands {
		e.tail += e.bands[i].ring() / rate
	}
	return e
}

func turnsPerFrame(hz, rate float64) float64 { return min(0.49, hz/rate) }

// lowShelf returns a shelf of a gain in dB below the frequency f, in turns per frame.
func lowShelf(gain, f float64) band {
	a, cos, slope := dmath.Gain(gain/2), dmath.CosTurns(f), shelfSlope(gain, f)
	up, down := a+1, a-1
	uc, dc := float64(up*cos), float64(down*cos)
	return newBand(
		float64(a*(up-dc+slope)), float64(2*a*(down-uc)), float64(a*(up-dc-slope)),
		up+dc+slope, float64(-2*(down+uc)), up+dc-slope,
	)
}

// highShelf returns a shelf of a gain in dB above the frequency f.
func highShelf(gain, f float64) band {
	a, cos, slope := dmath.Gain(gain/2), dmath.CosTurns(f), shelfSlope(gain, f)
	up, down := a+1, a-1
	uc, dc := float64(up*cos), float64(down*cos)
	return newBand(
		float64(a*(up+dc+slope)), float64(-2*a*(down+uc)), float64(a*(up+dc-slope)),
		up-dc+slope, float64(2*(down-uc)), up-dc-slope,
	)
}

// shelfSlope is 2·√A·α of the cookbook with Q = 1/√2.
func shelfSlope(gain, f float64) float64 {
	return float64(math.Sqrt2 * float64(dmath.SinTurns(f)*dmath.Gain(gain/4)))
}

// bell returns a bell of a gain in dB around the frequency f.
func bell(gain, f, q float64) band {
	a, cos := dmath.Gain(gain/2), dmath.CosTurns(f)
	alpha := dmath.SinTurns(f) / float64(2*q)
	wide, narrow := float64(alpha*a), alpha/a
	return newBand(1+wide, -2*cos, 1-wide, 1+narrow, -2*cos, 1-narrow)
}

func newBand(b0, b1, b2, a0, a1, a2 float64) band {
	b0, b1, b2, a1, a2 = b0/a0, b1/a0, b2/a0, a1/a0, a2/a0
	return band{b0: b0, c1: b1 - float64(a1*b0), c2: b2 - float64(a2*b0), a1: a1, a2: a2}
}

// ring returns the number of frames in which the slower of the poles falls by 60 dB.
func (b *band) ring() float64 {
	radius := math.Sqrt(math.Abs(b.a2))
	if d := float64(b.a1*b.a1) - float64(4*b.a2); d > 0 {
		radius = float64(0.5 * (math.Abs(b.a1) + math.Sqrt(d)))
	}
	return passes(radius)
}

// Tail returns how long the equaliser rings, in seconds to −60 dB.
func (e *EQ) Tail() float64 { return e.tail }

// Process equalises left and right, of at most 256 frames, in place.
func (e *EQ) Process(left, right []float32) {
	for len(left) > 0 {
		n := min(len(left), calm-e.frame)
		for i := range e.bands {
			e.bands[i].process(left[:n], right[:n])
		}
		if e.frame += n; e.frame == calm {
			e.frame = 0
			for i := range e.bands {
				e.bands[i].settle()
			}
		}
		left, right = left[n:], right[n:]
	}
}

func (b *band) process(left, right []float32) {
	b0, c1, c2, a1, a2 := b.b0, b.c1, b.c2, b.a1, b.a2
	p, q, u, v := b.left[0], b.left[1], b.right[0], b.right[1]
	right = right[:len(left)]
	for i, l := range left {
		x, y := float64(l), float64(right[i])
		left[i] = flush(float64(b0*x) + p)
		right[i] = flush(float64(b0*y) + u)
		p, q = (float64(c1*x)+q)-float64(a1*p), float64(c2*x)-float64(a2*p)
		u, v = (float64(c1*y)+v)-float64(a1*u), float64(c2*y)-float64(a2*u)
	}
	b.left, b.right = [2]float64{p, q}, [2]float64{u, v}
}

func (b *band) settle() {
	b.left = [2]float64{quiet(b.left[0]), quiet(b.left[1])}
	b.right = [2]float64{quiet(b.right[0]), quiet(b.right[1])}
}
