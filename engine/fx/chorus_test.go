package fx

import (
	"math"
	"testing"

	"patchlab/engine/patch"
)

// TestChorusCopies looks for the copies of a click: three a side, where they should
// be, and nothing else.
func TestChorusCopies(t *testing.T) {
	t.Parallel()
	const rate = 48000
	left, right := impulse(NewChorus(patch.Chorus{Mix: 1, Rate: 1, Depth: 0}, rate), 2000)
	for side, x := range [][]float32{left, right} {
		rest := append([]float32(nil), x...)
		for _, ms := range chorusCentres[side] {
			at := ms / 1000 * rate
			first := int(at) - 5
			sum, moment := 0.0, 0.0
			for i := first; i < first+12; i++ {
				sum += float64(x[i])
				moment += float64(x[i]) * float64(i)
				rest[i] = 0
			}
			near(t, "gain of a copy", sum, 1/math.Sqrt(3), 1e-4)
			near(t, "its time in frames", moment/sum, at, 0.01)
		}
		if p := power(rest); p != 0 {
			t.Errorf("side %d: something else: %g", side, p)
		}
	}
}

// TestChorusDepth follows the copy that moves furthest: with a depth of 1 each goes
// 8 ms from end to end, the two sides in opposite directions.
func TestChorusDepth(t *testing.T) {
	t.Parallel()
	const rate, hz = 48000, 2.0
	for _, depth := range []float64{0.25, 1} {
		c := NewChorus(patch.Chorus{Mix: 1, Rate: hz, Depth: depth}, rate)
		left, right := make([]float32, span), make([]float32, span)
		var low, high [2]float64
		low[0], low[1] = 1, 1
		for range int(rate / hz / span) {
			run(c, left, right, span)
			for side := range low {
				at := float64(c.glides[side][0].delay) / (1 << 32) / rate
				low[side], high[side] = min(low[side], at), max(high[side], at)
			}
			a := float64(c.glides[0][1].delay)/(1<<32)/rate - chorusCentres[0][1]/1000
			b := float64(c.glides[1][1].delay)/(1<<32)/rate - chorusCentres[1][1]/1000
			near(t, "sum of the sides' ways", a+b, 0, 1e-6)
		}
		for side := range low {
			near(t, "way in ms", 1000*(high[side]-low[side]), 8*depth, 0.02)
			near(t, "its middle in ms", 500*(high[side]+low[side]), chorusCentres[side][0], 0.02)
		}
	}
}

// TestChorusKeepsTheLevel holds the copies to be as loud as what they copy, and a mix
// to be a share of both.
func TestChorusKeepsTheLevel(t *testing.T) {
	t.Parallel()
	const rate = 48000
	for _, mix := range []float64{0.2, 0.5, 1} {
		left, right := stereoNoise(2*rate, 0.5)
		before := power(left)
		run(NewChorus(patch.Chorus{Mix: mix, Rate: 0.7, Depth: 0.5}, rate), left, right, maxFrames)
		// The interpolation takes what is above 16 kHz: a sixth of white noise at most.
		near(t, "level in dB", dB(power(left[rate:])/before)/2, dB((1-mix)*(1-mix)+mix*mix)/2, 0.5*mix+0.1)
	}
}

func BenchmarkChorus(b *testing.B) {
	benchmark(b, NewChorus(patch.Chorus{Mix: 0.5, Rate: 0.8, Depth: 0.5}, 48000))
}
