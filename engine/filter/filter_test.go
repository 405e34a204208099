package filter

import (
	"math"
	"testing"
)

// TestStable moves the cutoff over its whole range in every block, at the highest
// resonance, and expects no more than a resonant filter may give.
func TestStable(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{LowPass, HighPass, BandPass, Notch} {
		var f Stereo
		left, right := make([]float64, 16), make([]float64, 16)
		for b := range 20_000 {
			for i := range left {
				left[i] = float64((b*16+i)%97)/48 - 1
				right[i] = -left[i]
			}
			g0, g1 := Coefficient(5, 48000), Coefficient(24000, 48000)
			if b%2 == 0 {
				g0, g1 = g1, g0
			}
			f.Process(left, right, mode, g0, g1, 1.0/40)
			for i := range left {
				if !(math.Abs(left[i]) < 100) || left[i] != -right[i] {
					t.Fatalf("mode %d, block %d: %g and %g", mode, b, left[i], right[i])
				}
			}
		}
	}
}

// TestSidesAreAlike holds the loops for one and for two channels to the same bits.
func TestSidesAreAlike(t *testing.T) {
	t.Parallel()
	var one, two Stereo
	a, b, c := make([]float64, 48), make([]float64, 48), make([]float64, 48)
	for i := range a {
		a[i] = math.Sin(float64(i * i))
		b[i], c[i] = a[i], a[i]
	}
	one.Process(a, nil, LowPass, 0.1, 0.3, 0.5)
	two.Process(b, c, LowPass, 0.1, 0.3, 0.5)
	for i := range a {
		if a[i] != b[i] || a[i] != c[i] {
			t.Fatalf("frame %d: %g, %g, %g", i, a[i], b[i], c[i])
		}
	}
}

// TestFallsSilent holds that a filter without input comes to rest at 0.
func TestFallsSilent(t *testing.T) {
	t.Parallel()
	var f Stereo
	d := NewDCBlock(8, 48000)
	block := make([]float64, 256)
	block[0] = 1
	for range 3000 {
		f.Process(block, nil, LowPass, 0.05, 0.05, 0.05)
		d.Process(block)
		last := block[255]
		clear(block)
		if last != 0 && math.Abs(last) < 1e-300 {
			t.Fatal("a denormal number is left")
		}
	}
	if f.left != (SVF{}) || d.y1 != 0 {
		t.Errorf("still at %v, %g", f.left, d.y1)
	}
}

// TestDCBlock holds the high-pass to its cutoff.
func TestDCBlock(t *testing.T) {
	t.Parallel()
	d := NewDCBlock(8, 48000)
	block := make([]float64, 96000)
	for i := range block {
		block[i] = 0.5 + math.Sin(2*math.Pi*8*float64(i)/48000)
	}
	d.Process(block)
	sum, square := 0.0, 0.0
	tail := block[48000:]
	for _, x := range tail {
		sum += x
		square += x * x
	}
	if mean := sum / float64(len(tail)); math.Abs(mean) > 1e-3 {
		t.Errorf("mean %g", mean)
	}
	if gain := math.Sqrt(2 * square / float64(len(tail))); math.Abs(gain-math.Sqrt2/2) > 0.01 {
		t.Errorf("gain at the cutoff %g, want −3 dB", gain)
	}
}
