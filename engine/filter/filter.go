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
	two      bool
	k        [2]float64 // 1/Q of each section
	response vec.Response
	at       [2]section // where the last stretch ended
	state    vec.State
	rate     float64
	cutoff   float64 // where the last stretch ended, Hz
}

// NewSVF returns a filter of the types lowpass, highpass, bandpass (0 dB at its
// centre) or notch with p's slope and resonance, which starts at a point. Two
// low-pass or high-pass sections in a row have the damping of a fourth-order
// Butterworth filter, where the resonance goes to the second.
func NewSVF(p patch.Filter, rate float64, at Point) *SVF {
	f := &SVF{rate: rate, cutoff: at.Cutoff, two: p.Slope == 24, k: [2]float64{1 / p.Resonance, 1 / p.Resonance}}
	if f.two && p.Type != "bandpass" && p.Type != "notch" {
		const first, second, flat = 0.5411961001461969, 1.3065629648763766, 0.7071067811865476
		f.k = [2]float64{1 / first, flat / float64(second*p.Resonance)}
	}
	k := vec.Both(f.k[0], f.k[1])
	for i := range k {
		switch p.Type {
		case "highpass":
			f.response.In[i], f.response.HalfV1[i], f.response.HalfV2[i] = 1, float64(-0.5*k[i]), -0.5
		case "bandpass":
			f.response.HalfV1[i] = float64(0.5 * k[i])
		case "notch":
			f.response.In[i], f.response.HalfV1[i] = 1, float64(-0.5*k[i])
		default:
			f.response = vec.LowPass()
		}
	}
	f.at = f.sections(at.Cutoff)
	return f
}

// section holds the coefficients of a section, as vec.Sections has them.
type section struct{ b1, b2, b3 float64 }

func (f *SVF) sections(cutoff float64) (s [2]section) {
	g := coefficient(cutoff, f.rate)
	for i, k := range f.k {
		a1 := 1 / (1 + float64(g*(g+k)))
		a2 := float64(g * a1)
		s[i] = section{float64(2*a1) - 1, float64(2 * a2), float64(float64(2*g) * a2)}
	}
	return s
}

// coefficient returns g = tan(π·cutoff/rate) of a cutoff in Hz, which is held
// within 5 Hz and 0.49 of the rate.
func coefficient(cutoff, rate float64) float64 {
	return dmath.TanTurns(float64(0.5 * max(5/rate, min(0.49, cutoff/rate))))
}

// Process filters left and, unless it is nil, right in place; the cutoff goes from
// where it was to its new place.
func (f *SVF) Process(left, right []float32, _, to Point) {
	from := f.at
	c := vec.Sections{B1: vec.Both(from[0].b1, from[1].b1), B2: vec.Both(from[0].b2, from[1].b2), B3: vec.Both(from[0].b3, from[1].b3)}
	var d vec.Sections
	if to.Cutoff != f.cutoff {
		f.cutoff = to.Cutoff
		f.at = f.sections(to.Cutoff)
		part := 1 / float64(len(left))
		var way [2]section
		for i, s := range f.at {
			way[i] = section{float64((s.b1 - from[i].b1) * part), float64((s.b2 - from[i].b2) * part), float64((s.b3 - from[i].b3) * part)}
		}
		d = vec.Sections{B1: vec.Both(way[0].b1, way[1].b1), B2: vec.Both(way[0].b2, way[1].b2), B3: vec.Both(way[0].b3, way[1].b3)}
	}
	vec.SVF(left, right, &f.state, &c, &d, &f.response, f.two)
}

// DCBlock is a first-order high-pass of a few Hz, on two channels.
type DCBlock struct {
	r    float64
	x, y [2]float64
}

// NewDCBlock returns a high-pass with the given cutoff in Hz.
func NewDCBlock(cutoff, rate float64) *DCBlock {
	return &DCBlock{r: dmath.Exp2(float64(-2*dmath.Pi/math.Ln2) * (cutoff / rate))}
}

// Process filters left and, unless it is nil, right in place.
func (d *DCBlock) Process(left, right []float32) {
	d.side(0, left)
	if right != nil {
		d.side(1, right)
	}
}

// side filters two frames at a time, of which the second does not wait for the first.
func (d *DCBlock) side(k int, block []float32) {
	r, square := d.r, float64(d.r*d.r)
	x, y := d.x[k], d.y[k]
	for len(block) >= 2 {
		first, second := float64(block[0]), float64(block[1])
		d0, d1 := first-x, second-first
		y0 := d0 + float64(r*y)
		y = (d1 + float64(r*d0)) + float64(square*y)
		block[0], block[1] = float32(y0), float32(y)
		x, block = second, block[2:]
	}
	for i, v := range block {
		next := float64(v)
		y = (next - x) + float64(r*y)
		x = next
		block[i] = float32(y)
	}
	d.x[k], d.y[k] = x, still(y)
}

// still is 0 for what is too small to hear: no denormal numbers.
func still(y float64) float64 {
	if y > -1e-30 && y < 1e-30 {
		return 0
	}
	return y
}
