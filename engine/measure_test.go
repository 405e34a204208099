package engine_test

import (
	"math"
	"math/cmplx"
	"testing"

	"gonum.org/v1/gonum/dsp/fourier"

	"patchlab/engine"
	"patchlab/engine/patch"
)

// sustained returns a patch of one oscillator that sounds at full level from
// 10 ms on, as float samples that nothing normalises.
func sustained(wave string, hz, seconds float64) patch.Patch {
	p := patch.Default()
	l := &p.Layers[0]
	l.Synth.Osc1.Wave = wave
	l.Pitch = hz
	l.AmpEnv = adsr(0.01, 0, 1, 0.01)
	l.Level = -6
	o := &p.Output
	o.Duration, o.BitDepth, o.Channels, o.Normalize = seconds, 32, 1, "off"
	return p
}

// adsr returns an envelope with a straight attack and exponential falls.
func adsr(attack, decay, sustain, release float64) patch.Envelope {
	return patch.Envelope{Attack: attack, Decay: decay, Sustain: sustain, Release: release, DecayCurve: 1, ReleaseCurve: 1}
}

// side returns one channel as float64.
func side(a engine.Audio, channel int) []float64 {
	x := make([]float64, a.Frames())
	for i := range x {
		x[i] = float64(a.Samples[i*a.Channels+channel])
	}
	return x
}

// window returns the i-th of n points of the Blackman–Harris window: side lobes
// below −92 dB, main lobe 4 bins to either side.
func window(i, n int) float64 {
	x := 2 * math.Pi * (float64(i) + 0.5) / float64(n)
	return 0.35875 - 0.48829*math.Cos(x) + 0.14128*math.Cos(2*x) - 0.01168*math.Cos(3*x)
}

// lobe is half the width of the window's main lobe in bins.
const lobe = 4

// tone returns amplitude and phase of the part of x at a frequency, in turns per
// sample: one bin of a windowed Fourier transform.
func tone(x []float64, frequency float64) complex128 {
	var sum complex128
	norm := 0.0
	for i, v := range x {
		w := window(i, len(x))
		norm += w
		s, c := math.Sincos(-2 * math.Pi * frequency * float64(i))
		sum += complex(v*w*c, v*w*s)
	}
	return sum * complex(2/norm, 0)
}

// spectrum returns the amplitudes of the windowed Fourier transform of x.
func spectrum(x []float64) []float64 {
	n := len(x)
	y := make([]float64, n)
	norm := 0.0
	for i, v := range x {
		w := window(i, n)
		norm += w
		y[i] = v * w
	}
	c := fourier.NewFFT(n).Coefficients(nil, y)
	out := make([]float64, len(c))
	for i, v := range c {
		out[i] = cmplx.Abs(v) * 2 / norm
	}
	return out
}

// worstLine returns the loudest line between 20 Hz and 16 kHz that is no harmonic
// of hz, in dB of the loudest that is, and its frequency.
func worstLine(x []float64, rate, hz float64) (dB, at float64) {
	s := spectrum(x)
	bin := rate / float64(len(x))
	worst, best := 0.0, 0.0
	for i, a := range s {
		f := float64(i) * bin
		n := math.Max(1, math.Round(f/hz))
		if math.Abs(f-n*hz) <= (lobe+1)*bin {
			best = max(best, a)
		} else if f >= 20 && f <= 16000 && a > worst {
			worst, at = a, f
		}
	}
	return level(worst / best), at
}

func level(gain float64) float64 { return 20 * math.Log10(gain) }

// rms returns the root of the mean square.
func rms(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return math.Sqrt(sum / float64(len(x)))
}

// within reports a measured value that is off.
func within(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) { // NaN too
		t.Errorf("%s is %.6g, want %.6g ± %.3g", what, got, want, tolerance)
	}
}
