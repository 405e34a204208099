// Package env computes ADSR envelopes in closed form, so that any point of one
// can be asked for without the points before it.
package env

import (
	"patchlab/engine/dmath"
	"patchlab/engine/patch"
)

// octaves60dB is 60 dB in octaves of gain, log2(1000).
const octaves60dB = 9.965784284662087

// ADSR is an envelope of one note: a straight rise to 1, an exponential fall by
// 60 dB towards the sustain value, and an exponential fall by 60 dB after the
// note. Times are in seconds.
type ADSR struct {
	attack, decay, sustain, release float64
	gate                            float64 // when the note ends
	atGate                          float64 // value then
}

// New returns the envelope of a note that is held for gate seconds.
func New(e patch.Envelope, gate float64) ADSR {
	a := ADSR{attack: e.Attack, decay: e.Decay, sustain: e.Sustain, release: e.Release, gate: gate}
	a.atGate = a.held(gate)
	return a
}

// At returns the value, 0 to 1, t seconds after the start of the note.
func (a *ADSR) At(t float64) float64 {
	switch {
	case t < 0:
		return 0
	case t < a.gate:
		return a.held(t)
	case a.atGate == 0 || t >= a.End():
		return 0 // 90 dB down
	default:
		return float64(a.atGate * fall(t-a.gate, a.release))
	}
}

// Peak returns when, in seconds, the envelope has risen to 1.
func (a *ADSR) Peak() float64 { return a.attack }

// End returns when, in seconds, the envelope has come to 0.
func (a *ADSR) End() float64 { return a.gate + float64(1.5*a.release) }

// held returns the value of a note that does not end.
func (a *ADSR) held(t float64) float64 {
	if t < a.attack {
		return t / a.attack
	}
	return a.sustain + float64((1-a.sustain)*fall(t-a.attack, a.decay))
}

// fall returns the exponential from 1 at 0 that is 60 dB down after the time t60.
func fall(t, t60 float64) float64 {
	if t60 <= 0 {
		return 0
	}
	return dmath.Exp2(float64(-octaves60dB * (t / t60)))
}
