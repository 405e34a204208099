package fx

import (
	"patchlab/engine/dmath"
	"patchlab/engine/patch"
)

// Phaser is a row of first-order all-passes whose corner sweeps up and down, with
// feedback around the row and no delay in the loop; the right side follows the left
// by a quarter of a turn. Two all-passes make a second-order section, which halves
// the chain of operations that wait for one another (all-pass sections: Zavalishin,
// "The Art of VA Filter Design", 2018; the loop is solved as in its chapter on
// phasers).
//
// The mix is dry·(1−mix) + wet·mix, where the row has the gain 1 + feedback, so
// that at a mix of 0.5 its notches go all the way down whatever the feedback. The
// sum is scaled so that its largest gain is 1: that at a phase of 0 or half a turn.
type Phaser struct {
	dry, wet, feedback float64
	pairs              int
	rows               [maxPairs]allPassPair
	at, step, to       sweep // coefficients now, by how much they change a frame, and where they go
	frame              int   // of calm
	swing              swing
	octaves, corner    float64 // of the sweep to either side; of its middle, in turns per frame
	tail               float64
}

const (
	maxPairs     = 6
	phaserWay    = 2  // octaves to either side at a depth of 1
	phaserFrames = 16 // from one computation of the coefficients to the next

	// Corners are held between these, in turns per frame.
	phaserLowest, phaserHighest = 1e-5, 0.45
)

// allPassPair is the state of two equal all-passes in a row, left and right, in
// transposed direct form II.
type allPassPair struct{ l1, l2, r1, r2 float64 }

// sweep holds what moves: the coefficient a of an all-pass (a + z⁻¹)/(1 + a·z⁻¹), and
// the gain 1/(1 − feedback·aⁿ) that solves the loop around n of them.
type sweep struct{ al, ar, kl, kr float64 }

// NewPhaser returns a phaser, nil where its mix is 0.
func NewPhaser(p patch.Phaser, rate float64) *Phaser {
	if p.Mix <= 0 {
		return nil
	}
	f := &Phaser{
		feedback: p.Feedback,
		pairs:    p.Stages / 2,
		swing:    newSwing(p.Rate, rate, phaserFrames),
		octaves:  float64(phaserWay * p.Depth),
		corner:   p.Frequency / rate,
	}
	wet := float64(p.Mix * (1 + p.Feedback))
	even := 1 - p.Mix + wet/(1-p.Feedback) // gain where the row turns by nothing
	odd := 1 - float64(2*p.Mix)            // and by half a turn
	level := max(even, odd, -odd)
	f.dry, f.wet = (1-p.Mix)/level, wet/level
	// Well below its corner an all-pass delays by 2/ω, and so often as that goes round
	// it falls by the feedback; then its poles ring, which fall by 1/e in 1/ω.
	lowest := float64(2 * dmath.Pi * float64(p.Frequency*dmath.Exp2(-f.octaves)))
	f.tail = (float64(float64(2*p.Stages)*max(1, passes(p.Feedback))) + 14) / lowest
	f.to = f.target()
	return f
}

// Tail returns how long it rings, in seconds to −60 dB.
func (f *Phaser) Tail() float64 { return f.tail }

// target returns the coefficients of the next moment.
func (f *Phaser) target() sweep {
	sin, cos := f.swing.next()
	var s sweep
	s.al, s.kl = f.coefficient(sin)
	s.ar, s.kr = f.coefficient(-cos)
	return s
}

func (f *Phaser) coefficient(swing float64) (a, k float64) {
	corner := float64(f.corner * dmath.Exp2(float64(f.octaves*swing)))
	corner = max(phaserLowest, min(phaserHighest, corner))
	a = dmath.TanTurns(float64(0.5*corner) - 0.125) // (tan(πf) − 1)/(tan(πf) + 1)
	row, pair := 1.0, float64(a*a)
	for range f.pairs {
		row = float64(row * pair)
	}
	return a, 1 / (1 - float64(f.feedback*row))
}

// Process phases left and right, of at most 256 frames, in place.
func (f *Phaser) Process(left, right []float32) {
	for len(left) > 0 {
		if f.frame%phaserFrames == 0 {
			f.next()
		}
		n := min(len(left), phaserFrames-f.frame%phaserFrames)
		f.stretch(left[:n], right[:n])
		f.frame = (f.frame + n) % calm
		left, right = left[n:], right[n:]
	}
}

func (f *Phaser) next() {
	const part = 1.0 / phaserFrames
	f.at, f.to = f.to, f.target()
	f.step = sweep{
		float64(part * (f.to.al - f.at.al)), float64(part * (f.to.ar - f.at.ar)),
		float64(part * (f.to.kl - f.at.kl)), float64(part * (f.to.kr - f.at.kr)),
	}
	if f.frame > 0 {
		return
	}
	for i := range f.rows {
		s := &f.rows[i]
		*s = allPassPair{quiet(s.l1), quiet(s.l2), quiet(s.r1), quiet(s.r2)}
	}
}

func (f *Phaser) stretch(left, right []float32) {
	rows, c, d := f.rows[:f.pairs], f.at, f.step
	right = right[:len(left)]
	for i, l := range left {
		al, ar := float64(c.al*c.al), float64(c.ar*c.ar)
		bl, br := 2*c.al, 2*c.ar
		// What the row will give of its past alone.
		var pl, pr float64
		for k := range rows {
			s := &rows[k]
			pl = float64(al*pl) + s.l1
			pr = float64(ar*pr) + s.r1
		}
		x, y := float64(l), float64(right[i])
		u := float64((x + float64(f.feedback*pl)) * c.kl)
		v := float64((y + float64(f.feedback*pr)) * c.kr)
		for k := range rows {
			s := &rows[k]
			p, q := float64(al*u)+s.l1, float64(ar*v)+s.r1
			s.l1, s.r1 = float64(bl*(u-p))+s.l2, float64(br*(v-q))+s.r2
			s.l2, s.r2 = u-float64(al*p), v-float64(ar*q)
			u, v = p, q
		}
		left[i] = flush(float64(f.dry*x) + float64(f.wet*u))
		right[i] = flush(float64(f.dry*y) + float64(f.wet*v))
		c.al += d.al
		c.ar += d.ar
		c.kl += d.kl
		c.kr += d.kr
	}
	f.at = c
}
