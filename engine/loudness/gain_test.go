package loudness

import (
	"fmt"
	"math"
	"testing"
)

func scaled(x []float32, gain float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(gain * float64(v))
	}
	return y
}

// TestGain brings sounds of all levels to a loudness, also those that the absolute
// gate hides or partly hides.
func TestGain(t *testing.T) {
	t.Parallel()
	const rate = 48000
	for name, x := range map[string][]float32{
		"noise":           pink(2*rate, 1, 0.3),
		"bursts":          bursts(white(3*rate, 2, 0.5), rate, -30),
		"fading":          stretches(rate, 1, -10, 1, -20, 1, -30, 1, -40, 1, -50, 1, -60),
		"a click":         append([]float32{1}, make([]float32, 100)...),
		"around the gate": stretches(rate, 2, -60, 2, -68, 2, -72, 2, -75),
		"below the gate":  stretches(rate, 1, -100, 1, -115),
		"far too loud":    stretches(rate, 1, 80),
	} {
		for _, want := range []float64{-6, -16, -48} {
			gain, ok := Measure(x, 1, rate).Gain(want)
			if !ok {
				t.Fatalf("%s: no gain", name)
			}
			within(t, fmt.Sprintf("%s brought to %g LUFS", name, want), Integrated(scaled(x, gain), 1, rate), want, 1e-3)
		}
	}
}

func TestNormalizingGain(t *testing.T) {
	t.Parallel()
	x := pink(48000, 1, 0.3)
	b, peak := Measure(x, 1, 48000), TruePeak(x, 1)
	free, _ := b.Gain(-40)
	if got := NormalizingGain(b, peak, -40, -1); got != free {
		t.Errorf("gain %g where the ceiling is far, want %g", got, free)
	}
	held := NormalizingGain(b, peak, -6, -3)
	within(t, "the peak under the ceiling", level(TruePeak(scaled(x, held), 1)), -3, 1e-4)
	if free, _ := b.Gain(-6); held >= free {
		t.Errorf("gain %g under the ceiling, %g without it", held, free)
	}
	silence := Measure(make([]float32, 100), 1, 48000)
	if got := NormalizingGain(silence, 0, -16, -1); got != 1 {
		t.Errorf("gain %g of silence", got)
	}
	if got := NormalizingGain(silence, math.MaxFloat32, -16, 0); got != 1/math.MaxFloat32 {
		t.Errorf("gain %g of a peak without loudness", got)
	}
}
