package format_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"patchlab/internal/format"
)

func TestCheckName(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"a", "kick-2", "Länger als ein Ton (2)", "drum kit v1.2", "com", "com10", "console", "nullify", "lpt", "日本語", "😀",
		strings.Repeat("x", 80), strings.Repeat("語", 80), "a..b",
	} {
		assert.Empty(t, format.CheckName(good), good)
	}
	for bad, says := range map[string]string{
		"": "is empty", "  ": "is empty", "\xff": "not valid UTF-8", strings.Repeat("x", 81): "shorten it to 80", strings.Repeat("😀", 80): "shorten it to 250",
		".": "dot", "..": "dot", ".a": "dot", "a.": "dot", " a": "space", "a ": "space", "\u00a0a": "space",
		"a/b": "'/'", `a\b`: `'\\'`, "c:d": "':'", "*": "'*'", "a?": "'?'", `"a"`: `'"'`, "<a": "'<'", "a>": "'>'", "a|b": "'|'",
		"a\x00b": "U+0000", "a\nb": "U+000A", "a\x7fb": "U+007F", "a\u202eb": "U+202E", "a\u200bb": "U+200B",
		"con": "Windows", "CON": "Windows", "Nul.tar": "Windows", "aux .x": "Windows", "com1": "Windows", "LPT9.a": "Windows", "com¹": "Windows", "conin$": "Windows",
	} {
		assert.Contains(t, format.CheckName(bad), says, "%q", bad)
	}
}

func TestNamesOf(t *testing.T) {
	t.Parallel()
	taken := map[string]bool{"snare": true}
	got := format.NamesOf([]string{"Kick!", "kick", "KICK", "kick 2", "snare", "!?", "con", "a/b\\c..", "Ärger, 2 s", "", strings.Repeat("long ", 30)}, taken)
	assert.Equal(t, []string{
		"kick", "kick-2", "kick-3", "kick-2-2", "snare-2", "sound", "con-sound", "a-b-c", "ärger-2-s", "sound-2",
		"long-long-long-long-long-long-long-long-long-long-long-long",
	}, got)
	assert.True(t, taken["kick-2-2"])
}

func FuzzNamesOf(f *testing.F) {
	f.Add("kick", "KICK-2")
	f.Add("../../etc/passwd", "com1.txt")
	f.Add("\u212a", "k")
	f.Add("İ", "ß\xff")
	f.Fuzz(func(t *testing.T, a, b string) {
		seen := map[string]bool{}
		for _, name := range format.NamesOf([]string{a, b, a, strings.ToUpper(b)}, map[string]bool{}) {
			if wrong := format.CheckName(name); wrong != "" {
				t.Fatalf("%q %s", name, wrong)
			}
			if seen[strings.ToLower(name)] {
				t.Fatalf("%q twice", name)
			}
			seen[strings.ToLower(name)] = true
		}
	})
}

// Names are alike where some system would write one file over the other.
func TestNameKey(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b  string
		alike bool
	}{
		{"Kick", "kick", true},
		{"e\u0301", "\u00e9", true},
		{"E\u0301", "\u00e9", true},
		{"Straße", "STRASSE", true},
		{"\u212a", "k", true},
		{"σ", "ς", true},
		{"e", "é", false},
		{"kick", "kick-2", false},
	} {
		assert.Equal(t, tt.alike, format.NameKey(tt.a) == format.NameKey(tt.b), "%q and %q", tt.a, tt.b)
	}
}
