// Package oversample takes a signal to two or four times its sample rate and back, so
// that what bends it there does not fold back. The filters are half-band filters
// (Crochiere and Rabiner, "Multirate Digital Signal Processing", 1983), of which every
// second tap is 0. All signals are kept as phases: what stands at twice or four times
// the rate is two or four slices at the plain rate, so that no loop has to step over
// samples.
package oversample

import (
	"patchlab/engine/vec"
)

// Tap pairs of the half-band filters.
const (
	outer = vec.Outer
	inner = vec.Inner
)

// The odd taps of the half-band filters, from the innermost, with the least largest
// error (Parks and McClellan, 1972, for the one phase: Vaidyanathan and Nguyen, "A
// trick for the design of FIR half-band filters", 1987). From 1× to 2× the transition is
// narrow, 75 dB down from 0.61 of the rate on and within 0.0015 dB up to 0.39 of it;
// from 2× to 4×, where little stands near the edge, 72 dB from 0.75 of 2× on.
//
//nolint:gochecknoglobals // constants that Go cannot write as such
var (
	outerTaps = [10]float64{
		0.6319953546, -0.1981264265, 0.1049763128, -0.06195902777, 0.03704265133,
		-0.02147043998, 0.01168442874, -0.005763640373, 0.002438724444, -0.0008179372712,
	}
	innerTaps = [inner]float64{0.611030791, -0.1447087571, 0.04115536647, -0.007477400448}
)

// Four takes a channel to four times its rate and back. With h the taps of a filter
// from the innermost, counted from 1, and K their number: going up, the even samples at
// the higher rate are 2·Σ h_j·(x[i−K−j+1] + x[i−K+j]) and the odd ones x[i−K+1]; coming
// down, a half of one phase, the centre, is added to the same sum over the other.
type Four struct {
	up2, down2 [outer]vec.Tap // taps
	up4, down4 [inner]vec.Tap
	centre     float32 // gain of the middle tap of down2

	x phase    // the input
	u [2]phase // at 2×
	w [4]phase // at 4×: what is to be bent
	v [2]phase // at 2×, coming down
}

// FourLatency is the delay of a Four, up and down, in frames.
const FourLatency = 2*outer + inner - 2

// phase is a signal with enough of its past for a filter: the frame that is due
// stands at past.
type phase struct {
	past int
	buf  []float32
}

func newPhase(past int) phase { return phase{past, make([]float32, past+vec.MaxBlock)} }

// at returns n frames, from so many ago on.
func (p *phase) at(ago, n int) []float32 { return p.buf[p.past-ago:][:n] }

// from returns all frames from so many ago on.
func (p *phase) from(ago int) []float32 { return p.buf[p.past-ago:] }

// on forgets the oldest n frames.
func (p *phase) on(n int) { copy(p.buf[:p.past], p.buf[n:n+p.past]) }

// scaled sets taps so that the phase that they make has a gain.
func scaled(taps []vec.Tap, shape []float64, gain float64) {
	for i, h := range shape {
		for lane := range taps[i] {
			taps[i][lane] = float32(float64(h * gain))
		}
	}
}

// NewFour returns a Four whose way down has a gain.
func NewFour(gain float64) *Four {
	o := &Four{centre: float32(0.5 * gain), x: newPhase(2*outer - 1), u: [2]phase{newPhase(inner), newPhase(inner)}}
	scaled(o.up2[:], outerTaps[:], 1)
	scaled(o.down2[:], outerTaps[:], float64(0.5*gain))
	scaled(o.up4[:], innerTaps[:], 1)
	scaled(o.down4[:], innerTaps[:], 0.5)
	for i := range o.w {
		o.w[i] = newPhase(inner)
	}
	for i := range o.v {
		o.v[i] = newPhase(2*outer - 1)
	}
	return o
}

// Up takes a block of at most vec.MaxBlock frames to four times its rate.
func (o *Four) Up(block []float32) {
	n := len(block)
	copy(o.x.at(0, n), block)
	even, odd := &o.u[0], &o.u[1]
	vec.Symmetric(even.at(0, n), nil, 0, o.x.from(2*outer-1), &o.up2)
	copy(odd.at(0, n), o.x.at(outer-1, n))
	vec.Crossed(o.w[0].at(0, n), o.w[2].at(0, n), nil, nil, 0, even.from(inner-1), odd.from(inner), &o.up4)
}

// Phases returns n frames in four phases, between Up and Down: what stands at four times
// the rate, to be read, and where Down looks for what has been made of it. The even ones
// are the same.
func (o *Four) Phases(n int) (src, dst [4][]float32) {
	for k := range dst {
		dst[k] = o.w[k].at(0, n)
	}
	return [4][]float32{dst[0], o.u[1].at(inner/2, n), dst[2], o.u[0].at(inner/2-1, n)}, dst
}

// Down brings the phases, times the gain, back into block.
func (o *Four) Down(block []float32) {
	n := len(block)
	even, odd := &o.w[0], &o.w[2]
	vec.Crossed(o.v[0].at(0, n), o.v[1].at(0, n), o.w[1].at(inner/2, n), o.w[3].at(inner/2, n), 0.5, even.from(inner-1), odd.from(inner), &o.down4)
	vec.Symmetric(block, o.v[0].at(outer-1, n), o.centre, o.v[1].from(2*outer-1), &o.down2)
	for _, p := range []*phase{&o.x, &o.u[0], &o.u[1], &o.v[0], &o.v[1], &o.w[0], &o.w[1], &o.w[2], &o.w[3]} {
		p.on(n)
	}
}

// Two takes a channel to twice its rate and back.
type Two struct {
	up, down [outer]vec.Tap
	x        phase
	u        [2]phase
}

// TwoLatency is the delay of a Two, up and down, in frames.
const TwoLatency = 2*outer - 1

// NewTwo returns a Two.
func NewTwo() *Two {
	o := &Two{x: newPhase(2*outer - 1), u: [2]phase{newPhase(2*outer - 1), newPhase(outer)}}
	scaled(o.up[:], outerTaps[:], 1)
	scaled(o.down[:], outerTaps[:], 0.5)
	return o
}

// Up takes a block of at most vec.MaxBlock frames to twice its rate.
func (o *Two) Up(block []float32) {
	n := len(block)
	copy(o.x.at(0, n), block)
	vec.Symmetric(o.u[0].at(0, n), nil, 0, o.x.from(2*outer-1), &o.up)
	copy(o.u[1].at(0, n), o.x.at(outer-1, n))
	o.x.on(n)
}

// Phases returns what stands at twice the rate, n frames in two phases, to be changed
// in place between Up and Down.
func (o *Two) Phases(n int) [2][]float32 { return [2][]float32{o.u[0].at(0, n), o.u[1].at(0, n)} }

// Down brings the phases back into block.
func (o *Two) Down(block []float32) {
	n := len(block)
	vec.Symmetric(block, o.u[1].at(outer, n), 0.5, o.u[0].from(2*outer-1), &o.down)
	o.u[0].on(n)
	o.u[1].on(n)
}
