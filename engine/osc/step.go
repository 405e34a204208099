package osc

import (
	"math"
	"sync"

	"patchlab/engine/dmath"
	"patchlab/engine/vec"
)

// The shape of the band limit: every jump of a waveform is replaced by the
// integral of a windowed sinc of taps samples (Stilson and Smith, "Alias-free
// digital synthesis of classic analog waveforms", 1996; Brandt, "Hard sync
// without aliasing", 2001, without the minimum phase), every bend by the integral
// of that (Välimäki, Pekonen and Nam, "Perceptually informed synthesis of
// bandlimited classical waveforms using integrated polynomial interpolation",
// 2012). The band ends, at −6 dB, at 0.435 of the sample rate.
const (
	taps     = vec.Taps
	half     = taps / 2
	phases   = 256 // rows of a table: moments between two frames; between them a straight line
	band     = 0.435
	kaiser   = 8.5
	fineness = 2 // steps of the numerical integration for each row
)

// residuals holds what to add to a naive waveform around a jump or a bend.
type residuals struct {
	step table // of a jump of +1
	ramp table // of a bend of +1 per frame
}

// table has a row for each moment between two frames: row r, tap k is the residual
// k−half frames after the first frame that follows the event, which happened
// r/phases of a frame before it.
type table [phases + 1][taps]float32

// tables computes the residuals once; they are only read.
//
//nolint:gochecknoglobals // a constant that Go cannot write as one
var tables = sync.OnceValue(func() *residuals {
	const points = taps*phases + 1
	r := new(residuals)
	// The windowed sinc and its integrals, by the midpoint and trapezium rules. The
	// moment of the jump has the limit from before in step, and the one from after
	// is a whole jump lower.
	step := make([]float64, points)
	sum := 0.0
	for i := 1; i < points; i++ {
		for k := range fineness {
			at := float64(i-1) + float64((float64(k)+0.5)/fineness)
			sum += impulse(float64(at/phases) - half)
		}
		step[i] = sum
	}
	for i := range step {
		step[i] /= sum
	}
	ramp := make([]float64, points)
	for i := 1; i < points; i++ {
		before, after := step[i-1], step[i]
		if i > half*phases { // behind the jump
			before, after = before-1, after-1
		}
		ramp[i] = ramp[i-1] + float64((before+after)/(2*phases))
	}
	for row := range r.step {
		for k := range taps {
			i := k*phases + row
			jump := step[i]
			if k >= half { // frames behind the event
				jump--
			}
			r.step[row][k], r.ramp[row][k] = float32(jump), float32(ramp[i])
		}
	}
	return r
})

// impulse is the sinc of the band, times a Kaiser window of taps frames.
func impulse(t float64) float64 {
	w := dmath.Kaiser(t/half, kaiser)
	if math.Abs(t) < 1e-9 {
		return float64(2 * band * w)
	}
	return float64(dmath.SinTurns(float64(band*t)) / float64(dmath.Pi*t) * w)
}

// rows returns the two rows between which an event ago frames (0 to 1) before a
// frame lies, and how far it is from the first to the second.
func (t *table) rows(ago float64) (a, b *[taps]float32, f float32) {
	pos := float64(ago * phases)
	row := max(0, min(phases-1, int(pos)))
	return &t[row], &t[row+1], float32(pos - float64(row))
}
