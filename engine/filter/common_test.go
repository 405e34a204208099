package filter

import (
	"fmt"
	"math"
	"testing"

	"patchlab/engine/patch"
)

// everyFilter calls f for each filter that goes from point to point, at every rate.
func everyFilter(f func(name string, rate float64, create func(q float64) processor)) {
	for _, rate := range []float64{22050, 44100, 48000, 96000} {
		name := func(kind string) string { return fmt.Sprintf("%s at %g Hz", kind, rate) }
		f(name("ladder"), rate, func(q float64) processor { return ladder(q, 6, rate) })
		f(name("driven ladder"), rate, func(q float64) processor { return ladder(q, 30, rate) })
		f(name("comb"), rate, func(q float64) processor { return comb(q, rate) })
		f(name("formant"), rate, func(q float64) processor { return formants(q, rate) })
	}
}

// TestOtherTypes holds that a constructor leaves what is not its own to others.
func TestOtherTypes(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"off", "lowpass", "ladder", "comb", "formant"} {
		p := patch.Filter{Type: kind, Resonance: 1}
		for name, made := range map[string]bool{
			"ladder": NewLadder(p, 48000) != nil, "comb": NewComb(p, 48000) != nil, "formant": NewFormant(p, 48000) != nil,
		} {
			if made != (name == kind) {
				t.Errorf("type %s makes a %s: %v", kind, name, made)
			}
		}
	}
}

// TestEveryFilterHasTwoSides holds the loops for one and for two channels to the same bits, and the
// channels apart.
func TestEveryFilterHasTwoSides(t *testing.T) {
	t.Parallel()
	everyFilter(func(name string, _ float64, create func(q float64) processor) {
		x, other := noise(3200), sineWave(3200, 1, 0.01)
		one, a, b := append([]float32(nil), x...), append([]float32(nil), x...), append([]float32(nil), other...)
		mono, stereo := create(6), create(6)
		for i := 0; i < len(x); i += stretch {
			from, to := Point{Cutoff: 300 + float64(i), Vowel: float64(i) / 3200}, Point{Cutoff: 332 + float64(i), Vowel: float64(i+32) / 3200}
			mono.Process(one[i:i+stretch], nil, from, to)
			stereo.Process(a[i:i+stretch], b[i:i+stretch], from, to)
		}
		last := filtered(create(6), other, Point{Cutoff: 300})
		alike := true
		for i := range a {
			if one[i] != a[i] {
				t.Fatalf("%s: frame %d is %g alone and %g beside another", name, i, one[i], a[i])
			}
			alike = alike && (a[i] == b[i] || float64(b[i]) == last[i])
		}
		if alike {
			t.Errorf("%s: left and right are mixed up", name)
		}
	})
}

// TestEveryFilterMayBeCut holds that a steady filter gives the same bits however the sound is cut.
func TestEveryFilterMayBeCut(t *testing.T) {
	t.Parallel()
	everyFilter(func(name string, _ float64, create func(q float64) processor) {
		for _, at := range []Point{{Cutoff: 90}, {Cutoff: 3000, Vowel: 0.6}, {Cutoff: 20000, Vowel: 1}} {
			x := noise(20000)
			want := filtered(create(6), x, at)
			f := create(6)
			for i := 0; i < len(x); {
				n := min(1+i*7%stretch, len(x)-i)
				f.Process(x[i:i+n], nil, at, at)
				i += n
			}
			for i := range x {
				if float64(x[i]) != want[i] {
					t.Fatalf("%s, %v: frame %d is %g, not %g", name, at, i, x[i], want[i])
				}
			}
		}
	})
}

// TestEveryFilterFallsSilent holds that what was played dies away to 0, and that no denormal
// number comes out on the way.
func TestEveryFilterFallsSilent(t *testing.T) {
	t.Parallel()
	everyFilter(func(name string, rate float64, create func(q float64) processor) {
		for _, at := range []Point{{Cutoff: 2000, Vowel: 0.5}, {Cutoff: 9000}, {Cutoff: 20000, Vowel: 0.2}} {
			f, x := create(10), noise(stretch)
			silent := 0
			for i := 0; i < int(10*rate) && silent < 1000; i += stretch {
				f.Process(x, nil, at, at)
				silent++
				for k, y := range x {
					if y != 0 {
						silent = 0
					}
					if a := math.Abs(float64(y)); a > 0 && a < 1.2e-38 {
						t.Fatalf("%s, %v: a denormal number %g after %d frames", name, at, y, i+k)
					}
				}
				clear(x)
			}
			if silent < 1000 {
				t.Errorf("%s, %v: not silent after 10 s", name, at)
			}
		}
	})
}

// TestEveryFilterIsStable jumps between the ends of the range in every stretch, at the highest and
// lowest resonance and input, and goes there in straight lines.
func TestEveryFilterIsStable(t *testing.T) {
	t.Parallel()
	everyFilter(func(name string, _ float64, create func(q float64) processor) {
		for _, q := range []float64{0.5, 20} {
			f := create(q)
			points := []Point{{Cutoff: 20}, {Cutoff: 20000, Vowel: 1}, {Cutoff: 1e-6}, {Cutoff: 1e7}, {Cutoff: 440, Vowel: 0.5}, {Cutoff: 6000}, {Cutoff: 19999, Vowel: 2}}
			x, source := make([]float32, stretch), noise(stretch*4001)
			most := 0.0
			for i := range 4000 {
				for k := range x {
					x[k] = 16 * source[i*stretch+k]
				}
				f.Process(x, nil, points[i*5%7], points[i*i%7])
				for _, y := range x {
					if most = max(most, math.Abs(float64(y))); y != y || most > 2000 {
						t.Fatalf("%s, Q %g: %g in stretch %d", name, q, y, i)
					}
				}
			}
			t.Logf("%s, Q %g: %.1f at most", name, q, most)
		}
	})
}

// TestEveryFilterSweepsSmoothly sweeps the cutoff over three octaves in 0.1 s and looks above the
// sound for what steps in the sweep would make.
func TestEveryFilterSweepsSmoothly(t *testing.T) {
	t.Parallel()
	const rate, n = 48000.0, 1 << 13
	everyFilter(func(name string, r float64, create func(q float64) processor) {
		if r != rate {
			return
		}
		f, x := create(3), sineWave(n, 0.05, 400/rate)
		for i := 0; i < n; i += stretch {
			at := func(i int) Point {
				u := float64(i) / n
				return Point{Cutoff: 300 * math.Pow(8, u), Vowel: u}
			}
			f.Process(x[i:i+stretch], nil, at(i), at(i+stretch))
		}
		out := make([]float64, n/2)
		for i := range out {
			out[i] = float64(x[n/2+i])
		}
		s := lines(out)
		best, worst := 0.0, 0.0
		for i, a := range s {
			if hz := float64(i) * rate / float64(len(out)); hz < 3000 {
				best = max(best, a)
			} else if hz < 16000 {
				worst = max(worst, a)
			}
		}
		t.Logf("%s: %.1f dB", name, decibels(worst/best))
		if decibels(worst/best) > -95 {
			t.Errorf("%s: %.1f dB above the sound", name, decibels(worst/best))
		}
	})
}

// TestEveryFilterStartsAtOnce holds that a filter at rest does nothing before the sound, and answers at
// once.
func TestEveryFilterStartsAtOnce(t *testing.T) {
	t.Parallel()
	everyFilter(func(name string, _ float64, create func(q float64) processor) {
		x := make([]float32, 320)
		x[100] = 0.5
		y := filtered(create(2), x, Point{Cutoff: 3000})
		if rootMeanSquare(y[:100]) != 0 || rootMeanSquare(y[100:116]) < 1e-4 {
			t.Errorf("%s: %g before and %g behind an impulse", name, rootMeanSquare(y[:100]), rootMeanSquare(y[100:116]))
		}
	})
}

// TestNoFilterAllocates counts what Process allocates.
//
//nolint:paralleltest // counts allocations
func TestNoFilterAllocates(t *testing.T) {
	everyFilter(func(name string, _ float64, create func(q float64) processor) {
		f, x, y := create(2), noise(stretch), noise(stretch)
		hz := 100.0
		if n := testing.AllocsPerRun(100, func() {
			f.Process(x, y, Point{Cutoff: hz}, Point{Cutoff: hz + 10})
			f.Process(x, nil, Point{Cutoff: hz + 10}, Point{Cutoff: hz + 10})
			hz += 10
		}); n != 0 {
			t.Errorf("%s: %g allocations", name, n)
		}
	})
}
