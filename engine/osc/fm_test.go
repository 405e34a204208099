package osc

import (
	"fmt"
	"math"
	"testing"

	"patchlab/engine/patch"
	"patchlab/engine/rng"
)

func modulated(ratio, index, feedback float64) patch.Oscillator {
	return patch.Oscillator{Wave: "fm", FMRatio: ratio, FMIndex: index, FMFeedback: feedback, Level: 1, Unison: 1, Blend: 1}
}

// sidebands returns |fc ± k·fm| below half the rate.
func sidebands(fc, fm float64) []float64 {
	out := []float64{fc}
	for k := 1.0; k*fm-fc < 0.5; k++ {
		if low := math.Abs(fc - k*fm); low < 0.5 {
			out = append(out, low)
		}
		if high := fc + k*fm; high < 0.5 {
			out = append(out, high)
		}
	}
	return out
}

// TestFMAliasing looks for lines that are no sidebands: those that pass half the rate
// and fold back.
func TestFMAliasing(t *testing.T) {
	t.Parallel()
	for _, ratio := range []float64{0.25, 0.5, 1, 1.4142, 2, 3.5, 7, 16} {
		t.Run(fmt.Sprintf("ratio=%g", ratio), func(t *testing.T) {
			t.Parallel()
			a := newAnalyser(65536)
			worst := map[float64]float64{0: -200, 0.5: -200, 1: -200}
			for _, hz := range []float64{100.3, 441.7, 1001.9, 2503.3, 5000.7, 8003.1} {
				for feedback := range worst {
					for _, rate := range []float64{48000, 22050} {
						f := hz / rate
						x := hear(NewFM(modulated(ratio, 16, feedback), rng.New(1), rate), 65536, 256, steady(f))
						dB, at := a.stray(x, sidebands(f, f*ratio), rate, 16000)
						worst[feedback] = max(worst[feedback], dB)
						if dB > -80 {
							t.Errorf("%g Hz, feedback %g, rate %g: a line of %.1f dB at %.0f Hz", hz, feedback, rate, dB, at)
						}
					}
				}
			}
			t.Logf("worst line %.1f dB", worst)
		})
	}
}

// TestFMSidebands compares with Bessel functions: without feedback J_k(I), with it
// J_k(I+kβ)·I/(I+kβ), which are those of Kepler's equation.
func TestFMSidebands(t *testing.T) {
	t.Parallel()
	const n = 65536
	a := newAnalyser(n)
	for _, d := range []depth{{0.5, 0}, {2, 0}, {5, 0}, {16, 0}, {1, 0.3}, {2, 0.7}, {4, 0.5}} {
		const fc, fm = 5001, 20 // bins; a loop of more than a sample is not Kepler's
		p := modulated(float64(fm)/fc, d.index, d.feedback)
		got := a.lines(hear(NewFM(p, rng.New(1), 48000), n, 256, steady(float64(fc)/n)))
		compared := 0
		for k := -40; k <= 40; k++ {
			z := d.index + float64(k)*d.feedback
			want := math.Abs(math.Jn(k, z) * d.index / z)
			if math.Abs(z) < 1e-9 || want < 1e-3 {
				continue
			}
			compared++
			if a := got[fc+k*fm]; math.Abs(decibels(a/want)) > 0.1 && (d.feedback == 0 || math.Abs(a-want) > 3e-4) {
				t.Errorf("index %g, feedback %g: sideband %d is %.4g, want %.4g", d.index, d.feedback, k, a, want)
			}
		}
		if compared < 4 {
			t.Errorf("only %d sidebands compared", compared)
		}
	}
}

// TestFMBound holds the bound to Bessel functions: what passes half the rate is low, and
// not much lower than it must be; and to small steps.
func TestFMBound(t *testing.T) {
	t.Parallel()
	for _, ratio := range []float64{0.25, 1, 3.3, 16} {
		for _, want := range []depth{{16, 0}, {2, 0}, {16, 1}, {1, 1}, {0.01, 1}, {40, 0.3}} {
			before := bound(want, 1e-4, 1e-4*ratio)
			for f := 1e-4; f < 0.45; f *= 1.01 {
				d := bound(want, f, f*ratio)
				if d.index > before.index*(1+1e-12) || d.index < 0.8*before.index-0.01 || d.feedback > want.feedback || d.index > want.index {
					t.Fatalf("%v at %g times %g: from %v to %v", want, f, ratio, before, d)
				}
				before = d
				order := math.Floor((0.5-f)/(f*ratio)) + 1
				if order < 2 || order > 2000 {
					continue
				}
				at := func(order, times float64) float64 {
					z := d.index + order*d.feedback
					return math.Abs(math.Jn(int(order), times*z) * d.index / z)
				}
				if high := at(order, 1); high > 1.2e-5 { // Debye's bound is a little too low where tanh α < 1/2
					t.Errorf("%v at %g times %g: %v, order %g is %.2g", want, f, ratio, d, order, high)
				}
				low := max(at(order-1, 1.1), at(order-1, 1.2), at(order-1, 1.3))
				if order > 6 && d.index < want.index*0.9 && low < 1e-5 {
					t.Errorf("%v at %g times %g: %v is far too low", want, f, ratio, d)
				}
			}
		}
	}
}

// TestFMLeavesLowNotesAlone holds that nothing is taken away where there is room.
func TestFMLeavesLowNotesAlone(t *testing.T) {
	t.Parallel()
	for _, d := range []depth{{16, 0}, {16, 0.6}, {3, 0.8}} {
		for _, f := range []float64{0, 1e-12, 1e-6, 50.0 / 48000} {
			if got := bound(d, f, f); got != d {
				t.Errorf("%v becomes %v at %g", d, got, f)
			}
		}
	}
}

// TestFMSine holds the sines to their errors.
func TestFMSine(t *testing.T) {
	t.Parallel()
	worst, past := 0.0, 0.0
	for i := range 1 << 20 {
		phase := uint32(i)<<12 + uint32(i)
		worst = max(worst, math.Abs(float64(sine32(phase))-math.Sin(2*math.Pi*float64(phase)/(1<<32))))
		x := 1.318 * (float64(i)/(1<<19) - 1)
		past = max(past, math.Abs(sinePast(x)-math.Sin(math.Pi*x)))
	}
	t.Logf("%.2g and %.2g", worst, past)
	if worst > 3e-7 || past > 1e-7 {
		t.Errorf("errors of %.2g and %.2g", worst, past)
	}
}

// TestFMMovesInStraightLines compares a block with one whose controls are set for every
// frame.
func TestFMMovesInStraightLines(t *testing.T) {
	t.Parallel()
	for _, feedback := range []float64{0, 0.5} {
		const n = 256
		from, to := Controls{Frequency: 0.002, FMIndex: -1}, Controls{Frequency: 0.003, FMIndex: 3}
		p := modulated(2, 1.5, feedback)
		p.Unison, p.Detune = 3, 30
		a, b := NewFM(p, rng.New(1), 48000), NewFM(p, rng.New(1), 48000)
		var l, r, one, other [n]float32
		a.Process(l[:], r[:], from, to)
		before := from
		for i := range n {
			part := float64(i+1) / n
			at := Controls{Frequency: 0.002 + 0.001*part, FMIndex: -1 + 4*part}
			b.Process(one[i:i+1], other[i:i+1], before, at)
			before = at
		}
		for i := range l {
			if math.Abs(float64(l[i]-one[i])) > 1e-5 {
				t.Fatalf("feedback %g: %g at %d, want %g", feedback, l[i], i, one[i])
			}
		}
	}
}

// TestFMIndex holds an index to 0 and above.
func TestFMIndex(t *testing.T) {
	t.Parallel()
	a := newAnalyser(4096)
	x := hear(NewFM(modulated(2, 4, 0.5), rng.New(1), 48000), 4096, 256, func(int) Controls {
		return Controls{Frequency: 0.0123, FMIndex: -9}
	})
	if dB, at := a.stray(x, []float64{0.0123}, 48000, 24000); dB > -90 {
		t.Errorf("a line of %.1f dB at %.0f Hz", dB, at)
	}
}

func TestFMPitch(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{22050, 44100, 48000, 96000} {
		for _, hz := range []float64{41.2, 440, 3520.7} {
			p := modulated(3, 0.7, 0.2)
			p.Tune = -1200
			x := hear(NewFM(p, rng.New(1), rate), int(rate), 256, steady(2*hz/rate))
			if c := cents(x, hz/rate); !(math.Abs(c) < 0.01) {
				t.Errorf("%g Hz at %g: %.3f cents off", hz, rate, c)
			}
		}
	}
}

func TestFMCuts(t *testing.T) {
	t.Parallel()
	for _, feedback := range []float64{0, 0.8} {
		for _, unison := range []int{1, 2, 7, 16} {
			for _, spread := range []float64{0, 0.7} {
				p := modulated(2.5, 3, feedback)
				p.Unison, p.Detune, p.Spread, p.Blend = unison, 35, spread, 0.6
				cutsAlike(t, func() source { return NewFM(p, rng.New(1), 48000) }, Controls{Frequency: 0.0051, FMIndex: 0.3})
			}
		}
	}
}

// TestFMVoicesAgree plays several voices with a whole ratio: each has the same wave,
// later or earlier.
func TestFMVoicesAgree(t *testing.T) {
	t.Parallel()
	p := modulated(3, 2, 0)
	p.Unison = 4
	o := NewFM(p, rng.New(1), 48000)
	for i, v := range o.voices {
		if d := int64(v.mod - 3*v.phase); math.Abs(float64(d)) > 1<<13 {
			t.Errorf("voice %d: modulator at %x, carrier at %x", i, v.mod, v.phase)
		}
	}
}

func TestFMSurvives(t *testing.T) {
	t.Parallel()
	for _, feedback := range []float64{0, 1} {
		p := modulated(16, 16, feedback)
		p.Unison, p.Detune, p.Spread = 5, 100, 1
		survives(t, NewFM(p, rng.New(1), 48000), 5)
	}
}

//nolint:paralleltest // counts allocations
func TestFMAllocatesNothing(t *testing.T) {
	p := modulated(2, 3, 0.4)
	p.Unison = 3
	allocatesNothing(t, NewFM(p, rng.New(1), 48000))
}

func BenchmarkFM(b *testing.B) {
	for _, feedback := range []float64{0, 0.5} {
		for _, voices := range []int{1, 7, 16} {
			for _, moving := range []bool{false, true} {
				b.Run(fmt.Sprintf("feedback=%g/voices=%d/moving=%v", feedback, voices, moving), func(b *testing.B) {
					p := modulated(2, 4, feedback)
					p.Unison, p.Detune, p.Spread = voices, 20, 1
					benchSource(b, NewFM(p, rng.New(1), 48000), voices, moving)
				})
			}
		}
	}
}
