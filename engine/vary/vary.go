// Package vary makes relatives of a patch: each parameter that is heard takes a
// random step on its own scale, as long as a distance allows. The same patch, seed,
// distance and locks always give the same relative, on every machine.
//
// What a sound is about stays: its output, its tempo, when its layers start, the kinds
// of their sources and the routes of their modulation. Its layers stay in tune with
// one another.
package vary

import (
	"strings"

	"patchlab/engine/patch"
)

// Options says which relative is wanted.
type Options struct {
	// Seed draws the steps, and becomes the seed of the relative unless "seed" is locked.
	Seed uint32
	// Distance is how far the relative may be, from 0, the same patch but for its seed,
	// to 1, anywhere; at 0.3 it is a cousin.
	Distance float64
	// Locked holds paths of parameters ("layers.0.pitch") and of groups of them
	// ("bus.reverb") that keep their values.
	Locked []string
	// MaxCost is the highest cost of a relative, in microseconds of a core. One that
	// would pass it is drawn closer until it does not.
	MaxCost int64
}

// Change is a parameter that has moved. From and To are numbers in the unit, or
// strings where the parameter is a choice.
type Change struct {
	Path string `json:"path"`
	From any    `json:"from"`
	To   any    `json:"to"`
	Unit string `json:"unit"`
}

const (
	closer  = 0.75 // the next distance to try where a relative costs too much
	nearest = 0.01 // below it there is only the patch itself
)

// Patch returns a relative of a valid patch, which is valid too, and what has moved, in
// the order of the table; the seed is not told. It costs at most MaxCost, or as much as
// the patch itself.
func Patch(p patch.Patch, o Options) (patch.Patch, []Change) {
	for distance := o.Distance; ; distance = float64(distance * closer) {
		if !(distance >= nearest) { // not a number too
			distance = 0
		}
		relative, changes := step(p, min(distance, 1), o)
		if distance == 0 || relative.Cost() <= o.MaxCost {
			return relative, changes
		}
	}
}

// step takes every parameter one step from a patch.
func step(p patch.Patch, distance float64, o Options) (patch.Patch, []Change) {
	relative := p.Clone()
	if !locked(o.Locked, "seed") {
		relative.Seed = o.Seed
	}
	if distance == 0 {
		return relative, nil
	}
	var changes []Change
	w := walker{distance: distance, seed: o.Seed, parent: &p, seconds: p.Seconds(), interval: interval(p, distance, o)}
	for _, f := range relative.Fields() {
		if locked(o.Locked, f.Path) || !movable(f.Row.Path) || !sounds(&p, f) {
			continue
		}
		if f.Row.Kind == patch.Enum {
			from := f.Choice()
			if to := w.choice(f); to != from {
				f.SetChoice(to)
				changes = append(changes, Change{Path: f.Path, From: from, To: to})
			}
			continue
		}
		from := f.Number()
		if to := w.number(f); to != from {
			f.SetNumber(to)
			changes = append(changes, Change{Path: f.Path, From: from, To: to, Unit: w.unit(f)})
		}
	}
	return relative, changes
}

// locked reports whether a lock is the path, or a group that holds it.
func locked(locks []string, path string) bool {
	for _, lock := range locks {
		if rest, ok := strings.CutPrefix(path, lock); ok && (rest == "" || rest[0] == '.') {
			return true
		}
	}
	return false
}

// movable reports whether a row of the table may move at all.
func movable(row string) bool {
	switch row {
	case "version", "seed", "tempo", "layers.*.delay", "layers.*.source", "layers.*.mods.*.source", "layers.*.mods.*.target", "bus.limiter.mode":
		return false
	}
	return !strings.HasPrefix(row, "output.")
}
