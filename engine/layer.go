package engine

import (
	"math"

	"patchlab/engine/dmath"
	"patchlab/engine/env"
	"patchlab/engine/filter"
	"patchlab/engine/osc"
	"patchlab/engine/patch"
	"patchlab/engine/rng"
)

// step is the number of frames between two looks at what controls a layer
// (envelopes, LFOs, modulation); between them everything moves in straight lines.
const step = 16

// The nodes of a layer, which key its random numbers.
const (
	nodeOsc1 = iota + 1
	nodeOsc2
	nodeOsc3
	nodeNoiseLeft
	nodeNoiseRight
	nodeLFO1
	nodeLFO2
)

// middleC is the pitch in Hz at which key tracking leaves the cutoff alone.
const middleC = 261.6255653005986

// layer renders one layer of a patch.
type layer struct {
	p     *patch.Layer
	rate  float64
	delay int64   // frames before it starts
	note  float64 // s, from the start of the layer to the end of the whole sound

	oscs  []*osc.Oscillator
	noise *osc.Noise

	ampEnv, filterEnv, pitchEnv env.ADSR
	lfo1, lfo2                  lfo

	mode     filter.Mode
	sections [2]filter.Stereo
	damping  [2]float64 // 1/Q of each section
	count    int        // of sections; 0 is no filter

	mono   bool     // both sides of the source are the same
	breaks [2]int64 // frames at which the level turns a corner: where its attack and the note end
	buf    [2][step]float64

	now controls // at the end of the last step
}

// controls is what moves a layer, at one moment.
type controls struct {
	freq   float64    // turns per frame
	width  float64    // pulse width, relative to the oscillators' own
	cutoff float64    // coefficient of the filter
	gain   [2]float64 // left, right
}

// newLayer prepares a layer. gate is how long its note is held, length the rest
// of the sound after its delay, both in seconds.
func newLayer(p *patch.Layer, index int, seed uint32, rate, gate, length float64) *layer {
	key := func(node uint64) rng.Stream { return rng.New(seed, uint64(index), node) }
	l := &layer{
		p:         p,
		rate:      rate,
		note:      length,
		delay:     int64(math.Round(float64(p.Delay * rate))),
		ampEnv:    env.New(declick(p.AmpEnv), gate),
		filterEnv: env.New(p.FilterEnv, gate),
		pitchEnv:  env.New(p.PitchEnv, gate),
		lfo1:      newLFO(p.LFO1, key(nodeLFO1)),
		lfo2:      newLFO(p.LFO2, key(nodeLFO2)),
	}
	for i, o := range []patch.Oscillator{p.Synth.Osc1, p.Synth.Osc2, p.Synth.Osc3} {
		if o.Level > 0 {
			l.oscs = append(l.oscs, osc.New(o, key(uint64(nodeOsc1+i))))
		}
	}
	if n := p.Synth.Noise; n.Level > 0 {
		l.noise = osc.NewNoise(n.Color, n.Level, [2]rng.Stream{key(nodeNoiseLeft), key(nodeNoiseRight)}, rate)
	}
	l.mono = l.noise == nil
	for _, o := range l.oscs {
		l.mono = l.mono && o.Mono()
	}
	l.breaks = [2]int64{int64(math.Ceil(float64(l.ampEnv.Peak() * rate))), int64(math.Ceil(float64(gate * rate)))}
	l.setFilter()
	l.now = l.at(0)
	for range osc.Latency / step { // what the oscillators look ahead
		l.sources(l.buf[0][:], l.buf[1][:], l.now)
	}
	l.now.gain = [2]float64{}
	clear(l.buf[0][:])
	clear(l.buf[1][:])
	return l
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

// setFilter chooses the filter's sections. Two in a row with the damping of a
// fourth-order Butterworth filter make 24 dB; the resonance goes to the second.
func (l *layer) setFilter() {
	f := l.p.Filter
	l.count, l.damping[0] = 1, 1/f.Resonance
	switch f.Type {
	case "lowpass":
		l.mode = filter.LowPass
	case "highpass":
		l.mode = filter.HighPass
	case "bandpass":
		l.mode = filter.BandPass
	case "notch":
		l.mode = filter.Notch
	default:
		l.count = 0
		return
	}
	if f.Slope == 24 {
		const first, second, flat = 0.5411961001461969, 1.3065629648763766, 0.7071067811865476
		l.count = 2
		l.damping = [2]float64{1 / first, flat / float64(second*f.Resonance)}
		if l.mode == filter.BandPass || l.mode == filter.Notch {
			l.damping = [2]float64{1 / f.Resonance, 1 / f.Resonance}
		}
	}
}

// at returns the controls t seconds after the start of the layer.
func (l *layer) at(t float64) controls {
	p := l.p
	amp, fil, pit := l.ampEnv.At(t), l.filterEnv.At(t), l.pitchEnv.At(t)
	lfo1, lfo2 := l.lfo1.at(t), l.lfo2.at(t)

	pitch := float64(pit*p.PitchBend) + float64(p.Glide*max(0, min(1, t/l.note)))
	cutoff := float64(fil * p.Filter.EnvAmount)
	level, pan, width := p.Level, p.Pan, 0.0
	for i := range p.Mods {
		m := &p.Mods[i]
		var x float64
		switch m.Source {
		case "lfo1":
			x = lfo1
		case "lfo2":
			x = lfo2
		case "amp_env":
			x = amp
		case "filter_env":
			x = fil
		default:
			x = pit
		}
		x = float64(x * m.Amount)
		switch m.Target {
		case "pitch":
			pitch += x
		case "cutoff":
			cutoff += x
		case "level":
			level += x
		case "pan":
			pan += x
		default:
			width += x
		}
	}
	hz := float64(p.Pitch * dmath.Ratio(pitch))
	cutoff += float64(float64(1200*p.Filter.KeyTrack) * dmath.Log2(max(1e-3, hz)/middleC))
	gain := float64(amp * dmath.Gain(min(level, p.Level+12)))
	left, right := osc.Pan(pan)
	return controls{
		freq:   max(0, min(0.45, hz/l.rate)),
		width:  width,
		cutoff: filter.Coefficient(float64(p.Filter.Cutoff*dmath.Ratio(max(-24000, min(24000, cutoff)))), l.rate),
		gain:   [2]float64{float64(gain * left), float64(gain * right)},
	}
}

// over reports whether the note has died away before a frame, counted from the
// start of the layer.
func (l *layer) over(frame int64) bool { return float64(frame)/l.rate > l.ampEnv.End() }

// process adds the layer to left and right, which start at a frame counted from
// the start of the layer, not negative. Both sides are the same where mono is
// true; then right is left alone.
func (l *layer) process(frame int64, left, right []float64, mono bool) {
	for done := 0; done < len(left) && !l.over(frame); {
		n := min(l.stretch(frame), len(left)-done)
		l.run(frame, left[done:done+n], right[done:done+n], mono)
		done += n
		frame += int64(n)
	}
}

// stretch returns how many frames from this one on all may move in straight lines:
// to the next multiple of step, or to the next corner of the level.
func (l *layer) stretch(frame int64) int {
	end := frame - frame%step + step
	for _, corner := range l.breaks {
		if corner > frame {
			end = min(end, corner)
		}
	}
	return int(end - frame)
}

// run adds a stretch of frames.
func (l *layer) run(frame int64, left, right []float64, mono bool) {
	was := l.now
	l.now = l.at(float64(frame+int64(len(left))) / l.rate)
	a, b := l.buf[0][:len(left)], l.buf[1][:len(left)]
	clear(a)
	clear(b)
	l.sources(a, b, was)
	if l.noise != nil {
		l.noise.Process(a, b)
	}
	other := b
	if l.mono {
		other = nil
	}
	for s := range l.count {
		l.sections[s].Process(a, other, l.mode, was.cutoff, l.now.cutoff, l.damping[s])
	}
	if l.mono {
		b = a
	}
	mix(left, a, was.gain[0], l.now.gain[0])
	if !mono {
		mix(right, b, was.gain[1], l.now.gain[1])
	}
}

// sources adds the oscillators to a and b, from the controls was to those of now.
func (l *layer) sources(a, b []float64, was controls) {
	for _, o := range l.oscs {
		o.Process(a, b, was.freq, l.now.freq, was.width, l.now.width)
	}
}

// centred reports whether both sides of what the layer gives are the same.
func (l *layer) centred() bool {
	for _, m := range l.p.Mods {
		if m.Target == "pan" && m.Amount != 0 {
			return false
		}
	}
	return l.mono && l.p.Pan == 0
}

// mix adds x to sum with a gain that goes in a straight line.
func mix(sum, x []float64, g0, g1 float64) {
	g, dg := g0, (g1-g0)/float64(len(x))
	for i, v := range x {
		g += dg
		sum[i] += float64(g * v)
	}
}

// lfo is a low-frequency oscillator from −1 to 1, in closed form.
type lfo struct {
	p      patch.LFO
	random rng.Stream
}

func newLFO(p patch.LFO, random rng.Stream) lfo { return lfo{p: p, random: random} }

func (l *lfo) at(t float64) float64 {
	turns := float64(max(0, t)*l.p.Rate) + l.p.Phase
	period := math.Floor(turns)
	x := turns - period
	switch l.p.Shape {
	case "triangle":
		return triangle(x)
	case "saw":
		return float64(2*x) - 1
	case "square":
		if x < 0.5 {
			return 1
		}
		return -1
	case "random":
		return l.random.Bipolar(uint64(period))
	default:
		return dmath.SinTurns(x)
	}
}

// triangle goes from 0 up to 1, down to −1 and back to 0.
func triangle(x float64) float64 {
	switch {
	case x < 0.25:
		return float64(4 * x)
	case x < 0.75:
		return 2 - float64(4*x)
	default:
		return float64(4*x) - 4
	}
}
