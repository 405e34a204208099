// Package osc holds the sources of raw sound: band-limited oscillators with
// unison, wavetables, frequency modulation and coloured noise.
package osc

import (
	"math"

	"patchlab/engine/dmath"
	"patchlab/engine/patch"
	"patchlab/engine/rng"
	"patchlab/engine/vec"
)

// Latency is the number of frames by which the output of Classic lags behind its
// phases: the band limit looks ahead. Call Skip before the first Process.
const Latency = half

// MaxBlock is the largest number of frames of one call of Process.
const MaxBlock = vec.MaxBlock

// Classic is a set of band-limited oscillators (saw, square, triangle, sine) of 1 to 16
// voices each, in stereo, that are drawn together.
//
// Between its wraps a saw is a straight line, or a parabola where the frequency
// moves, and so is the sum of several: only the coefficients are kept, and rendered
// once for all voices. What happens at a moment, a jump or a bend, is noted for its
// frame, with the residual of the band limit.
type Classic struct {
	oscillators []oscillator
	mono        bool
	res         *residuals

	sides [2]side
	move  move
	// The frame that is due stands at 0; the frame of the phases at half.
	out [2][MaxBlock + taps]float32
}

// oscillator is one of them.
type oscillator struct {
	add    func(c *Classic, v *voice, m *move)
	width  float64 // of the square's pulse
	voices []voice
}

// side is one channel of the sum of all voices over a stretch: at first, what
// happens at its frames, and whether anything did.
type side struct {
	value, slope, curve float64               // before the first frame; added up: slope += curve, value += slope
	jumps               [MaxBlock]float64     // added to value at a frame
	bends               [MaxBlock + 1]float64 // added to slope
	turns               [MaxBlock + 1]float64 // added to curve
}

// move is a stretch of frames over which all goes in straight lines.
type move struct {
	n     int
	f, df float64 // turns per frame, before the first frame and its change a frame
	w, dw float64 // pulse width in turns, likewise
	lines bool    // something was added to sides
	bent  bool    // bends and turns are not all 0
}

// NewClassic returns a set without an oscillator.
func NewClassic() *Classic { return &Classic{mono: true, res: tables()} }

// Add adds an oscillator with the level and the tuning of p. Several voices start at
// phases drawn from random; a single one starts where its wave crosses zero.
func (c *Classic) Add(p patch.Oscillator, random rng.Stream) {
	o := oscillator{width: p.PulseWidth}
	start := uint64(0)
	switch p.Wave {
	case "square":
		o.add = (*Classic).square
	case "triangle":
		o.add, start = (*Classic).triangle, 1<<62
	case "sine":
		o.add = (*Classic).sine
	default:
		o.add, start = (*Classic).saw, 1<<63
	}
	var mono bool
	o.voices, mono = unison(p, random, start)
	c.mono = c.mono && mono
	c.oscillators = append(c.oscillators, o)
}

// Mono reports whether both sides are the same.
func (c *Classic) Mono() bool { return c.mono }

// Skip runs through the frames that the band limit looks ahead.
func (c *Classic) Skip(at Controls) {
	var nowhere [2][Latency]float32
	c.Process(nowhere[0][:], nowhere[1][:], at, at)
}

// Process adds len(left) frames, at most MaxBlock, to left and right; all that moves
// goes in straight lines from one end to the other.
func (c *Classic) Process(left, right []float32, from, to Controls) {
	n := len(left)
	if n == 0 {
		return
	}
	m := &c.move
	m.n, m.lines, m.bent = n, false, false
	for i := range c.oscillators {
		o := &c.oscillators[i]
		m.w = clampWidth(o.width + from.PulseWidth)
		m.dw = (clampWidth(o.width+to.PulseWidth) - m.w) / float64(n)
		for k := range o.voices {
			v := &o.voices[k]
			m.f = min(maxStep, float64(from.Frequency*v.ratio))
			m.df = (min(maxStep, float64(to.Frequency*v.ratio)) - m.f) / float64(n)
			o.add(c, v, m)
		}
	}
	if m.lines {
		c.sides[0].render(c.out[0][half:half+n], m.bent)
		if c.mono {
			c.sides[1].forget(n, m.bent)
		} else {
			c.sides[1].render(c.out[1][half:half+n], m.bent)
		}
	}
	vec.Sum(left, c.out[0][:n])
	if c.mono {
		vec.Sum(right, c.out[0][:n])
	} else {
		vec.Sum(right, c.out[1][:n])
	}
	for s := range c.out { // on by n frames
		copy(c.out[s][:taps], c.out[s][n:n+taps])
		clear(c.out[s][taps : taps+n])
	}
}

func clampWidth(w float64) float64 { return max(0.05, min(0.95, w)) }

// render adds the sum of all voices to out and forgets it.
func (s *side) render(out []float32, bent bool) {
	value, slope, curve := s.value, s.slope, s.curve
	jumps := s.jumps[:len(out)]
	if bent {
		bends, turns := s.bends[:len(out)], s.turns[:len(out)]
		for i := range out {
			curve += turns[i]
			slope += curve + bends[i]
			value += slope + jumps[i]
			out[i] += float32(value)
		}
	} else {
		for i, jump := range jumps {
			slope += curve
			value += slope + jump
			out[i] += float32(value)
		}
	}
	s.forget(len(out), bent)
}

func (s *side) forget(n int, bent bool) {
	clear(s.jumps[:n])
	if bent {
		clear(s.bends[:n+1])
		clear(s.turns[:n+1])
	}
	s.value, s.slope, s.curve = 0, 0, 0
}

// bipolar returns a phase as a straight line from −1 to 1 over a turn.
func bipolar(phase uint64) float64 { return float64(float64(int64(phase-1<<63)) / (1 << 63)) }

// unit returns a phase in turns, 0 to 1.
func unit(phase uint64) float64 { return float64(float64(phase>>11) / (1 << 53)) }

// saw adds a voice that rises from −1 to 1.
func (c *Classic) saw(v *voice, m *move) {
	v.phase = c.rise(v.phase, m, m.f, m.df, v.gl, v.gr)
}

// square adds a voice that is 1 over the pulse width and −1 over the rest, less
// its mean, as the difference of two saws: one with the voice's phase and one that
// lags by the pulse width.
func (c *Classic) square(v *voice, m *move) {
	lag := v.phase - increment(m.w)
	c.rise(lag, m, m.f-m.dw, m.df, v.gl, v.gr)
	v.phase = c.rise(v.phase, m, m.f, m.df, -v.gl, -v.gr)
}

// rise adds a saw with the gains gl and gr, whose frequency is f before the first
// frame and changes by df each frame, and returns its phase at the end.
func (c *Classic) rise(phase uint64, m *move, f, df, gl, gr float64) uint64 {
	n := float64(m.n)
	m.lines = true
	start := bipolar(phase)
	l, r := &c.sides[0], &c.sides[1]
	l.value += float64(gl * start)
	l.slope += float64(gl * float64(2*f))
	l.curve += float64(gl * float64(2*df))
	r.value += float64(gr * start)
	r.slope += float64(gr * float64(2*f))
	r.curve += float64(gr * float64(2*df))

	way := float64(n*f) + float64(df*float64(n*(n+1)/2))
	whole := math.Floor(way)
	end := phase + increment(way-whole)
	wraps := int(whole) // of the integer phase
	if end < phase {
		wraps++
	}
	if f < 0 || f+float64(n*df) < 0 {
		c.seesaw(unit(phase), wraps, m.n, f, df, gl, gr)
		return end
	}
	at := unit(phase)
	b := f + float64(0.5*df)
	for k := 1; k <= wraps; k++ {
		// b·t + df/2·t² = way
		way := float64(k) - at
		t := 2 * way / (b + math.Sqrt(max(0, float64(b*b)+float64(2*float64(df*way)))))
		i := max(0, min(m.n-1, int(math.Ceil(t))-1))
		c.jump(i, max(0, min(1, float64(i+1)-t)), float64(-2*gl), float64(-2*gr))
	}
	return end
}

// seesaw finds the wraps of a saw that also goes backwards, as the edge of a pulse
// does where its width grows faster than its phase, frame by frame.
func (c *Classic) seesaw(at float64, wraps, n int, f, df, gl, gr float64) {
	for i := range n {
		f += df
		at += f
		switch {
		case at >= 1:
			at--
			wraps--
			c.jump(i, ago(at, f), float64(-2*gl), float64(-2*gr))
		case at < 0:
			c.jump(i, ago(at, f), float64(2*gl), float64(2*gr))
			at++
			wraps++
		}
	}
	if wraps != 0 { // rounding saw the last wrap a frame later
		by := -2 * float64(wraps)
		c.jump(n-1, 0, float64(by*gl), float64(by*gr))
	}
}

// ago returns how many frames before now, 0 to 1, a phase that moves by f a frame
// was at 0.
func ago(at, f float64) float64 {
	if f == 0 {
		return 0
	}
	return max(0, min(1, at/f))
}

// jump adds a jump between the frames i−1 and i, with its residual.
func (c *Classic) jump(i int, ago, gl, gr float64) {
	c.sides[0].jumps[i] += gl
	c.sides[1].jumps[i] += gr
	a, b, f := c.res.step.rows(ago)
	c.residual(i, a, b, f, float32(gl), float32(gr))
}

func (c *Classic) residual(i int, a, b *[taps]float32, f, gl, gr float32) {
	vec.Residual((*[taps]float32)(c.out[0][i:]), (*[taps]float32)(c.out[1][i:]), a, b, f, gl, gr)
}

// triangle adds a voice that rises from −1 to 1 and falls back.
func (c *Classic) triangle(v *voice, m *move) {
	n := float64(m.n)
	m.lines, m.bent = true, true
	f, df := m.f, m.df
	start := 1 - float64(2*math.Abs(bipolar(v.phase)))
	rising := 4.0
	if v.phase >= 1<<63 {
		rising = -4
	}
	for s, g := range [2]float64{v.gl, v.gr} {
		c.sides[s].value += float64(g * start)
		c.sides[s].slope += float64(float64(g*rising) * f)
		c.sides[s].curve += float64(float64(g*rising) * df)
	}

	way := float64(n*f) + float64(df*float64(n*(n+1)/2))
	whole := math.Floor(way)
	at, b := unit(v.phase), f+float64(0.5*df)
	end := v.phase + increment(way-whole)
	corners := int(2*whole) + int(end>>63) - int(v.phase>>63) // of the integer phase
	if end < v.phase {
		corners += 2
	}
	corner := 0.5 // the next one: at every half turn
	if rising < 0 {
		corner = 1
	}
	for range corners {
		way := corner - at
		t := 2 * way / (b + math.Sqrt(max(0, float64(b*b)+float64(2*float64(df*way)))))
		i := max(0, min(m.n-1, int(math.Ceil(t))-1))
		c.bend(i, float64(-2*rising), at, f, df, corner, t, v)
		rising = -rising
		corner += 0.5
	}
	v.phase = end
}

// bend turns the slope of a voice by the factor turn times its frequency at the
// moment t, between the frames i−1 and i, when its phase, at before the first frame,
// is at corner.
func (c *Classic) bend(i int, turn, at, f, df, corner, t float64, v *voice) {
	k := float64(i + 1)
	past := max(0, at+float64(k*f)+float64(df*float64(k*(k+1)/2))-corner) // phase since the corner
	now := f + float64(k*df)
	for s, g := range [2]float64{v.gl, v.gr} {
		g = float64(g * turn)
		c.sides[s].jumps[i] += float64(g * past)
		c.sides[s].bends[i+1] += float64(g * now)
		c.sides[s].turns[i+1] += float64(g * df)
	}
	a, b, frac := c.res.ramp.rows(max(0, min(1, k-t)))
	speed := float64(turn * (f + float64(df*t)))
	c.residual(i, a, b, frac, float32(float64(speed*v.gl)), float32(float64(speed*v.gr)))
}

// sine adds a voice that needs no band limit.
func (c *Classic) sine(v *voice, m *move) {
	f := m.f
	phase, gl, gr := v.phase, float32(v.gl), float32(v.gr)
	left, right := c.out[0][half:half+m.n], c.out[1][half:half+m.n]
	for i := range left {
		f += m.df
		phase += uint64(int64(float64(f * turn)))
		y := sine(phase)
		left[i] += float32(gl * y)
		right[i] += float32(gr * y)
	}
	v.phase = phase
}

// sine returns the sine of a phase, within 1e-7.
func sine(phase uint64) float32 {
	s := int64(phase)
	if (phase^phase<<1)>>63 != 0 { // in the second and third quarter it runs back
		s = math.MinInt64 - s
	}
	return float32(dmath.SinQuarterShort(float64(float64(s) / turn)))
}
