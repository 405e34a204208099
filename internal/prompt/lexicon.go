package prompt

// op says how an effect changes its parameter. s is the strength of the word:
// 1 plain, 1.6 "very", 0.5 "slightly", negative for "not".
type op uint8

const (
	opPut    op = iota // becomes the value, at any positive strength
	opMul              // multiplied by value^s
	opAdd              // moved by value × s
	opAmount           // becomes value × s; negation makes it 0
	opSpan             // becomes value × the length of the note, in seconds
	opRoute            // a modulation route to target, of value × s
)

// effect is one change that a word makes. Paths are relative to the layer,
// unless they begin with "bus." or "output."; "lfo." is the word's own LFO.
type effect struct {
	path   string
	op     op
	value  float64
	text   string // of an enumeration; the source of a route
	target string // of a route
}

// entry is one word of the lexicon.
type entry struct {
	word    string   // the name it goes by
	also    []string // other spellings and phrases
	kind    Kind
	amount  float64  // of modifiers: the factor on amounts (reverb, drive)
	tilt    float64  // of modifiers: the factor on directions (brighter, longer); negative turns them round
	effects []effect // what it does
	flavour []effect // of instruments: what it does in front of another ("sub bass"); of wave forms: what it does to an instrument
	off     []effect // what it does when negated, where turning its effects round would be wrong
	end     []effect // what it does after "ends"
	doc     string
}

func num(path string, v float64) effect     { return effect{path: path, op: opPut, value: v} }
func opt(path, v string) effect             { return effect{path: path, op: opPut, text: v} }
func mul(path string, v float64) effect     { return effect{path: path, op: opMul, value: v} }
func add(path string, v float64) effect     { return effect{path: path, op: opAdd, value: v} }
func amt(path string, v float64) effect     { return effect{path: path, op: opAmount, value: v} }
func span(path string, part float64) effect { return effect{path: path, op: opSpan, value: part} }
func route(source, target string, v float64) effect {
	return effect{path: "mods", op: opRoute, value: v, text: source, target: target}
}

func join(parts ...[]effect) []effect {
	var all []effect
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func osc(n, wave string, level, tune float64) []effect {
	at := "synth.osc" + n + "."
	return []effect{opt(at+"wave", wave), num(at+"level", level), num(at+"tune", tune)}
}

func unison(n string, voices, detune, spread float64) []effect {
	at := "synth.osc" + n + "."
	return []effect{num(at+"unison", voices), num(at+"detune", detune), num(at+"spread", spread)}
}

func noise(color string, level float64) []effect {
	return []effect{opt("synth.noise.color", color), num("synth.noise.level", level)}
}

func filter(kind string, slope, cutoff, q float64) []effect {
	return []effect{opt("filter.type", kind), num("filter.slope", slope), num("filter.cutoff", cutoff), num("filter.resonance", q)}
}

func filterEnv(cents, a, d, s, r float64) []effect {
	return append([]effect{num("filter.env_amount", cents)}, env("filter_env", a, d, s, r)...)
}

func pitchEnv(cents, a, d, s, r float64) []effect {
	return append([]effect{num("pitch_bend", cents)}, env("pitch_env", a, d, s, r)...)
}

func amp(a, d, s, r float64) []effect { return env("amp_env", a, d, s, r) }

func env(at string, a, d, s, r float64) []effect {
	return []effect{num(at+".attack", a), num(at+".decay", d), num(at+".sustain", s), num(at+".release", r)}
}

func note1(hz, gate float64) []effect { return []effect{num("pitch", hz), num("gate", gate)} }

func reverb(mix, time float64) []effect {
	return []effect{amt("bus.reverb.mix", mix), num("bus.reverb.time", time)}
}

func drive(db, mix float64) []effect {
	return []effect{num("bus.distortion.drive", db), num("bus.distortion.mix", mix)}
}

func lfo(shape string, rate, phase float64) []effect {
	return []effect{opt("lfo.shape", shape), num("lfo.rate", rate), num("lfo.phase", phase)}
}

// wave is the entry of a wave form. Alone it is a plain tone; before an
// instrument it replaces the wave of its first two oscillators.
func wave(word string, also []string, doc string) entry {
	return entry{
		word: word, also: also, kind: Instrument, doc: doc,
		effects: join(osc("1", word, 1, 0), filter("off", 12, 20000, 0.7071), amp(0.005, 0.1, 1, 0.03), note1(261.6, 1)),
		flavour: []effect{opt("synth.osc1.wave", word), opt("synth.osc2.wave", word)},
	}
}

// lexicon returns every word that is known. It is the allow-list: nothing else
// in a prompt does anything.
func lexicon() []entry {
	return append(append(instruments(), adjectives()...), append(effects(), modifiers()...)...)
}

// fallback is the sound of a prompt that names no instrument: a soft key.
func fallback() []effect {
	return join(osc("1", "saw", 0.5, 0), unison("1", 3, 9, 0.6), osc("2", "triangle", 0.7, 0), osc("3", "sine", 0.3, 1200),
		filter("lowpass", 12, 1300, 0.9), filterEnv(1800, 0.003, 0.5, 0.25, 0.4), amp(0.006, 0.9, 0.45, 0.45),
		note1(220, 0.7), reverb(0.16, 1.3))
}

func instruments() []entry {
	return []entry{
		{
			word: "bass", kind: Instrument, doc: "A saw and a square with a sine under them, below A1.",
			effects: join(osc("1", "saw", 0.6, 0), osc("2", "square", 0.4, 6), osc("3", "sine", 0.6, 0),
				filter("lowpass", 24, 500, 0.9), filterEnv(1400, 0.002, 0.35, 0.25, 0.12), amp(0.004, 0.4, 0.85, 0.1), note1(55, 0.9)),
			flavour: []effect{num("pitch", 65.41), mul("filter.cutoff", 0.7)},
		},
		{
			word: "sub", also: []string{"sub bass", "subbass", "subby"}, kind: Instrument, doc: "A sine that is felt more than heard.",
			effects: join(osc("1", "sine", 0.9, 0), osc("2", "triangle", 0.12, 0),
				filter("lowpass", 24, 240, 0.7071), amp(0.012, 0.3, 0.95, 0.1), note1(49, 1.2)),
			flavour: []effect{num("synth.osc3.level", 0.9), opt("synth.osc3.wave", "sine"), mul("synth.osc1.level", 0.45), mul("synth.osc2.level", 0.45), mul("filter.cutoff", 0.5)},
		},
		{
			word: "reese", kind: Instrument, doc: "Two saws that beat against each other.",
			effects: join(osc("1", "saw", 0.7, -18), osc("2", "saw", 0.7, 18), osc("3", "sine", 0.5, 0),
				filter("lowpass", 24, 620, 1.1), filterEnv(400, 0.01, 0.5, 0.6, 0.2), amp(0.008, 0.3, 0.9, 0.15), note1(55, 1.4)),
			flavour: []effect{opt("synth.osc1.wave", "saw"), opt("synth.osc2.wave", "saw"), num("synth.osc1.tune", -18), num("synth.osc2.tune", 18)},
		},
		{
			word: "lead", kind: Instrument, doc: "A saw that carries a melody.",
			effects: join(osc("1", "saw", 0.8, 0), unison("1", 2, 5, 0.3), osc("2", "square", 0.3, 0),
				filter("lowpass", 24, 1700, 1.2), filterEnv(700, 0.004, 0.3, 0.4, 0.15), amp(0.006, 0.25, 0.8, 0.12), note1(440, 0.8), reverb(0.08, 0.9)),
			flavour: []effect{num("pitch", 440)},
		},
		{
			word: "pad", kind: Instrument, doc: "Slow, wide saws.",
			effects: join(osc("1", "saw", 0.4, 0), unison("1", 7, 21, 0.85), osc("2", "saw", 0.3, -1200), osc("3", "triangle", 0.75, 0),
				filter("lowpass", 12, 1400, 0.8), filterEnv(600, 0.8, 1, 0.7, 0.8), amp(0.45, 0.8, 0.85, 0.8), note1(220, 2.6), reverb(0.25, 2.2)),
			flavour: join(unison("1", 7, 14, 0.85), []effect{num("amp_env.attack", 0.35), num("amp_env.sustain", 0.8), num("amp_env.release", 0.7), num("gate", 2.2)}),
		},
		{
			word: "pluck", also: []string{"plucked", "plucky"}, kind: Instrument, doc: "A short, picked note.",
			effects: join(osc("1", "saw", 0.7, 0), osc("2", "square", 0.35, 4), filter("lowpass", 24, 560, 1.3),
				filterEnv(3000, 0.001, 0.45, 0, 0.3), amp(0.001, 0.55, 0, 0.25), note1(329.6, 0.3), reverb(0.1, 0.9)),
			flavour: []effect{num("amp_env.attack", 0.001), num("amp_env.decay", 0.5), num("amp_env.sustain", 0), num("filter_env.attack", 0.001), num("filter_env.decay", 0.2), num("filter_env.sustain", 0), num("filter.env_amount", 2600)},
		},
		{
			word: "bell", also: []string{"chime", "ding"}, kind: Instrument, doc: "Three partials of a struck bar.",
			effects: join(osc("1", "sine", 0.8, 0), osc("2", "sine", 0.4, 1758), osc("3", "sine", 0.16, 2920),
				filter("lowpass", 12, 9000, 0.7071), filterEnv(2400, 0.001, 0.6, 0, 0.5), amp(0.001, 2, 0, 0.8), note1(880, 0.8), reverb(0.14, 1.6)),
			flavour: []effect{num("amp_env.attack", 0.001), num("synth.osc2.tune", 1758), opt("synth.osc2.wave", "sine")},
		},
		{
			word: "kick", also: []string{"kick drum", "bass drum", "kickdrum"}, kind: Instrument, doc: "A sine that falls three octaves.",
			effects: join(osc("1", "sine", 1, 0), filter("lowpass", 12, 4000, 0.7071), pitchEnv(3300, 0, 0.09, 0, 0.02),
				amp(0.0008, 0.42, 0, 0.06), note1(49, 0.42), drive(5, 0.7)),
			flavour: join(pitchEnv(2400, 0, 0.08, 0, 0.02), amp(0.001, 0.45, 0, 0.06)),
		},
		{
			word: "snare", also: []string{"snare drum"}, kind: Instrument, doc: "Noise over a short drum tone.",
			effects: join(osc("1", "triangle", 0.5, 0), noise("white", 0.6), filter("highpass", 12, 160, 0.7071), pitchEnv(700, 0, 0.05, 0, 0.02),
				amp(0.0008, 0.24, 0, 0.06), note1(185, 0.24)),
			flavour: join(noise("white", 0.5), amp(0.001, 0.24, 0, 0.06)),
		},
		{
			word: "hat", also: []string{"hi hat", "hihat", "hi hats"}, kind: Instrument, doc: "High noise, very short.",
			effects: join(noise("white", 0.9), filter("highpass", 24, 7600, 1), amp(0.0008, 0.11, 0, 0.03), note1(440, 0.11)),
			flavour: join(noise("white", 0.5), amp(0.001, 0.12, 0, 0.03)),
		},
		{
			word: "cymbal", also: []string{"crash", "crash cymbal", "ride"}, kind: Instrument, doc: "High noise that rings.",
			effects: join(noise("white", 0.9), osc("1", "square", 0.06, 0), osc("2", "square", 0.06, 583), osc("3", "square", 0.06, 1070),
				filter("highpass", 12, 4800, 0.8), amp(0.001, 2.4, 0, 0.6), note1(543, 1.4), reverb(0.1, 1.4)),
			flavour: noise("white", 0.5),
		},
		{
			word: "cowbell", kind: Instrument, doc: "Two squares a wide fifth apart, after the old drum machine.",
			effects: join(osc("1", "square", 0.6, 0), osc("2", "square", 0.6, 680), filter("bandpass", 12, 1100, 1.2), amp(0.001, 0.5, 0, 0.1), note1(640, 0.3)),
			flavour: []effect{num("synth.osc2.tune", 680)},
		},
		{
			word: "drone", kind: Instrument, doc: "A held tone that slowly moves.",
			effects: join(osc("1", "saw", 0.6, 0), unison("1", 4, 9, 0.7), osc("2", "saw", 0.4, -1200), osc("3", "sine", 0.3, 0),
				filter("lowpass", 24, 800, 1), amp(0.3, 0.5, 1, 0.5), note1(110, 3.5), lfo("sine", 0.17, 0), []effect{route("lfo", "cutoff", 700)}, reverb(0.15, 2)),
			flavour: join(amp(0.3, 0.5, 1, 0.5), []effect{num("gate", 3.5)}),
		},
		{
			word: "organ", kind: Instrument, doc: "Three drawbars of sines.",
			effects: join(osc("1", "sine", 0.8, 0), osc("2", "sine", 0.55, 1200), osc("3", "sine", 0.35, 1902),
				filter("lowpass", 12, 6000, 0.7071), amp(0.012, 0.1, 1, 0.06), note1(261.6, 1.4), reverb(0.1, 1.2)),
			flavour: join(osc("2", "sine", 0.5, 1200), []effect{num("amp_env.sustain", 1), num("amp_env.attack", 0.012)}),
		},
		{
			word: "strings", also: []string{"string", "violins"}, kind: Instrument, doc: "A section of bowed saws.",
			effects: join(osc("1", "saw", 0.6, 0), unison("1", 7, 11, 0.8), osc("2", "saw", 0.3, 1200), unison("2", 4, 8, 0.7),
				filter("lowpass", 12, 2200, 0.7071), filterEnv(500, 0.3, 0.5, 0.7, 0.4), amp(0.22, 0.4, 0.9, 0.4), note1(293.7, 2), reverb(0.2, 1.8)),
			flavour: join(unison("1", 7, 11, 0.8), []effect{num("amp_env.attack", 0.2), num("amp_env.sustain", 0.9)}),
		},
		{
			word: "brass", also: []string{"trumpet", "horn"}, kind: Instrument, doc: "Saws that open as they are blown.",
			effects: join(osc("1", "saw", 0.7, 0), unison("1", 2, 6, 0.4), osc("2", "saw", 0.5, 5), filter("lowpass", 24, 520, 0.9),
				filterEnv(2500, 0.09, 0.35, 0.7, 0.15), amp(0.05, 0.3, 0.85, 0.12), note1(233.1, 0.9), reverb(0.12, 1.3)),
			flavour: filterEnv(2200, 0.09, 0.35, 0.7, 0.15),
		},
		{
			word: "stab", kind: Instrument, doc: "A short, hard stroke of saws.",
			effects: join(osc("1", "saw", 0.7, 0), osc("2", "saw", 0.5, 7), osc("3", "square", 0.3, -1200),
				filter("lowpass", 24, 1200, 1.1), filterEnv(2200, 0.001, 0.18, 0.1, 0.15), amp(0.002, 0.4, 0.1, 0.15), note1(220, 0.22), reverb(0.1, 1)),
			flavour: []effect{num("amp_env.attack", 0.002), num("amp_env.decay", 0.4), num("amp_env.sustain", 0.1), num("gate", 0.22)},
		},
		{
			word: "beep", kind: Instrument, doc: "A plain signal tone.",
			effects: join(osc("1", "sine", 0.9, 0), osc("2", "square", 0.12, 0), filter("lowpass", 12, 5000, 0.7071), amp(0.003, 0.1, 1, 0.02), note1(1000, 0.2)),
			flavour: join(amp(0.003, 0.1, 1, 0.02), []effect{num("gate", 0.2)}),
		},
		{
			word: "blip", kind: Instrument, doc: "A tiny square that hops up.",
			effects: join(osc("1", "square", 0.8, 0), filter("highpass", 12, 353, 0.7071), amp(0.001, 0.1, 0.3, 0.03), note1(660, 0.07), []effect{num("pitch_glide", 500)}),
			flavour: []effect{num("gate", 0.07), num("amp_env.attack", 0.001)},
		},
		{
			word: "laser", also: []string{"zap", "pew", "laser zap", "blaster"}, kind: Instrument, doc: "A square that falls two octaves.",
			effects: join(osc("1", "square", 0.7, 0), osc("2", "saw", 0.4, 9), filter("highpass", 12, 180, 0.7071), amp(0.001, 0.4, 0.3, 0.06),
				note1(1320, 0.36), []effect{num("pitch_glide", -2600)}),
			flavour: []effect{num("pitch_glide", -2800)},
		},
		{
			word: "noise", also: []string{"static", "hiss"}, kind: Instrument, doc: "White noise.",
			effects: join(noise("white", 0.9), filter("off", 12, 20000, 0.7071), amp(0.004, 0.2, 1, 0.06), note1(261.6, 1)),
			flavour: noise("white", 0.5),
		},
		{
			word: "whoosh", also: []string{"swoosh", "swish"}, kind: Instrument, doc: "Noise that rushes past.",
			effects: join(noise("pink", 0.9), filter("bandpass", 12, 420, 1.1), filterEnv(2900, 0.4, 0.5, 0, 0.4), amp(0.38, 0.75, 0, 0.3),
				note1(220, 0.9), []effect{span("amp_env.attack", 0.42), span("filter_env.attack", 0.45), span("filter_env.decay", 0.5)}, reverb(0.1, 1)),
			flavour: []effect{num("amp_env.attack", 0.35)},
		},
		{
			word: "wind", also: []string{"windy", "breeze"}, kind: Instrument, doc: "Noise through a wandering band.",
			effects: join(noise("pink", 0.9), filter("bandpass", 12, 520, 2.2), amp(0.7, 0.5, 1, 0.8), note1(220, 4),
				lfo("random", 0.7, 0), []effect{route("lfo", "cutoff", 1100), route("lfo", "level", 4)}),
			flavour: noise("pink", 0.4),
		},
		{
			word: "riser", also: []string{"uplifter", "rising"}, kind: Instrument, doc: "Saws and noise that climb to the end.",
			effects: join(osc("1", "saw", 0.4, 0), unison("1", 5, 16, 0.8), noise("white", 0.3), filter("lowpass", 24, 260, 1.3), filterEnv(6200, 2.4, 0.1, 1, 0.2),
				amp(1.6, 0.1, 1, 0.12), note1(110, 2.5), []effect{num("pitch_glide", 2400), span("filter_env.attack", 0.98), span("amp_env.attack", 0.8)}, reverb(0.12, 1.2)),
			flavour: []effect{num("pitch_glide", 1200)},
		},
		{
			word: "downer", also: []string{"downlifter", "fall"}, kind: Instrument, doc: "Saws and noise that sink to the end.",
			effects: join(osc("1", "saw", 0.5, 0), unison("1", 5, 14, 0.8), noise("white", 0.2), filter("lowpass", 24, 220, 1.2), filterEnv(5400, 0.005, 2.2, 0, 0.2),
				amp(0.01, 0.4, 0.9, 0.4), note1(660, 2), []effect{num("pitch_glide", -3000), span("filter_env.decay", 1)}, reverb(0.12, 1.4)),
			flavour: []effect{num("pitch_glide", -1800)},
		},
		{
			word: "siren", also: []string{"alarm", "alarm siren", "alert"}, kind: Instrument, doc: "A tone that swings up and down.",
			effects: join(osc("1", "saw", 0.6, 0), osc("2", "square", 0.3, 0), filter("lowpass", 12, 3600, 0.8), amp(0.02, 0.1, 1, 0.08), note1(740, 2),
				lfo("triangle", 1.2, 0.75), []effect{route("lfo", "pitch", 420)}, reverb(0.08, 1)),
			flavour: join(lfo("triangle", 1.2, 0.75), []effect{route("lfo", "pitch", 420)}),
		},
		{
			word: "click", also: []string{"tick", "ui click"}, kind: Instrument, doc: "The shortest of sounds.",
			effects: join(osc("1", "sine", 0.7, 0), noise("white", 0.4), filter("highpass", 12, 600, 0.7071), pitchEnv(1400, 0, 0.012, 0, 0.01), amp(0.0005, 0.035, 0, 0.02), note1(1500, 0.04)),
			flavour: []effect{num("amp_env.decay", 0.035), num("amp_env.sustain", 0), num("amp_env.attack", 0.0005)},
		},
		{
			word: "impact", also: []string{"boom", "thud", "hit"}, kind: Instrument, doc: "A low blow in a large room.",
			effects: join(osc("1", "sine", 0.9, 0), osc("2", "triangle", 0.3, -5), noise("brown", 0.5), filter("lowpass", 24, 300, 0.8), filterEnv(3600, 0, 0.25, 0, 0.2),
				pitchEnv(1900, 0, 0.16, 0, 0.1), amp(0.001, 1.3, 0, 0.5), note1(41.2, 0.8), drive(7, 0.6), reverb(0.25, 2.4)),
			flavour: join(pitchEnv(1400, 0, 0.12, 0, 0.1), amp(0.001, 0.9, 0, 0.4)),
		},
		{
			word: "explosion", also: []string{"blast", "explode"}, kind: Instrument, doc: "Driven noise that darkens as it dies.",
			effects: join(osc("1", "sine", 0.25, 0), noise("white", 0.9), filter("lowpass", 12, 800, 0.7071), filterEnv(4200, 0.001, 1.4, 0, 0.6),
				pitchEnv(1500, 0, 0.3, 0, 0.2), amp(0.002, 1.6, 0, 0.7), note1(36, 1), drive(14, 0.8), reverb(0.22, 2)),
			flavour: noise("white", 0.6),
		},
		{
			word: "coin", also: []string{"coin pickup", "pickup"}, kind: Instrument, doc: "A square that steps up a fourth.",
			effects: join(osc("1", "square", 0.7, 0), filter("highpass", 12, 500, 0.7071), pitchEnv(498, 0.06, 0.01, 1, 0.4), amp(0.001, 0.55, 0, 0.2), note1(988, 0.5)),
			flavour: pitchEnv(498, 0.06, 0.01, 1, 0.4),
		},
		{
			word: "jump", also: []string{"hop", "boing"}, kind: Instrument, doc: "A square that leaps an octave.",
			effects: join(osc("1", "square", 0.7, 0), filter("lowpass", 12, 3600, 0.7071), amp(0.002, 0.2, 0.5, 0.08), note1(392, 0.22), []effect{num("pitch_glide", 1300)}),
			flavour: []effect{num("pitch_glide", 1200)},
		},
		{
			word: "power up", also: []string{"powerup", "level up"}, kind: Instrument, doc: "A square that climbs and flutters.",
			effects: join(osc("1", "square", 0.6, 0), osc("2", "saw", 0.3, 1200), filter("lowpass", 24, 900, 1), filterEnv(3200, 0.6, 0.1, 1, 0.1), amp(0.004, 0.1, 0.9, 0.12),
				note1(330, 0.7), lfo("square", 9, 0), []effect{num("pitch_glide", 1900), route("lfo", "pitch", 130), span("filter_env.attack", 0.95)}),
			flavour: []effect{num("pitch_glide", 1200)},
		},
		{
			word: "buzzer", also: []string{"buzz", "error", "error buzzer"}, kind: Instrument, doc: "Two squares that grate.",
			effects: join(osc("1", "square", 0.7, 0), osc("2", "saw", 0.6, 60), filter("lowpass", 12, 2400, 0.8), amp(0.003, 0.1, 1, 0.03), note1(110, 0.45), drive(6, 0.5)),
			flavour: []effect{num("synth.osc2.tune", 60)},
		},
		wave("saw", []string{"sawtooth", "saw wave", "sawtooth wave"}, "All harmonics."),
		wave("square", []string{"square wave", "pulse wave"}, "The odd harmonics."),
		wave("triangle", []string{"triangle wave"}, "The odd harmonics, weak."),
		wave("sine", []string{"sine wave", "sinus", "pure", "pure tone", "tone"}, "One partial and no other."),
		{
			word: "supersaw", also: []string{"super saw", "hypersaw"}, kind: Instrument, doc: "Seven saws side by side.",
			effects: join(osc("1", "saw", 0.9, 0), unison("1", 7, 18, 0.9), filter("lowpass", 12, 6500, 0.7071), amp(0.006, 0.2, 0.9, 0.2), note1(220, 1.2), reverb(0.12, 1.4)),
			flavour: join([]effect{opt("synth.osc1.wave", "saw"), opt("synth.osc2.wave", "saw")}, unison("1", 7, 18, 0.9), unison("2", 5, 14, 0.9)),
		},
		{
			word: "white noise", kind: Instrument, doc: "Every frequency alike.",
			effects: join(noise("white", 0.9), filter("off", 12, 20000, 0.7071), amp(0.004, 0.2, 1, 0.06), note1(261.6, 1)),
			flavour: noise("white", 0.5),
		},
		{
			word: "pink noise", also: []string{"soft noise"}, kind: Instrument, doc: "Falls by 3 dB an octave.",
			effects: join(noise("pink", 0.9), filter("off", 12, 20000, 0.7071), amp(0.004, 0.2, 1, 0.06), note1(261.6, 1)),
			flavour: noise("pink", 0.5),
		},
		{
			word: "brown noise", also: []string{"red noise", "brownian noise", "rumble"}, kind: Instrument, doc: "Falls by 6 dB an octave.",
			effects: join(noise("brown", 0.9), filter("off", 12, 20000, 0.7071), amp(0.02, 0.2, 1, 0.1), note1(261.6, 1)),
			flavour: noise("brown", 0.6),
		},
	}
}

func adjectives() []entry {
	darker := []effect{mul("filter.cutoff", 0.42), mul("filter.env_amount", 0.8)}
	brighter := []effect{mul("filter.cutoff", 2.9)}
	return []entry{
		{word: "deep", kind: Adjective, doc: "Lower and darker, with more sub.", effects: []effect{mul("pitch", 0.77), mul("filter.cutoff", 0.72), add("synth.osc3.level", 0.12)}},
		{word: "low", also: []string{"bassy", "lower"}, kind: Adjective, doc: "Half an octave down.", effects: []effect{mul("pitch", 0.66), mul("filter.cutoff", 0.8)}},
		{word: "high", also: []string{"higher"}, kind: Adjective, doc: "Most of an octave up.", effects: []effect{mul("pitch", 1.8), mul("filter.cutoff", 1.3)}},
		{
			word: "dark", also: []string{"muffled", "dull"}, kind: Adjective, doc: "Closes the filter.", effects: darker,
			end: append([]effect{mul("filter.cutoff", 0.5), num("filter.env_amount", 4200)}, sweep(false)...),
		},
		{
			word: "bright", also: []string{"brilliant", "shiny"}, kind: Adjective, doc: "Opens the filter.", effects: brighter,
			end: append([]effect{num("filter.env_amount", 4800)}, sweep(true)...),
		},
		{word: "warm", also: []string{"mellow", "round"}, kind: Adjective, doc: "Less treble, a little drive.", effects: []effect{mul("filter.cutoff", 0.65), mul("filter.resonance", 0.8), add("bus.distortion.drive", 3), num("bus.distortion.mix", 0.35)}},
		{word: "soft", also: []string{"gentle", "smooth"}, kind: Adjective, doc: "A slower start and less treble.", effects: []effect{mul("filter.cutoff", 0.7), add("amp_env.attack", 0.035), mul("filter.env_amount", 0.7)}},
		{word: "hard", also: []string{"aggressive", "harsh", "angry", "brutal"}, kind: Adjective, doc: "A sharp start and more drive.", effects: []effect{mul("filter.cutoff", 1.5), mul("amp_env.attack", 0.4), add("bus.distortion.drive", 10), num("bus.distortion.mix", 0.7)}},
		{word: "punchy", also: []string{"snappy"}, kind: Adjective, doc: "A fast start with a filter blow.", effects: []effect{mul("amp_env.attack", 0.3), add("filter.env_amount", 900), mul("filter_env.decay", 0.6), add("bus.distortion.drive", 3), num("bus.distortion.mix", 0.5)}},
		{word: "tight", kind: Adjective, doc: "Shorter.", effects: []effect{mul("amp_env.decay", 0.6), mul("amp_env.release", 0.5), mul("gate", 0.6)}},
		{word: "short", also: []string{"brief", "staccato", "tiny"}, kind: Adjective, doc: "Less than half as long.", effects: []effect{mul("gate", 0.4), mul("amp_env.decay", 0.45), mul("amp_env.release", 0.5), mul("bus.reverb.time", 0.7)}},
		{word: "long", also: []string{"lasting"}, kind: Adjective, doc: "Twice as long.", effects: []effect{mul("gate", 2), mul("amp_env.decay", 2), mul("amp_env.release", 1.7)}},
		{word: "sustained", also: []string{"held", "steady", "continuous"}, kind: Adjective, doc: "Does not die away while it is held.", effects: []effect{num("amp_env.sustain", 1), mul("gate", 1.5)}},
		{word: "burst", kind: Adjective, doc: "Starts at once and fades.", effects: []effect{num("amp_env.attack", 0.001), num("amp_env.sustain", 0.35), num("amp_env.decay", 0.3), mul("gate", 0.4)}},
		{word: "slow", also: []string{"lazy"}, kind: Adjective, doc: "Slower start and movement.", effects: []effect{mul("amp_env.attack", 2.2), mul("filter_env.attack", 2), mul("lfo1.rate", 0.5), mul("lfo2.rate", 0.5)}},
		{word: "fast", also: []string{"quick", "rapid"}, kind: Adjective, doc: "Faster start and movement.", effects: []effect{mul("amp_env.attack", 0.45), mul("filter_env.attack", 0.5), mul("gate", 0.7), mul("lfo1.rate", 1.8), mul("lfo2.rate", 1.8)}},
		{word: "swelling", also: []string{"swell", "building"}, kind: Adjective, doc: "Grows for half its length.", effects: []effect{span("amp_env.attack", 0.5), span("filter_env.attack", 0.6), num("amp_env.sustain", 1), num("filter_env.sustain", 1)}},
		{word: "fade in", also: []string{"fading in", "fades in"}, kind: Adjective, doc: "Grows to the end.", effects: []effect{span("amp_env.attack", 0.95), num("amp_env.sustain", 1)}},
		{word: "fade out", also: []string{"fading out", "fades out", "fading"}, kind: Adjective, doc: "Dies away to the end.", effects: []effect{span("amp_env.decay", 1.4), num("amp_env.sustain", 0), num("amp_env.attack", 0.01)}},
		{word: "falling", also: []string{"descending", "dropping"}, kind: Adjective, doc: "The pitch and the filter sink.", effects: []effect{add("pitch_glide", -1400), mul("filter.cutoff", 0.8)}},
		{word: "climbing", also: []string{"ascending"}, kind: Adjective, doc: "The pitch climbs.", effects: []effect{add("pitch_glide", 1400)}},
		{word: "fat", also: []string{"thick", "phat"}, kind: Adjective, doc: "More voices.", effects: []effect{num("synth.osc1.unison", 5), amt("synth.osc1.detune", 14), num("synth.osc1.spread", 0.6), add("synth.osc3.level", 0.1)}},
		{word: "thin", also: []string{"weak"}, kind: Adjective, doc: "No body.", effects: []effect{num("synth.osc3.level", 0), mul("synth.osc2.level", 0.3), num("synth.osc1.unison", 1), opt("filter.type", "highpass"), num("filter.cutoff", 700)}},
		{word: "wide", also: []string{"stereo", "broad"}, kind: Adjective, doc: "Voices spread over the stereo field.", effects: []effect{num("synth.osc1.unison", 7), num("synth.osc1.spread", 1), num("synth.osc1.detune", 15), num("output.channels", 2)}, off: mono()},
		{word: "mono", also: []string{"narrow"}, kind: Adjective, doc: "One channel.", effects: mono()},
		{word: "detuned", also: []string{"beating"}, kind: Adjective, doc: "Oscillators apart.", effects: []effect{num("synth.osc1.unison", 3), amt("synth.osc1.detune", 22), add("synth.osc2.tune", 14)}, off: []effect{num("synth.osc1.detune", 0), num("synth.osc1.unison", 1)}},
		{word: "resonant", also: []string{"squelchy", "acid", "acidic", "sharp"}, kind: Adjective, doc: "A filter that sings.", effects: []effect{mul("filter.resonance", 4), add("filter.env_amount", 900)}},
		{word: "hollow", also: []string{"nasal"}, kind: Adjective, doc: "Only the odd harmonics.", effects: []effect{opt("synth.osc1.wave", "square"), opt("synth.osc2.wave", "triangle"), mul("filter.cutoff", 0.8)}},
		{word: "glassy", also: []string{"glass", "metallic", "crystal", "shimmering"}, kind: Adjective, doc: "High partials out of tune with the note.", effects: []effect{opt("synth.osc2.wave", "sine"), num("synth.osc2.tune", 1758), add("synth.osc2.level", 0.15), opt("synth.osc3.wave", "sine"), num("synth.osc3.tune", 2920), num("synth.osc3.level", 0.3), mul("filter.cutoff", 1.3)}},
		{word: "fm", kind: Adjective, doc: "The side bands of a 1 : 3.5 frequency modulation.", effects: []effect{opt("synth.osc2.wave", "sine"), num("synth.osc2.tune", 2169), num("synth.osc2.level", 0.45), opt("synth.osc3.wave", "sine"), num("synth.osc3.tune", 3369), num("synth.osc3.level", 0.16)}},
		{word: "noisy", also: []string{"breathy", "dusty", "airy"}, kind: Adjective, doc: "Noise under the tone.", effects: []effect{amt("synth.noise.level", 0.22)}},
		{word: "huge", also: []string{"big", "massive", "cinematic", "epic"}, kind: Adjective, doc: "Larger, lower and longer.", effects: []effect{mul("pitch", 0.85), mul("amp_env.decay", 1.5), mul("gate", 1.25), add("bus.reverb.mix", 0.1), mul("bus.reverb.time", 1.3)}},
		{word: "small", also: []string{"little", "light"}, kind: Adjective, doc: "Smaller, higher and shorter.", effects: []effect{mul("pitch", 1.2), mul("amp_env.decay", 0.55), mul("gate", 0.7), mul("bus.reverb.mix", 0.4), mul("bus.reverb.time", 0.6)}},
		{word: "open", kind: Adjective, doc: "Rings on.", effects: []effect{mul("amp_env.decay", 4.5), mul("gate", 3)}},
		{word: "closed", also: []string{"choked"}, kind: Adjective, doc: "Cut short.", effects: []effect{mul("amp_env.decay", 0.75)}},
		{word: "808", kind: Adjective, doc: "Long and round.", effects: []effect{mul("amp_env.decay", 1.8), mul("gate", 1.6), mul("pitch_env.decay", 1.2)}},
		{word: "quiet", also: []string{"silent"}, kind: Adjective, doc: "12 dB down.", effects: []effect{add("output.level", -12)}},
		{word: "loud", kind: Adjective, doc: "As loud as the file allows.", effects: []effect{num("output.level", 0)}},
		{word: "clean", kind: Adjective, doc: "No distortion.", effects: []effect{num("bus.distortion.mix", 0), num("bus.distortion.drive", 0)}},
		{word: "dry", kind: Adjective, doc: "No reverb.", effects: []effect{num("bus.reverb.mix", 0), mul("amp_env.release", 0.6)}},
	}
}

func mono() []effect {
	return []effect{num("output.channels", 1), num("synth.osc1.unison", 1), num("synth.osc2.unison", 1), num("synth.osc1.spread", 0)}
}

// sweep makes the filter move over the whole note.
func sweep(up bool) []effect {
	if up {
		return []effect{span("filter_env.attack", 1), num("filter_env.sustain", 1)}
	}
	return []effect{num("filter_env.attack", 0.001), num("filter_env.sustain", 0), span("filter_env.decay", 1)}
}

func effects() []entry {
	return []entry{
		{
			word: "wobble", also: []string{"wobbly", "wobbling", "wub"}, kind: Effect, doc: "An LFO opens and closes the filter.",
			effects: join(lfo("triangle", 4, 0.75), []effect{
				route("lfo", "cutoff", 2200), route("lfo", "level", 4), mul("filter.cutoff", 2.4), mul("filter.resonance", 2.8), num("filter_env.sustain", 0), mul("filter.env_amount", 0.3),
				num("synth.osc1.level", 1), num("synth.osc1.tune", 1200), num("synth.osc2.level", 0.45), mul("synth.osc3.level", 0.25),
				num("synth.osc1.unison", 3), num("synth.osc1.detune", 10), num("synth.osc1.spread", 0.6), add("bus.distortion.drive", 10), num("bus.distortion.mix", 0.55),
			}),
			off: []effect{},
		},
		{word: "tremolo", also: []string{"pulsing", "pulsating", "throbbing", "trembling"}, kind: Effect, doc: "An LFO on the level.", effects: join(lfo("sine", 5.5, 0.75), []effect{route("lfo", "level", 7)}), off: []effect{}},
		{word: "vibrato", also: []string{"wavering"}, kind: Effect, doc: "An LFO on the pitch.", effects: join(lfo("sine", 5.5, 0), []effect{route("lfo", "pitch", 45)}), off: []effect{}},
		{
			word: "reverb", also: []string{"wet", "echoing", "reverberant", "roomy", "spacious", "hall", "ambient", "cavernous", "reverby"}, kind: Effect, doc: "A room around the sound.",
			effects: []effect{amt("bus.reverb.mix", 0.34), num("bus.reverb.time", 2.4), mul("bus.reverb.time", 1.25)}, off: []effect{num("bus.reverb.mix", 0)},
		},
		{
			word: "distortion", also: []string{"distorted", "overdriven", "dirty", "gritty", "fuzzy", "crunchy", "driven", "fuzz", "overdrive", "drive"}, kind: Effect, doc: "Drives the sound into a soft clipper.",
			effects: []effect{amt("bus.distortion.drive", 17), num("bus.distortion.mix", 0.9), mul("filter.cutoff", 1.35)}, off: []effect{num("bus.distortion.mix", 0), num("bus.distortion.drive", 0)},
		},
		{
			word: "chord", also: []string{"major", "major chord", "chords"}, kind: Effect, doc: "A major triad on the three oscillators.",
			effects: triad(386), off: []effect{},
		},
		{word: "minor", also: []string{"minor chord", "sad"}, kind: Effect, doc: "A minor triad on the three oscillators.", effects: triad(316), off: []effect{}},
	}
}

// triad tunes the second and third oscillator to a third and a fifth, just and
// not tempered, so that sustained chords stand still instead of beating. The wave
// of the first is copied to them by the interpreter (path "synth.chord").
func triad(third float64) []effect {
	return []effect{
		opt("synth.chord", "triad"), num("synth.osc2.tune", third), num("synth.osc3.tune", 702),
	}
}

func modifiers() []entry {
	m := func(word string, amount, tilt float64, also ...string) entry {
		return entry{word: word, also: also, kind: Modifier, amount: amount, tilt: tilt}
	}
	return []entry{
		m("slightly", 0.5, 0.45, "a bit", "a little", "little bit", "somewhat", "a touch", "subtly", "subtle", "mildly"),
		m("very", 1.6, 1.6, "really", "super", "so", "much", "strongly", "highly", "quite"),
		m("extremely", 2.2, 2.2, "insanely", "ultra", "extreme"),
		m("lots of", 1.8, 1.6, "a lot of", "lot of", "plenty of", "full of", "drenched in", "soaked in", "heavily", "heavy", "drenched", "soaked"),
		m("more", 1.35, 1.3, "extra"),
		m("less", 0.45, -0.5, "fewer"),
		m("not", 0, -0.5, "isn't", "never"),
		m("not too", 0.45, -0.3, "not very", "not so", "not that", "not overly"),
		m("without", 0, -0.5, "no", "zero", "minus"),
		{word: "starts", also: []string{"starting", "begins", "beginning", "start"}, kind: Modifier, amount: 1, tilt: 1},
		{word: "ends", also: []string{"ending", "finishes", "becoming", "turning", "end", "gets"}, kind: Modifier, amount: 1, tilt: 1},
	}
}
