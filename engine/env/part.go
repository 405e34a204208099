package env

import "patchlab/engine/dmath"

const (
	// octaves60dB is 60 dB in octaves of gain, log2(1000): what a segment with a
	// curve of ±1 bends by.
	octaves60dB = 9.965784284662087
	// silent is when an exponential is 90 dB down, in times of its length.
	silent = 1.5
	// rest is likewise when it is 360 dB down, below the resolution of a float64.
	rest = 6
	// least is the curve below which a segment is a straight line, from which it
	// would differ by less than 1e-6.
	least = 1e-6
	// instant is the time in seconds below which a segment is a step.
	instant = 1e-9
)

// part is a piece of an envelope that ends before until: base + gain·2^(rate·x) or,
// where rate is 0, base + gain·x, of the time x since start.
type part struct {
	start, until     float64
	base, gain, rate float64
}

func (p *part) at(t float64) float64 {
	if p.gain == 0 {
		return p.base
	}
	x := t - p.start
	if p.rate != 0 {
		x = dmath.Exp2(float64(p.rate * x))
	}
	switch y := p.base + float64(p.gain*x); { // rounding may pass the ends
	case y > 1:
		return 1
	case y > 0:
		return y
	default:
		return 0
	}
}

// segment returns the way of a length in seconds between two values. Its shape,
// for x and y from 0 to 1, is y = (1 − 2^(−K·c·x)) / (1 − 2^(−K·c)) with K of 60 dB,
// a straight line where the curve c is 0; −c gives the same, turned by half a turn.
func segment(start, length, from, to, c float64) part {
	p := part{start: start, until: start + length, base: from}
	if length < instant || from == to {
		return p
	}
	if c > -least && c < least {
		p.gain = (to - from) / length
		return p
	}
	bend := float64(-octaves60dB * c)
	p.rate = bend / length
	p.gain = (to - from) / (dmath.Exp2(bend) - 1)
	p.base = from - p.gain
	return p
}

// exponential returns the way between two values that is 60 dB nearer to the second
// after each length, and has no end.
func exponential(start, length, from, to float64) part {
	p := part{start: start, until: start + length, base: to}
	if length >= instant && from != to {
		p.gain, p.rate = from-to, -octaves60dB/length
	}
	return p
}
