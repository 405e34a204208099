// Package oversample takes a signal to two or four times its sample rate and back, so
// that what bends it there does not fold back. The filters are half-band filters
// (Crochiere and Rabiner, "Multirate Digital Signal Processing", 1983), of which every
// second tap is 0. All signals are kept as phases: what stands at twice or four times
// the rate is two or four slices at the plain rate, so that no loop has to step over
// samples.
package oversample

import (
	"patchlab/engine/dmath"
	"patchlab/engine/vec"
)

// Tap pairs of the half-band filters: from 1× to 2× a narrow transition, 80 dB down
// from 0.61 of the rate on; from 2× to 4× nothing stands near the edge.
const (
	pairs2x = 12
	pairs4x = 5
	beta    = 7.9
)

// Four takes a channel to four times its rate and back.
type Four struct {
	outer, inner []float64 // taps, from the innermost

	x phase    // the input
	u [2]phase // at 2×
	w [4]phase // at 4×: what is to be bent
	v [2]phase // at 2×, coming down

	up2, down2 []vec.Pair
	up4, down4 [2][]vec.Pair
}

// FourLatency is the delay of a Four, up and down, in frames.
const FourLatency = 2*pairs2x + pairs4x - 2

// phase is a signal with enough of its past for a filter: the frame that is due
// stands at past.
type phase struct {
	past int
	buf  []float32
}

func newPhase(past int) phase { return phase{past, make([]float32, past+vec.MaxBlock)} }

// at returns n frames, from so many ago on.
func (p *phase) at(ago, n int) []float32 { return p.buf[p.past-ago:][:n] }

// on forgets the oldest n frames.
func (p *phase) on(n int) { copy(p.buf[:p.past], p.buf[n:n+p.past]) }

// halfBand returns the odd taps of a half-band filter, from the innermost, by a
// Kaiser window: the phase that they make has the gain of the middle tap, 1/2.
func halfBand(pairs int) []float64 {
	taps := make([]float64, pairs)
	sum := 0.0
	for i := range taps {
		t := float64(2*i + 1)
		taps[i] = float64(dmath.SinTurns(float64(t/4)) / float64(dmath.Pi*t) * dmath.Kaiser(t/float64(2*pairs), beta))
		sum += float64(2 * taps[i])
	}
	for i := range taps {
		taps[i] = float64(taps[i] * (0.5 / sum))
	}
	return taps
}

// NewFour returns a Four.
func NewFour() *Four {
	o := &Four{
		outer: halfBand(pairs2x), inner: halfBand(pairs4x), x: newPhase(2 * pairs2x),
		up2: make([]vec.Pair, pairs2x), down2: make([]vec.Pair, pairs2x),
	}
	for i := range o.u {
		o.u[i] = newPhase(pairs4x)
		o.v[i] = newPhase(2 * pairs2x)
		o.up4[i], o.down4[i] = make([]vec.Pair, pairs4x), make([]vec.Pair, pairs4x)
	}
	for i := range o.w {
		o.w[i] = newPhase(pairs4x)
	}
	return o
}

// double returns the frames of a signal at 2×, kept as two phases, from a number of
// its samples before the m-th of a frame on.
func double(p *[2]phase, m, ago, n int) []float32 {
	i := m - ago // sample, from the frame that is due
	frame := i >> 1
	return p[i&1].at(-frame, n)
}

// Up takes a block of at most vec.MaxBlock frames to four times its rate. At 2×, with h the taps
// and D = 2·pairs−1 the delay, the even samples are 2·Σ h_j·(x[i−K−j+1] + x[i−K+j])
// and the odd ones x[i−K+1]; at 4× likewise.
func (o *Four) Up(block []float32) {
	n := len(block)
	copy(o.x.at(0, n), block)
	for j := range o.up2 {
		o.up2[j] = vec.Pair{A: o.x.at(pairs2x+j, n), B: o.x.at(pairs2x-j-1, n), Gain: float32(2 * o.outer[j])}
	}
	vec.FIR(o.u[0].at(0, n), nil, 0, o.up2)
	copy(o.u[1].at(0, n), o.x.at(pairs2x-1, n))
	for m := range 2 {
		for j := range o.up4[m] {
			o.up4[m][j] = vec.Pair{A: double(&o.u, m, pairs4x+j, n), B: double(&o.u, m, pairs4x-j-1, n), Gain: float32(2 * o.inner[j])}
		}
		vec.FIR(o.w[2*m].at(0, n), nil, 0, o.up4[m])
		copy(o.w[2*m+1].at(0, n), double(&o.u, m, pairs4x-1, n))
	}
}

// Phases returns what stands at four times the rate, n frames in four phases, to be
// changed in place between Up and Down.
func (o *Four) Phases(n int) [4][]float32 {
	var w [4][]float32
	for k := range w {
		w[k] = o.w[k].at(0, n)
	}
	return w
}

// Down brings the phases back into block.
func (o *Four) Down(block []float32) {
	n := len(block)
	even, odd := [2]*phase{&o.w[0], &o.w[2]}, [2]*phase{&o.w[1], &o.w[3]}
	twice := func(p [2]*phase, m, ago int) []float32 {
		i := m - ago
		return p[i&1].at(-(i >> 1), n)
	}
	for m := range 2 {
		for j := range o.down4[m] {
			o.down4[m][j] = vec.Pair{A: twice(even, m, pairs4x+j), B: twice(even, m, pairs4x-j-1), Gain: float32(o.inner[j])}
		}
		vec.FIR(o.v[m].at(0, n), twice(odd, m, pairs4x), 0.5, o.down4[m])
	}
	for j := range o.down2 {
		o.down2[j] = vec.Pair{A: o.v[1].at(pairs2x+j, n), B: o.v[1].at(pairs2x-j-1, n), Gain: float32(o.outer[j])}
	}
	vec.FIR(block, o.v[0].at(pairs2x-1, n), 0.5, o.down2)
	o.x.on(n)
	for i := range o.u {
		o.u[i].on(n)
		o.v[i].on(n)
	}
	for i := range o.w {
		o.w[i].on(n)
	}
}

// Two takes a channel to twice its rate and back.
type Two struct {
	taps []float64
	x    phase
	u    [2]phase
	up   []vec.Pair
	down []vec.Pair
}

// TwoLatency is the delay of a Two, up and down, in frames.
const TwoLatency = 2*pairs2x - 1

// NewTwo returns a Two.
func NewTwo() *Two {
	return &Two{
		taps: halfBand(pairs2x), x: newPhase(2 * pairs2x), u: [2]phase{newPhase(2 * pairs2x), newPhase(pairs2x)},
		up: make([]vec.Pair, pairs2x), down: make([]vec.Pair, pairs2x),
	}
}

// Up takes a block of at most vec.MaxBlock frames to twice its rate.
func (o *Two) Up(block []float32) {
	n := len(block)
	copy(o.x.at(0, n), block)
	for j := range o.up {
		o.up[j] = vec.Pair{A: o.x.at(pairs2x+j, n), B: o.x.at(pairs2x-j-1, n), Gain: float32(2 * o.taps[j])}
	}
	vec.FIR(o.u[0].at(0, n), nil, 0, o.up)
	copy(o.u[1].at(0, n), o.x.at(pairs2x-1, n))
	o.x.on(n)
}

// Phases returns what stands at twice the rate, n frames in two phases, to be changed
// in place between Up and Down.
func (o *Two) Phases(n int) [2][]float32 { return [2][]float32{o.u[0].at(0, n), o.u[1].at(0, n)} }

// Down brings the phases back into block.
func (o *Two) Down(block []float32) {
	n := len(block)
	for j := range o.down {
		o.down[j] = vec.Pair{A: o.u[0].at(pairs2x+j, n), B: o.u[0].at(pairs2x-j-1, n), Gain: float32(o.taps[j])}
	}
	vec.FIR(block, o.u[1].at(pairs2x, n), 0.5, o.down)
	o.u[0].on(n)
	o.u[1].on(n)
}
