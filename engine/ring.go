package engine

import (
	"patchlab/engine/osc"
	"patchlab/engine/oversample"
	"patchlab/engine/vec"
)

// ring is a ring modulator: the product of two tones, at twice the sample rate,
// where all of their sums of frequencies have room.
type ring struct {
	tones [2]tone
	gain  float32
	up    [2][2]*oversample.Two // by tone, by side
	buf   [2][2][BlockFrames]float32
}

func newRing(first, second tone, level float64, at osc.Controls) *ring {
	r := &ring{tones: [2]tone{first, second}, gain: float32(level)}
	for i := range r.up {
		r.up[i] = [2]*oversample.Two{oversample.NewTwo(), oversample.NewTwo()}
	}
	var nowhere [2][oversample.TwoLatency]float32
	r.Process(nowhere[0][:], nowhere[1][:], at, at)
	return r
}

func (r *ring) Mono() bool { return r.tones[0].Mono() && r.tones[1].Mono() }

func (r *ring) Process(left, right []float32, from, to osc.Controls) {
	n := len(left)
	for i, t := range r.tones {
		a, b := r.buf[i][0][:n], r.buf[i][1][:n]
		clear(a)
		clear(b)
		t.Process(a, b, from, to)
	}
	mono := r.Mono()
	for side, dst := range [2][]float32{left, right} {
		if side == 1 && mono {
			vec.Add(right, r.buf[0][0][:n], r.gain, 0)
			return
		}
		for i := range r.up {
			r.up[i][side].Up(r.buf[i][side][:n])
		}
		x, y := r.up[0][side].Phases(n), r.up[1][side].Phases(n)
		for k := range x {
			for i, v := range y[k] {
				x[k][i] = float32(x[k][i] * v)
			}
		}
		product := r.buf[0][side][:n]
		r.up[0][side].Down(product)
		vec.Add(dst, product, r.gain, 0)
	}
}
