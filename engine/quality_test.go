package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/cmplx"
	"reflect"
	"testing"

	"patchlab/engine"
	"patchlab/engine/patch"
)

func TestPitch(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{22050, 44100, 48000, 96000} {
		for _, wave := range []string{"saw", "square", "triangle", "sine"} {
			for _, hz := range []float64{41.2, 440, 3520.7} {
				p := sustained(wave, hz/2, 1.5)
				p.Layers[0].Synth.Osc1.Tune = 1200
				p.Output.SampleRate = rate
				x := side(render(t, p), 0)
				// The phase turns by hop·f between two looks.
				n, hop, f := rate/2, rate/4, hz/float64(rate)
				a, b := tone(x[rate/8:rate/8+n], f), tone(x[rate/8+hop:rate/8+hop+n], f)
				_, expected := math.Modf(f * float64(hop))
				turned := cmplx.Phase(b/a) / (2 * math.Pi)
				off := turned - expected
				off -= math.Round(off)
				cents := 1200 * math.Log2(1+off/(f*float64(hop)))
				within(t, fmt.Sprintf("error of a %s of %g Hz at %d Hz in cents", wave, hz, rate), cents, 0, 0.5)
			}
		}
	}
}

// TestAliasing looks for lines that do not belong to the note. At 5000.3 Hz
// nearly every harmonic is above the band and would fold back somewhere else.
func TestAliasing(t *testing.T) {
	t.Parallel()
	for _, wave := range []string{"saw", "square", "triangle", "sine"} {
		x := side(render(t, sustained(wave, 5000.3, 2)), 0)
		dB, at := worstLine(x[12000:12000+65536], 48000, 5000.3)
		t.Logf("%s: %.1f dB at %.0f Hz", wave, dB, at)
		if dB > -100 {
			t.Errorf("%s: a line of %.1f dB at %.0f Hz", wave, dB, at)
		}
	}
}

// TestNarrowPulseAliasing does the same where the pulse width is not a half, and
// the even harmonics are there too.
func TestNarrowPulseAliasing(t *testing.T) {
	t.Parallel()
	p := sustained("square", 1245.7, 2)
	p.Layers[0].Synth.Osc1.PulseWidth = 0.05
	p.Layers[0].Level = -12 // without its mean the pulse stands at 1.9
	x := side(render(t, p), 0)
	dB, at := worstLine(x[12000:12000+65536], 48000, 1245.7)
	t.Logf("%.1f dB at %.0f Hz", dB, at)
	if dB > -90 { // the window's side lobes
		t.Errorf("a line of %.1f dB at %.0f Hz", dB, at)
	}
}

// TestHarmonics compares the amplitudes of harmonics with those of the ideal
// waveforms, as far as the band limit leaves them alone.
func TestHarmonics(t *testing.T) {
	t.Parallel()
	const hz, gain = 220.0, 0.5011872336272722 // −6 dB
	ideal := map[string]func(n float64) float64{
		"saw":      func(n float64) float64 { return 2 / (math.Pi * n) },
		"square":   func(n float64) float64 { return 4 / (math.Pi * n) * math.Abs(math.Sin(math.Pi*n*0.3)) },
		"triangle": func(n float64) float64 { return 8 / (math.Pi * math.Pi * n * n) * math.Mod(n, 2) },
		"sine":     func(n float64) float64 { return max(0, 2-n) },
	}
	for wave, amplitude := range ideal {
		p := sustained(wave, hz, 1)
		p.Layers[0].Synth.Osc1.PulseWidth = 0.3
		x := side(render(t, p), 0)[9600:33600]
		for n := 1.0; n*hz < 12000; n++ {
			got, want := cmplx.Abs(tone(x, n*hz/48000)), gain*amplitude(n)
			if want < 1e-5 {
				within(t, fmt.Sprintf("%s: harmonic %g", wave, n), got, 0, 3e-5)
				continue
			}
			within(t, fmt.Sprintf("%s: harmonic %g in dB", wave, n), level(got), level(want), 0.1)
		}
	}
}

// crossing returns when, in seconds, the envelope of a 4 kHz sine at 96 kHz
// crosses a share of its largest value: the first time upwards, or downwards the
// first time after from.
func crossing(x []float64, share, from float64, down bool) float64 {
	const rate, cycle = 96000, 24
	peaks := make([]float64, len(x)/(cycle/2))
	top := 0.0
	for i := range peaks { // of half-cycles
		for _, v := range x[i*cycle/2 : (i+1)*cycle/2] {
			peaks[i] = max(peaks[i], math.Abs(v))
		}
		top = max(top, peaks[i])
	}
	for i, v := range peaks {
		t := (float64(i) + 0.5) * cycle / 2 / rate
		if t > from && (v < share*top) == down {
			return t
		}
	}
	return math.Inf(1)
}

func TestEnvelopeTimes(t *testing.T) {
	t.Parallel()
	for _, seconds := range []float64{0.02, 0.1, 0.7} {
		p := sustained("sine", 4000, 0)
		p.Output.SampleRate = 96000
		p.Layers[0].Gate = 2 * seconds
		tolerance := max(0.001, 0.01*seconds)

		p.Layers[0].AmpEnv = adsr(seconds, 0, 1, 0.1)
		x := side(render(t, p), 0)
		for _, share := range []float64{0.25, 0.5, 0.9} {
			within(t, fmt.Sprintf("attack of %g s to %g", seconds, share), crossing(x, share, 0, false), share*seconds, tolerance)
		}

		p.Layers[0].AmpEnv = adsr(0, seconds, 0, 0.1)
		x = side(render(t, p), 0)
		within(t, fmt.Sprintf("decay of %g s to −30 dB", seconds), crossing(x, math.Pow(10, -1.5), 0.001, true), seconds/2, tolerance)
		within(t, fmt.Sprintf("decay of %g s to −50 dB", seconds), crossing(x, math.Pow(10, -2.5), 0.001, true), seconds*5/6, tolerance)

		p.Layers[0].AmpEnv = adsr(0, 0, 1, seconds)
		p.Layers[0].Gate = 0.2
		x = side(render(t, p), 0)
		within(t, fmt.Sprintf("release of %g s to −30 dB", seconds), crossing(x, math.Pow(10, -1.5), 0.1, true), 0.2+seconds/2, tolerance)

		p.Layers[0].AmpEnv = adsr(0, 0.01, 0.4, 0.1)
		x = side(render(t, p), 0)
		within(t, "sustain", rms(x[9600:17280])*math.Sqrt2, 0.4*math.Pow(10, -0.3), 0.002)
	}
}

// TestFilterResponse divides the harmonics of a filtered saw by those of the same
// saw unfiltered and compares with the analogue filter under the bilinear
// transform.
func TestFilterResponse(t *testing.T) {
	t.Parallel()
	const rate, hz, size, each = 48000, 93.75, 8192, 16 // every harmonic on a 16th bin
	lines := func(p patch.Patch) []float64 { return spectrum(side(render(t, p), 0)[24000 : 24000+size]) }
	plain := lines(sustained("saw", hz, 0.8))
	for _, kind := range []string{"lowpass", "highpass", "bandpass", "notch"} {
		for _, slope := range []int{12, 24} {
			for _, cutoff := range []float64{300, 2000, 9000} {
				for _, q := range []float64{0.5, 0.7071, 6} {
					p := sustained("saw", hz, 0.8)
					p.Layers[0].Filter = patch.Filter{Type: kind, Slope: slope, Cutoff: cutoff, Resonance: q}
					p.Layers[0].Level = -24 // resonance must not reach full scale
					filtered := lines(p)
					for n := 1; float64(n)*hz < 19000; n += 1 + n/8 {
						f := float64(n) * hz / rate
						want := response(kind, slope, cutoff/rate, q, f)
						if level(want) < -60 {
							continue
						}
						got := filtered[n*each] / plain[n*each]
						within(t, fmt.Sprintf("%s %d dB, cutoff %g Hz, Q %g at %g Hz, in dB", kind, slope, cutoff, q, f*rate), level(got)+18, level(want), 0.5)
					}
				}
			}
		}
	}
}

// response returns the gain of the filter at f; frequencies in turns per sample.
func response(kind string, slope int, cutoff, q, f float64) float64 {
	s := complex(0, math.Tan(math.Pi*f)/math.Tan(math.Pi*cutoff))
	section := func(k float64) float64 {
		d := s*s + complex(k, 0)*s + 1
		switch kind {
		case "lowpass":
			return cmplx.Abs(1 / d)
		case "highpass":
			return cmplx.Abs(s * s / d)
		case "bandpass":
			return cmplx.Abs(complex(k, 0) * s / d)
		default:
			return cmplx.Abs((s*s + 1) / d)
		}
	}
	switch {
	case slope == 12:
		return section(1 / q)
	case kind == "bandpass" || kind == "notch":
		return section(1/q) * section(1/q)
	default: // a Butterworth filter of fourth order where Q is that of one of second
		return section(2*math.Sin(3*math.Pi/8)) * section(2*math.Sin(math.Pi/8)/(q*math.Sqrt2))
	}
}

func TestReverbTime(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{22050, 48000, 96000} {
		for _, seconds := range []float64{1.5, 4} {
			p := sustained("sine", 700, seconds+0.5)
			l := &p.Layers[0]
			l.Synth.Osc1.Level, l.Synth.Noise = 0, patch.Noise{Color: "pink", Level: 1}
			l.Filter = patch.Filter{Type: "lowpass", Slope: 24, Cutoff: 1500, Resonance: 0.7071}
			l.AmpEnv = adsr(0, 0.02, 0, 0.01)
			p.Bus.Reverb = patch.Reverb{Mix: 1, Time: seconds, Damping: 20000}
			p.Output.SampleRate, p.Output.Channels = rate, 2
			p.Output.Duration = seconds + 1
			a := render(t, p)
			left, right := side(a, 0), side(a, 1)
			got := t60(left, float64(rate))
			t.Logf("%d Hz: T60 %.3f s, asked for %g s", rate, got, seconds)
			within(t, fmt.Sprintf("T60 at %d Hz", rate), got, seconds, 0.1*seconds)

			from, to := rate/10, int(float64(rate)*(0.1+seconds/3))
			dot := 0.0
			for i := from; i < to; i++ {
				dot += left[i] * right[i]
			}
			c := dot / (rms(left[from:to]) * rms(right[from:to]) * float64(to-from))
			within(t, fmt.Sprintf("correlation of left and right at %d Hz, %g s", rate, seconds), c, 0, 0.25)
		}
	}
}

// t60 returns the reverberation time by Schroeder's backward integration, from −5
// to −35 dB.
func t60(x []float64, rate float64) float64 {
	decay := make([]float64, len(x)+1)
	for i := len(x) - 1; i >= 0; i-- {
		decay[i] = decay[i+1] + x[i]*x[i]
	}
	at := func(dB float64) float64 {
		for i, e := range decay {
			if e < decay[0]*math.Pow(10, dB/10) {
				return float64(i) / rate
			}
		}
		return math.Inf(1)
	}
	return 2 * (at(-35) - at(-5))
}

// TestDamping holds the tail above the damping frequency to dying about twice as
// fast as below.
func TestDamping(t *testing.T) {
	t.Parallel()
	times := map[float64]float64{}
	for _, hz := range []float64{300, 9000} {
		p := sustained("sine", hz, 4)
		l := &p.Layers[0]
		l.Synth.Osc1.Level, l.Synth.Noise = 0, patch.Noise{Color: "white", Level: 1}
		l.Filter = patch.Filter{Type: "bandpass", Slope: 24, Cutoff: hz, Resonance: 3}
		l.AmpEnv = adsr(0, 0.02, 0, 0.01)
		p.Bus.Reverb = patch.Reverb{Mix: 1, Time: 2, Damping: 3000}
		times[hz] = t60(side(render(t, p), 0), 48000)
	}
	t.Logf("T60 below the damping frequency %.2f s, above %.2f s", times[300], times[9000])
	within(t, "T60 below", times[300], 2, 0.2)
	if r := times[9000] / times[300]; r < 0.3 || r > 0.65 {
		t.Errorf("above the damping frequency the tail dies in %.2f of the time, want about half", r)
	}
}

// TestDistortionAliasing drives every curve with a sine whose harmonics are mostly above
// the band.
func TestDistortionAliasing(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"soft", "hard", "fold", "shape"} {
		for _, drive := range []float64{3, 12, 12.1, 18, 24} {
			for _, hz := range []float64{1733.1, 5000.3} {
				p := sustained("sine", hz, 1.8)
				p.Layers[0].Level = 0
				p.Bus.Distortion.Type, p.Bus.Distortion.Drive = kind, drive
				x := side(render(t, p), 0)
				dB, at := worstLine(x[12000:12000+65536], 48000, hz)
				t.Logf("%s, drive %g dB, %g Hz: %.1f dB at %.0f Hz", kind, drive, hz, dB, at)
				if dB > -70 {
					t.Errorf("%s, drive %g dB, %g Hz: a line of %.1f dB at %.0f Hz", kind, drive, hz, dB, at)
				}
			}
		}
	}
}

// TestClipIsInStep mixes the clipped sound with the dry one at a level at which
// nothing is clipped: they must not cancel, so their delays are the same.
func TestClipIsInStep(t *testing.T) {
	t.Parallel()
	for _, hz := range []float64{100, 3000, 10000} {
		var gain [2]float64
		for i, mix := range []float64{0.5, 1} {
			p := sustained("sine", hz, 0.5)
			p.Layers[0].Level = -50
			p.Bus.Distortion.Drive, p.Bus.Distortion.Mix = 6, mix
			gain[i] = level(rms(side(render(t, p), 0)[4800:19200]) * math.Sqrt2)
		}
		within(t, fmt.Sprintf("clipper alone at %g Hz in dB", hz), gain[1], -50+3, 0.3)
		within(t, fmt.Sprintf("clipper and dry at %g Hz in dB", hz), gain[0], -50+level((1+math.Pow(10, 0.15))/2), 0.3)
	}
}

// TestEnds holds the whole corpus to a quiet start and end, no offset, the exact
// peak and the exact length.
func TestEnds(t *testing.T) {
	t.Parallel()
	for name, p := range corpus(t) {
		a := render(t, p)
		n := len(a.Samples)
		for c := range a.Channels {
			x := side(a, c)
			if first, last := math.Abs(x[0]), math.Abs(x[len(x)-1]); (first > 1e-3 || last > 1e-3) && p.Output.Loop == "off" {
				t.Errorf("%s starts at %g and ends at %g", name, first, last)
			}
			sum := 0.0
			for _, v := range x {
				if math.IsNaN(v) || math.Abs(v) > 1 {
					t.Fatalf("%s: a sample of %g", name, v)
				}
				sum += v
			}
			if mean := level(math.Abs(sum)/float64(len(x)) + 1e-30); mean > -80 {
				t.Errorf("%s has a mean of %.1f dBFS", name, mean)
			}
		}
		if p.Output.Duration > 0 && a.Frames() != p.Frames() || a.Frames() > p.Frames() || n != int(a.Frames())*p.Output.Channels {
			t.Errorf("%s has %d frames of %d", name, a.Frames(), p.Frames())
		}
		top := 0.0
		for _, v := range a.Samples {
			top = max(top, math.Abs(float64(v)))
		}
		if p.Output.Normalize == "peak" && top > 0 {
			within(t, name+": peak in dBFS", level(top), p.Output.Level, 0.01)
		}
	}
}

// TestNoOffset measures the mean of waves that are not symmetric, clipped and not.
func TestNoOffset(t *testing.T) {
	t.Parallel()
	for _, drive := range []float64{0, 12, 40} {
		for _, mix := range []float64{0, 0.4} {
			p := sustained("square", 110, 3)
			p.Layers[0].Synth.Osc1.PulseWidth = 0.1
			p.Layers[0].AmpEnv = adsr(0.05, 1, 0.5, 0.5)
			p.Bus.Distortion.Drive, p.Bus.Reverb.Mix = drive, mix
			p.Output.Normalize = "peak"
			sum := 0.0
			x := side(render(t, p), 0)
			for _, v := range x {
				sum += v / float64(len(x))
			}
			if dB := level(math.Abs(sum)); dB > -80 {
				t.Errorf("drive %g dB, reverb %g: mean of %.1f dBFS", drive, mix, dB)
			}
		}
	}
}

func TestDurationIsExact(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{22050, 44100, 48000, 96000} {
		for _, seconds := range []float64{0.05, 0.07, 0.1, 0.123456, 0.29, 0.33333, 0.57, 0.7, 1.1} {
			p := patch.Default()
			p.Output.Duration, p.Output.SampleRate = seconds, rate
			want := int64(math.Round(seconds * float64(rate)))
			if got := render(t, p).Frames(); got != want {
				t.Errorf("%g s at %d Hz has %d frames, want %d", seconds, rate, got, want)
			}
		}
	}
}

// TestLongReleaseIsFadedOut asks for a release that does not fit.
func TestLongReleaseIsFadedOut(t *testing.T) {
	t.Parallel()
	p := sustained("sine", 440, 0.5)
	p.Layers[0].AmpEnv.Release = 20
	x := side(render(t, p), 0)
	if e := level(rms(x[len(x)-240:]) / rms(x[4800:9600])); e > -60 {
		t.Errorf("the last 5 ms are at %.1f dB", e)
	}
	if e := level(rms(x[12000:14400]) / rms(x[4800:9600])); e < -20 {
		t.Errorf("the middle is at %.1f dB already", e)
	}
}

func TestTailEndsTheSound(t *testing.T) {
	t.Parallel()
	p := sustained("sine", 440, 0)
	p.Layers[0].Gate = 0.3
	p.Layers[0].AmpEnv.Release = 0.4
	a := render(t, p)
	within(t, "length in seconds", float64(a.Frames())/48000, 0.7, 0.02)
}

func TestDelay(t *testing.T) {
	t.Parallel()
	for _, delay := range []float64{0.01, 0.123, 0.4} {
		p := sustained("sine", 1000, 0.8)
		p.Layers[0].AmpEnv.Attack = 0
		p.Layers[0].Delay = delay
		x := side(render(t, p), 0)
		first := 0
		for math.Abs(x[first]) < 0.02 {
			first++
		}
		within(t, "start in seconds", float64(first)/48000, delay, 0.0005)
		if e := rms(x[:int(delay*48000)-16]); e > 1e-9 {
			t.Errorf("there is sound of %g before the layer starts", e)
		}
	}
}

func TestMonoIsTheMeanOfStereo(t *testing.T) {
	t.Parallel()
	for name, p := range corpus(t) {
		p.Output.Normalize, p.Output.Channels = "off", 2
		if p.Output.Duration == 0 {
			p.Output.Duration = 0.3
		}
		for i := range p.Layers {
			p.Layers[i].Level -= 20 // hard clipping is no mean
		}
		stereo := render(t, p)
		p.Output.Channels = 1
		mono := render(t, p)
		for i, m := range mono.Samples {
			l, r := float64(stereo.Samples[2*i]), float64(stereo.Samples[2*i+1])
			if math.Abs(l) < 1 && math.Abs(r) < 1 && math.Abs(float64(m)-(l+r)/2) > 2e-5 { // −94 dBFS: an offset may be small enough to stay in one and not in the other
				t.Errorf("%s: frame %d is %g, of %g and %g", name, i, m, l, r)
				break
			}
		}
	}
}

func TestSilence(t *testing.T) {
	t.Parallel()
	p := patch.Default()
	p.Layers[0].Synth.Osc1.Level = 0
	p.Bus.Distortion.Drive = 24
	p.Bus.Reverb.Mix = 0.5
	for _, x := range render(t, p).Samples {
		if x != 0 {
			t.Fatalf("a sample of %g in a sound of nothing", x)
		}
	}
}

func TestPanAndLevel(t *testing.T) {
	t.Parallel()
	p := sustained("sine", 440, 0.5)
	p.Output.Channels = 2
	power := func(pan, dB float64) (left, right float64) {
		p.Layers[0].Pan, p.Layers[0].Level = pan, dB
		a := render(t, p)
		return rms(side(a, 0)[4800:19200]), rms(side(a, 1)[4800:19200])
	}
	l0, r0 := power(0, -12)
	within(t, "left against right at the centre", l0/r0, 1, 1e-6)
	within(t, "level in dB", level(l0*math.Sqrt2), -12, 0.01)
	for _, pan := range []float64{-1, -0.5, 0.7, 1} {
		l, r := power(pan, -12)
		within(t, "power", (l*l+r*r)/(l0*l0+r0*r0), 1, 1e-3)
		if (pan < 0) != (l > r) {
			t.Errorf("pan %g: left %g, right %g", pan, l, r)
		}
	}
}

func TestBlocks(t *testing.T) {
	t.Parallel()
	p := sustained("saw", 440, 0.1234)
	p.Output.Channels = 2
	var next int64
	a, err := engine.Render(context.Background(), p, engine.Options{OnBlock: func(b engine.Block) {
		if b.Offset != next || b.Total != p.Frames() || len(b.Samples) == 0 || len(b.Samples)%2 != 0 {
			t.Errorf("offset %d of %d with %d samples, want offset %d of %d", b.Offset, b.Total, len(b.Samples), next, p.Frames())
		}
		next += int64(len(b.Samples) / 2)
	}})
	if err != nil || next != a.Frames() {
		t.Errorf("blocks of %d frames in all, want %d: %v", next, a.Frames(), err)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(context.Background())
	blocks := 0
	_, err := engine.Render(ctx, sustained("saw", 440, 10), engine.Options{OnBlock: func(engine.Block) {
		if blocks++; blocks == 3 {
			cancel(nil)
		}
	}})
	if !errors.Is(err, context.Canceled) || blocks != 3 {
		t.Errorf("%d blocks, error %v", blocks, err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	var bad *patch.ValidationError
	if _, err := engine.Render(context.Background(), patch.Patch{}, engine.Options{}); !errors.As(err, &bad) {
		t.Errorf("an empty patch gives %v", err)
	}
	// The costliest patch is refused, or the cancelled context stops it at once.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p := costly()
	_, err := engine.Render(ctx, p, engine.Options{})
	var costs *engine.TooCostlyError
	if refused := errors.As(err, &costs); refused != (p.Cost() > patch.MaxCost) || !refused && !errors.Is(err, context.Canceled) {
		t.Errorf("a patch of %d µs gives %v", p.Cost(), err)
	}
}

// costly returns about the most costly patch there is.
func costly() patch.Patch {
	p := patch.Default()
	l := p.Layers[0]
	o := l.Synth.Osc1
	o.Wave, o.PulseWidth, o.Unison = "square", 0.3, 16
	l.Pitch = 12000
	l.Synth.Osc1, l.Synth.Osc2, l.Synth.Osc3, l.Synth.Ring = o, o, o, 1
	l.Synth.Noise = patch.Noise{Color: "pink", Level: 1}
	l.Filter.Type, l.Filter.Slope = "notch", 24
	p.Layers = []patch.Layer{l, l, l, l}
	p.Bus.Distortion.Drive, p.Bus.Reverb.Mix = 12, 0.5
	p.Output.Duration, p.Output.SampleRate = patch.MaxDuration, 96000
	return p
}

// TestNoAllocationPerBlock renders two lengths: what is allocated must not depend
// on the number of blocks.
//
//nolint:paralleltest // counts allocations
func TestNoAllocationPerBlock(t *testing.T) {
	p := corpus(t)["everything"]
	count := func(seconds float64) float64 {
		p.Output.Duration = seconds
		return testing.AllocsPerRun(2, func() { render(t, p) })
	}
	short, long := count(0.1), count(1.1)
	if long > short+20 { // a second has 188 blocks; the race detector allocates now and then
		t.Errorf("%g allocations for 0.1 s, %g for 1.1 s", short, long)
	}
}

// TestRenderLeavesThePatchAlone renders a patch twice.
func TestRenderLeavesThePatchAlone(t *testing.T) {
	t.Parallel()
	for name, p := range corpus(t) {
		before := string(p.Canonical())
		first := hash(render(t, p))
		if string(p.Canonical()) != before || hash(render(t, p)) != first {
			t.Errorf("%s: the second rendering differs", name)
		}
	}
}

// TestSeed holds that the seed changes what is random, and nothing else.
func TestSeed(t *testing.T) {
	t.Parallel()
	patches := corpus(t)
	for name, random := range map[string]bool{"noise-pink": true, "supersaw": true, "random-lfo": true, "saw-default": false, "band-24": false} {
		p := patches[name]
		a := render(t, p)
		p.Seed++
		if b := render(t, p); reflect.DeepEqual(a, b) == random {
			t.Errorf("%s: another seed changes the sound: %v", name, !random)
		}
	}
}
