package loudness

import (
	"fmt"
	"math"
	"testing"

	"patchlab/engine/vec"
)

// TestTruePeakRequirements runs the cases of EBU Tech 3341 (2016), table 1, for the
// true peak. Those with a pulse, 20 to 23, are of a sine of a quarter of the rate with
// one higher half-wave, made at four times the rate and taken down from four places;
// here it is computed where it is needed.
func TestTruePeakRequirements(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                   string
		frequency, phase, peak float64
	}{
		{"case 15", 1. / 4, 0, -6},
		{"case 16", 1. / 4, 45. / 360, -6},
		{"case 17", 1. / 6, 60. / 360, -6},
		{"case 18", 1. / 8, 67.5 / 360, -6},
		{"case 19", 1. / 4, 45. / 360, 3},
	} {
		x := tone(48000, c.frequency, c.phase, c.peak)
		faded(x, 480) // no step at either end
		within(t, c.name, level(TruePeak(both(x), 2)), c.peak, 0.05)
	}
	for offset := range 16 {
		x := make([]float32, 4800)
		for i := range x {
			at := float64(i) - 2400 - float64(offset)/16
			x[i] = float32(0.25*math.Sin(math.Pi/2*at+math.Pi/2) + 0.25*pulse(at))
		}
		within(t, fmt.Sprintf("a pulse %d/16 of a frame late", offset), level(TruePeak(x, 1)), level(0.5), 0.1)
	}
}

// pulse is a sinc of 0.8 of the band under a wide bell.
func pulse(at float64) float64 {
	if at == 0 {
		return 1
	}
	return math.Sin(0.8*math.Pi*at) / (0.8 * math.Pi * at) * math.Exp(-at*at/1800)
}

// TestTruePeakOfTones sweeps sines, long enough or awkward enough to have no sample at
// their top, and phases.
func TestTruePeakOfTones(t *testing.T) {
	t.Parallel()
	lowest, highest := 0.0, 0.0
	for f := 0.0005; f < 0.455; f += 0.0037 {
		for phase := 0.0; phase < 0.5; phase += 0.05 {
			x := tone(2400, f, phase, 0)
			for i := range x {
				x[i] *= float32(min(1, 3*math.Sin(math.Pi*(float64(i)+0.5)/2400)))
			}
			got := level(TruePeak(x, 1))
			lowest, highest = min(lowest, got), max(highest, got)
		}
	}
	t.Logf("between %.3f and %.3f dB", lowest, highest)
	if lowest < -0.1 || highest > 0.1 {
		t.Errorf("sines of 0 dBFS are found to be of %.3f to %.3f dBTP", lowest, highest)
	}
}

// TestTruePeakOfNoise compares with a sinc of 256 frames at 32 times the rate.
func TestTruePeakOfNoise(t *testing.T) {
	t.Parallel()
	for seed := range uint32(4) {
		x := white(400, seed, 1)
		for i := len(x) - 1; i > 0; i-- { // without what stands at half the rate
			x[i] = (x[i] + x[i-1]) / 2
		}
		want := 0.0
		for at := 0.0; at < 400; at += 1. / 32 {
			sum := 0.0
			for i, v := range x {
				if d := at - float64(i); d == 0 {
					sum += float64(v)
				} else if math.Abs(d) < 128 {
					sum += float64(v) * math.Sin(math.Pi*d) / (math.Pi * d) * (0.5 + 0.5*math.Cos(math.Pi*d/128))
				}
			}
			want = max(want, math.Abs(sum))
		}
		got := TruePeak(x, 1)
		within(t, fmt.Sprintf("noise %d in dBTP", seed), level(got), level(want), 0.1)
		if top := float64(vec.Peak(x)); got < top {
			t.Errorf("noise %d: a true peak of %g below a sample of %g", seed, got, top)
		}
	}
}

// TestNothingIsPassedOver compares with a search that passes over nothing, for sounds
// whose loudest place is anywhere.
func TestNothingIsPassedOver(t *testing.T) {
	t.Parallel()
	d := NewDetector()
	for seed := range uint32(40) {
		n := 3000 + 17*int(seed)
		x, y := white(n, seed, 1), pink(n, seed+100, 0.3)
		for i := range x {
			x[i] *= float32(math.Exp(-math.Abs(float64(i)-float64(seed)*float64(n)/40) / 900))
		}
		samples := together(x, y)
		want := float32(0)
		for _, side := range [][]float32{x, y} {
			for from := range n { // one frame at a time
				peak := [1]float32{}
				frames := make([]float32, 1+2*Reach)
				for k := range frames {
					if at := from + k - Reach; at >= 0 && at < n {
						frames[k] = side[at]
					}
				}
				d.Raise(peak[:], frames)
				want = max(want, peak[0])
			}
		}
		if got := TruePeak(samples, 2); got != float64(want) {
			t.Errorf("sound %d: %g, want %g", seed, got, want)
		}
	}
}

// TestPartsAreIndependent holds that what is found in a part does not depend on what
// is asked of it or of others at once, and that a floor hides what is below it only.
func TestPartsAreIndependent(t *testing.T) {
	t.Parallel()
	const part, parts = 16, 16
	x := bursts(white(part*parts+2*Reach, 3, 1), 300, -20)
	d := NewDetector()
	var whole [parts]float32
	d.Raise(whole[:], x)
	for k := range parts {
		var alone [1]float32
		d.Raise(alone[:], x[k*part:][:part+2*Reach])
		if alone[0] != whole[k] {
			t.Errorf("part %d: %g alone, %g with others", k, alone[0], whole[k])
		}
		for _, f := range []float32{0.01, 0.5, 0.9, 0.999, 1, 1.001, 1.1, 5} {
			floor := [1]float32{whole[k] * f}
			d.Raise(floor[:], x[k*part:][:part+2*Reach])
			if want := max(whole[k], whole[k]*f); floor[0] != want {
				t.Errorf("part %d above a floor of %g: %g, want %g", k, whole[k]*f, floor[0], want)
			}
		}
	}
}

// TestMost holds the bound by which stretches are passed over, with the signals that
// come nearest to it.
func TestMost(t *testing.T) {
	t.Parallel()
	d := NewDetector()
	for _, at := range []float64{0.25, 0.5, 0.75} {
		x := make([]float32, 1+2*Reach+40)
		for i := range x {
			x[i] = 1
			if math.Sin(math.Pi*(at+float64(len(x)/2-i)))*(at+float64(len(x)/2-i)) < 0 {
				x[i] = -1
			}
		}
		var peak [1]float32
		d.Raise(peak[:], x)
		t.Logf("%g of a frame: %g, held to be %g at most", at, peak[0], d.most)
		if peak[0] > d.most || peak[0] < 0.7*d.most {
			t.Errorf("at %g of a frame the worst signal has a true peak of %g, held to be at most %g", at, peak[0], d.most)
		}
	}
}

func BenchmarkTruePeak(b *testing.B) {
	const frames = 96000
	fading := white(frames, 1, 1)
	for i := range fading {
		fading[i] *= float32(math.Exp(-float64(i) / 10000))
	}
	for name, x := range map[string][]float32{
		"noise":  together(pink(frames, 1, 0.2), pink(frames, 2, 0.2)),
		"chord":  together(chord(frames, 48000, 0.5), chord(frames, 44100, 0.5)),
		"fading": both(fading),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				TruePeak(x, 2)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/frames, "ns/frame")
		})
	}
}
