package fx

import (
	"math"

	"patchlab/engine/vec"
)

// line is a delay of one channel whose length may move.
//
// It does not hold the frames but, for each stretch from one frame to the next, the
// cubic that runs between them: eight frames go into a cubic once, and every look at
// it costs three products only (C. W. Farrow, "A continuously variable digital delay
// element", 1988; Vesma and Saramäki, "Interpolation filters with arbitrary frequency
// response for all-digital receivers", 1996).
type line struct {
	cubics []cubic             // a ring, its length a power of 2
	at     int                 // how many frames were pushed
	last   [around - 1]float32 // pushed, the oldest first
}

// cubic holds the coefficients of t⁰ … t³, where t goes from −½ to ½.
type cubic [4]float32

// around is the number of frames that make a cubic, and ahead how many of them come
// after its beginning.
const (
	around = 8
	ahead  = 4
)

// Coefficients of a cubic: of t⁰ and t² for the sums of two frames, and of t¹ and t³
// for their differences, from the two that are nearest to the two that are
// furthest. They are the least squares fit to the ideal delay, over all t and up to
// 0.3 of the sample rate, weighted by frequency⁻⁴, that is exact for straight lines.
// At 48 kHz the gain is within 0.03 dB up to 12.5 kHz and 0.3 dB down at 15 kHz; a sine
// of a moving delay is off by −93 dB at 2.5 kHz, −69 dB at 5 kHz, −56 dB at 10 kHz.
const (
	c00, c01, c02, c03 = 0.6110622, -0.1451938, 0.0408861, -0.0067545
	c10, c11, c12, c13 = 1.2175294, -0.0938193, 0.0152463, -0.0017576
	c20, c21, c22, c23 = -0.4504902, 0.5916679, -0.1692476, 0.0280699
	c30, c31, c32, c33 = -0.8768202, 0.3791439, -0.0621808, 0.0071847
)

// newLine returns a line of silence that can be read up to longest frames back.
func newLine(longest float64) line {
	n := 1
	for n < int(longest)+around+maxFrames {
		n *= 2
	}
	return line{cubics: make([]cubic, n)}
}

// push appends frames, freed of what is too small to matter.
func (l *line) push(x []float32) {
	cubics := l.cubics
	mask, at := uint(len(cubics)-1), uint(l.at-ahead)
	p := &l.last
	x0, x1, x2, x3, x4, x5, x6 := p[0], p[1], p[2], p[3], p[4], p[5], p[6]
	for i, v := range x {
		x7 := audible(v)
		s0, s1, s2, s3 := x4+x3, x5+x2, x6+x1, x7+x0
		d0, d1, d2, d3 := x4-x3, x5-x2, x6-x1, x7-x0
		c := &cubics[(at+uint(i))&mask]
		c[0] = float32(c00*s0) + float32(c01*s1) + (float32(c02*s2) + float32(c03*s3))
		c[1] = float32(c10*d0) + float32(c11*d1) + (float32(c12*d2) + float32(c13*d3))
		c[2] = float32(c20*s0) + float32(c21*s1) + (float32(c22*s2) + float32(c23*s3))
		c[3] = float32(c30*d0) + float32(c31*d1) + (float32(c32*d2) + float32(c33*d3))
		x0, x1, x2, x3, x4, x5, x6 = x1, x2, x3, x4, x5, x6, x7
	}
	*p = [around - 1]float32{x0, x1, x2, x3, x4, x5, x6}
	l.at += len(x)
}

// add adds to dst what the line held a moving number of frames ago; the first of dst
// stands behind frames before the next to be pushed. The cubic after the moment is
// there where the delay is at least ahead frames longer than what is not pushed yet.
func (l *line) add(dst []float32, g *glide, behind int) {
	const half = 1 << 31
	cubics := l.cubics
	mask := uint(len(cubics) - 1)
	start := int64(l.at-behind) << 32
	at, step, bend := start-g.delay, 1<<32-g.speed, g.bend
	for i := range dst {
		t := float32(float32(int32(at)^-half) * (1.0 / (1 << 32)))
		c := &cubics[uint(at>>32)&mask]
		y := float32(c[3]*t) + c[2]
		y = float32(y*t) + c[1]
		y = float32(y*t) + c[0]
		dst[i] += y
		at += step
		step -= bend
	}
	g.delay, g.speed = start+int64(len(dst))<<32-at, 1<<32-step
}

// glide is a delay that moves along a parabola, in frames times 2³²: whole numbers,
// so that it comes to the same place in however many pieces it goes there.
type glide struct{ delay, speed, bend int64 }

// span is how many frames, of the absolute count, a glide goes before it is set anew.
// The parabola misses a sine of 10 Hz and 4 ms by 0.002 frames at most.
const span = 32

// newGlide returns the glide through the delays, in frames, at the start, the middle
// and the end of a span.
func newGlide(start, middle, end float64) glide {
	const fine = 1 << 32
	bend := float64(((end - middle) - (middle - start)) * (4.0 / (span * span)))
	speed := float64((float64(4*(middle-start)) - (end - start)) * (1.0 / span))
	return glide{
		delay: int64(float64(start * fine)),
		speed: int64(float64((speed + float64(0.5*bend)) * fine)),
		bend:  int64(float64(bend * fine)),
	}
}

// flush rounds to float32 without leaving a denormal number behind: what is below
// 1e-31 is lost in the sum.
func flush(x float64) float32 { return float32((x + vec.Tiny) - vec.Tiny) }

// audible returns x, or 0 where x is below −500 dB: what goes round in a loop must come
// to an end.
func audible(x float32) float32 {
	const faint = 0x15ae43fe // the bits of 7.04e-26
	if math.Float32bits(x)&(1<<31-1) < faint {
		return 0
	}
	return x
}
