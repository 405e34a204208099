package fx

import (
	"math"

	"patchlab/engine/dmath"
	"patchlab/engine/patch"
)

// Compressor is a feed-forward compressor with a soft knee, which works on the
// logarithm of the peak of both sides together and smooths what it takes away,
// faster or slower as that grows or shrinks (Giannoulis, Massberg and Reiss,
// "Digital dynamic range compressor design", 2012: equations 4 and 16).
//
// The peak is held for a fifth of the release, 10 ms at most, so that the gain does
// not follow a bass note's single cycles; the smoothing is as much quicker.
type Compressor struct {
	attack, release float64 // of the way, in a frame
	makeup          float64
	start, bend     float64 // octaves: where the knee starts, and its width
	slope           float64 // 1 − 1/ratio

	taken  float64 // octaves of gain taken away now
	target float64 // and where that goes
	top    uint32  // the held peak, as the bits of a float32, which sort like it
	bucket uint32  // the peak of the current part of the time that peaks are held
	parts  [holdParts]uint32
	part   int // the current one
	left   int // frames left of it
	size   int // frames of a part
}

// holdParts is the number of parts of the time for which a peak is held: it is held
// for between one part less and all of them.
const holdParts = 8

const octavesPerDecibel = math.Ln10 / math.Ln2 / 20

// NewCompressor returns a compressor, nil where its ratio is 1.
func NewCompressor(p patch.Compressor, rate float64) *Compressor {
	if p.Ratio <= 1 {
		return nil
	}
	hold := float64(min(0.01, float64(0.2*p.Release)) * rate)
	size := max(1, int(math.Round(hold/holdParts)))
	held := float64(float64(size)*(holdParts-0.5)) / rate // in the mean
	return &Compressor{
		attack:  timeConstant(p.Attack, rate),
		release: timeConstant(p.Release-held, rate),
		makeup:  dmath.Gain(p.Gain),
		start:   float64((p.Threshold - float64(0.5*p.Knee)) * octavesPerDecibel),
		bend:    float64(p.Knee * octavesPerDecibel),
		slope:   1 - 1/p.Ratio,
		left:    size,
		size:    size,
	}
}

// timeConstant returns how far something goes in a frame that goes 63 % of its way
// in the given time.
func timeConstant(seconds, rate float64) float64 {
	return 1 - dmath.Exp2(-1/float64(math.Ln2*float64(seconds*rate)))
}

// Process compresses left and right, of at most 256 frames, in place.
func (c *Compressor) Process(left, right []float32) {
	for len(left) > 0 {
		n := min(len(left), c.left)
		c.stretch(left[:n], right[:n])
		if c.left -= n; c.left == 0 {
			c.turn()
		}
		left, right = left[n:], right[n:]
	}
}

// turn begins a new part of the time that peaks are held.
func (c *Compressor) turn() {
	c.parts[c.part] = c.bucket
	c.part = (c.part + 1) % holdParts
	c.parts[c.part] = 0
	c.left, c.bucket = c.size, 0
	top := uint32(0)
	for _, peak := range c.parts {
		top = max(top, peak)
	}
	if top != c.top {
		c.top = top
		c.target = c.curve(top)
	}
	c.taken = quiet(c.taken)
}

// stretch goes as far as a part.
func (c *Compressor) stretch(left, right []float32) {
	const magnitude = 1<<31 - 1
	attack, release, makeup := c.attack, c.release, c.makeup
	taken, bucket := c.taken, c.bucket
	right = right[:len(left)]
	for i, l := range left {
		r := right[i]
		peak := max(math.Float32bits(l)&magnitude, math.Float32bits(r)&magnitude)
		if peak > bucket {
			if bucket = peak; peak > c.top {
				c.top = peak
				c.target = c.curve(peak)
			}
		}
		way := c.target - taken
		if way > 0 {
			taken += float64(attack * way)
		} else {
			taken += float64(release * way)
		}
		g := float64(makeup * exp2Minus(taken))
		left[i], right[i] = float32(float64(l)*g), float32(float64(r)*g)
	}
	c.taken, c.bucket = taken, bucket
}

// curve returns what is to be taken away, in octaves, at a peak given as bits.
func (c *Compressor) curve(peak uint32) float64 {
	over := log2Bits(peak) - c.start
	switch {
	case over <= 0:
		return 0
	case over < c.bend:
		return float64(c.slope*float64(over*over)) / float64(2*c.bend)
	default:
		return float64(c.slope * (over - float64(0.5*c.bend)))
	}
}

// log2Bits returns the binary logarithm of the positive float32 with the given bits,
// within 0.00012; −127 or more for 0. The polynomial is a minimax fit.
func log2Bits(bits uint32) float64 {
	f := float64(math.Float32frombits(bits&(1<<23-1)|127<<23)) - 1
	p := float64(0.08213059757526575*f) - 0.2390581397411301
	p = float64(p*f) + 0.4387257202827003
	return float64(int(bits>>23)-127) + (f + float64(float64(f*(1-f))*p))
}

// exp2Minus returns 2^−x of an x from 0 to 1000, within a relative 2e-7; exactly 1
// of 0. The polynomial is a minimax fit.
func exp2Minus(x float64) float64 {
	n := int(x)
	f := x - float64(n)
	p := float64(0.0009484240252594679*f) - 0.008267573291608864
	p = float64(p*f) + 0.04703982269709942
	p = float64(p*f) - 0.19314418335600514
	p = float64(float64(f*(1-f))*p) + (1 - float64(0.5*f))
	return float64(p * math.Float64frombits(uint64(1023-n)<<52))
}
