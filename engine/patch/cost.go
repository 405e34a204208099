package patch

import "math"

// Bounds of a sound.
const (
	// MaxDuration is the length of the longest sound in seconds.
	MaxDuration = 30
	// MinDuration is the length of the shortest sound in seconds.
	MinDuration = 0.05
	// MaxEcho is the longest time between two echoes in seconds.
	MaxEcho = 4
	// MaxCost is the estimated cost, in microseconds of one core, above which a
	// patch is refused.
	MaxCost = 15_000_000
)

// Seconds returns the length of the sound, or where it ends with its tail an
// upper bound of it.
func (p Patch) Seconds() float64 {
	if p.Output.Duration > 0 {
		return p.Output.Duration
	}
	longest := 0.0
	for _, l := range p.Layers {
		longest = max(longest, l.Delay+l.Gate+l.AmpEnv.Release)
	}
	if p.Bus.Reverb.Mix > 0 {
		longest += p.Bus.Reverb.PreDelay + p.Bus.Reverb.Time
	}
	longest += p.Bus.Delay.Tail(p.Tempo)
	eq := p.Bus.EQ
	if p.Bus.Flanger.Mix > 0 || p.Bus.Phaser.Mix > 0 || p.Bus.Chorus.Mix > 0 || eq.LowGain != 0 || eq.MidGain != 0 || eq.HighGain != 0 {
		longest += moving
	}
	return min(max(longest, MinDuration), MaxDuration)
}

// Frames returns the number of frames of the sound, or an upper bound of it.
func (p Patch) Frames() int64 {
	return int64(math.Round(p.Seconds() * float64(p.Output.SampleRate)))
}

// Rendered returns the number of frames that have to be rendered: of a loop also those
// that are mixed into its start.
func (p Patch) Rendered() int64 {
	frames := p.Frames()
	if p.Output.Loop == "on" {
		over := int64(math.Round(float64(p.Output.Crossfade * float64(p.Output.SampleRate))))
		frames += min(over, frames/2)
	}
	return frames
}

// Period returns the time between two echoes in seconds.
func (d Delay) Period(tempo float64) float64 {
	if s := NoteSeconds(d.Sync, tempo); s > 0 {
		return min(s, MaxEcho)
	}
	return d.Time
}

// Tail returns how long the echoes ring on until they are 60 dB below the first, in
// seconds; 0 where the delay is off.
func (d Delay) Tail(tempo float64) float64 {
	if d.Mix <= 0 {
		return 0
	}
	echoes := 1
	for level := d.Feedback; level > 1e-3 && echoes < 200; level = float64(level * d.Feedback) {
		echoes++
	}
	return float64(float64(echoes) * d.Period(tempo))
}

// Samples returns frames × channels.
func (p Patch) Samples() int64 { return p.Frames() * int64(p.Output.Channels) }

// moving is the longest in seconds that effects with short feedback ring on.
const moving = 1

// Nanoseconds for one frame on one core (measured on an AMD EPYC Zen 4 with
// neighbours, and rounded up): what an estimate is made of.
const (
	costChannel = 20  // mixing, normalising, encoding
	costLayer   = 40  // envelopes, modulation
	costSection = 30  // 12 dB of filter
	costVoice   = 8   // one voice of an oscillator
	costSine    = 15  // likewise, of a sine
	costEdge    = 100 // a jump or a bend of a waveform
	costNoise   = 30
	costDrive   = 110 // each side
	costReverb  = 150
)

// Cost returns the estimated cost of rendering in microseconds of one core, at
// least 1. It grows with frames, layers, voices and pitch.
func (p Patch) Cost() int64 {
	perFrame := float64(costChannel * p.Output.Channels)
	for i := range p.Layers {
		l := &p.Layers[i]
		perFrame += costLayer
		if l.Filter.Type != "off" {
			perFrame += float64(costSection * float64(l.Filter.Slope/12))
		}
		for _, o := range []Oscillator{l.Synth.Osc1, l.Synth.Osc2, l.Synth.Osc3} {
			if o.Level > 0 {
				perFrame += float64(float64(o.Unison) * o.voiceCost(l.highest(o.Tune)/float64(max(1, p.Output.SampleRate))))
			}
		}
		if l.Synth.Noise.Level > 0 {
			perFrame += costNoise
		}
	}
	if p.Bus.Distortion.Drive > 0 {
		perFrame += 2 * costDrive
	}
	if p.Bus.Reverb.Mix > 0 {
		perFrame += costReverb
	}
	cost := float64(float64(p.Rendered()) * float64(perFrame/1000))
	return max(1, int64(min(cost, 1e15)))
}

// voiceCost returns the nanoseconds of a frame of a voice with a pitch of so many
// turns a frame.
func (o Oscillator) voiceCost(turns float64) float64 {
	edges := float64(costEdge * min(turns, 0.45))
	switch o.Wave {
	case "sine":
		return costSine
	case "saw":
		return costVoice + edges
	default: // two in each turn
		return costVoice + float64(2*edges)
	}
}

// highest returns an upper bound in Hz of the pitch of an oscillator, in whole
// octaves above the layer's.
func (l *Layer) highest(tune float64) float64 {
	cents := tune + max(0, l.PitchBend) + max(0, l.Glide)
	for _, m := range l.Mods {
		if m.Target == "pitch" {
			cents += math.Abs(m.Amount)
		}
	}
	return math.Ldexp(l.Pitch, int(math.Ceil(max(-24000, min(24000, cents))/1200)))
}
