package loudness

import (
	"math"

	"patchlab/engine/dmath"
)

// The analogue prototypes of the two filters that the standard gives for 48 kHz, found
// from their coefficients (R. Löwe's libebur128 has the same): a high shelf for the
// head, and a high-pass.
const (
	shelfHz   = 1681.974450955533
	shelfDB   = 3.999843853973347
	shelfQ    = 0.7071752369554196
	shelfBend = 0.4996667741545416 // exponent of the shelf's gain at its middle
	highHz    = 38.13547087602444
	highQ     = 0.5003270373238773
)

// weighting is the K-weighting filter of one channel, both sections in direct form I: of
// all forms it has the shortest way from one output to the next.
type weighting struct {
	b0, b1, b2, a1, a2 float64 // of the shelf
	c1, c2             float64 // of the high-pass, whose numerator is 1, −2, 1
	x1, x2             float64 // the last two samples
	y1, y2             float64 // of the shelf's output
	z1, z2             float64 // of the high-pass's
}

func newWeighting(rate float64) weighting {
	var w weighting
	k := dmath.TanTurns(shelfHz / (2 * rate))
	high := dmath.Gain(shelfDB)
	middle := dmath.Gain(shelfDB * shelfBend)
	kk, kq := float64(k*k), k/shelfQ
	norm := 1 / (1 + kq + kk)
	w.b0 = float64((high + float64(middle*kq) + kk) * norm)
	w.b1 = float64(2 * (kk - high) * norm)
	w.b2 = float64((high - float64(middle*kq) + kk) * norm)
	w.a1 = float64(2 * (kk - 1) * norm)
	w.a2 = float64((1 - kq + kk) * norm)

	k = dmath.TanTurns(highHz / (2 * rate))
	kk, kq = float64(k*k), k/highQ
	norm = 1 / (1 + kq + kk)
	w.c1 = float64(2 * (kk - 1) * norm)
	w.c2 = float64((1 - kq + kk) * norm)
	return w
}

// energy filters every step-th of the samples and returns the sum of the squares, 0
// where that is no number.
func (w *weighting) energy(samples []float32, step int) float64 {
	b0, b1, b2, a1, a2, c1, c2 := w.b0, w.b1, w.b2, w.a1, w.a2, w.c1, w.c2
	x1, x2, y1, y2, z1, z2 := w.x1, w.x2, w.y1, w.y2, w.z1, w.z2
	sum := 0.0
	for i := 0; i < len(samples); i += step {
		x := float64(samples[i])
		y := ((float64(b0*x) + float64(b1*x1)) + (float64(b2*x2) - float64(a2*y2))) - float64(a1*y1)
		z := (((y - y1) - (y1 - y2)) - float64(c2*z2)) - float64(c1*z1)
		x1, x2, y1, y2, z1, z2 = x, x1, y, y1, z, z1
		sum += float64(z * z)
	}
	w.x1, w.x2, w.y1, w.y2, w.z1, w.z2 = quiet(x1), quiet(x2), quiet(y1), quiet(y2), quiet(z1), quiet(z2)
	if !(sum < math.MaxFloat32) {
		return 0
	}
	return sum
}

// quiet flushes what is too small to matter, so that no recursion runs on denormal
// numbers, and what is not a number.
func quiet(x float64) float64 {
	if size := math.Abs(x); size > 1e-30 && size < math.MaxFloat32 {
		return x
	}
	return 0
}
