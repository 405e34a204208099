package prompt

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"patchlab/engine/patch"
)

// layerLeaves lists every number of a layer that the interpreter sets.
//
//nolint:gochecknoglobals // a constant that Go cannot write as one
var layerLeaves = []string{
	"synth.osc1.level", "synth.osc1.tune", "synth.osc1.pulse_width", "synth.osc1.detune", "synth.osc1.spread",
	"synth.osc2.level", "synth.osc2.tune", "synth.osc2.pulse_width", "synth.osc2.detune", "synth.osc2.spread",
	"synth.osc3.level", "synth.osc3.tune", "synth.osc3.pulse_width", "synth.osc3.detune", "synth.osc3.spread",
	"synth.noise.level",
	"pitch", "pitch_bend", "pitch_glide",
	"pitch_env.attack", "pitch_env.decay", "pitch_env.sustain", "pitch_env.release",
	"filter.cutoff", "filter.resonance", "filter.env_amount",
	"filter_env.attack", "filter_env.decay", "filter_env.sustain", "filter_env.release",
	"amp_env.attack", "amp_env.decay", "amp_env.sustain", "amp_env.release",
	"lfo1.rate", "lfo1.phase", "lfo2.rate", "lfo2.phase",
	"gate", "delay",
}

// busLeaves lists the numbers outside of the layers.
//
//nolint:gochecknoglobals // a constant that Go cannot write as one
var busLeaves = []string{
	"bus.distortion.drive", "bus.distortion.mix", "bus.reverb.mix", "bus.reverb.time", "output.duration", "output.level",
}

// spread says by how much the seed moves a parameter: a factor of 1 ± rel, plus
// ± abs; both 0 where nothing would be heard of it. The widths are heard from
// seed to seed without changing what the words promised.
func spread(leaf string, l *patch.Layer) (rel, abs float64) {
	s := &l.Synth
	switch {
	case strings.HasPrefix(leaf, "synth.osc1.") && s.Osc1.Level == 0,
		strings.HasPrefix(leaf, "synth.osc2.") && s.Osc2.Level == 0,
		strings.HasPrefix(leaf, "filter") && l.Filter.Type == "off",
		strings.HasPrefix(leaf, "filter_env.") && l.Filter.EnvAmount == 0,
		strings.HasPrefix(leaf, "pitch_env.") && l.PitchBend == 0,
		strings.HasPrefix(leaf, "lfo1.") && !moves(l, "lfo1"),
		strings.HasPrefix(leaf, "lfo2.") && !moves(l, "lfo2"):
		return 0, 0
	}
	switch leaf {
	case "synth.osc1.level", "synth.osc2.level", "synth.osc3.level", "synth.noise.level":
		return 0.12, 0
	case "synth.osc1.detune":
		if s.Osc1.Unison > 1 {
			return 0.18, 0
		}
	case "synth.osc2.detune":
		if s.Osc2.Unison > 1 {
			return 0.18, 0
		}
	case "synth.osc2.tune":
		if t := s.Osc2.Tune; t > 0 && t < 50 {
			return 0.3, 0
		}
	case "synth.osc1.pulse_width":
		if s.Osc1.Wave == "square" {
			return 0, 0.05
		}
	case "filter.cutoff":
		return 0.14, 0
	case "filter.resonance":
		return 0.1, 0
	case "filter.env_amount", "pitch_bend", "pitch_glide":
		return 0.08, 0
	case "filter_env.attack", "filter_env.decay", "pitch_env.decay":
		return 0.12, 0
	case "amp_env.attack", "amp_env.decay", "amp_env.release":
		return 0.1, 0
	case "gate":
		return 0.06, 0
	case "lfo1.rate", "lfo2.rate":
		return 0.06, 0
	case "lfo1.phase", "lfo2.phase":
		return 0, 0.05
	}
	return 0, 0
}

// moves reports whether a layer's modulation uses a source.
func moves(l *patch.Layer, source string) bool {
	return slices.ContainsFunc(l.Mods, func(m patch.Mod) bool { return m.Source == source })
}

// humanise moves every value that no number fixed by a little, by the seed. Each
// move depends on the seed and the path alone.
func (b *builder) humanise(seed uint32) {
	tuning := 1 + float64(0.012*jitter(seed, "pitch")) // one for all layers, which stay in tune
	p := &b.out.Patch
	for i := range p.Layers {
		l := &p.Layers[i]
		at := layerPrefix(i)
		for _, leaf := range layerLeaves {
			path := at + leaf
			if b.fixed[path] {
				continue
			}
			f := layerField(l, leaf).f
			if leaf == "pitch" {
				*f *= tuning
				continue
			}
			rel, abs := spread(leaf, l)
			if rel == 0 && abs == 0 {
				continue
			}
			j := jitter(seed, path)
			*f = float64(*f*(1+float64(rel*j))) + float64(abs*j)
			if strings.HasSuffix(leaf, "phase") {
				*f -= math.Floor(*f)
			}
		}
	}
	for path, rel := range map[string]float64{"bus.distortion.drive": 0.06, "bus.reverb.mix": 0.1, "bus.reverb.time": 0.06} {
		if heard := path != "bus.reverb.time" || p.Bus.Reverb.Mix > 0; heard && !b.fixed[path] {
			*patchField(p, path).f *= 1 + float64(rel*jitter(seed, path))
		}
	}
}

func sortSpans[T any](s []T, start func(T) int) {
	slices.SortStableFunc(s, func(a, b T) int { return cmp.Compare(start(a), start(b)) })
}
