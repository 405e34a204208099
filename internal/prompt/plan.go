package prompt

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"patchlab/internal/model"
)

// MaxPlan is the number of sounds of the largest pack.
const MaxPlan = 500

// shades are what tells one version of a sound from the next; those of a row do not go
// together.
//
//nolint:gochecknoglobals // a table
var shades = [][]string{
	{"bright", "dark"}, {"short", "long"}, {"soft", "hard"}, {"high", "low"}, {"warm", "glassy"}, {"fat", "thin"}, {"wide"}, {"resonant"}, {"detuned"}, {"noisy", "clean"},
}

// separators part the items of a theme that is a list.
var separators = regexp.MustCompile(`[,;/&\n\r]+|\band\b`)

// counted is an item with a count: "8 kicks", "4x snare".
var counted = regexp.MustCompile(`^(\d{1,3})\s*[x×]?\s*(\pL.*)$`)

// article is what stands before a kind of sound and is no part of it.
var article = regexp.MustCompile(`^(an?|the|some)\s+`)

// Plan returns the prompts of the count sounds of a theme, 1 to MaxPlan, always the same
// for the same theme and count. A theme is a list ("kick, snare and hat", also with
// counts: "8 kicks, 4 snares"), the name of a known theme, alone or with words that say
// how ("dark platformer"), or else what the sounds are. An item of a list may name a theme
// too. Where there are more sounds than kinds, the further ones are shades of them.
// The error is a *model.Error of CodeInvalid that names the fields theme and count.
func Plan(theme string, count int) ([]string, error) {
	var faults []model.FieldError
	var invalid *model.Error
	if errors.As(CheckTheme(theme), &invalid) {
		faults = append(faults, invalid.Fields...)
	}
	if count < 1 || count > MaxPlan {
		faults = append(faults, model.FieldError{Field: "count", Message: fmt.Sprintf("must be 1 to %d sounds", MaxPlan)})
	}
	if len(faults) > 0 {
		return nil, model.Invalid(faults...)
	}
	topics := topicsOf(theme)
	weights := make([]int, len(topics))
	for i := range topics {
		weights[i] = topics[i].weight
	}
	v := versions{said: make(map[string]bool, count)}
	for i, part := range divide(count, weights) {
		for j, most := range divide(part, slices.Repeat([]int{1}, len(topics[i].kinds))) {
			v.add(topics[i].kinds[j], most)
		}
	}
	return v.out, nil
}

// CheckTheme says what is wrong with the text of a theme, as Plan does: a *model.Error of
// CodeInvalid that names the field theme.
func CheckTheme(theme string) error {
	var invalid *model.Error
	if !errors.As(check(theme), &invalid) {
		return nil
	}
	return model.Invalid(model.FieldError{Field: "theme", Message: invalid.Fields[0].Message})
}

// divide gives each its part of count, by weight, and the first ones what is over.
func divide(count int, weights []int) []int {
	total := 0
	for _, w := range weights {
		total += w
	}
	parts := make([]int, len(weights))
	over := count
	for i, w := range weights {
		parts[i] = count * w / total
		over -= parts[i]
	}
	for i := range over { // fewer than there are parts
		parts[i]++
	}
	return parts
}

// topic is a part of a theme.
type topic struct {
	kinds  []string // of sounds, as prompts
	weight int      // sounds of it, for each of the other topics' own
}

// topicsOf returns the parts of a theme, at least one.
func topicsOf(theme string) []topic {
	text := strings.Join(strings.Fields(strings.ToLower(theme)), " ")
	for _, t := range themes {
		if slices.Contains(t.words, text) { // also where an "and" is part of it
			return []topic{{t.prompts, 1}}
		}
	}
	texts := listed(strings.ToLower(theme))
	if len(texts) == 0 { // nothing but separators
		return []topic{{[]string{strings.TrimSpace(theme)}, 1}}
	}
	topics := make([]topic, len(texts))
	for i, text := range texts {
		text, weight := countOf(text)
		text = article.ReplaceAllString(text, "")
		kinds := namedThemes(text)
		if len(kinds) == 0 || len(texts) > 1 && names(Words(text)) { // among others, bass is a bass
			kinds = []string{text}
		}
		topics[i] = topic{kinds, weight}
	}
	return topics
}

// listed cuts a text at its separators. What names no sound and only says how one is
// stays with the sound before it ("bass, two seconds"), or, at the start or before an
// "and", with the one after it ("bright and shiny bell").
func listed(text string) []string {
	type span struct{ from, to int }
	var parts []span
	joins := false // the last part and the next are one
	cuts := append(separators.FindAllStringIndex(text, -1), []int{len(text), len(text)})
	from := 0
	for _, cut := range cuts {
		part := span{from, cut[0]}
		from = cut[1]
		if strings.TrimSpace(text[part.from:part.to]) == "" {
			continue
		}
		manner := onlyManner(text[part.from:part.to])
		n := len(parts)
		switch {
		case n > 0 && (joins || manner && text[cut[0]:cut[1]] != "and"):
			parts[n-1].to = part.to
			joins = joins && manner
		default:
			parts = append(parts, part)
			joins = manner
		}
	}
	if n := len(parts); joins && n > 1 { // nothing came after it
		parts[n-2].to = parts[n-1].to
		parts = parts[:n-1]
	}
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = strings.Join(strings.Fields(text[p.from:p.to]), " ")
	}
	return texts
}

// onlyManner reports whether a text says how a sound is and not what.
func onlyManner(text string) bool {
	known := Words(text)
	return len(known) > 0 && !names(known) && namedThemes(text) == nil
}

// names reports whether some words name an instrument.
func names(words []Word) bool {
	return slices.ContainsFunc(words, func(w Word) bool { return w.Kind == Instrument })
}

// countOf takes the count off an item. What looks like one but has a unit ("2 s riser"),
// or is a word itself ("808 kick"), is none.
func countOf(text string) (string, int) {
	m := counted.FindStringSubmatch(text)
	if m == nil {
		return text, 1
	}
	n, err := strconv.Atoi(m[1])
	word, _, _ := strings.Cut(m[2], " ")
	if _, measure := unitOf(word); err != nil || n < 1 || n > MaxPlan || measure || strings.HasPrefix(word, "bit") || words().phrases[m[1]] != nil {
		return text, 1
	}
	if len(Words(m[2])) == 0 && namedThemes(m[2]) == nil {
		return text, 1
	}
	return m[2], n
}

// versions makes the prompts of a plan.
type versions struct {
	said map[string]bool
	out  []string
	// Of the kind that is being added:
	base  string
	room  int        // characters that a prompt may have before it
	rows  [][]string // of shades that it has no word of
	until int        // prompts in out
}

// add adds most versions of a kind: itself, then it in one shade after the other, then in
// two and more at a time.
func (v *versions) add(base string, most int) {
	v.base, v.room, v.until = base, MaxRunes-utf8.RuneCountInString(base), len(v.out)+most
	has := lexiconWords(base)
	v.rows = nil
	for _, row := range shades {
		if !slices.ContainsFunc(row, func(s string) bool { return has[s] }) {
			v.rows = append(v.rows, row)
		}
	}
	for size := 0; size <= len(v.rows) && len(v.out) < v.until; size++ {
		v.shaded(size, 0, "")
	}
	for len(v.out) < v.until { // the seed tells them apart
		v.out = append(v.out, base)
	}
}

// shaded adds the versions of size shades of the rows from one on.
func (v *versions) shaded(size, row int, prefix string) {
	if len(prefix) > v.room || len(v.out) == v.until {
		return
	}
	if size == 0 {
		if p := prefix + v.base; !v.said[p] {
			v.said[p] = true
			v.out = append(v.out, p)
		}
		return
	}
	for r := row; r <= len(v.rows)-size; r++ {
		for _, s := range v.rows[r] {
			v.shaded(size-1, r+1, prefix+s+" ")
		}
	}
}
