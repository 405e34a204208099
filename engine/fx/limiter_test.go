package fx

import (
	"fmt"
	"math"
	"testing"

	"patchlab/engine/loudness"
	"patchlab/engine/patch"
)

// awkward returns a second each of what a limiter has a hard time with.
func awkward(rate float64) map[string][2][]float32 {
	found := map[string][2][]float32{}
	add := func(name string, f func(i int) (left, right float64)) {
		n := int(rate)
		left, right := make([]float32, n), make([]float32, n)
		for i := range left {
			l, r := f(i)
			left[i], right[i] = float32(l), float32(r)
		}
		found[name] = [2][]float32{left, right}
	}
	noise := noise(1)
	draw := func() float64 {
		var x [1]float32
		noise.fill(x[:], 1)
		return float64(x[0])
	}
	saw := func(i int, hz float64) float64 { return 2*math.Mod(float64(i)*hz/rate, 1) - 1 }
	turn := func(turns float64) float64 { return math.Sin(2 * math.Pi * turns) }

	add("white noise", func(int) (float64, float64) { return draw(), draw() })
	add("bell noise", func(int) (float64, float64) { return (draw() + draw() + draw()) / 2, (draw() + draw() + draw()) / 2 })
	add("signs", func(int) (float64, float64) { return math.Copysign(1, draw()), math.Copysign(1, draw()) })
	add("sparse clicks", func(int) (float64, float64) {
		if draw() < 0.95 {
			return 0, 0
		}
		return draw(), draw()
	})
	add("square clicks", func(i int) (float64, float64) {
		click := []float64{1, 1, 1, -1}
		if k := i % 1777; k < len(click) {
			return click[k], -click[k]
		}
		return 0, 0.001
	})
	add("a quarter of the rate, 45°", func(i int) (float64, float64) { v := turn(float64(i)/4 + 1./8); return v, v })
	add("beating near a third", func(i int) (float64, float64) { v := turn(float64(i)/3.01 + 0.1); return v, 0.9 * v })
	add("bursts of a high tone", func(i int) (float64, float64) {
		return turn(float64(i)*0.43) * math.Pow(10, -3*float64(i/700%2)), 0
	})
	add("bursts near half of the rate", func(i int) (float64, float64) {
		return 0, turn(float64(i)*0.447) * math.Pow(10, -float64(i/900%2))
	})
	add("bass", func(i int) (float64, float64) { v := turn(float64(i) * 50 / rate); return v, -v })
	add("saw chord", func(i int) (float64, float64) {
		return (saw(i, 110) + saw(i, 138.6) + saw(i, 164.8)) / 3, (saw(i, 110.7) + saw(i, 138.1) + saw(i, 220.3)) / 3
	})
	add("square", func(i int) (float64, float64) { v := math.Copysign(1, saw(i, 331.7)); return v, v })
	add("swell", func(i int) (float64, float64) { v := turn(float64(i)*997/rate) * float64(i) / rate; return v, v / 2 })
	return found
}

// limited returns what a limiter makes of two channels, without its delay.
func limited(p patch.Limiter, rate float64, in [2][]float32) [2][]float32 {
	l := NewLimiter(p, rate)
	silence := make([]float32, l.Latency()+100)
	left := append(append([]float32(nil), in[0]...), silence...)
	right := append(append([]float32(nil), in[1]...), silence...)
	run(l, left, right, maxFrames)
	return [2][]float32{left[l.Latency():], right[l.Latency():]}
}

func truePeak(x [2][]float32) float64 {
	return dB(max(loudness.TruePeak(x[0], 1), loudness.TruePeak(x[1], 1)))
}

// TestLimiterHoldsTheCeiling measures what comes out with the loudness meter: never
// above the ceiling, nor, where there was enough, far below it.
func TestLimiterHoldsTheCeiling(t *testing.T) {
	t.Parallel()
	for _, rate := range sampleRates {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			t.Parallel()
			highest, lowest := math.Inf(-1), math.Inf(1)
			for name, in := range awkward(rate) {
				for _, p := range []patch.Limiter{
					{Gain: 36, Ceiling: -1, Release: 0.1},
					{Gain: 36, Ceiling: 0, Release: 0.005},
					{Gain: 24, Ceiling: -24, Release: 2},
					{Gain: 3, Ceiling: -1, Release: 0.005},
					{Gain: 12, Ceiling: -6, Release: 0.02},
				} {
					p.Mode = "on"
					over := truePeak(limited(p, rate, in)) - p.Ceiling
					if truePeak(in)+p.Gain < p.Ceiling { // nothing to do
						continue
					}
					highest, lowest = max(highest, over), min(lowest, over)
					if !(over < 0.02) || over < -0.1 {
						t.Errorf("%s through %+v: %.3f dB above the ceiling", name, p, over)
					}
				}
			}
			t.Logf("between %.3f and %.3f dB from the ceiling", lowest, highest)
		})
	}
}

// TestLimiterLeavesAlone sends sounds through that come just up to the ceiling, also
// behind something too loud: not a bit of them is changed, once it has recovered.
func TestLimiterLeavesAlone(t *testing.T) {
	t.Parallel()
	for _, rate := range sampleRates {
		for name, in := range awkward(rate) {
			p := patch.Limiter{Mode: "on", Ceiling: -6, Release: 0.05}
			gain := float32(math.Pow(10, (p.Ceiling-truePeak(in)-1e-4)/20))
			for s := range in {
				for i := range in[s] {
					in[s][i] *= gain
				}
			}
			out := limited(p, rate, in)
			for s := range in {
				for i, v := range in[s] {
					if out[s][i] != v {
						t.Fatalf("%s at %g Hz: side %d: frame %d is %g, was %g", name, rate, s, i, out[s][i], v)
					}
				}
			}
			in[0][0] = 2 // 12 dB above
			out = limited(p, rate, in)
			for i := int(0.09 * rate); i < len(in[0]); i++ {
				if out[0][i] != in[0][i] || out[1][i] != in[1][i] {
					t.Fatalf("%s at %g Hz: frame %d is not left alone after a click", name, rate, i)
				}
			}
		}
	}
}

// clicked returns, in dB, the gain of a limiter around clicks, seen by a probe on the
// other side.
func clicked(p patch.Limiter, rate float64, clicks map[int]float64) []float64 {
	var in [2][]float32
	for s := range in {
		in[s] = make([]float32, int(3*rate))
	}
	for i := range in[1] {
		in[1][i] = 1e-3
	}
	for at, level := range clicks {
		in[0][at] = float32(math.Pow(10, level/20))
	}
	out := limited(p, rate, in)
	gain := make([]float64, len(in[1]))
	for i := range gain {
		gain[i] = dB(float64(out[1][i] / 1e-3))
	}
	return gain
}

// TestLimiterTimes holds the gain to come down within 4 ms before a peak, without a
// jump, and to give back 10 dB in the release time, both sides alike.
func TestLimiterTimes(t *testing.T) {
	t.Parallel()
	for _, rate := range sampleRates {
		for _, release := range []float64{0.005, 0.03, 0.1, 1} {
			at := int(rate / 2)
			gain := clicked(patch.Limiter{Mode: "on", Ceiling: 0, Release: release}, rate, map[int]float64{at: 20})
			what := fmt.Sprintf("release of %g s at %g Hz: ", release, rate)
			near(t, what+"gain at the click", gain[at], -20-under, 0.01)
			near(t, what+"gain 4 ms before it", gain[at-int(0.004*rate)], 0, 0)
			steepest := 0.0
			for i := 1; i < len(gain); i++ {
				steepest = max(steepest, math.Abs(math.Pow(10, gain[i]/20)-math.Pow(10, gain[i-1]/20)))
			}
			// 0.9 of the way in 3 ms, by a bell whose top is at most twice its mean.
			if most := 2 * 0.9 / (0.003 * rate); steepest > most {
				t.Errorf("%sthe gain moves by %g from one frame to the next, want %g at most", what, steepest, most)
			}
			back := at
			for gain[back] < -10-under {
				back++
			}
			near(t, what+"time for 10 dB", float64(back-at)/rate, release, 0.05*release+0.003)
		}
	}
}

// TestLimiterKeepsBassClean limits sines by 12 dB and looks for what is not the sine.
func TestLimiterKeepsBassClean(t *testing.T) {
	t.Parallel()
	const rate = 48000
	for _, hz := range []float64{50, 110, 997, 5003} {
		in := sine(rate, hz, rate, 11)
		out := limited(patch.Limiter{Mode: "on", Ceiling: -1, Release: 0.1}, rate, [2][]float32{in, in})[0][rate/4 : rate/4+rate/2]
		var s, c float64 // the sine is there a whole number of times
		for i, v := range out {
			w := 2 * math.Pi * hz * float64(i) / rate
			s += float64(v) * math.Sin(w) * 2 / float64(len(out))
			c += float64(v) * math.Cos(w) * 2 / float64(len(out))
		}
		rest := make([]float32, len(out))
		for i, v := range out {
			w := 2 * math.Pi * hz * float64(i) / rate
			rest[i] = float32(float64(v) - s*math.Sin(w) - c*math.Cos(w))
		}
		got := dB(power(rest)/power(out)) / 2
		t.Logf("%g Hz: %.1f dB", hz, got)
		if got > -80 {
			t.Errorf("%g Hz: distortion of %.1f dB", hz, got)
		}
	}
}

// TestLimiterOfOneSide holds one channel alone to come out as both do where they are
// the same.
func TestLimiterOfOneSide(t *testing.T) {
	t.Parallel()
	p := patch.Limiter{Mode: "on", Gain: 12, Ceiling: -1, Release: 0.03}
	mono, _ := stereoNoise(20000, 0.5)
	left := append([]float32(nil), mono...)
	right := append([]float32(nil), mono...)
	run(NewLimiter(p, 48000), left, right, maxFrames)
	l := NewLimiter(p, 48000)
	for x := mono; len(x) > 0; x = x[min(len(x), 100):] {
		l.Process(x[:min(len(x), 100)], nil)
	}
	for i, v := range mono {
		if v != left[i] || v != right[i] {
			t.Fatalf("frame %d: %g alone, %g and %g", i, v, left[i], right[i])
		}
	}
}

func BenchmarkLimiter(b *testing.B) {
	for _, c := range []struct {
		name, sound string
		gain        float64
	}{{"idle", "bell noise", -12}, {"noise", "bell noise", 12}, {"chord", "saw chord", 12}, {"square", "square", 12}} {
		b.Run(c.name, func(b *testing.B) {
			const rate = 48000
			in := awkward(rate)[c.sound]
			e := NewLimiter(patch.Limiter{Mode: "on", Gain: c.gain, Ceiling: -1, Release: 0.1}, rate)
			left, right := make([]float32, maxFrames), make([]float32, maxFrames)
			for k := 0; b.Loop(); k = (k + maxFrames) % (rate - maxFrames) {
				copy(left, in[0][k:])
				copy(right, in[1][k:])
				e.Process(left, right)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/maxFrames, "ns/frame")
		})
	}
}
