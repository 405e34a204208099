package vary

import (
	"context"
	"math"
	"strings"
	"testing"

	"patchlab/engine"
	"patchlab/engine/patch"
)

// quick makes a patch quick to render, but not another sound.
func quick(p patch.Patch) patch.Patch {
	p = p.Clone()
	p.Output.SampleRate, p.Output.Normalize = 22050, "off"
	if p.Output.Duration > 0.3 {
		p.Output.Duration = 0.3
	}
	return p
}

func render(t *testing.T, p patch.Patch) []float32 {
	t.Helper()
	a, err := engine.Render(context.Background(), p, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return a.Samples
}

// TestUnheardIsUnheard sets every parameter that is said not to be heard to something
// else, and renders: nothing may change.
func TestUnheardIsUnheard(t *testing.T) {
	t.Parallel()
	for name, p := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := quick(p)
			if p.Cost() > 300_000 {
				return // it takes long
			}
			is := render(t, p)
			q := p.Clone()
			var set []string
			for _, f := range q.Fields() {
				if movable(f.Row.Path) && !sounds(&p, f) && !kindOf(f.Path) {
					set = append(set, f.Path)
					spoil(f)
				}
			}
			if len(set) == 0 || difference(is, render(t, q)) < -40 {
				return
			}
			for _, path := range set {
				one := p.Clone()
				for _, f := range one.Fields() {
					if f.Path == path {
						spoil(f)
					}
				}
				if d := difference(is, render(t, one)); d > -40 {
					t.Errorf("%s is heard, at %.0f dB", path, d)
				}
			}
		})
	}
}

// kindOf reports whether a parameter switches something on by itself, or is a matter of
// taste: the level of an only layer is that of the whole sound.
func kindOf(path string) bool {
	return strings.HasSuffix(path, "filter.type") || strings.HasSuffix(path, "distortion.type") || path == "layers.0.level" || path == "layers.0.pan"
}

// difference returns how loud it is by what two sounds differ, in dB of the first. It is
// never quite nothing: the engine puts the knots of its curves at the corners of all
// envelopes, used or not.
func difference(a, b []float32) float64 {
	if len(a) != len(b) {
		return 0
	}
	d := make([]float32, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	return level(d) - max(level(a), -100)
}

// spoil sets a parameter to something else.
func spoil(f patch.Field) {
	draw := stream(3, f.Path).Unit(drawStep)
	switch {
	case f.Row.Kind == patch.Enum:
		f.SetChoice(f.Row.Values[int(draw*float64(len(f.Row.Values)))])
	case f.Row.Allowed != nil:
		f.SetNumber(float64(f.Row.Allowed[0]))
	case f.Row.Kind == patch.Int:
		f.SetNumber(f.Row.Max)
	default:
		f.SetNumber(f.Row.Min + draw*(f.Row.Max-f.Row.Min))
	}
}

// TestRelativesAreHeard renders relatives from near and far: none is silent, or all
// silence and a click.
func TestRelativesAreHeard(t *testing.T) {
	t.Parallel()
	for name, p := range corpus(t) {
		if name == "silent" || name == "sine-off" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := quick(p)
			own := level(render(t, p))
			for _, distance := range []float64{0.3, 1} {
				for seed := range uint32(4) {
					q, changes := Patch(p, options(seed, distance))
					if q.Cost() > 500_000 {
						continue
					}
					is := level(render(t, q))
					if is < -100 && is < own-40 {
						t.Errorf("seed %d at %g: %.1f dB, the patch itself %.1f dB: %v", seed, distance, is, own, changes)
					}
				}
			}
		})
	}
}

// level returns the root mean square in dB of full scale.
func level(samples []float32) float64 {
	sum := 0.0
	for _, s := range samples {
		sum += float64(s) * float64(s)
	}
	return 10 * math.Log10(sum/float64(max(1, len(samples)))+1e-20)
}
