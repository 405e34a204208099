// Package fx holds the effects of the bus.
package fx

import (
	"patchlab/engine/dmath"
	"patchlab/engine/oversample"
	"patchlab/engine/patch"
	"patchlab/engine/vec"
)

// Distortion bends the waveform of both sides. What bends it by a curve works at four
// times the sample rate, where the curve's mean between two samples stands for the
// curve wherever its harmonics could pass even that: at most drives nothing folds back
// above −80 dB.
type Distortion struct {
	sides   [2]bender
	latency int
	mix     float32
	dry     [2][]float32
}

// bender is what a kind of distortion does to one channel, in place.
type bender interface {
	process(block []float32)
}

// NewDistortion returns a distortion, nil where it is off.
func NewDistortion(p patch.Distortion, rate float64) *Distortion {
	if p.Mix <= 0 || p.Drive <= 0 && p.Type != "crush" && p.Type != "rate" {
		return nil
	}
	d := &Distortion{mix: float32(p.Mix)}
	for s := range d.sides {
		switch p.Type {
		case "crush":
			d.sides[s] = newCrusher(p)
		case "rate":
			d.sides[s] = newHolder(p, rate)
		default:
			d.sides[s] = newShaper(p)
			d.latency = oversample.FourLatency
		}
		d.dry[s] = make([]float32, d.latency+maxFrames)
	}
	return d
}

// Latency is the delay of the distorted sound, and of what is mixed with it, in frames.
func (d *Distortion) Latency() int { return d.latency }

// Process distorts left and, unless it is nil, right, of at most 256 frames, in place.
func (d *Distortion) Process(left, right []float32) {
	for s, block := range [2][]float32{left, right} {
		if block == nil {
			continue
		}
		n := len(block)
		dry := d.dry[s]
		if d.mix < 1 {
			copy(dry[d.latency:], block)
		}
		d.sides[s].process(block)
		if d.mix < 1 {
			vec.Mix(block, dry[:n], d.mix, 1-d.mix)
			copy(dry[:d.latency], dry[n:n+d.latency])
		}
	}
}

// maxFrames is the largest number of frames of one call of Process.
const maxFrames = vec.MaxBlock

// quiet flushes what is too small to hear, so that no recursion runs on
// denormal numbers, and what is not a number.
func quiet(x float64) float64 {
	if x > -1e-30 && x < 1e-30 || x != x {
		return 0
	}
	return x
}

// smoothDrive is the drive in dB above which a curve's harmonics reach so far that it
// takes its mean between samples.
const smoothDrive = 12

// shaper sends a channel through a curve at four times its rate.
type shaper struct {
	*oversample.Four
	curve  curve
	gain   float32 // before the curve
	makeup float32 // after it
	bias   float32 // added before the curve, over gain
	rest   float32 // what the curve makes of silence
	last   float32 // the sample at four times the rate before those that are due
	prior  [maxFrames]float32
	older  [2]float64 // of hard: the last two samples
}

type curve int

const (
	soft curve = iota
	softMean
	hard
	fold
)

// newShaper makes up the level by half of the drive, so that more drive is denser
// rather than just louder.
func newShaper(p patch.Distortion) *shaper {
	s := &shaper{
		Four:   oversample.NewFour(),
		gain:   float32(dmath.Gain(p.Drive)),
		makeup: float32(dmath.Gain(-p.Drive / 2)),
	}
	switch p.Type {
	case "hard":
		s.curve = hard
	case "fold":
		s.curve = fold
	default:
		if p.Drive > smoothDrive {
			s.curve = softMean
		}
		if p.Type == "shape" {
			s.bias = float32(p.Bias) / s.gain
			rest := [1]float32{s.bias}
			vec.Tanh(rest[:], s.gain)
			s.rest = rest[0]
		}
	}
	return s
}

func (s *shaper) process(block []float32) {
	n := len(block)
	s.Up(block)
	w := s.Phases(n)
	if s.bias != 0 {
		for _, phase := range w {
			for i := range phase {
				phase[i] += s.bias
			}
		}
	}
	switch s.curve {
	case hard:
		s.clip(&w)
	case soft:
		for k := range w {
			vec.Tanh(w[k], s.gain)
		}
	default:
		// The last phase of the frame before stands before the first.
		prior := s.prior[:n]
		prior[0] = s.last
		copy(prior[1:], w[3])
		s.last = w[3][n-1]
		before := [4][]float32{prior, w[0], w[1], w[2]}
		for k := 3; k >= 0; k-- {
			if s.curve == fold {
				foldMean(w[k], before[k], s.gain)
			} else {
				vec.TanhMean(w[k], before[k], s.gain)
			}
		}
	}
	s.Down(block)
	for i, x := range block {
		block[i] = float32((x - s.rest) * s.makeup)
	}
}

// foldMean sets each x to the mean of sin(π/2·gain·u) for u from the sample before it
// to x: sin of the middle times the sinc of half the way.
func foldMean(block, before []float32, gain float32) {
	g := float64(0.25 * float64(gain)) // to turns
	for i, x := range block {
		a, b := float64(g*float64(before[i])), float64(g*float64(x))
		y := dmath.SinTurns(float64(0.5 * (a + b)))
		if h := float64(0.5 * (b - a)); h > 1e-4 || h < -1e-4 {
			y = float64(y * (dmath.SinTurns(h) / float64(2*dmath.Pi*h)))
		}
		block[i] = float32(y)
	}
}

// clip holds the phases within ±1 by second-order antiderivative anti-aliasing: the
// mean of the clipped straight line through the samples, weighted by a triangle over
// two steps (Bilbao, Esqueda, Parker and Välimäki, "Antiderivative antialiasing for
// memoryless nonlinearities", 2017).
func (s *shaper) clip(w *[4][]float32) {
	last, falling := s.older[0], s.older[1]
	gain := float64(s.gain)
	w0, w1, w2, w3 := w[0], w[1], w[2], w[3]
	for i := range w0 {
		for _, p := range [4]*float32{&w0[i], &w1[i], &w2[i], &w3[i]} {
			x := max(-1e4, min(1e4, float64(gain*float64(*p))))
			mean, late := clipMeans(last, x)
			*p = float32(falling + (mean - late))
			last, falling = x, late
		}
	}
	s.older = [2]float64{last, falling}
}

// clipMeans returns the mean of the clipped line from a to b, and that weighted by
// the way that has been gone.
func clipMeans(a, b float64) (mean, late float64) {
	if a <= 1 && a >= -1 && b <= 1 && b >= -1 {
		return float64(0.5 * (a + b)), float64(a*(1.0/6)) + float64(b*(1.0/3))
	}
	if a >= 1 && b >= 1 {
		return 1, 0.5
	}
	if a <= -1 && b <= -1 {
		return -1, -0.5
	}
	d := b - a
	if d < 1e-3 && d > -1e-3 { // a corner within so short a way does not matter
		m := max(-1, min(1, float64(0.5*(a+b))))
		return m, float64(0.5 * m)
	}
	a1, a2 := clipIntegrals(a)
	b1, b2 := clipIntegrals(b)
	mean = (b1 - a1) / d
	late = (b1 - (b2-a2)/d) / d
	return mean, late
}

// clipIntegrals returns the first and second antiderivative of a clipped x.
func clipIntegrals(x float64) (first, second float64) {
	y := float64(x * x)
	switch {
	case x > 1:
		return x - 0.5, float64(0.5*y) - float64(0.5*x) + 1.0/6
	case x < -1:
		return -x - 0.5, -float64(0.5*y) - float64(0.5*x) - 1.0/6
	default:
		return float64(0.5 * y), float64(y*x) / 6
	}
}
