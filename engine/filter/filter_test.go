package filter

import (
	"math"
	"testing"

	"patchlab/engine/patch"
)

func svf(kind string, slope int, q float64, at Point) *SVF {
	return NewSVF(patch.Filter{Type: kind, Slope: slope, Resonance: q}, 48000, at)
}

// TestStable moves the cutoff over its whole range in every stretch, at the highest
// resonance, and expects no more than a resonant filter may give.
func TestStable(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"lowpass", "highpass", "bandpass", "notch"} {
		for _, slope := range []int{12, 24} {
			f := svf(kind, slope, 20, Point{Cutoff: 5})
			left, right := make([]float32, 16), make([]float32, 16)
			for b := range 20_000 {
				for i := range left {
					left[i] = float32((b*16+i)%97)/48 - 1
					right[i] = -left[i]
				}
				to := Point{Cutoff: 24000}
				if b%2 == 0 {
					to.Cutoff = 5
				}
				f.Process(left, right, Point{}, to)
				for i := range left {
					if !(math.Abs(float64(left[i])) < 1000) || left[i] != -right[i] {
						t.Fatalf("%s %d dB, block %d: %g and %g", kind, slope, b, left[i], right[i])
					}
				}
			}
		}
	}
}

// TestSidesAreAlike holds the loops for one and for two channels to the same bits.
func TestSidesAreAlike(t *testing.T) {
	t.Parallel()
	for _, slope := range []int{12, 24} {
		one, two := svf("lowpass", slope, 2, Point{Cutoff: 1500}), svf("lowpass", slope, 2, Point{Cutoff: 1500})
		for _, n := range []int{48, 32, 7, 1} {
			a, b, c := make([]float32, n), make([]float32, n), make([]float32, n)
			for i := range a {
				a[i] = float32(math.Sin(float64(i * i)))
				b[i], c[i] = a[i], a[i]
			}
			to := Point{Cutoff: float64(4000 + n)}
			one.Process(a, nil, Point{}, to)
			two.Process(b, c, Point{}, to)
			for i := range a {
				if a[i] != b[i] || a[i] != c[i] {
					t.Fatalf("frame %d: %g, %g, %g", i, a[i], b[i], c[i])
				}
			}
		}
	}
}

// TestFallsSilent holds that a filter without input comes to rest at 0.
func TestFallsSilent(t *testing.T) {
	t.Parallel()
	f := svf("lowpass", 24, 20, Point{Cutoff: 800})
	d := NewDCBlock(8, 48000)
	left, right := make([]float32, 256), make([]float32, 256)
	left[0], right[0] = 1, 1
	for range 3000 {
		f.Process(left, right, Point{}, Point{Cutoff: 800})
		d.Process(left, right)
		clear(left)
		clear(right)
	}
	for k := range f.state.S1 {
		if f.state.S1[k] != 0 || f.state.S2[k] != 0 {
			t.Errorf("still at %v", f.state)
		}
	}
	if d.y != [2]float64{} {
		t.Errorf("still at %v", d.y)
	}
}

// TestDCBlock holds the high-pass to its cutoff.
func TestDCBlock(t *testing.T) {
	t.Parallel()
	d := NewDCBlock(8, 48000)
	block := make([]float32, 96000)
	for i := range block {
		block[i] = float32(0.5 + math.Sin(2*math.Pi*8*float64(i)/48000))
	}
	d.Process(block, nil)
	sum, square := 0.0, 0.0
	tail := block[48000:]
	for _, v := range tail {
		x := float64(v)
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
