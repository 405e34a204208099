package osc

import (
	"math"

	"patchlab/engine/dmath"
)

// silent is the natural logarithm of the largest amplitude, 5e-6, that a sideband
// beyond half the rate may have.
const silent = -12.2

const ln2 = math.Ln2

// Where there is room for more than roomy orders, index/order + feedback may always be
// up to roomyShare, which is below sech α where α − tanh α is −silent/roomy.
const (
	roomy      = 48
	roomyShare = 0.65
)

// bound scales index and feedback down to where the sidebands of a carrier fc and a
// modulator fm, both in turns per frame, that pass half the rate, and would fold
// back, are below silent.
//
// The k-th sideband of a carrier turned by I radians of a sine that turns itself by
// β radians has the amplitude J_k(I+kβ)·I/(I+kβ): the modulator m(φ) = sin ψ with
// φ = ψ − β·sin ψ (Kepler's equation) makes of its Fourier integral that of a
// Bessel function. By Debye's expansion (Abramowitz and Stegun, 9.3.7)
// J_k(k·sech α) is below exp(−k(α − tanh α))/√(πk) for tanh α > 1/2, and not much
// above for the small α of high orders. So where that, times I/(I+Kβ), is silent for
// the first order K beyond half the rate, I/K + β must not be above sech α; for the
// orders above K all of it is lower still. K is taken as a real number, to be
// continuous in the frequency.
func bound(d depth, fc, fm float64) depth {
	k := (0.5 - fc) / max(fm, 1e-6)
	if !(k > 1) || d.index == 0 {
		return depth{}
	}
	all := d.index + float64(k*d.feedback)
	if k > roomy && all < float64(roomyShare*k) {
		return d
	}
	decay := -silent - float64(ln2/2*dmath.Log2(float64(dmath.Pi*k)))
	if d.feedback > 0 {
		decay -= float64(ln2 * dmath.Log2(all/d.index))
	}
	s := min(1, float64(k*sech(max(0.3, decay)/k))/all)
	return depth{float64(s * d.index), float64(s * d.feedback)}
}

// sech returns the hyperbolic secant of the α at which α − tanh α is q, above 0, or a
// little less: Newton's method comes to α from above, since the function is convex.
func sech(q float64) float64 {
	a := q + math.Sqrt(math.Sqrt(q))
	var e float64
	for range 3 {
		e = dmath.Exp2(float64(-2 / ln2 * a))
		t := (1 - e) / (1 + e)
		a -= (a - t - q) / float64(t*t)
	}
	e = dmath.Exp2(float64(-1 / ln2 * a))
	return float64(2*e) / (1 + float64(e*e))
}
