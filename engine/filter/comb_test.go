package filter

import (
	"fmt"
	"math"
	"testing"

	"patchlab/engine/patch"
)

func comb(q, rate float64) *Comb { return NewComb(patch.Filter{Type: "comb", Resonance: q}, rate) }

// TestCombTuning measures the first peak of the comb in cents.
func TestCombTuning(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{22050, 44100, 48000, 96000} {
		worst, at := 0.0, 0.0
		for cutoff := 20.0; cutoff <= 5000; cutoff *= 1.737 {
			for _, q := range []float64{3, 20} {
				n := int(min(rate, rate/cutoff*300))
				response := filtered(comb(q, rate), impulse(n, 1), Point{Cutoff: cutoff})
				fadeOut(response)
				cents := 1200 * math.Log2(peak(response, 0.98*cutoff/rate, 1.02*cutoff/rate)*rate/cutoff)
				if math.Abs(cents) > math.Abs(worst) {
					worst, at = cents, cutoff
				}
			}
		}
		if t.Logf("%g Hz: off by %.2f cents at %.0f Hz", rate, worst, at); math.Abs(worst) > 2 {
			t.Errorf("%g Hz: off by %.2f cents at %.0f Hz", rate, worst, at)
		}
	}
}

// TestCombRings measures how long the comb rings: by the feedback in each period, and
// less at high frequencies.
func TestCombRings(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{22050, 48000, 96000} {
		for _, q := range []float64{1, 5, 20} {
			const cutoff, periods = 200.0, 10
			feedback := 1 - 0.5/q
			// What the loop does to a frequency in a period.
			fall := func(hz float64) float64 {
				period := int(rate / cutoff)
				x := sineWave(period*80, 1, hz/rate)
				clear(x[period*40:])
				y := filtered(comb(q, rate), x, Point{Cutoff: cutoff})[period*41:]
				return math.Pow(rootMeanSquare(y[periods*period:(periods+4)*period])/rootMeanSquare(y[:4*period]), 1.0/periods)
			}
			top := min(8000, 0.2*rate)
			low, high := fall(200), fall(top)
			t.Logf("%g Hz, Q %g: %.4f and %.4f a period, feedback %.4f", rate, q, low, high, feedback)
			if math.Abs(low/feedback-1) > 0.01 {
				t.Errorf("%g Hz, Q %g: falls to %.4f in a period, want %.4f", rate, q, low, feedback)
			}
			if high/low > 0.985 || high/low < 0.85 {
				t.Errorf("%g Hz, Q %g: %.0f Hz falls to %.4f in a period, 200 Hz to %.4f", rate, q, top, high, low)
			}
		}
	}
}

// TestCombLoudness holds the level of noise that is a little darker than white, as
// most sounds are.
func TestCombLoudness(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{22050, 48000, 96000} {
		x := noise(int(2 * rate))
		level, before := 0.0, float32(0)
		for i := range x { // one pole at 5 kHz
			before += (x[i] - before) * float32(1-math.Exp(-2*math.Pi*5000/rate))
			x[i] = before
			level += float64(before * before)
		}
		level = math.Sqrt(level / float64(len(x)))
		for _, cutoff := range []float64{30, 440, 5000, 20000} {
			for _, q := range []float64{0.5, 0.7071, 2, 8, 20} {
				y := filtered(comb(q, rate), x, Point{Cutoff: cutoff})
				dB := decibels(rootMeanSquare(y[int(rate):]) / level)
				limit := 3.0
				if cutoff > rate/8 { // where the sound lies below the first peak
					limit = 5
				}
				if math.Abs(dB) > limit {
					t.Errorf("%g Hz, pitch %g Hz, Q %g: the level changes by %.1f dB", rate, cutoff, q, dB)
				}
			}
		}
	}
}

// TestCombOff holds that the lowest resonance leaves the sound as it is.
func TestCombOff(t *testing.T) {
	t.Parallel()
	x := noise(3200)
	for i, y := range filtered(comb(0.5, 48000), x, Point{Cutoff: 440}) {
		if y != float64(x[i]) {
			t.Fatalf("frame %d is %g, not %g", i, y, x[i])
		}
	}
}

// TestWeigh compares an interpolated delay with that of a sine, and holds the three
// ways of reading to each other where they meet.
func TestWeigh(t *testing.T) {
	t.Parallel()
	read := func(delay, frequency float64) (gain, late float64) {
		var w [order]float32
		oldest := weigh(&w, delay)
		re, im := 0.0, 0.0
		for i, v := range w {
			s, c := math.Sincos(-2 * math.Pi * frequency * float64(oldest-i))
			re, im = re+float64(v)*c, im+float64(v)*s
		}
		turns := -math.Atan2(im, re)/(2*math.Pi) - frequency*delay
		return math.Hypot(re, im), (turns - math.Round(turns)) / frequency
	}
	for _, c := range []struct{ delay, frequency, within float64 }{
		{1.3, 0.02, 0.02}, {2.5, 0.1, 0.02}, {3.1, 0.1, 1e-3}, {3.5, 0.2, 2e-2}, {4.77, 0.2, 1e-2}, {700.25, 0.05, 1e-4},
	} {
		gain, late := read(c.delay, c.frequency)
		if math.Abs(gain-1) > c.within || math.Abs(late) > c.within {
			t.Errorf("a delay of %g at %g: gain %g, late by %g", c.delay, c.frequency, gain, late)
		}
	}
	for _, delay := range []float64{2, 3, 4, 100} {
		for _, frequency := range []float64{0.05, 0.3, 0.49} {
			before, _ := read(delay-1e-6, frequency)
			after, late := read(delay, frequency)
			if math.Abs(before-after) > 1e-4 || math.Abs(late) > 1e-5 {
				t.Errorf("at a delay of %g and %g: gains %g and %g, late by %g", delay, frequency, before, after, late)
			}
		}
	}
	for delay := 1.0; delay < 6; delay += 0.01 { // a loop must not grow
		for frequency := 0.001; frequency < 0.5; frequency += 0.01 {
			if gain, _ := read(delay, frequency); gain > 1.0001 {
				t.Fatalf("a delay of %g has a gain of %g at %g", delay, gain, frequency)
			}
		}
	}
}

// TestCombWraps runs longer than its memory at odd lengths and compares with a comb of
// the plainest kind.
func TestCombWraps(t *testing.T) {
	t.Parallel()
	const rate = 48000
	for _, period := range []int{3, 4, 17, 480, 2400} {
		c := comb(5, rate)
		x := noise(30000)
		y := make([]float64, len(x))
		at := func(i int) float64 {
			if i < 0 {
				return 0
			}
			return y[i]
		}
		for i, v := range x {
			y[i] = float64(c.gain)*float64(v) + float64(c.past)*at(i-period) + float64(c.beside)*(at(i-period-1)+at(i-period+1))
		}
		name := fmt.Sprintf("a period of %d", period)
		for i, got := range filtered(c, x, Point{Cutoff: rate / float64(period)}) {
			if math.Abs(got-y[i]) > 1e-4 {
				t.Fatalf("%s: frame %d is %g, want %g", name, i, got, y[i])
			}
		}
	}
}
