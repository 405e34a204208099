package fx

import (
	"fmt"
	"math"
	"testing"
)

// TestLineDelaysExactly holds a standing delay to give a sine of the right gain and
// phase: within 0.003 up to 10 kHz at 48 kHz, whatever the part of a frame.
func TestLineDelaysExactly(t *testing.T) {
	t.Parallel()
	for f, limit := range map[float64]float64{0.002: 1e-6, 0.02: 2e-5, 0.1: 5e-4, 0.2: 3e-3} { // of the rate
		for _, delay := range []float64{5, 5.25, 30.5, 99.999} {
			l := newLine(100)
			x, y := make([]float32, 4*maxFrames), make([]float32, 4*maxFrames)
			for i := range x {
				x[i] = float32(math.Sin(2 * math.Pi * f * float64(i)))
			}
			worst := 0.0
			for from := 0; from < len(x); from += span {
				g := newGlide(delay, delay, delay)
				l.push(x[from : from+span])
				l.add(y[from:from+span], &g, span)
			}
			for i := 2 * maxFrames; i < len(y); i++ {
				worst = max(worst, math.Abs(float64(y[i])-math.Sin(2*math.Pi*f*(float64(i)-delay))))
			}
			if worst > limit {
				t.Errorf("%g of the rate, %g frames: off by %.2g, want %.2g", f, delay, worst, limit)
			}
		}
	}
}

// TestLineMovesSmoothly compares what comes out of a moving delay with the sine of the
// moved time: what is not it, is noise of the interpolation and of the glides.
func TestLineMovesSmoothly(t *testing.T) {
	t.Parallel()
	const rate, n = 48000, 48000
	for _, c := range []struct{ hz, swing, ms, want float64 }{
		{500, 0.8, 2, -105},
		{2500, 0.8, 2, -92},
		{5000, 0.8, 2, -68},
		{10000, 0.8, 2, -55},
		{500, 10, 4, -104},
		{2500, 10, 4, -89},
		{5000, 10, 4, -68},
		{10000, 10, 4, -55},
	} {
		l := newLine(0.02 * rate)
		s := newSwing(c.swing, rate, span/2)
		x, y := make([]float32, n), make([]float32, n)
		const centre = 0.01 * rate
		amount := c.ms / 1000 * rate
		for i := range x {
			x[i] = float32(math.Sin(2 * math.Pi * c.hz * float64(i) / rate))
		}
		at := func() float64 {
			sin, _ := s.next()
			return centre + amount*sin
		}
		start := at()
		for from := 0; from < n; from += span {
			middle, end := at(), at()
			g := newGlide(start, middle, end)
			start = end
			l.push(x[from : from+span])
			l.add(y[from:from+span], &g, span)
		}
		off := 0.0
		for i := n / 2; i < n; i++ {
			delay := centre + amount*math.Sin(2*math.Pi*c.swing*float64(i)/rate)
			off += math.Pow(float64(y[i])-math.Sin(2*math.Pi*c.hz*(float64(i)-delay)/rate), 2)
		}
		got := dB(math.Sqrt(off / (n / 4)))
		t.Logf("%g Hz, %g ms at %g Hz: %.1f dB", c.hz, c.ms, c.swing, got)
		if got > c.want {
			t.Errorf("%g Hz, %g ms at %g Hz: an error of %.1f dB, want %.1f", c.hz, c.ms, c.swing, got, c.want)
		}
	}
}

// TestLineNeverGains holds the gain between the frames to what a loop with a
// feedback of 0.95 bears.
func TestLineNeverGains(t *testing.T) {
	t.Parallel()
	for part := 0.0; part < 1; part += 0.05 {
		l := newLine(50)
		x := make([]float32, 64)
		x[0] = 1
		y := make([]float32, 64)
		g := newGlide(20+part, 20+part, 20+part)
		l.push(x)
		l.add(y, &g, len(x))
		for f := 0.0; f <= 0.5; f += 0.005 {
			if gain := gainAt(y, f); gain > 1.004 {
				t.Errorf("%.2f of a frame, %.3f of the rate: a gain of %.4f", part, f, gain)
			}
		}
	}
}

// TestSwingDoesNotDrift compares with the sine after a long time.
func TestSwingDoesNotDrift(t *testing.T) {
	t.Parallel()
	for _, hz := range []float64{0.01, 0.8, 10} {
		s := newSwing(hz, 22050, 16)
		worst := 0.0
		for i := range 1_000_000 {
			sin, cos := s.next()
			if i%977 != 0 {
				continue
			}
			at := math.Mod(hz*16/22050*float64(i), 1)
			worst = max(worst, math.Abs(sin-math.Sin(2*math.Pi*at)), math.Abs(cos-math.Cos(2*math.Pi*at)))
		}
		if worst > 1e-8 {
			t.Errorf("%g Hz: off by %g", hz, worst)
		}
	}
}

// TestAudible holds what is loud enough to be kept and the rest to be nothing.
func TestAudible(t *testing.T) {
	t.Parallel()
	for x, want := range map[float32]float32{1: 1, -1: -1, 1e-25: 1e-25, -1e-25: -1e-25, 5e-26: 0, -5e-26: 0, 1e-40: 0, 0: 0} {
		if got := audible(x); got != want {
			t.Errorf("audible(%g) = %g", x, got)
		}
	}
}

// TestPasses counts.
func TestPasses(t *testing.T) {
	t.Parallel()
	for gain, want := range map[float64]float64{0: 0, 0.001: 1, -0.1: 3, 0.5: math.Log(1000) / math.Log(2), 0.95: 134.67} {
		near(t, fmt.Sprintf("passes of %g", gain), passes(gain), want, 0.01)
	}
	near(t, "from −60 dB", fades(0.0009, 0.5), 0, 0)
	near(t, "from −40 dB", fades(0.01, 0.1), 1, 1e-9)
}
