//go:build goexperiment.simd && amd64

package vec

import "simd/archsimd"

// wide reports whether the processor has the instructions for eight samples at once.
func wide() bool { return archsimd.X86.AVX2() }

// lanes is the number of samples that go at once.
//
// Each function here has a loop of its own in another one, whose name ends in Lanes:
// in it no plain float is live, for which the compiler would use instructions that mix
// badly with these; its constants are made before the loop, since the compiler would
// not move them there; and at its end the upper halves of the registers are cleared,
// so that what follows does not wait for them.
const lanes = 8

// whole returns how many of n samples go in steps of by; none on processors that are
// not wide.
func whole(n, by int) int {
	if !wide() {
		return 0
	}
	return n - n%by
}

func load(x []float32) archsimd.Float32x8 { return archsimd.LoadFloat32x8((*[lanes]float32)(x)) }

func store(v archsimd.Float32x8, x []float32) { v.Store((*[lanes]float32)(x)) }

func all(x float32) archsimd.Float32x8 { return archsimd.BroadcastFloat32x8(x) }

// quadruple is the number of samples of a step of the filters: four sums run side by
// side.
const quadruple = 4 * lanes

// Symmetric sets dst[i] to gain·centre[i], unless centre is nil, plus the sum over j of
// taps[j]·(x[i+11−j] + x[i+12+j]): a symmetric filter whose first window starts with x.
func Symmetric(dst, centre []float32, gain float32, x []float32, taps *[Outer]Tap) {
	n := whole(len(dst), quadruple)
	symmetricLanes(dst[:n], centre, gain, x, taps)
	if n < len(dst) {
		if centre != nil {
			centre = centre[n:]
		}
		symmetricPlain(dst[n:], centre, gain, x[n:], taps)
	}
}

func symmetricLanes(dst, centre []float32, gain float32, x []float32, taps *[Outer]Tap) {
	g := Tap{gain, gain, gain, gain, gain, gain, gain, gain}
	long := long(taps)
	for i := 0; i < len(dst); i += quadruple {
		var c *[quadruple]float32
		if centre != nil {
			c = (*[quadruple]float32)(centre[i:])
		}
		symmetricStep((*[quadruple]float32)(dst[i:]), c, &g, (*[2*Outer - 1 + quadruple]float32)(x[i:]), taps, long)
	}
	archsimd.ClearAVXUpperBits()
}

// symmetricStep is a function of its own, with nothing but pointers and the offsets of
// the windows written out, so that the registers are free for the sums.
//
//go:noinline
func symmetricStep(dst, centre *[quadruple]float32, gain *Tap, w *[2*Outer - 1 + quadruple]float32, taps *[Outer]Tap, long bool) {
	s0, s1, s2, s3 := product((*[quadruple]float32)(w[11:]), (*[quadruple]float32)(w[12:]), load(taps[0][:]))
	if centre != nil {
		s0, s1, s2, s3 = withCentre(s0, s1, s2, s3, load(gain[:]), centre)
	}
	s0, s1, s2, s3 = pair(s0, s1, s2, s3, (*[quadruple]float32)(w[10:]), (*[quadruple]float32)(w[13:]), load(taps[1][:]))
	s0, s1, s2, s3 = pair(s0, s1, s2, s3, (*[quadruple]float32)(w[9:]), (*[quadruple]float32)(w[14:]), load(taps[2][:]))
	s0, s1, s2, s3 = pair(s0, s1, s2, s3, (*[quadruple]float32)(w[8:]), (*[quadruple]float32)(w[15:]), load(taps[3][:]))
	s0, s1, s2, s3 = pair(s0, s1, s2, s3, (*[quadruple]float32)(w[7:]), (*[quadruple]float32)(w[16:]), load(taps[4][:]))
	s0, s1, s2, s3 = pair(s0, s1, s2, s3, (*[quadruple]float32)(w[6:]), (*[quadruple]float32)(w[17:]), load(taps[5][:]))
	s0, s1, s2, s3 = pair(s0, s1, s2, s3, (*[quadruple]float32)(w[5:]), (*[quadruple]float32)(w[18:]), load(taps[6][:]))
	s0, s1, s2, s3 = pair(s0, s1, s2, s3, (*[quadruple]float32)(w[4:]), (*[quadruple]float32)(w[19:]), load(taps[7][:]))
	s0, s1, s2, s3 = pair(s0, s1, s2, s3, (*[quadruple]float32)(w[3:]), (*[quadruple]float32)(w[20:]), load(taps[8][:]))
	s0, s1, s2, s3 = pair(s0, s1, s2, s3, (*[quadruple]float32)(w[2:]), (*[quadruple]float32)(w[21:]), load(taps[9][:]))
	if long {
		s0, s1, s2, s3 = pair(s0, s1, s2, s3, (*[quadruple]float32)(w[1:]), (*[quadruple]float32)(w[22:]), load(taps[10][:]))
		s0, s1, s2, s3 = pair(s0, s1, s2, s3, (*[quadruple]float32)(w[0:]), (*[quadruple]float32)(w[23:]), load(taps[11][:]))
	}
	spread(s0, s1, s2, s3, dst)
}

// product is c·(a + b).
func product(a, b *[quadruple]float32, c archsimd.Float32x8) (_, _, _, _ archsimd.Float32x8) {
	return c.Mul(load(a[0:]).Add(load(b[0:]))), c.Mul(load(a[8:]).Add(load(b[8:]))),
		c.Mul(load(a[16:]).Add(load(b[16:]))), c.Mul(load(a[24:]).Add(load(b[24:])))
}

func withCentre(s0, s1, s2, s3, g archsimd.Float32x8, x *[quadruple]float32) (_, _, _, _ archsimd.Float32x8) {
	return s0.Add(g.Mul(load(x[0:]))), s1.Add(g.Mul(load(x[8:]))), s2.Add(g.Mul(load(x[16:]))), s3.Add(g.Mul(load(x[24:])))
}

// pair adds c·(a + b).
func pair(s0, s1, s2, s3 archsimd.Float32x8, a, b *[quadruple]float32, c archsimd.Float32x8) (_, _, _, _ archsimd.Float32x8) {
	return s0.Add(c.Mul(load(a[0:]).Add(load(b[0:])))), s1.Add(c.Mul(load(a[8:]).Add(load(b[8:])))),
		s2.Add(c.Mul(load(a[16:]).Add(load(b[16:])))), s3.Add(c.Mul(load(a[24:]).Add(load(b[24:]))))
}

func spread(s0, s1, s2, s3 archsimd.Float32x8, x *[quadruple]float32) {
	store(s0, x[0:])
	store(s1, x[8:])
	store(s2, x[16:])
	store(s3, x[24:])
}

// Crossed filters a signal at twice the rate, kept in two phases, by a symmetric filter into
// both phases of another: the first sample of a frame becomes
// taps·(even[1]+odd[2], odd[1]+even[2], even[0]+odd[3], odd[0]+even[3]) and the second
// the same one sample on. Windows start with even and odd. To each, gain times its
// centre is added, unless they are nil.
func Crossed(dst0, dst1, centre0, centre1 []float32, gain float32, even, odd []float32, taps *[Inner]Tap) {
	n := whole(len(dst0), double)
	crossedLanes(dst0[:n], dst1[:n], centre0, centre1, gain, even, odd, taps)
	if n == len(dst0) {
		return
	}
	if centre0 != nil {
		centre0, centre1 = centre0[n:], centre1[n:]
	}
	crossedPlain(dst0[n:], dst1[n:], centre0, centre1, gain, even[n:], odd[n:], taps)
}

// double is the number of frames of a step of Crossed, in two registers for each phase.
const double = 2 * lanes

func crossedLanes(dst0, dst1, centre0, centre1 []float32, gain float32, even, odd []float32, taps *[Inner]Tap) {
	g := Tap{gain, gain, gain, gain, gain, gain, gain, gain}
	for i := 0; i < len(dst0); i += double {
		var c0, c1 *[double]float32
		if centre0 != nil {
			c0, c1 = (*[double]float32)(centre0[i:]), (*[double]float32)(centre1[i:])
		}
		crossedStep((*[double]float32)(dst0[i:]), (*[double]float32)(dst1[i:]), c0, c1, &g,
			(*[Inner - 1 + double]float32)(even[i:]), (*[Inner + double]float32)(odd[i:]), taps)
	}
	archsimd.ClearAVXUpperBits()
}

//go:noinline
func crossedStep(dst0, dst1, centre0, centre1 *[double]float32, gain *Tap, e *[Inner - 1 + double]float32, o *[Inner + double]float32, taps *[Inner]Tap) {
	c := load(taps[0][:])
	s, s8 := c.Mul(load(e[1:]).Add(load(o[2:]))), c.Mul(load(e[9:]).Add(load(o[10:])))
	t, t8 := c.Mul(load(o[2:]).Add(load(e[2:]))), c.Mul(load(o[10:]).Add(load(e[10:])))
	if centre0 != nil {
		g := load(gain[:])
		s, s8 = s.Add(g.Mul(load(centre0[0:]))), s8.Add(g.Mul(load(centre0[8:])))
		t, t8 = t.Add(g.Mul(load(centre1[0:]))), t8.Add(g.Mul(load(centre1[8:])))
	}
	c = load(taps[1][:])
	s, s8 = s.Add(c.Mul(load(o[1:]).Add(load(e[2:])))), s8.Add(c.Mul(load(o[9:]).Add(load(e[10:]))))
	t, t8 = t.Add(c.Mul(load(e[1:]).Add(load(o[3:])))), t8.Add(c.Mul(load(e[9:]).Add(load(o[11:]))))
	c = load(taps[2][:])
	s, s8 = s.Add(c.Mul(load(e[0:]).Add(load(o[3:])))), s8.Add(c.Mul(load(e[8:]).Add(load(o[11:]))))
	t, t8 = t.Add(c.Mul(load(o[1:]).Add(load(e[3:])))), t8.Add(c.Mul(load(o[9:]).Add(load(e[11:]))))
	c = load(taps[3][:])
	s, s8 = s.Add(c.Mul(load(o[0:]).Add(load(e[3:])))), s8.Add(c.Mul(load(o[8:]).Add(load(e[11:]))))
	t, t8 = t.Add(c.Mul(load(e[0:]).Add(load(o[4:])))), t8.Add(c.Mul(load(e[8:]).Add(load(o[12:]))))
	store(s, dst0[0:])
	store(s8, dst0[8:])
	store(t, dst1[0:])
	store(t8, dst1[8:])
}

// Process sets dst to what src, of the same length, is bent to.
func (s *Saturation) Process(dst, src []float32) {
	n := whole(len(src), lanes)
	s.bendLanes(dst[:n], src[:n])
	s.plain(dst[n:], src[n:])
}

func (s *Saturation) bendLanes(dst, src []float32) {
	most, least := all(s.most), all(-s.most)
	n0, n1, d0, d1 := all(s.n0), all(s.n1), all(s.d0), all(s.d1)
	for len(dst) >= lanes && len(src) >= lanes {
		x := load(src).Min(most).Max(least)
		y := x.Mul(x)
		yy := y.Mul(y)
		n := yy.Add(n1.Mul(y).Add(n0))
		d := yy.Add(d1.Mul(y).Add(d0))
		store(n.Mul(x).Div(d), dst)
		dst, src = dst[lanes:], src[lanes:]
	}
	archsimd.ClearAVXUpperBits()
}

// Add adds g·src to dst, where g goes in a straight line: it is g0 before the first
// sample and changes by dg a sample.
func Add(dst, src []float32, g0, dg float32) {
	n := whole(len(dst), lanes)
	addLanes(dst[:n], src[:n], g0, dg)
	addPlain(dst[n:], src[n:], float32(n+1), g0, dg)
}

func addLanes(dst, src []float32, g0, dg float32) {
	up := [lanes]float32{1, 2, 3, 4, 5, 6, 7, 8}
	k, eight := archsimd.LoadFloat32x8(&up), all(lanes)
	start, slope := all(g0), all(dg)
	for len(dst) >= lanes && len(src) >= lanes {
		g := start.Add(slope.Mul(k))
		k = k.Add(eight)
		store(load(dst).Add(g.Mul(load(src))), dst)
		dst, src = dst[lanes:], src[lanes:]
	}
	archsimd.ClearAVXUpperBits()
}

// Sum adds src to dst.
func Sum(dst, src []float32) {
	n := whole(len(dst), lanes)
	addUpLanes(dst[:n], src[:n])
	sumPlain(dst[n:], src[n:])
}

func addUpLanes(dst, src []float32) {
	for len(dst) >= lanes && len(src) >= lanes {
		store(load(dst).Add(load(src)), dst)
		dst, src = dst[lanes:], src[lanes:]
	}
	archsimd.ClearAVXUpperBits()
}

// Cubic sets dst[i] to what lies between src[i+1] and src[i+2], a part of the way that
// is f for the first and grows by df, by the cubic through four samples (Catmull and Rom,
// "A class of local interpolating splines", 1974).
func Cubic(dst, src []float32, f, df float32) {
	n := whole(len(dst), lanes)
	if n > 0 {
		cubicLanes(dst[:n], src, f, df)
	}
	cubicPlain(dst[n:], src[n:], float32(n), f, df)
}

func cubicLanes(dst, src []float32, f, df float32) {
	up := [lanes]float32{0, 1, 2, 3, 4, 5, 6, 7}
	k, eight := archsimd.LoadFloat32x8(&up), all(lanes)
	start, slope, half, more := all(f), all(df), all(0.5), all(1.5)
	for len(dst) >= lanes && len(src) >= lanes+3 {
		y := (*[lanes + 3]float32)(src)
		at := start.Add(slope.Mul(k))
		k = k.Add(eight)
		y0, y1, y2, y3 := load(y[0:]), load(y[1:]), load(y[2:]), load(y[3:])
		c1 := half.Mul(y2.Sub(y0))
		c3 := more.Mul(y1.Sub(y2)).Add(half.Mul(y3.Sub(y0)))
		c2 := y0.Sub(y1).Add(c1.Sub(c3))
		store(y1.Add(at.Mul(c1.Add(at.Mul(c2.Add(at.Mul(c3)))))), dst)
		dst, src = dst[lanes:], src[lanes:]
	}
	archsimd.ClearAVXUpperBits()
}

// Mix sets dst to dry·dst + wet·src.
func Mix(dst, src []float32, dry, wet float32) {
	n := whole(len(dst), lanes)
	mixLanes(dst[:n], src[:n], dry, wet)
	mixPlain(dst[n:], src[n:], dry, wet)
}

func mixLanes(dst, src []float32, dry, wet float32) {
	a, b := all(dry), all(wet)
	for len(dst) >= lanes && len(src) >= lanes {
		store(a.Mul(load(dst)).Add(b.Mul(load(src))), dst)
		dst, src = dst[lanes:], src[lanes:]
	}
	archsimd.ClearAVXUpperBits()
}

// Blend sets dst to the sum of dst, of w.Rows, of which every second is subtracted, and of
// in, times their gains.
func Blend(dst, in []float32, w *Wet) {
	n := whole(len(dst), lanes)
	blendLanes(dst[:n], in, w)
	blendPlain(dst[n:], in[n:], w, n)
}

func blendLanes(dst, in []float32, w *Wet) {
	dry, gain, first := all(w.DryGain), all(w.Gain), all(w.InGain)
	in = in[:len(dst)]
	a, b, c, d := w.Rows[0][:len(dst)], w.Rows[1][:len(dst)], w.Rows[2][:len(dst)], w.Rows[3][:len(dst)]
	for i := 0; i+lanes <= len(dst); i += lanes {
		wet := gain.Mul(load(a[i:]).Sub(load(b[i:])).Add(load(c[i:]).Sub(load(d[i:]))))
		store(dry.Mul(load(dst[i:])).Add(wet.Add(first.Mul(load(in[i:])))), dst[i:])
	}
	archsimd.ClearAVXUpperBits()
}

// Scale multiplies by g.
func Scale(block []float32, g float32) {
	n := whole(len(block), lanes)
	scaleLanes(block[:n], g)
	scalePlain(block[n:], g)
}

func scaleLanes(block []float32, g float32) {
	a := all(g)
	for len(block) >= lanes {
		store(load(block).Mul(a), block)
		block = block[lanes:]
	}
	archsimd.ClearAVXUpperBits()
}

// Offset sets dst to src plus by.
func Offset(dst, src []float32, by float32) {
	n := whole(len(dst), lanes)
	offsetLanes(dst[:n], src[:n], by)
	offsetPlain(dst[n:], src[n:], by)
}

func offsetLanes(dst, src []float32, by float32) {
	a := all(by)
	for len(dst) >= lanes && len(src) >= lanes {
		store(load(src).Add(a), dst)
		dst, src = dst[lanes:], src[lanes:]
	}
	archsimd.ClearAVXUpperBits()
}

// Interleave puts left and right in turns into dst.
func Interleave(dst, left, right []float32) {
	n := whole(len(left), lanes)
	interleaveLanes(dst[:2*n], left[:n], right[:n])
	interleavePlain(dst[2*n:], left[n:], right[n:])
}

func interleaveLanes(dst, left, right []float32) {
	for len(left) >= lanes && len(right) >= lanes && len(dst) >= 2*lanes {
		l, r := load(left).AsInt32x8(), load(right).AsInt32x8()
		low, high := l.InterleaveLoGrouped(r).AsFloat32x8(), l.InterleaveHiGrouped(r).AsFloat32x8()
		store(low.Select128FromPair(0, 2, high), dst)
		store(low.Select128FromPair(1, 3, high), dst[lanes:])
		dst, left, right = dst[2*lanes:], left[lanes:], right[lanes:]
	}
	archsimd.ClearAVXUpperBits()
}

// Diffuse sets dst to src, of the same length, behind four all-passes in a row (M. R.
// Schroeder, "Natural sounding artificial reverberation", 1962), each of a delay of at
// least LeastDelay.
func Diffuse(dst, src []float32, d *Diffusion) {
	n := whole(len(dst), lanes)
	diffuseLanes(dst[:n], src[:n], d)
	if n < len(dst) {
		rest := d.from(n)
		diffusePlain(dst[n:], src[n:], &rest)
	}
}

func diffuseLanes(dst, src []float32, d *Diffusion) {
	gain, tiny := all(d.Gain), all(Tiny)
	n := len(dst)
	src = src[:n]
	a, b, c, e := d.Old[0][:n], d.Old[1][:n], d.Old[2][:n], d.Old[3][:n]
	p, q, r, s := d.Next[0][:n], d.Next[1][:n], d.Next[2][:n], d.Next[3][:n]
	for i := 0; i+lanes <= n; i += lanes {
		y := load(a[i:])
		w := load(src[i:]).Add(tiny).Add(gain.Mul(y))
		store(w, p[i:])
		x := y.Sub(gain.Mul(w))
		y = load(b[i:])
		w = x.Add(gain.Mul(y))
		store(w, q[i:])
		x = y.Sub(gain.Mul(w))
		y = load(c[i:])
		w = x.Add(gain.Mul(y))
		store(w, r[i:])
		x = y.Sub(gain.Mul(w))
		y = load(e[i:])
		w = x.Add(gain.Mul(y))
		store(w, s[i:])
		store(y.Sub(gain.Mul(w)), dst[i:])
	}
	archsimd.ClearAVXUpperBits()
}

// Residual adds y·gl to left and y·gr to right, with y = a + f·(b−a).
func Residual(left, right, a, b *[Taps]float32, f, gl, gr float32) {
	if !wide() {
		residualPlain(left, right, a, b, f, gl, gr)
		return
	}
	part, l, r := all(f), all(gl), all(gr)
	for k := 0; k < Taps; k += lanes {
		va := load(a[k:])
		y := va.Add(part.Mul(load(b[k:]).Sub(va)))
		store(load(left[k:]).Add(l.Mul(y)), left[k:])
		store(load(right[k:]).Add(r.Mul(y)), right[k:])
	}
	archsimd.ClearAVXUpperBits()
}

// hashLanes is hash of each lane; first and second are its factors, by15 and by16 its
// shifts.
func hashLanes(x, first, second, by15, by16 archsimd.Uint32x8) archsimd.Uint32x8 {
	x = x.Xor(x.ShiftRight(by16)).Mul(first)
	x = x.Xor(x.ShiftRight(by15)).Mul(second)
	return x.Xor(x.ShiftRight(by15))
}

// places returns the places of a counter and the seven after it.
func places(key, counter uint32) archsimd.Uint32x8 {
	var p [lanes]uint32
	for k := range p {
		p[k] = place(key, counter+uint32(k))
	}
	return archsimd.LoadUint32x8(&p)
}

func allBits(x uint32) archsimd.Uint32x8 { return archsimd.BroadcastUint32x8(x) }

// eightOn returns what a place moves by in eight steps.
func eightOn() uint32 {
	on := uint32(weyl)
	return on * lanes
}

// Noise adds white noise, uniform within ±g, to dst: the numbers of a key from the
// counter on.
func Noise(dst []float32, key, counter uint32, g float32) {
	n := whole(len(dst), lanes)
	noiseLanes(dst[:n], key, counter, g)
	noisePlain(dst[n:], key, counter+uint32(n), g)
}

func noiseLanes(dst []float32, key, counter uint32, g float32) {
	at, on := places(key, counter), allBits(eightOn())
	first, second, by15, by16 := allBits(hashFirst), allBits(hashSecond), allBits(15), allBits(16)
	by8 := archsimd.BroadcastInt32x8(8)
	gain := all(g).Mul(all(1.0 / (1 << 23)))
	for len(dst) >= lanes {
		white := hashLanes(at, first, second, by15, by16).AsInt32x8().ShiftRight(by8).ConvertToFloat32()
		at = at.Add(on)
		store(load(dst).Add(gain.Mul(white)), dst)
		dst = dst[lanes:]
	}
	archsimd.ClearAVXUpperBits()
}

// Quantize rounds samples to steps of 1/full with triangular dither of ±1 step from
// the numbers of a key; a 0 stays 0, and what is beyond full scale is held there.
func Quantize(dst []int32, src []float32, full float32, key, counter uint32) {
	n := whole(len(dst), lanes)
	quantizeLanes(dst[:n], src[:n], full, key, counter)
	quantizePlain(dst[n:], src[n:], full, key, counter+uint32(n))
}

func quantizeLanes(dst []int32, src []float32, full float32, key, counter uint32) {
	at, on := places(key, counter), allBits(eightOn())
	first, second, by15, by16 := allBits(hashFirst), allBits(hashSecond), allBits(15), allBits(16)
	size, top, bottom, parts := all(full), all(full+2), all(-(full + 2)), all(1<<16)
	low, half := archsimd.BroadcastInt32x8(0xffff), archsimd.BroadcastInt32x8(1<<15)
	most, least := archsimd.BroadcastInt32x8(int32(full)-1), archsimd.BroadcastInt32x8(int32(-full))
	var zero archsimd.Float32x8
	for len(src) >= lanes && len(dst) >= lanes {
		x := load(src)
		scaled := x.Mul(size).Min(top).Max(bottom)
		whole := scaled.ConvertToInt32()
		rest := scaled.Sub(whole.ConvertToFloat32()).Mul(parts).ConvertToInt32()
		h := hashLanes(at, first, second, by15, by16)
		at = at.Add(on)
		dither := h.ShiftRight(by16).AsInt32x8().Sub(h.AsInt32x8().And(low))
		step := whole.Add(rest.Add(dither).Add(half).ShiftRight(by16.AsInt32x8()))
		sounds := x.Equal(x).And(x.NotEqual(zero))
		step = step.Min(most).Max(least).Masked(sounds)
		step.Store((*[lanes]int32)(dst))
		src, dst = src[lanes:], dst[lanes:]
	}
	archsimd.ClearAVXUpperBits()
}

// Pack24 writes the low three bytes of each step, little-endian.
func Pack24(dst []byte, steps []int32) {
	n := 0
	if wide() {
		n = pack24Lanes(dst, steps)
	}
	pack24Plain(dst[3*n:], steps[n:])
}

// pack24Lanes returns how many steps it has written.
func pack24Lanes(dst []byte, steps []int32) int {
	// Each half gives twelve bytes, and four that the next store covers.
	pick := archsimd.LoadInt8x32(&[32]int8{
		0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1,
		0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1,
	})
	n := 0
	for len(steps) >= lanes && len(dst) >= 28 {
		v := archsimd.LoadInt32x8((*[lanes]int32)(steps)).AsUint8x32().PermuteOrZeroGrouped(pick)
		v.GetLo().Store((*[16]byte)(dst))
		v.GetHi().Store((*[16]byte)(dst[12:]))
		dst, steps = dst[3*lanes:], steps[lanes:]
		n += lanes
	}
	archsimd.ClearAVXUpperBits()
	return n
}

// Peak returns the largest magnitude.
func Peak(x []float32) float32 {
	n := whole(len(x), lanes)
	tops := peakLanes(x[:n])
	return max(peakPlain(tops[:]), peakPlain(x[n:]))
}

func peakLanes(x []float32) (tops [lanes]float32) {
	magnitude := archsimd.BroadcastInt32x8(0x7fffffff)
	var top archsimd.Float32x8
	for len(x) >= lanes {
		top = load(x).AsInt32x8().And(magnitude).AsFloat32x8().Max(top)
		x = x[lanes:]
	}
	top.Store(&tops)
	archsimd.ClearAVXUpperBits()
	return tops
}

// Range widens a range to all samples that are numbers.
func Range(x []float32, lo, hi float32) (float32, float32) {
	n := whole(len(x), lanes)
	if n > 0 {
		los, his := rangeLanes(x[:n], lo, hi)
		lo, _ = rangePlain(los[:], lo, hi)
		_, hi = rangePlain(his[:], lo, hi)
	}
	return rangePlain(x[n:], lo, hi)
}

func rangeLanes(x []float32, lo, hi float32) (los, his [lanes]float32) {
	bottom, top := archsimd.BroadcastFloat32x8(lo), archsimd.BroadcastFloat32x8(hi)
	for len(x) >= lanes {
		v := load(x)
		bottom, top = v.Min(bottom), v.Max(top)
		x = x[lanes:]
	}
	bottom.Store(&los)
	top.Store(&his)
	archsimd.ClearAVXUpperBits()
	return los, his
}

// Sums returns the sums of the samples with even and with odd indexes.
func Sums(x []float32) (even, odd float64) {
	if !wide() {
		return sumsPlain(x)
	}
	for len(x) > 0 {
		piece := x[:min(len(x), sumPiece)]
		x = x[len(piece):]
		n := len(piece) &^ (lanes - 1)
		s := sumLanes(piece[:n])
		e, o := sumRest(s, piece[n:])
		even, odd = even+e, odd+o
	}
	return even, odd
}

func sumLanes(x []float32) (sums [lanes]float32) {
	var sum archsimd.Float32x8
	for len(x) >= lanes {
		sum = sum.Add(load(x))
		x = x[lanes:]
	}
	sum.Store(&sums)
	archsimd.ClearAVXUpperBits()
	return sums
}

// SVF filters left and, unless it is nil, right in place through the first section, or
// through both where two is true: then the second lets out each frame one frame late.
// The coefficients change by d before each frame; on the way from one stable filter to
// another they are those of stable filters, since each is a contraction.
func SVF(left, right []float32, s *State, c, d *Sections, r *Response, two bool) {
	if !wide() || right == nil || len(left)%4 != 0 {
		svfPlain(left, right, s, c, d, r, two)
		return
	}
	if two && r.low {
		svfLowLanes(left, right, s, c, d)
	} else if two {
		svfTwoLanes(left, right, s, c, d, r)
	} else {
		svfOneLanes(left, right, s, c, d, r)
	}
	s.settle()
}

func quad(q *Quad) archsimd.Float64x4 { return archsimd.LoadFloat64x4((*[4]float64)(q)) }

// svfOneLanes filters four frames in each round; the upper half of the registers does
// nothing of use.
func svfOneLanes(left, right []float32, s *State, c, d *Sections, r *Response) {
	b1, b2, b3, d1, d2, d3 := quad(&c.B1), quad(&c.B2), quad(&c.B3), quad(&d.B1), quad(&d.B2), quad(&d.B3)
	in, h1, h2 := quad(&r.In), quad(&r.HalfV1), quad(&r.HalfV2)
	s1, s2 := quad(&s.S1), quad(&s.S2)
	for len(left) >= 4 && len(right) >= 4 {
		first, second := framesOf((*[4]float32)(left), (*[4]float32)(right))
		var y0, y1, y2, y3 archsimd.Float64x4
		b1, b2, b3 = b1.Add(d1), b2.Add(d2), b3.Add(d3)
		s1, s2, y0 = svfTick(first, s1, s2, b1, b2, b3, in, h1, h2)
		b1, b2, b3 = b1.Add(d1), b2.Add(d2), b3.Add(d3)
		s1, s2, y1 = svfTick(first.Select128FromPair(1, 1, first), s1, s2, b1, b2, b3, in, h1, h2)
		b1, b2, b3 = b1.Add(d1), b2.Add(d2), b3.Add(d3)
		s1, s2, y2 = svfTick(second, s1, s2, b1, b2, b3, in, h1, h2)
		b1, b2, b3 = b1.Add(d1), b2.Add(d2), b3.Add(d3)
		s1, s2, y3 = svfTick(second.Select128FromPair(1, 1, second), s1, s2, b1, b2, b3, in, h1, h2)
		putFrames(y0.Select128FromPair(0, 2, y1), y2.Select128FromPair(0, 2, y3), (*[4]float32)(left), (*[4]float32)(right))
		left, right = left[4:], right[4:]
	}
	s1.Store((*[4]float64)(&s.S1))
	s2.Store((*[4]float64)(&s.S2))
	archsimd.ClearAVXUpperBits()
}

// svfTwoLanes filters four frames in each round, the first section in the lower half of
// the registers, the second in the upper.
func svfTwoLanes(left, right []float32, s *State, c, d *Sections, r *Response) {
	b1, b2, b3, d1, d2, d3 := quad(&c.B1), quad(&c.B2), quad(&c.B3), quad(&d.B1), quad(&d.B2), quad(&d.B3)
	in, h1, h2 := quad(&r.In), quad(&r.HalfV1), quad(&r.HalfV2)
	s1, s2, y := quad(&s.S1), quad(&s.S2), quad(&s.Between)
	for len(left) >= 4 && len(right) >= 4 {
		first, second := framesOf((*[4]float32)(left), (*[4]float32)(right))
		var y0, y1, y2 archsimd.Float64x4
		b1, b2, b3 = b1.Add(d1), b2.Add(d2), b3.Add(d3)
		s1, s2, y0 = svfTick(first.Select128FromPair(0, 2, y), s1, s2, b1, b2, b3, in, h1, h2)
		b1, b2, b3 = b1.Add(d1), b2.Add(d2), b3.Add(d3)
		s1, s2, y1 = svfTick(first.Select128FromPair(1, 2, y0), s1, s2, b1, b2, b3, in, h1, h2)
		b1, b2, b3 = b1.Add(d1), b2.Add(d2), b3.Add(d3)
		s1, s2, y2 = svfTick(second.Select128FromPair(0, 2, y1), s1, s2, b1, b2, b3, in, h1, h2)
		b1, b2, b3 = b1.Add(d1), b2.Add(d2), b3.Add(d3)
		s1, s2, y = svfTick(second.Select128FromPair(1, 2, y2), s1, s2, b1, b2, b3, in, h1, h2)
		putFrames(y0.Select128FromPair(1, 3, y1), y2.Select128FromPair(1, 3, y), (*[4]float32)(left), (*[4]float32)(right))
		left, right = left[4:], right[4:]
	}
	s1.Store((*[4]float64)(&s.S1))
	s2.Store((*[4]float64)(&s.S2))
	y.Store((*[4]float64)(&s.Between))
	archsimd.ClearAVXUpperBits()
}

// svfLowLanes is svfTwoLanes for two low-passes. What is between them is twice as high.
func svfLowLanes(left, right []float32, s *State, c, d *Sections) {
	b1, b2, b3, d1, d2, d3 := quad(&c.B1), quad(&c.B2), quad(&c.B3), quad(&d.B1), quad(&d.B2), quad(&d.B3)
	s1, s2, y := quad(&s.S1), quad(&s.S2), quad(&s.Between)
	quarter := archsimd.BroadcastFloat64x4(0.25)
	for len(left) >= 4 && len(right) >= 4 {
		first, second := framesOf((*[4]float32)(left), (*[4]float32)(right))
		var y0, y1, y2 archsimd.Float64x4
		b1, b2, b3 = b1.Add(d1), b2.Add(d2), b3.Add(d3)
		s1, s2, y0 = lowTick(first.Select128FromPair(0, 2, y), s1, s2, b1, b2, b3)
		b1, b2, b3 = b1.Add(d1), b2.Add(d2), b3.Add(d3)
		s1, s2, y1 = lowTick(first.Select128FromPair(1, 2, y0), s1, s2, b1, b2, b3)
		b1, b2, b3 = b1.Add(d1), b2.Add(d2), b3.Add(d3)
		s1, s2, y2 = lowTick(second.Select128FromPair(0, 2, y1), s1, s2, b1, b2, b3)
		b1, b2, b3 = b1.Add(d1), b2.Add(d2), b3.Add(d3)
		s1, s2, y = lowTick(second.Select128FromPair(1, 2, y2), s1, s2, b1, b2, b3)
		putFrames(quarter.Mul(y0.Select128FromPair(1, 3, y1)), quarter.Mul(y2.Select128FromPair(1, 3, y)), (*[4]float32)(left), (*[4]float32)(right))
		left, right = left[4:], right[4:]
	}
	s1.Store((*[4]float64)(&s.S1))
	s2.Store((*[4]float64)(&s.S2))
	y.Store((*[4]float64)(&s.Between))
	archsimd.ClearAVXUpperBits()
}

// lowTick is svfTick of low-passes whose gain is 2.
func lowTick(x, s1, s2, b1, b2, b3 archsimd.Float64x4) (_, _, _ archsimd.Float64x4) {
	v3 := x.Sub(s2)
	n1 := b1.Mul(s1).Add(b2.Mul(v3))
	n2 := s2.Add(b2.Mul(s1)).Add(b3.Mul(v3))
	return n1, n2, s2.Add(n2)
}

// framesOf returns four frames, two in each.
func framesOf(left, right *[4]float32) (first, second archsimd.Float64x4) {
	l, r := archsimd.LoadFloat32x4(left).AsInt32x4(), archsimd.LoadFloat32x4(right).AsInt32x4()
	return l.InterleaveLo(r).AsFloat32x4().ConvertToFloat64(), l.InterleaveHi(r).AsFloat32x4().ConvertToFloat64()
}

func putFrames(first, second archsimd.Float64x4, left, right *[4]float32) {
	a, b := first.ConvertToFloat32(), second.ConvertToFloat32()
	a.SelectFromPair(0, 2, 4, 6, b).Store(left)
	a.SelectFromPair(1, 3, 5, 7, b).Store(right)
}

// svfTick filters a frame and returns the new states and what is let out.
func svfTick(x, s1, s2, b1, b2, b3, in, h1, h2 archsimd.Float64x4) (_, _, _ archsimd.Float64x4) {
	v3 := x.Sub(s2)
	n1 := b1.Mul(s1).Add(b2.Mul(v3))
	n2 := s2.Add(b2.Mul(s1)).Add(b3.Mul(v3))
	return n1, n2, in.Mul(x).Add(h1.Mul(s1.Add(n1)).Add(h2.Mul(s2.Add(n2))))
}

// Process takes len(inL) frames, at most MaxBlock, from From through the matrices, whose
// rows go to To, with inL added to those of the first two groups and inR to those of the
// others.
func (n *Network) Process(inL, inR []float32) {
	if !wide() || len(inL)%lanes != 0 {
		n.processPlain(inL, inR)
		return
	}
	n.groupsLanes(0, inL)
	n.groupsLanes(Group/2, inR)
}

// turn turns eight rows of eight lanes into its columns.
func turn(a, b, c, d, e, f, g, h archsimd.Float32x8) (_, _, _, _, _, _, _, _ archsimd.Float32x8) {
	ab0 := a.AsInt32x8().InterleaveLoGrouped(b.AsInt32x8()).AsFloat32x8() // a0 b0 a1 b1 | a4 b4 a5 b5
	ab1 := a.AsInt32x8().InterleaveHiGrouped(b.AsInt32x8()).AsFloat32x8() // a2 b2 a3 b3 | a6 b6 a7 b7
	cd0 := c.AsInt32x8().InterleaveLoGrouped(d.AsInt32x8()).AsFloat32x8()
	cd1 := c.AsInt32x8().InterleaveHiGrouped(d.AsInt32x8()).AsFloat32x8()
	ef0 := e.AsInt32x8().InterleaveLoGrouped(f.AsInt32x8()).AsFloat32x8()
	ef1 := e.AsInt32x8().InterleaveHiGrouped(f.AsInt32x8()).AsFloat32x8()
	gh0 := g.AsInt32x8().InterleaveLoGrouped(h.AsInt32x8()).AsFloat32x8()
	gh1 := g.AsInt32x8().InterleaveHiGrouped(h.AsInt32x8()).AsFloat32x8()
	r0 := ab0.SelectFromPairGrouped(0, 1, 4, 5, cd0) // a0 b0 c0 d0 | a4 b4 c4 d4
	r1 := ab0.SelectFromPairGrouped(2, 3, 6, 7, cd0)
	r2 := ab1.SelectFromPairGrouped(0, 1, 4, 5, cd1)
	r3 := ab1.SelectFromPairGrouped(2, 3, 6, 7, cd1)
	s0 := ef0.SelectFromPairGrouped(0, 1, 4, 5, gh0)
	s1 := ef0.SelectFromPairGrouped(2, 3, 6, 7, gh0)
	s2 := ef1.SelectFromPairGrouped(0, 1, 4, 5, gh1)
	s3 := ef1.SelectFromPairGrouped(2, 3, 6, 7, gh1)
	return r0.Select128FromPair(0, 2, s0), r1.Select128FromPair(0, 2, s1), r2.Select128FromPair(0, 2, s2), r3.Select128FromPair(0, 2, s3),
		r0.Select128FromPair(1, 3, s0), r1.Select128FromPair(1, 3, s1), r2.Select128FromPair(1, 3, s2), r3.Select128FromPair(1, 3, s3)
}

// groupsLanes runs a group and the next through their low-passes, a lane each, and then
// eight frames at once through the matrices.
func (n *Network) groupsLanes(group int, in []float32) {
	k := group * Group
	from := (*[2 * Group]*[MaxBlock]float32)(n.From[k:])
	t0, t1, t2, t3 := n.To[Fed(group, 0)], n.To[Fed(group, 1)], n.To[Fed(group, 2)], n.To[Fed(group, 3)]
	t4, t5, t6, t7 := n.To[Fed(group+1, 0)], n.To[Fed(group+1, 1)], n.To[Fed(group+1, 2)], n.To[Fed(group+1, 3)]
	gain, damp, m := load(n.Gain[k:]), load(n.Damp[k:]), load(n.Memory[k:])
	for i := 0; i+lanes <= len(in) && i+lanes <= MaxBlock; i += lanes {
		f0, f1, f2, f3, f4, f5, f6, f7 := turn(load(from[0][i:]), load(from[1][i:]), load(from[2][i:]), load(from[3][i:]),
			load(from[4][i:]), load(from[5][i:]), load(from[6][i:]), load(from[7][i:]))
		f0 = gain.Mul(f0).Add(damp.Mul(m))
		f1 = gain.Mul(f1).Add(damp.Mul(f0))
		f2 = gain.Mul(f2).Add(damp.Mul(f1))
		f3 = gain.Mul(f3).Add(damp.Mul(f2))
		f4 = gain.Mul(f4).Add(damp.Mul(f3))
		f5 = gain.Mul(f5).Add(damp.Mul(f4))
		f6 = gain.Mul(f6).Add(damp.Mul(f5))
		f7 = gain.Mul(f7).Add(damp.Mul(f6))
		m = f7
		f0, f1, f2, f3, f4, f5, f6, f7 = turn(f0, f1, f2, f3, f4, f5, f6, f7)
		x := load(in[i:])
		f0, f1, f2, f3 = x.Add(f0.Add(f1)), x.Add(f0.Sub(f1)), f2.Add(f3), f2.Sub(f3)
		store(f0.Add(f2), t0[i:])
		store(f1.Add(f3), t1[i:])
		store(f0.Sub(f2), t2[i:])
		store(f1.Sub(f3), t3[i:])
		f4, f5, f6, f7 = x.Add(f4.Add(f5)), x.Add(f4.Sub(f5)), f6.Add(f7), f6.Sub(f7)
		store(f4.Add(f6), t4[i:])
		store(f5.Add(f7), t5[i:])
		store(f4.Sub(f6), t6[i:])
		store(f5.Sub(f7), t7[i:])
	}
	store(m, n.Memory[k:])
	archsimd.ClearAVXUpperBits()
}
