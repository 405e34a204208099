package vary

import (
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"strings"

	"patchlab/engine/dmath"
	"patchlab/engine/patch"
	"patchlab/engine/rng"
)

// walker takes the steps of one relative. Each depends on the seed and the path alone,
// so that a lock changes nothing but what it locks.
type walker struct {
	distance float64
	seed     uint32
	parent   *patch.Patch
	seconds  float64 // length of the parent
	interval float64 // cents that the pitch of all layers moves
}

// What is drawn for a parameter.
const (
	drawStep     = iota // how far, and to which side
	drawChance          // whether a switch or a choice changes
	drawChoice          // to what
	drawLeap            // whether an oscillator leaps by an interval
	drawInterval        // by which
)

// stream returns what is drawn for a path.
func stream(seed uint32, path string) rng.Stream {
	h := fnv.New64a()
	_, _ = h.Write([]byte(path)) // never fails
	return rng.New(seed, h.Sum64())
}

// still is the share of parameters that stay where they are.
const still = 1.0 / 3

// leap turns a uniform draw from −1 to 1 into a step from −1 to 1: a third of them
// stand still, most are small, few are long.
func leap(u float64) float64 {
	x := (math.Abs(u) - still) / (1 - still)
	if x <= 0 {
		return 0
	}
	return math.Copysign(float64(x*x), u)
}

// beyond returns how far a distance is above another, 0 to 1.
func beyond(distance, from float64) float64 { return max(0, (distance-from)/(1-from)) }

// daring is the distance below which nothing changes its kind: what is off stays off,
// waves and filters stay what they are, and what bends down does not bend up.
const daring = 0.5

// Chances at distance 1.
const (
	chanceWake   = 0.2 // of what is off to be switched on
	chanceKind   = 0.3 // of a wave, a filter, a table, a rhythm to change
	chanceChoice = 0.5 // of another choice to change
	chanceTune   = 0.4 // of an oscillator to leap by an interval
)

// choice returns what an Enum becomes.
func (w *walker) choice(f patch.Field) string {
	is := f.Choice()
	if is == "off" {
		return is // its parameters were never chosen
	}
	draw := stream(w.seed, f.Path)
	_, leaf := split(f.Path)
	chance := float64(chanceChoice * float64(w.distance*w.distance))
	if strings.HasSuffix(f.Row.Path, "filter.type") || leaf == "wave" || leaf == "wavetable" || leaf == "sync" {
		chance = float64(chanceKind * beyond(w.distance, daring))
	}
	if draw.Unit(drawChance) >= chance {
		return is
	}
	others := slices.DeleteFunc(slices.Clone(f.Row.Values), func(v string) bool { return v == is || v == "off" })
	if len(others) == 0 {
		return is
	}
	return others[int(float64(draw.Unit(drawChoice)*float64(len(others))))]
}

// number returns what a Float or an Int becomes.
func (w *walker) number(f patch.Field) float64 {
	is := f.Number()
	draw := stream(w.seed, f.Path)
	by := leap(draw.Bipolar(drawStep))
	if f.Row.Path == "layers.*.pitch" || w.comb(f) {
		return w.transposed(f, w.interval)
	}
	if off(f.Row, is) && draw.Unit(drawChance) >= float64(chanceWake*beyond(w.distance, daring)) {
		return is
	}
	if _, leaf := split(f.Row.Path); leaf == "tune" {
		return w.tune(f, draw, by)
	}
	if by == 0 {
		return is
	}
	if f.Row.Allowed != nil {
		// Nobody offers so many values that a step would need a scale of its own.
		last := float64(len(f.Row.Allowed) - 1)
		at := float64(slices.Index(f.Row.Allowed, int(is)))
		return float64(f.Row.Allowed[int(math.Round(bounce(at+float64(by*float64(w.distance*last)), 0, last)))])
	}
	low, high := w.span(f)
	s := scale(f.Row.Scale)
	from, bottom, top := s.place(is), s.place(low), s.place(high)
	if !(top > bottom) {
		return is
	}
	reach := float64(w.distance * (top - bottom))
	if relative(f.Row) {
		size := math.Abs(from) / max(math.Abs(bottom), math.Abs(top))
		reach = float64(reach * min(1, size+float64(w.distance*float64(w.distance*w.distance))))
	}
	to := s.value(bounce(from+float64(by*reach), bottom, top))
	if harmonic(f.Row, is) {
		to = float64(math.Round(float64(to*2)) / 2)
	}
	return tidy(f.Row, to, low, high)
}

// off reports whether a number is where it switches something off, or where it means
// nothing is done.
func off(row *patch.Param, is float64) bool {
	switch _, leaf := split(row.Path); leaf {
	case "ratio", "unison":
		return is == 1
	case "vowel", "position", "phase", "octave":
		return false // 0 is a place like any other
	case "level":
		return is == 0 && row.Unit != "dB"
	}
	return is == 0
}

// relative reports whether a parameter's steps grow with its value: what is small on a
// wide range, such as an attack or a vibrato, would else not be itself any more.
func relative(row *patch.Param) bool {
	return row.Scale == patch.Square || row.Min < 0 && row.Max > 0 && row.Unit != "dB"
}

// harmonic reports whether a number is the ratio of an FM modulator that is in tune with
// its carrier, which keeps to halves.
func harmonic(row *patch.Param, is float64) bool {
	return strings.HasSuffix(row.Path, ".fm_ratio") && is >= 0.5 && float64(is*2) == math.Trunc(float64(is*2))
}

const (
	balance = 12 // dB that the level of a layer moves at most
	hold    = 3  // times that a note is held shorter or longer at most
)

// span returns the range within which a number may move.
func (w *walker) span(f patch.Field) (low, high float64) {
	is := f.Number()
	low, high = f.Row.Min, f.Row.Max
	if m := w.mod(f); m != nil {
		for _, t := range patch.Targets() {
			if t.Name == m.Target {
				low, high = t.Min, t.Max
			}
		}
	}
	switch {
	case f.Row.Path == "layers.*.level":
		low, high = max(low, is-balance), min(high, is+balance)
	case f.Row.Path == "layers.*.gate":
		low, high = max(low, is/hold), min(high, float64(is*hold))
	case f.Row.Path == "layers.*.amp_env.attack": // a note lasts a third of the sound at least
		high = min(high, max(is, w.seconds/3))
	case f.Row.Unit == "s": // nothing takes longer than the sound
		high = min(high, max(is, w.seconds))
	}
	if w.distance >= daring {
		return low, high
	}
	switch {
	case strings.HasSuffix(f.Row.Path, ".unison"):
		low = 2
	case low < 0 && high > 0 && f.Row.Path != "layers.*.level":
		if is > 0 {
			low = 0
		} else {
			high = 0
		}
	}
	return low, high
}

// mod returns the route whose amount a field is, or nil.
func (w *walker) mod(f patch.Field) *patch.Mod {
	if f.Row.Path != "layers.*.mods.*.amount" {
		return nil
	}
	l, name := layerOf(w.parent, f.Path) // mods.0.amount
	j, err := strconv.Atoi(strings.Split(name, ".")[1])
	if l == nil || err != nil {
		return nil
	}
	return &l.Mods[j]
}

// unit returns the unit of a field: of a route's amount that of its target.
func (w *walker) unit(f patch.Field) string {
	if m := w.mod(f); m != nil {
		for _, t := range patch.Targets() {
			if t.Name == m.Target {
				return t.Unit
			}
		}
	}
	return f.Row.Unit
}

// digits is how many a number has, so that people can read it; it is enough for the tune.
const digits = 5

// tidy rounds a number to its digits, within its range.
func tidy(row *patch.Param, x, low, high float64) float64 {
	if row.Kind == patch.Int {
		return max(math.Ceil(low), min(math.Floor(high), math.Round(x)))
	}
	short, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', digits, 64), 64)
	if err != nil { // cannot be
		short = x
	}
	return max(low, min(high, short))
}

// bounce sends back what goes over an end of a range, so that parameters do not gather
// there.
func bounce(x, low, high float64) float64 {
	if x < low {
		x = low + (low - x)
	} else if x > high {
		x = high - (x - high)
	}
	return max(low, min(high, x))
}

// scale is a parameter's own, on which equal steps are alike.
type scale patch.Scale

func (s scale) place(x float64) float64 {
	switch patch.Scale(s) {
	case patch.Log:
		return dmath.Log2(x)
	case patch.Square:
		return math.Sqrt(x)
	default:
		return x
	}
}

func (s scale) value(place float64) float64 {
	switch patch.Scale(s) {
	case patch.Log:
		return dmath.Exp2(place)
	case patch.Square:
		return float64(place * place)
	default:
		return place
	}
}
