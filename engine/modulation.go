package engine

import (
	"slices"

	"patchlab/engine/dmath"
	"patchlab/engine/env"
	"patchlab/engine/filter"
	"patchlab/engine/lfo"
	"patchlab/engine/osc"
	"patchlab/engine/patch"
	"patchlab/engine/rng"
)

// The targets of modulation, in the order of patch.Targets.
const (
	targetPitch = iota
	targetCutoff
	targetLevel
	targetPan
	targetPulseWidth
	targetPosition
	targetFMIndex
	targetVowel
	targets
)

// The sources of modulation, in the order of patch.Sources.
const (
	sourceLFO1 = iota
	sourceLFO2
	sourceAmpEnv
	sourceFilterEnv
	sourcePitchEnv
	sourceRandom
	sources
)

// modulation is what moves a layer.
type modulation struct {
	p    *patch.Layer
	rate float64
	note float64 // s, over which the pitch glides

	ampEnv, filterEnv, pitchEnv env.ADSR
	lfos                        [2]lfo.LFO
	random                      float64
	routes                      []route

	uses  [sources]bool // sources that something listens to
	moves [targets]bool // targets that change during the sound
	still bool          // no target that a tone has changes

	fixed  controls   // what does not move
	panned [2]float64 // gains of left and right, where they do not move
}

// route is a row of the modulation matrix.
type route struct {
	source, target int
	amount         float64
}

// controls is what moves a layer, at one moment.
type controls struct {
	osc.Controls
	point filter.Point
	gain  [2]float64 // left, right
}

func newModulation(p *patch.Layer, tempo, rate, gate, length float64, key func(node uint64) rng.Stream) *modulation {
	m := &modulation{
		p: p, rate: rate, note: length,
		ampEnv:    env.New(declick(p.AmpEnv), gate),
		filterEnv: env.New(p.FilterEnv, gate),
		pitchEnv:  env.New(p.PitchEnv, gate),
		lfos:      [2]lfo.LFO{lfo.New(p.LFO1, tempo, key(nodeLFO1)), lfo.New(p.LFO2, tempo, key(nodeLFO2))},
		random:    key(nodeRandom).Bipolar(0),
	}
	m.uses[sourceAmpEnv] = true
	m.uses[sourceFilterEnv] = p.Filter.EnvAmount != 0
	m.uses[sourcePitchEnv] = p.PitchBend != 0
	m.moves[targetPitch] = p.PitchBend != 0 || p.Glide != 0
	for _, r := range p.Mods {
		if r.Amount == 0 {
			continue
		}
		made := route{slices.Index(patch.Sources(), r.Source), targetIndex(r.Target), r.Amount}
		m.routes = append(m.routes, made)
		m.uses[made.source] = true
		m.moves[made.target] = true
	}
	m.moves[targetCutoff] = m.moves[targetCutoff] || p.Filter.EnvAmount != 0 || p.Filter.KeyTrack != 0 && m.moves[targetPitch]
	m.still = !m.moves[targetPitch] && !m.moves[targetPulseWidth] && !m.moves[targetPosition] && !m.moves[targetFMIndex]
	hz := m.hz(0)
	m.fixed.Frequency = max(0, min(0.45, hz/rate))
	m.fixed.point.Cutoff = m.cutoff(0, hz)
	m.panned = m.gain(0, 0)
	return m
}

func targetIndex(name string) int {
	return slices.IndexFunc(patch.Targets(), func(t patch.Target) bool { return t.Name == name })
}

// sums returns what the matrix and the layer's own envelopes add to each target, in
// its unit, t seconds after the start of the layer, and the level's envelope.
func (m *modulation) sums(t float64) (sum [targets]float64, amp float64) {
	var x [sources]float64
	amp = m.ampEnv.At(t)
	x[sourceAmpEnv], x[sourceRandom] = amp, m.random
	for i := range m.lfos {
		if m.uses[sourceLFO1+i] {
			x[sourceLFO1+i] = m.lfos[i].At(t)
		}
	}
	if m.uses[sourceFilterEnv] {
		x[sourceFilterEnv] = m.filterEnv.At(t)
	}
	if m.uses[sourcePitchEnv] {
		x[sourcePitchEnv] = m.pitchEnv.At(t)
	}
	sum[targetPitch] = float64(x[sourcePitchEnv]*m.p.PitchBend) + float64(m.p.Glide*max(0, min(1, t/m.note)))
	sum[targetCutoff] = float64(x[sourceFilterEnv] * m.p.Filter.EnvAmount)
	for _, r := range m.routes {
		sum[r.target] += float64(x[r.source] * r.amount)
	}
	return sum, amp
}

func (m *modulation) hz(cents float64) float64 { return float64(m.p.Pitch * dmath.Ratio(cents)) }

func (m *modulation) cutoff(cents, hz float64) float64 {
	if m.p.Filter.KeyTrack != 0 {
		cents += float64(float64(1200*m.p.Filter.KeyTrack) * dmath.Log2(max(1e-3, hz)/middleC))
	}
	return float64(m.p.Filter.Cutoff * dmath.Ratio(max(-24000, min(24000, cents))))
}

func (m *modulation) gain(dB, pan float64) [2]float64 {
	gain := dmath.Gain(min(m.p.Level+dB, m.p.Level+12))
	left, right := osc.Pan(m.p.Pan + pan)
	return [2]float64{float64(gain * left), float64(gain * right)}
}

// at returns the controls t seconds after the start of the layer. Only what moves is
// computed.
func (m *modulation) at(t float64) controls {
	sum, amp := m.sums(t)
	c := m.fixed
	hz := 0.0
	if m.moves[targetPitch] {
		hz = m.hz(sum[targetPitch])
		c.Frequency = max(0, min(0.45, hz/m.rate))
	} else if m.moves[targetCutoff] && m.p.Filter.KeyTrack != 0 {
		hz = m.hz(0)
	}
	c.PulseWidth, c.Position, c.FMIndex = sum[targetPulseWidth], sum[targetPosition], sum[targetFMIndex]
	if m.moves[targetCutoff] {
		c.point.Cutoff = m.cutoff(sum[targetCutoff], hz)
	}
	c.point.Vowel = max(0, min(1, m.p.Filter.Vowel+sum[targetVowel]))
	gain := m.panned
	if m.moves[targetLevel] || m.moves[targetPan] {
		gain = m.gain(sum[targetLevel], sum[targetPan])
	}
	c.gain = [2]float64{float64(gain[0] * amp), float64(gain[1] * amp)}
	return c
}
