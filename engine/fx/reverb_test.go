package fx

import (
	"fmt"
	"math"
	"math/cmplx"
	"slices"
	"testing"

	"gonum.org/v1/gonum/dsp/fourier"

	"patchlab/engine/patch"
)

// reverbOf returns what the left channel of a reverberator makes of a click on both.
func reverbOf(p patch.Reverb, rate, seconds float64) []float64 {
	r := NewReverb(p, rate)
	out := make([]float64, int(seconds*rate))
	var left, right [maxFrames]float32
	left[0], right[0] = 1, 1
	for i := 0; i < len(out); i += maxFrames {
		r.Process(left[:], right[:])
		for k, x := range left[:min(maxFrames, len(out)-i)] {
			out[i+k] = float64(x)
		}
		left, right = [maxFrames]float32{}, [maxFrames]float32{}
	}
	return out
}

// bands is a sound that parts between two frequencies can be taken from.
type bands struct {
	rate   float64
	frames int
	fft    *fourier.FFT
	whole  []complex128
	c      []complex128
	y      []float64
}

func newBands(x []float64, rate float64) *bands {
	n := 1
	for n < len(x)+len(x)/4 {
		n *= 2
	}
	b := &bands{rate: rate, frames: len(x), fft: fourier.NewFFT(n), y: make([]float64, n)}
	copy(b.y, x)
	b.whole = b.fft.Coefficients(nil, b.y)
	b.c = make([]complex128, len(b.whole))
	return b
}

// between returns the part between two frequencies, by a filter of many taps whose phase
// is 0: the spectrum, with edges a tenth of an octave wide.
func (b *bands) between(low, high float64) []float64 {
	n := b.fft.Len()
	for i := range b.c {
		f := float64(i) * b.rate / float64(n)
		edge := func(at float64) float64 { // 0 below, 1 above
			return 0.5 + 0.5*math.Sin(math.Pi*max(-0.5, min(0.5, math.Log2(max(f, 1e-3)/at)*10)))
		}
		b.c[i] = b.whole[i] * complex(edge(low)*(1-edge(high))/float64(n), 0)
	}
	return b.fft.Sequence(b.y, b.c)[:b.frames]
}

// decayTime returns the time in seconds in which x falls by 60 dB, from a straight line
// through its backward integral (Schroeder, 1965) between two levels in dB.
func decayTime(x []float64, rate, from, to float64) float64 {
	sum := make([]float64, len(x)+1)
	for i := len(x) - 1; i >= 0; i-- {
		sum[i] = sum[i+1] + x[i]*x[i]
	}
	var n, st, sy, stt, sty float64
	for i, e := range sum[:len(x)] {
		dB := 10 * math.Log10(e/sum[0]+1e-300)
		if dB > from || dB < to {
			continue
		}
		t := float64(i) / rate
		n++
		st += t
		sy += dB
		stt += t * t
		sty += t * dB
	}
	return -60 / ((n*sty - st*sy) / (n*stt - st*st))
}

// TestReverbTime holds the reverberation time within 5 % of what was asked for, in
// every octave from 500 Hz to 4 kHz.
func TestReverbTime(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{22050, 44100, 48000, 96000} {
		for _, seconds := range []float64{0.1, 0.13, 0.2, 0.4, 1.5, 4} {
			t.Run(fmt.Sprintf("%g Hz, %g s", rate, seconds), func(t *testing.T) {
				t.Parallel()
				x := reverbOf(patch.Reverb{Mix: 1, Time: seconds, Damping: 20000}, rate, seconds*1.1+0.3)
				b := newBands(x, rate)
				for f := 500.0; f < 8000; f *= 2 {
					got := decayTime(b.between(f/math.Sqrt2, f*math.Sqrt2), rate, -5, -45)
					if math.Abs(got/seconds-1) > 0.05 {
						t.Errorf("%.3f s at %g Hz", got, f)
					}
				}
			})
		}
	}
}

// TestReverbRingsNowhere looks for a metallic ring: no third of an octave rings on for
// 1.3 times the median.
func TestReverbRingsNowhere(t *testing.T) {
	t.Parallel()
	for _, seconds := range []float64{0.6, 2, 5} {
		for _, modulation := range []float64{0, 1} {
			x := reverbOf(patch.Reverb{Mix: 1, Time: seconds, Damping: 20000, Modulation: modulation}, 48000, seconds*1.1+0.3)
			b := newBands(x, 48000)
			var times []float64
			worst, at := 0.0, 0.0
			for f := 100.0; f < 12000; f *= math.Cbrt(2) {
				s := decayTime(b.between(f/math.Pow(2, 1.0/6), f*math.Pow(2, 1.0/6)), 48000, -5, -35)
				times = append(times, s)
				if s > worst {
					worst, at = s, f
				}
			}
			slices.Sort(times)
			median := times[len(times)/2]
			t.Logf("%g s, modulation %g: median %.3f s, longest %.3f s at %.0f Hz", seconds, modulation, median, worst, at)
			if worst > 1.3*median {
				t.Errorf("%g s, modulation %g: %.3f s at %.0f Hz, the median is %.3f s", seconds, modulation, worst, at, median)
			}
		}
	}
}

// TestReverbIsDense holds the late tail to the kurtosis of noise, and its echo density
// (Abel and Huang, "A simple, robust measure of reverberation echo density", 2006) to at
// least Freeverb's at every time.
func TestReverbIsDense(t *testing.T) {
	t.Parallel()
	const rate, seconds = 48000, 2.6
	ours := reverbOf(patch.Reverb{Mix: 1, Time: seconds, Damping: 20000}, rate, 2)
	theirs := freeverb(rate, 2)
	for _, at := range []float64{0.03, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5} {
		a, b := density(ours, int(at*rate)), density(theirs, int(at*rate))
		t.Logf("%.2f s: echo density %.2f, Freeverb's %.2f", at, a, b)
		if a < min(0.97, b-0.03) {
			t.Errorf("at %g s the echo density is %.2f, Freeverb's is %.2f", at, a, b)
		}
	}
	for _, at := range []float64{0.3, 0.6, 1.2} {
		if k := kurtosis(ours[int(at*rate):int((at+0.3)*rate)], rate, seconds); math.Abs(k-3) > 0.5 {
			t.Errorf("at %g s the kurtosis is %.2f, that of noise is 3", at, k)
		} else {
			t.Logf("%.1f s: kurtosis %.2f", at, k)
		}
	}
}

// density returns the share of samples outside one standard deviation, in a window of 20
// ms, over that of noise.
func density(x []float64, at int) float64 {
	const half = 480
	w := x[max(0, at-half) : at+half]
	sum := 0.0
	for _, v := range w {
		sum += v * v
	}
	sigma := math.Sqrt(sum / float64(len(w)))
	out := 0.0
	for _, v := range w {
		if math.Abs(v) > sigma {
			out++
		}
	}
	return out / float64(len(w)) / math.Erfc(1/math.Sqrt2)
}

// kurtosis is that of x after its decay is taken away.
func kurtosis(x []float64, rate, seconds float64) float64 {
	var second, fourth float64
	for i, v := range x {
		v *= math.Pow(10, 3*float64(i)/(rate*seconds))
		second += v * v
		fourth += v * v * v * v
	}
	n := float64(len(x))
	return fourth / n / (second / n * second / n)
}

// freeverb is the left channel of Freeverb (Jezar at Dreampoint, 2000, public domain), of
// room size 0.8 and no damping, at another rate.
func freeverb(rate, seconds float64) []float64 {
	out := make([]float64, int(seconds*rate))
	scale := rate / 44100
	for _, n := range []float64{1116, 1188, 1277, 1356, 1422, 1491, 1557, 1617} {
		buf := make([]float64, int(n*scale))
		for i := range out {
			x := 0.0
			if i == 0 {
				x = 1
			}
			y := buf[i%len(buf)]
			out[i] += y
			buf[i%len(buf)] = x + 0.924*y
		}
	}
	for _, n := range []float64{556, 441, 341, 225} {
		buf := make([]float64, int(n*scale))
		for i, x := range out {
			y := buf[i%len(buf)]
			out[i] = y - x
			buf[i%len(buf)] = x + 0.5*y
		}
	}
	return out
}

// TestReverbIsFlat holds the tail to no more than 6 dB of difference between octaves
// where nothing is damped.
func TestReverbIsFlat(t *testing.T) {
	t.Parallel()
	x := reverbOf(patch.Reverb{Mix: 1, Time: 2, Damping: 20000}, 48000, 2)
	c := fourier.NewFFT(len(x)).Coefficients(nil, x)
	var levels []float64
	for f := 60.0; f < 15000; f *= 2 {
		sum, n := 0.0, 0.0
		for i := int(f * 2); i < int(2*f*2); i++ {
			a := cmplx.Abs(c[i])
			sum += a * a
			n++
		}
		levels = append(levels, 10*math.Log10(sum/n))
	}
	if slices.Max(levels)-slices.Min(levels) > 3 {
		t.Errorf("levels of octaves from 60 Hz up: %.1f dB", levels)
	}
}
