package osc

import (
	"patchlab/engine/dmath"
	"patchlab/engine/patch"
	"patchlab/engine/rng"
)

// FM is a sine whose phase is turned by another sine, the modulator, which may turn
// its own (Chowning, "The synthesis of complex audio spectra by means of frequency
// modulation", 1973; Tomisawa, US patent 4249447, 1981), of 1 to 16 voices, in
// stereo.
type FM struct {
	index, feedback, ratio float64

	voices []operator
	mono   bool
	top    float64 // highest ratio of a voice's frequency to the layer's

	last  Controls // at the end of the last call, and what they came to
	depth depth

	pair [2][MaxBlock]float32
	sum  [MaxBlock]float32
}

// operator is a voice and its modulator.
type operator struct {
	voice
	mod   uint64     // phase of the modulator
	sines [2]float64 // the modulator's last two, the newer first
}

// depth is how far the modulator turns the carrier and itself, in radians.
type depth struct{ index, feedback float64 }

// mostIndex bounds what an index may be moved to; up to 50 it fits into a phase.
const mostIndex = 40

// NewFM makes an oscillator with the level, the tuning and the modulator of p. A
// modulator starts at its carrier's phase times the ratio of their frequencies, so
// that all voices have one timbre where that is a whole number.
func NewFM(p patch.Oscillator, random rng.Stream, _ float64) *FM {
	o := &FM{index: p.FMIndex, feedback: p.FMFeedback, ratio: p.FMRatio}
	voices, mono := unison(p, random, 0)
	o.mono = mono
	for _, v := range voices {
		o.voices = append(o.voices, operator{voice: v, mod: steps(float64(unit(v.phase) * p.FMRatio))})
		o.top = max(o.top, v.ratio)
	}
	return o
}

// Mono reports whether both sides are the same.
func (o *FM) Mono() bool { return o.mono }

// Process adds len(left) frames, at most MaxBlock, to left and right; all that moves
// goes in straight lines from one end to the other.
func (o *FM) Process(left, right []float32, from, to Controls) {
	n := len(left)
	if n == 0 {
		return
	}
	if from != o.last {
		o.depth = o.hold(from)
	}
	was := o.depth
	if to != from {
		o.depth = o.hold(to)
	}
	o.last = to
	d := newDrive(was, o.depth, n)
	m := mixer{left: left, right: right}
	if o.mono {
		m.sum = o.sum[:n]
	}
	for i := 0; i < len(o.voices); i += len(o.pair) {
		pair := o.voices[i:min(i+len(o.pair), len(o.voices))]
		o.modulate(pair, from, to, d, n)
		for k := range pair {
			v := &pair[k]
			f0, f1 := v.ends(from, to)
			carrier, one := newRun(v.phase, f0, f1, n), o.pair[k][:n]
			if d.on() {
				carrier.turned(one, d)
			} else {
				carrier.sines(one)
			}
			v.phase = carrier.end(n)
			m.add(one, v.gl, v.gr)
		}
	}
	m.finish()
}

// modulate moves the modulators of one or two voices on by n frames, and puts them
// into o.pair where they are of use.
func (o *FM) modulate(pair []operator, from, to Controls, d drive, n int) {
	var r [2]run
	for k := range pair {
		v := &pair[k]
		f0, f1 := v.ends(from, to)
		r[k] = newRun(v.mod, min(maxStep, float64(f0*o.ratio)), min(maxStep, float64(f1*o.ratio)), n)
		v.mod = r[k].end(n)
	}
	switch {
	case !d.on():
	case !d.feeds():
		for k := range pair {
			r[k].sines(o.pair[k][:n])
		}
	case len(pair) == 2:
		fedTwo(o.pair[0][:n], o.pair[1][:n], r[0], r[1], d, &pair[0].sines, &pair[1].sines)
	default:
		r[0].fed(o.pair[0][:n], d, &pair[0].sines)
	}
}

// hold returns how far the modulators may turn the phases.
func (o *FM) hold(at Controls) depth {
	f := min(maxStep, float64(at.Frequency*o.top))
	index := max(0, min(mostIndex, o.index+at.FMIndex))
	return bound(depth{index, o.feedback}, f, float64(f*o.ratio))
}

// drive is a depth that goes in a straight line over a stretch of frames.
type drive struct {
	index, dindex       float64 // in 2^−28 turns: a 16th of the steps of a phase, to fit into 32 bits
	feedback, dfeedback float64 // in half turns, and halved, since it is for the sum of two sines
}

func newDrive(from, to depth, n int) drive {
	const i, f = (1 << 28) / (2 * dmath.Pi), 0.5 / dmath.Pi
	return drive{
		index: float64(from.index * i), dindex: float64((to.index - from.index) * i / float64(n)),
		feedback: float64(from.feedback * f), dfeedback: float64((to.feedback - from.feedback) * f / float64(n)),
	}
}

func (d *drive) on() bool    { return d.index != 0 || d.dindex != 0 }
func (d *drive) feeds() bool { return d.feedback != 0 || d.dfeedback != 0 }
