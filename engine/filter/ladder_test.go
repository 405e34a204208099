package filter

import (
	"fmt"
	"math"
	"math/cmplx"
	"testing"

	"patchlab/engine/patch"
)

func ladder(q, drive, rate float64) *Ladder {
	return NewLadder(patch.Filter{Type: "ladder", Resonance: q, Drive: drive}, rate)
}

// analyticLadder returns the gain at f Hz of four one-pole stages with feedback under
// the bilinear transform at twice the rate: what quiet sounds get, with the make-up
// of drive and feedback.
func analyticLadder(q, drive, cutoff, rate, f float64) float64 {
	k, tune := resonance(q)
	s := complex(0, math.Tan(math.Pi*f/(2*rate))/(tune*math.Tan(math.Pi*cutoff/(2*rate))))
	p := (1 + s) * (1 + s)
	return (1 + k/2) * math.Pow(10, drive/40) / cmplx.Abs(p*p+complex(k, 0))
}

// TestLadderResponse compares the filter at −40 dBFS with the analytic one.
func TestLadderResponse(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{22050, 48000, 96000} {
		for _, cutoff := range []float64{200, 2500, 0.2 * rate, 0.4 * rate} {
			for _, q := range []float64{0.5, 0.7071, 2, 8} {
				for _, drive := range []float64{0, 12} {
					response := filtered(ladder(q, drive, rate), impulse(1<<14, 0.01), Point{Cutoff: cutoff})
					worst, at := 0.0, 0.0
					for f := 20.0; f < 0.41*rate; f *= 1.12 {
						want := analyticLadder(q, drive, cutoff, rate, f)
						if decibels(want) < -60 {
							break
						}
						got := gainAt(response, f/rate) / 0.01
						if off := math.Abs(decibels(got / want)); !(off <= worst) {
							worst, at = off, f
						}
					}
					if !(worst <= 0.1) {
						t.Errorf("%g Hz, cutoff %g Hz, Q %g, drive %g dB: off by %.2f dB at %.0f Hz", rate, cutoff, q, drive, worst, at)
					}
				}
			}
		}
	}
}

// TestLadderPoles holds the formulas of resonance to the roots of (1+s)⁴ + k, found by
// Newton's method: the nearest pole is at the cutoff, and its Q rises from 0.5 to the
// edge of oscillation.
func TestLadderPoles(t *testing.T) {
	t.Parallel()
	last := 0.49
	for _, q := range []float64{0.5, 0.7071, 1, 2, 5, 10, 15, 19, 20} {
		k, tune := resonance(q)
		s := complex(-0.01, 1)
		for range 200 {
			p := 1 + s
			s -= (p*p*p*p + complex(k, 0)) / (4 * p * p * p)
		}
		poleQ := cmplx.Abs(s) / (-2 * real(s))
		t.Logf("Q %g: k %.4f, pole at %.5f with a Q of %.4g", q, k, tune*cmplx.Abs(s), poleQ)
		if k > 1e-9 && math.Abs(tune*cmplx.Abs(s)-1) > 1e-6 {
			t.Errorf("Q %g: the pole is at %.6f of the cutoff", q, tune*cmplx.Abs(s))
		}
		if k > 1e-9 && poleQ <= last || poleQ < 0.8*q {
			t.Errorf("Q %g: the pole has a Q of %g", q, poleQ)
		}
		if k >= 4 {
			t.Errorf("Q %g oscillates: k is %g", q, k)
		}
		last = poleQ
	}
	if last < 1000 {
		t.Errorf("the highest resonance rings with a Q of %g", last)
	}
}

// TestLadderTuning measures the peak of the resonance. At the edge of oscillation the
// response is fading away for seconds and is cut by a window.
func TestLadderTuning(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{22050, 44100, 48000, 96000} {
		for _, cutoff := range []float64{100, 2000, 0.25 * rate, 0.4 * rate} {
			for _, q := range []float64{7, 12, 20} {
				response := filtered(ladder(q, 0, rate), impulse(1<<14, 0.001), Point{Cutoff: cutoff})
				fadeOut(response)
				got := peak(response, 0.9*cutoff/rate, 1.1*cutoff/rate) * rate
				if off := got/cutoff - 1; math.Abs(off) > 0.01 {
					t.Errorf("%g Hz, Q %g: the peak of a cutoff of %g Hz is at %.1f Hz, off by %.2f %%", rate, q, cutoff, got, 100*off)
				}
			}
		}
	}
}

// TestLadderAliasing drives the filter with a sine of full scale, open and half closed.
func TestLadderAliasing(t *testing.T) {
	t.Parallel()
	const hz, n = 2500.3, 1 << 16
	for _, c := range []struct{ rate, q, cutoff, drive, most float64 }{
		{48000, 0.7071, 20000, 0, -90},
		{48000, 0.7071, 20000, 12, -90},
		{48000, 0.7071, 20000, 24, -80},
		{48000, 4, 20000, 24, -80},
		{48000, 20, 20000, 24, -70},
		{48000, 0.7071, 3000, 24, -80},
		{48000, 4, 3000, 24, -75},
		{48000, 0.7071, 20000, 36, -50},
		{44100, 0.7071, 20000, 24, -75},
		{96000, 0.7071, 20000, 24, -85},
		{96000, 0.7071, 20000, 36, -75},
	} {
		x := filtered(ladder(c.q, c.drive, c.rate), sineWave(n+8192, 1, hz/c.rate), Point{Cutoff: c.cutoff})[8192:]
		dB, at := worstAlias(x, c.rate, hz)
		what := fmt.Sprintf("%g Hz, Q %g, cutoff %g Hz, drive %g dB: %.1f dB at %.0f Hz", c.rate, c.q, c.cutoff, c.drive, dB, at)
		if t.Log(what); dB > c.most {
			t.Error(what)
		}
	}
}

// TestLadderSaturates holds that the drive bends the wave, that the level grows by
// half of it while it is quiet, and that nothing makes the filter run away.
func TestLadderSaturates(t *testing.T) {
	t.Parallel()
	const rate = 48000
	level := func(amplitude, drive float64) (first, third float64) {
		x := filtered(ladder(0.5, drive, rate), sineWave(1<<14, amplitude, 64.0/(1<<14)), Point{Cutoff: 20000})
		s := lines(x)
		return s[64] / amplitude, s[192] / amplitude
	}
	for _, drive := range []float64{0, 12, 24, 36} {
		quiet, _ := level(1e-4, drive)
		if off := decibels(quiet) - drive/2; math.Abs(off) > 0.1 {
			t.Errorf("drive %g dB: quiet sounds gain %.2f dB", drive, decibels(quiet))
		}
		first, third := level(1, drive)
		t.Logf("drive %g dB: full scale gains %.1f dB, third harmonic %.1f dB", drive, decibels(first), decibels(third/first))
		if drive == 0 && (third/first > 0.03 || first < 0.93) || drive >= 24 && third/first < 0.25 {
			t.Errorf("drive %g dB: first harmonic %g, third %g", drive, first, third)
		}
	}
}

// TestLadderIsBounded plays anything at all levels, while the cutoff jumps, and holds
// the output to what the saturation lets through.
func TestLadderIsBounded(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{22050, 44100, 48000, 96000} {
		for _, q := range []float64{0.5, 3, 20} {
			for _, drive := range []float64{0, 36} {
				f := ladder(q, drive, rate)
				x := noise(32 * 3000)
				for i := range x {
					x[i] *= 16
					if i/8000%2 == 1 { // the loudest square that there is, at its cutoff
						x[i] = float32(math.Copysign(16, math.Sin(float64(i)*0.7)))
					}
				}
				points := []Point{{Cutoff: 1e-9}, {Cutoff: 20}, {Cutoff: 0.7 / 2 / math.Pi * rate}, {Cutoff: 20000}, {Cutoff: 1e9}}
				most := 0.0
				for i := 0; i < len(x); i += stretch {
					n := i / stretch
					f.Process(x[i:i+stretch], nil, points[n*7%5], points[n*3%5])
					for _, y := range x[i : i+stretch] {
						most = max(most, math.Abs(float64(y)))
						if y != y {
							t.Fatal("not a number")
						}
					}
				}
				if most > 1.5*f.out {
					t.Errorf("%g Hz, Q %g, drive %g dB: %g, of %g", rate, q, drive, most, f.out)
				}
			}
		}
	}
}

// TestLadderRings holds that at the edge of oscillation the filter sings on.
func TestLadderRings(t *testing.T) {
	t.Parallel()
	const rate, hz = 48000.0, 700.0
	x := filtered(ladder(20, 0, rate), impulse(48000, 0.5), Point{Cutoff: hz})
	early, late := rootMeanSquare(x[4800:9600]), rootMeanSquare(x[43200:])
	if fall := decibels(late / early); fall < -15 || fall > 0 {
		t.Errorf("in 0.8 s it falls by %.1f dB", fall)
	}
}
