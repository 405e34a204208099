package layout_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// colour finds colours written out: CSS notations and Tailwind's own palette.
func colour() *regexp.Regexp {
	return regexp.MustCompile(`#(?:[0-9a-fA-F]{8}|[0-9a-fA-F]{6}|[0-9a-fA-F]{3,4})\b` +
		`|\b(?:rgba?|hsla?|hwb|lab|lch|oklab|oklch)\(` +
		`|\b(?:bg|text|border|fill|stroke|ring|outline|from|via|to|accent|caret|shadow|decoration)-` +
		`(?:white|black|(?:slate|gray|zinc|neutral|stone|red|orange|amber|yellow|lime|green|emerald|teal|cyan|sky|blue|indigo|violet|purple|fuchsia|pink|rose)-\d{2,3})\b`)
}

// TestColoursComeFromTokens holds the web app to the colours of tokens.css, so
// that both themes stay legible and a change of one token changes all.
func TestColoursComeFromTokens(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(root, "web", "src")
	find, seen := colour(), false
	require.NoError(t, filepath.WalkDir(dir, func(file string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.Contains(e.Name(), ".test.") || e.Name() == "schema.ts" {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if e.Name() == "tokens.css" {
			seen = find.Match(text)
			return nil
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			n++
			if found := find.FindString(line); found != "" {
				t.Errorf("%s:%d: %s: take a token of web/src/styles/tokens.css", file, n, found)
			}
		}
		return nil
	}))
	require.True(t, seen, "no colours in tokens.css: the check sees nothing")
}

// TestColoursAreFound proves that the check would catch what it is for.
func TestColoursAreFound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"color: #fff": true, "fill='#A0B1C2'": true, "rgb(0 0 0 / 50%)": true, "oklch(0.7 0.1 200)": true,
		`className="bg-red-500"`: true, "text-white": true, "hover:border-zinc-200": true,
		"bg-surface text-muted": false, "var(--accent)": false, "href=\"#takes\"": false, "#root": false, "to-do-500": false,
	} {
		require.Equal(t, want, colour().MatchString(text), text)
	}
}
