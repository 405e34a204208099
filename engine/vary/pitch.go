package vary

import (
	"math"
	"strconv"

	"patchlab/engine/dmath"
	"patchlab/engine/patch"
	"patchlab/engine/rng"
)

const (
	fine   = 20  // cents that a pitch is off at most, at distance 1
	tuned  = 0.2 // distance below which no pitch moves by semitones
	octave = 12  // semitones that a sound moves at most
)

// interval returns by how many cents the whole sound moves: whole semitones, an octave
// at most, and a little beside them. It moves as a whole so that its layers stay in tune,
// and so not at all where the pitch of one of them is locked.
func interval(p patch.Patch, distance float64, o Options) float64 {
	draw := stream(o.Seed, "pitch")
	semitones := math.Round(float64(leap(draw.Bipolar(0)) * float64(octave*beyond(distance, tuned))))
	cents := float64(semitones*100) + float64(leap(draw.Bipolar(1))*float64(fine*distance))
	row, _ := patch.Lookup("layers.*.pitch")
	for i, l := range p.Layers {
		to := float64(l.Pitch * dmath.Ratio(cents))
		if to < row.Min || to > row.Max || locked(o.Locked, "layers."+strconv.Itoa(i)+".pitch") {
			return 0
		}
	}
	return cents
}

// comb reports whether a field is the cutoff of a comb filter, which is a pitch.
func (w *walker) comb(f patch.Field) bool {
	l, name := layerOf(w.parent, f.Path)
	return l != nil && name == "filter.cutoff" && l.Filter.Type == "comb"
}

// transposed returns a frequency moved by cents, or where it is if it cannot.
func (w *walker) transposed(f patch.Field, cents float64) float64 {
	is := f.Number()
	to := float64(is * dmath.Ratio(cents))
	if cents == 0 || to < f.Row.Min || to > f.Row.Max {
		return is
	}
	return tidy(f.Row, to, f.Row.Min, f.Row.Max)
}

// tune returns where an oscillator's tuning goes: a few cents, or at large distances an
// interval that sounds well with any other.
func (w *walker) tune(f patch.Field, draw rng.Stream, by float64) float64 {
	is := f.Number()
	to := is + float64(by*float64(fine*w.distance))
	if draw.Unit(drawLeap) < float64(chanceTune*beyond(w.distance, daring)) {
		consonant := []float64{-1200, -700, -500, 500, 700, 1200}
		to += consonant[int(float64(draw.Unit(drawInterval)*float64(len(consonant))))]
	}
	if to == is {
		return is
	}
	return tidy(f.Row, bounce(to, f.Row.Min, f.Row.Max), f.Row.Min, f.Row.Max)
}
