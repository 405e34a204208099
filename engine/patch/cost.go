package patch

import "math"

// Bounds of a sound.
const (
	// MaxDuration is the length of the longest sound in seconds.
	MaxDuration = 30
	// MinDuration is the length of the shortest sound in seconds.
	MinDuration = 0.05
	// MaxCost is the estimated cost, in microseconds of one core, above which a
	// patch is refused.
	MaxCost = 60_000_000
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
	return min(max(longest, MinDuration), MaxDuration)
}

// Frames returns the number of frames of the sound, or an upper bound of it.
func (p Patch) Frames() int64 {
	return int64(math.Round(p.Seconds() * float64(p.Output.SampleRate)))
}

// Samples returns frames × channels.
func (p Patch) Samples() int64 { return p.Frames() * int64(p.Output.Channels) }

// Nanoseconds for one frame on one core (measured on an AMD EPYC Zen 4 and
// rounded up): what an estimate is made of.
const (
	costFrame  = 20 // mixing, normalising, encoding; each channel
	costLayer  = 40 // envelopes, filter, modulation
	costVoice  = 12 // one voice of an oscillator
	costNoise  = 10
	costDrive  = 60
	costReverb = 60
)

// Cost returns the estimated cost of rendering in microseconds of one core, at
// least 1.
func (p Patch) Cost() int64 {
	perFrame := int64(costFrame * p.Output.Channels)
	for _, l := range p.Layers {
		perFrame += costLayer
		for _, o := range []Oscillator{l.Synth.Osc1, l.Synth.Osc2, l.Synth.Osc3} {
			if o.Level > 0 {
				perFrame += int64(costVoice * o.Unison)
			}
		}
		if l.Synth.Noise.Level > 0 {
			perFrame += costNoise
		}
	}
	if p.Bus.Distortion.Drive > 0 {
		perFrame += costDrive
	}
	if p.Bus.Reverb.Mix > 0 {
		perFrame += costReverb
	}
	return max(1, p.Frames()*perFrame/1000)
}
