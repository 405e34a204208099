package filter

import "math"

// edge is the resonance at which a ladder comes to the edge of oscillation, and margin
// how far from it it stays: with a Q of 2000, it rings for 4400 periods and falls
// silent.
const (
	edge   = 20
	margin = 0.00025
)

// resonance returns the feedback of a ladder, and how much higher the g of its stages
// must be for the filter to resonate at its cutoff. The poles of a ladder are at
// −1 + r·(±1 ± j)/√2, where r⁴ is the feedback. With d = 1 − r/√2 the nearest two have
// the frequency √(1 − 2d + 2d²), and Q = √(1 − 2d + 2d²)/2d, so d = 1/(1 + √(4Q² − 1)).
// This d is stretched so that it comes to the margin at the edge.
func resonance(q float64) (feedback, tune float64) {
	damping := func(q float64) float64 { return 1 / (1 + math.Sqrt(float64(4*float64(q*q))-1)) }
	least := damping(edge)
	d := (damping(max(0.5, min(edge, q))) - least) / (1 - least)
	d = margin + float64((1-margin)*d)
	r := float64((1 - d) * (1 - d))
	return float64(4 * float64(r*r)), 1 / math.Sqrt(1-float64(2*d)+float64(2*float64(d*d)))
}

// The saturation is u − 2u³/3m² + u⁵/5m⁴ up to m = 15/8, where it comes to 1 without a
// bend. What stays below m gets no harmonics but the third and the fifth.
const (
	satMost = 15.0 / 8
	sat3    = -2 / (3 * satMost * satMost)
	sat5    = 1 / (5 * satMost * satMost * satMost * satMost)
)

// saturateQuarter returns a quarter of the saturation of u.
func saturateQuarter(u float64) float64 {
	y := float64(u * u)
	if y < satMost*satMost {
		return float64(u * (1.0/4 + float64(y*(sat3/4+float64(sat5/4*y)))))
	}
	if u > 0 {
		return 1.0 / 4
	}
	return -1.0 / 4
}

// saturateHalf returns half of the saturation of u/2.
func saturateHalf(u float64) float64 {
	y := float64(u * u)
	if y < 4*satMost*satMost {
		return float64(u * (1.0/4 + float64(y*(sat3/16+float64(sat5/64*y)))))
	}
	if u > 0 {
		return 1.0 / 2
	}
	return -1.0 / 2
}

// trapezoid sends x through a one-pole low-pass in the state s. It returns what comes
// out, and the next state, which is what comes out where x is a mean over the time
// from the sample before.
func trapezoid(h, x, s float64) (y, next float64) {
	v := float64(h * (x - s))
	y = s + v
	return y, y + v
}

// rungs holds the coefficients of a ladder. What it feeds back, k·y, is divided by
// 1 + k·h⁴, which solves for the share of it that depends on the input of the same
// moment, as far as the saturation is straight.
type rungs struct {
	h    float64    // g/(1+g), with g = tan(π·cutoff/rate)
	gain float64    // 1/(1 + k·h⁴)
	q    float64    // of a quarter of the last output of the saturation, on what is fed back
	w    float64    // of the last input of the first stage
	s    [4]float64 // of the states of the stages before it
}

func newRungs(h, k float64) rungs {
	a, p, d := 1-h, 1-float64(2*h), float64(2*h)
	h2, h3 := float64(h*h), float64(h*float64(h*h))
	r := rungs{h: h, gain: 1 / (1 + float64(k*float64(h2*h2)))}
	k = float64(k * r.gain)
	r.q = float64(float64(4*k) * float64(h2*h2))
	// How the output, but for the share of its own moment's input, depends on the
	// states: y = h³·p·s1 + h²·a·s2 + h·a·s3 + a·s4, times k.
	ka := float64(k * a)
	s1, s2, s3, s4 := float64(k*float64(h3*p)), float64(ka*h2), float64(ka*h), ka
	// The states are those after w has gone through the stages, as trapezoid does.
	first := s1 + float64(d*(s2+float64(h*s3)+float64(h2*s4)))
	r.w = float64(d * first)
	r.s = [4]float64{
		float64(p * first),
		float64(p*s2) + float64(float64(d*a)*(s3+float64(h*s4))),
		float64(p*s3) + float64(float64(d*a)*s4),
		float64(p * s4),
	}
	return r
}

// feed returns what the stages feed back next, of their states and the w that goes
// into the first.
func (r *rungs) feed(s1, s2, s3, s4, w float64) float64 {
	return (float64(r.s[0]*s1) + float64(r.s[1]*s2)) + (float64(r.s[2]*s3) + float64(r.s[3]*s4)) + float64(r.w*w)
}

// to returns what to add n times to r to come to end.
func (r *rungs) to(end *rungs, n int) rungs {
	f := 1 / float64(n)
	step := rungs{h: float64((end.h - r.h) * f), gain: float64((end.gain - r.gain) * f), q: float64((end.q - r.q) * f), w: float64((end.w - r.w) * f)}
	for i := range step.s {
		step.s[i] = float64((end.s[i] - r.s[i]) * f)
	}
	return step
}

// add adds a step; the gain is not used on the way.
func (r *rungs) add(step *rungs) {
	r.h += step.h
	r.q += step.q
	r.w += step.w
	r.s[0] += step.s[0]
	r.s[1] += step.s[1]
	r.s[2] += step.s[2]
	r.s[3] += step.s[3]
}
