// Package vec holds the engine's inner loops over blocks of samples. Each is
// written in plain Go, and those that matter also in the vector instructions of
// amd64 with AVX2 (GOEXPERIMENT=simd), which are used where the processor has
// them. Both give the same bits: a lane does exactly what the plain loop does for
// one sample, in the same order, and nothing is fused.
package vec

import "math"

// Tiny is added to and taken from what goes into a recursion, so that it never
// runs on denormal numbers: below about 1e-22 nothing is left.
const Tiny = 1e-15

// Pair is a term of a symmetric filter: Gain·(A[i] + B[i]).
type Pair struct {
	A, B []float32
	Gain float32
}

// firPlain sets dst[i] to gain·centre[i] plus the terms, in their order. All
// slices have at least the length of dst; centre may be nil.
func firPlain(dst, centre []float32, gain float32, terms []Pair) {
	i := 0
	for ; i+4 <= len(dst); i += 4 {
		var s0, s1, s2, s3 float32
		if centre != nil {
			c := (*[4]float32)(centre[i:])
			s0, s1, s2, s3 = float32(gain*c[0]), float32(gain*c[1]), float32(gain*c[2]), float32(gain*c[3])
		}
		for k := range terms {
			t := &terms[k]
			a, b, g := (*[4]float32)(t.A[i:]), (*[4]float32)(t.B[i:]), t.Gain
			s0 += float32(g * (a[0] + b[0]))
			s1 += float32(g * (a[1] + b[1]))
			s2 += float32(g * (a[2] + b[2]))
			s3 += float32(g * (a[3] + b[3]))
		}
		d := (*[4]float32)(dst[i:])
		d[0], d[1], d[2], d[3] = s0, s1, s2, s3
	}
	firTail(dst, centre, gain, terms, i)
}

func firTail(dst, centre []float32, gain float32, terms []Pair, from int) {
	for i := from; i < len(dst); i++ {
		var s float32
		if centre != nil {
			s = float32(gain * centre[i])
		}
		for k := range terms {
			t := &terms[k]
			s += float32(t.Gain * (t.A[i] + t.B[i]))
		}
		dst[i] = s
	}
}

// Coefficients of the rational approximation of tanh by the sixth convergent of
// Lambert's continued fraction (J. H. Lambert, 1761): within 1e-4 up to tanhMost,
// where it comes to 1.
const (
	tanhMost = 4.97

	tanhN0, tanhN1, tanhN2         = 135135, 17325, 378
	tanhD0, tanhD1, tanhD2, tanhD3 = 135135, 62370, 3150, 28
)

// tanhPlain sets each x to tanh(drive·x).
func tanhPlain(block []float32, drive float32) {
	for i, x := range block {
		block[i] = tanh(float32(drive * x))
	}
}

func tanh(x float32) float32 {
	x = max(-tanhMost, min(tanhMost, x))
	y := float32(x * x)
	n := float32(float32((float32((y+tanhN2)*y)+tanhN1)*y)+tanhN0) * x
	d := float32(float32((float32((float32(tanhD3*y)+tanhD2)*y)+tanhD1)*y)) + tanhD0
	return float32(n) / d
}

// tanhMeanPlain sets each x to the mean of tanh over the way from the sample before
// it to x, both times drive, by Simpson's rule; last is the sample before the first
// and its tanh. It returns those of the last. This is first-order antiderivative
// anti-aliasing (Parker, Zavalishin and Le Bivic, "Reducing the aliasing of nonlinear
// waveshaping using continuous-time convolution", 2016) without its division by a
// difference that may vanish.
func tanhMeanPlain(block, before []float32, drive float32) {
	for i, x := range block {
		block[i] = tanhMean(float32(drive*before[i]), float32(drive*x))
	}
}

func tanhMean(from, to float32) float32 {
	m := float32(0.5 * (from + to))
	return float32((tanh(from) + float32(4*tanh(m)) + tanh(to)) * (1.0 / 6))
}

// addPlain adds g·src to dst, where g goes in a straight line from g0, which it has
// before the first sample, by dg a sample.
func addPlain(dst, src []float32, g0, dg float32) {
	src = src[:len(dst)]
	for i, x := range src {
		g := g0 + float32(dg*float32(i+1))
		dst[i] += float32(g * x)
	}
}

// mixPlain sets dst to dry·dst + wet·src.
func mixPlain(dst, src []float32, dry, wet float32) {
	src = src[:len(dst)]
	for i, x := range src {
		dst[i] = float32(dry*dst[i]) + float32(wet*x)
	}
}

// scalePlain multiplies by g.
func scalePlain(block []float32, g float32) {
	for i, x := range block {
		block[i] = float32(x * g)
	}
}

// interleavePlain puts left and right in turns into dst.
func interleavePlain(dst, left, right []float32) {
	right = right[:len(left)]
	dst = dst[:2*len(left)]
	for i, x := range left {
		dst[2*i], dst[2*i+1] = x, right[i]
	}
}

// allPassPlain runs x through Schroeder's all-pass with the gain g; past holds what
// went into its delay a whole delay ago and takes what goes in now.
func allPassPlain(x, past []float32, g float32) {
	past = past[:len(x)]
	for i, v := range x {
		y := past[i]
		w := v + float32(g*y)
		x[i] = y - float32(g*w)
		past[i] = (w + Tiny) - Tiny
	}
}

// Taps is the number of samples that Residual adds.
const Taps = 32

// residualPlain adds g·(a + f·(b−a)) to left with g = gl and to right with gr.
func residualPlain(left, right, a, b *[Taps]float32, f, gl, gr float32) {
	for k := range left {
		y := a[k] + float32(f*(b[k]-a[k]))
		left[k] += float32(gl * y)
		right[k] += float32(gr * y)
	}
}

// hash is a 32-bit finaliser of low bias (C. Wellons, "Prospecting for hash
// functions", 2018; constants by T. Ettema).
func hash(x uint32) uint32 {
	x = (x ^ x>>16) * 0x21f0aaad
	x = (x ^ x>>15) * 0x735a2d97
	return x ^ x>>15
}

// weyl steps the counter of a random stream.
const weyl = 0x9e3779b9

// noisePlain adds white noise, uniform within ±g, to dst: the numbers of a key from
// the counter on.
func noisePlain(dst []float32, key, counter uint32, g float32) {
	g *= 1.0 / (1 << 23)
	for i := range dst {
		h := hash(place(key, counter+uint32(i)))
		dst[i] += float32(g * float32(int32(h)>>8))
	}
}

func place(key, counter uint32) uint32 { return key + counter*weyl }

// quantizePlain rounds samples to steps of 1/full with triangular dither of ±1 step
// from the numbers of a key; a 0 stays 0, and what is beyond full scale is held there.
func quantizePlain(dst []int32, src []float32, full float32, key, counter uint32) {
	src = src[:len(dst)]
	for i, x := range src {
		dst[i] = quantize(x, full, hash(place(key, counter+uint32(i))))
	}
}

func quantize(x, full float32, h uint32) int32 {
	if x == 0 || x != x {
		return 0
	}
	x = max(-1, min(1, x))
	scaled := float32(x * full)
	whole := float32(math.Floor(float64(scaled)))
	dither := float32(float32(int32(h>>16)-int32(h&0xffff)) * (1.0 / (1 << 16)))
	n := int32(whole) + int32(math.Floor(float64(scaled-whole+dither+0.5)))
	return max(int32(-full), min(int32(full)-1, n))
}

// peakPlain returns the largest magnitude.
func peakPlain(x []float32) float32 {
	var top float32
	for _, v := range x {
		if v < 0 { // faster than max, which has to think of NaN
			v = -v
		}
		if v > top {
			top = v
		}
	}
	return top
}

// pack24Plain writes the low three bytes of each step, little-endian.
func pack24Plain(dst []byte, steps []int32) {
	dst = dst[:3*len(steps)]
	for i, s := range steps {
		d := dst[3*i:][:3]
		d[0], d[1], d[2] = byte(s), byte(s>>8), byte(s>>16)
	}
}
