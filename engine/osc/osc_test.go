package osc

import (
	"math"
	"testing"

	"patchlab/engine/patch"
	"patchlab/engine/rng"
)

func one(wave string) patch.Oscillator {
	return patch.Oscillator{Wave: wave, Level: 1, PulseWidth: 0.5, Unison: 1, Blend: 1}
}

// play renders frames in blocks of 16 with the frequency of a function.
func play(p patch.Oscillator, frames int, f, w func(frame int) float64) (left, right []float64) {
	o := classic(p)
	at := func(i int) Controls { return Controls{Frequency: f(i), PulseWidth: w(i)} }
	l, r := make([]float32, frames), make([]float32, frames)
	for i := 0; i < frames; i += 16 {
		o.Process(l[i:i+16], r[i:i+16], at(i), at(i+16))
	}
	return wide(l[Latency:]), wide(r[Latency:])
}

func classic(p patch.Oscillator) *Classic {
	c := NewClassic()
	c.Add(p, rng.New(1))
	return c
}

func wide(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

func always(x float64) func(int) float64 { return func(int) float64 { return x } }

// TestWaves compares low notes with the waveform that everybody draws, away from
// its jumps.
func TestWaves(t *testing.T) {
	t.Parallel()
	const f = 1.0 / 1024
	frac := func(x float64) float64 { return x - math.Floor(x) }
	for wave, want := range map[string]func(turns float64) float64{
		"saw":      func(x float64) float64 { return 2*frac(x+0.5) - 1 },
		"square":   func(x float64) float64 { return math.Copysign(1, 0.5-frac(x)) },
		"triangle": func(x float64) float64 { return 1 - 4*math.Abs(frac(x+0.25)-0.5) },
		"sine":     func(x float64) float64 { return math.Sin(2 * math.Pi * x) },
	} {
		left, right := play(one(wave), 8192, always(f), always(0))
		for i, y := range left {
			x := f * float64(i+1)
			if near := math.Abs(frac(2*x+0.5) - 0.5); near < 40*f && wave != "sine" || wave == "triangle" && math.Abs(frac(2*x)-0.5) < 40*f {
				continue
			}
			if math.Abs(y-want(x)) > 1e-4 || y != right[i] {
				t.Fatalf("%s, frame %d: %g and %g, want %g", wave, i, y, right[i], want(x))
			}
		}
	}
}

// TestLevel holds every voice count to about the same power and all of it to a
// bound, at every pitch.
func TestLevel(t *testing.T) {
	t.Parallel()
	for _, wave := range []string{"saw", "square", "triangle", "sine"} {
		for _, f := range []float64{1e-4, 0.003, 0.1, 0.3, 0.5, 3} {
			for _, voices := range []int{1, 2, 7, 16} {
				p := one(wave)
				p.Unison, p.Detune, p.Spread = voices, 30, 1
				left, right := play(p, 4096, always(f), always(0))
				for i := range left {
					if !(math.Abs(left[i]) < 8) || !(math.Abs(right[i]) < 8) {
						t.Fatalf("%s, %g turns, %d voices: %g at %d", wave, f, voices, left[i], i)
					}
				}
			}
		}
	}
}

// TestWildPulse moves the width faster than the phase goes, so that edges run
// backwards: the pulse keeps its two levels.
func TestWildPulse(t *testing.T) {
	t.Parallel()
	wild := func(i int) float64 { return 0.45 * math.Sin(float64(i)/20) }
	left, _ := play(one("square"), 65536, always(1e-4), wild)
	sum := 0.0
	for i, y := range left {
		if math.Abs(y) > 2.6 {
			t.Fatalf("%g at %d", y, i)
		}
		sum += y
	}
	if mean := sum / float64(len(left)); math.Abs(mean) > 0.05 {
		t.Errorf("mean %g", mean)
	}
}

// TestSweep holds a saw whose pitch moves to one jump for each turn of its phase.
func TestSweep(t *testing.T) {
	t.Parallel()
	sweep := func(i int) float64 { return 0.002 + 0.0019*math.Sin(float64(i)/700) }
	left, _ := play(one("saw"), 131072, sweep, always(0))
	turns, falls := 0.0, 0
	for i := 1; i < len(left); i++ {
		turns += sweep(i)
		if left[i-1] > 0 && left[i] <= 0 {
			falls++
		}
		if math.Abs(left[i]) > 1.3 {
			t.Fatalf("%g at %d", left[i], i)
		}
	}
	if math.Abs(float64(falls)-turns) > 1 {
		t.Errorf("%d jumps in %.1f turns", falls, turns)
	}
}

// TestCutting holds the sound not to depend on where its blocks end while nothing moves,
// and to a hair where it does: the straight lines are the same.
func TestCutting(t *testing.T) {
	t.Parallel()
	for _, wave := range []string{"saw", "square", "triangle", "sine"} {
		p := one(wave)
		p.Unison, p.Detune, p.Spread = 5, 30, 1
		at := Controls{Frequency: 0.013}
		whole, parts := classic(p), classic(p)
		var x, y [2][MaxBlock]float32
		for range 20 {
			clear(x[0][:])
			clear(x[1][:])
			clear(y[0][:])
			clear(y[1][:])
			whole.Process(x[0][:], x[1][:], at, at)
			for i := 0; i < MaxBlock; i += 32 {
				parts.Process(y[0][i:i+32], y[1][i:i+32], at, at)
			}
			for i := range x[0] {
				if math.Abs(float64(x[0][i]-y[0][i])) > 2e-6 || math.Abs(float64(x[1][i]-y[1][i])) > 2e-6 {
					t.Fatalf("%s at %d: %g and %g, in pieces %g and %g", wave, i, x[0][i], x[1][i], y[0][i], y[1][i])
				}
			}
		}
	}
}

// TestBlend holds the outer voices to their share of the middle ones, and all to one
// power.
func TestBlend(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3, 7, 8, 16} {
		for _, blend := range []float64{0, 0.3, 1} {
			voices, _ := unison(patch.Oscillator{Level: 0.5, Unison: n, Detune: 10, Blend: blend}, rng.New(1), 0)
			power := 0.0
			for _, v := range voices {
				power += v.gl * v.gl
			}
			middle, outer := voices[n/2].gl, voices[n-1].gl
			want := blend
			if n <= 2 {
				want = 1
			}
			if math.Abs(power-0.25) > 1e-9 || math.Abs(outer/middle-want) > 1e-9 {
				t.Errorf("%d voices, blend %g: power %g, outer to middle %g", n, blend, power, outer/middle)
			}
		}
	}
}

// TestUnisonIsBalanced holds both sides to the same power, whatever the number of voices.
func TestUnisonIsBalanced(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 16; n++ {
		voices, _ := unison(patch.Oscillator{Level: 1, Unison: n, Detune: 10, Blend: 0.5, Spread: 1}, rng.New(1), 0)
		left, right := 0.0, 0.0
		for _, v := range voices {
			left += v.gl * v.gl
			right += v.gr * v.gr
		}
		if math.Abs(left-right) > 1e-9 {
			t.Errorf("%d voices: power %.3f left, %.3f right", n, left, right)
		}
	}
}

func TestPan(t *testing.T) {
	t.Parallel()
	for place := -1.25; place <= 1.25; place += 0.125 {
		left, right := Pan(place)
		if power := left*left + right*right; math.Abs(power-2) > 1e-12 || left < -1e-12 || right < -1e-12 {
			t.Errorf("at %g: %g and %g", place, left, right)
		}
	}
	if l, r := Pan(0); l != 1 || r != 1 {
		t.Errorf("centre: %g and %g", l, r)
	}
	if l, r := Pan(-1); r > 1e-12 || math.Abs(l-math.Sqrt2) > 1e-12 {
		t.Errorf("left: %g and %g", l, r)
	}
}

// TestNoiseColours measures the slope of each colour and holds all to one level.
func TestNoiseColours(t *testing.T) {
	t.Parallel()
	const rate = 48000
	for color, slope := range map[string]float64{"white": 0, "pink": -3, "brown": -6} {
		n := NewNoise(patch.Noise{Color: color, Level: 1}, [2]rng.Stream{rng.New(1, 1), rng.New(1, 2)}, rate)
		l, r := make([]float32, 1<<18), make([]float32, 1<<18)
		for i := 0; i < len(l); i += MaxBlock {
			n.Process(l[i:i+MaxBlock], r[i:i+MaxBlock])
		}
		left, right := wide(l), wide(r)
		low, high := power(left, 500.0/rate), power(left, 4000.0/rate)
		if got := 10 * math.Log10(high/low) / 3; math.Abs(got-slope) > 0.5 {
			t.Errorf("%s falls by %.2f dB an octave, want %g", color, got, slope)
		}
		sum, cross := 0.0, 0.0
		for i, x := range left {
			sum += x * x
			cross += x * right[i]
		}
		if r := math.Sqrt(sum / float64(len(left))); r < 0.3 || r > 0.8 {
			t.Errorf("%s has a level of %.2f", color, r)
		}
		if math.Abs(cross/sum) > 0.1 {
			t.Errorf("%s: the sides hang together by %.2f", color, cross/sum)
		}
	}
}

// power returns that of a band of half an octave around a frequency in turns per
// frame, by a resonator run over the signal.
func power(x []float64, f float64) float64 {
	const q = 3.0
	w := 2 * math.Pi * f
	alpha := math.Sin(w) / (2 * q)
	var x1, x2, y1, y2, sum float64
	for _, v := range x {
		y := (alpha*(v-x2) + 2*math.Cos(w)*y1 - (1-alpha)*y2) / (1 + alpha)
		x2, x1, y2, y1 = x1, v, y1, y
		sum += y * y
	}
	return sum / f // a band of constant Q is as wide as its frequency
}
