package fx

import (
	"math"

	"patchlab/engine/dmath"
	"patchlab/engine/patch"
)

// Delay is an echo. In stereo each side echoes itself; in ping-pong the middle of
// the input echoes first on the left, then on the right, and so on. Each echo goes
// through a one-pole low-pass, and what is fed back of it through a high-pass of a few
// Hz, so that nothing piles up at 0 Hz.
//
// Up to a mix of 0.5 the dry sound is whole and the echoes come up, to their full
// level; from there on the dry sound goes down, to nothing at 1.
type Delay struct {
	dry, wet, feedback float64
	damp, floor        float64 // how far the low-pass, and the mean that the high-pass takes away, go in a frame
	pingPong           bool
	left, right        []float32
	at                 int // the oldest of them
	frame              int // of calm
	low, mean          [2]float64
	out, back          [2][calm]float64
	tail               float64
}

const (
	delayLongest = 4.0 // s
	delayFloor   = 5.0 // Hz
	dampingOff   = 20000
)

// NewDelay returns a delay at a tempo in beats per minute, nil where its mix is 0.
// The time is rounded to whole frames.
func NewDelay(p patch.Delay, tempo, rate float64) *Delay {
	if p.Mix <= 0 {
		return nil
	}
	seconds := p.Time
	if synced := patch.NoteSeconds(p.Sync, tempo); synced > 0 {
		seconds = synced
	}
	n := max(1, int(math.Round(float64(min(delayLongest, seconds)*rate))))
	d := &Delay{
		dry: min(1, 2-float64(2*p.Mix)), wet: min(1, float64(2*p.Mix)),
		feedback: p.Feedback,
		damp:     1,
		floor:    float64(2 * dmath.Pi * delayFloor / rate),
		pingPong: p.Mode == "ping_pong",
		left:     make([]float32, n), right: make([]float32, n),
	}
	d.tail = float64(float64(n) / rate * max(1, math.Ceil(passes(p.Feedback))))
	if p.Damping < dampingOff {
		d.damp = lowPass(min(0.5, p.Damping/rate))
	}
	// The filters ring: the low-pass at once, the high-pass from a level that is as far
	// down as the frequencies lie apart.
	d.tail += (passes(1-d.damp) + fades(float64(d.feedback*d.floor)/d.damp, 1-d.floor)) / rate
	return d
}

// lowPass returns the b of y += b·(x − y) that has −3 dB at f, in turns per frame:
// b²/(b² + 2·(1−b)·(1−cos 2πf)) is a half.
func lowPass(f float64) float64 {
	c := 1 - dmath.CosTurns(f)
	return math.Sqrt(float64(c*c)+float64(2*c)) - c
}

// Tail returns how long it takes the echoes to fall by 60 dB, in seconds.
func (d *Delay) Tail() float64 { return d.tail }

// Process adds the echoes to left and right, of at most 256 frames, in place.
func (d *Delay) Process(left, right []float32) {
	for len(left) > 0 {
		n := min(len(left), len(d.left)-d.at, calm-d.frame)
		out, back := &d.out, &d.back
		d.echo(out[0][:n], out[1][:n], back[0][:n], back[1][:n])
		d.feed(left[:n], right[:n], back[0][:n], back[1][:n])
		d.mix(left[:n], out[0][:n])
		d.mix(right[:n], out[1][:n])
		if d.at += n; d.at == len(d.left) {
			d.at = 0
		}
		if d.frame += n; d.frame == calm {
			d.frame = 0
			d.low = [2]float64{quiet(d.low[0]), quiet(d.low[1])}
			d.mean = [2]float64{quiet(d.mean[0]), quiet(d.mean[1])}
		}
		left, right = left[n:], right[n:]
	}
}

// echo puts what comes out of the delays, through the low-pass, into left and right,
// and what is fed back of it into backL and backR.
func (d *Delay) echo(left, right, backL, backR []float64) {
	n := len(left)
	a, b := d.left[d.at:][:n], d.right[d.at:][:n]
	right, backL, backR = right[:n], backL[:n], backR[:n]
	pass, keep, rise, stay := d.damp, 1-d.damp, d.floor, 1-d.floor
	l, r, ml, mr := d.low[0], d.low[1], d.mean[0], d.mean[1]
	for i, x := range a {
		l = float64(keep*l) + float64(pass*float64(x))
		r = float64(keep*r) + float64(pass*float64(b[i]))
		ml = float64(stay*ml) + float64(rise*l)
		mr = float64(stay*mr) + float64(rise*r)
		left[i], right[i] = l, r
		backL[i], backR[i] = float64(d.feedback*(l-ml)), float64(d.feedback*(r-mr))
	}
	d.low, d.mean = [2]float64{l, r}, [2]float64{ml, mr}
}

// feed puts into the delays what is due: what goes in and what comes back.
func (d *Delay) feed(left, right []float32, backL, backR []float64) {
	n := len(left)
	a, b := d.left[d.at:][:n], d.right[d.at:][:n]
	right, backL, backR = right[:n], backL[:n], backR[:n]
	if !d.pingPong {
		for i, x := range left {
			a[i] = audible(float32(float64(x) + backL[i]))
			b[i] = audible(float32(float64(right[i]) + backR[i]))
		}
		return
	}
	for i, x := range left {
		a[i] = audible(float32(float64(0.5*(float64(x)+float64(right[i]))) + backR[i]))
		b[i] = audible(float32(backL[i]))
	}
}

func (d *Delay) mix(x []float32, echo []float64) {
	dry, wet := d.dry, d.wet
	for i, y := range echo {
		x[i] = flush(float64(dry*float64(x[i])) + float64(wet*y))
	}
}
