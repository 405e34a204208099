package env

import (
	"math"
	"testing"

	"patchlab/engine/patch"
)

func TestShape(t *testing.T) {
	t.Parallel()
	e := New(patch.Envelope{Attack: 0.1, Decay: 0.4, Sustain: 0.25, Release: 0.2}, 1)
	for at, want := range map[float64]float64{
		-1: 0, 0: 0, 0.05: 0.5, 0.1: 1,
		0.3: 0.25 + 0.75*math.Pow(10, -1.5), // half of the decay, −30 dB of the way
		0.5: 0.25 + 0.75e-3,
		1.1: 0.25 * math.Pow(10, -1.5),
		1.2: 0.25e-3,
		1.3: 0, 5: 0,
	} {
		if got := e.At(at); math.Abs(got-want) > 1e-6 {
			t.Errorf("at %g s: %g, want %g", at, got, want)
		}
	}
	if e.Peak() != 0.1 || math.Abs(e.End()-1.3) > 1e-12 {
		t.Errorf("peak at %g, end at %g", e.Peak(), e.End())
	}
}

// TestSmooth looks for steps in envelopes of every order of attack and gate.
func TestSmooth(t *testing.T) {
	t.Parallel()
	for _, gate := range []float64{0.001, 0.05, 0.1, 0.2, 2} {
		e := New(patch.Envelope{Attack: 0.1, Decay: 0.1, Sustain: 0.5, Release: 0.1}, gate)
		const step = 1e-5
		last := 0.0
		for x := 0.0; x < 3; x += step {
			y := e.At(x)
			if y < 0 || y > 1 || math.Abs(y-last) > 1e-3 {
				t.Fatalf("gate %g s: from %g to %g at %g s", gate, last, y, x)
			}
			last = y
		}
	}
}

// TestNoTime holds that times of 0 are steps, not divisions by 0.
func TestNoTime(t *testing.T) {
	t.Parallel()
	e := New(patch.Envelope{Sustain: 0.5}, 1)
	for at, want := range map[float64]float64{0: 0.5, 0.5: 0.5, 1: 0, 2: 0} {
		if got := e.At(at); got != want {
			t.Errorf("at %g s: %g, want %g", at, got, want)
		}
	}
}
