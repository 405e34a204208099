package prompt

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/internal/model"
)

// TestPlansOfThemes holds every known theme to prompts that say something, all different.
func TestPlansOfThemes(t *testing.T) {
	t.Parallel()
	for _, theme := range themes {
		for _, count := range []int{1, 10, 100, 500} {
			prompts, err := Plan(theme.words[0], count)
			require.NoError(t, err)
			require.Len(t, prompts, count)
			distinct := map[string]bool{}
			for _, p := range prompts {
				distinct[p] = true
				in, err := Build(p, 1, 0, Overrides{})
				require.NoError(t, err, p)
				assert.Greater(t, in.Confidence, 0.3, "%s: %s", theme.words[0], p)
				assert.NotEmpty(t, in.Words, p)
				assert.Empty(t, in.Ignored, "%s: %s", theme.words[0], p)
			}
			assert.Len(t, distinct, count, theme.words[0])
			again, err := Plan(theme.words[0], count)
			require.NoError(t, err)
			require.Equal(t, prompts, again)
		}
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		theme string
		count int
		want  string // the prompts, parted by |
	}{
		{"kick", 1, "kick"},
		{"Kick, snare and hi-hat", 3, "kick|snare|hi-hat"},
		{"kick; snare", 5, "kick|bright kick|dark kick|snare|bright snare"},
		{"6 kicks, 3 snares", 3, "kicks|bright kicks|snares"},
		{"808", 2, "808|bright 808"},
		{"bell, kick, bright and shiny", 2, "bell|kick, bright and shiny"},
		{"jump and run", 2, "coin pickup|jump"},
		{"a bright thing", 3, "bright thing|short bright thing|long bright thing"},
		{"dark arcade", 2, "dark coin pickup|dark jump"},
		{"dark ambient", 2, "dark long wide pad|dark deep drone"},
		{"arcade, ui", 2, "coin pickup|ui click"},
		{"2 ui, 1 kick", 3, "ui click|soft click|kick"},
		{"808 kick, snare", 3, "808 kick|bright 808 kick|snare"},
		{"8 bit laser, jump", 2, "8 bit laser|jump"},
		{"440 hz sine; 2 s riser", 2, "440 hz sine|2 s riser"},
		{"900 kicks, snare", 2, "900 kicks|snare"},
		{"3 zorks, kick", 2, "3 zorks|kick"},
		{"deep wobble bass, two seconds", 2, "deep wobble bass, two seconds|bright deep wobble bass, two seconds"},
		{"a riser of two and a half seconds", 1, "riser of two and a half seconds"},
		{"bright and shiny bell", 1, "bright and shiny bell"},
		{"a kick & a snare\nwind", 3, "kick|snare|wind"},
		{"kick, kick", 4, "kick|bright kick|dark kick|short kick"},
		{"bass drum", 2, "bass drum|bright bass drum"},
		{"snare drum", 1, "snare drum"},
		{"space bass", 2, "deep bass|wobble bass"},
		{"drums and bass", 2, "punchy kick|bass"},
		{"magic space", 3, "laser zap|glassy bell with reverb|deep drone"},
		{"sound of sand", 1, "sound of sand"},
		{" and , / ", 1, "and , /"},
		{"bass", 2, "deep bass|wobble bass"},
		{"brass and hand bell", 2, "brass|hand bell"},
	} {
		got, err := Plan(tt.theme, tt.count)
		require.NoError(t, err, tt.theme)
		assert.Equal(t, tt.want, strings.Join(got, "|"), tt.theme)
	}
}

// TestPlanSharesOut gives each kind its part, and all of them the count.
func TestPlanSharesOut(t *testing.T) {
	t.Parallel()
	for kinds := 1; kinds <= 40; kinds++ {
		items := make([]string, kinds)
		for i := range items {
			items[i] = fmt.Sprintf("tone%d", i)
		}
		for _, count := range []int{1, 7, 40, 499, 500} {
			prompts, err := Plan(strings.Join(items, ","), count)
			require.NoError(t, err)
			require.Len(t, prompts, count)
			if count >= kinds {
				for _, item := range items {
					assert.Contains(t, prompts, item)
				}
			}
		}
	}
}

func TestBadPlans(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		theme  string
		count  int
		fields []string
	}{
		{"", 1, []string{"theme"}},
		{"  \t ", 1, []string{"theme"}},
		{"a\x00b", 1, []string{"theme"}},
		{"\xff", 1, []string{"theme"}},
		{strings.Repeat("a", 501), 1, []string{"theme"}},
		{"kick", 0, []string{"count"}},
		{"kick", 501, []string{"count"}},
		{"", -1, []string{"theme", "count"}},
	} {
		_, err := Plan(tt.theme, tt.count)
		var e *model.Error
		require.ErrorAs(t, err, &e, "%q", tt.theme)
		var fields []string
		for _, f := range e.Fields {
			fields = append(fields, f.Field)
		}
		assert.Equal(t, tt.fields, fields)
	}
}

func FuzzPlan(f *testing.F) {
	f.Add("8 kicks, 4 snares and a hat", 12)
	f.Add("dark sci-fi ui", 500)
	f.Add("0 kicks,,,and and", 3)
	f.Fuzz(func(t *testing.T, theme string, count int) {
		prompts, err := Plan(theme, count)
		if err != nil {
			return
		}
		if len(prompts) != count {
			t.Fatalf("%d prompts of %d", len(prompts), count)
		}
		for _, p := range prompts[:min(len(prompts), 3)] {
			if _, err := Build(p, 1, 0, Overrides{}); err != nil {
				t.Fatalf("%q: %v", p, err)
			}
		}
	})
}

// TestThemesAreMadeOfKnownWords also looks at those base prompts that no small plan shows.
func TestThemesAreMadeOfKnownWords(t *testing.T) {
	t.Parallel()
	for _, theme := range themes {
		assert.True(t, len(theme.prompts) >= 10 && len(theme.prompts) <= 30, theme.words[0])
		for _, p := range theme.prompts {
			in, err := Build(p, 1, 0, Overrides{})
			require.NoError(t, err, p)
			assert.Empty(t, in.Ignored, p)
			assert.True(t, names(in.Words), "%s names no instrument", p)
		}
		for _, name := range theme.words {
			got, err := Plan(name, len(theme.prompts))
			require.NoError(t, err)
			assert.Equal(t, theme.prompts, got, name)
		}
	}
}

// TestShadesDoNotContradict: a dark pad is not made bright, nor dark again.
func TestShadesDoNotContradict(t *testing.T) {
	t.Parallel()
	prompts, err := Plan("dark pad with a wide bell", 500)
	require.NoError(t, err)
	distinct := map[string]bool{}
	for _, p := range prompts {
		distinct[p] = true
		assert.NotContains(t, p, "bright")
		assert.Equal(t, 1, strings.Count(p, "dark"), p)
		assert.Equal(t, 1, strings.Count(p, "wide"), p)
	}
	assert.Len(t, distinct, 500)
}

// TestPlanOfTheLongestTheme has no room for shades; the seed tells its sounds apart.
func TestPlanOfTheLongestTheme(t *testing.T) {
	t.Parallel()
	theme := strings.TrimSpace(strings.Repeat("kick ", 100))
	prompts, err := Plan(theme, 500)
	require.NoError(t, err)
	for _, p := range prompts {
		require.Equal(t, theme, p)
	}
}
