package patch

import (
	"math"
	"slices"

	"patchlab/engine/dmath"
)

// Bounds of a sound.
const (
	// MaxDuration is the length of the longest sound in seconds.
	MaxDuration = 30
	// MinDuration is the length of the shortest sound in seconds.
	MinDuration = 0.05
	// MaxEcho is the longest time between two echoes in seconds.
	MaxEcho = 4
	// MaxRing is the longest in seconds that an equaliser is taken to ring on.
	MaxRing = 3
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
		// Half as long again: an effect may lift what is left of a note.
		longest = max(longest, l.Delay+l.Gate+float64(1.5*l.AmpEnv.Release))
	}
	if p.Bus.Reverb.Mix > 0 {
		longest += p.Bus.Reverb.PreDelay + p.Bus.Reverb.Time
	}
	longest += p.Bus.Delay.Tail(p.Tempo)
	eq := p.Bus.EQ
	if p.Bus.Flanger.Mix > 0 || p.Bus.Phaser.Mix > 0 || p.Bus.Chorus.Mix > 0 || eq.LowGain != 0 || eq.MidGain != 0 || eq.HighGain != 0 {
		longest += moving
	}
	longest += eq.ring()
	return min(max(longest, MinDuration), MaxDuration)
}

// ring returns how long the middle band rings on to −60 dB, in seconds: the poles of a bell
// of the gain g have the Q of q·√g.
func (e EQ) ring() float64 {
	if e.MidGain <= 0 {
		return 0
	}
	q := float64(e.MidQ * dmath.Gain(e.MidGain/2))
	return min(MaxRing, float64(float64(2.2*q/e.MidFreq)*(1+e.MidGain/60)))
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

// Nanoseconds of one core for a frame in stereo: what an estimate is made of. They are
// those of BenchmarkParts on an AMD EPYC with neighbours without vector instructions,
// rounded up; with them most take a half to a fifth.
const (
	costSetUp    = 1500 // µs of one render: tables, memory
	costChannel  = 8    // offset, normalising, encoding
	costLayer    = 12   // envelopes, modulation, mixing
	costVoice    = 1    // one voice of a saw, square or triangle
	costMoving   = 1    // likewise more where its pitch or width moves
	costEdge     = 100
	costSine     = 10 // one voice
	costTable    = 8
	costFM       = 13
	costFeedback = 6 // more
	costRing     = 50
	costNoise    = 15
	costFilter   = 8 // and for each 12 dB as much
	costLadder   = 75
	costComb     = 50
	costFormant  = 50
	costSoft     = 65  // distortion below the drive at which it takes means
	costMeans    = 210 // above
	costHard     = 130
	costFold     = 290
	costCrush    = 15
	costEQ       = 20
	costCompress = 18
	costChorus   = 45
	costFlanger  = 40
	costPhaser   = 20
	costStage    = 2.5 // of the phaser
	costDelay    = 15
	costReverb   = 45
	costSway     = 80 // of a modulated reverb more
	costLimiter  = 75
	costLoudness = 50
)

// Cost returns the estimated cost of rendering in microseconds of one core, at
// least that of setting up. It grows with frames, layers, voices, pitch and effects.
func (p Patch) Cost() int64 {
	perFrame := float64(costChannel*p.Output.Channels) + p.Bus.cost()
	for i := range p.Layers {
		perFrame += p.Layers[i].cost(float64(max(1, p.Output.SampleRate)))
	}
	if p.Output.Normalize == "loudness" {
		perFrame += costLoudness
	}
	cost := costSetUp + float64(float64(p.Rendered())*float64(perFrame/1000))
	return max(1, int64(min(cost, 1e15)))
}

func (l *Layer) cost(rate float64) float64 {
	sum := float64(costLayer)
	sources := []Oscillator{l.Synth.Osc1, l.Synth.Osc2, l.Synth.Osc3}
	if s := l.Synth.Sub; s.Level > 0 {
		sources = append(sources, Oscillator{Wave: s.Wave, Level: s.Level, Unison: 1})
	}
	if l.Synth.Ring > 0 { // has its own of the first two
		sources = append(sources, l.Synth.Osc1, l.Synth.Osc2)
		sources[len(sources)-2].Level, sources[len(sources)-1].Level = 1, 1
		sum += costRing
	}
	moving := l.PitchBend != 0 || l.Glide != 0 || slices.ContainsFunc(l.Mods, func(m Mod) bool { return m.Target != "cutoff" && m.Target != "vowel" })
	for _, o := range sources {
		if o.Level > 0 {
			sum += float64(float64(o.Unison) * o.cost(l.highest(o.Tune)/rate, moving))
		}
	}
	if l.Synth.Noise.Level > 0 {
		sum += costNoise
	}
	switch l.Filter.Type {
	case "off":
	case "ladder":
		sum += costLadder
	case "comb":
		sum += costComb
	case "formant":
		sum += costFormant
	default:
		sum += costFilter + float64(costFilter*float64(l.Filter.Slope/12))
	}
	return sum
}

// cost returns that of a voice with a pitch of so many turns a frame.
func (o *Oscillator) cost(turns float64, moving bool) float64 {
	switch o.Wave {
	case "sine":
		return costSine
	case "wavetable":
		return costTable
	case "fm":
		if o.FMFeedback > 0 {
			return costFM + costFeedback
		}
		return costFM
	}
	sum := costVoice + float64(costEdge*min(turns, 0.45))
	if o.Wave != "saw" { // two jumps or bends in each turn
		sum = float64(2 * sum)
	}
	if moving {
		sum += costMoving
	}
	return sum
}

func (b *Bus) cost() (sum float64) {
	if d := b.Distortion; d.Mix > 0 {
		switch {
		case d.Type == "crush" || d.Type == "rate":
			sum += costCrush
		case d.Drive <= 0:
		case d.Type == "hard":
			sum += costHard
		case d.Type == "fold":
			sum += costFold
		case d.Drive > SmoothDrive:
			sum += costMeans
		default:
			sum += costSoft
		}
	}
	for _, e := range []struct {
		on   bool
		cost float64
	}{
		{b.EQ.LowGain != 0 || b.EQ.MidGain != 0 || b.EQ.HighGain != 0, costEQ},
		{b.Compressor.Ratio > 1, costCompress},
		{b.Chorus.Mix > 0, costChorus},
		{b.Flanger.Mix > 0, costFlanger},
		{b.Phaser.Mix > 0, costPhaser + float64(costStage*float64(b.Phaser.Stages))},
		{b.Delay.Mix > 0, costDelay},
		{b.Reverb.Mix > 0, costReverb},
		{b.Reverb.Mix > 0 && b.Reverb.Modulation > 0, costSway},
		{b.Limiter.Mode == "on", costLimiter},
	} {
		if e.on {
			sum += e.cost
		}
	}
	return sum
}

// SmoothDrive is the drive in dB above which the harmonics of soft and shape reach so far
// that they take the curve's mean between samples.
const SmoothDrive = 12

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
