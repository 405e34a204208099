package filter

import (
	"math"
	"math/cmplx"

	"gonum.org/v1/gonum/dsp/fourier"
)

// processor is what all filters of this package have.
type processor interface {
	Process(left, right []float32, from, to Point)
}

// filtered returns x through f, in stretches of 32 frames, at a point that stays.
func filtered(f processor, x []float32, at Point) []float64 {
	y := append([]float32(nil), x...)
	for i := 0; i < len(y); i += stretch {
		f.Process(y[i:min(i+stretch, len(y))], nil, at, at)
	}
	out := make([]float64, len(y))
	for i, v := range y {
		out[i] = float64(v)
	}
	return out
}

// sineWave returns n samples of a sine; frequencies are in turns per sample.
func sineWave(n int, amplitude, frequency float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		_, turns := math.Modf(frequency * float64(i))
		x[i] = float32(amplitude * math.Sin(2*math.Pi*turns))
	}
	return x
}

// impulse returns an impulse in n samples.
func impulse(n int, amplitude float32) []float32 {
	x := make([]float32, n)
	x[0] = amplitude
	return x
}

// noise returns white noise, uniform within ±1.
func noise(n int) []float32 {
	x := make([]float32, n)
	s := uint64(1)
	for i := range x {
		s = s*6364136223846793005 + 1442695040888963407
		x[i] = float32(int32(s>>32)) / (1 << 31)
	}
	return x
}

// gainAt returns the gain of an impulse response at a frequency, by Goertzel's
// algorithm.
func gainAt(response []float64, frequency float64) float64 {
	c := 2 * math.Cos(2*math.Pi*frequency)
	s1, s2 := 0.0, 0.0
	for _, v := range response {
		s1, s2 = v+c*s1-s2, s1
	}
	return math.Sqrt(s1*s1 + s2*s2 - c*s1*s2)
}

// peak returns where, between two frequencies, an impulse response has the highest gain.
func peak(response []float64, from, to float64) float64 {
	best, at := 0.0, 0.0
	const steps = 10
	for i := range steps + 1 {
		f := from * math.Pow(to/from, float64(i)/steps)
		if g := gainAt(response, f); g > best {
			best, at = g, f
		}
	}
	if to/from < 1.00001 {
		return at
	}
	step := math.Pow(to/from, 1.5/steps)
	return peak(response, at/step, at*step)
}

// fadeOut fades a response that is not over, so that its end makes no lobes.
func fadeOut(response []float64) {
	for i := range response {
		response[i] *= math.Pow(math.Cos(math.Pi/2*float64(i)/float64(len(response))), 2)
	}
}

func decibels(gain float64) float64 { return 20 * math.Log10(gain) }

func rootMeanSquare(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return math.Sqrt(sum / float64(len(x)))
}

// lines returns the amplitudes of the Fourier transform of x under a Blackman–Harris
// window, whose side lobes are below −92 dB and whose main lobe is 4 bins to either side.
func lines(x []float64) []float64 {
	n := len(x)
	y := make([]float64, n)
	norm := 0.0
	for i, v := range x {
		a := 2 * math.Pi * (float64(i) + 0.5) / float64(n)
		w := 0.35875 - 0.48829*math.Cos(a) + 0.14128*math.Cos(2*a) - 0.01168*math.Cos(3*a)
		norm += w
		y[i] = v * w
	}
	out := make([]float64, n/2+1)
	for i, v := range fourier.NewFFT(n).Coefficients(nil, y) {
		out[i] = cmplx.Abs(v) * 2 / norm
	}
	return out
}

// worstAlias returns the loudest line between 20 Hz and 16 kHz that is no harmonic of
// hz, in dB of the loudest that is, and where it is.
func worstAlias(x []float64, rate, hz float64) (dB, at float64) {
	s := lines(x)
	bin := rate / float64(len(x))
	worst, best := 0.0, 0.0
	for i, a := range s {
		f := float64(i) * bin
		n := math.Max(1, math.Round(f/hz))
		if math.Abs(f-n*hz) <= 5*bin {
			best = max(best, a)
		} else if f >= 20 && f <= 16000 && a > worst {
			worst, at = a, f
		}
	}
	return decibels(worst / best), at
}
