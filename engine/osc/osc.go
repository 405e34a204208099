// Package osc holds the sources of raw sound: band-limited oscillators with
// unison, and coloured noise.
package osc

import (
	"math"

	"patchlab/engine/dmath"
	"patchlab/engine/patch"
	"patchlab/engine/rng"
)

// Latency is the number of frames by which an oscillator's output lags behind
// its phase: the band limit looks ahead. The first Latency frames of a sound are
// to be thrown away.
const Latency = half

// MaxBlock is the largest number of frames of one call of Process.
const MaxBlock = 64

// voice is one of the unison voices. Phases are integers, a turn being 2^64, so
// that they never lose precision and wrap by overflow.
type voice struct {
	phase  uint64
	ratio  float64 // its frequency to the layer's
	gl, gr float64
}

// Oscillator is a band-limited oscillator of 1 to 16 voices, in stereo.
type Oscillator struct {
	process func(o *Oscillator, v *voice, s *sweep)
	width   float64 // of the square's pulse
	voices  []voice
	mono    bool
	res     *residuals
	sweep   sweep
	// What the voices gave and what the residuals of their jumps add, from half
	// before to half after the frame that is due.
	left, right [MaxBlock + taps]float64
}

// sweep is a stretch of frames over which all moves in straight lines.
type sweep struct {
	n      int
	f, df  float64 // turns per frame, before the first frame and its change a frame
	w, dw  float64 // pulse width in turns, likewise
	lines  [2]line
	active bool // something was added to lines
}

// line is a sum of straight lines and parabolas: at the frame i, counted from 1,
// a + b·i + c·i·(i+1)/2.
type line struct{ a, b, c float64 }

func (l *line) add(g, a, b, c float64) {
	l.a += float64(g * a)
	l.b += float64(g * b)
	l.c += float64(g * c)
}

// New makes an oscillator with the level and the tuning of p. Several voices start
// at phases drawn from random; a single one starts where its wave crosses zero.
func New(p patch.Oscillator, random rng.Stream) *Oscillator {
	o := &Oscillator{width: p.PulseWidth, voices: make([]voice, p.Unison), mono: p.Unison == 1 || p.Spread == 0, res: tables()}
	start := uint64(0)
	switch p.Wave {
	case "square":
		o.process = (*Oscillator).square
	case "triangle":
		o.process, start = (*Oscillator).triangle, 1<<62
	case "sine":
		o.process = (*Oscillator).sine
	default:
		o.process, start = (*Oscillator).saw, 1<<63
	}
	gain := p.Level / math.Sqrt(float64(p.Unison)) // voices of random phase add by power
	for i := range o.voices {
		v := &o.voices[i]
		place := 0.0 // −1 … 1
		v.phase = start
		if p.Unison > 1 {
			place = float64(2*i)/float64(p.Unison-1) - 1
			v.phase = random.Bits(uint64(i))
		}
		v.ratio = dmath.Ratio(p.Tune + float64(place*p.Detune))
		side := float64(place * p.Spread)
		if i%2 == 1 { // neighbours in pitch stand on opposite sides
			side = -side
		}
		v.gl, v.gr = Pan(side)
		v.gl, v.gr = float64(v.gl*gain), float64(v.gr*gain)
	}
	return o
}

// Mono reports whether both sides are the same.
func (o *Oscillator) Mono() bool { return o.mono }

// Pan returns the gains of left and right of a place from −1 to 1 by the
// equal-power law, exactly 1 at the centre.
func Pan(place float64) (left, right float64) {
	if place == 0 {
		return 1, 1
	}
	t := float64((max(-1, min(1, place)) + 1) / 8)
	return float64(math.Sqrt2 * dmath.SinTurns(0.25-t)), float64(math.Sqrt2 * dmath.SinTurns(t))
}

// maxStep is the largest increment of a phase, a frequency of 0.45 of the rate.
const maxStep = 0.45

// Process adds len(left) frames to left and right. The frequency, in turns per
// frame, goes in a straight line from f0 to f1 over them; the pulse width of a
// square differs from its own by w0 at first and w1 at the end.
func (o *Oscillator) Process(left, right []float64, f0, f1, w0, w1 float64) {
	n := len(left)
	s := &o.sweep
	*s = sweep{n: n, w: o.clampWidth(w0)}
	s.dw = (o.clampWidth(w1) - s.w) / float64(n)
	for i := range o.voices {
		v := &o.voices[i]
		s.f = min(maxStep, float64(f0*v.ratio))
		s.df = (min(maxStep, float64(f1*v.ratio)) - s.f) / float64(n)
		o.process(o, v, s)
	}
	if s.active {
		s.lines[0].render(o.left[half : half+n])
		s.lines[1].render(o.right[half : half+n])
	}
	for i := range left {
		left[i] += o.left[i]
		right[i] += o.right[i]
	}
	copy(o.left[:taps], o.left[n:n+taps])
	copy(o.right[:taps], o.right[n:n+taps])
	clear(o.left[taps : taps+n])
	clear(o.right[taps : taps+n])
}

func (o *Oscillator) clampWidth(by float64) float64 { return max(0.05, min(0.95, o.width+by)) }

// render adds the line to the frames of out.
func (l *line) render(out []float64) {
	y, slope := l.a, l.b
	for i := range out {
		slope += l.c
		y += slope
		out[i] += y
	}
}

// turn is 2^64 as a float.
const turn = 1 << 64

// bipolar returns a phase as a straight line from −1 to 1 over a turn.
func bipolar(phase uint64) float64 { return float64(float64(int64(phase-1<<63)) / (1 << 63)) }

// increment returns a step of 0 to 1 turns as a step of a phase.
func increment(f float64) uint64 { return uint64(float64(f * turn)) }

// saw adds a voice that rises from −1 to 1.
func (o *Oscillator) saw(v *voice, s *sweep) {
	v.phase = o.rise(v.phase, s, s.f, s.df, v.gl, v.gr)
}

// square adds a voice that is 1 over the pulse width and −1 over the rest, less
// its mean, as the difference of two saws: one with the voice's phase and one that
// lags by the pulse width.
func (o *Oscillator) square(v *voice, s *sweep) {
	lag := v.phase - increment(s.w)
	o.rise(lag, s, s.f-s.dw, s.df, v.gl, v.gr)
	v.phase = o.rise(v.phase, s, s.f, s.df, -v.gl, -v.gr)
}

// rise adds a saw with the gains gl and gr, whose frequency is f before the first
// frame and changes by df each frame, and returns its phase at the end.
//
// Between its wraps a saw is a straight line, or a parabola where the frequency
// moves, and so is the sum of several: only the lines' coefficients are kept, and
// rendered once for all voices. A wrap adds its jump and the residual of the band
// limit.
func (o *Oscillator) rise(phase uint64, s *sweep, f, df, gl, gr float64) uint64 {
	n := float64(s.n)
	start := bipolar(phase)
	s.active = true
	s.lines[0].add(gl, start, float64(2*f), float64(2*df))
	s.lines[1].add(gr, start, float64(2*f), float64(2*df))

	way := float64(n*f) + float64(df*float64(n*(n+1)/2))
	end := phase + increment(way-math.Floor(way))
	at := unit(phase)
	wraps := int(math.Round(at + way - unit(end))) // what the integer phase says
	if wraps == 0 && f >= 0 && f+float64(n*df) >= 0 {
		return end
	}
	// Look for the wraps frame by frame; the edge of a pulse may also go backwards,
	// where its width grows faster than the phase.
	for i := range s.n {
		f += df
		at += f
		switch {
		case at >= 1:
			at--
			wraps--
			o.wrap(i, s.n, ago(at, f), float64(-2*gl), float64(-2*gr))
		case at < 0:
			o.wrap(i, s.n, ago(at, f), float64(2*gl), float64(2*gr))
			at++
			wraps++
		}
	}
	if wraps != 0 { // rounding saw the last wrap a frame later
		jump := -2 * float64(wraps)
		o.wrap(s.n-1, s.n, 0, float64(jump*gl), float64(jump*gr))
	}
	return end
}

// unit returns a phase in turns, 0 to 1.
func unit(phase uint64) float64 { return float64(float64(phase>>11) / (1 << 53)) }

// ago returns how many frames before now, 0 to 1, a phase that moves by f a frame
// was at 0.
func ago(at, f float64) float64 {
	if f == 0 {
		return 0
	}
	return max(0, min(1, at/f))
}

// wrap adds a jump between the frames i−1 and i, with its residual, to the naive
// waveform of a sweep of n frames.
func (o *Oscillator) wrap(i, n int, ago, gl, gr float64) {
	o.res.step.add(o.left[i:i+taps], o.right[i:i+taps], ago, gl, gr)
	left, right := o.left[i+half:half+n], o.right[i+half:half+n]
	for k := range left {
		left[k] += gl
		right[k] += gr
	}
}

// triangle adds a voice that rises from −1 to 1 and falls back.
func (o *Oscillator) triangle(v *voice, s *sweep) {
	f := s.f
	phase, gl, gr := v.phase, v.gl, v.gr
	left, right := o.left[half:half+s.n], o.right[half:half+s.n]
	for i := range left {
		f += s.df
		step := increment(f)
		before := phase
		phase += step
		if phase < step { // the lower corner
			o.bend(i, float64(phase)/float64(step), float64(8*f), v)
		} else if before < 1<<63 && phase >= 1<<63 { // the upper one
			o.bend(i, float64(phase-1<<63)/float64(step), float64(-8*f), v)
		}
		y := 1 - float64(2*math.Abs(bipolar(phase)))
		left[i] += float64(gl * y)
		right[i] += float64(gr * y)
	}
	v.phase = phase
}

// bend adds the residual of a change of slope, per frame, ago frames before the
// frame i.
func (o *Oscillator) bend(i int, ago, slope float64, v *voice) {
	o.res.ramp.add(o.left[i:i+taps], o.right[i:i+taps], ago, float64(slope*v.gl), float64(slope*v.gr))
}

// sine returns the sine of a phase.
func sine(phase uint64) float64 {
	s := int64(phase)
	if (phase^phase<<1)>>63 != 0 { // in the second and third quarter it runs back
		s = math.MinInt64 - s
	}
	return dmath.SinQuarter(float64(float64(s) / turn))
}

// sine adds a voice that needs no band limit.
func (o *Oscillator) sine(v *voice, s *sweep) {
	f := s.f
	phase, gl, gr := v.phase, v.gl, v.gr
	left, right := o.left[half:half+s.n], o.right[half:half+s.n]
	for i := range left {
		f += s.df
		phase += increment(f)
		y := sine(phase)
		left[i] += float64(gl * y)
		right[i] += float64(gr * y)
	}
	v.phase = phase
}
