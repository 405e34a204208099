// Package osc holds the sources of raw sound: band-limited oscillators with
// unison, and coloured noise.
package osc

import (
	"math"

	"patchlab/engine/dmath"
	"patchlab/engine/patch"
	"patchlab/engine/rng"
)

// Latency is the number of frames by which an oscillator's output lags behind
// its phase: the band limit looks ahead. The first Latency frames of a sound are
// to be thrown away.
const Latency = half

// MaxBlock is the largest number of frames of one call of Process.
const MaxBlock = 64

type wave int

const (
	saw wave = iota
	square
	triangle
	sine
)

// voice is one of the unison voices. Phases are integers, a turn being 2^64, so
// that they never lose precision and wrap by overflow.
type voice struct {
	phase  uint64
	ratio  float64 // its frequency to the oscillator's
	gl, gr float64
}

// Oscillator is a band-limited oscillator of 1 to 16 voices, in stereo.
type Oscillator struct {
	wave   wave
	ratio  float64 // its frequency to the layer's
	voices []voice
	// What the voices gave and what the residuals of their jumps add, from
	// half before to half after the frame that is due.
	left, right [MaxBlock + taps]float64
}

// New makes an oscillator. Its voices start at phases drawn from random; a single
// voice starts where its wave crosses zero. It has the level and the tuning of o.
func New(o patch.Oscillator, random rng.Stream) *Oscillator {
	n := o.Unison
	osc := &Oscillator{ratio: dmath.Ratio(o.Tune), voices: make([]voice, n)}
	switch o.Wave {
	case "square":
		osc.wave = square
	case "triangle":
		osc.wave = triangle
	case "sine":
		osc.wave = sine
	default:
		osc.wave = saw
	}
	gain := o.Level / math.Sqrt(float64(n)) // voices of random phase add by power
	for i := range osc.voices {
		v := &osc.voices[i]
		place := 0.0 // −1 … 1
		if n > 1 {
			place = float64(2*i)/float64(n-1) - 1
			v.phase = random.Bits(uint64(i)) //nolint:gosec // not negative
		} else {
			v.phase = startPhase(osc.wave)
		}
		v.ratio = dmath.Ratio(float64(place * o.Detune))
		// Neighbours in pitch stand on opposite sides.
		side := float64(place * o.Spread)
		if i%2 == 1 {
			side = -side
		}
		v.gl, v.gr = Pan(side)
		v.gl, v.gr = float64(v.gl*gain), float64(v.gr*gain)
	}
	return osc
}

// startPhase returns where a wave crosses zero.
func startPhase(w wave) uint64 {
	switch w {
	case saw:
		return 1 << 63
	case triangle:
		return 1 << 62
	default:
		return 0
	}
}

// Pan returns the gains of left and right of a place from −1 to 1 by the
// equal-power law, 1 at the centre.
func Pan(place float64) (left, right float64) {
	t := (max(-1, min(1, place)) + 1) / 8
	return float64(math.Sqrt2 * dmath.CosTurns(t)), float64(math.Sqrt2 * dmath.SinTurns(t))
}

// maxStep is the largest increment of a phase, a frequency of 0.45 of the rate.
const maxStep = 0.45

// Process adds len(left) frames to left and right. The frequency, in turns per
// frame, goes in a straight line from f0 to f1 over them, the pulse width of a
// square from w0 to w1.
func (o *Oscillator) Process(left, right []float64, f0, f1, w0, w1 float64) {
	n := len(left)
	for i := range o.voices {
		v := &o.voices[i]
		r := float64(o.ratio * v.ratio)
		a, b := min(maxStep, float64(f0*r)), min(maxStep, float64(f1*r))
		switch o.wave {
		case saw:
			o.saw(v, n, a, b)
		case square:
			o.square(v, n, a, b, w0, w1)
		case triangle:
			o.triangle(v, n, a, b)
		default:
			o.sine(v, n, a, b)
		}
	}
	for i := range left {
		left[i] += o.left[i]
		right[i] += o.right[i]
	}
	copy(o.left[:taps], o.left[n:n+taps])
	copy(o.right[:taps], o.right[n:n+taps])
	clear(o.left[taps : taps+n])
	clear(o.right[taps : taps+n])
}

// turn is 2^64 as a float.
const turn = 1 << 64

// bipolar returns a phase as a straight line from −1 to 1 over a turn.
func bipolar(phase uint64) float64 { return float64(int64(phase-1<<63)) / (1 << 63) } //nolint:gosec // the sign is wanted

// increment returns a step in turns as a step of a phase.
func increment(f float64) uint64 { return uint64(float64(max(f, 0) * turn)) }

func (o *Oscillator) saw(v *voice, n int, f0, f1 float64) {
	f, df := f0, (f1-f0)/float64(n)
	phase, gl, gr := v.phase, v.gl, v.gr
	for i := range n {
		f += df
		step := increment(f)
		phase += step
		if phase < step {
			o.jump(i, float64(phase)/float64(step), -2, v)
		}
		y := bipolar(phase)
		o.left[i+half] += float64(gl * y)
		o.right[i+half] += float64(gr * y)
	}
	v.phase = phase
}

func (o *Oscillator) square(v *voice, n int, f0, f1, w0, w1 float64) {
	f, df := f0, (f1-f0)/float64(n)
	w, dw := w0, (w1-w0)/float64(n)
	phase, gl, gr := v.phase, v.gl, v.gr
	high := phase < increment(w)
	for i := range n {
		f += df
		w += dw
		step, width := increment(f), increment(w)
		phase += step
		if phase < step {
			if !high {
				o.jump(i, float64(phase)/float64(step), 2, v)
			}
			high = true
		}
		if high && phase >= width {
			o.jump(i, min(1, float64(phase-width)/float64(step)), -2, v)
			high = false
		}
		y := -1.0
		if high {
			y = 1
		}
		o.left[i+half] += float64(gl * y)
		o.right[i+half] += float64(gr * y)
	}
	v.phase = phase
}

func (o *Oscillator) triangle(v *voice, n int, f0, f1 float64) {
	f, df := f0, (f1-f0)/float64(n)
	phase, gl, gr := v.phase, v.gl, v.gr
	for i := range n {
		f += df
		step := increment(f)
		before := phase
		phase += step
		if phase < step { // the lower corner
			o.bend(i, float64(phase)/float64(step), float64(8*f), v)
		} else if before < 1<<63 && phase >= 1<<63 { // the upper one
			o.bend(i, float64(phase-1<<63)/float64(step), float64(-8*f), v)
		}
		y := 1 - float64(2*math.Abs(bipolar(phase)))
		o.left[i+half] += float64(gl * y)
		o.right[i+half] += float64(gr * y)
	}
	v.phase = phase
}

func (o *Oscillator) sine(v *voice, n int, f0, f1 float64) {
	f, df := f0, (f1-f0)/float64(n)
	phase, gl, gr := v.phase, v.gl, v.gr
	for i := range n {
		f += df
		phase += increment(f)
		y := dmath.SinTurns(float64(phase>>11) / (1 << 53))
		o.left[i+half] += float64(gl * y)
		o.right[i+half] += float64(gr * y)
	}
	v.phase = phase
}

// jump adds the residual of a jump that happened ago frames (0 to 1) before the
// frame i.
func (o *Oscillator) jump(i int, ago, height float64, v *voice) {
	o.spread(&tables().step, i, ago, height, v)
}

// bend adds the residual of a change of slope, per frame, ago frames before the
// frame i.
func (o *Oscillator) bend(i int, ago, slope float64, v *voice) {
	o.spread(&tables().ramp, i, ago, slope, v)
}

func (o *Oscillator) spread(t *table, i int, ago, size float64, v *voice) {
	gl, gr := float64(size*v.gl), float64(size*v.gr)
	pos := float64(ago * phases)
	left, right := o.left[i:i+taps], o.right[i:i+taps]
	for k := range left {
		if k == half {
			pos++ // past the moment that stands twice
		}
		y := t.at(pos)
		left[k] += float64(gl * y)
		right[k] += float64(gr * y)
		pos += phases
	}
}
