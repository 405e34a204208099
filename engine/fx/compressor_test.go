package fx

import (
	"fmt"
	"math"
	"testing"

	"patchlab/engine/patch"
)

// sine returns n frames of a sine with the level going through the given steps, in
// dBFS, of equal length.
func sine(n int, hz, rate float64, levels ...float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		level := levels[min(len(levels)-1, i*len(levels)/n)]
		x[i] = float32(math.Pow(10, level/20) * math.Sin(2*math.Pi*hz*float64(i)/rate))
	}
	return x
}

// static is the curve of the paper: level out for level in, in dB.
func static(p patch.Compressor, in float64) float64 {
	over := in - p.Threshold
	switch {
	case 2*over < -p.Knee:
		return in + p.Gain
	case 2*over <= p.Knee && p.Knee > 0:
		return in + (1/p.Ratio-1)*math.Pow(over+p.Knee/2, 2)/(2*p.Knee) + p.Gain
	default:
		return p.Threshold + over/p.Ratio + p.Gain
	}
}

// TestCompressorCurve holds sines of many levels to come out as the static curve says.
func TestCompressorCurve(t *testing.T) {
	t.Parallel()
	worst := 0.0
	for _, rate := range sampleRates {
		for _, hz := range []float64{80, 997, 5003} {
			for _, p := range []patch.Compressor{
				{Threshold: -18, Ratio: 4, Knee: 6},
				{Threshold: -30, Ratio: 50, Knee: 0, Gain: 12},
				{Threshold: -40, Ratio: 2, Knee: 24, Gain: -6},
				{Threshold: -60, Ratio: 1.2, Knee: 10},
				{Threshold: 0, Ratio: 10, Knee: 24},
			} {
				p.Attack, p.Release = 0.005, 0.15
				for in := -60.0; in <= 12; in += 6 {
					n := int(rate / 2)
					x := sine(n, hz, rate, in)
					run(NewCompressor(p, rate), x, make([]float32, n), maxFrames)
					got := dB(math.Sqrt(2 * power(x[n/2:])))
					worst = max(worst, math.Abs(got-static(p, in)))
					near(t, fmt.Sprintf("%+v: %g Hz of %g dB at %g Hz", p, hz, in, rate), got, static(p, in), 0.3)
				}
			}
		}
	}
	t.Logf("off by %.3f dB", worst)
}

// TestCompressorTimes holds the gain, in dB, to cover 63 % of its way in the times of
// attack and release, after a step of the level of a sine.
func TestCompressorTimes(t *testing.T) {
	t.Parallel()
	const low, high = -50.0, -6.0
	for _, rate := range []float64{44100, 96000} {
		for _, c := range [][2]float64{{0.003, 0.03}, {0.01, 0.15}, {0.1, 0.5}, {0.02, 2}} {
			p := patch.Compressor{Threshold: -26, Ratio: 4, Attack: c[0], Release: c[1]}
			// A sine of the side that is heard; the other carries a small constant, which shows the gain.
			part := int((5*c[0] + 8*c[1] + 0.05) * rate)
			x := sine(2*part, 4000, rate, high, low)
			silence := int(0.02 * rate)
			probe := make([]float32, len(x))
			for i := range probe {
				probe[i] = 1e-3
			}
			clear(x[:silence])
			run(NewCompressor(p, rate), x, probe, maxFrames)
			gain := func(i int) float64 { return dB(float64(probe[i]) / 1e-3) }
			const full = -15.0 // from −6 to −21 dB
			near(t, "gain before", gain(silence-1), 0, 1e-6)
			near(t, "gain in the end", gain(part-1), full, 0.1)
			reached := func(from int, down bool, share float64) float64 {
				for i := from; i < len(probe); i++ {
					if (gain(i) < share*full) == down {
						return float64(i-from) / rate
					}
				}
				return math.Inf(1)
			}
			near(t, fmt.Sprintf("attack of %g s", c[0]), reached(silence, true, 1-1/math.E), c[0], 0.05*c[0])
			near(t, fmt.Sprintf("release of %g s", c[1]), reached(part, false, 1/math.E), c[1], 0.05*c[1])
		}
	}
}

// TestCompressorShortestTimes holds the ends of the ranges, with a constant.
func TestCompressorShortestTimes(t *testing.T) {
	t.Parallel()
	const rate = 96000
	p := patch.Compressor{Threshold: -20, Ratio: 2, Attack: 0.0001, Release: 0.005}
	x := make([]float32, rate/2)
	for i := range x {
		x[i] = 1
		if i >= rate/4 {
			x[i] = 1e-3
		}
	}
	in := append([]float32(nil), x...)
	run(NewCompressor(p, rate), x, make([]float32, len(x)), maxFrames)
	gain := func(i int) float64 { return dB(float64(x[i]) / float64(in[i])) }
	near(t, "gain in dB after the attack", gain(10), -10*(1-math.Exp(-11.0/9.6)), 0.1)
	near(t, "gain in dB after the release", gain(rate/4+480), -10/math.E, 0.25)
}

// TestCompressorLeavesQuietAlone holds what is below the knee to come out bit for bit.
func TestCompressorLeavesQuietAlone(t *testing.T) {
	t.Parallel()
	left, right := stereoNoise(20000, 0.1)
	inL, inR := stereoNoise(20000, 0.1)
	run(NewCompressor(patch.Compressor{Threshold: -16, Ratio: 8, Knee: 6, Attack: 0.001, Release: 0.1}, 48000), left, right, maxFrames)
	for i := range left {
		if left[i] != inL[i] || right[i] != inR[i] {
			t.Fatalf("frame %d: %g is not %g", i, left[i], inL[i])
		}
	}
}

// TestCompressorIsLinked holds both sides to get the gain of the louder one.
func TestCompressorIsLinked(t *testing.T) {
	t.Parallel()
	const rate = 48000
	p := patch.Compressor{Threshold: -20, Ratio: 4, Attack: 0.001, Release: 0.1}
	for loud := range 2 {
		sides := [2][]float32{sine(rate, 300, rate, -40), sine(rate, 300, rate, -40)}
		sides[loud] = sine(rate, 500, rate, -4)
		run(NewCompressor(p, rate), sides[0], sides[1], maxFrames)
		near(t, "the quiet side in dB", dB(math.Sqrt(2*power(sides[1-loud][rate/2:]))), -40-12, 0.2)
	}
}

// TestCompressorKeepsBassClean looks for harmonics of a bass note: the gain must not
// follow its cycles.
func TestCompressorKeepsBassClean(t *testing.T) {
	t.Parallel()
	const rate, hz = 48000, 80
	x := sine(2*rate, hz, rate, -6)
	run(NewCompressor(patch.Compressor{Threshold: -26, Ratio: 4, Knee: 6, Attack: 0.01, Release: 0.15}, rate), x, make([]float32, len(x)), maxFrames)
	first := gainAt(x[rate:], hz/float64(rate))
	for n := 2; n < 8; n++ {
		if got := dB(gainAt(x[rate:], float64(n*hz)/rate) / first); got > -70 {
			t.Errorf("harmonic %d at %.1f dB", n, got)
		}
	}
}

func TestShortLogarithm(t *testing.T) {
	t.Parallel()
	worst := 0.0
	for x := float32(1e-9); x < 1e9; x *= 1.0037 {
		worst = max(worst, math.Abs(log2Bits(math.Float32bits(x))-math.Log2(float64(x))))
	}
	if t.Logf("worst error %.2g", worst); worst > 1.2e-4 {
		t.Errorf("worst error %g", worst)
	}
	if got := log2Bits(0); got > -126 {
		t.Errorf("of 0: %g", got)
	}
}

func TestShortExponential(t *testing.T) {
	t.Parallel()
	worst := 0.0
	for x := 0.0; x < 40; x += 0.00037 {
		worst = max(worst, math.Abs(exp2Minus(x)/math.Exp2(-x)-1))
	}
	if t.Logf("worst relative error %.2g", worst); worst > 2e-7 {
		t.Errorf("worst relative error %g", worst)
	}
	for x, want := range map[float64]float64{0: 1, 1: 0.5, 10: 1.0 / 1024} {
		if got := exp2Minus(x); got != want {
			t.Errorf("exp2Minus(%g) = %g", x, got)
		}
	}
}

func BenchmarkCompressor(b *testing.B) {
	benchmark(b, NewCompressor(patch.Compressor{Threshold: -30, Ratio: 4, Knee: 6, Attack: 0.01, Release: 0.15}, 48000))
}
