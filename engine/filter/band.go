package filter

import "patchlab/engine/dmath"

// band holds the coefficients of a second-order band-pass by trapezoidal integration
// (A. Simper, "Linear trapezoidal integrated SVF", 2013), for the form of vec.Section.
type band struct {
	b1, b2, b3 float64
	gain       float64 // of the sum of the first state before and after a sample
}

// newBand returns a band-pass with its middle at a frequency in turns a sample, k = 1/Q
// and a gain in the middle.
func newBand(turns, k, gain float64) band {
	g := dmath.TanTurns(float64(0.5 * turns))
	a1 := 1 / (1 + float64(g*(g+k)))
	a2 := float64(g * a1)
	return band{b1: float64(2*a1) - 1, b2: float64(2 * a2), b3: float64(float64(2*g) * a2), gain: float64(float64(0.5*k) * gain)}
}

// to returns what to add n times to b to come to end.
func (b *band) to(end *band, n int) band {
	f := 1 / float64(n)
	return band{float64((end.b1 - b.b1) * f), float64((end.b2 - b.b2) * f), float64((end.b3 - b.b3) * f), float64((end.gain - b.gain) * f)}
}

// resonator is the state of a band-pass.
type resonator struct{ s1, s2 float64 }

// add adds to sum what the band-pass makes of x, while its coefficients change by step
// before each frame.
func (r *resonator) add(sum []float64, x []float32, c, step band) {
	s1, s2 := r.s1, r.s2
	sum = sum[:len(x)]
	for i, v := range x {
		c.b1 += step.b1
		c.b2 += step.b2
		c.b3 += step.b3
		c.gain += step.gain
		d := float64(v) - s2
		n1 := float64(c.b1*s1) + float64(c.b2*d)
		s2 = (s2 + float64(c.b2*s1)) + float64(c.b3*d)
		sum[i] += float64(c.gain * (s1 + n1))
		s1 = n1
	}
	r.s1, r.s2 = settle(s1), settle(s2)
}

// addBoth does the same for two sides at once.
func addBoth(r, t *resonator, left, right []float64, x, y []float32, c, step band) {
	s1, s2, t1, t2 := r.s1, r.s2, t.s1, t.s2
	y, left, right = y[:len(x)], left[:len(x)], right[:len(x)]
	for i, v := range x {
		c.b1 += step.b1
		c.b2 += step.b2
		c.b3 += step.b3
		c.gain += step.gain
		d, e := float64(v)-s2, float64(y[i])-t2
		n1 := float64(c.b1*s1) + float64(c.b2*d)
		m1 := float64(c.b1*t1) + float64(c.b2*e)
		s2 = (s2 + float64(c.b2*s1)) + float64(c.b3*d)
		t2 = (t2 + float64(c.b2*t1)) + float64(c.b3*e)
		left[i] += float64(c.gain * (s1 + n1))
		right[i] += float64(c.gain * (t1 + m1))
		s1, t1 = n1, m1
	}
	r.s1, r.s2, t.s1, t.s2 = settle(s1), settle(s2), settle(t1), settle(t2)
}
