package prompt

// unit is what a number counts.
type unit struct {
	name  string // s, Hz, dB, cents, bpm, percent, times
	scale float64
}

// unitOf is the table of unit words.
func unitOf(w string) (unit, bool) {
	switch w {
	case "s", "sec", "secs", "second", "seconds":
		return unit{"s", 1}, true
	case "ms", "msec", "msecs", "millisecond", "milliseconds":
		return unit{"s", 0.001}, true
	case "minute", "minutes", "min", "mins":
		return unit{"s", 60}, true
	case "hz", "hertz":
		return unit{"Hz", 1}, true
	case "khz", "kilohertz":
		return unit{"Hz", 1000}, true
	case "db", "decibel", "decibels":
		return unit{"dB", 1}, true
	case "cent", "cents", "ct":
		return unit{"cents", 1}, true
	case "semitone", "semitones", "semi", "semis", "st", "halftone", "halftones":
		return unit{"cents", 100}, true
	case "octave", "octaves", "oct", "octs":
		return unit{"cents", 1200}, true
	case "bpm":
		return unit{"bpm", 1}, true
	case "percent":
		return unit{"percent", 1}, true
	}
	return unit{}, false
}

func countWord(w string) (float64, bool) {
	for i, name := range [...]string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"} {
		if w == name {
			return float64(i), true
		}
	}
	switch w {
	case "fifteen":
		return 15, true
	case "twenty":
		return 20, true
	case "thirty":
		return 30, true
	case "couple":
		return 2, true
	}
	return 0, false
}

// quantity is a number with its unit.
type quantity struct {
	value   float64
	unit    string // "" where there is none
	next    int    // the token after it
	sign    int8
	written bool // digits or a number word, not "a"
}

// quantityAt reads a quantity that begins at token i: "2.5 s", "two and a half
// seconds", "half a second", "an octave", "120 bpm", or a bare count.
func quantityAt(toks []token, i int) (quantity, bool) {
	word := func(j int) string {
		if j < len(toks) {
			return toks[j].norm
		}
		return ""
	}
	is := func(j int, ws ...string) bool {
		for k, w := range ws {
			if word(j+k) != w {
				return false
			}
		}
		return true
	}
	// half reads "and a half" or "and a quarter" and returns what it adds.
	half := func(j int) (float64, int) {
		for _, h := range []struct {
			word string
			add  float64
		}{{"half", 0.5}, {"quarter", 0.25}} {
			for _, form := range [][]string{{"and", "a", h.word}, {"and", "one", h.word}, {"and", h.word}} {
				if is(j, form...) {
					return h.add, j + len(form)
				}
			}
		}
		return 0, j
	}
	t := toks[i]
	q := quantity{next: i + 1}
	bare := true // may stand without a unit
	switch {
	case t.kind == numberToken:
		q.value, q.sign, q.written = t.value, t.sign, true
	case t.kind != wordToken:
		return q, false
	case t.norm == "a" || t.norm == "an":
		q.value, bare = 1, false
		for _, f := range []struct {
			word string
			v    float64
		}{{"half", 0.5}, {"quarter", 0.25}, {"couple", 2}} {
			if is(i+1, f.word) {
				q.value, q.next = f.v, i+2
			}
		}
	case t.norm == "half" || t.norm == "quarter":
		q.value, bare = 0.5, false
		if t.norm == "quarter" {
			q.value = 0.25
		}
	default:
		v, ok := countWord(t.norm)
		if !ok {
			return q, false
		}
		q.value, q.written = v, true
	}
	if q.written {
		var more float64
		more, q.next = half(q.next)
		q.value += more
		bare = bare && more == 0
	} else {
		for is(q.next, "of") || is(q.next, "a") || is(q.next, "an") {
			q.next++
		}
	}
	if t.fraction { // "1/2 of a second"
		for is(q.next, "of") || is(q.next, "a") {
			q.next++
		}
	}
	if u, ok := unitOf(word(q.next)); ok {
		q.unit = u.name
		q.next++
		if !q.written { // "a second and a half"
			var more float64
			more, q.next = half(q.next)
			q.value += more
		}
		q.value *= u.scale
		return q, true
	}
	if is(q.next, "half", "step") || is(q.next, "half", "steps") {
		q.unit, q.value, q.next = "cents", q.value*100, q.next+2
		return q, true
	}
	return q, bare
}

// noteLength returns how many beats' worth of repetition a note value stands
// for: an eighth repeats twice a beat. ok is false where token i is none.
func noteLength(toks []token, i int) (perBeat float64, next int, ok bool) {
	t := toks[i]
	if t.kind == numberToken && t.fraction && t.value > 0 && t.value <= 1 {
		perBeat = 0.25 / t.value
	} else {
		switch t.norm {
		case "whole":
			perBeat = 0.25
		case "half":
			perBeat = 0.5
		case "quarter", "quarters":
			perBeat = 1
		case "eighth", "eighths", "eights":
			perBeat = 2
		case "sixteenth", "sixteenths":
			perBeat = 4
		default:
			return 0, i, false
		}
	}
	next = i + 1
	for _, w := range []string{"triplet", "triplets"} {
		if next < len(toks) && toks[next].norm == w {
			perBeat *= 1.5
			next++
			break
		}
	}
	named := next > i+1
	if next < len(toks) && (toks[next].norm == "note" || toks[next].norm == "notes") {
		next++
		named = true
	}
	return perBeat, next, named || t.norm == "eighths" || t.norm == "sixteenths" || t.norm == "quarters"
}

// direction reads whether a step goes up (+1) or down (−1); 0 where w is neither.
func direction(w string) float64 {
	switch w {
	case "up", "higher", "above", "raised", "upwards":
		return 1
	case "down", "lower", "below", "lowered", "deeper", "downwards":
		return -1
	}
	return 0
}
