package fx

import (
	"math"

	"patchlab/engine/dmath"
	"patchlab/engine/patch"
)

// lines is the number of delay lines of the network, a power of 2.
const lines = 16

// Reverb is a feedback delay network of sixteen lines behind four diffusing
// all-passes a side (Jot and Chaigne, "Digital delay networks for designing
// artificial reverberators", 1991; all-passes by Schroeder, "Natural sounding
// artificial reverberation", 1962). The lines meet in a Householder matrix; each
// has a gain that makes it fall by 60 dB in the reverberation time and a
// first-order low-pass that halves that time well above the damping frequency.
//
// Every line is longer than a block, so the network is computed line by line,
// a block of each at a time.
type Reverb struct {
	mix    float64
	wet    float64 // brings the tail to about the level of what made it
	early  float64 // gain of the first, diffused reflections
	pre    [2]ring
	diff   [2][4]ring
	line   [lines]ring
	gain   [lines]float64 // of a pass, at low frequencies
	damp   [lines]float64 // coefficient of its low-pass
	memory [lines]float64
	block  [lines][maxFrames]float64
	in     [2][maxFrames]float64
	sum    [maxFrames]float64
}

// Lengths in frames at 48 kHz: primes, the lines spread over 31 to 99 ms evenly on a
// logarithmic scale, so that no two share echoes; together they hold about one
// second, one mode for each hertz.
//
//nolint:gochecknoglobals // a constant that Go cannot write as one
var (
	lineFrames = [lines]float64{1487, 2003, 2699, 3637, 1609, 2161, 2917, 3923, 1733, 2333, 3137, 4231, 1867, 2503, 3373, 4561}
	diffFrames = [2][4]float64{{113, 167, 241, 353}, {127, 181, 263, 379}}
)

const designRate = 48000

// NewReverb returns a reverberator, nil where its mix is 0.
func NewReverb(p patch.Reverb, rate float64) *Reverb {
	if p.Mix <= 0 {
		return nil
	}
	r := &Reverb{mix: p.Mix, early: 0.5}
	for side := range r.pre {
		r.pre[side] = newRing(int(float64(p.PreDelay * rate)))
		for i := range r.diff[side] {
			r.diff[side][i] = newRing(frames(diffFrames[side][i], rate))
		}
	}
	mean := 0.0
	for i := range r.line {
		n := frames(lineFrames[i], rate)
		r.line[i] = newRing(n)
		r.gain[i] = dmath.Gain(-60 * (float64(n) / float64(rate*p.Time)))
		// An octave above the damping frequency another −60 dB in the same time: one
		// pole with the gain of a pass there and 1 at 0 Hz.
		r.damp[i] = onePole(r.gain[i], 2*(p.Damping/rate))
		mean += float64(r.gain[i] / lines)
	}
	// A loop with the gain g keeps 1/(1−g²) times the energy that it is fed.
	r.wet = float64(0.45 * math.Sqrt(1-float64(mean*mean)))
	return r
}

func frames(at48k, rate float64) int { return int(math.Round(float64(at48k * (rate / designRate)))) }

// onePole returns the coefficient p of y += (1−p)(x−y) that has 0 dB at 0 Hz and
// about the gain d at a frequency in turns per frame: that of the analogue
// low-pass, which also holds where the frequency is above half the rate.
func onePole(d, f float64) float64 {
	if d > 0.9999 {
		return 0
	}
	corner := f / math.Sqrt(1/float64(d*d)-1)
	return dmath.Exp2(float64(-2 * dmath.Pi / math.Ln2 * corner))
}

// Process adds the reverberation to left and right, of at most 256 frames, in place.
func (r *Reverb) Process(left, right []float64) {
	n := len(left)
	for side, dry := range [2][]float64{left, right} {
		x := r.in[side][:n]
		copy(x, dry)
		r.pre[side].delay(x)
		for k := range r.diff[side] {
			r.diff[side][k].allPass(x)
		}
	}
	sum := r.sum[:n]
	clear(sum)
	for k := 0; k < lines; k += 2 { // two at a time: two recursions side by side
		a, b := r.block[k][:n], r.block[k+1][:n]
		r.line[k].peek(a)
		r.line[k+1].peek(b)
		ma, mb := r.memory[k], r.memory[k+1]
		ga, gb, da, db := r.gain[k], r.gain[k+1], r.damp[k], r.damp[k+1]
		for i := range sum {
			x, y := float64(ga*a[i]), float64(gb*b[i])
			ma = x + float64(da*(ma-x))
			mb = y + float64(db*(mb-y))
			a[i], b[i] = ma, mb
			sum[i] += ma + mb
		}
		r.memory[k], r.memory[k+1] = quiet(ma), quiet(mb)
	}
	// Left takes the lines that the left input feeds, right the others, with
	// alternating signs so that the tails differ.
	var out [2][maxFrames]float64
	for k := range lines {
		x := r.block[k][:n]
		side := k & 1
		into, from := r.in[side][:n], out[side][:n]
		if k&2 == 0 {
			for i, y := range x {
				from[i] += y
				x[i] = into[i] + (y - float64(sum[i]*(2.0/lines)))
			}
		} else {
			for i, y := range x {
				from[i] -= y
				x[i] = into[i] + (y - float64(sum[i]*(2.0/lines)))
			}
		}
		r.line[k].push(x)
	}
	for side, dry := range [2][]float64{left, right} {
		first, tail := r.in[side][:n], out[side][:n]
		for i, x := range dry {
			y := float64(r.early*first[i]) + float64(r.wet*tail[i])
			dry[i] = x + float64(r.mix*(y-x))
		}
	}
}

// ring is a delay of a fixed number of frames.
type ring struct {
	frames []float32
	at     int // the oldest
}

func newRing(n int) ring { return ring{frames: make([]float32, n)} }

// peek copies the oldest frames, of which there are enough, into x.
func (d *ring) peek(x []float64) {
	head := d.frames[d.at:]
	if len(head) > len(x) {
		head = head[:len(x)]
	}
	for i, y := range head {
		x[i] = float64(y)
	}
	rest := x[len(head):]
	for i, y := range d.frames[:len(rest)] {
		rest[i] = float64(y)
	}
}

// next returns the oldest frames, n at most and as many as stand in one piece, and
// steps past them.
func (d *ring) next(n int) []float32 {
	piece := d.frames[d.at:]
	if len(piece) > n {
		piece = piece[:n]
	}
	if d.at += len(piece); d.at == len(d.frames) {
		d.at = 0
	}
	return piece
}

// push replaces the oldest frames.
func (d *ring) push(x []float64) {
	for len(x) > 0 {
		piece := d.next(len(x))
		for i, v := range x[:len(piece)] {
			piece[i] = single(v)
		}
		x = x[len(piece):]
	}
}

// delay delays x in place.
func (d *ring) delay(x []float64) {
	for len(x) > 0 && len(d.frames) > 0 {
		piece := d.next(len(x))
		for i, v := range x[:len(piece)] {
			x[i], piece[i] = float64(piece[i]), single(v)
		}
		x = x[len(piece):]
	}
}

// allPass filters x in place with Schroeder's all-pass.
func (d *ring) allPass(x []float64) {
	const g = 0.6
	for len(x) > 0 {
		piece := d.next(len(x))
		for i, v := range x[:len(piece)] {
			y := float64(piece[i])
			w := v + float64(g*y)
			x[i] = y - float64(g*w)
			piece[i] = single(w)
		}
		x = x[len(piece):]
	}
}

// single rounds to float32 without leaving a denormal number behind: what is below
// 1e-25 is lost in the sum.
func single(x float64) float32 {
	const large = 1e-9
	return float32((x + large) - large)
}
