// Package patch defines the Patch: every parameter of a sound, in physical
// units, as versioned JSON. The parameter table in table.go is the one place
// that says what each parameter is called, its unit, its range, its default and
// what it does; validation, defaults, canonical JSON, the OpenAPI schema and the
// documentation are all derived from it.
//
// The package is a leaf: it imports the standard library only.
package patch

// SchemaVersion is the version of the patch JSON that this package reads and writes.
const SchemaVersion = 1

// MaxLayers is the largest number of layers in a patch.
const MaxLayers = 4

// MaxMods is the largest number of modulation routes in one layer.
const MaxMods = 16

// Patch is a whole sound: one to four layers that meet on a bus, and how the
// result is written. A patch and an engine version determine every sample.
type Patch struct {
	Version int     `json:"version"`
	Seed    uint32  `json:"seed"`
	Layers  []Layer `json:"layers"`
	Bus     Bus     `json:"bus"`
	Output  Output  `json:"output"`
}

// Layer is one source with its own pitch, envelopes, filter, LFOs and place in
// the stereo field.
type Layer struct {
	// Source names which source makes the sound; the object of the same name holds its parameters.
	Source string `json:"source"`
	Synth  Synth  `json:"synth"`

	Pitch     float64  `json:"pitch"`       // Hz
	PitchEnv  Envelope `json:"pitch_env"`   // 0..1, scaled by PitchBend
	PitchBend float64  `json:"pitch_bend"`  // cents at the envelope's peak
	Glide     float64  `json:"pitch_glide"` // cents from start to end of the note, a straight line

	Filter    Filter   `json:"filter"`
	FilterEnv Envelope `json:"filter_env"`

	AmpEnv Envelope `json:"amp_env"`
	LFO1   LFO      `json:"lfo1"`
	LFO2   LFO      `json:"lfo2"`
	Mods   Mods     `json:"mods"`

	Gate  float64 `json:"gate"`  // s, how long the note is held where output.duration is 0
	Delay float64 `json:"delay"` // s, silence before the layer starts
	Level float64 `json:"level"` // dB
	Pan   float64 `json:"pan"`   // -1 left … +1 right
}

// Synth is the subtractive source: three oscillators and noise.
type Synth struct {
	Osc1  Oscillator `json:"osc1"`
	Osc2  Oscillator `json:"osc2"`
	Osc3  Oscillator `json:"osc3"`
	Noise Noise      `json:"noise"`
}

// Oscillator is one band-limited oscillator with unison.
type Oscillator struct {
	Wave       string  `json:"wave"`        // saw, square, triangle, sine
	Level      float64 `json:"level"`       // linear gain 0..1, 0 = off
	Tune       float64 `json:"tune"`        // cents relative to the layer's pitch
	PulseWidth float64 `json:"pulse_width"` // duty cycle of the square, 0.05..0.95
	Unison     int     `json:"unison"`      // voices, 1..16
	Detune     float64 `json:"detune"`      // cents, of the outermost voices to either side
	Spread     float64 `json:"spread"`      // stereo spread of the voices, 0..1
}

// Noise is the noise generator of a synth source.
type Noise struct {
	Color string  `json:"color"` // white, pink, brown
	Level float64 `json:"level"` // linear gain 0..1, 0 = off
}

// Filter is the layer's state-variable filter.
type Filter struct {
	Type      string  `json:"type"`       // off, lowpass, highpass, bandpass, notch
	Slope     int     `json:"slope"`      // dB per octave: 12 or 24
	Cutoff    float64 `json:"cutoff"`     // Hz
	Resonance float64 `json:"resonance"`  // Q, 0.5..20
	EnvAmount float64 `json:"env_amount"` // cents at the filter envelope's peak
	KeyTrack  float64 `json:"key_track"`  // 0..1, cutoff follows pitch relative to 261.63 Hz
}

// Envelope is an ADSR contour from 0 to 1. Times are those in which a segment
// covers its whole way (decay and release to −60 dB for the amplitude).
type Envelope struct {
	Attack  float64 `json:"attack"`  // s
	Decay   float64 `json:"decay"`   // s
	Sustain float64 `json:"sustain"` // 0..1
	Release float64 `json:"release"` // s
}

// LFO is a low-frequency oscillator.
type LFO struct {
	Shape string  `json:"shape"` // sine, triangle, saw, square, random
	Rate  float64 `json:"rate"`  // Hz
	Phase float64 `json:"phase"` // turns, 0..1
}

// Mod is one route of the modulation matrix: the target moves by Amount where
// the source is at its full value. The unit of Amount is the target's.
type Mod struct {
	Source string  `json:"source"` // lfo1, lfo2, amp_env, filter_env, pitch_env
	Target string  `json:"target"` // pitch (cents), cutoff (cents), level (dB), pan (−1..1), pulse_width (−0.45..0.45)
	Amount float64 `json:"amount"`
}

// Bus is what all layers run through together.
type Bus struct {
	Distortion Distortion `json:"distortion"`
	Reverb     Reverb     `json:"reverb"`
}

// Distortion is a soft clipper.
type Distortion struct {
	Drive float64 `json:"drive"` // dB of gain into the clipper
	Mix   float64 `json:"mix"`   // 0..1
}

// Reverb is a feedback-delay-network reverberator.
type Reverb struct {
	Mix      float64 `json:"mix"`       // 0..1
	Time     float64 `json:"time"`      // s, T60
	Damping  float64 `json:"damping"`   // Hz, above which the tail dies twice as fast
	PreDelay float64 `json:"pre_delay"` // s
}

// Output is how the sound is written.
type Output struct {
	Duration   float64 `json:"duration"`    // s, the exact length of the file; 0 = the file ends where the tail does
	SampleRate int     `json:"sample_rate"` // Hz: 22050, 44100, 48000, 96000
	BitDepth   int     `json:"bit_depth"`   // 16, 24 (PCM with TPDF dither) or 32 (float)
	Channels   int     `json:"channels"`    // 1 or 2
	Normalize  string  `json:"normalize"`   // peak, off
	Level      float64 `json:"level"`       // dBFS, the peak after normalisation
}
