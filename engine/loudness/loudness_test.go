package loudness

import (
	"fmt"
	"math"
	"testing"
)

var rates = []int{22050, 44100, 48000, 96000}

func within(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) { // NaN too
		t.Errorf("%s is %.6g, want %.6g ± %.3g", what, got, want, tolerance)
	}
}

// TestFilterOfTheStandard compares the filter at 48 kHz with tables 1 and 2 of annex 1.
func TestFilterOfTheStandard(t *testing.T) {
	t.Parallel()
	w := newWeighting(48000)
	for name, c := range map[string][2]float64{
		"b0 of the shelf":     {w.b0, 1.53512485958697},
		"b1 of the shelf":     {w.b1, -2.69169618940638},
		"b2 of the shelf":     {w.b2, 1.19839281085285},
		"a1 of the shelf":     {w.a1, -1.69065929318241},
		"a2 of the shelf":     {w.a2, 0.73248077421585},
		"a1 of the high-pass": {w.c1, -1.99004745483398},
		"a2 of the high-pass": {w.c2, 0.99007225036621},
	} {
		within(t, name, c[0], c[1], 1e-10)
	}
}

// TestRequirements runs the cases of EBU Tech 3341 (2016), table 1, for the integrated
// loudness that can be made by rule.
func TestRequirements(t *testing.T) {
	t.Parallel()
	for _, rate := range rates {
		for _, c := range []struct {
			name      string
			stretches []float64
			want      float64
		}{
			{"case 1", []float64{20, -23}, -23},
			{"case 2", []float64{20, -33}, -33},
			{"case 3", []float64{10, -36, 60, -23, 10, -36}, -23},
			{"case 4", []float64{10, -72, 10, -36, 60, -23, 10, -36, 10, -72}, -23},
			{"case 5", []float64{20, -26, 20.1, -20, 20, -26}, -23},
		} {
			got := Integrated(both(stretches(rate, c.stretches...)), 2, rate)
			within(t, fmt.Sprintf("%s at %d Hz", c.name, rate), got, c.want, 0.1)
		}
	}
}

func TestChannels(t *testing.T) {
	t.Parallel()
	x, silent := stretches(48000, 1, -20), make([]float32, 48000)
	mono := Integrated(x, 1, 48000)
	within(t, "mono", mono, -23, 0.05)
	within(t, "left alone", Integrated(together(x, silent), 2, 48000), mono, 1e-9)
	within(t, "right alone", Integrated(together(silent, x), 2, 48000), mono, 1e-9)
	within(t, "both", Integrated(both(x), 2, 48000), mono+level(2)/2, 1e-9)
}

// TestShort measures what is under 400 ms as if it had silence after it.
func TestShort(t *testing.T) {
	t.Parallel()
	for _, rate := range rates {
		for _, frames := range []int{1, 100, rate / 10, rate/10 + 1, rate * 2 / 5} {
			x := white(frames, 1, 0.5)
			x[0] = 1
			padded := append(append([]float32{}, x...), make([]float32, rate*2/5-frames)...)
			got, want := Integrated(x, 1, rate), Integrated(padded, 1, rate)
			if got != want || math.IsInf(got, 0) || math.IsNaN(got) {
				t.Errorf("%d frames at %d Hz: %g LUFS, padded %g", frames, rate, got, want)
			}
		}
	}
	if n := len(Measure(make([]float32, 48000+4799), 1, 48000)); n != 7 {
		t.Errorf("%d blocks of 1.0999… s, want 7", n)
	}
}

// TestNothing gives the meter what has no loudness and what is no sound.
func TestNothing(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 2, 48000} {
		if got := Integrated(make([]float32, n), 2, 48000); !math.IsInf(got, -1) {
			t.Errorf("%d samples of silence: %g LUFS", n, got)
		}
		if got := TruePeak(make([]float32, n), 2); got != 0 {
			t.Errorf("%d samples of silence: a true peak of %g", n, got)
		}
	}
	if got := Integrated(stretches(48000, 1, -72), 1, 48000); !math.IsInf(got, -1) {
		t.Errorf("below the gate: %g LUFS", got)
	}
	clean := stretches(48000, 2, -20)
	for _, odd := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		x := append([]float32{}, clean...)
		x[24000] = float32(odd)
		within(t, fmt.Sprintf("loudness with a sample of %g", odd), Integrated(x, 1, 48000), Integrated(clean, 1, 48000), 1)
		if got := TruePeak(x, 1); math.IsNaN(got) {
			t.Errorf("a sample of %g: a true peak of %g", odd, got)
		}
	}
}

// TestSilenceAfterSound leaves the filter alone for so long that its memory would be
// denormal.
func TestSilenceAfterSound(t *testing.T) {
	t.Parallel()
	w := newWeighting(48000)
	w.energy(white(4800, 1, 1), 1)
	for range 100 {
		w.energy(make([]float32, 4800), 1)
	}
	for _, v := range []float64{w.y1, w.y2, w.z1, w.z2} {
		if v != 0 {
			t.Errorf("%g is left after 10 s", v)
		}
	}
}

func BenchmarkIntegrated(b *testing.B) {
	const frames = 96000
	for channels, x := range map[int][]float32{1: pink(frames, 1, 0.2), 2: together(pink(frames, 1, 0.2), pink(frames, 2, 0.2))} {
		b.Run(fmt.Sprint(channels), func(b *testing.B) {
			for b.Loop() {
				Integrated(x, channels, 48000)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/frames, "ns/frame")
		})
	}
}
