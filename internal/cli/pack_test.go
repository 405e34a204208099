package cli_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/engine"
	"patchlab/engine/patch"
	"patchlab/internal/cli"
	"patchlab/internal/format"
	"patchlab/internal/prompt"
)

// quick makes the sounds of a test short.
var quick = []string{"--duration", "0.1", "--rate", "22050", "--bits", "16", "--channels", "1"}

func packArgs(args ...string) []string { return append(append([]string{"pack"}, args...), quick...) }

// runWith runs a command with an engine of its own.
func runWith(ctx context.Context, render cli.RenderFunc, args ...string) result {
	var out, errout bytes.Buffer
	code := cli.Run(ctx, args, cli.Env{
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errout, Seed: func() (uint32, error) { return 12345, nil }, Render: render,
	})
	return result{code, out.String(), errout.String()}
}

func left(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

// manifestOf returns the manifest of a ZIP and the names of its files.
func manifestOf(t *testing.T, data string) (m struct {
	Name   string
	Sounds []struct {
		Name, File, Failure, Digest string
		Seed                        uint32
		Seconds                     float64
	}
}, files []string,
) {
	t.Helper()
	z, err := zip.NewReader(strings.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	for _, f := range z.File {
		files = append(files, f.Name)
		if strings.HasSuffix(f.Name, "/manifest.json") {
			r, err := f.Open()
			require.NoError(t, err)
			require.NoError(t, json.NewDecoder(r).Decode(&m))
		}
	}
	return m, files
}

// TestPackIsWhatTheFarmBuilds builds a pack by hand: the plan, seeds by prompt.TakeSeed,
// names by format.NamesOf, and format.WritePack.
func TestPackIsWhatTheFarmBuilds(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir := t.TempDir()
	path := filepath.Join(dir, "a.zip")
	r := run(t, "", false, packArgs("drum", "kit", "--count", "15", "--seed", "7", "-o", path, "--jobs", "1")...)
	require.Equal(t, cli.Done, r.code, r.errout)
	assert.Empty(t, r.out)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, []string{"a.zip"}, left(t, dir), "a temporary file was left")

	prompts, err := prompt.Plan("drum kit", 15)
	require.NoError(t, err)
	d, rate, bits, channels := 0.1, 22050, 16, 1
	want := &format.Pack{Name: "drum-kit"}
	for i, name := range format.NamesOf(prompts, map[string]bool{}) {
		in, err := prompt.Build(prompts[i], 7, i, prompt.Overrides{Duration: &d, SampleRate: &rate, BitDepth: &bits, Channels: &channels})
		require.NoError(t, err)
		audio, err := engine.Render(ctx, in.Patch, engine.Options{})
		require.NoError(t, err)
		recipe := format.NewRecipe(in.Patch, format.WAV)
		var b bytes.Buffer
		require.NoError(t, format.Encode(ctx, &b, audio, recipe))
		sum := sha256.Sum256(b.Bytes())
		want.Sounds = append(want.Sounds, format.PackSound{
			Name: name, Recipe: recipe, Size: int64(b.Len()), ETag: hex.EncodeToString(sum[:]), Frames: audio.Frames(),
			Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(&b), nil },
		})
	}
	var b bytes.Buffer
	require.NoError(t, format.WritePack(ctx, &b, want))
	assert.True(t, bytes.Equal(b.Bytes(), got), "other bytes")

	// However many are rendered at once, and wherever to.
	r = run(t, "", false, packArgs("drum kit", "--count=15", "--seed", "7", "-o", "-", "--jobs", "4")...)
	require.Equal(t, cli.Done, r.code, r.errout)
	assert.True(t, bytes.Equal([]byte(r.out), got), "other bytes with --jobs 4")
	r = run(t, "", false, packArgs("drum kit", "--count=15", "--seed", "8", "-o", "-")...)
	assert.False(t, bytes.Equal([]byte(r.out), got), "another seed")
}

// TestRepeatedPromptsSoundDifferent: where a prompt occurs twice the seed tells it apart.
func TestRepeatedPromptsSoundDifferent(t *testing.T) {
	t.Parallel()
	plan := `{"sounds":[{"prompt":"kick"},{"prompt":"kick"},{"prompt":"kick","seed":7},{"prompt":"kick","seed":7,"duration":0.2,"name":"Kick"}]}`
	r := run(t, plan, false, packArgs("--plan", "-", "--seed", "7", "-o", "-")...)
	require.Equal(t, cli.Done, r.code, r.errout)
	m, files := manifestOf(t, r.out)
	assert.Equal(t, "kick", m.Name)
	assert.Equal(t, []string{"kick/README.txt", "kick/manifest.json", "kick/kick-2.wav", "kick/kick-3.wav", "kick/kick-4.wav", "kick/Kick.wav"}, files)
	assert.Equal(t, prompt.TakeSeed(7, 0), m.Sounds[0].Seed)
	assert.Equal(t, prompt.TakeSeed(7, 1), m.Sounds[1].Seed)
	assert.NotEqual(t, m.Sounds[0].Digest, m.Sounds[1].Digest)
	assert.Equal(t, m.Sounds[0].Digest, m.Sounds[2].Digest, "a seed of its own is taken as it is")
	assert.InDelta(t, 0.1, m.Sounds[2].Seconds, 1e-9)
	assert.InDelta(t, 0.2, m.Sounds[3].Seconds, 1e-9, "a duration of its own wins")
}

func TestAPrintedPlanMakesTheSamePack(t *testing.T) {
	t.Parallel()
	plan := run(t, "", false, "pack", "8 kicks, 4 snares", "--count", "12", "--print-plan")
	require.Equal(t, cli.Done, plan.code)
	assert.Empty(t, plan.errout)
	golden(t, "plan.json", plan.out)
	file := filepath.Join(t.TempDir(), "plan.json")
	require.NoError(t, os.WriteFile(file, []byte(plan.out), 0o600))
	assert.Equal(t, plan.out, run(t, "", false, "pack", "--plan", file, "--print-plan").out)
	a := run(t, "", false, packArgs("8 kicks, 4 snares", "--count", "12", "--seed", "1", "-o", "-")...)
	b := run(t, "", false, packArgs("--plan", file, "--seed", "1", "-o", "-")...)
	require.Equal(t, cli.Done, a.code)
	assert.True(t, bytes.Equal([]byte(a.out), []byte(b.out)), "the plan makes another pack")
	m, _ := manifestOf(t, run(t, "", false, packArgs("--plan", file, "--name", "Drums (2)", "-o", "-")...).out)
	assert.Equal(t, "Drums (2)", m.Name)
}

func TestPackSaysWhatItDoes(t *testing.T) {
	t.Parallel()
	r := run(t, "", false, packArgs("kick", "--count", "20", "--jobs", "1", "-o", "-")...)
	require.Equal(t, cli.Done, r.code)
	golden(t, "pack.stderr", r.errout)
	r = run(t, "", false, packArgs("zork, kick", "--count", "3", "-o", "-")...)
	require.Equal(t, cli.Done, r.code)
	assert.Contains(t, r.errout, `2 of 3 sounds name nothing that is known, such as "zork"`)

	var errout bytes.Buffer
	code := cli.Run(context.Background(), packArgs("kick", "--count", "3", "--seed", "1", "--jobs", "1", "-o", "-"), cli.Env{
		Stdout: io.Discard, Stderr: &errout, StderrIsTerminal: true,
	})
	require.Equal(t, cli.Done, code)
	bar, rest, _ := strings.Cut(errout.String(), "\n")
	assert.Equal(t, "\r[##########--------------------]  33 %, 1 of 3 sounds "+
		"\r[####################----------]  66 %, 2 of 3 sounds "+
		"\r[##############################] 100 %, 3 of 3 sounds ", bar)
	assert.Regexp(t, `^patchlab: 3 sounds, 0\.0 MB of audio\n$`, rest)
}

func TestWrongUsageOfPack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := filepath.Join(dir, "x.zip")
	list := func(n int, sound string) string {
		return `{"sounds":[` + strings.TrimSuffix(strings.Repeat(sound+",", n), ",") + `]}`
	}
	for _, c := range []struct {
		args []string
		plan string
		says string
	}{
		{[]string{"-o", out}, "", "what the pack is about"},
		{[]string{"kick", "-o", out}, "", "--count N"},
		{[]string{"kick", "--count", "3"}, "", "-o FILE"},
		{[]string{"kick", "--count", "0", "-o", out}, "", "--count must be 1 to 500"},
		{[]string{"kick", "--count", "501", "-o", out}, "", "--count must be 1 to 500"},
		{[]string{"kick", "--count", "-1", "-o", out}, "", "--count must be 1 to 500"},
		{[]string{"kick", "--count", "many", "-o", out}, "", "count"},
		{[]string{"", "--count", "3", "-o", out}, "", "the theme is empty"},
		{[]string{"a\x01b", "--count", "3", "-o", out}, "", "U+0001"},
		{[]string{strings.Repeat("x", 501), "--count", "3", "-o", out}, "", "501 characters"},
		{[]string{"kick", "--count", "3", "--jobs", "0", "-o", out}, "", "--jobs"},
		{[]string{"kick", "--count", "3", "--jobs", "257", "-o", out}, "", "--jobs"},
		{[]string{"kick", "--count", "3", "--rate", "1", "-o", out}, "", "--rate"},
		{[]string{"kick", "--count", "3", "--bits", "20", "-o", out}, "", "--bits"},
		{[]string{"kick", "--count", "3", "--duration", "0", "-o", out}, "", "--duration"},
		{[]string{"kick", "--count", "3", "--seed", "-1", "-o", out}, "", "seed"},
		{[]string{"kick", "--count", "3", "--name", "../x", "-o", out}, "", "--name starts"},
		{[]string{"kick", "--count", "3", "--name", "a/b", "-o", out}, "", "--name holds '/'"},
		{[]string{"kick", "--count", "500", "--duration", "30", "--rate", "96000", "-o", out}, "", "MB of a pack"},
		{[]string{"kick", "--count", "3", "--print-plan", "-o", out}, "", "leave -o out"},
		{[]string{"kick", "--plan", "-", "-o", out}, "", "not both"},
		{[]string{"--count", "3", "--plan", "-", "-o", out}, "", "not both"},
		{[]string{"--plan", "-", "-o", out}, "", "is not a plan: EOF"},
		{[]string{"--plan", "-", "-o", out}, "null", "sounds are 0"},
		{[]string{"--plan", "-", "-o", out}, "[]", `{"sounds": [{"prompt": "kick"}]}`},
		{[]string{"--plan", "-", "-o", out}, `{"sounds":[]}`, "sounds are 0: a pack has 1 to 500"},
		{[]string{"--plan", "-", "-o", out}, list(501, `{"prompt":"kick"}`), "sounds are 501"},
		{[]string{"--plan", "-", "-o", out}, `{"sounds":[{"prompt":"kick","loud":1}]}`, `unknown field "loud"`},
		{[]string{"--plan", "-", "-o", out}, `{"sounds":[{"prompt":"kick"}]} x`, "more after"},
		{[]string{"--plan", "-", "-o", out}, `{"sounds":[{"prompt":"kick","seed":-1}]}`, "0 to 4294967295"},
		{[]string{"--plan", "-", "-o", out}, `{"sounds":[{"prompt":"kick","duration":"long"}]}`, "number of seconds"},
		{[]string{"--plan", "-", "-o", out}, `{"sounds":[{"prompt":7}]}`, "must be text"},
		{[]string{"--plan", "-", "-o", out}, `{"sounds":[{"prompt":"kick"},{"prompt":" "}]}`, "sounds.1.prompt is empty"},
		{[]string{"--plan", "-", "-o", out}, `{"sounds":[{"prompt":"kick","duration":31}]}`, "sounds.0.duration must be"},
		{[]string{"--plan", "-", "-o", out}, `{"sounds":[{"prompt":"kick","name":"a/b"}]}`, "sounds.0.name holds '/'"},
		{[]string{"--plan", "-", "-o", out}, `{"sounds":[{"prompt":"kick","name":"a"},{"prompt":"kick","name":"A"}]}`, "sounds.1.name is that of sounds.0"},
		{[]string{"--plan", "-", "-o", out}, `{"name":"..","sounds":[{"prompt":"kick"}]}`, "--name starts"},
		{[]string{"--plan", "-", "-o", out}, `{"name":"` + strings.Repeat("x", 5<<20) + `"}`, "larger than"},
	} {
		r := run(t, c.plan, false, append([]string{"pack"}, c.args...)...)
		assert.Equal(t, cli.Usage, r.code, "%.80q %.80s", c.args, c.plan)
		assert.Contains(t, r.errout, c.says, "%.80q %.80s", c.args, c.plan)
		assert.Equal(t, 1, strings.Count(r.errout, "\n"), "%.80q: %.300s", c.args, r.errout)
		assert.Empty(t, r.out)
	}
	assert.Empty(t, left(t, dir))
	r := run(t, list(500, `{"prompt":""}`), false, "pack", "--plan", "-", "-o", out)
	assert.Equal(t, 20, strings.Count(r.errout, "\n"), "some faults say enough")
	r = run(t, "", true, "pack", "kick", "--count", "3", "-o", "-")
	assert.Equal(t, cli.Usage, r.code)
	assert.Contains(t, r.errout, "terminal")
	r = run(t, "", false, packArgs("kick", "--count", "3", "--seed", "1", "-o", filepath.Join(dir, "no", "x.zip"))...)
	assert.Equal(t, cli.Failed, r.code)
	assert.Contains(t, r.errout, "no such file")
	r = run(t, "", false, "pack", "--plan", filepath.Join(dir, "none.json"), "-o", out)
	assert.Equal(t, cli.Failed, r.code)
	assert.Contains(t, r.errout, "no such file")
}

// TestFailedSoundsAreListed: a pack arrives without those that the engine refuses or
// panics at.
func TestFailedSoundsAreListed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a.zip")
	bad := map[uint32]func() error{
		prompt.TakeSeed(7, 1): func() error { return errors.New("too loud") },
		prompt.TakeSeed(7, 3): func() error { panic("poison") },
	}
	render := func(ctx context.Context, p patch.Patch, o engine.Options) (engine.Audio, error) {
		if f := bad[p.Seed]; f != nil {
			return engine.Audio{}, f()
		}
		return engine.Render(ctx, p, o)
	}
	args := packArgs("kick", "--count", "5", "--seed", "7", "-o", path)
	r := runWith(context.Background(), render, args...)
	assert.Equal(t, cli.Failed, r.code)
	assert.Contains(t, r.errout, "sound 2, bright-kick: the engine cannot render this patch (too loud)")
	assert.Contains(t, r.errout, "sound 4, short-kick: the engine cannot render this patch (the engine panicked: poison)")
	assert.Equal(t, "patchlab: 2 of 5 sounds could not be rendered; the pack holds the others and lists them", lastLine(r.errout))
	assert.Equal(t, []string{"a.zip"}, left(t, dir))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	m, files := manifestOf(t, string(data))
	assert.Equal(t, []string{"kick/README.txt", "kick/manifest.json", "kick/kick.wav", "kick/dark-kick.wav", "kick/long-kick.wav"}, files)
	require.Len(t, m.Sounds, 5)
	for i, s := range m.Sounds {
		assert.Equal(t, i == 1 || i == 3, s.Failure != "", i)
	}
	assert.NotContains(t, string(data), "poison", "only those at the keyboard read why")

	require.NoError(t, os.Remove(path))
	none := func(context.Context, patch.Patch, engine.Options) (engine.Audio, error) {
		return engine.Audio{}, errors.New("too loud")
	}
	r = runWith(context.Background(), none, args...)
	assert.Equal(t, cli.Failed, r.code)
	assert.Contains(t, lastLine(r.errout), "no sound could be rendered")
	assert.Empty(t, left(t, dir))
}

// TestAnInterruptedPackLeavesNothing: the interrupt comes while sounds are being rendered,
// and some lie in the temporary folder.
func TestAnInterruptedPackLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, jobs := range []string{"1", "4"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "a.zip")
		require.NoError(t, os.WriteFile(path, []byte("the one before"), 0o600))
		ctx, cancel := context.WithCancel(context.Background())
		var n, during atomic.Int64
		render := func(ctx context.Context, p patch.Patch, o engine.Options) (engine.Audio, error) {
			if n.Add(1) == 10 {
				entries, err := filepath.Glob(filepath.Join(dir, ".patchlab-pack-*", "*.wav"))
				if err == nil {
					during.Store(int64(len(entries)))
				}
				cancel()
			}
			return engine.Render(ctx, p, o)
		}
		r := runWith(ctx, render, packArgs("kick", "--count", "40", "--seed", "7", "--jobs", jobs, "-o", path)...)
		assert.Equal(t, cli.Failed, r.code)
		assert.Equal(t, "patchlab: stopped; no file was written", lastLine(r.errout))
		assert.Positive(t, during.Load(), "the test does not look where the temporary files are")
		assert.Less(t, n.Load(), int64(15), "it went on")
		assert.Equal(t, []string{"a.zip"}, left(t, dir))
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, "the one before", string(data))
	}
}

type gone struct{}

func (gone) Write([]byte) (int, error) { return 0, errors.New("the reader is gone") }

func TestAReaderThatGoesAwayLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir) // so it cannot be parallel
	var errout bytes.Buffer
	code := cli.Run(context.Background(), packArgs("kick", "--count", "3", "--seed", "1", "-o", "-"), cli.Env{Stdout: gone{}, Stderr: &errout})
	assert.Equal(t, cli.Failed, code)
	assert.Contains(t, lastLine(errout.String()), "the reader is gone")
	assert.Empty(t, left(t, dir))
}

func FuzzPlan(f *testing.F) {
	f.Add(`{"name":"x","theme":"y","sounds":[{"prompt":"kick","seed":1,"duration":2},{"prompt":"kick","name":"KICK"}]}`)
	f.Add(`{"sounds":[{"prompt":"../a"},null]}`)
	f.Add(`[{"sounds":1e99}]`)
	f.Fuzz(func(t *testing.T, plan string) {
		show := func(plan string) result {
			var out, errout bytes.Buffer
			code := cli.Run(context.Background(), []string{"pack", "--plan", "-", "--print-plan"}, cli.Env{Stdin: strings.NewReader(plan), Stdout: &out, Stderr: &errout})
			return result{code, out.String(), errout.String()}
		}
		r := show(plan)
		switch r.code {
		case cli.Usage:
			if r.errout == "" {
				t.Fatal("refused without a word")
			}
		case cli.Done:
			if again := show(r.out); again != r {
				t.Fatalf("what was printed reads as another plan:\n%s\n%s%s", r.out, again.out, again.errout)
			}
		default:
			t.Fatal(r)
		}
	})
}
