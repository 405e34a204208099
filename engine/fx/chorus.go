package fx

import (
	"math"

	"patchlab/engine/patch"
)

// Chorus is three moving copies of each side. The copies of a side move a third of
// a turn apart, so that together they neither rise nor fall, and those of the other
// side in the opposite direction; the delays in the middle differ too, with the
// same mean on both sides.
//
// The mix is dry·(1−mix) + wet·mix: at 0.5 the copies are as loud as what they copy,
// at 1 they are alone.
type Chorus struct {
	dry, wet float32
	swing    swing
	amount   float64 // half of the way of a copy, in frames
	centres  [2][copies]float64
	lines    [2]line
	glides   [2][copies]glide
	offsets  [copies]float64 // of the copies on the left, −1 to 1, where the next span starts
	frame    int             // of span
	sum      [2][maxFrames]float32
}

const copies = 3

// Delays of the copies in the middle of their way, in ms, left and right; and how
// far they move at a depth of 1, in seconds from end to end.
//
//nolint:gochecknoglobals // a constant that Go cannot write as one
var chorusCentres = [2][copies]float64{{7.1, 11.9, 14}, {8.2, 10.1, 14.7}}

const (
	chorusWay     = 0.008
	chorusLongest = 0.0147 + chorusWay/2
)

// NewChorus returns a chorus, nil where its mix is 0.
func NewChorus(p patch.Chorus, rate float64) *Chorus {
	if p.Mix <= 0 {
		return nil
	}
	c := &Chorus{
		dry:    float32(1 - p.Mix),
		wet:    float32(p.Mix / math.Sqrt(copies)), // the copies share little, so their powers add up
		swing:  newSwing(p.Rate, rate, span/2),
		amount: float64(0.5 * chorusWay * float64(p.Depth*rate)),
	}
	for side := range c.lines {
		c.lines[side] = newLine(math.Ceil(float64(chorusLongest * rate)))
		for k, ms := range chorusCentres[side] {
			c.centres[side][k] = float64(0.001 * float64(ms*rate))
		}
	}
	c.offsets = offsets(&c.swing)
	return c
}

// offsets returns where the copies on the left are, and goes a step on.
func offsets(s *swing) [copies]float64 {
	const sin120 = 0.8660254037844386
	sin, cos := s.next()
	a, b := float64(-0.5*sin), float64(sin120*cos)
	return [copies]float64{sin, a + b, a - b}
}

// Tail returns how long the last copy comes after its original, in seconds.
func (c *Chorus) Tail() float64 { return chorusLongest }

// Process mixes the copies into left and right, of at most 256 frames, in place.
func (c *Chorus) Process(left, right []float32) {
	total := len(left)
	c.lines[0].push(left)
	c.lines[1].push(right)
	clear(c.sum[0][:total])
	clear(c.sum[1][:total])
	for from := 0; from < total; {
		if c.frame == 0 {
			c.move()
		}
		to := min(total, from+span-c.frame)
		for k := range copies {
			c.lines[0].add(c.sum[0][from:to], &c.glides[0][k], total-from)
			c.lines[1].add(c.sum[1][from:to], &c.glides[1][k], total-from)
		}
		c.frame = (c.frame + to - from) % span
		from = to
	}
	for side, x := range [2][]float32{left, right} {
		for i, y := range c.sum[side][:total] {
			x[i] = float32(c.dry*x[i]) + float32(c.wet*y)
		}
	}
}

// move sets the copies on their way through the next span.
func (c *Chorus) move() {
	start, middle, end := c.offsets, offsets(&c.swing), offsets(&c.swing)
	c.offsets = end
	for side, way := range [2]float64{c.amount, -c.amount} {
		for k, centre := range c.centres[side] {
			c.glides[side][k] = newGlide(
				centre+float64(way*start[k]), centre+float64(way*middle[k]), centre+float64(way*end[k]))
		}
	}
}
