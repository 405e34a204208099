package osc

import (
	"math"
	"math/bits"

	"patchlab/engine/patch"
	"patchlab/engine/rng"
)

// Wavetable plays a row of single-cycle waves, between which it fades, with 1 to 16
// voices, in stereo.
type Wavetable struct {
	table    *wavetable
	position float64 // 0..1
	voices   []voice
	mono     bool
	still    [2]still // for mips of even and odd numbers: neighbours are needed at once

	one, sum [MaxBlock]float32
}

// still is a mip at a position that does not move, as the coefficients of the
// spline: cubics of the phase between two points.
type still struct {
	level int     // of the mip
	at    float64 // in frames; below 0: not made yet
	cubes []cubic // as many as the longest mip needs
}

// cubic is a + b·t + c·t² + d·t³ for t from 0 to 2^24.
type cubic struct{ a, b, c, d float32 }

// steep is the number of steps of t between two points.
const steep = 1 << 24

// NewWavetable makes an oscillator with the level, the tuning, the table and the
// position of p. A single voice starts in the middle of its wave, where a sine, a
// triangle and a saw cross zero.
func NewWavetable(p patch.Oscillator, random rng.Stream, _ float64) *Wavetable {
	o := &Wavetable{table: tableOf(p.Wavetable), position: p.Position}
	for i := range o.still {
		o.still[i] = still{at: -1, cubes: make([]cubic, 1<<points(harmonics))}
	}
	o.voices, o.mono = unison(p, random, 1<<63)
	return o
}

// Mono reports whether both sides are the same.
func (o *Wavetable) Mono() bool { return o.mono }

// Process adds len(left) frames, at most MaxBlock, to left and right; all that moves
// goes in straight lines from one end to the other.
func (o *Wavetable) Process(left, right []float32, from, to Controls) {
	n := len(left)
	if n == 0 {
		return
	}
	m := mixer{left: left, right: right}
	if o.mono {
		m.sum = o.sum[:n]
	}
	one := o.one[:n]
	way := path{at: o.frame(from), to: o.frame(to), n: n}
	for i := range o.voices {
		v := &o.voices[i]
		f0, f1 := v.ends(from, to)
		r := newRun(v.phase, f0, f1, n)
		v.phase = r.end(n)
		a, b := o.table.limit(f0), o.table.limit(f1)
		o.play(one, r, a, way)
		if a == b {
			m.add(one, v.gl, v.gr)
			continue
		}
		// From one band limit to the other.
		dl, dr := v.gl/float64(n), v.gr/float64(n)
		m.fade(one, v.gl, v.gr, -dl, -dr)
		o.play(one, r, b, way)
		m.fade(one, 0, 0, dl, dr)
	}
	m.finish()
}

// frame returns the place in the table in frames.
func (o *Wavetable) frame(at Controls) float64 {
	return float64(max(0, min(1, o.position+at.Position)) * float64(o.table.frames-1))
}

// limit returns the mip for a frequency in turns per frame: that with the most
// harmonics below half the rate.
func (t *wavetable) limit(f float64) int {
	if f < 0.5/harmonics {
		return len(t.mips) - 1
	}
	return int(t.level[int(0.5/f)])
}

// path is a way through the frames of a table, at a frame before the first sample,
// to one at the last.
type path struct {
	at, to float64
	n      int
}

// play sets out to the wave of a mip.
func (o *Wavetable) play(out []float32, r run, level int, way path) {
	m := &o.table.mips[level]
	if way.at != way.to {
		m.moving(out, r, way)
		return
	}
	s := &o.still[level%2]
	cubes := s.cubes[:1<<m.bits]
	if s.level != level || s.at != way.at {
		m.stop(cubes, way.at)
		s.level, s.at = level, way.at
	}
	r.cubics(out, cubes)
}

// stop computes the cubics at a place in the table, in frames.
func (m *mip) stop(cubes []cubic, at float64) {
	first := int(at)
	part := float32(at - float64(first))
	a := m.frame(first)
	b := a
	if part > 0 {
		b = m.frame(first + 1)
	}
	for i := range cubes {
		p, q := (*[4]float32)(a[i:]), (*[4]float32)(b[i:])
		c := spline(
			p[0]+float32(part*(q[0]-p[0])), p[1]+float32(part*(q[1]-p[1])),
			p[2]+float32(part*(q[2]-p[2])), p[3]+float32(part*(q[3]-p[3])))
		cubes[i] = cubic{c.a, float32(c.b * (1.0 / steep)), float32(c.c * (1.0 / steep / steep)), float32(c.d * (1.0 / steep / steep / steep))}
	}
}

// spline returns the segment of a uniform cubic B-spline between the second and the
// third of four control points, for t from 0 to 1.
func spline(p0, p1, p2, p3 float32) cubic {
	return cubic{
		a: float32((p0+p2)*(1.0/6)) + float32(p1*(2.0/3)),
		b: float32((p2 - p0) * 0.5),
		c: float32((p0+p2)*0.5) - p1,
		d: float32((p1-p2)*0.5) + float32((p3-p0)*(1.0/6)),
	}
}

// cubics sets out to the wave of cubics, a power of two of them, at the phases.
func (r run) cubics(out []float32, cubes []cubic) {
	last := uint64(len(cubes) - 1)
	shift := spare(len(cubes))
	for i := range out {
		r.step += r.bend
		r.phase += r.step
		at := r.phase >> (shift & 63)
		c := &cubes[at>>24&last]
		t := float32(int32(at & (steep - 1)))
		y := float32(c.d*t) + c.c
		y = float32(y*t) + c.b
		out[i] = float32(y*t) + c.a
	}
}

// spare returns the number of low bits of a phase that do not count where a turn
// has n points with steep steps each.
func spare(n int) uint { return uint(64 - 24 - bits.TrailingZeros(uint(n))) }

// moving sets out to the wave of a place that moves through the frames, in stretches
// between the same two of them.
func (m *mip) moving(out []float32, r run, way path) {
	at, by := way.at, (way.to-way.at)/float64(way.n)
	last := len(m.data)/m.stride() - 2
	for len(out) > 0 {
		first := min(int(at+by), last)
		rest := float64(first+1) - at
		if by < 0 {
			rest = at - float64(first)
		}
		n := int(max(1, min(float64(len(out)), math.Floor(rest/math.Abs(by)))))
		r = r.between(out[:n], m.frame(first), m.frame(first+1), at-float64(first), by)
		at += float64(by * float64(n))
		out = out[n:]
	}
}

// between sets out to the mixture of two frames, the second of which has the share at
// before the first sample, which grows by by. It returns what is left of the run.
func (r run) between(out, first, second []float32, at, by float64) run {
	second = second[:len(first)]
	shift := spare(len(first) - guard)
	for i := range out {
		r.step += r.bend
		r.phase += r.step
		at += by
		part := float32(at)
		place := r.phase >> (shift & 63)
		t := float32(float32(int32(place&(steep-1))) * (1.0 / steep))
		j := uint(place >> 24)
		p3, q3 := first[j+3], second[j+3]
		p0, p1, p2 := first[j], first[j+1], first[j+2]
		q0, q1, q2 := second[j], second[j+1], second[j+2]
		c := spline(
			p0+float32(part*(q0-p0)), p1+float32(part*(q1-p1)),
			p2+float32(part*(q2-p2)), p3+float32(part*(q3-p3)))
		y := float32(c.d*t) + c.c
		y = float32(y*t) + c.b
		out[i] = float32(y*t) + c.a
	}
	return r
}
