package prompt

import (
	"strings"
	"sync"
)

// maxPhrase is the number of tokens in the longest phrase of the lexicon.
const maxPhrase = 3

// dictionary is the lexicon made ready for looking up.
type dictionary struct {
	phrases map[string]*entry // by words in lower case with one space between
	single  []string          // the one-word keys, for typing errors
}

// words is the dictionary; it is built once and never changes.
//
//nolint:gochecknoglobals // a constant that Go cannot write as one
var words = sync.OnceValue(func() *dictionary {
	d := &dictionary{phrases: map[string]*entry{}}
	all := lexicon()
	for i := range all {
		e := &all[i]
		for _, name := range append([]string{e.word}, e.also...) {
			d.phrases[name] = e
			if !strings.ContainsRune(name, ' ') && len(name) >= 5 {
				d.single = append(d.single, name)
			}
		}
	}
	return d
})

// small holds the words that carry no meaning here: neither understood nor
// reported as ignored.
//
//nolint:gochecknoglobals // a constant that Go cannot write as one
var small = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(`a an the of at in on to for from by is it its be with and plus over under into that this then but
		like as or some any please make me give my sound sounds effect sample note notes type kind style which has have having
		i want need wave tuned pitch frequency tempo duration top layered through out up down only just pitched`) {
		m[w] = true
	}
	return m
})

// genuine holds English words that are one typing error away from a word of the
// lexicon and are not meant as it.
//
//nolint:gochecknoglobals // a constant that Go cannot write as one
var genuine = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(`clock block black flick later layer sleep steel smell spell swing snarl share spare stare scare slack shirt shore
		store story bread break board crush trash brash class gloss grass glossy shape shark wider white whole while write
		heart heard horse house mouse nurse beach bleach pitch patch match watch plane plant places stage steam steamy ready
		study window winds winter dirt party parts quit cleaner reserve revert diamond thing think things
		thumb stack stick stuck track trick truck could would should fever rider rises deeds brown crown blown frown drown
		drums loser leaser water opera oven order miner manor motor tower mower power right night
		fight sight might eight weight height alarms alerts earth hello yellow follow hallow shallow`) {
		m[w] = true
	}
	return m
})

// find looks up one word: as it is, without a plural or comparative ending, or
// with a small typing error. sure is false for the last.
func (d *dictionary) find(w string) (e *entry, sure bool) {
	if e := d.phrases[w]; e != nil {
		return e, true
	}
	for _, end := range []string{"s", "es", "y", "ish", "ed", "ing", "ly", "like"} {
		if stem, ok := strings.CutSuffix(w, end); ok && len(stem) >= 3 {
			if e := d.phrases[stem]; e != nil && e.kind != Modifier {
				return e, true
			}
		}
	}
	return d.near(w), false
}

// degree looks up a comparative or superlative ("deeper", "deepest") and returns
// how much stronger than the plain word it is.
func (d *dictionary) degree(w string) (e *entry, strength float64) {
	for _, c := range []struct {
		end, add string
		strength float64
	}{{"er", "", 1.3}, {"est", "", 1.8}, {"r", "", 1.3}, {"st", "", 1.8}, {"ier", "y", 1.3}, {"iest", "y", 1.8}} {
		if stem, ok := strings.CutSuffix(w, c.end); ok && len(stem) >= 3 {
			if e := d.phrases[stem+c.add]; e != nil && e.kind != Instrument && e.kind != Modifier {
				return e, c.strength
			}
			if n := len(stem); n > 3 && stem[n-1] == stem[n-2] {
				if e := d.phrases[stem[:n-1]]; e != nil && e.kind == Adjective {
					return e, c.strength
				}
			}
		}
	}
	return nil, 1
}

// near returns the entry of the only nearest word within one error (five letters
// or more) or two (eight or more); the first letter must be right.
func (d *dictionary) near(w string) *entry {
	if len(w) < 4 || len(w) > 24 || small()[w] || genuine()[w] {
		return nil
	}
	best, bestAt := (*entry)(nil), 3
	for _, name := range d.single {
		limit := 1
		if len(name) >= 8 {
			limit = 2
		}
		if name[0] != w[0] || len(name)-len(w) > limit || len(w)-len(name) > limit {
			continue
		}
		n := distance(w, name)
		if n > limit || n > bestAt {
			continue
		}
		e := d.phrases[name]
		switch {
		case n < bestAt:
			best, bestAt = e, n
		case best != e:
			best = nil // two words are as near: neither is meant for certain
		}
	}
	return best
}

// distance is the number of insertions, deletions, substitutions and swaps of
// neighbours between a and b (optimal string alignment, by bytes).
func distance(a, b string) int {
	var rows [3][32]int
	prev2, prev, cur := &rows[0], &rows[1], &rows[2]
	for j := 0; j <= len(b); j++ {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
