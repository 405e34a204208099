package prompt

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/engine/patch"
)

func TestEveryEntryIsSound(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, e := range lexicon() {
		for _, name := range append([]string{e.word}, e.also...) {
			assert.NotContains(t, seen, name, "listed twice")
			seen[name] = e.word
			assert.Equal(t, strings.ToLower(name), name)
			assert.LessOrEqual(t, len(strings.Fields(name)), maxPhrase)
			assert.False(t, small()[name], "%q is both known and small", name)
		}
		if e.kind == Modifier {
			assert.Empty(t, e.effects, e.word)
			continue
		}
		assert.NotEmpty(t, e.doc, e.word)
		assert.NotEmpty(t, e.effects, e.word)
		for _, list := range [][]effect{e.effects, e.flavour, e.off, e.end} {
			for _, ef := range list {
				checkEffect(t, e.word, ef)
			}
		}
	}
	for _, ef := range fallback() {
		checkEffect(t, "fallback", ef)
	}
}

// checkEffect holds an effect against the parameter table.
func checkEffect(t *testing.T, word string, ef effect) {
	t.Helper()
	if ef.op == opRoute {
		for _, target := range patch.Targets() {
			if target.Name == ef.target {
				assert.LessOrEqual(t, 3*ef.value, target.Max, word)
				return
			}
		}
		assert.Fail(t, "unknown target", "%s: %s", word, ef.target)
		return
	}
	if ef.path == "synth.chord" {
		return
	}
	path := strings.Replace(ef.path, "lfo.", "lfo1.", 1)
	if !strings.HasPrefix(path, "bus.") && !strings.HasPrefix(path, "output.") {
		path = "layers.0." + path
	}
	row, ok := param(path)
	require.True(t, ok, "%s: %s", word, ef.path)
	p := patch.Default()
	f := patchField(&p, path)
	require.True(t, f.f != nil || f.n != nil || f.s != nil, "%s: %s", word, ef.path)
	switch {
	case f.s != nil:
		assert.Contains(t, row.Values, ef.text, word)
	case ef.op == opPut || ef.op == opAmount:
		assert.GreaterOrEqual(t, ef.value, row.Min, "%s: %s", word, ef.path)
		assert.LessOrEqual(t, ef.value, row.Max, "%s: %s", word, ef.path)
	case ef.op == opMul:
		assert.Positive(t, ef.value, "%s: %s", word, ef.path)
	}
}

func TestEveryWordAloneMakesAValidPatch(t *testing.T) {
	t.Parallel()
	for name, e := range words().phrases {
		for _, text := range []string{name, "very " + name + " bass, 0.05 s", "not " + name + " bell", "extremely extremely " + name + ", 30 seconds"} {
			in, err := Interpret(text, 3)
			require.NoError(t, err)
			require.NoError(t, in.Patch.Validate(), text)
			require.NotEmpty(t, in.Words, text)
			assert.LessOrEqual(t, in.Patch.Cost(), int64(patch.MaxCost), text)
		}
		in, err := Interpret(name, 3)
		require.NoError(t, err)
		assert.Equal(t, e.word, in.Words[0].Word)
		if e.kind == Modifier {
			assert.LessOrEqual(t, in.Confidence, 0.3, name)
		} else {
			assert.Greater(t, in.Confidence, 0.5, name)
		}
	}
}

func TestGenuineWordsAreNotKnown(t *testing.T) {
	t.Parallel()
	for w := range genuine() {
		assert.Nil(t, words().phrases[w], "%q is a word of the lexicon", w)
		assert.Nil(t, words().near(w), w)
	}
}
