package osc

import (
	"math"
	"math/cmplx"
	"testing"

	"gonum.org/v1/gonum/dsp/fourier"
)

// source is what all oscillators are.
type source interface {
	Process(left, right []float32, from, to Controls)
	Mono() bool
}

// hear renders frames of the left side in steps of some frames, with the controls of
// a function.
func hear(o source, frames, step int, at func(frame int) Controls) []float64 {
	l, r := make([]float32, frames), make([]float32, frames)
	for i := 0; i < frames; i += step {
		end := min(i+step, frames)
		o.Process(l[i:end], r[i:end], at(i), at(end))
	}
	return wide(l)
}

// steady returns controls that do not move.
func steady(f float64) func(int) Controls {
	return func(int) Controls { return Controls{Frequency: f} }
}

// lobe is half the width in bins of the main lobe of the window below, and a bin.
const lobe = 5

// analyser measures spectra of n samples under the Blackman–Harris window, whose side
// lobes are below −92 dB.
type analyser struct {
	window []float64
	fft    *fourier.FFT
}

func newAnalyser(n int) *analyser {
	a := &analyser{make([]float64, n), fourier.NewFFT(n)}
	sum := 0.0
	for i := range a.window {
		x := 2 * math.Pi * (float64(i) + 0.5) / float64(n)
		a.window[i] = 0.35875 - 0.48829*math.Cos(x) + 0.14128*math.Cos(2*x) - 0.01168*math.Cos(3*x)
		sum += a.window[i]
	}
	for i := range a.window {
		a.window[i] *= 2 / sum
	}
	return a
}

// lines returns the amplitudes of the lines of x.
func (a *analyser) lines(x []float64) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = v * a.window[i]
	}
	out := make([]float64, len(x)/2+1)
	for i, c := range a.fft.Coefficients(nil, y) {
		out[i] = cmplx.Abs(c)
	}
	return out
}

// stray returns the loudest line, from 20 Hz to most, that is not near one of the
// frequencies, in turns per sample, in dB of the loudest of all, and where it is in Hz.
func (a *analyser) stray(x, frequencies []float64, rate, most float64) (dB, at float64) {
	s := a.lines(x)
	bin := rate / float64(len(x))
	best, worst := 0.0, 0.0
	for _, v := range s {
		best = max(best, v)
	}
	for _, f := range frequencies {
		i := f * float64(len(x))
		for k := max(0, int(i)-lobe); k <= min(len(s)-1, int(i)+1+lobe); k++ {
			s[k] = 0
		}
	}
	for i, v := range s {
		if f := float64(i) * bin; f >= 20 && f <= most && v > worst {
			worst, at = v, f
		}
	}
	return decibels(worst / best), at
}

// multiples returns the harmonics of f below half the rate.
func multiples(f float64) []float64 {
	var out []float64
	for h := 1.0; h*f < 0.5; h++ {
		out = append(out, h*f)
	}
	return out
}

func decibels(gain float64) float64 { return 20 * math.Log10(gain) }

// phasor returns amplitude and phase of the part of x at a frequency.
func phasor(x []float64, f float64) complex128 {
	var sum complex128
	norm := 0.0
	for i, v := range x {
		w := 1 - math.Cos(2*math.Pi*(float64(i)+0.5)/float64(len(x)))
		w *= w
		norm += w
		s, c := math.Sincos(-2 * math.Pi * math.Mod(f*float64(i), 1))
		sum += complex(v*w*c, v*w*s)
	}
	return sum * complex(2/norm, 0)
}

// cents returns how far the line of x at a frequency is off, by how far its phase
// turns over half of x.
func cents(x []float64, f float64) float64 {
	hop := len(x) / 2
	turned := cmplx.Phase(phasor(x[hop:], f)/phasor(x[:hop], f)) / (2 * math.Pi)
	off := turned - f*float64(hop)
	off -= math.Round(off)
	return 1200 * math.Log2(1+off/(f*float64(hop)))
}

// cutsAlike holds a source that does not move to the same bits however its frames are
// cut.
func cutsAlike(t *testing.T, create func() source, at Controls) {
	t.Helper()
	const n = 4096
	var whole, cut [2][n]float32
	a, b := create(), create()
	for i := 0; i < n; i += 256 {
		a.Process(whole[0][i:i+256], whole[1][i:i+256], at, at)
	}
	for i, k := 0, 0; i < n; k++ {
		end := min(i+[]int{1, 255, 17, 100, 3, 256, 31}[k%7], n)
		b.Process(cut[0][i:end], cut[1][i:end], at, at)
		i = end
	}
	if whole != cut {
		t.Error("cut in pieces it differs")
	}
	if whole[0] == [n]float32{} {
		t.Error("there is no sound")
	}
	if (whole[0] == whole[1]) != a.Mono() {
		t.Errorf("mono is %v", a.Mono())
	}
}

// allocatesNothing holds Process to that.
func allocatesNothing(t *testing.T, o source) {
	t.Helper()
	var l, r [256]float32
	f := 0.001
	if n := testing.AllocsPerRun(50, func() {
		o.Process(l[:], r[:], Controls{Frequency: f}, Controls{Frequency: f * 1.1, Position: 0.1, FMIndex: 1})
		f *= 1.1
	}); n > 0 {
		t.Errorf("%g allocations", n)
	}
}

// survives plays what is odd and holds it to bounds.
func survives(t *testing.T, o source, most float64) {
	t.Helper()
	odd := []Controls{
		{},
		{Frequency: 0.45, Position: 3, FMIndex: 100},
		{Frequency: 1e-9, Position: -3, FMIndex: -100},
		{Frequency: 0.3, Position: 0.5, FMIndex: 16},
		{Frequency: 7, FMIndex: 1e9},
		{Frequency: 1.0 / 1024},
		{Frequency: 0.5},
	}
	var l, r [256]float32
	for k := range 40 * len(odd) {
		from, to := odd[k%len(odd)], odd[(k*k/3+k)%len(odd)]
		n := 1 + (k*37)%256
		clear(l[:])
		clear(r[:])
		o.Process(l[:n], r[:n], from, to)
		for i := range n {
			if !(math.Abs(float64(l[i])) <= most) || !(math.Abs(float64(r[i])) <= most) {
				t.Fatalf("%g and %g at %d of %d from %v to %v", l[i], r[i], i, n, from, to)
			}
		}
	}
}

// benchSource plays blocks of 256 frames at once, or in steps of 32 where the
// frequency, the position and the index move.
func benchSource(b *testing.B, o source, voices int, moving bool) {
	b.Helper()
	var l, r [256]float32
	step, low, high := 256, Controls{Frequency: 440.0 / 48000}, Controls{Frequency: 440.0 / 48000}
	if moving {
		step, high = 32, Controls{Frequency: 442.0 / 48000, Position: 0.05, FMIndex: 0.1}
	}
	for b.Loop() {
		for i := 0; i < len(l); i += step {
			o.Process(l[i:i+step], r[i:i+step], low, high)
			low, high = high, low
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(l)*voices), "ns/voice-frame")
}
