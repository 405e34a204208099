package fx

import (
	"fmt"
	"math"
	"math/cmplx"
	"testing"

	"patchlab/engine/patch"
)

// TestFlangerResponse compares a flanger that stands still with its formula, and
// holds its notches at a mix of 0.5 to be deep.
func TestFlangerResponse(t *testing.T) {
	t.Parallel()
	const rate = 48000
	const delay = flangerShortest * rate
	for _, feedback := range []float64{-0.95, -0.5, 0, 0.5, 0.95} {
		for _, mix := range []float64{0.3, 0.5, 1} {
			response, _ := impulse(NewFlanger(patch.Flanger{Mix: mix, Rate: 0.01, Feedback: feedback}, rate), rate)
			wet := mix * mix * (1 + feedback) / (1 - feedback)
			level := math.Sqrt((mix*mix + (1-mix)*(1-mix)) / ((1-mix)*(1-mix) + wet))
			for f := 0.0; f < 8000; f += 133 {
				z := cmplx.Exp(complex(0, -2*math.Pi*f/rate*delay))
				w := complex(1+feedback, 0) * z / (1 - complex(feedback, 0)*z)
				want := level * cmplx.Abs(complex(1-mix, 0)+complex(mix, 0)*w)
				near(t, fmt.Sprintf("gain at %g Hz, feedback %g, mix %g", f, feedback, mix), gainAt(response, f/rate), want, 0.02*max(1, want))
			}
			if mix != 0.5 {
				continue
			}
			for notch := 0.5; notch < 3; notch++ {
				got := dB(gainAt(response, notch/delay))
				if got > -40 {
					t.Errorf("feedback %g: the notch at %.0f Hz is at %.1f dB", feedback, notch/delay*rate, got)
				}
			}
		}
	}
}

// TestFlangerSweep holds the delays to go from 0.3 to 5.3 ms, the right one a quarter
// of a turn behind the left.
func TestFlangerSweep(t *testing.T) {
	t.Parallel()
	for _, rate := range sampleRates {
		for _, depth := range []float64{0.5, 1} {
			const hz = 2.0
			f := NewFlanger(patch.Flanger{Mix: 1, Rate: hz, Depth: depth}, rate)
			left, right := make([]float32, span), make([]float32, span)
			for i := range int(rate / hz / span) {
				run(f, left, right, span)
				turn := float64(i+1) * span * hz / rate
				for side, behind := range []float64{0, 0.25} {
					want := 0.3 + 5*depth*(1-math.Cos(2*math.Pi*(turn-behind)))/2
					near(t, "delay in ms", 1000*float64(f.glides[side].delay)/(1<<32)/rate, want, 0.001)
				}
			}
		}
	}
}

// TestFlangerFeedbackKeepsThePower holds noise to come out as loud with feedback as
// without.
func TestFlangerFeedbackKeepsThePower(t *testing.T) {
	t.Parallel()
	const rate = 48000
	for _, mix := range []float64{0.5, 1} {
		for _, feedback := range []float64{-0.9, -0.5, 0.5, 0.9} {
			left, right := stereoNoise(2*rate, 0.5)
			before := power(left)
			run(NewFlanger(patch.Flanger{Mix: mix, Rate: 0.3, Depth: 0.7, Feedback: feedback}, rate), left, right, maxFrames)
			near(t, fmt.Sprintf("level in dB, mix %g, feedback %g", mix, feedback),
				dB(power(left[rate/4:])/before)/2, dB((1-mix)*(1-mix)+mix*mix)/2, 2)
		}
	}
}

func BenchmarkFlanger(b *testing.B) {
	benchmark(b, NewFlanger(patch.Flanger{Mix: 0.5, Rate: 0.25, Depth: 0.7, Feedback: 0.5}, 48000))
}
