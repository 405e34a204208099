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
	Tempo   float64 `json:"tempo"` // beats per minute, for what is synced
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

// Synth is the synthesiser: three oscillators, the product of the first two, a
// sub-oscillator and noise.
type Synth struct {
	Osc1  Oscillator `json:"osc1"`
	Osc2  Oscillator `json:"osc2"`
	Osc3  Oscillator `json:"osc3"`
	Ring  float64    `json:"ring"` // linear gain of osc1 × osc2, 0..1, 0 = off
	Sub   Sub        `json:"sub"`
	Noise Noise      `json:"noise"`
}

// Oscillator is one band-limited oscillator with unison.
type Oscillator struct {
	Wave       string  `json:"wave"`        // saw, square, triangle, sine, wavetable, fm
	Level      float64 `json:"level"`       // linear gain 0..1, 0 = off
	Tune       float64 `json:"tune"`        // cents relative to the layer's pitch
	PulseWidth float64 `json:"pulse_width"` // duty cycle of the square, 0.05..0.95
	Wavetable  string  `json:"wavetable"`   // which table, where wave is wavetable
	Position   float64 `json:"position"`    // 0..1, place in the wavetable
	FMRatio    float64 `json:"fm_ratio"`    // frequency of the modulator to the carrier, where wave is fm
	FMIndex    float64 `json:"fm_index"`    // rad, peak deviation of the carrier's phase
	FMFeedback float64 `json:"fm_feedback"` // 0..1, of the modulator to itself
	Unison     int     `json:"unison"`      // voices, 1..16
	Detune     float64 `json:"detune"`      // cents, of the outermost voices to either side
	Blend      float64 `json:"blend"`       // 0..1, level of the outer voices to the middle ones
	Spread     float64 `json:"spread"`      // stereo spread of the voices, 0..1
}

// Sub is a plain oscillator below the others.
type Sub struct {
	Wave   string  `json:"wave"`   // sine, triangle, square, saw
	Octave int     `json:"octave"` // −2..0, relative to the layer's pitch
	Level  float64 `json:"level"`  // linear gain 0..1, 0 = off
}

// Noise is the noise generator of a synth source.
type Noise struct {
	Color string  `json:"color"` // white, pink, brown
	Level float64 `json:"level"` // linear gain 0..1, 0 = off
}

// Filter is the layer's filter.
type Filter struct {
	Type      string  `json:"type"`       // off, lowpass, highpass, bandpass, notch, ladder, comb, formant
	Slope     int     `json:"slope"`      // dB per octave: 12 or 24
	Cutoff    float64 `json:"cutoff"`     // Hz; the pitch of a comb; the shift of a formant filter
	Resonance float64 `json:"resonance"`  // Q, 0.5..20
	Drive     float64 `json:"drive"`      // dB of gain into the ladder's saturation
	Vowel     float64 `json:"vowel"`      // 0..1, through a e i o u
	EnvAmount float64 `json:"env_amount"` // cents at the filter envelope's peak
	KeyTrack  float64 `json:"key_track"`  // 0..1, cutoff follows pitch relative to 261.63 Hz
}

// Envelope is an ADSR contour from 0 to 1. Times are those in which a segment
// covers its whole way (an exponential decay or release: to −60 dB). A curve is
// −1..1: 0 is a straight line, above 0 fast at first, below 0 slow at first.
type Envelope struct {
	Attack       float64 `json:"attack"`  // s
	Decay        float64 `json:"decay"`   // s
	Sustain      float64 `json:"sustain"` // 0..1
	Release      float64 `json:"release"` // s
	AttackCurve  float64 `json:"attack_curve"`
	DecayCurve   float64 `json:"decay_curve"`
	ReleaseCurve float64 `json:"release_curve"`
}

// LFO is a low-frequency oscillator.
type LFO struct {
	Shape string  `json:"shape"` // sine, triangle, saw, square, random, smooth
	Rate  float64 `json:"rate"`  // Hz, where sync is off
	Sync  string  `json:"sync"`  // off, or the length of a period as a note value
	Phase float64 `json:"phase"` // turns, 0..1
	Fade  float64 `json:"fade"`  // s in which it comes to its full depth
}

// Mod is one route of the modulation matrix: the target moves by Amount where
// the source is at its full value. The unit of Amount is the target's.
type Mod struct {
	Source string  `json:"source"` // see Sources
	Target string  `json:"target"` // see Targets
	Amount float64 `json:"amount"`
}

// Bus is what all layers run through together, in this order.
type Bus struct {
	Distortion Distortion `json:"distortion"`
	EQ         EQ         `json:"eq"`
	Compressor Compressor `json:"compressor"`
	Chorus     Chorus     `json:"chorus"`
	Flanger    Flanger    `json:"flanger"`
	Phaser     Phaser     `json:"phaser"`
	Delay      Delay      `json:"delay"`
	Reverb     Reverb     `json:"reverb"`
	Limiter    Limiter    `json:"limiter"`
}

// Distortion bends the waveform.
type Distortion struct {
	Type  string  `json:"type"`  // soft, hard, fold, shape, crush, rate
	Drive float64 `json:"drive"` // dB of gain into it; 0 is off, but for crush and rate
	Mix   float64 `json:"mix"`   // 0..1
	Bias  float64 `json:"bias"`  // of shape: −1..1, how far the curve is off its middle
	Bits  float64 `json:"bits"`  // of crush: 1..16
	Rate  float64 `json:"rate"`  // Hz, of rate
}

// EQ is a low shelf, a bell and a high shelf.
type EQ struct {
	LowGain  float64 `json:"low_gain"`  // dB
	LowFreq  float64 `json:"low_freq"`  // Hz
	MidGain  float64 `json:"mid_gain"`  // dB
	MidFreq  float64 `json:"mid_freq"`  // Hz
	MidQ     float64 `json:"mid_q"`     //
	HighGain float64 `json:"high_gain"` // dB
	HighFreq float64 `json:"high_freq"` // Hz
}

// Compressor lowers what is loud, both sides alike.
type Compressor struct {
	Threshold float64 `json:"threshold"` // dBFS
	Ratio     float64 `json:"ratio"`     // 1 is off
	Knee      float64 `json:"knee"`      // dB
	Attack    float64 `json:"attack"`    // s
	Release   float64 `json:"release"`   // s
	Gain      float64 `json:"gain"`      // dB, after it
}

// Chorus is a set of copies with moving delays.
type Chorus struct {
	Mix   float64 `json:"mix"`   // 0..1, 0 = off
	Rate  float64 `json:"rate"`  // Hz
	Depth float64 `json:"depth"` // 0..1
}

// Flanger is a copy with a short moving delay and feedback.
type Flanger struct {
	Mix      float64 `json:"mix"`      // 0..1, 0 = off
	Rate     float64 `json:"rate"`     // Hz
	Depth    float64 `json:"depth"`    // 0..1
	Feedback float64 `json:"feedback"` // −0.95..0.95
}

// Phaser is a row of moving all-passes with feedback.
type Phaser struct {
	Mix       float64 `json:"mix"`       // 0..1, 0 = off
	Rate      float64 `json:"rate"`      // Hz
	Depth     float64 `json:"depth"`     // 0..1
	Feedback  float64 `json:"feedback"`  // −0.95..0.95
	Frequency float64 `json:"frequency"` // Hz, the middle of its sweep
	Stages    int     `json:"stages"`    // all-passes: 2, 4, 6, 8, 12
}

// Delay is an echo.
type Delay struct {
	Mode     string  `json:"mode"`     // stereo, ping_pong
	Mix      float64 `json:"mix"`      // 0..1, 0 = off
	Time     float64 `json:"time"`     // s, where sync is off
	Sync     string  `json:"sync"`     // off, or a note value
	Feedback float64 `json:"feedback"` // 0..0.95
	Damping  float64 `json:"damping"`  // Hz, low-pass of each echo
}

// Reverb is a feedback-delay-network reverberator.
type Reverb struct {
	Mix        float64 `json:"mix"`        // 0..1, 0 = off
	Time       float64 `json:"time"`       // s, T60
	Damping    float64 `json:"damping"`    // Hz, above which the tail dies twice as fast
	PreDelay   float64 `json:"pre_delay"`  // s
	Modulation float64 `json:"modulation"` // 0..1, how much the tail wavers
}

// Limiter holds true peaks below a ceiling.
type Limiter struct {
	Mode    string  `json:"mode"`    // off, on
	Gain    float64 `json:"gain"`    // dB, before it
	Ceiling float64 `json:"ceiling"` // dBTP
	Release float64 `json:"release"` // s
}

// Output is how the sound is written.
type Output struct {
	Duration   float64 `json:"duration"`    // s, the exact length of the file; 0 = the file ends where the tail does
	Tail       float64 `json:"tail"`        // s, how long before the end of a fixed duration the note ends at least
	Loop       string  `json:"loop"`        // off, on: the end runs seamlessly into the start
	Crossfade  float64 `json:"crossfade"`   // s, over which the ends of a loop are mixed
	SampleRate int     `json:"sample_rate"` // Hz: 22050, 44100, 48000, 96000
	BitDepth   int     `json:"bit_depth"`   // 16, 24 (PCM with TPDF dither) or 32 (float)
	Channels   int     `json:"channels"`    // 1 or 2
	Normalize  string  `json:"normalize"`   // peak, loudness, off
	Level      float64 `json:"level"`       // dBFS, the peak after normalisation by peak
	Loudness   float64 `json:"loudness"`    // LUFS, after normalisation by loudness
	TruePeak   float64 `json:"true_peak"`   // dBTP, never passed after normalisation by loudness
}
