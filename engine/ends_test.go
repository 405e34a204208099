package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"patchlab/engine"
	"patchlab/engine/patch"
)

// TestEndsAreQuiet holds a file of a fixed length, and one that ends with its tail, to have
// fallen far before the fade at the end, whatever rings on behind the note.
func TestEndsAreQuiet(t *testing.T) {
	t.Parallel()
	straight := func(p *patch.Patch, release float64) {
		p.Layers[0].AmpEnv = adsr(0.01, 0, 1, release)
		p.Layers[0].AmpEnv.ReleaseCurve = 0
	}
	for name, set := range map[string]func(p *patch.Patch){
		"one echo": func(p *patch.Patch) {
			p.Bus.Delay = patch.Delay{Mode: "stereo", Mix: 0.5, Time: 0.3, Sync: "off", Damping: 20000}
		},
		"one late echo": func(p *patch.Patch) {
			straight(p, 1)
			p.Bus.Delay = patch.Delay{Mode: "stereo", Mix: 0.5, Time: 1, Sync: "off", Damping: 20000}
		},
		"echoes": func(p *patch.Patch) {
			straight(p, 2)
			p.Bus.Delay = patch.Delay{Mode: "stereo", Mix: 0.5, Time: 0.3, Sync: "off", Feedback: 0.4, Damping: 20000}
		},
		"reverb": func(p *patch.Patch) { straight(p, 2); p.Bus.Reverb.Mix, p.Bus.Reverb.Time = 0.4, 2 },
		"late reverb": func(p *patch.Patch) {
			straight(p, 1)
			p.Bus.Reverb.Mix, p.Bus.Reverb.Time, p.Bus.Reverb.PreDelay = 0.4, 1, 0.25
		},
		"a bell of the EQ": func(p *patch.Patch) { p.Bus.EQ.MidGain, p.Bus.EQ.MidFreq, p.Bus.EQ.MidQ = 24, 110, 20 },
		"hard at 24 dB":    func(p *patch.Patch) { p.Bus.Distortion.Type, p.Bus.Distortion.Drive = "hard", 24 },
		"hard at 48 dB":    func(p *patch.Patch) { p.Bus.Distortion.Type, p.Bus.Distortion.Drive = "hard", 48 },
		"limiter":          func(p *patch.Patch) { p.Bus.Limiter.Mode, p.Bus.Limiter.Gain = "on", 36 },
		"compressor":       func(p *patch.Patch) { p.Bus.Compressor.Threshold, p.Bus.Compressor.Ratio = -60, 50 },
	} {
		for _, seconds := range []float64{0, 8} {
			p := sustained("saw", 110, seconds)
			p.Layers[0].Gate = 1
			p.Layers[0].AmpEnv = adsr(0.01, 0, 1, 0.5)
			set(&p)
			x := side(render(t, p), 0)
			n := len(x)
			// A straight fall itself is at −38 dB a hundredth before its end.
			if dB := level(loudest(x[n-24*48:n-4*48]) / loudest(x)); dB > -38 {
				t.Errorf("%s, duration %g: %.1f dB just before the end", name, seconds, dB)
			} else {
				t.Logf("%s, duration %g: %.1f dB", name, seconds, dB)
			}
		}
	}
}

func loudest(x []float64) float64 {
	most := 0.0
	for _, v := range x {
		most = max(most, math.Abs(v))
	}
	return most
}

// TestALayerThatIsNotHeardFadesNothing compares a sound with the same beside a layer that
// starts after its end.
func TestALayerThatIsNotHeardFadesNothing(t *testing.T) {
	t.Parallel()
	p := sustained("sine", 440, 3)
	alone := side(render(t, p), 0)
	late := p.Layers[0]
	late.Delay = 5
	p.Layers = append(p.Layers, late)
	for i, v := range side(render(t, p), 0) {
		if v != alone[i] {
			t.Fatalf("frame %d is %g, alone %g", i, v, alone[i])
		}
	}
}

// TestALongNoteIsNotFaded holds a note of nearly the longest length, without a duration.
func TestALongNoteIsNotFaded(t *testing.T) {
	t.Parallel()
	p := sustained("sine", 440, 0)
	p.Layers[0].Gate = 29.2
	p.Bus.EQ.HighGain = 0.1
	x := side(render(t, p), 0)
	within(t, "level at 28 s against 1 s, in dB", level(rms(x[28*48000:][:4800])/rms(x[48000:][:4800])), 0, 0.1)
}

// TestSilenceStaysSilent sends nothing through every kind of distortion.
func TestSilenceStaysSilent(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"soft", "hard", "fold", "crush", "rate", "shape"} {
		for _, drive := range []float64{3, 12, 24, 48} {
			p := sustained("sine", 440, 0.3)
			p.Layers[0].Synth.Osc1.Level = 0
			p.Output.Normalize = "peak"
			p.Bus.Distortion = patch.Distortion{Type: kind, Drive: drive, Mix: 1, Bias: 1, Bits: 8, Rate: 8000}
			for i, x := range render(t, p).Samples {
				if x != 0 {
					t.Fatalf("%s, %g dB: %g in frame %d", kind, drive, x, i)
				}
			}
		}
	}
}

// TestNoOffsetAtFullScale holds a sound that would go beyond full scale, and a very short
// and low one, to the mean of −80 dBFS.
func TestNoOffsetAtFullScale(t *testing.T) {
	t.Parallel()
	mean := func(name string, p patch.Patch) {
		x := side(render(t, p), 0)
		sum := 0.0
		for _, v := range x {
			sum += v / float64(len(x))
		}
		if dB := level(math.Abs(sum)); dB > -80 || loudest(x) > 1 {
			t.Errorf("%s: mean of %.1f dBFS, peak %g", name, dB, loudest(x))
		}
	}
	for _, loop := range []string{"off", "on"} {
		for _, dB := range []float64{0, 6, 12} {
			p := sustained("square", 110, 2)
			p.Layers[0].Synth.Osc1.PulseWidth, p.Layers[0].Level = 0.1, dB
			p.Output.Loop = loop
			mean(fmt.Sprintf("square at %g dB, loop %s", dB, loop), p)
		}
	}
	for _, rate := range []int{22050, 48000, 96000} {
		p := sustained("sine", 8, 0.05)
		p.Output.SampleRate, p.Output.Normalize = rate, "peak"
		mean(fmt.Sprintf("8 Hz at %d", rate), p)
	}
}

// TestLoopOfATone looks for a bump in the level of a tone that fits into the loop, and for
// a kink where the ends are mixed.
func TestLoopOfATone(t *testing.T) {
	t.Parallel()
	for _, hz := range []float64{100, 101, 437} {
		p := sustained("sine", hz, 1)
		p.Output.Loop, p.Output.Crossfade = "on", 0.5
		x := side(render(t, p), 0)
		whole := rms(x[36000:])
		for i := 0; i+4800 <= len(x); i += 4800 {
			if dB := level(rms(x[i:i+4800]) / whole); math.Abs(dB) > 0.3 {
				t.Errorf("%g Hz at %.1f s: the level is off by %.2f dB", hz, float64(i)/48000, dB)
			}
		}
	}
	p := sustained("sine", 55.13, 0.7)
	p.Output.Loop, p.Output.Crossfade = "on", 0.2
	x := side(render(t, p), 0)
	bend := func(x []float64) (most float64) {
		for i := 2; i < len(x); i++ {
			most = max(most, math.Abs(x[i]-2*x[i-1]+x[i-2]))
		}
		return most
	}
	if at, own := bend(x[9600-20:9600+20]), bend(x[20000:]); at > 1.5*own {
		t.Errorf("a second difference of %.2g where the mix ends, the tone's own is %.2g", at, own)
	}
}

// TestCancelAtTheEnd cancels in the last block: what comes after it takes time too.
func TestCancelAtTheEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	p := sustained("sine", 440, 0.5)
	_, err := engine.Render(ctx, p, engine.Options{OnBlock: func(b engine.Block) {
		if b.Offset+int64(len(b.Samples)) >= b.Total {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}
