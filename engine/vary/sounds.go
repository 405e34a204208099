package vary

import (
	"slices"
	"strconv"
	"strings"

	"patchlab/engine/patch"
)

// sounds reports whether a parameter is heard in a patch, or would be heard if it were
// switched on. What it does not know it takes for heard.
func sounds(p *patch.Patch, f patch.Field) bool {
	if l, name := layerOf(p, f.Path); l != nil {
		return layerSounds(p, l, name)
	}
	group, leaf := split(strings.TrimPrefix(f.Path, "bus."))
	return busSounds(&p.Bus, group, leaf)
}

// layerOf returns the layer that a path of the patch leads into, and the rest of the
// path; nil where it leads elsewhere.
func layerOf(p *patch.Patch, path string) (l *patch.Layer, name string) {
	rest, ok := strings.CutPrefix(path, "layers.")
	number, name, _ := strings.Cut(rest, ".")
	i, err := strconv.Atoi(number)
	if !ok || err != nil || i < 0 || i >= len(p.Layers) {
		return nil, path
	}
	return &p.Layers[i], name
}

// split cuts a path before its last name.
func split(path string) (group, leaf string) {
	i := strings.LastIndexByte(path, '.')
	return path[:max(0, i)], path[i+1:]
}

func layerSounds(p *patch.Patch, l *patch.Layer, name string) bool {
	group, leaf := split(name)
	switch group {
	case "pitch_env":
		return (l.PitchBend != 0 || routed(l, group)) && envelopeSounds(&l.PitchEnv, leaf)
	case "filter":
		return filterSounds(&l.Filter, leaf)
	case "filter_env":
		return (l.Filter.Type != "off" && l.Filter.EnvAmount != 0 || routed(l, group)) && envelopeSounds(&l.FilterEnv, leaf)
	case "amp_env":
		return envelopeSounds(&l.AmpEnv, leaf)
	case "lfo1":
		return routed(l, group) && lfoSounds(&l.LFO1, leaf)
	case "lfo2":
		return routed(l, group) && lfoSounds(&l.LFO2, leaf)
	case "":
		switch leaf {
		case "gate":
			return p.Output.Duration == 0
		case "level":
			return len(p.Layers) > 1
		case "pan":
			return p.Output.Channels > 1 || len(p.Layers) > 1
		}
		return true
	}
	switch head, _, _ := strings.Cut(group, "."); head {
	case "mods":
		return true
	case "synth":
		return l.Source == head && synthSounds(&l.Synth, group, leaf)
	default: // an object of the name of a source is that source's
		return l.Source == head
	}
}

func synthSounds(s *patch.Synth, group, leaf string) bool {
	switch group {
	case "synth.osc1":
		return oscillatorSounds(&s.Osc1, leaf, s.Ring > 0)
	case "synth.osc2":
		return oscillatorSounds(&s.Osc2, leaf, s.Ring > 0)
	case "synth.osc3":
		return oscillatorSounds(&s.Osc3, leaf, false)
	case "synth.sub":
		return leaf == "level" || s.Sub.Level > 0
	case "synth.noise":
		return leaf == "level" || s.Noise.Level > 0
	}
	return true
}

// routed reports whether a layer's modulation uses a source.
func routed(l *patch.Layer, source string) bool {
	return slices.ContainsFunc(l.Mods, func(m patch.Mod) bool { return m.Source == source && m.Amount != 0 })
}

// oscillatorSounds also knows that the ring modulator has the waves of its two
// oscillators at their full level.
func oscillatorSounds(o *patch.Oscillator, leaf string, ring bool) bool {
	if leaf == "level" {
		return true
	}
	if o.Level == 0 && !ring {
		return false
	}
	switch leaf {
	case "pulse_width":
		return o.Wave == "square"
	case "wavetable", "position":
		return o.Wave == "wavetable"
	case "fm_ratio", "fm_index", "fm_feedback":
		return o.Wave == "fm"
	case "detune", "blend", "spread":
		return o.Unison > 1
	}
	return true
}

func envelopeSounds(e *patch.Envelope, leaf string) bool {
	switch leaf {
	case "decay", "decay_curve":
		return e.Sustain < 1
	case "attack_curve":
		return e.Attack > 0
	case "release_curve":
		return e.Release > 0
	}
	return true
}

func filterSounds(f *patch.Filter, leaf string) bool {
	switch f.Type {
	case "off":
		return false
	case "ladder":
		return leaf != "slope" && leaf != "vowel"
	case "comb":
		return leaf != "slope" && leaf != "vowel" && leaf != "drive"
	case "formant":
		return leaf != "slope" && leaf != "drive"
	}
	return leaf != "vowel" && leaf != "drive"
}

func lfoSounds(l *patch.LFO, leaf string) bool { return leaf != "rate" || l.Sync == "off" }

func busSounds(b *patch.Bus, group, leaf string) bool {
	switch group {
	case "distortion":
		return distortionSounds(&b.Distortion, leaf)
	case "eq":
		return leaf != "low_freq" && leaf != "mid_freq" && leaf != "mid_q" && leaf != "high_freq" ||
			strings.HasPrefix(leaf, "low") && b.EQ.LowGain != 0 ||
			strings.HasPrefix(leaf, "mid") && b.EQ.MidGain != 0 ||
			strings.HasPrefix(leaf, "high") && b.EQ.HighGain != 0
	case "compressor":
		return leaf == "ratio" || b.Compressor.Ratio > 1
	case "chorus":
		return leaf == "mix" || b.Chorus.Mix > 0
	case "flanger":
		return leaf == "mix" || b.Flanger.Mix > 0
	case "phaser":
		return leaf == "mix" || b.Phaser.Mix > 0
	case "delay":
		return leaf == "mix" || b.Delay.Mix > 0 && (leaf != "time" || b.Delay.Sync == "off")
	case "reverb":
		return leaf == "mix" || b.Reverb.Mix > 0
	case "limiter":
		return b.Limiter.Mode == "on"
	}
	return true
}

func distortionSounds(d *patch.Distortion, leaf string) bool {
	coarse := d.Type == "crush" || d.Type == "rate"
	on := d.Mix > 0 && (d.Drive > 0 || coarse)
	switch leaf {
	case "mix":
		return on || d.Mix == 0
	case "drive":
		return d.Mix > 0
	case "bias":
		return on && d.Type == "shape"
	case "bits":
		return on && d.Type == "crush"
	case "rate":
		return on && d.Type == "rate"
	}
	return on
}
