package fx

import (
	"math"

	"patchlab/engine/dmath"
	"patchlab/engine/loudness"
	"patchlab/engine/patch"
	"patchlab/engine/vec"
)

// The limiter thinks in steps of about a third of a millisecond, and its gain goes in a
// straight line over each. Over attackSteps it comes down.
const (
	stepHz      = 3000
	attackSteps = 9
	viewSteps   = attackSteps + 1 // steps the loudest of which decides

	leastStep = 8 // frames
	maxSteps  = vec.MaxBlock / leastStep
)

const (
	givenBack = 10   // dB that the limiter gives back in its release time
	under     = 0.05 // dB from the ceiling to what passes it, once limited

	// The gain stays down for a fifth of the release, longestHold at most, so that it does
	// not go up and down with each half-wave of a bass.
	longestHold = 0.01 // s
	heldSteps   = 32   // steps, a power of two above the longestHold
)

// Limiter holds the true peaks of both sides below a ceiling, with one gain for both.
// Peaks are found by the loudness meter's own detector. The highest of those ahead
// decides, and the average of what it asks for over a triangle of time is a gain that
// is down, without a bend, by the time the peak comes (P. Hämäläinen, "Smoothing of the
// control signal without clipped output in digital peak limiters", DAFx 2002). Back it
// comes at a steady pace in dB. Where nothing is above the ceiling it changes nothing.
type Limiter struct {
	gain     float32 // before it
	ceiling  float32
	aim      float64 // what a peak above the ceiling comes to
	keep     float64 // of the envelope, over a step
	keepView float64 // of the envelope, until what stands ahead of it does not matter any more
	hold     int     // steps

	detector *loudness.Detector
	step     int // frames
	latency  int // frames
	frames   [2][]float32
	waiting  int // frames that no step has been made of
	steps    int
	peaks    [maxSteps]float32
	floors   [maxSteps]float32

	// Bits of peaks, which compare as the peaks do; 0 for what is not above the ceiling.
	recent [viewSteps]uint32 // of the last steps
	tops   [heldSteps]uint32 // the highest of viewSteps, at the last steps

	envelope float64              // at least aim
	wanted   [attackSteps]float64 // gains, of the last steps

	nodes []float32 // gains between the steps that are still to come out, from the oldest
	out   int       // frames of the oldest that are out
	ramp  []float32 // 0, 1, 2 …
}

// NewLimiter returns a limiter, nil where it is off.
func NewLimiter(p patch.Limiter, rate float64) *Limiter {
	if p.Mode != "on" {
		return nil
	}
	l := &Limiter{gain: float32(dmath.Gain(p.Gain)), detector: loudness.NewDetector()}
	ceiling := dmath.Gain(p.Ceiling)
	l.ceiling = float32(ceiling)
	l.aim = float64(ceiling * dmath.Gain(-under))
	l.envelope = l.aim
	for i := range l.wanted {
		l.wanted[i] = 1
	}
	// A power of two, so that a block has a whole number of them.
	l.step = leastStep
	for float64(l.step)*stepHz < 0.9*rate {
		l.step *= 2
	}
	for k := range l.step {
		l.ramp = append(l.ramp, float32(k))
	}
	hold := min(longestHold, float64(p.Release/5))
	l.hold = int(float64(hold*rate) / float64(l.step))
	fall := givenBack * (float64(l.step) / float64((p.Release-hold)*rate)) // dB a step
	l.keep = dmath.Gain(-fall)
	l.keepView = dmath.Gain(-fall*float64(viewSteps+l.hold)) * (1 - 1e-6)
	// The frame that comes out is in a step whose end has its gain already.
	l.latency = (attackSteps+1)*l.step + loudness.Reach - 1
	for s := range l.frames {
		l.frames[s] = make([]float32, l.latency+vec.MaxBlock)
	}
	// Until the first step is made, what comes out is the silence before it.
	before := (l.latency + l.step - 1) / l.step
	l.out = before*l.step - l.latency
	l.nodes = make([]float32, before-(attackSteps-1), before+maxSteps)
	for i := range l.nodes {
		l.nodes[i] = 1
	}
	return l
}

// Latency is the delay in frames.
func (l *Limiter) Latency() int { return l.latency }

// Process limits left and, unless it is nil, right, of at most 256 frames, in place.
func (l *Limiter) Process(left, right []float32) {
	n := len(left)
	sides := [2][]float32{left, right}
	for s, block := range sides {
		if block == nil {
			continue
		}
		due := l.frames[s][l.latency:][:n]
		copy(due, block)
		if l.gain != 1 {
			vec.Scale(due, l.gain)
		}
	}
	l.waiting += n
	if steps := (l.waiting - loudness.Reach) / l.step; steps > 0 {
		l.look(l.latency+n-l.waiting, steps, right != nil)
	}
	l.play(sides, n)
	for s, block := range sides {
		if block != nil {
			copy(l.frames[s], l.frames[s][n:][:l.latency])
		}
	}
}

// look makes steps of the frames from a place on.
func (l *Limiter) look(from, steps int, both bool) {
	peaks := l.peaks[:steps]
	// What is too low to be above the envelope before it is out of view need not be
	// looked for.
	floor := float64(l.envelope * l.keepView)
	for k := range peaks {
		floor = float64(floor * l.keep)
		peaks[k] = max(l.ceiling, float32(floor))
	}
	copy(l.floors[:], peaks)
	from -= loudness.Reach
	to := from + steps*l.step + 2*loudness.Reach
	l.detector.Raise(peaks, l.frames[0][from:to])
	if both {
		l.detector.Raise(peaks, l.frames[1][from:to])
	}
	for k, p := range peaks {
		if p > l.floors[k] {
			l.node(p)
		} else {
			l.node(0)
		}
	}
	l.waiting -= steps * l.step
}

// node takes the peak of a step and makes the gain of the node whose neighbours have
// all been looked at.
func (l *Limiter) node(peak float32) {
	l.recent[l.steps%viewSteps] = math.Float32bits(peak)
	var top uint32
	for _, p := range l.recent {
		top = max(top, p)
	}
	l.tops[l.steps%heldSteps] = top
	for ago := viewSteps; ago < l.hold+viewSteps; ago += viewSteps {
		top = max(top, l.tops[(l.steps-min(ago, l.hold))&(heldSteps-1)])
	}
	l.steps++
	envelope := max(l.aim, float64(l.envelope*l.keep), float64(math.Float32frombits(top)))
	l.envelope = envelope
	copy(l.wanted[:], l.wanted[1:])
	l.wanted[attackSteps-1] = l.aim / envelope
	w := &l.wanted
	sum := (w[0] + w[8]) + float64(2*(w[1]+w[7])) + float64(3*(w[2]+w[6])) + float64(4*(w[3]+w[5])) + float64(5*w[4])
	l.nodes = append(l.nodes, float32(sum/25))
}

// play puts the frames that are due into blocks, each with its gain.
func (l *Limiter) play(sides [2][]float32, n int) {
	passed := 0
	for i := 0; i < n; {
		m := min(n-i, l.step-l.out)
		from, to := l.nodes[passed], l.nodes[passed+1]
		slope := (to - from) / float32(l.step)
		for s, block := range sides {
			if block == nil {
				continue
			}
			x, y := l.frames[s][i:][:m], block[i:][:m]
			if from == 1 && to == 1 {
				copy(y, x)
				continue
			}
			ramp := l.ramp[l.out:][:m]
			for k, v := range x {
				y[k] = float32(v * (from + float32(slope*ramp[k])))
			}
		}
		i += m
		if l.out += m; l.out == l.step {
			l.out = 0
			passed++
		}
	}
	l.nodes = append(l.nodes[:0], l.nodes[passed:]...)
}
