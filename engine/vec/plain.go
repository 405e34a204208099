//go:build !goexperiment.simd || !amd64

package vec

// Symmetric sets dst[i] to gain·centre[i], unless centre is nil, plus the sum over j of
// taps[j]·(x[i+11−j] + x[i+12+j]): a symmetric filter whose first window starts with x.
func Symmetric(dst, centre []float32, gain float32, x []float32, taps *[Outer]Tap) {
	symmetricPlain(dst, centre, gain, x, taps)
}

// Crossed filters a signal at twice the rate, kept in two phases, by a symmetric filter into
// both phases of another: the first sample of a frame becomes
// taps·(even[1]+odd[2], odd[1]+even[2], even[0]+odd[3], odd[0]+even[3]) and the second
// the same one sample on. Windows start with even and odd. To each, gain times its
// centre is added, unless they are nil.
func Crossed(dst0, dst1, centre0, centre1 []float32, gain float32, even, odd []float32, taps *[Inner]Tap) {
	crossedPlain(dst0, dst1, centre0, centre1, gain, even, odd, taps)
}

// Process sets dst to what src, of the same length, is bent to.
func (s *Saturation) Process(dst, src []float32) { s.plain(dst, src) }

// Add adds g·src to dst, where g goes in a straight line: it is g0 before the first
// sample and changes by dg a sample.
func Add(dst, src []float32, g0, dg float32) { addPlain(dst, src, 1, g0, dg) }

// Sum adds src to dst.
func Sum(dst, src []float32) { sumPlain(dst, src) }

// Cubic sets dst[i] to what lies between src[i+1] and src[i+2], a part of the way that
// is f for the first and grows by df, by the cubic through four samples (Catmull and Rom,
// "A class of local interpolating splines", 1974).
func Cubic(dst, src []float32, f, df float32) { cubicPlain(dst, src, 0, f, df) }

// Mix sets dst to dry·dst + wet·src.
func Mix(dst, src []float32, dry, wet float32) { mixPlain(dst, src, dry, wet) }

// Scale multiplies by g.
func Scale(block []float32, g float32) { scalePlain(block, g) }

// Offset sets dst to src plus by.
func Offset(dst, src []float32, by float32) { offsetPlain(dst, src, by) }

// Interleave puts left and right in turns into dst.
func Interleave(dst, left, right []float32) { interleavePlain(dst, left, right) }

// Diffuse sets dst to src, of the same length, behind four all-passes in a row (M. R.
// Schroeder, "Natural sounding artificial reverberation", 1962), each of a delay of at
// least LeastDelay.
func Diffuse(dst, src []float32, d *Diffusion) { diffusePlain(dst, src, d) }

// Residual adds y·gl to left and y·gr to right, with y = a + f·(b−a).
func Residual(left, right, a, b *[Taps]float32, f, gl, gr float32) {
	residualPlain(left, right, a, b, f, gl, gr)
}

// Noise adds white noise, uniform within ±g, to dst: the numbers of a key from the
// counter on.
func Noise(dst []float32, key, counter uint32, g float32) { noisePlain(dst, key, counter, g) }

// Quantize rounds samples to steps of 1/full with triangular dither of ±1 step from
// the numbers of a key; a 0 stays 0, and what is beyond full scale is held there.
func Quantize(dst []int32, src []float32, full float32, key, counter uint32) {
	quantizePlain(dst, src, full, key, counter)
}

// Peak returns the largest magnitude.
func Peak(x []float32) float32 { return peakPlain(x) }

// SVF filters left and, unless it is nil, right in place through the first section, or
// through both where two is true: then the second lets out each frame one frame late.
// The coefficients change by d before each frame; on the way from one stable filter to
// another they are those of stable filters, since each is a contraction.
func SVF(left, right []float32, s *State, c, d *Sections, r *Response, two bool) {
	svfPlain(left, right, s, c, d, r, two)
}

// Process takes len(inL) frames, at most MaxBlock, from From through the matrices, whose
// rows go to To, with inL added to those of the first two groups and inR to those of the
// others.
func (n *Network) Process(inL, inR []float32) { n.processPlain(inL, inR) }

// Blend sets dst to the sum of dst, of w.Rows, of which every second is subtracted, and of
// in, times their gains.
func Blend(dst, in []float32, w *Wet) { blendPlain(dst, in, w, 0) }

// Pack24 writes the low three bytes of each step, little-endian.
func Pack24(dst []byte, steps []int32) { pack24Plain(dst, steps) }

// Range widens a range to all samples that are numbers.
func Range(x []float32, lo, hi float32) (float32, float32) { return rangePlain(x, lo, hi) }

// Sums returns the sums of the samples with even and with odd indexes.
func Sums(x []float32) (even, odd float64) { return sumsPlain(x) }
