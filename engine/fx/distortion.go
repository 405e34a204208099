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
	curve curve
	bend  *vec.Saturation // of soft
	gain  float32         // before the curve
	bias  float32         // added before the curve, over gain
	rest  float32         // what comes out for silence
	last  float32         // the sample at four times the rate before those that are due
	prior [maxFrames]float32
	older [2]float64 // of hard and fold: the last sample, and what it leaves for the next
}

type curve int

const (
	soft curve = iota
	softMean
	hard
	fold
)

// newShaper makes up the level by half of the drive, so that more drive is denser
// rather than just louder. The fold takes half of the drive: it doubles the harmonics
// with every 6 dB, and beyond 24 dB nothing would be left that does not fold back.
func newShaper(p patch.Distortion) *shaper {
	drive := p.Drive
	if p.Type == "fold" {
		drive = float64(0.5 * drive)
	}
	gain, makeup := dmath.Gain(drive), dmath.Gain(-drive/2)
	s := &shaper{gain: float32(gain)}
	switch {
	case p.Type == "hard":
		s.curve = hard
	case p.Type == "fold":
		s.curve = fold
	case p.Drive > smoothDrive:
		s.curve = softMean
	default:
		s.bend = vec.NewSaturation(gain)
		makeup = float64(makeup * float64(s.bend.Unit))
	}
	if p.Type == "shape" {
		s.bias = float32(p.Bias / gain)
		rest := [1]float32{s.bias}
		if s.bend != nil {
			s.bend.Process(rest[:], rest[:])
		} else {
			vec.TanhMean(rest[:], []float32{s.bias}, s.gain)
		}
		s.rest = float32(float64(rest[0]) * makeup)
	}
	s.Four = oversample.NewFour(makeup)
	return s
}

func (s *shaper) process(block []float32) {
	n := len(block)
	s.Up(block)
	raised, w := s.Phases(n)
	switch {
	case s.bias != 0:
		for k := range w {
			vec.Offset(w[k], raised[k], s.bias)
		}
		raised = w
	case s.curve != soft:
		copy(w[1], raised[1])
		copy(w[3], raised[3])
	}
	switch s.curve {
	case hard, fold:
		s.smooth(&w)
	case soft:
		for k := range w {
			s.bend.Process(w[k], raised[k])
		}
	default:
		// The last phase of the frame before stands before the first.
		prior := s.prior[:n]
		prior[0] = s.last
		copy(prior[1:], w[3])
		s.last = w[3][n-1]
		before := [4][]float32{prior, w[0], w[1], w[2]}
		for k := 3; k >= 0; k-- {
			vec.TanhMean(w[k], before[k], s.gain)
		}
	}
	s.Down(block)
	if s.rest != 0 {
		vec.Offset(block, block, -s.rest)
	}
}

// smooth sends the phases through hard or fold by second-order antiderivative
// anti-aliasing: the mean of what the curve makes of the straight line through the
// samples, weighted by a triangle over two steps (Bilbao, Esqueda, Parker and Välimäki,
// "Antiderivative antialiasing for memoryless nonlinearities", 2017).
func (s *shaper) smooth(w *[4][]float32) {
	last, falling := s.older[0], s.older[1]
	gain := float64(s.gain)
	w0, w1, w2, w3 := w[0], w[1], w[2], w[3]
	means := clipMeans
	if s.curve == fold {
		means = foldMeans
	}
	for i := range w0 {
		for _, p := range [4]*float32{&w0[i], &w1[i], &w2[i], &w3[i]} {
			x := max(-1e4, min(1e4, float64(gain*float64(*p))))
			mean, late := means(last, x)
			*p = float32(falling + (mean - late))
			last, falling = x, late
		}
	}
	s.older = [2]float64{last, falling}
}

// foldMeans returns the mean of sin(π/2·u) for u from a to b, and that weighted by the
// way that has been gone.
func foldMeans(a, b float64) (mean, late float64) {
	d := b - a
	if d < 1e-3 && d > -1e-3 {
		return dmath.SinTurns(float64(0.125 * (a + b))), float64(0.5 * dmath.SinTurns(float64(a*(1.0/12))+float64(b*(1.0/6))))
	}
	const k = 2 / dmath.Pi
	sa, sb := dmath.SinTurns(float64(0.25*a)), dmath.SinTurns(float64(0.25*b))
	ca, cb := dmath.CosTurns(float64(0.25*a)), dmath.CosTurns(float64(0.25*b))
	mean = float64(k*(ca-cb)) / d
	late = (float64((k*k)*(sb-sa))/d - float64(k*cb)) / d
	return mean, late
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
