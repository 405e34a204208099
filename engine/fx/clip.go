// Package fx holds the effects of the bus.
package fx

import (
	"math"

	"patchlab/engine/dmath"
)

// The clipper works at four times the sample rate, so that most of what it folds
// back is filtered away: 80 dB down below 0.42 of the rate.
const (
	pairs2x = 16 // from 1× to 2×: a narrow transition
	pairs4x = 8  // from 2× to 4×: nothing stands near the edge
	beta    = 8
)

// ClipLatency is the delay of a Clip in frames: its filters delay going up and
// coming down, with one sample at 2× to make the delay whole.
const ClipLatency = 2*pairs2x + pairs4x - 1

// Clip is a soft clipper of one channel: slope 1 at 0, and ±1 from ±15/8 on.
type Clip struct {
	drive, makeup, mix float64

	up2, up4, down4, down2 *halfBand
	shape                  shaper
	held                   float64 // the sample at 2× that is one late
	dry                    []float64
	x2, y2, scratch        []float64
	x4                     []float64
}

// NewClip returns a clipper with a drive in dB, at least 0, and a mix of 0 to 1.
// Its level is made up by half of the drive, so that more drive is denser rather
// than just louder.
func NewClip(drive, mix float64) *Clip {
	return &Clip{
		drive: dmath.Gain(drive), makeup: dmath.Gain(-drive / 2), mix: mix,
		up2: newHalfBand(pairs2x, maxFrames, beta), up4: newHalfBand(pairs4x, 2*maxFrames, beta),
		down4: newHalfBand(pairs4x, 2*maxFrames, beta), down2: newHalfBand(pairs2x, maxFrames, beta),
		dry: make([]float64, ClipLatency+maxFrames),
		x2:  make([]float64, 2*maxFrames), y2: make([]float64, 2*maxFrames+1),
		x4: make([]float64, 4*maxFrames), scratch: make([]float64, 2*maxFrames),
	}
}

// Process clips block, of at most 256 frames, in place.
func (c *Clip) Process(block []float64) {
	n := len(block)
	copy(c.dry[ClipLatency:], block)
	x2, x4 := c.x2[:2*n], c.x4[:4*n]
	c.up2.double(x2, block, c.scratch)
	c.up4.double(x4, x2, c.scratch)
	c.shape.process(x4, c.drive)
	c.y2[0] = c.held
	c.down4.halve(c.y2[1:1+2*n], x4)
	c.held = c.y2[2*n]
	c.down2.halve(block, c.y2[:2*n])
	for i, y := range block {
		dry := c.dry[i]
		block[i] = dry + float64(c.mix*(float64(y*c.makeup)-dry))
	}
	copy(c.dry[:ClipLatency], c.dry[n:n+ClipLatency])
}

// shaper clips softly without ringing far beyond the band: rather than the curve
// at each sample it takes the mean of the curve over the way from one sample to
// the next (Parker, Zavalishin and Le Bivic, "Reducing the aliasing of nonlinear
// waveshaping using continuous-time convolution", 2016), from the curve's integral.
type shaper struct {
	last, integral float64
}

// toUnit makes the slope of curve at 0 one.
const toUnit = 8.0 / 15

func (s *shaper) process(block []float64, drive float64) {
	last, area := s.last, s.integral
	drive = float64(drive * toUnit)
	for i, x := range block {
		u := max(-1e6, min(1e6, float64(x*drive)))
		now := integral(u)
		if way := u - last; math.Abs(way) > 1e-5 {
			block[i] = (now - area) / way
		} else {
			block[i] = curve(float64(0.5 * (u + last)))
		}
		last, area = u, now
	}
	s.last, s.integral = last, area
}

// curve is (15u − 10u³ + 3u⁵)/8 from −1 to 1, where it comes to ±1 with a slope
// and a bend of 0, and stays there.
func curve(u float64) float64 {
	u = max(-1, min(1, u))
	y := float64(u * u)
	p := float64(0.375*y) - 1.25
	p = float64(p*y) + 1.875
	return float64(p * u)
}

// integral is that of curve, 0 at 0.
func integral(u float64) float64 {
	v := min(1, math.Abs(u))
	y := float64(v * v)
	p := float64(0.0625*y) - 0.3125
	p = float64(p*y) + 0.9375
	return float64(p*y) + (math.Abs(u) - v)
}
