package env

import (
	"math"
	"slices"
	"testing"

	"patchlab/engine/patch"
)

// curved returns an envelope.
func curved(attack, decay, sustain, release, attackCurve, decayCurve, releaseCurve float64) patch.Envelope {
	return patch.Envelope{
		Attack: attack, Decay: decay, Sustain: sustain, Release: release,
		AttackCurve: attackCurve, DecayCurve: decayCurve, ReleaseCurve: releaseCurve,
	}
}

// TestExponential holds the default curves to a straight rise and to falls by 60 dB
// in their times that go on below.
func TestExponential(t *testing.T) {
	t.Parallel()
	e := New(curved(0.1, 0.4, 0.25, 0.2, 0, 1, 1), 1)
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

// shape is the contract's shape of a segment of length 1, from 0 to 1.
func shape(x, c float64) float64 {
	k := math.Log2(1000)
	switch {
	case c == 0:
		return x
	case c < 0:
		return 1 - shape(1-x, -c)
	default:
		return (1 - math.Pow(2, -k*c*x)) / (1 - math.Pow(2, -k*c))
	}
}

// TestCurves compares every segment with its shape, and holds that segments with an
// end come there.
func TestCurves(t *testing.T) {
	t.Parallel()
	for _, c := range []float64{-1, -0.999, -0.5, -1e-3, -1e-9, 0, 1e-9, 1e-7, 1e-3, 0.3, 0.999, 1} {
		finite := min(c, 0.999) // 1 means another thing in a fall
		e := New(curved(0.3, 0.5, 0.4, 0.7, c, finite, finite), 2)
		check := func(at, want float64) {
			t.Helper()
			if got := e.At(at); math.Abs(got-want) > 1.1e-6 {
				t.Errorf("curve %g at %g s: %g, want %g", c, at, got, want)
			}
		}
		for x := 0.0; x < 1; x += 0.05 {
			check(0.3*x, shape(x, c))
			check(0.3+0.5*x, 1-0.6*shape(x, finite))
			check(2+0.7*x, 0.4*(1-shape(x, finite)))
		}
		for at, want := range map[float64]float64{0.3: 1, 0.8: 0.4, 1.5: 0.4, 2.7: 0, 3: 0} {
			if got := e.At(at); math.Abs(got-want) > 1e-12 {
				t.Errorf("curve %g at %g s: %g, want exactly %g", c, at, got, want)
			}
		}
		if e.End() != 2.7 {
			t.Errorf("curve %g ends at %g s", c, e.End())
		}
	}
}

// crossing returns when an envelope first passes a level between two moments.
func crossing(e *ADSR, level, from, to float64) float64 {
	above := e.At(from) > level
	for range 60 {
		m := (from + to) / 2
		if (e.At(m) > level) == above {
			from = m
		} else {
			to = m
		}
	}
	return to
}

// TestTimes measures how long segments take, to 1 ms or 1 %.
func TestTimes(t *testing.T) {
	t.Parallel()
	for _, seconds := range []float64{0.001, 0.02, 0.7, 20} {
		for _, c := range []float64{-1, -0.4, 0, 0.4, 1} {
			e := New(curved(seconds, seconds, 0.5, seconds, c, c, c), 3*seconds)
			within := max(0.001, 0.01*seconds)
			near := 1 - 1e-9 // what counts as having come to the end
			bottom := 1e-9
			if c == 1 { // 60 dB
				bottom = 1e-3
			}
			for what, got := range map[string]float64{
				"attack":  crossing(&e, near, 0, seconds),
				"decay":   crossing(&e, 0.5+0.5*bottom, seconds, 3*seconds) - seconds,
				"release": crossing(&e, 0.5*bottom, 3*seconds, 5*seconds) - 3*seconds,
			} {
				if math.Abs(got-seconds) > within {
					t.Errorf("%s with curve %g takes %g s, want %g s", what, c, got, seconds)
				}
			}
		}
	}
}

// TestSmooth looks for steps and wrong turns in envelopes of every order of attack
// and gate, and curve.
func TestSmooth(t *testing.T) {
	t.Parallel()
	for _, gate := range []float64{0.001, 0.05, 0.1, 0.15, 0.2, 2} {
		for _, c := range []float64{-1, -0.3, 0, 0.3, 1} {
			e := New(curved(0.1, 0.1, 0.5, 0.1, c, -c, c), gate)
			const step = 1e-5
			last := 0.0
			for x := 0.0; x < 3; x += step {
				y := e.At(x)
				if y < 0 || y > 1 || math.Abs(y-last) > 1e-3 {
					t.Fatalf("gate %g s, curve %g: from %g to %g at %g s", gate, c, last, y, x)
				}
				rising := x <= min(gate, 0.1)
				if rising && y < last-1e-12 || !rising && y > last+1e-3*step+1e-12 && x-step > min(gate, 0.1) {
					t.Fatalf("gate %g s, curve %g: turns from %g to %g at %g s", gate, c, last, y, x)
				}
				last = y
			}
		}
	}
}

// TestNoTime holds that times of 0 are steps, not divisions by 0.
func TestNoTime(t *testing.T) {
	t.Parallel()
	for _, c := range []float64{-1, 0, 0.5, 1} {
		for _, time := range []float64{0, 5e-324, 1e-300, 1e-12} {
			e := New(curved(time, time, 0.5, time, c, c, c), 1)
			for at, want := range map[float64]float64{1e-6: 0.5, 0.5: 0.5, 1 + 1e-6: 0, 2: 0} {
				if got := e.At(at); got != want {
					t.Errorf("times of %g s, curve %g, at %g s: %g, want %g", time, c, at, got, want)
				}
			}
		}
	}
	e := New(patch.Envelope{Sustain: 0.5}, 1)
	if e.At(0) != 0.5 || e.At(1) != 0 {
		t.Errorf("a step starts at %g and ends at %g", e.At(0), e.At(1))
	}
}

// TestRest holds that an envelope that has come to rest is exactly there.
func TestRest(t *testing.T) {
	t.Parallel()
	for _, c := range []float64{-0.5, 0, 1} {
		for _, sustain := range []float64{0, 0.3, 1} {
			e := New(curved(0.01, 0.1, sustain, 0.1, c, c, c), 10)
			for _, at := range []float64{0.7, 5, 9.999} {
				if got := e.At(at); got != sustain {
					t.Errorf("curve %g at %g s: %g, want %g", c, at, got, sustain)
				}
			}
		}
	}
}

func TestCorners(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		e    patch.Envelope
		gate float64
		want []float64
	}{
		"finite":                  {curved(0.1, 0.25, 0.5, 0.5, 0, 0, 0), 1, []float64{0.1, 0.35, 1, 1.5}},
		"exponential":             {curved(0.1, 0.25, 0.5, 0.5, 0, 1, 1), 1, []float64{0.1, 1, 1.75}},
		"short note":              {curved(0.1, 0.25, 0.5, 0.5, 0, 0, 0), 0.05, []float64{0.05, 0.55}},
		"note ends in the decay":  {curved(0.1, 0.25, 0.5, 0.5, 0, 0, 0), 0.2, []float64{0.1, 0.2, 0.7}},
		"note ends at the peak":   {curved(0.1, 0.25, 0.5, 0.5, 0, 0, 0), 0.1, []float64{0.1, 0.6}},
		"steps":                   {curved(0, 0, 0.5, 0, 0, 0, 0), 1, []float64{1}},
		"nothing to fall":         {curved(0.1, 0.25, 1, 0.5, 0, 0, 0), 1, []float64{0.1, 1, 1.5}},
		"no attack, curved decay": {curved(0, 0.25, 0.5, 0.5, 0, -1, 0.5), 1, []float64{0.25, 1, 1.5}},
	} {
		e := New(c.e, c.gate)
		got := e.Corners()
		if !slices.EqualFunc(got, c.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-12 }) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestCornersAreAll holds that between the corners nothing but a curve happens: a
// straight envelope is a straight line there.
func TestCornersAreAll(t *testing.T) {
	t.Parallel()
	for _, gate := range []float64{0.05, 0.17, 0.4, 1} {
		e := New(curved(0.1, 0.23, 0.4, 0.37, 0, 0, 0), gate)
		last := 0.0
		for _, corner := range e.Corners() {
			from, to := e.At(last), e.At(math.Nextafter(corner, 0))
			for x := 0.1; x < 1; x += 0.1 {
				if got, want := e.At(last+x*(corner-last)), from+x*(to-from); math.Abs(got-want) > 1e-9 {
					t.Errorf("gate %g s, between %g and %g s: %g, want %g", gate, last, corner, got, want)
				}
			}
			last = corner
		}
	}
}

// BenchmarkAt asks as the renderer does: every 32 frames at 48 kHz.
func BenchmarkAt(b *testing.B) {
	for name, c := range map[string]float64{"straight": 0, "curved": 0.5, "exponential": 1} {
		b.Run(name, func(b *testing.B) {
			e := New(curved(0.1, 0.4, 0.3, 0.5, c, c, c), 1.5)
			sum, t := 0.0, 0.0
			for b.Loop() {
				sum += e.At(t)
				if t += 32.0 / 48000; t > 2 {
					t = 0
				}
			}
			if math.IsNaN(sum) {
				b.Fatal("not a number")
			}
		})
	}
}
