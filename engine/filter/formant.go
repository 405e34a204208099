package filter

import (
	"math"

	"patchlab/engine/dmath"
	"patchlab/engine/patch"
	"patchlab/engine/vec"
)

// Formant is a bank of band-passes side by side at the formants of a vowel. Neighbours
// have opposite signs, so that there are no notches between them (Klatt, "Software for
// a cascade/parallel formant synthesizer", 1980).
type Formant struct {
	rate   float64
	narrow float64 // what the widths of the bands are divided by
	makeup float64 // gain of all
	vowels [vowels][bands]formant

	point Point       // where the last call ended
	bands [bands]band // there
	left  [bands]resonator
	right [bands]resonator
	sum   [2][stretch]float64
}

const (
	vowels = 5 // a e i o u
	bands  = 4
)

// formant is one of a vowel.
type formant struct {
	hz    float64
	gain  float64
	width float64 // Hz, at −3 dB
}

// tenor returns the formants of a tenor, with gains in dB: the first four of the table
// in the appendix "Formant values" of the Csound manual.
func tenor() [vowels][bands]formant {
	return [vowels][bands]formant{
		{{650, 0, 80}, {1080, -6, 90}, {2650, -7, 120}, {2900, -8, 130}},
		{{400, 0, 70}, {1700, -14, 80}, {2600, -12, 100}, {3200, -14, 120}},
		{{290, 0, 40}, {1870, -15, 90}, {2800, -18, 100}, {3250, -20, 120}},
		{{400, 0, 70}, {800, -10, 80}, {2600, -12, 100}, {2800, -12, 130}},
		{{350, 0, 40}, {600, -20, 60}, {2700, -17, 100}, {2900, -14, 120}},
	}
}

// unshifted is the cutoff in Hz from which on the formants stay where they are.
const unshifted = 20_000

// NewFormant returns a filter with p's resonance Q, or nil where p is of another type.
// With a Q of 1 the bands are as wide as those of the voice, with 4 times it half as
// wide; 12 dB make up for what the bands leave out, and more where they are narrower.
func NewFormant(p patch.Filter, rate float64) *Formant {
	if p.Type != "formant" {
		return nil
	}
	narrow := math.Sqrt(p.Resonance)
	f := &Formant{rate: rate, narrow: narrow, makeup: float64(4 * math.Sqrt(narrow)), vowels: tenor()}
	for v := range f.vowels {
		for i := range f.vowels[v] {
			f.vowels[v][i].gain = dmath.Gain(f.vowels[v][i].gain)
		}
	}
	return f
}

// at returns the bands of a point. The cutoff is where the second formant is moved to,
// and the others with it.
func (f *Formant) at(p Point) [bands]band {
	place := float64((vowels - 1) * max(0, min(1, p.Vowel)))
	v := min(vowels-2, int(place))
	place -= float64(v)
	var all [bands]formant
	for i := range all {
		a, b := f.vowels[v][i], f.vowels[v+1][i]
		all[i] = formant{
			hz:    a.hz + float64(place*(b.hz-a.hz)),
			gain:  a.gain + float64(place*(b.gain-a.gain)),
			width: a.width + float64(place*(b.width-a.width)),
		}
	}
	shift := 1.0
	if p.Cutoff < unshifted {
		shift = p.Cutoff / all[1].hz
	}
	var out [bands]band
	for i, a := range all {
		turns := float64(a.hz*shift) / f.rate
		// Above the band nothing is left.
		gain := float64(f.makeup * float64(a.gain*max(0, min(1, float64((0.48-turns)*20)))))
		if i%2 == 1 {
			gain = -gain
		}
		out[i] = newBand(max(0.0001, min(0.48, turns)), a.width/float64(a.hz*f.narrow), gain)
	}
	return out
}

// Process filters up to 32 frames of left and, unless it is nil, right in place, while
// cutoff and vowel go from one point to the other.
func (f *Formant) Process(left, right []float32, from, to Point) {
	n := len(left)
	if n == 0 {
		return
	}
	if from != f.point {
		f.bands = f.at(from)
	}
	start := f.bands
	if to != from {
		f.bands = f.at(to)
	}
	f.point = to
	a := f.sum[0][:n]
	clear(a)
	if right == nil {
		for i := range start {
			f.left[i].add(a, left, start[i], start[i].to(&f.bands[i], n))
		}
		store(left, a)
		return
	}
	right = right[:n]
	b := f.sum[1][:n]
	clear(b)
	for i := range start {
		addBoth(&f.left[i], &f.right[i], a, b, left, right, start[i], start[i].to(&f.bands[i], n))
	}
	store(left, a)
	store(right, b)
}

// store puts sums into a channel.
func store(dst []float32, sum []float64) {
	for i, y := range sum[:len(dst)] {
		dst[i] = float32((y + vec.Tiny) - vec.Tiny)
	}
}
