// Package vec holds the engine's inner loops over blocks of samples. Each is
// written in plain Go, and those that matter also in the vector instructions of
// amd64 with AVX2 (GOEXPERIMENT=simd), which are used where the processor has
// them. Both give the same bits: a lane does exactly what the plain loop does for
// one sample, in the same order, and nothing is fused.
package vec

import (
	"encoding/binary"
	"math"
)

// Tiny is added to what goes into a recursion that would else fade into denormal
// numbers: 300 dB below full scale.
const Tiny = 1e-15

// Outer and Inner are the numbers of tap pairs of the two filters here, at most. Where
// the last two of Outer are 0 they take no time.
const (
	Outer = 12
	Inner = 4
)

// Tap is a coefficient, once for each lane.
type Tap [8]float32

// long reports whether a filter has more than ten pairs of taps.
func long(c *[Outer]Tap) bool { return c[Outer-2][0] != 0 || c[Outer-1][0] != 0 }

// symmetricPlain sets dst[i] to gain·centre[i], unless centre is nil, plus the sum over
// j of taps[j]·(x[i+11−j] + x[i+12+j]). Four sums run side by side, so that none waits
// for itself.
func symmetricPlain(dst, centre []float32, gain float32, x []float32, c *[Outer]Tap) {
	long := long(c)
	pairs := Outer
	if !long {
		pairs -= 2
	}
	i := 0
	for ; i+4 <= len(dst); i += 4 {
		w := (*[2*Outer + 3]float32)(x[i:])
		t := c[0][0]
		s0, s1, s2, s3 := float32(t*(w[11]+w[12])), float32(t*(w[12]+w[13])), float32(t*(w[13]+w[14])), float32(t*(w[14]+w[15]))
		if centre != nil {
			m := (*[4]float32)(centre[i:])
			s0 += float32(gain * m[0])
			s1 += float32(gain * m[1])
			s2 += float32(gain * m[2])
			s3 += float32(gain * m[3])
		}
		s0, s1, s2, s3 = pairPlain(s0, s1, s2, s3, (*[4]float32)(w[10:]), (*[4]float32)(w[13:]), c[1][0])
		s0, s1, s2, s3 = pairPlain(s0, s1, s2, s3, (*[4]float32)(w[9:]), (*[4]float32)(w[14:]), c[2][0])
		s0, s1, s2, s3 = pairPlain(s0, s1, s2, s3, (*[4]float32)(w[8:]), (*[4]float32)(w[15:]), c[3][0])
		s0, s1, s2, s3 = pairPlain(s0, s1, s2, s3, (*[4]float32)(w[7:]), (*[4]float32)(w[16:]), c[4][0])
		s0, s1, s2, s3 = pairPlain(s0, s1, s2, s3, (*[4]float32)(w[6:]), (*[4]float32)(w[17:]), c[5][0])
		s0, s1, s2, s3 = pairPlain(s0, s1, s2, s3, (*[4]float32)(w[5:]), (*[4]float32)(w[18:]), c[6][0])
		s0, s1, s2, s3 = pairPlain(s0, s1, s2, s3, (*[4]float32)(w[4:]), (*[4]float32)(w[19:]), c[7][0])
		s0, s1, s2, s3 = pairPlain(s0, s1, s2, s3, (*[4]float32)(w[3:]), (*[4]float32)(w[20:]), c[8][0])
		s0, s1, s2, s3 = pairPlain(s0, s1, s2, s3, (*[4]float32)(w[2:]), (*[4]float32)(w[21:]), c[9][0])
		if long {
			s0, s1, s2, s3 = pairPlain(s0, s1, s2, s3, (*[4]float32)(w[1:]), (*[4]float32)(w[22:]), c[10][0])
			s0, s1, s2, s3 = pairPlain(s0, s1, s2, s3, (*[4]float32)(w[0:]), (*[4]float32)(w[23:]), c[11][0])
		}
		d := (*[4]float32)(dst[i:])
		d[0], d[1], d[2], d[3] = s0, s1, s2, s3
	}
	for ; i < len(dst); i++ {
		w := (*[2 * Outer]float32)(x[i:])
		s := float32(c[0][0] * (w[Outer-1] + w[Outer]))
		if centre != nil {
			s += float32(gain * centre[i])
		}
		for j := 1; j < pairs; j++ {
			s += float32(c[j][0] * (w[Outer-1-j] + w[Outer+j]))
		}
		dst[i] = s
	}
}

// pairPlain adds t·(a + b).
func pairPlain(s0, s1, s2, s3 float32, a, b *[4]float32, t float32) (_, _, _, _ float32) {
	return s0 + float32(t*(a[0]+b[0])), s1 + float32(t*(a[1]+b[1])), s2 + float32(t*(a[2]+b[2])), s3 + float32(t*(a[3]+b[3]))
}

// crossedPlain filters a signal at twice the rate, of which even and odd are the phases,
// into both phases of another.
func crossedPlain(dst0, dst1, centre0, centre1 []float32, gain float32, even, odd []float32, c *[Inner]Tap) {
	c0, c1, c2, c3 := c[0][0], c[1][0], c[2][0], c[3][0]
	n := len(dst0)
	dst1 = dst1[:n]
	if n == 0 {
		return
	}
	// What stands in a window moves on by one for each frame.
	e0, e1, e2 := even[0], even[1], even[2]
	o0, o1, o2, o3 := odd[0], odd[1], odd[2], odd[3]
	even, odd = even[3:][:n], odd[4:][:n]
	if centre0 == nil {
		for i, e3 := range even {
			o4 := odd[i]
			s, t := float32(c0*(e1+o2)), float32(c0*(o2+e2))
			s += float32(c1 * (o1 + e2))
			t += float32(c1 * (e1 + o3))
			s += float32(c2 * (e0 + o3))
			t += float32(c2 * (o1 + e3))
			s += float32(c3 * (o0 + e3))
			t += float32(c3 * (e0 + o4))
			dst0[i], dst1[i] = s, t
			e0, e1, e2, o0, o1, o2, o3 = e1, e2, e3, o1, o2, o3, o4
		}
		return
	}
	centre0, centre1 = centre0[:n], centre1[:n]
	for i, e3 := range even {
		o4 := odd[i]
		s, t := float32(c0*(e1+o2))+float32(gain*centre0[i]), float32(c0*(o2+e2))+float32(gain*centre1[i])
		s += float32(c1 * (o1 + e2))
		t += float32(c1 * (e1 + o3))
		s += float32(c2 * (e0 + o3))
		t += float32(c2 * (o1 + e3))
		s += float32(c3 * (o0 + e3))
		t += float32(c3 * (e0 + o4))
		dst0[i], dst1[i] = s, t
		e0, e1, e2, o0, o1, o2, o3 = e1, e2, e3, o1, o2, o3, o4
	}
}

// Coefficients of the rational function of x with the least largest error from tanh up to
// bendMost, where it comes to 1 (found by Lawson's algorithm, 1961): within 7e-5.
const (
	bendMost            = 5.2
	bendN0, bendN1      = 80.7881741062678, 8.146011688567286
	bendN2              = 0.050900509578487435
	bendD0, bendD1      = 80.80935325140759, 35.023950650135774
	bendZero, bendFirst = bendN0 / bendN2, bendN1 / bendN2
)

// Saturation bends x to tanh(drive·x)/Unit: without the drive and the scale, each costs
// a product less.
type Saturation struct {
	Unit   float32
	most   float32 // where tanh comes to 1
	top    float32 // what most is bent to
	n0, n1 float32 // numerator over x, by powers of x²; that of the second is 1
	d0, d1 float32 // denominator, likewise
}

// NewSaturation returns a Saturation for a drive, a gain of 1 to 4.
func NewSaturation(drive float64) *Saturation {
	y := 1 / float64(drive*drive)
	yy := float64(y * y)
	s := &Saturation{
		Unit: float32(drive * bendN2),
		most: float32(bendMost / drive),
		n0:   float32(bendZero * yy), n1: float32(bendFirst * y),
		d0: float32(bendD0 * yy), d1: float32(bendD1 * y),
	}
	top := [1]float32{s.most}
	s.plain(top[:], top[:])
	s.top = top[0]
	return s
}

// plain sets dst to what src is bent to.
func (s *Saturation) plain(dst, src []float32) {
	dst = dst[:len(src)]
	n0, n1, d0, d1, square := s.n0, s.n1, s.d0, s.d1, float32(s.most*s.most)
	for i, x := range src {
		y := float32(x * x)
		if y > square { // never for one that is not above most: squares of neighbours differ
			dst[i] = s.top
			if x < 0 {
				dst[i] = -s.top
			}
			continue
		}
		yy := float32(y * y)
		n := yy + (float32(n1*y) + n0)
		d := yy + (float32(d1*y) + d0)
		dst[i] = float32(n*x) / d
	}
}

// addPlain adds g·src to dst, where g goes in a straight line: it is g0 + k·dg for the
// first sample, and k grows by 1.
func addPlain(dst, src []float32, k, g0, dg float32) {
	src = src[:len(dst)]
	for i, x := range src {
		g := g0 + float32(dg*k)
		k++
		dst[i] += float32(g * x)
	}
}

// sumPlain adds src to dst.
func sumPlain(dst, src []float32) {
	src = src[:len(dst)]
	for len(dst) >= 4 && len(src) >= 4 {
		d, x := (*[4]float32)(dst), (*[4]float32)(src)
		d[0], d[1], d[2], d[3] = d[0]+x[0], d[1]+x[1], d[2]+x[2], d[3]+x[3]
		dst, src = dst[4:], src[4:]
	}
	for i, x := range src {
		dst[i] += x
	}
}

// cubicPlain sets dst[i] to what lies between src[i+1] and src[i+2], a part of the way
// that is f + k·df, where k grows by 1.
func cubicPlain(dst, src []float32, k, f, df float32) {
	for i := range dst {
		y := (*[4]float32)(src[i:])
		at := f + float32(df*k)
		k++
		c1 := float32(0.5 * (y[2] - y[0]))
		c3 := float32(1.5*(y[1]-y[2])) + float32(0.5*(y[3]-y[0]))
		c2 := (y[0] - y[1]) + (c1 - c3)
		dst[i] = y[1] + float32(at*(c1+float32(at*(c2+float32(at*c3)))))
	}
}

// offsetPlain sets dst to src plus by.
func offsetPlain(dst, src []float32, by float32) {
	src = src[:len(dst)]
	for i, x := range src {
		dst[i] = x + by
	}
}

// mixPlain sets dst to dry·dst + wet·src.
func mixPlain(dst, src []float32, dry, wet float32) {
	src = src[:len(dst)]
	for i, x := range src {
		dst[i] = float32(dry*dst[i]) + float32(wet*x)
	}
}

// Wet says how the rows of a Network are let out.
type Wet struct {
	Rows                  [Group]*[MaxBlock]float32
	DryGain, Gain, InGain float32
}

// blendPlain sets dst to the sum of dst, of rows, of which every second is subtracted, and
// of in, times their gains. The rows start at a sample.
func blendPlain(dst, in []float32, w *Wet, from int) {
	a, b, c, d := w.Rows[0][from:], w.Rows[1][from:], w.Rows[2][from:], w.Rows[3][from:]
	n := len(dst)
	in, a, b, c, d = in[:n], a[:n], b[:n], c[:n], d[:n]
	dry, gain, first := w.DryGain, w.Gain, w.InGain
	for i, x := range dst {
		wet := float32(gain * ((a[i] - b[i]) + (c[i] - d[i])))
		dst[i] = float32(dry*x) + (wet + float32(first*in[i]))
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

// AllPasses is the number of all-passes of a Diffusion.
const AllPasses = 4

// Diffusion is what Diffuse reads and writes of the delays of Schroeder's all-passes in a
// row: what came in first, Old, and where what comes in now goes, Next.
type Diffusion struct {
	Old, Next [AllPasses][]float32
	Gain      float32
}

// LeastDelay is that of each all-pass in frames: no sample of a step is in its own past.
const LeastDelay = 8

// from returns the rest of the diffusion from a sample on.
func (d *Diffusion) from(n int) Diffusion {
	rest := *d
	for k := range rest.Old {
		rest.Old[k], rest.Next[k] = d.Old[k][n:], d.Next[k][n:]
	}
	return rest
}

// diffusePlain sets dst to src, with a trace that no recursion can turn into denormal
// numbers, behind all-passes.
func diffusePlain(dst, src []float32, d *Diffusion) {
	n := len(dst)
	src = src[:n]
	a, b, c, e := d.Old[0][:n], d.Old[1][:n], d.Old[2][:n], d.Old[3][:n]
	p, q, r, s := d.Next[0][:n], d.Next[1][:n], d.Next[2][:n], d.Next[3][:n]
	g := d.Gain
	for i, x := range src {
		y := a[i]
		w := (x + Tiny) + float32(g*y)
		p[i] = w
		x, y = y-float32(g*w), b[i]
		w = x + float32(g*y)
		q[i] = w
		x, y = y-float32(g*w), c[i]
		w = x + float32(g*y)
		r[i] = w
		x, y = y-float32(g*w), e[i]
		w = x + float32(g*y)
		s[i] = w
		dst[i] = y - float32(g*w)
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
	x = (x ^ x>>16) * hashFirst
	x = (x ^ x>>15) * hashSecond
	return x ^ x>>15
}

const (
	hashFirst  = 0x21f0aaad
	hashSecond = 0x735a2d97
)

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
	at, most, least := place(key, counter), int32(full)-1, int32(-full)
	for i, x := range src {
		h := hash(at)
		at += weyl
		if math.Float32bits(x)&magnitudeBits-1 >= oneBits-1 { // 0, beyond full scale, or no number
			dst[i] = quantizeRare(x, full, h)
			continue
		}
		dst[i] = max(least, min(most, dithered(float32(x*full), h)))
	}
}

// dithered rounds to a whole step with triangular dither, in parts of a step: a float32
// cannot hold both and the dither.
func dithered(scaled float32, h uint32) int32 {
	const parts = 1 << 16
	dither := int64(h>>16) - int64(h&0xffff)
	return int32((int64(scaled*parts) + dither + parts/2) >> 16)
}

// The bits of a float32 without its sign, and those of 1.
const (
	magnitudeBits = 0x7fffffff
	oneBits       = 0x3f800000
)

// quantizeRare rounds a sample that is 0, of full scale or beyond, or no number.
func quantizeRare(x, full float32, h uint32) int32 {
	switch {
	case x >= 1:
		return int32(full) - 1
	case x <= -1: // held where no dither leads back
		return max(int32(-full), dithered(max(float32(x*full), -full-2), h))
	default:
		return 0
	}
}

// peakPlain returns the largest magnitude. The bits of magnitudes compare like them.
func peakPlain(x []float32) float32 {
	var a, b, c, d uint32
	rest := x
	for len(rest) >= 4 {
		v := (*[4]float32)(rest)
		a = max(a, math.Float32bits(v[0])&magnitudeBits)
		b = max(b, math.Float32bits(v[1])&magnitudeBits)
		c = max(c, math.Float32bits(v[2])&magnitudeBits)
		d = max(d, math.Float32bits(v[3])&magnitudeBits)
		rest = rest[4:]
	}
	for _, v := range rest {
		a = max(a, math.Float32bits(v)&magnitudeBits)
	}
	if top := math.Float32frombits(max(a, b, c, d)); top == top {
		return top
	}
	var top float32 // of those that are numbers
	for _, v := range x {
		if v = max(v, -v); v > top {
			top = v
		}
	}
	return top
}

// rangePlain widens a range to all samples that are numbers.
func rangePlain(x []float32, lo, hi float32) (float32, float32) {
	for _, v := range x {
		if v < lo {
			lo = v
		}
		if v > hi {
			hi = v
		}
	}
	return lo, hi
}

// pack24Plain writes the low three bytes of each step, little-endian.
func pack24Plain(dst []byte, steps []int32) {
	dst = dst[:3*len(steps)]
	for len(steps) >= 4 && len(dst) >= 12 { // three words for four steps
		v := (*[4]int32)(steps)
		a, b, c, d := uint32(v[0])&0xffffff, uint32(v[1])&0xffffff, uint32(v[2])&0xffffff, uint32(v[3])
		binary.LittleEndian.PutUint32(dst[0:], a|b<<24)
		binary.LittleEndian.PutUint32(dst[4:], b>>8|c<<16)
		binary.LittleEndian.PutUint32(dst[8:], c>>16|d<<8)
		dst, steps = dst[12:], steps[4:]
	}
	for i, s := range steps {
		d := dst[3*i:][:3]
		d[0], d[1], d[2] = byte(s), byte(s>>8), byte(s>>16)
	}
}

// sumsPlain returns the sums of the samples with even and with odd indexes.
func sumsPlain(x []float32) (even, odd float64) {
	for len(x) > 0 {
		piece := x[:min(len(x), sumPiece)]
		x = x[len(piece):]
		var s0, s1, s2, s3, s4, s5, s6, s7 float32
		for len(piece) >= 8 {
			v := (*[8]float32)(piece)
			s0, s1, s2, s3 = s0+v[0], s1+v[1], s2+v[2], s3+v[3]
			s4, s5, s6, s7 = s4+v[4], s5+v[5], s6+v[6], s7+v[7]
			piece = piece[8:]
		}
		s := [8]float32{s0, s1, s2, s3, s4, s5, s6, s7}
		e, o := sumRest(s, piece)
		even, odd = even+e, odd+o
	}
	return even, odd
}

// sumRest adds the last samples to eight sums, and these.
func sumRest(s [8]float32, rest []float32) (even, odd float64) {
	for k, v := range rest {
		s[k] += v
	}
	return float64(s[0]+s[2]) + float64(s[4]+s[6]), float64(s[1]+s[3]) + float64(s[5]+s[7])
}

// sumPiece is the number of samples that are summed in single precision.
const sumPiece = 1024
