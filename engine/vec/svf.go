package vec

// Quad holds a number for each of four lanes: the left and the right channel of a first
// section, and those of a second in a row with it, which takes each frame one frame
// late.
type Quad [4]float64

// Both returns a Quad of a number for the first section and one for the second.
func Both(first, second float64) Quad { return Quad{first, first, second, second} }

// Sections holds the coefficients of second-order state-variable sections by
// trapezoidal integration (A. Simper, "Linear trapezoidal integrated SVF", 2013), with
// the states' new values as the recursion, which makes its chain of dependent
// operations as short as it can be. With a1, a2, a3 of that paper: B1 = 2·a1−1,
// B2 = 2·a2, B3 = 2·a3.
type Sections struct{ B1, B2, B3 Quad }

// Response says what sections let out: In times their input, half of V1 and V2 times
// the sums of their states before and after a frame, which are twice their band-pass
// and low-pass outputs.
type Response struct {
	In, HalfV1, HalfV2 Quad
	low                bool // In and HalfV1 are 0 and HalfV2 a half: there are shorter loops
}

// LowPass returns the Response of low-passes.
func LowPass() Response { return Response{HalfV2: Both(0.5, 0.5), low: true} }

// State is that of the sections; Between is what the first let out last, which the
// second takes next.
type State struct{ S1, S2, Between Quad }

// svfPlain filters left and, unless it is nil, right in place through the first
// section, or through both where two is true. The coefficients change by d before each
// frame; c stays where it is.
func svfPlain(left, right []float32, s *State, c, d *Sections, r *Response, two bool) {
	if two && right != nil && r.low {
		svfLowBoth(left, right, s, c, d)
		s.settle()
		return
	}
	for side, block := range [2][]float32{left, right} {
		switch {
		case block == nil:
		case two && r.low:
			svfLow(block, side, s, c, d)
		case two:
			svfTwo(block, side, s, c, d, r)
		default:
			svfOne(block, side, s, c, d, r)
		}
	}
	s.settle()
}

func svfOne(block []float32, k int, s *State, c, d *Sections, r *Response) {
	b1, b2, b3, d1, d2, d3 := c.B1[k], c.B2[k], c.B3[k], d.B1[k], d.B2[k], d.B3[k]
	in, h1, h2 := r.In[k], r.HalfV1[k], r.HalfV2[k]
	p1, p2 := s.S1[k], s.S2[k]
	for i, v := range block {
		b1 += d1
		b2 += d2
		b3 += d3
		x := float64(v)
		v3 := x - p2
		n1 := float64(b1*p1) + float64(b2*v3)
		n2 := (p2 + float64(b2*p1)) + float64(b3*v3)
		block[i] = float32(float64(in*x) + (float64(h1*(p1+n1)) + float64(h2*(p2+n2))))
		p1, p2 = n1, n2
	}
	s.S1[k], s.S2[k] = p1, p2
}

func svfTwo(block []float32, k int, s *State, c, d *Sections, r *Response) {
	b1, b2, b3, d1, d2, d3 := c.B1[k], c.B2[k], c.B3[k], d.B1[k], d.B2[k], d.B3[k]
	e1, e2, e3, f1, f2, f3 := c.B1[k+2], c.B2[k+2], c.B3[k+2], d.B1[k+2], d.B2[k+2], d.B3[k+2]
	p1, p2, q1, q2, y := s.S1[k], s.S2[k], s.S1[k+2], s.S2[k+2], s.Between[k]
	for i, v := range block {
		b1 += d1
		b2 += d2
		b3 += d3
		e1 += f1
		e2 += f2
		e3 += f3
		x := float64(v)
		v3, w3 := x-p2, y-q2
		n1, m1 := float64(b1*p1)+float64(b2*v3), float64(e1*q1)+float64(e2*w3)
		n2, m2 := (p2+float64(b2*p1))+float64(b3*v3), (q2+float64(e2*q1))+float64(e3*w3)
		block[i] = float32(float64(r.In[k+2]*y) + (float64(r.HalfV1[k+2]*(q1+m1)) + float64(r.HalfV2[k+2]*(q2+m2))))
		y = float64(r.In[k]*x) + (float64(r.HalfV1[k]*(p1+n1)) + float64(r.HalfV2[k]*(p2+n2)))
		p1, p2, q1, q2 = n1, n2, m1, m2
	}
	s.S1[k], s.S2[k], s.S1[k+2], s.S2[k+2], s.Between[k] = p1, p2, q1, q2, y
}

// svfLow is svfTwo for two low-passes. What is between them is twice as high.
func svfLow(block []float32, k int, s *State, c, d *Sections) {
	b1, b2, b3, d1, d2, d3 := c.B1[k], c.B2[k], c.B3[k], d.B1[k], d.B2[k], d.B3[k]
	e1, e2, e3, f1, f2, f3 := c.B1[k+2], c.B2[k+2], c.B3[k+2], d.B1[k+2], d.B2[k+2], d.B3[k+2]
	p1, p2, q1, q2, y := s.S1[k], s.S2[k], s.S1[k+2], s.S2[k+2], s.Between[k]
	for i, v := range block {
		b1 += d1
		b2 += d2
		b3 += d3
		e1 += f1
		e2 += f2
		e3 += f3
		v3, w3 := float64(v)-p2, y-q2
		n1, m1 := float64(b1*p1)+float64(b2*v3), float64(e1*q1)+float64(e2*w3)
		n2, m2 := (p2+float64(b2*p1))+float64(b3*v3), (q2+float64(e2*q1))+float64(e3*w3)
		block[i] = float32(0.25 * (q2 + m2))
		y = p2 + n2
		p1, p2, q1, q2 = n1, n2, m1, m2
	}
	s.S1[k], s.S2[k], s.S1[k+2], s.S2[k+2], s.Between[k] = p1, p2, q1, q2, y
}

// svfLowBoth is svfLow of both sides, which need not wait for each other: a section at a
// time, since the numbers of two do not fit into the registers.
func svfLowBoth(left, right []float32, s *State, c, d *Sections) {
	var b between
	b[0][0], b[1][0] = s.Between[0], s.Between[1]
	at := *c
	for len(left) > 0 {
		n := min(len(left), betweenFrames)
		svfFirstLow(left[:n], right[:n], &b, s, &at, d)
		svfSecondLow(left[:n], right[:n], &b, s, &at, d)
		b[0][0], b[1][0] = b[0][n], b[1][n]
		left, right = left[n:], right[n:]
	}
	s.Between[0], s.Between[1] = b[0][0], b[1][0]
}

// between is what the first section let out on either side: of the frame before, and of
// those to come.
type between [2][1 + betweenFrames]float64

const betweenFrames = 32

func svfFirstLow(left, right []float32, to *between, s *State, c, d *Sections) {
	b1, b2, b3, d1, d2, d3 := c.B1[0], c.B2[0], c.B3[0], d.B1[0], d.B2[0], d.B3[0]
	p1, p2, r1, r2 := s.S1[0], s.S2[0], s.S1[1], s.S2[1]
	right = right[:len(left)]
	for i, v := range left {
		b1 += d1
		b2 += d2
		b3 += d3
		k := i % betweenFrames
		x := float64(v) - p2
		n := (p2 + float64(b2*p1)) + float64(b3*x)
		p1 = float64(b1*p1) + float64(b2*x)
		to[0][1+k] = p2 + n
		p2 = n
		x = float64(right[i]) - r2
		n = (r2 + float64(b2*r1)) + float64(b3*x)
		r1 = float64(b1*r1) + float64(b2*x)
		to[1][1+k] = r2 + n
		r2 = n
	}
	s.S1[0], s.S2[0], s.S1[1], s.S2[1] = p1, p2, r1, r2
	c.B1[0], c.B2[0], c.B3[0] = b1, b2, b3
}

func svfSecondLow(left, right []float32, from *between, s *State, c, d *Sections) {
	b1, b2, b3, d1, d2, d3 := c.B1[2], c.B2[2], c.B3[2], d.B1[2], d.B2[2], d.B3[2]
	p1, p2, r1, r2 := s.S1[2], s.S2[2], s.S1[3], s.S2[3]
	right = right[:len(left)]
	for i := range left {
		b1 += d1
		b2 += d2
		b3 += d3
		k := i % betweenFrames
		x := from[0][k] - p2
		n := (p2 + float64(b2*p1)) + float64(b3*x)
		p1 = float64(b1*p1) + float64(b2*x)
		left[i] = float32(0.25 * (p2 + n))
		p2 = n
		x = from[1][k] - r2
		n = (r2 + float64(b2*r1)) + float64(b3*x)
		r1 = float64(b1*r1) + float64(b2*x)
		right[i] = float32(0.25 * (r2 + n))
		r2 = n
	}
	s.S1[2], s.S2[2], s.S1[3], s.S2[3] = p1, p2, r1, r2
	c.B1[2], c.B2[2], c.B3[2] = b1, b2, b3
}

// settle flushes what is too small to hear, so that tails do not run into denormal
// numbers, and what is not a number.
func (s *State) settle() {
	for i := range s.S1 {
		s.S1[i], s.S2[i] = quiet(s.S1[i]), quiet(s.S2[i])
	}
}

func quiet(x float64) float64 {
	if x > -1e-30 && x < 1e-30 || x != x {
		return 0
	}
	return x
}
