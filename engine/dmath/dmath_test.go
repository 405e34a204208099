package dmath

import (
	"math"
	"testing"
)

// sweep calls f for n points spread evenly from lo to hi.
func sweep(lo, hi float64, n int, f func(x float64)) {
	for i := range n {
		f(lo + (hi-lo)*float64(i)/float64(n-1))
	}
}

func TestSinTurns(t *testing.T) {
	t.Parallel()
	worst := 0.0
	sweep(-1000, 1000, 200_003, func(x float64) {
		exact := math.Sin(2 * math.Pi * math.Mod(x, 1))
		worst = max(worst, math.Abs(SinTurns(x)-exact), math.Abs(CosTurns(x)-math.Cos(2*math.Pi*math.Mod(x, 1))))
	})
	if t.Logf("worst error %.2g", worst); worst > 1e-12 {
		t.Errorf("worst error %g", worst)
	}
	for x, want := range map[float64]float64{0: 0, 0.25: 1, 0.5: 0, 0.75: -1, 1: 0, -0.25: -1} {
		if got := SinTurns(x); math.Abs(got-want) > 1e-12 {
			t.Errorf("SinTurns(%g) = %g", x, got)
		}
	}
}

func TestTanTurns(t *testing.T) {
	t.Parallel()
	sweep(0.0001, 0.2475, 10_007, func(x float64) {
		want := math.Tan(2 * math.Pi * x)
		if math.Abs(TanTurns(x)/want-1) > 1e-9 {
			t.Fatalf("TanTurns(%g) = %g, want %g", x, TanTurns(x), want)
		}
	})
}

func TestExp2(t *testing.T) {
	t.Parallel()
	worst := 0.0
	sweep(-999, 999, 300_007, func(x float64) { worst = max(worst, math.Abs(Exp2(x)/math.Exp2(x)-1)) })
	sweep(-2, 2, 100_003, func(x float64) { worst = max(worst, math.Abs(Exp2(x)/math.Exp2(x)-1)) })
	if t.Logf("worst relative error %.2g", worst); worst > 1e-14 {
		t.Errorf("worst relative error %g", worst)
	}
	for x, want := range map[float64]float64{0: 1, 1: 2, -1: 0.5, 10: 1024, -1001: 0, math.Inf(-1): 0, math.Inf(1): math.Ldexp(1, 1000), 2000: math.Ldexp(1, 1000)} {
		if got := Exp2(x); got != want {
			t.Errorf("Exp2(%g) = %g, want %g", x, got, want)
		}
	}
	if got := Exp2(math.NaN()); got != 0 {
		t.Errorf("Exp2(NaN) = %g", got)
	}
}

func TestLog2(t *testing.T) {
	t.Parallel()
	worst := 0.0
	sweep(-300, 300, 200_003, func(e float64) {
		x := math.Pow(2, e)
		want := math.Log2(x)
		worst = max(worst, math.Abs(Log2(x)-want)/max(1, math.Abs(want)))
	})
	if t.Logf("worst error %.2g", worst); worst > 1e-14 {
		t.Errorf("worst error %g", worst)
	}
	if Log2(1) != 0 || Log2(8) != 3 || Log2(0.25) != -2 {
		t.Errorf("powers of two: %g, %g, %g", Log2(1), Log2(8), Log2(0.25))
	}
}

func TestUnits(t *testing.T) {
	t.Parallel()
	for dB := -120.0; dB <= 60; dB += 0.7 {
		if want := math.Pow(10, dB/20); math.Abs(Gain(dB)/want-1) > 1e-13 {
			t.Errorf("Gain(%g) = %g, want %g", dB, Gain(dB), want)
		}
		if math.Abs(Decibels(Gain(dB))-dB) > 1e-11 {
			t.Errorf("Decibels(Gain(%g)) = %g", dB, Decibels(Gain(dB)))
		}
	}
	if Gain(0) != 1 || Ratio(1200) != 2 || Ratio(0) != 1 || Ratio(-2400) != 0.25 {
		t.Errorf("%g, %g, %g, %g", Gain(0), Ratio(1200), Ratio(0), Ratio(-2400))
	}
}

// TestKaiser compares with the series of I0 in another form, and at the edges.
func TestKaiser(t *testing.T) {
	t.Parallel()
	// I0(x) = (1/π)∫ exp(x·cos θ) dθ over 0 … π.
	integral := func(x float64) float64 {
		const n = 2000
		sum := 0.0
		for i := range n {
			sum += math.Exp(x * math.Cos(math.Pi*(float64(i)+0.5)/n))
		}
		return sum / n
	}
	for _, x := range []float64{0, 0.3, 0.9, 1} {
		want := integral(9.5 * math.Sqrt(1-x*x))
		if got := Kaiser(x, 9.5); math.Abs(got/want-1) > 1e-12 {
			t.Errorf("Kaiser(%g) = %g, want %g", x, got, want)
		}
	}
	if Kaiser(1.001, 9.5) != 0 || Kaiser(-2, 9.5) != 0 {
		t.Error("the window is open outside")
	}
}
