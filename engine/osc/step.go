package osc

import (
	"math"
	"sync"

	"patchlab/engine/dmath"
)

// The shape of the band limit: every jump of a waveform is replaced by the
// integral of a windowed sinc of taps samples (Stilson and Smith, "Alias-free
// digital synthesis of classic analog waveforms", 1996; Brandt, "Hard sync
// without aliasing", 2001, without the minimum phase). The band ends at 0.42 of
// the sample rate; with this window what folds back into the band is more than
// 90 dB down.
const (
	taps     = 32
	half     = taps / 2
	phases   = 512 // points of the table for each sample; between them a straight line
	band     = 0.42
	kaiser   = 9.5
	fineness = 2 // steps of the numerical integration for each point
)

// residuals holds what to add to a naive waveform around a jump or a bend.
type residuals struct {
	step table // of a jump of +1
	ramp table // of a bend of +1 per sample
}

// table has points from half samples before to half after the jump. The moment of
// the jump stands in it twice, at middle with the limit from before and then with
// that from after.
type table [taps*phases + 3]float64

const middle = half * phases

// tables computes the residuals once; they are only read.
//
//nolint:gochecknoglobals // a constant that Go cannot write as one
var tables = sync.OnceValue(func() *residuals {
	const points = taps*phases + 1
	r := new(residuals)
	// The windowed sinc and its integral, by the midpoint rule.
	var integral [points]float64
	sum := 0.0
	for i := 1; i < points; i++ {
		for k := range fineness {
			t := (float64(i-1)+(float64(k)+0.5)/fineness)/phases - half
			sum += impulse(t)
		}
		integral[i] = sum
	}
	for i := range points {
		y := integral[i] / integral[points-1]
		if i <= middle {
			r.step[i] = y
		}
		if i >= middle {
			r.step[i+1] = y - 1
		}
	}
	r.step[points+1] = r.step[points]
	// The residual of a bend is the integral of the residual of a jump.
	sum = 0
	for i := 1; i < len(r.ramp); i++ {
		if i != middle+1 {
			sum += float64((r.step[i-1] + r.step[i]) / (2 * phases))
		}
		r.ramp[i] = sum
	}
	return r
})

// impulse is the sinc of the band, times a Kaiser window of taps samples.
func impulse(t float64) float64 {
	w := dmath.Kaiser(t/half, kaiser)
	if math.Abs(t) < 1e-9 {
		return float64(2 * band * w)
	}
	return float64(dmath.SinTurns(band*t) / float64(dmath.Pi*t) * w)
}

// at reads the table by a straight line between its points. pos is in points.
func (t *table) at(pos float64) float64 {
	i := int(pos)
	f := pos - float64(i)
	return t[i] + float64(f*(t[i+1]-t[i]))
}
