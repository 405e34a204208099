package filter

import (
	"patchlab/engine/dmath"
	"patchlab/engine/patch"
)

// Ladder is a low-pass of four equal one-pole stages in a row, whose output is fed
// back to the input, where a saturation bounds what goes in (R. A. Moog, "A voltage-
// controlled low-pass high-pass filter for audio signal processing", 1965; the
// saturation of the first stage, where the signal is largest, stands for those of
// all).
//
// It runs at twice the sample rate, by trapezoidal integration with zero-delay
// feedback (Zavalishin, "The Art of VA Filter Design"). What goes into the first stage
// is the mean of the saturation over the way from each sample to the next, which the
// trapezoidal rule would make of its two ends: so a filter at low level is exactly
// linear, and the edges that a strong drive makes are smooth (in the manner of
// Holters, "Antiderivative antialiasing for stateful systems", 2019).
type Ladder struct {
	rate float64 // of the stages, Hz
	k    float64 // feedback
	tune float64 // g of the stages to that of the filter
	gain float64 // into the saturation
	out  float64 // behind the stages
	fine bool    // whether the mean takes the middle of the way too

	cutoff   float64 // where the last call ended, Hz
	rungs    rungs   // there
	channels [2]channel
	buffer   [2][2 * stretch]float64
}

// headroom is the level at which the saturation ends without drive; 1 is full scale.
const headroom = 2

// leastFine is the drive in dB up to which no edge is so steep that it needs more than
// the ends of a way: aliases of a full-scale sine of 2.5 kHz are below −90 dB.
const leastFine = 12

// NewLadder returns a filter with p's resonance and drive, or nil where p is of
// another type. The level is made up by half of the drive, so that more drive is
// denser rather than just louder, and by half of what the feedback takes from all but
// the resonance.
func NewLadder(p patch.Filter, rate float64) *Ladder {
	if p.Type != "ladder" {
		return nil
	}
	k, tune := resonance(p.Resonance)
	return &Ladder{
		rate: float64(2 * rate), k: k, tune: tune, fine: p.Drive > leastFine,
		gain: dmath.Gain(p.Drive) / headroom,
		out:  float64(headroom * float64(dmath.Gain(-p.Drive/2)*(1+float64(0.5*k)))),
	}
}

// Process filters up to 32 frames of left and, unless it is nil, right in place, while
// the cutoff goes from one point to the other.
func (l *Ladder) Process(left, right []float32, from, to Point) {
	n := len(left)
	if n == 0 {
		return
	}
	if from.Cutoff != l.cutoff {
		l.rungs = l.at(from.Cutoff)
	}
	c := l.rungs
	if to.Cutoff != from.Cutoff {
		l.rungs = l.at(to.Cutoff)
	}
	l.cutoff = to.Cutoff
	step := c.to(&l.rungs, n)
	gain, rise := float64(l.gain*c.gain), float64(l.gain*step.gain)
	a, x := &l.channels[0], l.buffer[0][:2*n]
	a.up.double(x, left, gain, rise)
	if right == nil {
		a.climb(x, c, step, l.fine)
		a.down.halve(left, x, l.out)
		return
	}
	right = right[:n]
	b, y := &l.channels[1], l.buffer[1][:2*n]
	b.up.double(y, right, gain, rise)
	climbBoth(a, b, x, y, c, step, l.fine)
	a.down.halve(left, x, l.out)
	b.down.halve(right, y, l.out)
}

// at returns the coefficients for a cutoff in Hz.
func (l *Ladder) at(cutoff float64) rungs {
	turns := max(5/l.rate, min(0.245, cutoff/l.rate))
	g := float64(l.tune * dmath.TanTurns(float64(0.5*turns)))
	return newRungs(g/(1+g), l.k)
}

// channel is the state of a side.
type channel struct {
	up, down       halfBand
	s1, s2, s3, s4 float64 // of the stages
	u, q           float64 // what went into the saturation, and a quarter of what came out
	fed            float64 // what the stages feed back next
}

// climb sends one side through the saturation and the stages. The coefficients change
// by step before each frame, of two samples.
func (s *channel) climb(block []float64, c, step rungs, fine bool) {
	a1, a2, a3, a4 := s.s1, s.s2, s.s3, s.s4
	ua, qa, fa := s.u, s.q, s.fed
	moving := step != rungs{}
	for i, x := range block {
		if moving && i&1 == 0 {
			c.add(&step)
		}
		u := (x - float64(c.q*qa)) - fa
		q := saturateQuarter(u)
		w := qa + q
		if fine {
			w += saturateHalf(ua + u)
		} else {
			w += w
		}
		ua, qa = u, q
		fa = c.feed(a1, a2, a3, a4, w)
		_, a1 = trapezoid(c.h, w, a1)
		w, a2 = trapezoid(c.h, a1, a2)
		w, a3 = trapezoid(c.h, w, a3)
		block[i], a4 = trapezoid(c.h, w, a4)
	}
	s.s1, s.s2, s.s3, s.s4 = settle(a1), settle(a2), settle(a3), settle(a4)
	s.u, s.q, s.fed = settle(ua), settle(qa), settle(fa)
}

// climbBoth does the same for two sides at once: the operations of one wait for each
// other, but not for those of the other.
func climbBoth(s, t *channel, left, right []float64, c, step rungs, fine bool) {
	a1, a2, a3, a4 := s.s1, s.s2, s.s3, s.s4
	b1, b2, b3, b4 := t.s1, t.s2, t.s3, t.s4
	ua, qa, fa := s.u, s.q, s.fed
	ub, qb, fb := t.u, t.q, t.fed
	moving := step != rungs{}
	right = right[:len(left)]
	for i, x := range left {
		if moving && i&1 == 0 {
			c.add(&step)
		}
		u := (x - float64(c.q*qa)) - fa
		v := (right[i] - float64(c.q*qb)) - fb
		q, r := saturateQuarter(u), saturateQuarter(v)
		w, z := qa+q, qb+r
		if fine {
			w += saturateHalf(ua + u)
			z += saturateHalf(ub + v)
		} else {
			w += w
			z += z
		}
		ua, ub, qa, qb = u, v, q, r
		fa = c.feed(a1, a2, a3, a4, w)
		fb = c.feed(b1, b2, b3, b4, z)
		_, a1 = trapezoid(c.h, w, a1)
		_, b1 = trapezoid(c.h, z, b1)
		w, a2 = trapezoid(c.h, a1, a2)
		z, b2 = trapezoid(c.h, b1, b2)
		w, a3 = trapezoid(c.h, w, a3)
		z, b3 = trapezoid(c.h, z, b3)
		left[i], a4 = trapezoid(c.h, w, a4)
		right[i], b4 = trapezoid(c.h, z, b4)
	}
	s.s1, s.s2, s.s3, s.s4 = settle(a1), settle(a2), settle(a3), settle(a4)
	t.s1, t.s2, t.s3, t.s4 = settle(b1), settle(b2), settle(b3), settle(b4)
	s.u, s.q, s.fed = settle(ua), settle(qa), settle(fa)
	t.u, t.q, t.fed = settle(ub), settle(qb), settle(fb)
}
