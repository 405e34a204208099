// Package fx holds the effects of the bus.
package fx

import "patchlab/engine/dmath"

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

// Clip is a soft clipper of one channel.
type Clip struct {
	drive, makeup, mix float64

	up2, up4, down4, down2 *halfBand
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
	for i, x := range x4 {
		x4[i] = dmath.SoftClip(float64(x * c.drive))
	}
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
