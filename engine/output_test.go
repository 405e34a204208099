package engine_test

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"

	"patchlab/engine"
	"patchlab/engine/loudness"
	"patchlab/engine/patch"
)

// TestLoopSeam plays a loop twice: the second difference at its seam is nothing that the
// rest of it does not have too.
func TestLoopSeam(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]patch.Patch{
		"saw":    sustained("saw", 110.37, 1),
		"sine":   sustained("sine", 55.13, 0.7),
		"noise":  noise("pink", 1),
		"reverb": reverberating(1.3),
	} {
		p.Output.Loop, p.Output.Crossfade = "on", 0.2
		a := render(t, p)
		if a.Frames() != p.Frames() {
			t.Errorf("%s has %d frames, want %d", name, a.Frames(), p.Frames())
		}
		for c := range a.Channels {
			x := side(a, c)
			twice := slices.Concat(x, x)
			var elsewhere []float64
			seam := 0.0
			for i := 2; i < len(twice); i++ {
				d := math.Abs(twice[i] - 2*twice[i-1] + twice[i-2])
				if i == len(x) || i == len(x)+1 {
					seam = max(seam, d)
				} else {
					elsewhere = append(elsewhere, d)
				}
			}
			slices.Sort(elsewhere)
			most := elsewhere[len(elsewhere)*999/1000]
			t.Logf("%s: seam %.2g, 99.9th percentile %.2g", name, seam, most)
			if seam > most {
				t.Errorf("%s: the seam's second difference is %g, elsewhere %g", name, seam, most)
			}
		}
	}
}

// TestLoopKeepsItsLevel looks for a dip or a bump where the ends are mixed.
func TestLoopKeepsItsLevel(t *testing.T) {
	t.Parallel()
	p := noise("white", 2)
	p.Output.Loop, p.Output.Crossfade = "on", 0.8
	x := side(render(t, p), 0)
	whole := rms(x[len(x)/2:])
	for i := 0; i+4800 <= len(x); i += 4800 {
		if dB := level(rms(x[i:i+4800]) / whole); math.Abs(dB) > 0.5 {
			t.Errorf("at %.1f s the level is off by %.2f dB", float64(i)/48000, dB)
		}
	}
}

func noise(color string, seconds float64) patch.Patch {
	p := sustained("sine", 440, seconds)
	p.Layers[0].Synth.Osc1.Level, p.Layers[0].Synth.Noise = 0, patch.Noise{Color: color, Level: 1}
	return p
}

func reverberating(seconds float64) patch.Patch {
	p := sustained("saw", 220.3, seconds)
	p.Bus.Reverb.Mix, p.Output.Channels = 0.5, 2
	return p
}

// TestLoudness brings the corpus to a loudness and measures it: it is there, unless the
// ceiling of the true peak is.
func TestLoudness(t *testing.T) {
	t.Parallel()
	for name, p := range corpus(t) {
		p.Output.Normalize, p.Output.Loudness, p.Output.TruePeak = "loudness", -23, -1.5
		a := render(t, p)
		got := loudness.Integrated(a.Samples, a.Channels, a.SampleRate)
		peak := level(loudness.TruePeak(a.Samples, a.Channels))
		if math.IsInf(got, -1) { // a silent patch
			continue
		}
		if peak > -1.5+0.01 || math.Abs(got+23) > 0.1 && (got > -23 || peak < -1.5-0.01) {
			t.Errorf("%s: %.2f LUFS with a true peak of %.2f dBTP", name, got, peak)
		}
	}
}

// TestTailIsAtLeast ends a note early where output.tail asks for it.
func TestTailIsAtLeast(t *testing.T) {
	t.Parallel()
	for _, tail := range []float64{0, 0.3, 0.8} {
		p := sustained("sine", 1000, 2)
		p.Output.Tail = tail
		x := side(render(t, p), 0)
		last := len(x) - 1
		for last > 0 && math.Abs(x[last]) < 0.25 {
			last--
		}
		within(t, fmt.Sprintf("end of the note with a tail of %g s", tail), float64(last)/48000, 2-max(0.01, tail), 0.004)
	}
}

// TestHardUnison holds many voices far apart to their own lines: what is between the
// harmonics of all of them is below −60 dB.
func TestHardUnison(t *testing.T) {
	t.Parallel()
	p := sustained("saw", 5000.3, 2)
	o := &p.Layers[0].Synth.Osc1
	o.Unison, o.Detune, o.Spread = 16, 100, 0
	p.Layers[0].Level = -12
	x := side(render(t, p), 0)[12000 : 12000+65536]
	s := spectrum(x)
	bin := 48000.0 / 65536
	best, worst, at := slices.Max(s), 0.0, 0.0
	for i, a := range s {
		f := float64(i) * bin
		own := false
		for n := 1.0; n <= 4; n++ {
			low, high := n*5000.3*math.Exp2(-100.0/1200), n*5000.3*math.Exp2(100.0/1200)
			own = own || f > low-6*bin && f < high+6*bin
		}
		if !own && f >= 20 && f <= 16000 && a > worst {
			worst, at = a, f
		}
	}
	t.Logf("%.1f dB at %.0f Hz", level(worst/best), at)
	if level(worst/best) > -60 {
		t.Errorf("a line of %.1f dB at %.0f Hz", level(worst/best), at)
	}
}

// TestRingHasRoom holds the ring modulator to sums and differences of its two tones.
func TestRingHasRoom(t *testing.T) {
	t.Parallel()
	p := sustained("saw", 1000.7, 2)
	s := &p.Layers[0].Synth
	s.Osc1.Level, s.Osc2.Level, s.Ring = 0, 0, 1
	s.Osc2.Wave, s.Osc2.Tune = "sine", 1900 // × 2.997
	x := side(render(t, p), 0)[12000 : 12000+65536]
	ratio := math.Exp2(1900.0 / 1200)
	lines := spectrum(x)
	bin, best := 48000.0/65536, slices.Max(lines)
	for i, a := range lines {
		f := float64(i) * bin
		own := false
		for n := 1.0; n < 26; n++ {
			for _, line := range []float64{math.Abs(n-ratio) * 1000.7, (n + ratio) * 1000.7} {
				own = own || math.Abs(f-line) < 6*bin
			}
		}
		if !own && f >= 20 && f <= 16000 && level(a/best) > -80 {
			t.Fatalf("a line of %.1f dB at %.0f Hz", level(a/best), f)
		}
	}
}

// TestMemory renders 30 s of everything and holds all that was allocated on the way to
// three times the samples.
func TestMemory(t *testing.T) { // not parallel: it counts what the whole process allocates
	p := corpus(t)["everything"]
	p.Output.Duration, p.Output.SampleRate, p.Output.Channels, p.Output.Normalize = 30, 48000, 2, "loudness"
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a, err := engine.Render(t.Context(), p, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	used, samples := after.TotalAlloc-before.TotalAlloc, uint64(4*len(a.Samples))
	t.Logf("%.1f MB for %.1f MB of samples", float64(used)/1e6, float64(samples)/1e6)
	if used >= 3*samples {
		t.Errorf("%d bytes were allocated for %d bytes of samples", used, samples)
	}
}
