package osc

import (
	"math"

	"patchlab/engine/dmath"
)

// harmonics is the number of harmonics of a wavetable's frame.
const harmonics = 512

// loudness is the root of the mean square of every frame of every table.
const loudness = 1.0 / 3

// spectrum is one frame of a wavetable: the wave is the sum over h of
// cos[h]·cos(hφ) + sin[h]·sin(hφ), without an offset.
type spectrum struct{ cos, sin [harmonics + 1]float64 }

// wavetable is a row of frames, each at a number of band limits.
type wavetable struct {
	frames int
	mips   []mip // from the fewest harmonics to the most
	level  [harmonics + 1]uint8
}

// mip holds the frames of a table up to a number of harmonics, as the control points
// of a uniform cubic B-spline: that is smooth and quick, and what it does to the
// spectrum is known and is made up for.
type mip struct {
	top  int       // harmonics
	bits int       // log2 of the points of a turn
	data []float32 // frame after frame, each with one point before its turn and two after
}

// guard is the number of points of a frame beyond those of its turn.
const guard = 3

func (m *mip) stride() int { return 1<<m.bits + guard }

// frame returns the points of a frame.
func (m *mip) frame(i int) []float32 { return m.data[i*m.stride():][:m.stride()] }

// limits returns how many harmonics a mip has: about half an octave from one to the
// next, so that the highest harmonic of a note is above 0.35 of the rate.
func limits() []int {
	return []int{1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256, 362, harmonics}
}

// points returns log2 of the number of points of a mip. The spline leaves images of
// harmonic h around multiples of the number of points n: h/(n−h) to the fourth, or
// −94 dB of it at 16 points a period, −68 dB at 8, which is enough for the high
// harmonics of the tables, which are low.
func points(top int) int {
	density := 16
	if top > 32 {
		density = 8
	}
	bits := 6
	for 1<<bits < density*top {
		bits++
	}
	return bits
}

// newWavetable makes the mips of frames.
func newWavetable(frames []spectrum) *wavetable {
	t := &wavetable{frames: len(frames)}
	for i := range frames {
		frames[i].normalize()
	}
	f := newInverse(points(harmonics))
	for _, top := range limits() {
		for h := top; h <= harmonics; h++ {
			t.level[h] = uint8(len(t.mips))
		}
		t.mips = append(t.mips, newMip(f, frames, top))
	}
	return t
}

// normalize scales the frame to loudness.
func (s *spectrum) normalize() {
	power := 0.0
	for h := 1; h <= harmonics; h++ {
		power += float64(s.cos[h]*s.cos[h]) + float64(s.sin[h]*s.sin[h])
	}
	g := loudness / math.Sqrt(power/2)
	for h := range s.cos {
		s.cos[h], s.sin[h] = float64(s.cos[h]*g), float64(s.sin[h]*g)
	}
}

func newMip(f *inverse, frames []spectrum, top int) mip {
	m := mip{top: top, bits: points(top)}
	m.data = make([]float32, len(frames)*m.stride())
	n := 1 << m.bits
	// The B-spline lowers harmonic h by sinc⁴(h/n).
	up := make([]float64, top+1)
	for h := 1; h <= top; h++ {
		x := float64(h) / float64(n)
		s := float64(dmath.Pi*x) / dmath.SinTurns(x/2)
		up[h] = float64(float64(s*s) * float64(s*s))
	}
	for i := 0; i < len(frames); i += 2 {
		a, b := &frames[i], &frames[min(i+1, len(frames)-1)]
		turn := f.pair(a, b, up, m.bits)
		wrap(m.frame(i), turn, func(p point) float64 { return p.re })
		if i+1 < len(frames) {
			wrap(m.frame(i+1), turn, func(p point) float64 { return p.im })
		}
	}
	return m
}

// wrap sets a frame to one of both waves of a turn.
func wrap(frame []float32, turn []point, part func(point) float64) {
	n := len(turn)
	inner := frame[1:][:n]
	for i, x := range turn {
		inner[i] = float32(part(x))
	}
	frame[0], frame[n+1], frame[n+2] = frame[n], frame[1], frame[2]
}
