package fx

import (
	"fmt"
	"math"
	"math/cmplx"
	"testing"

	"patchlab/engine/patch"
)

// analogue returns the gain in dB of the equaliser's analogue prototypes at f Hz;
// warp maps frequencies.
func analogue(p patch.EQ, f float64, warp func(float64) float64) float64 {
	sum := 0.0
	at := func(centre float64) complex128 { return complex(0, warp(f)/warp(centre)) }
	if p.MidGain != 0 {
		s, a := at(p.MidFreq), complex(math.Pow(10, p.MidGain/40), 0)
		q := complex(p.MidQ, 0)
		sum += dB(cmplx.Abs((s*s + s*a/q + 1) / (s*s + s/(a*q) + 1)))
	}
	shelf := func(s complex128, gain float64) float64 { // a low one
		a := complex(math.Pow(10, gain/40), 0)
		k := cmplx.Sqrt(a) * math.Sqrt2
		return dB(cmplx.Abs(a * (s*s + k*s + a) / (a*s*s + k*s + 1)))
	}
	if p.LowGain != 0 {
		sum += shelf(at(p.LowFreq), p.LowGain)
	}
	if p.HighGain != 0 {
		sum += shelf(1/at(p.HighFreq), p.HighGain)
	}
	return sum
}

func equalisers() []patch.EQ {
	var all []patch.EQ
	for _, gain := range []float64{-24, -7, 3, 24} {
		for _, f := range []float64{20, 300, 2000} {
			all = append(all, patch.EQ{LowGain: gain, LowFreq: f})
		}
		for _, f := range []float64{40, 1000, 9000} {
			for _, q := range []float64{0.2, 1, 20} {
				all = append(all, patch.EQ{MidGain: gain, MidFreq: f, MidQ: q})
			}
		}
		for _, f := range []float64{500, 6000, 10000} {
			all = append(all, patch.EQ{HighGain: gain, HighFreq: f})
		}
		all = append(all, patch.EQ{LowGain: gain, LowFreq: 150, MidGain: -gain, MidFreq: 700, MidQ: 2, HighGain: gain / 2, HighFreq: 5000})
	}
	return all
}

// TestEQResponse compares with the analogue prototypes: under the bilinear transform
// to a few thousandths of a dB everywhere, and as they are where that does not
// bend frequencies much.
func TestEQResponse(t *testing.T) {
	t.Parallel()
	for _, rate := range sampleRates {
		tan := func(f float64) float64 { return math.Tan(math.Pi * f / rate) }
		same := func(f float64) float64 { return f }
		worst, worstAnalogue := 0.0, 0.0
		for _, p := range equalisers() {
			e := NewEQ(p, rate)
			response, _ := impulse(e, int((2*e.Tail()+0.01)*rate))
			top := max(p.LowFreq, p.MidFreq, p.HighFreq)
			for f := 10.0; f < 0.49*rate; f *= 1.61 {
				got := dB(gainAt(response, f/rate))
				off := math.Abs(got - analogue(p, f, tan))
				worst = max(worst, off)
				if off > 0.1 {
					t.Errorf("%+v at %g Hz: %.3f dB, digital %.3f", p, f, got, analogue(p, f, tan))
				}
				if f < rate/50 && top < rate/50 {
					off = math.Abs(got - analogue(p, f, same))
					worstAnalogue = max(worstAnalogue, off)
					if off > 0.1 {
						t.Errorf("%+v at %g Hz: %.3f dB, analogue %.3f", p, f, got, analogue(p, f, same))
					}
				}
			}
		}
		t.Logf("%g Hz: off by %.4f dB, %.4f from the analogue ones", rate, worst, worstAnalogue)
	}
}

// TestEQShelvesHaveHalfTheirGain at their frequencies, and all of it at their ends.
func TestEQShelvesHaveHalfTheirGain(t *testing.T) {
	t.Parallel()
	const rate = 48000
	for _, gain := range []float64{-24, -6, 12} {
		low, _ := impulse(NewEQ(patch.EQ{LowGain: gain, LowFreq: 400}, rate), rate)
		high, _ := impulse(NewEQ(patch.EQ{HighGain: gain, HighFreq: 3000}, rate), rate)
		bell, _ := impulse(NewEQ(patch.EQ{MidGain: gain, MidFreq: 3000, MidQ: 1}, rate), rate)
		for _, c := range []struct {
			what     string
			response []float32
			at, want float64
		}{
			{"low shelf", low, 0, gain},
			{"low shelf", low, 400, gain / 2},
			{"low shelf", low, 20000, 0},
			{"high shelf", high, 10, 0},
			{"high shelf", high, 3000, gain / 2},
			{"high shelf", high, 24000, gain},
			{"bell", bell, 3000, gain},
			{"bell", bell, 0, 0},
			{"bell", bell, 24000, 0},
		} {
			near(t, fmt.Sprintf("%s of %g dB at %g Hz", c.what, gain, c.at), dB(gainAt(c.response, c.at/rate)), c.want, 0.01)
		}
	}
}

// TestEQLeavesFlatBandsOut holds a band without gain to cost nothing.
func TestEQLeavesFlatBandsOut(t *testing.T) {
	t.Parallel()
	for gains, want := range map[[3]float64]int{{3, 0, 0}: 1, {0, 3, 0}: 1, {0, 0, -3}: 1, {1, 1, 0}: 2, {1, 1, 1}: 3} {
		e := NewEQ(patch.EQ{LowGain: gains[0], LowFreq: 100, MidGain: gains[1], MidFreq: 1000, MidQ: 1, HighGain: gains[2], HighFreq: 5000}, 48000)
		if len(e.bands) != want {
			t.Errorf("%v: %d sections", gains, len(e.bands))
		}
	}
}

// TestEQIsPrecise compares the lowest, narrowest bell with the same in float64 of a
// well-behaved form: what a float32 filter would get wrong by −60 dB.
func TestEQIsPrecise(t *testing.T) {
	t.Parallel()
	const rate, n = 96000, 96000
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.Sin(2 * math.Pi * 40 * float64(i) / rate))
	}
	right := make([]float32, n)
	run(NewEQ(patch.EQ{MidGain: 24, MidFreq: 40, MidQ: 0.5}, rate), x, right, maxFrames)
	// The response to a sine is a sine: what is left after taking it away is error.
	s, c := 0.0, 0.0
	tail := x[n/2:]
	for i, v := range tail {
		sin, cos := math.Sincos(2 * math.Pi * 40 * float64(i) / rate)
		s += 2 * float64(v) * sin / float64(len(tail))
		c += 2 * float64(v) * cos / float64(len(tail))
	}
	worst := 0.0
	for i, v := range tail {
		sin, cos := math.Sincos(2 * math.Pi * 40 * float64(i) / rate)
		worst = max(worst, math.Abs(float64(v)-s*sin-c*cos))
	}
	if got := dB(worst / math.Hypot(s, c)); got > -120 {
		t.Errorf("an error of %.1f dB", got)
	}
}

func BenchmarkEQ(b *testing.B) {
	benchmark(b, NewEQ(patch.EQ{LowGain: 6, LowFreq: 120, MidGain: -9, MidFreq: 1000, MidQ: 3, HighGain: 4, HighFreq: 6000}, 48000))
}
