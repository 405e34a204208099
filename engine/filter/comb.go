package filter

import (
	"math"

	"patchlab/engine/dmath"
	"patchlab/engine/patch"
	"patchlab/engine/vec"
)

// Comb adds to a sound what came out of it a period of the cutoff before, so that it
// rings at the cutoff and all its multiples. A low-pass in the loop lets higher ones
// die sooner, as in a string.
type Comb struct {
	rate   float64
	gain   float32 // of what goes in
	past   float32 // of what comes back: of the sample in the middle of the low-pass
	beside float32 // and of those before and after it

	cutoff float64 // where the last call ended, Hz
	oldest int     // of the samples that are read there: how long ago it was written
	read   [order]float32
	lines  [2]line
}

// lowest is the lowest pitch of a comb in Hz.
const lowest = 20

// The low-pass in the loop is b, 1−2b, b, which delays every frequency by one sample;
// it takes softened from softAt Hz.
const (
	softened = 0.1
	softAt   = 10_000
)

// NewComb returns a filter with p's resonance Q, whose feedback is 1 − 0.5/Q, or nil
// where p is of another type. Noise keeps its level.
func NewComb(p patch.Filter, rate float64) *Comb {
	if p.Type != "comb" {
		return nil
	}
	feedback := 1 - 0.5/max(0.5, min(20, p.Resonance))
	sine := dmath.SinTurns(float64(0.5 * (softAt / rate)))
	b := softened / float64(4*float64(sine*sine))
	c := &Comb{
		rate:   rate,
		gain:   float32(evenGain(feedback, b, rate)),
		past:   float32(float64(feedback * (1 - float64(2*b)))),
		beside: float32(float64(feedback * b)),
	}
	longest := int(rate/lowest) + order
	for i := range c.lines {
		c.lines[i] = line{memory: make([]float32, 2*longest+stretch+order), at: longest, longest: longest}
	}
	return c
}

// evenGain returns what keeps the level of noise: of its power between 0 and the loudest
// frequencies of most sounds, the loop makes 1/(1 − f²) where f is what it lets pass.
func evenGain(feedback, b, rate float64) float64 {
	const top, steps = 12_000, 32
	sum := 0.0
	for i := range steps {
		turns := float64(min(top, 0.5*rate)*(float64(i)+0.5)) / float64(steps*rate)
		sine := dmath.SinTurns(float64(0.5 * turns))
		f := float64(feedback * (1 - float64(float64(4*b)*float64(sine*sine))))
		sum += 1 / (1 - float64(f*f))
	}
	return math.Sqrt(steps / sum)
}

// Process filters up to 32 frames of left and, unless it is nil, right in place, while
// the period goes in a straight line from that of one point to that of the other.
func (c *Comb) Process(left, right []float32, from, to Point) {
	n := len(left)
	if n == 0 {
		return
	}
	if from.Cutoff == to.Cutoff {
		if to.Cutoff != c.cutoff {
			c.cutoff, c.oldest = to.Cutoff, weigh(&c.read, c.delay(to.Cutoff))
		}
		c.run(left, right, 0, n)
		return
	}
	delay := c.delay(from.Cutoff)
	step := (c.delay(to.Cutoff) - delay) / float64(n)
	for i := range left {
		delay += step
		c.oldest = weigh(&c.read, delay)
		c.run(left, right, i, i+1)
	}
	c.cutoff = 0 // what is read is nearby, not there
}

// delay returns by how many samples the memory delays at a cutoff in Hz: a period
// less what the low-pass delays.
func (c *Comb) delay(cutoff float64) float64 {
	return c.rate/max(lowest, min(0.45*c.rate, cutoff)) - 1
}

// run filters the frames from one on to before another.
func (c *Comb) run(left, right []float32, from, to int) {
	c.lines[0].run(left[from:to], c)
	if right != nil {
		c.lines[1].run(right[from:to], c)
	}
}

// line is the memory of a channel, which has the low-pass in it: at is where the next
// sample goes, after those of the longest delay at least.
type line struct {
	memory      []float32
	at, longest int
	y1, y2      float32 // what came out before
}

// runaway is the level at which a comb starts anew. Where its pitch keeps still it
// never gets there.
const runaway = 1 << 12

func (l *line) run(block []float32, c *Comb) {
	if l.at+len(block) > len(l.memory)-order {
		copy(l.memory, l.memory[l.at-l.longest:l.at])
		l.at = l.longest
	}
	past := l.memory[l.at-c.oldest:][:len(block)+order-1]
	next := l.memory[l.at:][:len(block)]
	w := &c.read
	y1, y2 := l.y1, l.y2
	for i, x := range block {
		t := (*[order]float32)(past[i:])
		y := (float32(w[0]*t[0]) + float32(w[1]*t[1])) + (float32(w[2]*t[2]) + float32(w[3]*t[3])) + (float32(w[4]*t[4]) + float32(w[5]*t[5]))
		y += float32(c.gain * x)
		if !(float32(y*y) < runaway*runaway) { // or it is no number
			y = 0
		}
		block[i] = y
		z := float32(c.past*y1) + float32(c.beside*(y+y2))
		if float32(z*z) < vec.Tiny*vec.Tiny { // rounding would keep it alive
			z = 0
		}
		next[i] = z
		y1, y2 = y, y1
	}
	l.y1, l.y2 = y1, y2
	l.at += len(block)
}
