package loudness

import (
	"math"

	"patchlab/engine/vec"
)

// The true peak is looked for in the manner of annex 2, at four times the sample rate, by
// symmetric filters that leave the samples as they are (Crochiere and Rabiner, "Multirate
// Digital Signal Processing", 1983): outer gives the values half way between two, within
// 0.04 dB up to 0.44 of the rate, and inner those at the quarters, within 0.005 dB. The
// top between quarters is that of a parabola through three of them, at most 0.07 dB too
// low at half the rate, where four times oversampling alone reads up to 0.69 dB too low.
//
// The taps, from the innermost, have the least largest error (Lawson's algorithm, 1961).
//
//nolint:gochecknoglobals // constants that Go cannot write as such
var (
	outer = [vec.Outer]float32{
		0.6345684637, -0.2061158119, 0.1173793061, -0.0774449213, 0.0540727101, -0.0385182893,
		0.0274405376, -0.0192807546, 0.0131997463, -0.0086866578, 0.0053949529, -0.0042399972,
	}
	inner = [4]float32{0.6107383631, -0.1446399562, 0.0411361454, -0.0074740552}
)

// Reach is the number of frames that a Detector needs on either side of those in which
// it looks for peaks.
const Reach = vec.Outer + 2

// How much more than the values beside it a top can be: by theory, what holds no
// frequency above half the sample rate, 1/cos(π/4) times the larger one at twice the
// rate and 1/cos(π/8) at four times. Nothing that is found is taken for more, so that
// what is too low to matter can be passed over.
const (
	overHalves   = 1.5
	overQuarters = 1.1
)

// Detector finds true peaks. It holds scratch memory only: what it finds depends on
// what it is given alone.
type Detector struct {
	taps   [vec.Outer]vec.Tap
	most   float32                   // how many times the largest sample a true peak can be
	halves [vec.MaxBlock + 4]float32 // from two frames before to two after
}

// NewDetector returns a Detector.
func NewDetector() *Detector {
	d := new(Detector)
	size := float32(0)
	for j, h := range outer {
		for lane := range d.taps[j] {
			d.taps[j][lane] = h
		}
		size += float32(2 * max(h, -h))
	}
	d.most = float32(overQuarters * size)
	return d
}

// Raise raises each of peaks to the true peak of its part of x, where that is higher.
// x is cut into as many parts of equal length, at most vec.MaxBlock frames in all, with
// Reach more frames before the first and behind the last.
func (d *Detector) Raise(peaks, x []float32) {
	least := peaks[0]
	for _, p := range peaks {
		least = min(least, p)
	}
	if float32(d.most*vec.Peak(x)) <= least {
		return
	}
	n := len(x) - 2*Reach
	halves := d.halves[:n+4]
	vec.Symmetric(halves, nil, 0, x[1:], &d.taps)
	part := n / len(peaks)
	for k := range peaks {
		peaks[k] = scan(peaks[k], x[Reach-2+k*part:][:part+4], halves[k*part:][:part+4])
	}
}

// The bits of a float32: without its sign they compare like the magnitudes.
const (
	sign      = 1 << 31
	magnitude = sign - 1
)

// scan returns the largest true peak of x without the two frames at either end, best
// where none is higher. h holds what is half a frame behind each of x.
func scan(best float32, x, h []float32) float32 {
	h = h[:len(x)]
	var a, b uint32
	for i := 2; i < len(x)-2; i++ {
		a = max(a, math.Float32bits(x[i])&magnitude)
		b = max(b, math.Float32bits(h[i])&magnitude)
	}
	largest := math.Float32frombits(max(a, b))
	if float32(overHalves*largest) <= best {
		return best
	}
	if largest > best { // never for what is no number
		best = largest
	}
	least := threshold(best)
	for i := 2; i < len(x)-2; i++ {
		if high(h[i-1], x[i], h[i], least) {
			if p := top((*[5]float32)(x[i-2:]), (*[4]float32)(h[i-2:])); p > best {
				best, least = p, threshold(p)
			}
		}
		if high(x[i], h[i], x[i+1], least) {
			if p := top((*[5]float32)(h[i-2:]), (*[4]float32)(x[i-1:])); p > best {
				best, least = p, threshold(p)
			}
		}
	}
	return best
}

// threshold returns the bits of what a value at twice the rate has to be above for a
// top beside it to be above best.
func threshold(best float32) uint32 {
	return math.Float32bits(float32(best * (0.999 / overHalves)))
}

// high reports whether the magnitude of mid is above that with the bits least, and the
// values on either side do not go further from 0.
func high(left, mid, right float32, least uint32) bool {
	bits := math.Float32bits(mid)
	if bits&magnitude <= least {
		return false
	}
	flip := bits & sign
	mid = math.Float32frombits(bits & magnitude)
	return math.Float32frombits(math.Float32bits(left)^flip) <= mid && math.Float32frombits(math.Float32bits(right)^flip) <= mid
}

// top returns the height of the top beside the middle one of five values a frame apart,
// which is the highest among those half a frame apart; between holds the other four of
// these.
func top(a *[5]float32, between *[4]float32) float32 {
	left, mid, right := between[1], a[2], between[2]
	g := &inner
	before := float32(g[0]*(left+mid)) + float32(g[1]*(a[1]+right)) + float32(g[2]*(between[0]+a[3])) + float32(g[3]*(a[0]+between[3]))
	after := float32(g[0]*(mid+right)) + float32(g[1]*(left+a[3])) + float32(g[2]*(a[1]+between[3])) + float32(g[3]*(between[0]+a[4]))
	if mid < 0 {
		left, before, mid, after, right = -left, -before, -mid, -after, -right
	}
	var height float32
	switch {
	case before > mid && before >= after:
		height = parabola(left, before, mid)
	case after > mid:
		height = parabola(mid, after, right)
	default:
		height = parabola(before, mid, after)
	}
	return min(height, float32(overHalves*mid))
}

// parabola returns the height of the parabola through three values, the second of which
// is the largest and positive.
func parabola(a, b, c float32) float32 {
	bend := (b - a) + (b - c)
	if !(bend > 0) {
		return b
	}
	d := a - c
	return min(b+float32(float32(d*d)/float32(8*bend)), float32(overQuarters*b))
}

// TruePeak returns the true peak of interleaved samples of 1 or 2 channels, as a linear
// gain: the highest magnitude of what comes out of an ideal converter, sound before and
// after them being silent.
func TruePeak(samples []float32, channels int) float64 {
	const size = vec.MaxBlock
	step := size * channels
	tops := make([]float32, (len(samples)+step-1)/step)
	loudest := 0
	for i := range tops {
		tops[i] = vec.Peak(samples[i*step : min(len(samples), (i+1)*step)])
		if tops[i] > tops[loudest] {
			loudest = i
		}
	}
	if len(tops) == 0 {
		return 0
	}
	// The loudest first: after it most others need no look.
	f := finder{Detector: NewDetector(), samples: samples, channels: channels}
	f.look(loudest)
	for i := range tops {
		near := max(tops[max(0, i-1)], tops[i], tops[min(len(tops)-1, i+1)])
		if i != loudest && float32(f.most*near) > f.best[0] {
			f.look(i)
		}
	}
	return float64(f.best[0])
}

// finder looks through interleaved samples.
type finder struct {
	*Detector
	samples  []float32
	channels int
	best     [1]float32
	x        [Reach + vec.MaxBlock + Reach]float32
}

// look takes the i-th vec.MaxBlock frames; there is silence before and after the sound.
func (f *finder) look(i int) {
	from := i*vec.MaxBlock - Reach
	first := max(0, -from)
	end := min(len(f.x), len(f.samples)/f.channels-from)
	clear(f.x[:first])
	clear(f.x[end:])
	for c := range f.channels {
		s := f.samples[(from+first)*f.channels+c:]
		for k := range f.x[first:end] {
			f.x[first+k] = s[k*f.channels]
		}
		f.Raise(f.best[:], f.x[:])
	}
}
