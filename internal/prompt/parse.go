package prompt

import "strings"

type itemKind uint8

const (
	entryItem    itemKind = iota // a word of the lexicon
	quantityItem                 // a number with or without unit
	noteItem                     // a note name
	valueItem                    // a note value: "eighth notes"
	nounItem                     // the name of a parameter: "attack"
	joinItem                     // "and", "with": may begin another layer
)

// item is one thing that the prompt says.
type item struct {
	kind     itemKind
	from, to int // tokens
	e        *entry
	sure     bool    // no typing error
	amount   float64 // strength as a factor on amounts
	tilt     float64 // strength as a factor on directions
	ends     bool    // said of the end of the sound
	q        quantity
	hz       float64
	perBeat  float64
	noun     string
	used     bool // bound to something
	word     int  // index into Interpretation.Words
}

// nouns names parameters that a number can be bound to: path and unit.
func nouns(w string) (path, unit string) {
	switch w {
	case "attack":
		return "amp_env.attack", "s"
	case "decay":
		return "amp_env.decay", "s"
	case "release":
		return "amp_env.release", "s"
	case "cutoff", "filter", "lowpass":
		return "filter.cutoff", "Hz"
	case "gain", "level", "volume":
		return "output.level", "dB"
	}
	return "", ""
}

// parsed is a prompt taken apart.
type parsed struct {
	items   []item
	ignored [][2]int // ranges of tokens
}

// parseItems finds what the tokens say.
func parseItems(d *dictionary, toks []token) parsed {
	var p parsed
	amount, tilt, ends := 1.0, 1.0, false
	push := func(it item) {
		it.amount, it.tilt = 1, 1
		p.items = append(p.items, it)
	}
	content := func(it item, strength float64) {
		it.amount, it.tilt, it.ends = amount*strength, tilt*strength, ends
		amount, tilt, ends = 1, 1, false
		p.items = append(p.items, it)
	}
	for i := 0; i < len(toks); {
		t := toks[i]
		if n := len(p.items); (t.norm == "long" || t.norm == "lasting") && n > 0 && p.items[n-1].kind == quantityItem && p.items[n-1].to == i && p.items[n-1].q.unit == "s" {
			i++ // "two seconds long" is no longer than two seconds
			continue
		}
		if e, n := phraseAt(d, toks, i); e != nil && !(n == 1 && t.kind == wordToken && direction(t.norm) != 0) {
			it := item{kind: entryItem, from: i, to: i + n, e: e, sure: true}
			if e.kind == Modifier {
				amount, tilt = min(amount*e.amount, 3), max(-3, min(tilt*e.tilt, 3))
				ends = ends || e.word == "ends"
				push(it)
			} else {
				content(it, 1)
			}
			i += n
			continue
		}
		if t.kind == noteToken {
			push(item{kind: noteItem, from: i, to: i + 1, hz: t.value})
			i++
			continue
		}
		if per, next, ok := noteLength(toks, i); ok {
			push(item{kind: valueItem, from: i, to: next, perBeat: per})
			i = next
			continue
		}
		if dir := direction(t.norm); dir != 0 { // "down an octave"
			j := i + 1
			for j < len(toks) && (toks[j].norm == "by" || toks[j].norm == "about") {
				j++
			}
			if j < len(toks) {
				if q, ok := quantityAt(toks, j); ok && q.unit == "cents" {
					q.value, q.sign = q.value*dir, 1
					push(item{kind: quantityItem, from: i, to: q.next, q: q})
					i = q.next
					continue
				}
			}
		}
		if q, ok := quantityAt(toks, i); ok && (t.kind == numberToken || t.kind == wordToken) {
			if q.unit == "cents" && q.next < len(toks) {
				if dir := direction(toks[q.next].norm); dir != 0 {
					q.value, q.sign = q.value*dir, 1
					q.next++
				}
			}
			push(item{kind: quantityItem, from: i, to: q.next, q: q})
			i = q.next
			continue
		}
		switch {
		case t.kind != wordToken:
			p.ignored = append(p.ignored, [2]int{i, i + 1})
		case joins(t.norm):
			push(item{kind: joinItem, from: i, to: i + 1})
		default:
			if path, _ := nouns(t.norm); path != "" {
				push(item{kind: nounItem, from: i, to: i + 1, noun: t.norm})
				break
			}
			if e := d.phrases[t.norm]; e != nil { // "lower" without a step
				content(item{kind: entryItem, from: i, to: i + 1, e: e, sure: true}, 1)
				break
			}
			if e, strength := d.degree(t.norm); e != nil {
				content(item{kind: entryItem, from: i, to: i + 1, e: e, sure: true}, strength)
				break
			}
			if small()[t.norm] {
				break
			}
			if e, sure := d.find(t.norm); e != nil {
				it := item{kind: entryItem, from: i, to: i + 1, e: e, sure: sure}
				if e.kind == Modifier {
					amount, tilt = min(amount*e.amount, 3), max(-3, min(tilt*e.tilt, 3))
					push(it)
				} else {
					content(it, 1)
				}
				break
			}
			p.ignored = append(p.ignored, [2]int{i, i + 1})
		}
		i++
	}
	return p
}

func joins(w string) bool {
	switch w {
	case "and", "with", "plus", "over", "under":
		return true
	}
	return false
}

// phraseAt returns the entry of the longest phrase of the lexicon that begins at
// token i, and its number of tokens.
func phraseAt(d *dictionary, toks []token, i int) (*entry, int) {
	n := min(maxPhrase, len(toks)-i)
	for ; n > 0; n-- {
		var e *entry
		if n == 1 {
			e = d.phrases[toks[i].norm]
		} else {
			var key strings.Builder
			for k := range n {
				if k > 0 {
					key.WriteByte(' ')
				}
				key.WriteString(toks[i+k].norm)
			}
			e = d.phrases[key.String()]
			if e == nil { // a plural: "kick drums"
				if stem, ok := strings.CutSuffix(key.String(), "s"); ok {
					e = d.phrases[stem]
				}
			}
		}
		if e != nil {
			return e, n
		}
	}
	return nil, 0
}
