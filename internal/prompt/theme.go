package prompt

import (
	"slices"
	"strings"
)

// theme is a sort of pack that has a name.
type theme struct {
	words   []string // its names, in lower case
	prompts []string // its kinds of sounds: nothing but words that the lexicon knows
}

// themes lists what the packs of some themes are made of.
//
//nolint:gochecknoglobals // a table
var themes = []theme{
	{[]string{"drum kit", "drums", "drum", "percussion", "beats", "beat kit", "drum set"}, []string{
		"punchy kick", "snare", "closed hat", "open hat", "crash cymbal", "cowbell", "deep kick", "tight snare",
		"ride", "808 kick", "noisy snare", "short bright hat",
	}},
	{[]string{"platformer", "arcade", "8-bit", "8 bit", "8bit", "retro", "chiptune", "retro game", "jump and run"}, []string{
		"coin pickup", "jump", "laser zap", "power up", "explosion", "blip", "error buzzer", "short beep", "high coin", "falling blip",
		"low jump", "fast climbing blip",
	}},
	{[]string{"ui", "interface", "user interface", "app", "menu", "notification", "notifications", "button", "buttons"}, []string{
		"ui click", "soft click", "short soft bell", "high blip", "short whoosh", "error buzzer", "soft beep", "short glassy bell",
		"low click", "climbing blip", "quiet tick", "short pluck",
	}},
	{[]string{"sci-fi", "scifi", "sci fi", "science fiction", "space", "spaceship", "futuristic"}, []string{
		"laser zap", "deep drone", "alarm siren", "riser", "downer", "resonant beep", "wide pad with reverb", "blaster with reverb",
		"whoosh", "dark explosion", "fm bell", "low pulsing drone",
	}},
	{[]string{"horror", "scary", "haunted", "creepy", "ghost", "ghosts"}, []string{
		"dark drone with reverb", "low impact with reverb", "long riser", "wind", "hollow bell with reverb", "detuned strings", "deep rumble",
		"dark pad", "falling downer", "detuned minor stab",
	}},
	{[]string{"fantasy", "magic", "magical", "spell", "spells", "wizard"}, []string{
		"glassy bell with reverb", "climbing bell", "long whoosh", "power up", "wide pad", "bright riser", "soft pluck with reverb",
		"deep impact", "swelling strings", "wind",
	}},
	{[]string{"weapon", "weapons", "combat", "war", "battle", "gun", "guns"}, []string{
		"laser zap", "explosion", "impact", "hard impact", "short noise burst", "deep explosion", "fast whoosh", "low boom", "blaster", "long explosion",
	}},
	{[]string{"bass", "basses", "bass music", "dubstep"}, []string{
		"deep bass", "wobble bass", "reese", "sub", "fat bass", "short punchy bass", "distorted bass", "fm bass", "808 sub", "dark reese",
	}},
	{[]string{"ambient", "pads", "atmosphere", "atmospheres", "cinematic"}, []string{
		"long wide pad", "deep drone", "swelling strings", "wind", "warm pad with reverb", "dark pad", "glassy bell with reverb", "soft noise swell",
		"long riser", "hollow drone",
	}},
	{[]string{"keys", "plucks", "melodic", "synth", "synths", "leads"}, []string{
		"pluck", "bell", "organ", "bright lead", "warm pad", "supersaw chord", "brass stab", "soft pluck", "strings", "minor stab",
	}},
	// As near as the lexicon comes until it has a flatulence of its own.
	{[]string{"comedy", "comic", "cartoon", "funny", "farts", "fart", "toots"}, []string{
		"low noisy buzzer", "boing", "short fat buzzer", "wobbly falling brass", "trembling low buzz", "falling trumpet", "rapid pulsing buzzer",
		"small pew", "climbing boing", "muffled thud", "sad falling horn", "noisy wobble bass", "quick hop", "nasal horn",
	}},
}

// namedThemes returns the kinds of sounds of the themes that a text names, with the
// other words of it that the lexicon knows in front of each ("dark platformer"); nil
// where it names none, or an instrument that is no theme: a snare drum is a snare.
func namedThemes(text string) []string {
	rest := " " + strings.ReplaceAll(text, "-", " ") + " "
	said := Words(text)
	var found, played []theme // those in played are named by an instrument, such as bass
	for _, t := range themes {
		named, plays := false, false
		for _, name := range t.words {
			for _, w := range said {
				plays = plays || w.Kind == Instrument && strings.EqualFold(w.Text, name)
			}
			spaced := " " + strings.ReplaceAll(name, "-", " ") + " "
			if strings.Contains(rest, spaced) {
				named = true
				rest = strings.ReplaceAll(rest, spaced, " ")
			}
		}
		if named {
			found = append(found, t)
		}
		if named && plays {
			played = append(played, t)
		}
	}
	if len(found) == 0 {
		return nil
	}
	for _, w := range said {
		if w.Kind == Instrument && !slices.ContainsFunc(played, func(t theme) bool { return slices.Contains(t.words, strings.ToLower(w.Text)) }) {
			return nil
		}
	}
	if len(played) > 0 {
		found = played // "space bass" is a bass
	}
	return inManner(rest, found)
}

// inManner returns the kinds of sounds of some themes, in turns, each with the words of
// a text in front that the lexicon knows and it lacks.
func inManner(text string, found []theme) []string {
	manner := Words(text)
	var kinds []string
	for i := range slices.MaxFunc(found, func(a, b theme) int { return len(a.prompts) - len(b.prompts) }).prompts {
		for _, t := range found {
			if i >= len(t.prompts) {
				continue
			}
			has := lexiconWords(t.prompts[i])
			var words []string
			for _, w := range manner {
				if w.Kind != Instrument && !has[w.Word] {
					words = append(words, w.Text)
				}
			}
			kinds = append(kinds, strings.Join(append(words, t.prompts[i]), " "))
		}
	}
	return kinds
}

// Words returns the words of the lexicon that a text holds.
func Words(text string) []Word { return interpret(text, 0, nil).Words }

// lexiconWords returns the names of the words of the lexicon that a text holds.
func lexiconWords(text string) map[string]bool {
	names := map[string]bool{}
	for _, w := range Words(text) {
		names[w.Word] = true
	}
	return names
}
