package osc

import (
	"math/bits"

	"patchlab/engine/dmath"
)

// inverse is an inverse Fourier transform in real arithmetic of two real waves at
// once: one makes the real parts of the points, the other the imaginary ones. It is
// that of Cooley and Tukey (1965), in place, decimating in time, with two stages at a
// time.
type inverse struct {
	points []point
	// twist[h+k] is exp(iπk/h) for h = 1, 2, 4, … and k below h.
	twist []point
}

// point is a complex number, without Go's arithmetic, which may be fused.
type point struct{ re, im float64 }

func (p point) plus(q point) point  { return point{p.re + q.re, p.im + q.im} }
func (p point) minus(q point) point { return point{p.re - q.re, p.im - q.im} }
func (p point) times(q point) point {
	return point{float64(p.re*q.re) - float64(p.im*q.im), float64(p.re*q.im) + float64(p.im*q.re)}
}

// newInverse makes transforms of up to 2^most points.
func newInverse(most int) *inverse {
	n := 1 << most
	f := &inverse{points: make([]point, n), twist: make([]point, n)}
	half := n / 2
	for k := range half {
		x := float64(k) / float64(n)
		f.twist[half+k] = point{dmath.CosTurns(x), dmath.SinTurns(x)}
	}
	for i := half - 1; i > 0; i-- { // every second one of the next row
		f.twist[i] = f.twist[2*i]
	}
	return f
}

// pair returns a turn of 2^size points of the waves of a and b, with the harmonics
// below len(up), each times its up. It must have less than half of the harmonics that
// there is room for: then of every four neighbours in reversed order only the first
// and the last are not 0.
func (f *inverse) pair(a, b *spectrum, up []float64, size int) []point {
	x := f.points[:1<<size]
	clear(x)
	for h := 1; h < len(up); h++ {
		g := up[h] / 2
		ac, as, bc, bs := a.cos[h], a.sin[h], b.cos[h], b.sin[h]
		x[reversed(h, size)] = point{float64(g * (ac + bs)), float64(g * (bc - as))}
		x[reversed(len(x)-h, size)] = point{float64(g * (ac - bs)), float64(g * (bc + as))}
	}
	for i := 0; i < len(x); i += 4 {
		p := (*[4]point)(x[i:])
		first, last := p[0], p[3]
		turned := point{last.im, -last.re}
		p[0], p[1], p[2], p[3] = first.plus(last), first.plus(turned), first.minus(last), first.minus(turned)
	}
	half := 4
	for ; 4*half <= len(x); half *= 4 {
		f.two(x, half)
	}
	if half < len(x) {
		f.one(x, half)
	}
	return x
}

func reversed(i, size int) int { return int(bits.Reverse32(uint32(i)) >> (32 - size)) }

// one joins the two halves of x, which are transforms.
func (f *inverse) one(x []point, half int) {
	w := f.twist[half:][:half]
	x0, x1 := x[:half], x[half:][:half]
	for k, p := range x0 {
		q := x1[k].times(w[k])
		x0[k], x1[k] = p.plus(q), p.minus(q)
	}
}

// two joins transforms of half points each by fours.
func (f *inverse) two(x []point, half int) {
	w1, w2 := f.twist[half:][:half], f.twist[2*half:][:half]
	for ; len(x) >= 4*half; x = x[4*half:] {
		x0, x1, x2, x3 := x[:half], x[half:][:half], x[2*half:][:half], x[3*half:][:half]
		for k := range x0 {
			a, b := x0[k], x1[k].times(w1[k])
			c, d := x2[k], x3[k].times(w1[k])
			a, b = a.plus(b), a.minus(b)
			c, d = c.plus(d).times(w2[k]), c.minus(d).times(w2[k])
			d = point{-d.im, d.re} // a quarter turn more
			x0[k], x1[k], x2[k], x3[k] = a.plus(c), b.plus(d), a.minus(c), b.minus(d)
		}
	}
}
