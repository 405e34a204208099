package fx

import (
	"math"
	"testing"
)

// TestCurve holds the clipper's curve to be odd, rising and within ±1, and its
// integral to be that.
func TestCurve(t *testing.T) {
	t.Parallel()
	const step = 1e-4
	last := -1.0
	for i := -30_000; i <= 30_000; i++ {
		u := float64(i) * step
		y := curve(u)
		if y < last || y > 1 || curve(-u) != -y {
			t.Fatalf("curve(%g) = %g after %g", u, y, last)
		}
		if slope := (integral(u+step) - integral(u-step)) / (2 * step); math.Abs(slope-y) > 1e-7 {
			t.Fatalf("the integral at %g rises by %g, want %g", u, slope, y)
		}
		last = y
	}
	if curve(1) != 1 || math.Abs(curve(1e-6)*toUnit/1e-6-1) > 1e-9 {
		t.Errorf("%g, %g", curve(1), curve(1e-6))
	}
}

// TestHalfBand holds both directions to 0.1 dB below 0.4 of the lower rate and to
// −75 dB from 0.6 on.
func TestHalfBand(t *testing.T) {
	t.Parallel()
	const n = 2048
	for _, f := range []float64{0.01, 0.1, 0.25, 0.4, 0.6, 0.75, 0.9} { // of the lower rate
		h := newHalfBand(pairs2x, n, beta)
		in, out := make([]float64, 2*n), make([]float64, n)
		for i := range in {
			in[i] = math.Sin(math.Pi * f * float64(i))
		}
		h.halve(out, in)
		want := 1.0
		if f > 0.5 {
			want = 0
		}
		if got := amplitude(out[100:]); math.Abs(got-want) > 0.012 || want == 0 && got > 1.8e-4 {
			t.Errorf("halving at %g: gain %g, want %g", f, got, want)
		}
		if f > 0.5 {
			continue
		}
		h = newHalfBand(pairs2x, n, beta)
		low, high := make([]float64, n), make([]float64, 2*n)
		for i := range low {
			low[i] = math.Sin(2 * math.Pi * f * float64(i))
		}
		h.double(high, low, make([]float64, n))
		// What is not the sine at its place, delayed by 2·pairs−1 samples, is an image.
		worst := 0.0
		for i := 200; i < len(high); i++ {
			worst = max(worst, math.Abs(high[i]-math.Sin(math.Pi*f*float64(i-2*pairs2x+1))))
		}
		if worst > 0.012 {
			t.Errorf("doubling at %g: off by %g", f, worst)
		}
	}
}

// amplitude returns that of a sine.
func amplitude(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return math.Sqrt(2 * sum / float64(len(x)))
}

// TestBlockSizeDoesNotMatter runs the effects over blocks of odd sizes.
func TestBlockSizeDoesNotMatter(t *testing.T) {
	t.Parallel()
	x := make([]float64, 2000)
	for i := range x {
		x[i] = math.Sin(float64(i*i) / 900)
	}
	whole, parts := append([]float64(nil), x...), append([]float64(nil), x...)
	run := func(x []float64, size int) {
		c := NewClip(20, 0.7)
		for len(x) > 0 {
			n := min(size, len(x))
			c.Process(x[:n])
			x = x[n:]
		}
	}
	run(whole, maxFrames)
	run(parts, 37)
	for i := range whole {
		if whole[i] != parts[i] {
			t.Fatalf("frame %d: %g and %g", i, whole[i], parts[i])
		}
	}
}
