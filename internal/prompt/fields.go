package prompt

import (
	"math"
	"strconv"
	"strings"
	"sync"

	"patchlab/engine/patch"
)

// field points at one value of a patch: exactly one of the three is set.
type field struct {
	f *float64
	n *int
	s *string
}

// layerField returns the value at a path relative to a layer.
func layerField(l *patch.Layer, path string) field {
	head, rest, _ := strings.Cut(path, ".")
	switch head {
	case "synth":
		part, leaf, _ := strings.Cut(rest, ".")
		switch part {
		case "osc1":
			return oscField(&l.Synth.Osc1, leaf)
		case "osc2":
			return oscField(&l.Synth.Osc2, leaf)
		case "osc3":
			return oscField(&l.Synth.Osc3, leaf)
		case "noise":
			if leaf == "color" {
				return field{s: &l.Synth.Noise.Color}
			}
			return field{f: &l.Synth.Noise.Level}
		}
	case "pitch":
		return field{f: &l.Pitch}
	case "pitch_bend":
		return field{f: &l.PitchBend}
	case "pitch_glide":
		return field{f: &l.Glide}
	case "pitch_env":
		return envField(&l.PitchEnv, rest)
	case "filter_env":
		return envField(&l.FilterEnv, rest)
	case "amp_env":
		return envField(&l.AmpEnv, rest)
	case "lfo1":
		return lfoField(&l.LFO1, rest)
	case "lfo2":
		return lfoField(&l.LFO2, rest)
	case "gate":
		return field{f: &l.Gate}
	case "delay":
		return field{f: &l.Delay}
	case "filter":
		switch rest {
		case "type":
			return field{s: &l.Filter.Type}
		case "slope":
			return field{n: &l.Filter.Slope}
		case "cutoff":
			return field{f: &l.Filter.Cutoff}
		case "resonance":
			return field{f: &l.Filter.Resonance}
		case "env_amount":
			return field{f: &l.Filter.EnvAmount}
		}
	case "mods":
		i, leaf, _ := strings.Cut(rest, ".")
		if k, err := strconv.Atoi(i); err == nil && k >= 0 && k < len(l.Mods) && leaf == "amount" {
			return field{f: &l.Mods[k].Amount}
		}
	}
	return field{}
}

func oscField(o *patch.Oscillator, leaf string) field {
	switch leaf {
	case "wave":
		return field{s: &o.Wave}
	case "level":
		return field{f: &o.Level}
	case "tune":
		return field{f: &o.Tune}
	case "pulse_width":
		return field{f: &o.PulseWidth}
	case "unison":
		return field{n: &o.Unison}
	case "detune":
		return field{f: &o.Detune}
	case "spread":
		return field{f: &o.Spread}
	}
	return field{}
}

func envField(e *patch.Envelope, leaf string) field {
	switch leaf {
	case "attack":
		return field{f: &e.Attack}
	case "decay":
		return field{f: &e.Decay}
	case "sustain":
		return field{f: &e.Sustain}
	case "release":
		return field{f: &e.Release}
	}
	return field{}
}

func lfoField(l *patch.LFO, leaf string) field {
	switch leaf {
	case "shape":
		return field{s: &l.Shape}
	case "rate":
		return field{f: &l.Rate}
	case "phase":
		return field{f: &l.Phase}
	}
	return field{}
}

// patchField returns the value at an absolute path.
func patchField(p *patch.Patch, path string) field {
	switch path {
	case "bus.distortion.drive":
		return field{f: &p.Bus.Distortion.Drive}
	case "bus.distortion.mix":
		return field{f: &p.Bus.Distortion.Mix}
	case "bus.reverb.mix":
		return field{f: &p.Bus.Reverb.Mix}
	case "bus.reverb.time":
		return field{f: &p.Bus.Reverb.Time}
	case "output.duration":
		return field{f: &p.Output.Duration}
	case "output.channels":
		return field{n: &p.Output.Channels}
	case "output.level":
		return field{f: &p.Output.Level}
	}
	if rest, ok := strings.CutPrefix(path, "layers."); ok {
		i, leaf, _ := strings.Cut(rest, ".")
		if k, err := strconv.Atoi(i); err == nil && k >= 0 && k < len(p.Layers) {
			return layerField(&p.Layers[k], leaf)
		}
	}
	return field{}
}

// table is the parameter table by path, with "*" for every index.
//
//nolint:gochecknoglobals // a constant that Go cannot write as one
var table = sync.OnceValue(func() map[string]patch.Param {
	m := map[string]patch.Param{}
	for _, p := range patch.Table() {
		m[p.Path] = p
	}
	return m
})

// param returns the row of the parameter table for an absolute path.
func param(path string) (patch.Param, bool) {
	parts := strings.Split(path, ".")
	for i, s := range parts {
		if s != "" && s[0] >= '0' && s[0] <= '9' {
			parts[i] = "*"
		}
	}
	p, ok := table()[strings.Join(parts, ".")]
	return p, ok
}

// clamp keeps a value within its range in the parameter table.
func clamp(path string, v float64) float64 {
	p, ok := param(path)
	if !ok {
		return v
	}
	if math.IsNaN(v) {
		return p.Default
	}
	return max(p.Min, min(v, p.Max))
}
