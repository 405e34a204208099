package lfo

import (
	"math"
	"testing"

	"patchlab/engine/patch"
	"patchlab/engine/rng"
)

func shapes() []string { return []string{"sine", "triangle", "saw", "square", "random", "smooth"} }

// TestShapes compares points of a period with the shapes' formulas.
func TestShapes(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(x float64) float64{
		"sine":     func(x float64) float64 { return math.Sin(2 * math.Pi * x) },
		"triangle": func(x float64) float64 { return 2 / math.Pi * math.Asin(math.Sin(2*math.Pi*x)) },
		"saw":      func(x float64) float64 { return 2*(x-math.Floor(x)) - 1 },
		"square":   func(x float64) float64 { return math.Copysign(1, math.Sin(2*math.Pi*x)) },
	} {
		for _, phase := range []float64{0, 0.3, 1} {
			l := New(patch.LFO{Shape: name, Rate: 2.5, Phase: phase}, 120, rng.New(1))
			for at := 0.0005; at < 3; at += 0.0137 {
				if got, want := l.At(at), f(2.5*at+phase); math.Abs(got-want) > 1e-9 {
					t.Errorf("%s of phase %g at %g s: %g, want %g", name, phase, at, got, want)
				}
			}
		}
	}
}

// TestStarts holds that nothing happens before the start.
func TestStarts(t *testing.T) {
	t.Parallel()
	for _, name := range shapes() {
		l := New(patch.LFO{Shape: name, Rate: 3, Phase: 0.2}, 120, rng.New(1))
		if l.At(-1) != l.At(0) {
			t.Errorf("%s is %g before the start and %g at it", name, l.At(-1), l.At(0))
		}
	}
}

// TestSync measures the period of synced oscillators by the wraps of a saw.
func TestSync(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sync          string
		tempo, period float64
	}{{"off", 120, 1 / 7.0}, {"1/4", 120, 0.5}, {"1/8t", 90, 2.0 / 9}, {"4/1", 300, 3.2}, {"1/16d", 60, 0.375}, {"1/32", 300, 0.025}} {
		l := New(patch.LFO{Shape: "saw", Rate: 7, Sync: c.sync}, c.tempo, rng.New(1))
		for n := 1.0; n < 5; n++ {
			before, after := l.At((n-1e-6)*c.period), l.At((n+1e-6)*c.period)
			if before < 0.99 || after > -0.99 {
				t.Errorf("%s at %g BPM: no wrap after %g periods of %g s, but %g and %g", c.sync, c.tempo, n, c.period, before, after)
			}
		}
	}
}

// TestFade holds the depth to a straight line.
func TestFade(t *testing.T) {
	t.Parallel()
	for _, name := range shapes() {
		full := New(patch.LFO{Shape: name, Rate: 3, Phase: 0.1}, 120, rng.New(1))
		faded := New(patch.LFO{Shape: name, Rate: 3, Phase: 0.1, Fade: 2}, 120, rng.New(1))
		for at := 0.0; at < 3; at += 0.01 {
			if got, want := faded.At(at), full.At(at)*min(1, at/2); math.Abs(got-want) > 1e-12 {
				t.Errorf("%s at %g s: %g, want %g", name, at, got, want)
			}
		}
	}
}

// TestRandom holds that random keeps a value for a period, that smooth goes through
// the same values, and what their distribution is.
func TestRandom(t *testing.T) {
	t.Parallel()
	stream := rng.New(7)
	held := New(patch.LFO{Shape: "random", Rate: 4}, 120, stream)
	smoothed := New(patch.LFO{Shape: "smooth", Rate: 4}, 120, stream)
	sum, square := 0.0, 0.0
	const periods = 4000
	for n := range uint64(periods) {
		start := float64(n) / 4
		want := stream.Bipolar(n)
		for _, x := range []float64{0, 0.1, 0.2499} {
			if got := held.At(start + x); got != want {
				t.Fatalf("random is %g at %g s, want %g", got, start+x, want)
			}
		}
		if got := smoothed.At(start); math.Abs(got-want) > 1e-12 {
			t.Fatalf("smooth is %g at %g s, want %g", got, start, want)
		}
		sum += want
		square += want * want
	}
	if mean, power := sum/periods, square/periods; math.Abs(mean) > 0.05 || math.Abs(power-1.0/3) > 0.02 {
		t.Errorf("mean %g, power %g", mean, power)
	}
	other := New(patch.LFO{Shape: "random", Rate: 4}, 120, rng.New(8))
	if other.At(0.1) == held.At(0.1) {
		t.Error("another stream gives the same value")
	}
}

// TestSmooth holds that neither value nor slope of smooth jumps, and that it stays
// between the values it goes through.
func TestSmooth(t *testing.T) {
	t.Parallel()
	l := New(patch.LFO{Shape: "smooth", Rate: 1, Phase: 0.3}, 120, rng.New(3))
	const h = 1e-4
	y, slope := l.At(0), (l.At(h)-l.At(0))/h
	for x := h; x < 400; x += h {
		next := l.At(x)
		s := (next - y) / h
		// The steepest cubic between −1 and 1 bends by 6·2 a period².
		if math.Abs(next-y) > 4*h || x > h && math.Abs(s-slope) > 40*h {
			t.Fatalf("at %g: from %g to %g, slope from %g to %g", x, y, next, slope, s)
		}
		if p := math.Floor(x + 0.3); p == math.Floor(x-h+0.3) {
			a, b := l.random.Bipolar(uint64(p)), l.random.Bipolar(uint64(p)+1)
			if next < min(a, b)-1e-12 || next > max(a, b)+1e-12 {
				t.Fatalf("at %g: %g is not between %g and %g", x, next, a, b)
			}
		}
		y, slope = next, s
	}
}

func BenchmarkAt(b *testing.B) {
	for _, name := range shapes() {
		b.Run(name, func(b *testing.B) {
			l := New(patch.LFO{Shape: name, Rate: 5}, 120, rng.New(1))
			sum, t := 0.0, 0.0
			for b.Loop() {
				sum += l.At(t)
				t += 32.0 / 48000
			}
			if math.IsNaN(sum) {
				b.Fatal("not a number")
			}
		})
	}
}
