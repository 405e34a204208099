package patch

import (
	"slices"
	"strconv"
	"strings"
)

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
		{Path: "tempo", Unit: "BPM", Min: 20, Max: 300, Default: 120, Doc: "Tempo of synced LFOs and delays."},
		{Path: "layers.*.source", Kind: Enum, Values: []string{"synth"}, DefaultEnum: "synth", Doc: "Which source makes the sound."},
	}
	rows = append(rows, oscillator("layers.*.synth.osc1", 1)...)
	rows = append(rows, oscillator("layers.*.synth.osc2", 0)...)
	rows = append(rows, oscillator("layers.*.synth.osc3", 0)...)
	rows = append(rows,
		Param{Path: "layers.*.synth.ring", Max: 1, Doc: "Linear gain of the ring modulator, osc1 × osc2, whatever their own levels; 0 is off."},
		Param{Path: "layers.*.synth.sub.wave", Kind: Enum, Values: []string{"sine", "triangle", "square", "saw"}, DefaultEnum: "sine", Doc: "Waveform of the sub-oscillator."},
		Param{Path: "layers.*.synth.sub.octave", Kind: Int, Unit: "octaves", Min: -2, Max: 0, Default: -1, Doc: "Distance of the sub-oscillator from the layer's pitch."},
		Param{Path: "layers.*.synth.sub.level", Max: 1, Doc: "Linear gain of the sub-oscillator; 0 is off."},
		Param{Path: "layers.*.synth.noise.color", Kind: Enum, Values: []string{"white", "pink", "brown"}, DefaultEnum: "white", Doc: "Slope of the noise: 0, −3 or −6 dB per octave."},
		Param{Path: "layers.*.synth.noise.level", Max: 1, Doc: "Linear gain of the noise; 0 is off."},
		Param{Path: "layers.*.pitch", Unit: "Hz", Min: 8, Max: 12000, Default: 261.6, Scale: Log, Doc: "Pitch of the note."},
	)
	rows = append(rows, envelope("layers.*.pitch_env", 0, 0.1, 0, 0.1, "pitch")...)
	rows = append(rows,
		Param{Path: "layers.*.pitch_bend", Unit: "cents", Min: -7200, Max: 7200, Doc: "How far the pitch envelope's peak bends the pitch."},
		Param{Path: "layers.*.pitch_glide", Unit: "cents", Min: -7200, Max: 7200, Doc: "How far the pitch glides, in a straight line, from the start to the end of the sound."},
		Param{Path: "layers.*.filter.type", Kind: Enum, Values: []string{"off", "lowpass", "highpass", "bandpass", "notch", "ladder", "comb", "formant"}, DefaultEnum: "off", Doc: "What the filter lets through: ladder is a saturating 24 dB low-pass, comb rings at its cutoff, formant speaks vowels."},
		Param{Path: "layers.*.filter.slope", Kind: Int, Unit: "dB/octave", Min: 12, Max: 24, Default: 12, Allowed: []int{12, 24}, Doc: "Steepness of the first four filter types."},
		Param{Path: "layers.*.filter.cutoff", Unit: "Hz", Min: 20, Max: 20000, Default: 20000, Scale: Log, Doc: "Cutoff or centre frequency of the filter; the pitch of a comb; of a formant filter what its second formant is shifted to, where 20000 leaves the vowel alone."},
		Param{Path: "layers.*.filter.resonance", Min: 0.5, Max: 20, Default: 0.7071, Scale: Log, Doc: "Q of the filter: 0.7071 is flat, more rings. A ladder oscillates near 20, a comb rings longer."},
		Param{Path: "layers.*.filter.drive", Unit: "dB", Max: 36, Doc: "Gain into the saturation of a ladder."},
		Param{Path: "layers.*.filter.vowel", Max: 1, Doc: "Vowel of a formant filter, from a through e, i and o to u."},
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
		Param{Path: "bus.distortion.type", Kind: Enum, Values: []string{"soft", "hard", "fold", "shape", "crush", "rate"}, DefaultEnum: "soft", Doc: "soft and hard clip, fold turns peaks back, shape clips softly and lopsided, crush lowers the bit depth, rate the sample rate."},
		Param{Path: "bus.distortion.drive", Unit: "dB", Max: 48, Doc: "Gain into the distortion; 0 is off, except for crush and rate."},
		Param{Path: "bus.distortion.mix", Max: 1, Default: 1, Doc: "Share of the distorted sound; 0 is off."},
		Param{Path: "bus.distortion.bias", Min: -1, Max: 1, Default: 0.5, Doc: "Of shape: how far the curve is off its middle, which gives even harmonics."},
		Param{Path: "bus.distortion.bits", Unit: "bit", Min: 1, Max: 16, Default: 8, Doc: "Bit depth of crush."},
		Param{Path: "bus.distortion.rate", Unit: "Hz", Min: 200, Max: 48000, Default: 8000, Scale: Log, Doc: "Sample rate of rate."},
		Param{Path: "bus.eq.low_gain", Unit: "dB", Min: -24, Max: 24, Doc: "Gain of the low shelf."},
		Param{Path: "bus.eq.low_freq", Unit: "Hz", Min: 20, Max: 2000, Default: 120, Scale: Log, Doc: "Where the low shelf has half of its gain in dB."},
		Param{Path: "bus.eq.mid_gain", Unit: "dB", Min: -24, Max: 24, Doc: "Gain of the bell."},
		Param{Path: "bus.eq.mid_freq", Unit: "Hz", Min: 40, Max: 16000, Default: 1000, Scale: Log, Doc: "Middle of the bell."},
		Param{Path: "bus.eq.mid_q", Min: 0.2, Max: 20, Default: 1, Scale: Log, Doc: "Q of the bell: more is narrower."},
		Param{Path: "bus.eq.high_gain", Unit: "dB", Min: -24, Max: 24, Doc: "Gain of the high shelf."},
		Param{Path: "bus.eq.high_freq", Unit: "Hz", Min: 500, Max: 18000, Default: 6000, Scale: Log, Doc: "Where the high shelf has half of its gain in dB."},
		Param{Path: "bus.compressor.threshold", Unit: "dBFS", Min: -60, Max: 0, Default: -18, Doc: "Level above which the compressor works."},
		Param{Path: "bus.compressor.ratio", Min: 1, Max: 50, Default: 1, Scale: Log, Doc: "How many dB above the threshold leave 1 dB; 1 is off."},
		Param{Path: "bus.compressor.knee", Unit: "dB", Max: 24, Default: 6, Doc: "Width of the bend at the threshold."},
		Param{Path: "bus.compressor.attack", Unit: "s", Min: 0.0001, Max: 1, Default: 0.01, Scale: Log, Doc: "Time in which the compressor covers 63 % of a reduction."},
		Param{Path: "bus.compressor.release", Unit: "s", Min: 0.005, Max: 5, Default: 0.15, Scale: Log, Doc: "Time in which it gives 63 % of it back."},
		Param{Path: "bus.compressor.gain", Unit: "dB", Min: -24, Max: 24, Doc: "Gain after the compressor, where it is on."},
		Param{Path: "bus.chorus.mix", Max: 1, Doc: "Share of the moving copies; 0 is off."},
		Param{Path: "bus.chorus.rate", Unit: "Hz", Min: 0.01, Max: 10, Default: 0.8, Scale: Log, Doc: "How often the copies move to and fro in a second."},
		Param{Path: "bus.chorus.depth", Max: 1, Default: 0.5, Doc: "How far they move: 1 is 8 ms."},
		Param{Path: "bus.flanger.mix", Max: 1, Doc: "Share of the moving copy; 0 is off."},
		Param{Path: "bus.flanger.rate", Unit: "Hz", Min: 0.01, Max: 10, Default: 0.25, Scale: Log, Doc: "How often the copy moves to and fro in a second."},
		Param{Path: "bus.flanger.depth", Max: 1, Default: 0.7, Doc: "How far it moves: 1 is 5 ms."},
		Param{Path: "bus.flanger.feedback", Min: -0.95, Max: 0.95, Default: 0.5, Doc: "Share of the copy that is fed back."},
		Param{Path: "bus.phaser.mix", Max: 1, Doc: "Share of the shifted sound; 0 is off."},
		Param{Path: "bus.phaser.rate", Unit: "Hz", Min: 0.01, Max: 10, Default: 0.4, Scale: Log, Doc: "How often the notches sweep to and fro in a second."},
		Param{Path: "bus.phaser.depth", Max: 1, Default: 0.7, Doc: "How far they sweep: 1 is two octaves to either side."},
		Param{Path: "bus.phaser.feedback", Min: -0.95, Max: 0.95, Default: 0.4, Doc: "Share of the shifted sound that is fed back."},
		Param{Path: "bus.phaser.frequency", Unit: "Hz", Min: 50, Max: 8000, Default: 800, Scale: Log, Doc: "Middle of the sweep."},
		Param{Path: "bus.phaser.stages", Kind: Int, Min: 2, Max: 12, Default: 6, Allowed: []int{2, 4, 6, 8, 12}, Doc: "Number of all-passes; two make a notch."},
		Param{Path: "bus.delay.mode", Kind: Enum, Values: []string{"stereo", "ping_pong"}, DefaultEnum: "stereo", Doc: "stereo: each side echoes itself. ping_pong: echoes go from side to side."},
		Param{Path: "bus.delay.mix", Max: 1, Doc: "Share of the echoes; 0 is off."},
		Param{Path: "bus.delay.time", Unit: "s", Min: 0.001, Max: 2, Default: 0.3, Scale: Log, Doc: "Time between echoes, where sync is off."},
		Param{Path: "bus.delay.sync", Kind: Enum, Values: NoteValues(), DefaultEnum: "off", Doc: "Time between echoes as a note value at the tempo, 4 s at most; t is a triplet, d is dotted."},
		Param{Path: "bus.delay.feedback", Max: 0.95, Default: 0.4, Doc: "Level of each echo to the one before."},
		Param{Path: "bus.delay.damping", Unit: "Hz", Min: 200, Max: 20000, Default: 8000, Scale: Log, Doc: "Low-pass that each echo goes through; 20000 is off."},
		Param{Path: "bus.reverb.mix", Max: 1, Doc: "Share of the reverberated sound; 0 is off."},
		Param{Path: "bus.reverb.time", Unit: "s", Min: 0.1, Max: 20, Default: 1.5, Scale: Log, Doc: "Reverberation time: the tail falls by 60 dB in it."},
		Param{Path: "bus.reverb.damping", Unit: "Hz", Min: 500, Max: 20000, Default: 6000, Scale: Log, Doc: "An octave above this frequency the tail dies twice as fast, and faster still beyond; 20000 is off."},
		Param{Path: "bus.reverb.pre_delay", Unit: "s", Max: 0.25, Default: 0.01, Scale: Square, Doc: "Time before the first reflection."},
		Param{Path: "bus.reverb.modulation", Max: 1, Doc: "How much the tail wavers."},
		Param{Path: "bus.limiter.mode", Kind: Enum, Values: []string{"off", "on"}, DefaultEnum: "off", Doc: "Whether peaks are limited."},
		Param{Path: "bus.limiter.gain", Unit: "dB", Max: 36, Doc: "Gain before the limiter."},
		Param{Path: "bus.limiter.ceiling", Unit: "dBTP", Min: -24, Max: 0, Default: -1, Doc: "True peak that the limiter does not let pass."},
		Param{Path: "bus.limiter.release", Unit: "s", Min: 0.005, Max: 2, Default: 0.1, Scale: Log, Doc: "Time in which the limiter gives back 10 dB."},
		Param{Path: "output.duration", Unit: "s", Max: MaxDuration, Doc: "Exact length of the file, 0.05 s or more; 0: the file ends where the tail does."},
		Param{Path: "output.tail", Unit: "s", Max: MaxDuration, Scale: Square, Doc: "How long before the end of a fixed duration the note ends at least: longer than what its release and its reverberation need leaves silence or a longer fall."},
		Param{Path: "output.loop", Kind: Enum, Values: []string{"off", "on"}, DefaultEnum: "off", Doc: "on: the note is held and the end of the file runs into its start without a seam; needs a duration."},
		Param{Path: "output.crossfade", Unit: "s", Min: 0.005, Max: 5, Default: 0.25, Scale: Log, Doc: "How long the ends of a loop are mixed; half of the duration at most."},
		Param{Path: "output.sample_rate", Kind: Int, Unit: "Hz", Min: 22050, Max: 96000, Default: 48000, Allowed: []int{22050, 44100, 48000, 96000}, Doc: "Sample rate of the file."},
		Param{Path: "output.bit_depth", Kind: Int, Unit: "bit", Min: 16, Max: 32, Default: 24, Allowed: []int{16, 24, 32}, Doc: "16 and 24 are PCM with TPDF dither, 32 is float."},
		Param{Path: "output.channels", Kind: Int, Min: 1, Max: 2, Default: 2, Doc: "1 is mono, 2 is stereo."},
		Param{Path: "output.normalize", Kind: Enum, Values: []string{"peak", "loudness", "off"}, DefaultEnum: "peak", Doc: "peak: the loudest sample is brought to output.level. loudness: the whole is brought to output.loudness, or as near as output.true_peak allows. off: left as it is, or brought down to full scale where it is above."},
		Param{Path: "output.level", Unit: "dBFS", Min: -40, Max: 0, Default: -1, Doc: "Level of the loudest sample after normalisation by peak."},
		Param{Path: "output.loudness", Unit: "LUFS", Min: -48, Max: -6, Default: -16, Doc: "Integrated loudness (ITU-R BS.1770-4) after normalisation by loudness; a sound under 400 ms is measured with silence up to that."},
		Param{Path: "output.true_peak", Unit: "dBTP", Min: -24, Max: 0, Default: -1, Doc: "True peak that normalisation by loudness never passes."},
	)
	return rows
}

func oscillator(path string, level float64) []Param {
	return []Param{
		{Path: path + ".wave", Kind: Enum, Values: []string{"saw", "square", "triangle", "sine", "wavetable", "fm"}, DefaultEnum: "saw", Doc: "Waveform."},
		{Path: path + ".level", Max: 1, Default: level, Doc: "Linear gain; 0 is off."},
		{Path: path + ".tune", Unit: "cents", Min: -4800, Max: 4800, Doc: "Distance from the layer's pitch."},
		{Path: path + ".pulse_width", Min: 0.05, Max: 0.95, Default: 0.5, Doc: "Duty cycle of the square."},
		{Path: path + ".wavetable", Kind: Enum, Values: []string{"basic", "harmonic", "vocal", "digital", "metal", "pulse"}, DefaultEnum: "basic", Doc: "Which wavetable, where wave is wavetable: basic goes from sine to saw to square, harmonic draws organ bars, vocal speaks vowels, digital steps and buzzes, metal has stretched clusters, pulse narrows."},
		{Path: path + ".position", Max: 1, Doc: "Place in the wavetable."},
		{Path: path + ".fm_ratio", Min: 0.25, Max: 16, Default: 1, Scale: Log, Doc: "Frequency of the modulator to that of the carrier, where wave is fm."},
		{Path: path + ".fm_index", Unit: "rad", Max: 16, Default: 2, Scale: Square, Doc: "How far the modulator turns the carrier's phase; held where its sidebands stay below half the sample rate."},
		{Path: path + ".fm_feedback", Max: 1, Doc: "How far the modulator turns its own phase, in radians."},
		{Path: path + ".unison", Kind: Int, Min: 1, Max: 16, Default: 1, Doc: "Number of voices."},
		{Path: path + ".detune", Unit: "cents", Max: 100, Default: 12, Scale: Square, Doc: "Distance of the outermost unison voices to either side."},
		{Path: path + ".blend", Max: 1, Default: 1, Doc: "Level of the outermost unison voices to the middle ones."},
		{Path: path + ".spread", Max: 1, Default: 0.8, Doc: "Stereo spread of the unison voices."},
	}
}

func envelope(path string, attack, decay, sustain, release float64, what string) []Param {
	return []Param{
		{Path: path + ".attack", Unit: "s", Max: 20, Default: attack, Scale: Square, Doc: "Time in which the " + what + " rises to its peak."},
		{Path: path + ".decay", Unit: "s", Max: 20, Default: decay, Scale: Square, Doc: "Time in which the " + what + " falls to the sustain value: by 60 dB where it is exponential."},
		{Path: path + ".sustain", Max: 1, Default: sustain, Doc: "Value that the " + what + " keeps while the note is held."},
		{Path: path + ".release", Unit: "s", Max: 20, Default: release, Scale: Square, Doc: "Time in which the " + what + " falls after the note: by 60 dB where it is exponential."},
		{Path: path + ".attack_curve", Min: -1, Max: 1, Doc: "Bend of the attack: 0 is a straight line, above 0 is fast at first, below 0 slow at first."},
		{Path: path + ".decay_curve", Min: -1, Max: 1, Default: 1, Doc: "Bend of the decay, likewise; 1 is exponential."},
		{Path: path + ".release_curve", Min: -1, Max: 1, Default: 1, Doc: "Bend of the release, likewise; 1 is exponential."},
	}
}

func lfo(path string, rate float64) []Param {
	return []Param{
		{Path: path + ".shape", Kind: Enum, Values: []string{"sine", "triangle", "saw", "square", "random", "smooth"}, DefaultEnum: "sine", Doc: "Shape; random holds a new value each period, smooth goes from one to the next."},
		{Path: path + ".rate", Unit: "Hz", Min: 0.01, Max: 50, Default: rate, Scale: Log, Doc: "Periods in a second, where sync is off."},
		{Path: path + ".sync", Kind: Enum, Values: NoteValues(), DefaultEnum: "off", Doc: "Length of a period as a note value at the tempo; t is a triplet, d is dotted."},
		{Path: path + ".phase", Unit: "turns", Max: 1, Doc: "Where in its period it starts."},
		{Path: path + ".fade", Unit: "s", Max: 20, Scale: Square, Doc: "Time in which it comes to its full depth."},
	}
}

// Sources returns the names of what can modulate; random is one value for each
// layer, from −1 to 1, drawn from the seed.
func Sources() []string {
	return []string{"lfo1", "lfo2", "amp_env", "filter_env", "pitch_env", "random"}
}

// Targets returns what can be modulated, with the range of a route's amount.
func Targets() []Target {
	return []Target{
		{Name: "pitch", Unit: "cents", Min: -4800, Max: 4800, Doc: "Pitch of the layer."},
		{Name: "cutoff", Unit: "cents", Min: -9600, Max: 9600, Doc: "Cutoff of the filter."},
		{Name: "level", Unit: "dB", Min: -60, Max: 60, Doc: "Level of the layer; never above the unmodulated level by more than 12 dB."},
		{Name: "pan", Min: -2, Max: 2, Doc: "Place in the stereo field."},
		{Name: "pulse_width", Min: -0.45, Max: 0.45, Doc: "Duty cycle of every square oscillator."},
		{Name: "position", Min: -1, Max: 1, Doc: "Place in the wavetable of every wavetable oscillator."},
		{Name: "fm_index", Unit: "rad", Min: -16, Max: 16, Doc: "Index of every FM oscillator."},
		{Name: "vowel", Min: -1, Max: 1, Doc: "Vowel of a formant filter."},
	}
}

func targetNames() []string {
	names := make([]string, 0, 8)
	for _, t := range Targets() {
		names = append(names, t.Name)
	}
	return slices.Clip(names)
}

// NoteValues returns the lengths that an LFO's period or a delay can have in
// musical time, longest first, after "off".
func NoteValues() []string {
	return []string{"off", "4/1", "2/1", "1/1", "1/2d", "1/2", "1/2t", "1/4d", "1/4", "1/4t", "1/8d", "1/8", "1/8t", "1/16d", "1/16", "1/16t", "1/32"}
}

// NoteSeconds returns the length in seconds of a note value at a tempo in beats
// (quarter notes) per minute; 0 for "off".
func NoteSeconds(value string, tempo float64) float64 {
	digits := strings.TrimRight(value, "td")
	up, down, ok := strings.Cut(digits, "/")
	if !ok {
		return 0
	}
	n, errUp := strconv.Atoi(up)
	d, errDown := strconv.Atoi(down)
	if errUp != nil || errDown != nil || d == 0 {
		return 0
	}
	wholes := float64(n) / float64(d)
	switch {
	case strings.HasSuffix(value, "t"):
		wholes = float64(wholes*2) / 3
	case strings.HasSuffix(value, "d"):
		wholes = float64(wholes * 1.5)
	}
	return float64(wholes * (240 / tempo))
}
