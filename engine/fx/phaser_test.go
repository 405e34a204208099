package fx

import (
	"fmt"
	"math"
	"math/cmplx"
	"testing"

	"gonum.org/v1/gonum/dsp/fourier"

	"patchlab/engine/patch"
)

// TestPhaserResponse compares a phaser that stands still with its formula.
func TestPhaserResponse(t *testing.T) {
	t.Parallel()
	for _, rate := range sampleRates {
		for _, stages := range []int{2, 4, 6, 8, 12} {
			for _, feedback := range []float64{-0.95, 0, 0.4, 0.95} {
				for _, mix := range []float64{0.5, 1} {
					p := patch.Phaser{Mix: mix, Rate: 0.01, Feedback: feedback, Frequency: 1000, Stages: stages}
					response, _ := impulse(NewPhaser(p, rate), int(rate))
					largest := 0.0
					for f := 60.0; f < 0.49*rate; f *= 1.19 {
						want := phaserGain(p, f, 1000, rate)
						largest = max(largest, want)
						near(t, fmt.Sprintf("%+v at %g Hz", p, f), gainAt(response, f/rate), want, 0.002)
					}
					if largest > 1.0001 {
						t.Errorf("%+v: a gain of %g", p, largest)
					}
				}
			}
		}
	}
}

// phaserGain is the gain of a phaser with its corner at the given frequency.
func phaserGain(p patch.Phaser, f, corner, rate float64) float64 {
	tan := math.Tan(math.Pi * corner / rate)
	a := complex((tan-1)/(tan+1), 0)
	z := cmplx.Exp(complex(0, -2*math.Pi*f/rate))
	row := cmplx.Pow((a+z)/(1+a*z), complex(float64(p.Stages), 0))
	b := complex(p.Feedback, 0)
	h := func(row complex128) float64 {
		return cmplx.Abs(complex(1-p.Mix, 0) + complex(p.Mix, 0)*(1+b)*row/(1-b*row))
	}
	return h(row) / max(h(1), h(-1))
}

// TestPhaserNotches counts them: one for two stages, each deep at a mix of 0.5.
func TestPhaserNotches(t *testing.T) {
	t.Parallel()
	const rate = 48000
	for _, feedback := range []float64{-0.9, 0, 0.7} {
		for _, stages := range []int{2, 4, 6, 8, 12} {
			response, _ := impulse(NewPhaser(patch.Phaser{Mix: 0.5, Rate: 0.01, Feedback: feedback, Frequency: 1000, Stages: stages}, rate), 1<<17)
			x := make([]float64, len(response))
			for i, v := range response {
				x[i] = float64(v)
			}
			lines := fourier.NewFFT(len(x)).Coefficients(nil, x)
			notches := 0
			for i := 2; i < len(lines); i++ {
				if at := cmplx.Abs(lines[i-1]); at < 0.03 && at < cmplx.Abs(lines[i-2]) && at < cmplx.Abs(lines[i]) {
					notches++
				}
			}
			if notches != stages/2 {
				t.Errorf("%d stages, feedback %g: %d notches", stages, feedback, notches)
			}
		}
	}
}

// TestPhaserSweep holds the notch of two stages, which stands at their corner, to move
// two octaves to either side at a depth of 1, and the right side to be a quarter of a
// turn behind.
func TestPhaserSweep(t *testing.T) {
	t.Parallel()
	const hz = 1.25
	for _, rate := range sampleRates {
		for _, depth := range []float64{0.5, 1} {
			f := NewPhaser(patch.Phaser{Mix: 0.5, Rate: hz, Depth: depth, Frequency: 800, Stages: 2}, rate)
			left, right := make([]float32, phaserFrames), make([]float32, phaserFrames)
			for i := range int(rate / hz / phaserFrames) {
				turn := float64(i) * phaserFrames * hz / rate
				if i > 0 {
					corner := func(a float64) float64 { return rate / math.Pi * math.Atan((1+a)/(1-a)) }
					for side, a := range []float64{f.at.al, f.at.ar} {
						want := 2 * depth * math.Sin(2*math.Pi*(turn-0.25*float64(side)))
						near(t, "octaves from the middle", math.Log2(corner(a)/800), want, 1e-6)
					}
				}
				run(f, left, right, phaserFrames)
			}
		}
	}
}

// TestPhaserMovesWithoutZipper sends a sine through and looks for lines far from it,
// where the coefficients' straight lines would leave theirs.
func TestPhaserMovesWithoutZipper(t *testing.T) {
	t.Parallel()
	const rate, n, hz = 48000, 1 << 16, 1000
	x, y := make([]float32, n), make([]float32, n)
	for i := range x {
		x[i] = float32(math.Sin(2 * math.Pi * hz * float64(i) / rate))
	}
	copy(y, x)
	run(NewPhaser(patch.Phaser{Mix: 0.5, Rate: 0.5, Depth: 1, Feedback: 0.7, Frequency: 800, Stages: 6}, rate), x, y, maxFrames)
	for i := range x { // Hann's window, squared: −18 dB per octave and more from the line
		w := 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/n)
		x[i] *= float32(w * w)
	}
	line := gainAt(x, hz/float64(rate))
	for _, f := range []float64{500, 1500, 2000, 3000, 4000, 5000, 2000 + rate/phaserFrames, 1000 + 2*rate/phaserFrames} {
		if got := dB(gainAt(x, f/rate) / line); got > -100 {
			t.Errorf("a line of %.1f dB at %g Hz", got, f)
		}
	}
}

func BenchmarkPhaser(b *testing.B) {
	for _, stages := range []int{6, 12} {
		b.Run(fmt.Sprint(stages), func(b *testing.B) {
			benchmark(b, NewPhaser(patch.Phaser{Mix: 0.5, Rate: 0.4, Depth: 0.7, Feedback: 0.4, Frequency: 800, Stages: stages}, 48000))
		})
	}
}
