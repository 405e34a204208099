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
	delay int64   // frames before it starts, a multiple of step
	note  float64 // s, from the start of the layer to the end of the whole sound

	oscs  []*osc.Oscillator
	noise *osc.Noise

	ampEnv, filterEnv, pitchEnv env.ADSR
	lfo1, lfo2                  lfo

	mode     filter.Mode
	filterOn bool
	sections [2][2]filter.SVF // by section, by side
	damping  [2]float64       // 1/Q of each section
	count    int              // of sections

	now controls // at the end of the last step
}

// controls is what moves a layer, at one moment.
type controls struct {
	freq   float64    // turns per frame
	width  float64    // pulse width relative to the oscillators' own
	cutoff float64    // coefficient of the filter
	gain   [2]float64 // left, right
}

// newLayer prepares a layer. gate is how long its note is held, length the rest
// of the sound after its delay, both in seconds.
func newLayer(p *patch.Layer, index int, seed uint32, rate, gate, length float64) *layer {
	key := func(node uint64) rng.Stream { return rng.New(seed, uint64(index), node) } //nolint:gosec // 0 to 3
	l := &layer{
		p:         p,
		rate:      rate,
		note:      length,
		delay:     int64(float64(p.Delay*rate)/step+0.5) * step,
		ampEnv:    env.New(p.AmpEnv, gate),
		filterEnv: env.New(p.FilterEnv, gate),
		pitchEnv:  env.New(p.PitchEnv, gate),
		lfo1:      newLFO(p.LFO1, key(nodeLFO1)),
		lfo2:      newLFO(p.LFO2, key(nodeLFO2)),
	}
	for i, o := range []patch.Oscillator{p.Synth.Osc1, p.Synth.Osc2, p.Synth.Osc3} {
		if o.Level > 0 {
			l.oscs = append(l.oscs, osc.New(o, key(uint64(nodeOsc1+i)))) //nolint:gosec // small
		}
	}
	if n := p.Synth.Noise; n.Level > 0 {
		l.noise = osc.NewNoise(n.Color, n.Level, [2]rng.Stream{key(nodeNoiseLeft), key(nodeNoiseRight)}, rate)
	}
	l.setFilter()
	l.now = l.at(0)
	return l
}

// setFilter chooses the filter's sections. Two in a row with the damping of a
// fourth-order Butterworth filter make 24 dB; the resonance goes to the second.
func (l *layer) setFilter() {
	f := l.p.Filter
	l.filterOn = true
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
		l.filterOn = false
	}
	l.count, l.damping[0] = 1, 1/f.Resonance
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
	cutoff += float64(1200*p.Filter.KeyTrack) * dmath.Log2(max(1e-3, hz)/middleC)
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

// process adds the step of frames that starts at frame, counted from the start of
// the layer, to left and right. Negative frames only fill what the oscillators
// look ahead.
func (l *layer) process(frame int64, left, right []float64) {
	was := l.now
	l.now = l.at(float64(frame+int64(len(left))) / l.rate)
	var buf [2][step]float64
	a, b := buf[0][:len(left)], buf[1][:len(left)]
	for i, o := range l.oscs {
		width := l.width(i)
		o.Process(a, b, was.freq, l.now.freq, clampWidth(width+was.width), clampWidth(width+l.now.width))
	}
	if frame < 0 {
		return
	}
	if l.noise != nil {
		l.noise.Process(a, b)
	}
	if l.filterOn {
		for s := range l.count {
			l.sections[s][0].Process(a, l.mode, was.cutoff, l.now.cutoff, l.damping[s])
			l.sections[s][1].Process(b, l.mode, was.cutoff, l.now.cutoff, l.damping[s])
		}
	}
	mix(left, a, was.gain[0], l.now.gain[0])
	mix(right, b, was.gain[1], l.now.gain[1])
}

// mix adds x to sum with a gain that goes in a straight line.
func mix(sum, x []float64, g0, g1 float64) {
	g, dg := g0, (g1-g0)/float64(len(x))
	for i, v := range x {
		g += dg
		sum[i] += float64(g * v)
	}
}

// width returns the pulse width of the i-th oscillator that sounds.
func (l *layer) width(i int) float64 {
	for _, o := range [3]*patch.Oscillator{&l.p.Synth.Osc1, &l.p.Synth.Osc2, &l.p.Synth.Osc3} {
		if o.Level > 0 {
			if i == 0 {
				return o.PulseWidth
			}
			i--
		}
	}
	return 0.5
}

func clampWidth(w float64) float64 { return max(0.05, min(0.95, w)) }

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
