package patch

import "slices"

// Kind is the type of a parameter's value.
type Kind int

// The kinds.
const (
	Float Kind = iota
	Int
	Enum
)

// Scale says how a parameter's range is best walked: by sliders, and by the
// distance between two variations.
type Scale int

// The scales.
const (
	Linear Scale = iota
	Log          // equal ratios are equal steps; the range does not include 0
	Square       // the square root moves evenly: fine near 0
)

// Param is one row of the parameter table.
type Param struct {
	Path        string   // "layers.*.filter.cutoff"; * stands for an index
	Kind        Kind     //
	Unit        string   // "Hz", "s", "dB", "cents", or "" for a plain number
	Min, Max    float64  // inclusive, for Float and Int
	Default     float64  // for Float and Int
	Values      []string // for Enum, in the order in which they are offered
	DefaultEnum string   // for Enum
	Allowed     []int    // for Int: the only values, where not every one of the range is
	Scale       Scale
	Doc         string // one sentence, for people
}

// Target is something that a modulation route can move.
type Target struct {
	Name     string
	Unit     string
	Min, Max float64 // of a route's amount
	Doc      string
}

// Table returns THE parameter table: every parameter of a patch, in the order of
// its canonical JSON. The caller may change the copy.
func Table() []Param {
	rows := []Param{
		{Path: "version", Kind: Int, Min: SchemaVersion, Max: SchemaVersion, Default: SchemaVersion, Doc: "Version of this format."},
		{Path: "seed", Kind: Int, Min: 0, Max: 1<<32 - 1, Default: 0, Doc: "Fixes everything random: noise, the phases of unison voices, random LFOs, dither."},
		{Path: "layers.*.source", Kind: Enum, Values: []string{"synth"}, DefaultEnum: "synth", Doc: "Which source makes the sound."},
	}
	rows = append(rows, oscillator("layers.*.synth.osc1", 1)...)
	rows = append(rows, oscillator("layers.*.synth.osc2", 0)...)
	rows = append(rows, oscillator("layers.*.synth.osc3", 0)...)
	rows = append(rows,
		Param{Path: "layers.*.synth.noise.color", Kind: Enum, Values: []string{"white", "pink", "brown"}, DefaultEnum: "white", Doc: "Slope of the noise: 0, −3 or −6 dB per octave."},
		Param{Path: "layers.*.synth.noise.level", Max: 1, Doc: "Linear gain of the noise; 0 is off."},
		Param{Path: "layers.*.pitch", Unit: "Hz", Min: 8, Max: 12000, Default: 261.6, Scale: Log, Doc: "Pitch of the note."},
	)
	rows = append(rows, envelope("layers.*.pitch_env", 0, 0.1, 0, 0.1, "pitch")...)
	rows = append(rows,
		Param{Path: "layers.*.pitch_bend", Unit: "cents", Min: -7200, Max: 7200, Doc: "How far the pitch envelope's peak bends the pitch."},
		Param{Path: "layers.*.pitch_glide", Unit: "cents", Min: -7200, Max: 7200, Doc: "How far the pitch glides, in a straight line, from the start to the end of the sound."},
		Param{Path: "layers.*.filter.type", Kind: Enum, Values: []string{"off", "lowpass", "highpass", "bandpass", "notch"}, DefaultEnum: "off", Doc: "What the filter lets through."},
		Param{Path: "layers.*.filter.slope", Kind: Int, Unit: "dB/octave", Min: 12, Max: 24, Default: 12, Allowed: []int{12, 24}, Doc: "Steepness of the filter."},
		Param{Path: "layers.*.filter.cutoff", Unit: "Hz", Min: 20, Max: 20000, Default: 20000, Scale: Log, Doc: "Cutoff or centre frequency of the filter."},
		Param{Path: "layers.*.filter.resonance", Min: 0.5, Max: 20, Default: 0.7071, Scale: Log, Doc: "Q of the filter: 0.7071 is flat, more rings."},
		Param{Path: "layers.*.filter.env_amount", Unit: "cents", Min: -9600, Max: 9600, Doc: "How far the filter envelope's peak moves the cutoff."},
		Param{Path: "layers.*.filter.key_track", Max: 1, Doc: "How much the cutoff follows the pitch, relative to 261.63 Hz."},
	)
	rows = append(rows, envelope("layers.*.filter_env", 0, 0.3, 0, 0.3, "filter")...)
	rows = append(rows, envelope("layers.*.amp_env", 0.005, 0.2, 0.8, 0.2, "level")...)
	rows = append(rows, lfo("layers.*.lfo1", 4)...)
	rows = append(rows, lfo("layers.*.lfo2", 1)...)
	rows = append(rows,
		Param{Path: "layers.*.mods.*.source", Kind: Enum, Values: Sources(), DefaultEnum: "lfo1", Doc: "What moves the target."},
		Param{Path: "layers.*.mods.*.target", Kind: Enum, Values: targetNames(), DefaultEnum: "cutoff", Doc: "What is moved."},
		Param{Path: "layers.*.mods.*.amount", Min: -9600, Max: 9600, Doc: "How far, in the target's unit and within the target's range."},
		Param{Path: "layers.*.gate", Unit: "s", Min: 0.005, Max: MaxDuration, Default: 0.5, Scale: Log, Doc: "How long the note is held, where output.duration is 0."},
		Param{Path: "layers.*.delay", Unit: "s", Max: MaxDuration, Scale: Square, Doc: "Silence before the layer starts."},
		Param{Path: "layers.*.level", Unit: "dB", Min: -60, Max: 12, Doc: "Level of the layer."},
		Param{Path: "layers.*.pan", Min: -1, Max: 1, Doc: "Place in the stereo field: −1 is left, 1 is right."},
		Param{Path: "bus.distortion.drive", Unit: "dB", Max: 48, Doc: "Gain into the soft clipper; 0 is off."},
		Param{Path: "bus.distortion.mix", Max: 1, Default: 1, Doc: "Share of the distorted sound."},
		Param{Path: "bus.reverb.mix", Max: 1, Doc: "Share of the reverberated sound; 0 is off."},
		Param{Path: "bus.reverb.time", Unit: "s", Min: 0.1, Max: 20, Default: 1.5, Scale: Log, Doc: "Reverberation time: the tail falls by 60 dB in it."},
		Param{Path: "bus.reverb.damping", Unit: "Hz", Min: 500, Max: 20000, Default: 6000, Scale: Log, Doc: "Above this frequency the tail dies about twice as fast."},
		Param{Path: "bus.reverb.pre_delay", Unit: "s", Max: 0.25, Default: 0.01, Scale: Square, Doc: "Time before the first reflection."},
		Param{Path: "output.duration", Unit: "s", Max: MaxDuration, Doc: "Exact length of the file, 0.05 s or more; 0: the file ends where the tail does."},
		Param{Path: "output.sample_rate", Kind: Int, Unit: "Hz", Min: 22050, Max: 96000, Default: 48000, Allowed: []int{22050, 44100, 48000, 96000}, Doc: "Sample rate of the file."},
		Param{Path: "output.bit_depth", Kind: Int, Unit: "bit", Min: 16, Max: 32, Default: 24, Allowed: []int{16, 24, 32}, Doc: "16 and 24 are PCM with TPDF dither, 32 is float."},
		Param{Path: "output.channels", Kind: Int, Min: 1, Max: 2, Default: 2, Doc: "1 is mono, 2 is stereo."},
		Param{Path: "output.normalize", Kind: Enum, Values: []string{"peak", "off"}, DefaultEnum: "peak", Doc: "peak: the loudest sample is brought to output.level. off: left as it is, limited to full scale."},
		Param{Path: "output.level", Unit: "dBFS", Min: -40, Max: 0, Default: -1, Doc: "Peak level after normalisation."},
	)
	return rows
}

func oscillator(path string, level float64) []Param {
	return []Param{
		{Path: path + ".wave", Kind: Enum, Values: []string{"saw", "square", "triangle", "sine"}, DefaultEnum: "saw", Doc: "Waveform."},
		{Path: path + ".level", Max: 1, Default: level, Doc: "Linear gain; 0 is off."},
		{Path: path + ".tune", Unit: "cents", Min: -4800, Max: 4800, Doc: "Distance from the layer's pitch."},
		{Path: path + ".pulse_width", Min: 0.05, Max: 0.95, Default: 0.5, Doc: "Duty cycle of the square."},
		{Path: path + ".unison", Kind: Int, Min: 1, Max: 16, Default: 1, Doc: "Number of voices."},
		{Path: path + ".detune", Unit: "cents", Max: 100, Default: 12, Scale: Square, Doc: "Distance of the outermost unison voices to either side."},
		{Path: path + ".spread", Max: 1, Default: 0.8, Doc: "Stereo spread of the unison voices."},
	}
}

func envelope(path string, attack, decay, sustain, release float64, what string) []Param {
	return []Param{
		{Path: path + ".attack", Unit: "s", Max: 20, Default: attack, Scale: Square, Doc: "Time in which the " + what + " rises to its peak, a straight line."},
		{Path: path + ".decay", Unit: "s", Max: 20, Default: decay, Scale: Square, Doc: "Time in which the " + what + " falls by 60 dB towards the sustain value."},
		{Path: path + ".sustain", Max: 1, Default: sustain, Doc: "Value that the " + what + " keeps while the note is held."},
		{Path: path + ".release", Unit: "s", Max: 20, Default: release, Scale: Square, Doc: "Time in which the " + what + " falls by 60 dB after the note."},
	}
}

func lfo(path string, rate float64) []Param {
	return []Param{
		{Path: path + ".shape", Kind: Enum, Values: []string{"sine", "triangle", "saw", "square", "random"}, DefaultEnum: "sine", Doc: "Shape; random holds a new value each period."},
		{Path: path + ".rate", Unit: "Hz", Min: 0.01, Max: 50, Default: rate, Scale: Log, Doc: "Periods in a second."},
		{Path: path + ".phase", Unit: "turns", Max: 1, Doc: "Where in its period it starts."},
	}
}

// Sources returns the names of what can modulate.
func Sources() []string {
	return []string{"lfo1", "lfo2", "amp_env", "filter_env", "pitch_env"}
}

// Targets returns what can be modulated, with the range of a route's amount.
func Targets() []Target {
	return []Target{
		{Name: "pitch", Unit: "cents", Min: -4800, Max: 4800, Doc: "Pitch of the layer."},
		{Name: "cutoff", Unit: "cents", Min: -9600, Max: 9600, Doc: "Cutoff of the filter."},
		{Name: "level", Unit: "dB", Min: -60, Max: 60, Doc: "Level of the layer; never above the unmodulated level by more than 12 dB."},
		{Name: "pan", Min: -2, Max: 2, Doc: "Place in the stereo field."},
		{Name: "pulse_width", Min: -0.45, Max: 0.45, Doc: "Duty cycle of every square oscillator."},
	}
}

func targetNames() []string {
	names := make([]string, 0, 8)
	for _, t := range Targets() {
		names = append(names, t.Name)
	}
	return slices.Clip(names)
}
