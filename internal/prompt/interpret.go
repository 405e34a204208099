package prompt

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"patchlab/engine/dmath"
	"patchlab/engine/patch"
)

// source is the one source that the lexicon plays so far.
const source = "synth"

// maxLFORate is the highest number of hertz that is taken for the rate of a
// movement rather than for a pitch.
const maxLFORate = 30

// builder makes the patch of one prompt.
type builder struct {
	text  string
	toks  []token
	items []item
	out   Interpretation
	fixed map[string]bool // paths that a number set: the seed leaves them alone
	spans []spanned       // values that are parts of the note's length
	lfos  [patch.MaxLayers][2]*entry
}

type spanned struct {
	path string
	part float64
}

func interpret(text string, seed uint32, duration *float64) Interpretation {
	toks := tokenize(text)
	p := parseItems(words(), toks)
	b := &builder{text: text, toks: toks, items: p.items, fixed: map[string]bool{}}
	b.out = Interpretation{Prompt: text, Words: make([]Word, 0, len(p.items)), Ignored: []Span{}, Patch: defaults()}
	b.out.Patch.Seed = seed
	for i := range b.items {
		it := &b.items[i]
		it.word = -1
		if it.kind == entryItem || it.kind == noteItem {
			b.word(it)
		}
	}
	layers := b.layers()
	b.out.Patch.Layers = make([]patch.Layer, len(layers))
	b.out.Patch.Bus.Reverb.Mix, b.out.Patch.Bus.Distortion.Mix, b.out.Patch.Bus.Distortion.Drive = 0, 0, 0
	for i, items := range layers {
		b.template(i, items)
	}
	for i, items := range layers {
		b.describe(i, items)
	}
	for i, items := range layers {
		b.numbers(i, items)
	}
	if duration != nil {
		b.out.Patch.Output.Duration = *duration
	}
	for _, r := range p.ignored {
		b.ignore(r[0], r[1])
	}
	b.fit()
	b.humanise(seed)
	b.repeat(layers)
	b.finish()
	if duration != nil {
		b.out.Patch.Output.Duration = *duration // to the letter: no arithmetic touched it
	}
	b.out.Confidence = b.confidence()
	b.order()
	b.out.refresh()
	b.shorten()
	return b.out
}

// defaults is the patch of the parameter table's defaults, made once. Its layers
// are shared: interpret replaces them before it changes any.
//
//nolint:gochecknoglobals // a constant that Go cannot write as one
var defaults = sync.OnceValue(patch.Default)

// word lists an item as understood and returns its index.
func (b *builder) word(it *item) int {
	if it.word >= 0 {
		return it.word
	}
	name, kind := b.span(it.from, it.to).Text, Number
	if it.e != nil {
		name, kind = it.e.word, it.e.kind
	}
	it.word = len(b.out.Words)
	b.out.Words = append(b.out.Words, Word{Span: b.span(it.from, it.to), Word: name, Kind: kind, Source: source, Effects: []Change{}})
	return it.word
}

func (b *builder) span(from, to int) Span {
	first, last := b.toks[from], b.toks[to-1]
	return Span{Text: b.text[first.b0:last.b1], Start: first.start, End: last.end}
}

func (b *builder) ignore(from, to int) { b.out.Ignored = append(b.out.Ignored, b.span(from, to)) }

// layers cuts the items at "and" and "with" where both sides name an instrument.
func (b *builder) layers() [][]*item {
	var parts [][]*item
	var cur []*item
	for i := range b.items {
		if b.items[i].kind == joinItem {
			parts = append(parts, cur)
			cur = nil
			continue
		}
		cur = append(cur, &b.items[i])
	}
	parts = append(parts, cur)
	layers := [][]*item{nil}
	for _, p := range parts {
		last := len(layers) - 1
		if named(p) && named(layers[last]) && len(layers) < patch.MaxLayers {
			layers = append(layers, p)
			continue
		}
		layers[last] = append(layers[last], p...)
	}
	return layers
}

func named(items []*item) bool { return head(items) != nil }

// head returns the instrument that gives the template: the last one named, wave
// forms only where there is nothing else.
func head(items []*item) *item {
	var h *item
	for _, it := range items {
		if it.kind == entryItem && it.e.kind == Instrument && it.amount > 0 && (h == nil || !plain(it.e) || plain(h.e)) {
			h = it
		}
	}
	return h
}

// plain reports whether an instrument is a mere wave form, which an instrument
// beside it outranks wherever it stands ("lead saw").
func plain(e *entry) bool {
	switch e.word {
	case "saw", "square", "triangle", "sine", "supersaw":
		return true
	}
	return false
}

// template lays the head instrument of a layer down, then the flavours of the
// other instruments.
func (b *builder) template(layer int, items []*item) {
	l := defaults().Layers[0]
	l.Source = source
	l.Synth.Osc1.Level, l.Synth.Osc2.Level, l.Synth.Osc3.Level, l.Synth.Noise.Level = 0, 0, 0, 0
	l.Mods = nil
	b.out.Patch.Layers[layer] = l
	h := head(items)
	if h == nil {
		b.apply(layer, nil, fallback(), nil, 1, 1)
		return
	}
	b.apply(layer, h.e, h.e.effects, h, 1, 1)
	for _, it := range items {
		if it != h && it.kind == entryItem && it.e.kind == Instrument && it.amount > 0 && it.e != h.e {
			b.apply(layer, it.e, it.e.flavour, it, 1, 1)
		}
	}
}

// describe applies the adjectives and effects of a layer in their order.
func (b *builder) describe(layer int, items []*item) {
	for _, it := range items {
		if it.kind != entryItem || it.e.kind == Instrument || it.e.kind == Modifier {
			continue
		}
		switch {
		case it.ends && it.e.end != nil && it.amount > 0:
			b.apply(layer, it.e, it.e.end, it, 1, 1)
		case it.amount == 0 && it.e.off != nil:
			b.apply(layer, it.e, it.e.off, it, 1, 1)
		default:
			b.apply(layer, it.e, it.e.effects, it, it.amount, it.tilt)
		}
	}
}

// apply makes the changes of one word on a layer.
func (b *builder) apply(layer int, e *entry, effects []effect, it *item, amount, tilt float64) {
	l := &b.out.Patch.Layers[layer]
	own := ""
	for _, ef := range effects {
		if ef.path == "synth.chord" {
			if amount > 0 {
				b.chord(layer, it)
			}
			continue
		}
		if own == "" && (strings.HasPrefix(ef.path, "lfo.") || ef.op == opRoute && ef.text == "lfo") {
			own = b.takeLFO(layer, e)
		}
		path := ef.path
		if rest, ok := strings.CutPrefix(path, "lfo."); ok {
			path = own + "." + rest
		}
		if !strings.HasPrefix(path, "bus.") && !strings.HasPrefix(path, "output.") {
			path = "layers." + strconv.Itoa(layer) + "." + path
		}
		if ef.op == opRoute {
			if amount <= 0 {
				continue
			}
			if len(l.Mods) < patch.MaxMods {
				path += "." + strconv.Itoa(len(l.Mods)) + ".amount"
				l.Mods = append(l.Mods, patch.Mod{Source: own, Target: ef.target, Amount: ef.value * amount})
				b.touch(it, path)
			}
			continue
		}
		f := patchField(&b.out.Patch, path)
		switch ef.op { //nolint:exhaustive // routes were made above
		case opSpan:
			if amount > 0 {
				b.spans = append(b.spans, spanned{path, ef.value * min(1, amount)})
				b.touch(it, path)
			}
			continue
		case opPut:
			if amount <= 0 || tilt <= 0 {
				continue
			}
			b.set(f, path, ef.value, ef.text)
		case opAmount:
			b.set(f, path, ef.value*amount, "")
		case opMul:
			if f.f != nil {
				b.set(f, path, *f.f*pow2(dmath.Log2(ef.value)*tilt), "")
			}
		case opAdd:
			if f.f != nil {
				b.set(f, path, *f.f+float64(ef.value*tilt), "")
			}
		}
		b.touch(it, path)
	}
}

func (b *builder) set(f field, path string, v float64, text string) {
	switch {
	case f.s != nil:
		*f.s = text
	case f.n != nil:
		*f.n = int(math.Round(clamp(path, v)))
	case f.f != nil:
		*f.f = clamp(path, v)
	}
}

// touch notes that a word changed a path.
func (b *builder) touch(it *item, path string) {
	if it == nil {
		return
	}
	w := &b.out.Words[b.word(it)]
	for _, c := range w.Effects {
		if c.Path == path {
			return
		}
	}
	w.Effects = append(w.Effects, Change{Path: path})
}

// takeLFO gives a word an LFO of its own, as long as there is one.
func (b *builder) takeLFO(layer int, e *entry) string {
	for i, owner := range b.lfos[layer] {
		if owner == nil || owner == e {
			b.lfos[layer][i] = e
			return "lfo" + strconv.Itoa(i+1)
		}
	}
	b.lfos[layer][1] = e
	return "lfo2"
}

// chord makes the second and third oscillator copies of the first.
func (b *builder) chord(layer int, it *item) {
	s := &b.out.Patch.Layers[layer].Synth
	s.Osc1.Tune = 0
	s.Osc1.Level = max(s.Osc1.Level, 0.3)
	s.Osc2, s.Osc3 = s.Osc1, s.Osc1
	at := "layers." + strconv.Itoa(layer) + ".synth."
	for _, path := range []string{"osc2.wave", "osc2.level", "osc3.wave", "osc3.level"} {
		b.touch(it, at+path)
	}
}

// fix sets a value that a number names.
func (b *builder) fix(it *item, path string, v float64) {
	b.set(patchField(&b.out.Patch, path), path, v, "")
	b.fixed[path] = true
	b.word(it)
	b.touch(it, path)
}

// numbers binds the quantities of a layer to what they measure.
func (b *builder) numbers(layer int, items []*item) {
	at := "layers." + strconv.Itoa(layer) + "."
	mover := ""
	detuned := false
	for _, it := range items {
		if it.kind == entryItem {
			for i, owner := range b.lfos[layer] {
				if owner == it.e && (mover == "" || it.e.kind != Instrument) {
					mover = at + "lfo" + strconv.Itoa(i+1)
				}
			}
			detuned = detuned || it.e.word == "detuned"
		}
	}
	perBeat, bpm := 1.0, (*item)(nil)
	for i, it := range items {
		switch it.kind { //nolint:exhaustive // only what binds to others matters here
		case noteItem:
			b.fix(it, at+"pitch", it.hz)
		case valueItem:
			perBeat = it.perBeat
		case quantityItem:
			if b.bind(items, i) {
				continue
			}
			v := it.q.value
			switch {
			case it.q.unit == "s" && i+1 < len(items) && isReverb(items[i+1]) && !b.toks[items[i+1].from].after && items[i+1].from <= it.to+1:
				b.fix(it, "bus.reverb.time", v)
			case it.q.unit == "s" && v > 0:
				b.fix(it, "output.duration", max(v, patch.MinDuration))
			case it.q.unit == "Hz" && v > 0 && v <= maxLFORate && mover != "":
				b.fix(it, mover+".rate", v)
			case it.q.unit == "Hz" && v > 0:
				b.fix(it, at+"pitch", v)
			case it.q.unit == "bpm" && v > 0 && mover != "":
				bpm = it
			case it.q.unit == "dB" && it.q.sign != 0:
				b.fix(it, "output.level", v)
			case it.q.unit == "cents" && it.q.sign != 0:
				path := at + "pitch"
				b.set(patchField(&b.out.Patch, path), path, b.out.Patch.Layers[layer].Pitch*pow2(v/1200), "")
				b.word(it)
				b.touch(it, path)
			case it.q.unit == "cents" && detuned:
				b.fix(it, at+"synth.osc1.detune", v)
			case it.q.unit == "percent" && i+1 < len(items) && isReverb(items[i+1]), it.q.unit == "percent" && i > 0 && isReverb(items[i-1]):
				b.fix(it, "bus.reverb.mix", v/100)
			}
		}
	}
	if bpm != nil {
		b.fix(bpm, mover+".rate", bpm.q.value/60*perBeat)
		for _, it := range items {
			if it.kind == valueItem {
				b.fix(it, mover+".rate", bpm.q.value/60*perBeat)
			}
		}
	}
}

func isReverb(it *item) bool { return it.kind == entryItem && it.e.word == "reverb" }

// bind gives a quantity to the parameter that is named right before or after it.
func (b *builder) bind(items []*item, i int) bool {
	q := items[i]
	for _, k := range []int{i - 1, i + 1} {
		if k < 0 || k >= len(items) || items[k].kind != nounItem || items[k].used {
			continue
		}
		n := items[k]
		path, unit := nouns(n.noun)
		if unit != q.q.unit {
			continue
		}
		if !strings.HasPrefix(path, "output.") {
			path = "layers." + strconv.Itoa(b.layerOf(q)) + "." + path
		}
		n.used = true
		b.fix(q, path, q.q.value)
		if n.noun == "cutoff" || n.noun == "filter" || n.noun == "lowpass" {
			f := &b.out.Patch.Layers[b.layerOf(q)].Filter
			if f.Type == "off" || n.noun == "lowpass" {
				f.Type = "lowpass"
			}
		}
		b.fix(n, path, q.q.value)
		return true
	}
	return false
}

// layerOf returns the layer that an item belongs to.
func (b *builder) layerOf(want *item) int {
	for i, items := range b.layers() {
		if slices.Contains(items, want) {
			return i
		}
	}
	return 0
}

// fit makes envelopes and tails suit the length of the file, where one is given.
func (b *builder) fit() {
	p := &b.out.Patch
	d := p.Output.Duration
	if d > 0 && !b.fixed["bus.reverb.time"] && p.Bus.Reverb.Mix > 0 {
		most := 0.35 // of the file is the tail, more only where the words ask for a room
		for i := range b.items {
			if isReverb(&b.items[i]) {
				most = 0.6
			}
		}
		p.Bus.Reverb.Time = clamp("bus.reverb.time", min(p.Bus.Reverb.Time, most*d))
	}
	for i := range p.Layers {
		l := &p.Layers[i]
		at := "layers." + strconv.Itoa(i) + "."
		held := l.Gate
		if d > 0 {
			if !b.fixed[at+"amp_env.release"] {
				l.AmpEnv.Release = min(l.AmpEnv.Release, 0.16*d)
			}
			if !b.fixed[at+"amp_env.attack"] {
				l.AmpEnv.Attack = min(l.AmpEnv.Attack, 0.5*d)
			}
			tail := l.AmpEnv.Release
			if p.Bus.Reverb.Mix > 0 {
				tail = max(tail, p.Bus.Reverb.PreDelay+p.Bus.Reverb.Time)
			}
			held = max(d-tail, d/3) // as the engine shares out the file
			if l.AmpEnv.Sustain == 0 && !b.fixed[at+"amp_env.decay"] {
				// A struck sound rings longer in a longer file, but keeps its character.
				l.AmpEnv.Decay = clamp(at+"amp_env.decay", min(math.Sqrt(l.AmpEnv.Decay*d), d))
			}
		}
		for _, s := range b.spans {
			if strings.HasPrefix(s.path, at) && !b.fixed[s.path] {
				b.set(patchField(p, s.path), s.path, s.part*held, "")
			}
		}
	}
}

// repeat copies a single layer in time for "three beeps".
func (b *builder) repeat(layers [][]*item) {
	p := &b.out.Patch
	h := head(layers[0])
	for i, it := range layers[0] {
		if it.kind != quantityItem || it.q.unit != "" || it.word >= 0 || it.q.value != math.Trunc(it.q.value) || it.q.value < 1 || it.q.value > patch.MaxLayers {
			continue
		}
		if len(layers) > 1 || h == nil || !counts(layers[0][i+1:], h) {
			continue
		}
		n := int(it.q.value)
		b.word(it)
		first := p.Layers[0]
		length := first.Gate + first.AmpEnv.Release
		if first.AmpEnv.Sustain == 0 {
			length = float64(first.AmpEnv.Decay*0.7) + first.AmpEnv.Attack
		}
		period := max(0.11, float64(length*1.3)+0.03)
		if d := p.Output.Duration; d > 0 {
			period = d / float64(n)
			if length > 0.8*period {
				first.AmpEnv.Sustain, first.AmpEnv.Decay = 0, period*0.8
			}
		}
		p.Layers = p.Layers[:0]
		for k := range n {
			c := first
			c.Mods = append([]patch.Mod(nil), first.Mods...)
			c.Delay = round4(clamp("layers.0.delay", period*float64(k)))
			p.Layers = append(p.Layers, c)
			if k > 0 {
				b.touch(it, "layers."+strconv.Itoa(k)+".delay")
			}
		}
		return
	}
}

// counts reports whether a bare number stands before the head instrument with
// nothing but adjectives between.
func counts(after []*item, h *item) bool {
	for _, it := range after {
		if it == h {
			return true
		}
		if it.kind != entryItem {
			return false
		}
	}
	return false
}

// finish lists as ignored what was bound to nothing, and clamps and rounds every
// number of the patch.
func (b *builder) finish() {
	for i := range b.items {
		it := &b.items[i]
		if it.word < 0 && (it.kind == quantityItem || it.kind == valueItem || it.kind == nounItem) {
			b.ignore(it.from, it.to)
		}
	}
	p := &b.out.Patch
	tidy := func(path string, v *float64) {
		r := round4(clamp(path, *v))
		*v = clamp(path, r) // rounding may step over a bound
	}
	eachFloat(p, tidy)
}

// eachFloat visits every number of a patch that a word can change.
func eachFloat(p *patch.Patch, visit func(path string, v *float64)) {
	for i := range p.Layers {
		l := &p.Layers[i]
		at := layerPrefix(i)
		for _, leaf := range layerLeaves {
			visit(at+leaf, layerField(l, leaf).f)
		}
		for k := range l.Mods {
			m := &l.Mods[k]
			visit(at+"mods."+strconv.Itoa(k)+".amount", &m.Amount)
		}
	}
	for _, path := range busLeaves {
		visit(path, patchField(p, path).f)
	}
}

func layerPrefix(i int) string { return "layers." + strconv.Itoa(i) + "." }

// confidence says how much of the prompt was understood.
func (b *builder) confidence() float64 {
	known, total, content, instrument := 0.0, float64(len(b.out.Ignored)), false, false
	for i := range b.items {
		it := &b.items[i]
		if it.word < 0 {
			continue
		}
		total++
		if it.kind == entryItem && !it.sure {
			known += 0.8
		} else {
			known++
		}
		if it.kind == entryItem && it.e.kind != Modifier {
			content = true
			instrument = instrument || it.e.kind == Instrument
		}
	}
	if total == 0 {
		return 0.1
	}
	part := known / total
	c := 0.1 + float64(0.2*part)
	if content {
		c = 0.35 + float64(0.5*part)
	}
	if instrument {
		c += 0.15
	}
	return math.Round(c*100) / 100
}

// order sorts words and ignored spans by their place in the prompt.
func (b *builder) order() {
	sortSpans(b.out.Words, func(w Word) int { return w.Start })
	sortSpans(b.out.Ignored, func(s Span) int { return s.Start })
}

// refresh fills the changes of every word with what the patch holds now.
func (in *Interpretation) refresh() {
	for i := range in.Words {
		w := &in.Words[i]
		for k := range w.Effects {
			c := &w.Effects[k]
			f := patchField(&in.Patch, c.Path)
			row, _ := param(c.Path)
			c.Unit = row.Unit
			shown := ""
			switch {
			case f.s != nil:
				c.Value, shown = *f.s, *f.s
			case f.n != nil:
				c.Value, shown = float64(*f.n), strconv.Itoa(*f.n)
			case f.f != nil:
				c.Value, shown = *f.f, strconv.FormatFloat(round4(*f.f), 'f', -1, 64)
			}
			if c.Unit != "" {
				shown += " " + c.Unit
			}
			c.Text = fmt.Sprintf("%s %s: %s", label(&in.Patch, c.Path), shown, w.Word)
		}
	}
}

// shorten leaves out of an instrument's changes what is at its default anyway.
func (b *builder) shorten() {
	for i := range b.out.Words {
		w := &b.out.Words[i]
		if w.Kind != Instrument {
			continue
		}
		w.Effects = slices.DeleteFunc(w.Effects, func(c Change) bool {
			row, ok := param(c.Path)
			return ok && !strings.Contains(c.Path, ".mods.") && (row.Kind == patch.Enum && c.Value == row.DefaultEnum && !strings.HasSuffix(c.Path, ".wave") || row.Kind != patch.Enum && c.Value == row.Default)
		})
	}
}

// label names a parameter for people.
func label(p *patch.Patch, path string) string {
	name := path
	if rest, ok := strings.CutPrefix(path, "layers."); ok {
		i, leaf, _ := strings.Cut(rest, ".")
		name = leaf
		if strings.HasPrefix(leaf, "mods.") {
			if k, err := strconv.Atoi(strings.Split(leaf, ".")[1]); err == nil {
				if n, err := strconv.Atoi(i); err == nil && n < len(p.Layers) && k < len(p.Layers[n].Mods) {
					m := p.Layers[n].Mods[k]
					name = m.Source + " to " + m.Target
				}
			}
		}
	}
	for _, cut := range []string{"synth.", "bus.", "output."} {
		name = strings.TrimPrefix(name, cut)
	}
	if name == "filter.cutoff" || name == "filter.resonance" {
		name = strings.TrimPrefix(name, "filter.")
	}
	return strings.NewReplacer(".", " ", "_", " ").Replace(name)
}
