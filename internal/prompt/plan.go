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

// themes lists what the packs of some themes are made of: words that the lexicon knows.
//
//nolint:gochecknoglobals // a table
var themes = []struct {
	words   []string
	prompts []string
}{
	{[]string{"drum kit", "drums", "drum", "percussion", "beats", "beat kit"}, []string{
		"punchy kick", "snare", "closed hat", "open hat", "crash cymbal", "cowbell", "deep kick", "tight snare",
		"ride", "808 kick", "noisy snare", "short bright hat",
	}},
	{[]string{"platformer", "arcade", "8-bit", "8 bit", "8bit", "retro", "chiptune", "retro game", "jump and run"}, []string{
		"coin pickup", "jump", "laser zap", "power up", "explosion", "blip", "error buzzer", "short beep", "high coin", "falling blip",
		"low jump", "fast climbing blip",
	}},
	{[]string{"ui", "interface", "user interface", "app", "menu", "notifications", "buttons"}, []string{
		"ui click", "soft click", "short soft bell", "high blip", "short whoosh", "error buzzer", "soft beep", "short glassy bell",
		"low click", "climbing blip", "quiet tick", "short pluck",
	}},
	{[]string{"sci-fi", "scifi", "sci fi", "science fiction", "space", "spaceship", "futuristic"}, []string{
		"laser zap", "deep drone", "alarm siren", "riser", "downer", "resonant beep", "wide pad with reverb", "blaster with reverb",
		"whoosh", "dark explosion", "fm bell", "low hum drone",
	}},
	{[]string{"horror", "scary", "haunted", "creepy", "ghost"}, []string{
		"dark drone with reverb", "low impact with reverb", "long riser", "wind", "hollow bell with reverb", "detuned strings", "deep rumble",
		"dark pad", "falling downer", "dissonant detuned stab",
	}},
	{[]string{"fantasy", "magic", "spells", "wizard"}, []string{
		"glassy bell with reverb", "climbing bell", "long whoosh", "power up", "wide pad", "bright riser", "soft pluck with reverb",
		"deep impact", "swelling strings", "wind",
	}},
	{[]string{"weapons", "combat", "war", "battle", "guns"}, []string{
		"laser zap", "explosion", "impact", "hard impact", "short noise burst", "deep explosion", "fast whoosh", "low boom", "blaster", "long explosion",
	}},
	{[]string{"bass", "basses", "bass music", "dubstep"}, []string{
		"deep bass", "wobble bass", "reese", "sub", "fat bass", "short punchy bass", "distorted bass", "fm bass", "808", "dark reese",
	}},
	{[]string{"ambient", "pads", "atmosphere", "atmospheres", "cinematic"}, []string{
		"long wide pad", "deep drone", "swelling strings", "wind", "warm pad with reverb", "dark pad", "glassy bell with reverb", "soft noise swell",
		"long riser", "hollow drone",
	}},
	{[]string{"keys", "plucks", "melodic", "synths", "leads"}, []string{
		"pluck", "bell", "organ", "bright lead", "warm pad", "supersaw chord", "brass stab", "soft pluck", "strings", "minor stab",
	}},
}

// shades are what tells one version of a sound from the next; those of a row do not go
// together.
//
//nolint:gochecknoglobals // a table
var shades = [][]string{
	{"bright", "dark"}, {"short", "long"}, {"soft", "hard"}, {"high", "low"}, {"warm", "glassy"}, {"fat", "thin"}, {"wide"}, {"resonant"}, {"detuned"}, {"noisy", "clean"},
}

// separators part the items of a theme that is a list.
var separators = regexp.MustCompile(`[,;/\n]+|\band\b`)

// counted is an item with a count: "8 kicks", "4x snare".
var counted = regexp.MustCompile(`^(\d{1,3})\s*[x×]?\s+(.+)$`)

// Plan returns the prompts of the count sounds of a theme, 1 to MaxPlan, always the same
// for the same theme and count. A theme is a list ("kick, snare and hat", also with
// counts: "8 kicks, 4 snares"), the name of a known theme, alone or with words that say
// how ("dark platformer"), or else what the sounds are. Where there are more sounds than
// kinds, the further ones are shades of them.
// The error is a *model.Error of CodeInvalid that names the fields theme and count.
func Plan(theme string, count int) ([]string, error) {
	var faults []model.FieldError
	var invalid *model.Error
	if errors.As(check(theme), &invalid) {
		for _, f := range invalid.Fields {
			faults = append(faults, model.FieldError{Field: "theme", Message: f.Message})
		}
	}
	if count < 1 || count > MaxPlan {
		faults = append(faults, model.FieldError{Field: "count", Message: fmt.Sprintf("must be 1 to %d sounds", MaxPlan)})
	}
	if len(faults) > 0 {
		return nil, model.Invalid(faults...)
	}
	kinds := kindsOf(theme)
	prompts := make([]string, 0, count)
	for _, k := range share(kinds, count) {
		prompts = append(prompts, k...)
	}
	return prompts, nil
}

// kind is a sort of sound in a plan.
type kind struct {
	prompt string
	weight int // sounds of it, for each of the others' own
}

// kindsOf returns the kinds of sounds that a theme asks for, at least one.
func kindsOf(theme string) []kind {
	var items []kind
	for _, item := range separators.Split(strings.ToLower(theme), -1) {
		item = strings.Join(strings.Fields(item), " ")
		weight := 1
		if m := counted.FindStringSubmatch(item); m != nil {
			n, err := strconv.Atoi(m[1])
			if err == nil && n > 0 && len(Words(m[2])) > 0 {
				item, weight = m[2], n
			}
		}
		if item != "" {
			items = append(items, kind{item, weight})
		}
	}
	if len(items) == 0 { // nothing but separators
		return []kind{{strings.TrimSpace(theme), 1}}
	}
	if len(items) > 1 {
		return items
	}
	if known := knownTheme(items[0].prompt); len(known) > 0 {
		return known
	}
	return items
}

// Words returns the words of the lexicon that a text holds.
func Words(text string) []Word { return interpret(text, 0, nil).Words }

// knownTheme returns the kinds of the known themes that are named in a text, with the
// other words that the lexicon knows in front of each; nil where none is.
func knownTheme(text string) []kind {
	rest := " " + strings.ReplaceAll(text, "-", " ") + " "
	var lists [][]string
	for _, t := range themes {
		found := false
		for _, w := range t.words {
			w = " " + strings.ReplaceAll(w, "-", " ") + " "
			if strings.Contains(rest, w) {
				found = true
				rest = strings.ReplaceAll(rest, w, " ")
			}
		}
		if found {
			lists = append(lists, t.prompts)
		}
	}
	if len(lists) == 0 {
		return nil
	}
	var manner []string
	for _, w := range Words(rest) {
		if w.Kind == Instrument {
			return nil // "space bass" is a bass
		}
		manner = append(manner, w.Text)
	}
	var kinds []kind
	for i := range slices.MaxFunc(lists, func(a, b []string) int { return len(a) - len(b) }) {
		for _, list := range lists { // in turns
			if i < len(list) {
				kinds = append(kinds, kind{strings.Join(append(slices.Clone(manner), list[i]), " "), 1})
			}
		}
	}
	return kinds
}

// share gives each kind its part of count sounds, by weight, the first ones what is over,
// and returns the prompts of each.
func share(kinds []kind, count int) [][]string {
	total := 0
	for _, k := range kinds {
		total += k.weight
	}
	parts := make([]int, len(kinds))
	over := count
	for i, k := range kinds {
		parts[i] = count * k.weight / total
		over -= parts[i]
	}
	prompts := make([][]string, len(kinds))
	said := make(map[string]bool, count)
	for i, k := range kinds {
		if over > 0 {
			parts[i]++
			over--
		}
		v := versions{base: k.prompt, most: parts[i], said: said}
		prompts[i] = v.all()
	}
	return prompts
}

// versions makes prompts of a kind of sound.
type versions struct {
	base string
	most int             // how many
	said map[string]bool // by all kinds
	out  []string
}

// all returns the kind itself, then it in one shade after the other, then in two and more
// at a time.
func (v *versions) all() []string {
	for size := 0; size <= len(shades) && len(v.out) < v.most; size++ {
		v.shaded(size, 0, "")
	}
	for len(v.out) < v.most { // the seed tells them apart
		v.out = append(v.out, v.base)
	}
	return v.out
}

// shaded adds the versions of size shades of the rows from one on.
func (v *versions) shaded(size, row int, prefix string) {
	if size == 0 {
		p := prefix + v.base
		if !v.said[p] && utf8.RuneCountInString(p) <= MaxRunes {
			v.said[p] = true
			v.out = append(v.out, p)
		}
		return
	}
	for r := row; r <= len(shades)-size; r++ {
		for _, s := range shades[r] {
			if len(v.out) == v.most {
				return
			}
			if !strings.Contains(v.base, s) {
				v.shaded(size-1, r+1, prefix+s+" ")
			}
		}
	}
}
