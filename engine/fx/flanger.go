package fx

import (
	"math"

	"patchlab/engine/patch"
)

// Flanger is a copy of each side with a short moving delay, which is fed back; the
// right side follows the left by a quarter of a turn.
//
// The mix is dry·(1−mix) + wet·mix, where the copy has the gain 1 + feedback, so
// that at a mix of 0.5 its notches go all the way down whatever the feedback:
// where the copy arrives upside down it is (1+feedback)/(1+feedback) = 1. The sum is scaled
// by what the feedback adds to the power of a broad-band sound, so that feedback
// changes the colour more than the level.
type Flanger struct {
	dry, wet, feedback float32
	swing              swing
	middle, amount     float64 // of the delay, in frames
	lines              [2]line
	glides             [2]glide
	offsets            [2]float64 // of the delays, −1 to 1, where the next span starts
	frame              int        // of span
	back, in           [span]float32
	tail               float64
}

// The shortest delay, and how much longer it becomes at a depth of 1, in seconds.
const (
	flangerShortest = 0.0003
	flangerWay      = 0.005
)

// NewFlanger returns a flanger, nil where its mix is 0.
func NewFlanger(p patch.Flanger, rate float64) *Flanger {
	if p.Mix <= 0 {
		return nil
	}
	// Of white noise the echoes share nothing: their powers, of a gain that falls by
	// the feedback each time, add up to (1+f)²/(1−f²).
	dry, wet := float64((1-p.Mix)*(1-p.Mix)), float64(p.Mix*p.Mix)
	level := math.Sqrt((dry + wet) / (dry + float64(wet*((1+p.Feedback)/(1-p.Feedback)))))
	half := float64(0.5 * float64(flangerWay*p.Depth))
	longest := flangerShortest + float64(2*half)
	f := &Flanger{
		dry:      float32(level * (1 - p.Mix)),
		wet:      float32(level * float64(p.Mix*(1+p.Feedback))),
		feedback: float32(p.Feedback),
		swing:    newSwing(p.Rate, rate, span/2),
		middle:   float64((flangerShortest + half) * rate),
		amount:   float64(half * rate),
		tail:     float64(longest * (1 + passes(p.Feedback))),
	}
	for side := range f.lines {
		f.lines[side] = newLine(math.Ceil(float64(longest * rate)))
	}
	f.offsets = f.look()
	return f
}

// look returns where the delays are, and goes a step on: the left one starts at its
// shortest, the right one comes a quarter of a turn later.
func (f *Flanger) look() [2]float64 {
	sin, cos := f.swing.next()
	return [2]float64{-cos, -sin}
}

// Tail returns how long it takes the echoes to fall by 60 dB, in seconds.
func (f *Flanger) Tail() float64 { return f.tail }

// Process flanges left and right, of at most 256 frames, in place.
func (f *Flanger) Process(left, right []float32) {
	for len(left) > 0 {
		if f.frame == 0 {
			f.move()
		}
		n := min(len(left), span-f.frame)
		f.side(left[:n], 0)
		f.side(right[:n], 1)
		f.frame = (f.frame + n) % span
		left, right = left[n:], right[n:]
	}
}

// move sets the delays on their way through the next span.
func (f *Flanger) move() {
	start, middle, end := f.offsets, f.look(), f.look()
	f.offsets = end
	for side := range f.glides {
		f.glides[side] = newGlide(
			f.middle+float64(f.amount*start[side]), f.middle+float64(f.amount*middle[side]), f.middle+float64(f.amount*end[side]))
	}
}

// side goes as far at a time as what comes back does not depend on what goes in.
func (f *Flanger) side(x []float32, side int) {
	l, g := &f.lines[side], &f.glides[side]
	for len(x) > 0 {
		n := min(len(x), g.free())
		back, in := f.back[:n], f.in[:n]
		clear(back)
		l.add(back, g, 0)
		for i, y := range back {
			in[i] = x[i] + float32(f.feedback*y)
			x[i] = float32(f.dry*x[i]) + float32(f.wet*y)
		}
		l.push(in)
		x = x[n:]
	}
}

// free returns how many frames can be read from a line before the first of them has
// to be pushed, if the delay shrinks by less than a quarter of a frame per frame.
func (g *glide) free() int { return max(1, int(g.delay>>32-ahead)*4/5) }
