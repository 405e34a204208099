// Package filter holds the filters of a layer and the small filters that keep a
// signal tidy. State and coefficients are float64.
package filter

import (
	"math"

	"patchlab/engine/dmath"
	"patchlab/engine/patch"
	"patchlab/engine/vec"
)

// SVF is a state-variable filter of one or two second-order sections in a row, by
// trapezoidal integration with zero-delay feedback (Zavalishin, "The Art of VA Filter
// Design"; in the form of Simper, "Linear trapezoidal integrated SVF", 2013): its
// response is that of the analogue filter, bent by the bilinear transform and tuned
// at the cutoff, and it stays stable while the cutoff moves.
type SVF struct {
	sections []section
	rate     float64
	cutoff   float64 // where the last stretch ended, Hz
}

type section struct {
	k        float64 // 1/Q
	response vec.Response
	state    vec.State
	at       vec.Section // where the last stretch ended
}

// NewSVF returns a filter of the types lowpass, highpass, bandpass (0 dB at its
// centre) or notch with p's slope and resonance, which starts at a point. Two
// low-pass or high-pass sections in a row have the damping of a fourth-order
// Butterworth filter, where the resonance goes to the second.
func NewSVF(p patch.Filter, rate float64, at Point) *SVF {
	damping := []float64{1 / p.Resonance}
	if p.Slope == 24 {
		const first, second, flat = 0.5411961001461969, 1.3065629648763766, 0.7071067811865476
		damping = []float64{1 / first, flat / float64(second*p.Resonance)}
		if p.Type == "bandpass" || p.Type == "notch" {
			damping = []float64{1 / p.Resonance, 1 / p.Resonance}
		}
	}
	f := &SVF{rate: rate, cutoff: at.Cutoff}
	g := coefficient(at.Cutoff, rate)
	for _, k := range damping {
		s := section{k: k, at: newSection(g, k)}
		switch p.Type {
		case "highpass":
			s.response = vec.Response{In: 1, V1: -k, V2: -1}
		case "bandpass":
			s.response = vec.Response{V1: k}
		case "notch":
			s.response = vec.Response{In: 1, V1: -k}
		default:
			s.response = vec.Response{V2: 1}
		}
		f.sections = append(f.sections, s)
	}
	return f
}

// coefficient returns g = tan(π·cutoff/rate) of a cutoff in Hz, which is held
// within 5 Hz and 0.49 of the rate.
func coefficient(cutoff, rate float64) float64 {
	return dmath.TanTurns(float64(0.5 * max(5/rate, min(0.49, cutoff/rate))))
}

func newSection(g, k float64) vec.Section {
	a1 := 1 / (1 + float64(g*(g+k)))
	a2 := float64(g * a1)
	return vec.Section{B1: float64(2*a1) - 1, B2: float64(2 * a2), B3: float64(float64(2*g) * a2)}
}

// Process filters left and, unless it is nil, right in place; the cutoff goes from
// where it was to its new place.
func (f *SVF) Process(left, right []float32, _, to Point) {
	moved := to.Cutoff != f.cutoff
	g := 0.0
	if moved {
		g = coefficient(to.Cutoff, f.rate)
		f.cutoff = to.Cutoff
	}
	for i := range f.sections {
		s := &f.sections[i]
		next := s.at
		if moved {
			next = newSection(g, s.k)
		}
		vec.SVF(left, right, &s.state, s.at, next, s.response)
		s.at = next
	}
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
func (d *DCBlock) Process(block []float32) {
	x1, y1 := d.x1, d.y1
	for i, v := range block {
		x := float64(v)
		y1 = x - x1 + float64(d.r*y1)
		x1 = x
		block[i] = float32(y1)
	}
	if y1 > -1e-30 && y1 < 1e-30 { // no denormal numbers
		y1 = 0
	}
	d.x1, d.y1 = x1, y1
}
