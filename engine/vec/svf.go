package vec

// Section holds the coefficients of a second-order state-variable section by
// trapezoidal integration (A. Simper, "Linear trapezoidal integrated SVF", 2013),
// with the states' new values as the recursion, which makes its chain of dependent
// operations as short as it can be. With a1, a2, a3 of that paper: B1 = 2·a1−1,
// B2 = 2·a2, B3 = 2·a3.
type Section struct{ B1, B2, B3 float64 }

// Response says what a section lets out: In times its input, V1 and V2 times the
// band-pass and low-pass outputs.
type Response struct{ In, V1, V2 float64 }

// State is that of the sections of a left and a right channel.
type State struct{ S1, S2 [2]float64 }

// svfPlain filters left and, unless it is nil, right in place through one section.
// The coefficients go in a straight line from one end to the other; every system on
// the way is stable, since each of the two is a contraction.
func svfPlain(left, right []float32, s *State, from, to Section, r Response) {
	if len(left) == 0 {
		return
	}
	n := 1 / float64(len(left))
	d := Section{float64((to.B1 - from.B1) * n), float64((to.B2 - from.B2) * n), float64((to.B3 - from.B3) * n)}
	h1, h2 := float64(0.5*r.V1), float64(0.5*r.V2)
	p1, p2 := s.S1[0], s.S2[0]
	c := from
	if right == nil {
		for i, x := range left {
			c.B1 += d.B1
			c.B2 += d.B2
			c.B3 += d.B3
			v := float64(x)
			v3 := v - p2
			n1 := float64(c.B1*p1) + float64(c.B2*v3)
			n2 := (p2 + float64(c.B2*p1)) + float64(c.B3*v3)
			left[i] = float32(float64(r.In*v) + (float64(h1*(p1+n1)) + float64(h2*(p2+n2))))
			p1, p2 = n1, n2
		}
		s.S1[0], s.S2[0] = quiet(p1), quiet(p2)
		return
	}
	right = right[:len(left)]
	q1, q2 := s.S1[1], s.S2[1]
	for i, x := range left {
		c.B1 += d.B1
		c.B2 += d.B2
		c.B3 += d.B3
		v, w := float64(x), float64(right[i])
		v3, w3 := v-p2, w-q2
		n1 := float64(c.B1*p1) + float64(c.B2*v3)
		k1 := float64(c.B1*q1) + float64(c.B2*w3)
		n2 := (p2 + float64(c.B2*p1)) + float64(c.B3*v3)
		k2 := (q2 + float64(c.B2*q1)) + float64(c.B3*w3)
		left[i] = float32(float64(r.In*v) + (float64(h1*(p1+n1)) + float64(h2*(p2+n2))))
		right[i] = float32(float64(r.In*w) + (float64(h1*(q1+k1)) + float64(h2*(q2+k2))))
		p1, p2, q1, q2 = n1, n2, k1, k2
	}
	s.S1, s.S2 = [2]float64{quiet(p1), quiet(q1)}, [2]float64{quiet(p2), quiet(q2)}
}

// quiet flushes what is too small to hear, so that tails do not run into
// denormal numbers, and what is not a number.
func quiet(x float64) float64 {
	if x > -1e-30 && x < 1e-30 || x != x {
		return 0
	}
	return x
}
