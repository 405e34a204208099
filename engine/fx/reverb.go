package fx

import (
	"math"

	"patchlab/engine/dmath"
	"patchlab/engine/patch"
)

// lines is the number of delay lines of the network.
const lines = 8

// Reverb is a feedback delay network of eight lines behind four diffusing
// all-passes a side (Jot and Chaigne, "Digital delay networks for designing
// artificial reverberators", 1991; all-passes by Schroeder, 1962). The lines meet
// in a Householder matrix; each has a gain that makes it fall by 60 dB in the
// reverberation time and a first-order low-pass that halves that time well above
// the damping frequency.
type Reverb struct {
	mix    float64
	wet    float64 // brings the tail to about the level of what made it
	pre    [2]delayLine
	diff   [2][4]allPass
	line   [lines]delayLine
	gain   [lines]float64 // of a pass, at low frequencies
	damp   [lines]float64 // coefficient of its low-pass
	memory [lines]float64
}

// Lengths in seconds: spread evenly on a logarithmic scale from 31 to 83 ms, and
// then to primes at 48 kHz so that no two lines share echoes.
//
//nolint:gochecknoglobals // a constant that Go cannot write as one
var (
	lineFrames = [lines]float64{1487, 1709, 1973, 2269, 2617, 3011, 3461, 3989}
	diffFrames = [2][4]float64{{113, 167, 241, 353}, {127, 181, 263, 379}}
)

const designRate = 48000

// NewReverb returns a reverberator, nil where its mix is 0.
func NewReverb(p patch.Reverb, rate float64) *Reverb {
	if p.Mix <= 0 {
		return nil
	}
	r := &Reverb{mix: p.Mix}
	for side := range r.pre {
		r.pre[side] = newDelayLine(1 + int(float64(p.PreDelay*rate)))
		for i := range r.diff[side] {
			r.diff[side][i] = allPass{newDelayLine(frames(diffFrames[side][i], rate))}
		}
	}
	for i := range r.line {
		n := frames(lineFrames[i], rate)
		r.line[i] = newDelayLine(n)
		seconds := float64(n) / rate
		r.gain[i] = dmath.Gain(-60 * (seconds / p.Time))
		// At the damping frequency's octave above, another −60 dB in the same time:
		// one pole with gain d there and 1 at 0 Hz.
		r.damp[i] = onePole(r.gain[i], float64(2*p.Damping)/rate)
	}
	// A loop with the gain g keeps 1/(1−g²) times the energy that it is fed.
	g := r.gain[lines/2]
	r.wet = float64(0.6 * math.Sqrt(1-float64(g*g)))
	return r
}

func frames(at48k, rate float64) int { return int(math.Round(at48k * (rate / designRate))) }

// onePole returns the coefficient p of y += (1−p)(x−y), with 0 dB at 0 Hz, that
// has the gain d at a frequency in turns per frame, or as near as it gets.
func onePole(d, f float64) float64 {
	if f >= 0.49 {
		f = 0.49
	}
	// |H|² = (1−p)²/(1−2p·cos+p²) = d² is a quadratic equation in p.
	c := dmath.CosTurns(f)
	dd := float64(d * d)
	a := 1 - dd
	b := 1 - float64(dd*c)
	root := math.Sqrt(max(0, float64(b*b)-float64(a*a)))
	if a < 1e-12 {
		return 0
	}
	return max(0, min(0.999, (b-root)/a))
}

// Process adds the reverberation to left and right, in place.
func (r *Reverb) Process(left, right []float64) {
	for i := range left {
		in := [2]float64{left[i], right[i]}
		for side := range in {
			x := r.pre[side].swap(in[side])
			for k := range r.diff[side] {
				x = r.diff[side][k].process(x)
			}
			in[side] = x
		}
		var y [lines]float64
		sum := 0.0
		for k := range r.line {
			x := float64(r.gain[k] * r.line[k].out())
			r.memory[k] = x + float64(r.damp[k]*(r.memory[k]-x))
			y[k] = r.memory[k]
			sum += y[k]
		}
		share := float64(sum * (2.0 / lines))
		for k := range r.line {
			r.line[k].push(in[k&1] + (y[k] - share))
		}
		wetL := float64(r.wet * ((y[0] - y[2]) + (y[4] - y[6])))
		wetR := float64(r.wet * ((y[1] - y[3]) + (y[5] - y[7])))
		left[i] += float64(r.mix * (wetL - left[i]))
		right[i] += float64(r.mix * (wetR - right[i]))
	}
	for k := range r.memory {
		if m := r.memory[k]; m > -1e-30 && m < 1e-30 {
			r.memory[k] = 0
		}
	}
}

// delayLine is a ring of a fixed number of frames.
type delayLine struct {
	ring []float32
	at   int
}

func newDelayLine(n int) delayLine { return delayLine{ring: make([]float32, max(1, n))} }

// out returns the oldest frame.
func (d *delayLine) out() float64 { return float64(d.ring[d.at]) }

// push replaces the oldest frame.
func (d *delayLine) push(x float64) {
	if x > -1e-20 && x < 1e-20 { // a float32 would go denormal
		x = 0
	}
	d.ring[d.at] = float32(x)
	d.at++
	if d.at == len(d.ring) {
		d.at = 0
	}
}

// swap pushes a frame and returns the oldest.
func (d *delayLine) swap(x float64) float64 {
	y := d.out()
	d.push(x)
	return y
}

// allPass is Schroeder's, with a gain of 0.6.
type allPass struct{ delayLine }

func (a *allPass) process(x float64) float64 {
	const g = 0.6
	y := a.out()
	v := x + float64(g*y)
	a.push(v)
	return y - float64(g*v)
}
