// Package env computes ADSR envelopes in closed form, so that any point of one
// can be asked for without the points before it.
package env

import (
	"math"

	"patchlab/engine/patch"
)

// ADSR is an envelope of one note: it rises from 0 to 1, falls to the sustain
// value, stays there while the note is held and falls to 0 after it. Times are in
// seconds.
type ADSR struct {
	attack, end float64
	parts       [parts]part
	corners     [4]float64
	count       int // of corners
}

// The parts of an envelope, each of which may be empty. Behind the last one it is 0.
const (
	rise = iota
	fall
	hold
	release
	parts
)

// New returns the envelope of a note that is held for gate seconds.
func New(e patch.Envelope, gate float64) ADSR {
	gate = max(0, gate)
	a := ADSR{attack: e.Attack}
	a.parts[rise] = segment(0, e.Attack, 0, 1, e.AttackCurve)
	if e.DecayCurve == 1 {
		a.parts[fall] = exponential(e.Attack, e.Decay, 1, e.Sustain)
		a.parts[fall].until = e.Attack + float64(rest*e.Decay)
	} else {
		a.parts[fall] = segment(e.Attack, e.Decay, 1, e.Sustain, e.DecayCurve)
	}
	a.parts[hold] = part{until: math.Inf(1), base: e.Sustain}
	atGate := a.At(gate)
	for i := range release {
		a.parts[i].until = min(a.parts[i].until, gate)
	}
	if e.ReleaseCurve == 1 {
		a.end = gate + float64(silent*e.Release)
		a.parts[release] = exponential(gate, e.Release, atGate, 0)
		a.parts[release].until = a.end
	} else {
		a.end = gate + e.Release
		a.parts[release] = segment(gate, e.Release, atGate, 0, e.ReleaseCurve)
	}
	a.turn(e, gate)
	return a
}

// turn collects the corners.
func (a *ADSR) turn(e patch.Envelope, gate float64) {
	bottom := math.Inf(1) // the exponential has no end
	if e.DecayCurve != 1 && e.Sustain != 1 {
		bottom = e.Attack + e.Decay
	}
	last := 0.0
	for _, t := range [...]float64{e.Attack, bottom, gate, a.end} {
		if t > last && (t <= gate || t == a.end) {
			a.corners[a.count] = t
			a.count++
			last = t
		}
	}
}

// At returns the value, 0 to 1, t seconds after the start of the note.
func (a *ADSR) At(t float64) float64 {
	if t < 0 {
		return 0
	}
	for i := range a.parts {
		if p := &a.parts[i]; t < p.until {
			return p.at(t)
		}
	}
	return 0
}

// Peak returns when, in seconds, the envelope has risen to 1.
func (a *ADSR) Peak() float64 { return a.attack }

// End returns when, in seconds, the envelope has come to 0.
func (a *ADSR) End() float64 { return a.end }

// Corners returns the moments, in seconds and rising, at which the slope jumps:
// the ends of the attack, of a decay that has one, of the note and of all. Between
// them the envelope is smooth. The caller must not change them.
func (a *ADSR) Corners() []float64 { return a.corners[:a.count] }
