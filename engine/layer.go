package engine

import (
	"math"
	"slices"

	"patchlab/engine/filter"
	"patchlab/engine/osc"
	"patchlab/engine/patch"
	"patchlab/engine/rng"
	"patchlab/engine/vec"
)

// step is the number of frames between two looks at what controls a layer
// (envelopes, LFOs, modulation); between them everything moves in straight lines.
const step = 32

// The nodes of a layer, which key its random numbers.
const (
	nodeOsc1 = iota + 1
	nodeOsc2
	nodeOsc3
	nodeNoiseLeft
	nodeNoiseRight
	nodeLFO1
	nodeLFO2
	nodeRandom
	nodeSub
)

// middleC is the pitch in Hz at which key tracking leaves the cutoff alone.
const middleC = 261.6255653005986

// tone is a source with a pitch.
type tone interface {
	// Process adds frames to left and right; what moves the tone goes in straight
	// lines from one end to the other.
	Process(left, right []float32, from, to osc.Controls)
	// Mono reports whether both sides are the same.
	Mono() bool
}

// shade is a filter, which comes to the last point at the end of the frames.
type shade interface {
	Process(left, right []float32, from, to filter.Point)
}

// layer renders one layer of a patch.
type layer struct {
	p     *patch.Layer
	rate  float64
	delay int64   // frames before it starts
	note  float64 // s, from the start of the layer to the end of the whole sound
	life  int64   // frames until its level has come to 0

	tones []tone
	noise *osc.Noise
	shade shade

	*modulation
	mono    bool    // both sides of the source are the same
	corners []int64 // frames at which something turns a corner
	buf     [2][BlockFrames]float32

	now controls // at the end of the last stretch
}

// newLayer prepares a layer. gate is how long its note is held, length the rest
// of the sound after its delay, both in seconds.
func newLayer(p *patch.Layer, index int, whole *patch.Patch, gate, length float64) *layer {
	rate := float64(whole.Output.SampleRate)
	key := func(node uint64) rng.Stream { return rng.New(whole.Seed, uint64(index), node) }
	l := &layer{
		p:          p,
		rate:       rate,
		note:       length,
		delay:      int64(math.Round(float64(p.Delay * rate))),
		modulation: newModulation(p, whole.Tempo, rate, gate, length, key),
	}
	l.life = int64(math.Ceil(float64(l.ampEnv.End() * rate)))
	l.mono = true
	at := l.at(0)
	var classic *osc.Classic
	add := func(o patch.Oscillator, node uint64) {
		if t := newTone(o, key(node), rate); t != nil {
			l.tones = append(l.tones, t)
			return
		}
		if classic == nil {
			classic = osc.NewClassic()
		}
		classic.Add(o, key(node))
	}
	for i, o := range []patch.Oscillator{p.Synth.Osc1, p.Synth.Osc2, p.Synth.Osc3} {
		if o.Level > 0 {
			add(o, uint64(nodeOsc1+i))
		}
	}
	if s := p.Synth.Sub; s.Level > 0 {
		add(patch.Oscillator{Wave: s.Wave, Level: s.Level, Tune: float64(1200 * float64(s.Octave)), PulseWidth: 0.5, Unison: 1, Blend: 1}, nodeSub)
	}
	if classic != nil {
		classic.Skip(at.Controls)
		l.tones = append(l.tones, classic)
	}
	if p.Synth.Ring > 0 {
		first, second := p.Synth.Osc1, p.Synth.Osc2
		first.Level, second.Level = 1, 1
		l.tones = append(l.tones, newRing(
			alone(first, key(nodeOsc1), rate, at.Controls), alone(second, key(nodeOsc2), rate, at.Controls), p.Synth.Ring, at.Controls))
	}
	for _, t := range l.tones {
		l.mono = l.mono && t.Mono()
	}
	if n := p.Synth.Noise; n.Level > 0 {
		l.noise = osc.NewNoise(n, [2]rng.Stream{key(nodeNoiseLeft), key(nodeNoiseRight)}, rate)
		l.mono = false
	}
	for _, t := range slices.Concat(l.ampEnv.Corners(), l.filterEnv.Corners(), l.pitchEnv.Corners()) {
		l.corners = append(l.corners, int64(math.Ceil(float64(t*rate))))
	}
	slices.Sort(l.corners)
	l.shade = newShade(p.Filter, rate, at.point)
	l.now = at
	l.now.gain = [2]float64{}
	return l
}

// newTone makes an oscillator of a kind that is drawn by itself; nil if it is of another.
func newTone(p patch.Oscillator, random rng.Stream, rate float64) tone {
	switch p.Wave {
	case "wavetable":
		return osc.NewWavetable(p, random, rate)
	case "fm":
		return osc.NewFM(p, random, rate)
	default:
		return nil
	}
}

// alone makes an oscillator of any kind, by itself, ready for its first frame.
func alone(p patch.Oscillator, random rng.Stream, rate float64, at osc.Controls) tone {
	if t := newTone(p, random, rate); t != nil {
		return t
	}
	c := osc.NewClassic()
	c.Add(p, random)
	c.Skip(at)
	return c
}

// newShade makes the filter of a layer, nil where it is off.
func newShade(p patch.Filter, rate float64, at filter.Point) shade {
	switch p.Type {
	case "off":
		return nil
	case "ladder":
		return filter.NewLadder(p, rate)
	case "comb":
		return filter.NewComb(p, rate)
	case "formant":
		return filter.NewFormant(p, rate)
	default:
		return filter.NewSVF(p, rate, at)
	}
}

// process adds the layer to left and right, which start at a frame counted from
// the start of the layer, not negative. Both sides are the same where mono is
// true; then right is left alone.
func (l *layer) process(frame int64, left, right []float32, mono bool) {
	n := int(max(0, min(int64(len(left)), l.life-frame)))
	if n == 0 {
		return
	}
	a, b := l.buf[0][:n], l.buf[1][:n]
	clear(a)
	clear(b)
	if l.still { // nothing that moves a tone moves
		l.sources(a, b, l.now.Controls, l.now.Controls)
	}
	if l.noise != nil {
		l.noise.Process(a, b)
	}
	for from := 0; from < n; {
		to := from + l.stretch(frame+int64(from), n-from)
		if mono {
			l.run(frame+int64(to), a[from:to], b[from:to], left[from:to], nil)
		} else {
			l.run(frame+int64(to), a[from:to], b[from:to], left[from:to], right[from:to])
		}
		from = to
	}
}

// stretch returns how many frames from this one on, most at most, all may move in
// straight lines: to the next multiple of step, or to the next corner.
func (l *layer) stretch(frame int64, most int) int {
	end := frame - frame%step + step
	for _, corner := range l.corners {
		if corner > frame {
			end = min(end, corner)
			break
		}
	}
	return min(int(end-frame), most)
}

// run adds the stretch of a and b that ends at a frame to left and, unless it is
// nil, right.
func (l *layer) run(end int64, a, b, left, right []float32) {
	was := l.now
	l.now = l.at(float64(end) / l.rate)
	if !l.still {
		l.sources(a, b, was.Controls, l.now.Controls)
	}
	other := b
	if l.mono {
		other = nil
	}
	if l.shade != nil {
		l.shade.Process(a, other, was.point, l.now.point)
	}
	if l.mono {
		b = a
	}
	mix(left, a, was.gain[0], l.now.gain[0])
	if right != nil {
		mix(right, b, was.gain[1], l.now.gain[1])
	}
}

// sources adds the tones to a and b.
func (l *layer) sources(a, b []float32, from, to osc.Controls) {
	for _, t := range l.tones {
		t.Process(a, b, from, to)
	}
}

// centred reports whether both sides of what the layer gives are the same.
func (l *layer) centred() bool { return l.mono && !l.moves[targetPan] && l.p.Pan == 0 }

// mix adds x to sum with a gain that goes in a straight line.
func mix(sum, x []float32, g0, g1 float64) {
	vec.Add(sum, x, float32(g0), float32((g1-g0)/float64(len(x))))
}

// Shortest times, in seconds, of the level: steps of it would click.
const (
	leastAttack  = 0.0005
	leastRelease = 0.002
)

func declick(e patch.Envelope) patch.Envelope {
	e.Attack = max(e.Attack, leastAttack)
	e.Decay = max(e.Decay, leastRelease)
	e.Release = max(e.Release, leastRelease)
	return e
}
