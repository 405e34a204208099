package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/internal/cli"
	"patchlab/internal/format"
	"patchlab/internal/prompt"
)

var update = flag.Bool("update", false, "write the golden files again")

type result struct {
	code        int
	out, errout string
}

// run runs a command with a seed source that always draws 12345.
func run(t *testing.T, stdin string, terminal bool, args ...string) result {
	t.Helper()
	var out, errout bytes.Buffer
	code := cli.Run(context.Background(), args, cli.Env{
		Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errout, StdoutIsTerminal: terminal,
		Seed:    func() (uint32, error) { return 12345, nil },
		Version: "test",
		Extra: map[string]cli.Command{"serve": {Summary: "run the whole farm in one process", Run: func(_ context.Context, args []string) int {
			return 40 + len(args)
		}}},
	})
	for line := range strings.Lines(errout.String()) {
		if !strings.HasPrefix(line, "patchlab: ") && len(args) > 0 {
			t.Errorf("a line of standard error does not say who speaks: %q", line)
		}
	}
	return result{code, out.String(), errout.String()}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

func TestHelp(t *testing.T) {
	t.Parallel()
	r := run(t, "", false, "help")
	assert.Equal(t, cli.Done, r.code)
	golden(t, "help.txt", r.out)
	assert.Equal(t, r.out, run(t, "", false, "--help").out)
	r = run(t, "", false)
	assert.Equal(t, cli.Usage, r.code)
	golden(t, "help.txt", r.errout)
	for _, name := range []string{"render", "pack", "interpret", "inspect", "verify"} {
		r := run(t, "", false, "help", name)
		assert.Equal(t, cli.Done, r.code)
		golden(t, "help-"+name+".txt", r.out)
		assert.Equal(t, r.out, run(t, "", false, name, "-h").out)
	}
	assert.Regexp(t, `^patchlab test \(engine \S+, encoder \S+\)\n$`, run(t, "", false, "--version").out)
	assert.Contains(t, run(t, "", false, "help", "serve").out, "whole farm")
}

func TestPluggedInCommands(t *testing.T) {
	t.Parallel()
	assert.Equal(t, 42, run(t, "", false, "serve", "--addr", ":0").code)
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := filepath.Join(dir, "x.wav")
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"rendre"}, `no command "rendre"`},
		{[]string{"help", "rendre"}, `no command "rendre"`},
		{[]string{"render"}, "-o FILE"},
		{[]string{"render", "bass"}, "-o FILE"},
		{[]string{"render", "-o", out}, "what it should sound like"},
		{[]string{"render", "", "-o", out}, "the prompt is empty"},
		{[]string{"render", strings.Repeat("x", 501), "-o", out}, "501 characters"},
		{[]string{"render", "bass\xff", "-o", out}, "UTF-8"},
		{[]string{"render", "bass", "--patch", "p.json", "-o", out}, "not both"},
		{[]string{"render", "bass", "--bits", "20", "-o", out}, "--bits"},
		{[]string{"render", "bass", "--bits", "16f", "-o", out}, "32f"},
		{[]string{"render", "bass", "--rate", "12345", "-o", out}, "--rate"},
		{[]string{"render", "bass", "--rate", "fast", "-o", out}, "--rate"},
		{[]string{"render", "bass", "--channels", "3", "-o", out}, "--channels"},
		{[]string{"render", "bass", "--duration", "31", "-o", out}, "--duration"},
		{[]string{"render", "bass", "--duration", "long", "-o", out}, "--duration"},
		{[]string{"render", "bass", "--duration", "NaN", "-o", out}, "--duration"},
		{[]string{"render", "bass", "--seed", "-1", "-o", out}, "seed"},
		{[]string{"render", "bass", "--seed", "4294967296", "-o", out}, "seed"},
		{[]string{"render", "bass", "--format", "exe", "-o", out}, "exe"},
		{[]string{"render", "bass", "--loud", "-o", out}, "loud"},
		{[]string{"interpret"}, "say the words"},
		{[]string{"interpret", " "}, "the prompt is empty"},
		{[]string{"inspect"}, "name one file"},
		{[]string{"verify", "a", "b"}, "name one file"},
	} {
		r := run(t, "", false, c.args...)
		assert.Equal(t, cli.Usage, r.code, c.args)
		assert.Contains(t, r.errout, c.says, c.args)
		assert.Empty(t, r.out, c.args)
	}
	r := run(t, "", true, "render", "bass", "-o", "-")
	assert.Equal(t, cli.Usage, r.code)
	assert.Contains(t, r.errout, "terminal")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestFailures(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text.wav")
	require.NoError(t, os.WriteFile(text, []byte("no sound"), 0o600))
	wav := filepath.Join(dir, "plain.wav")
	require.NoError(t, os.WriteFile(wav, []byte("RIFF\x04\x00\x00\x00WAVE"), 0o600))
	broken := filepath.Join(dir, "broken.json")
	require.NoError(t, os.WriteFile(broken, []byte(`{"version":1,"layers":[{"filter":{"cutoff":1e9},"nonsense":1}]}`), 0o600))
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"inspect", filepath.Join(dir, "none.wav")}, "no such file"},
		{[]string{"inspect", text}, "not a whole WAV file"},
		{[]string{"inspect", wav}, "holds no recipe"},
		{[]string{"inspect", dir}, "not a regular file"},
		{[]string{"verify", text}, "not a whole WAV file"},
		{[]string{"verify", wav}, "holds no recipe"},
		{[]string{"render", "beep", "--seed", "1", "-o", filepath.Join(dir, "no", "where.wav")}, "no such file"},
		{[]string{"render", "beep", "--seed", "1", "-o", dir}, "is a directory"},
		{[]string{"render", "--patch", filepath.Join(dir, "none.json"), "-o", "x"}, "no such file"},
		{[]string{"render", "--patch", broken, "-o", "x"}, "layers.0.filter.cutoff"},
		{[]string{"render", "--patch", broken, "-o", "x"}, "nonsense"},
	} {
		r := run(t, "", false, c.args...)
		assert.Equal(t, cli.Failed, r.code, c.args)
		assert.Contains(t, r.errout, c.says, c.args)
	}
}

func TestRenderInspectVerify(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a.wav")
	r := run(t, "", false, "render", "deep wobble bass, half a second", "--seed", "7", "-o", path)
	require.Equal(t, cli.Done, r.code, r.errout)
	golden(t, "render.stderr", r.errout)
	assert.Empty(t, r.out)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1, "a temporary file was left")

	// Flags before the prompt, words without quotes and a pipe give the same bytes.
	r = run(t, "", false, "render", "-o", "-", "--seed=7", "deep", "wobble", "bass,", "half", "a", "second")
	require.Equal(t, cli.Done, r.code, r.errout)
	assert.Equal(t, data, []byte(r.out))

	r = run(t, "", false, "verify", path)
	assert.Equal(t, cli.Done, r.code, r.errout)
	assert.Contains(t, r.out, "the same bytes")

	r = run(t, "", false, "inspect", path)
	require.Equal(t, cli.Done, r.code, r.errout)
	assert.NotContains(t, r.out, "wobble", "a file holds no words")
	var recipe struct {
		Engine, Encoder, Format, Digest string
		Patch                           json.RawMessage
	}
	require.NoError(t, json.Unmarshal([]byte(r.out), &recipe))
	assert.Len(t, recipe.Digest, 64)
	assert.Equal(t, "wav", recipe.Format)

	// The patch inside, rendered by itself, is the same file.
	r = run(t, string(recipe.Patch), false, "render", "--patch", "-", "-o", "-")
	require.Equal(t, cli.Done, r.code, r.errout)
	assert.Equal(t, data, []byte(r.out))

	data[len(data)-100] ^= 1
	require.NoError(t, os.WriteFile(path, data, 0o600))
	r = run(t, "", false, "verify", path)
	assert.Equal(t, cli.Failed, r.code)
	assert.Regexp(t, `differs from its recipe at sample \d+ of channel [12]`, r.errout)
}

func TestRenderIsWhatTheFarmBuilds(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.wav")
	r := run(t, "", false, "render", "bright pluck", "--seed", "9", "--duration", "0.3", "--rate", "44100", "--bits", "32f", "--channels", "1", "-o", path)
	require.Equal(t, cli.Done, r.code, r.errout)
	f, err := os.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	info, err := f.Stat()
	require.NoError(t, err)
	got, err := format.ReadRecipe(f, info.Size())
	require.NoError(t, err)
	d, rate, bits, channels := 0.3, 44100, 32, 1
	want, err := prompt.Build("bright pluck", 9, 0, prompt.Overrides{Duration: &d, SampleRate: &rate, BitDepth: &bits, Channels: &channels})
	require.NoError(t, err)
	assert.Equal(t, format.NewRecipe(want.Patch, format.WAV).Digest(), got.Digest())
}

func TestAnAbsentSeedIsDrawnAndSaid(t *testing.T) {
	t.Parallel()
	drawn := run(t, "", false, "render", "beep", "-o", "-")
	require.Equal(t, cli.Done, drawn.code)
	assert.Contains(t, drawn.errout, "seed 12345")
	given := run(t, "", false, "render", "beep", "--seed", "12345", "-o", "-")
	assert.NotContains(t, given.errout, "seed")
	assert.Equal(t, drawn.out, given.out)
	var out, errout bytes.Buffer
	code := cli.Run(context.Background(), []string{"render", "beep", "-o", "-"}, cli.Env{
		Stdout: &out, Stderr: &errout, Seed: func() (uint32, error) { return 0, errors.New("no luck") },
	})
	assert.Equal(t, cli.Failed, code)
	assert.Contains(t, errout.String(), "no luck")
}

func TestInterpret(t *testing.T) {
	t.Parallel()
	r := run(t, "", false, "interpret", "a very deep bass, purple, 2 s", "--seed", "7")
	require.Equal(t, cli.Done, r.code)
	assert.Empty(t, r.errout)
	golden(t, "interpret.json", r.out)
}

func TestOtherVersionsExitWithThree(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.wav")
	require.Equal(t, cli.Done, run(t, "", false, "render", "click", "--seed", "1", "-o", path).code)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	at := bytes.Index(data, []byte(`{"engine":"`)) + len(`{"engine":"`)
	data[at] = '?'
	require.NoError(t, os.WriteFile(path, data, 0o600))
	r := run(t, "", false, "verify", path)
	assert.Equal(t, cli.OtherVersion, r.code)
	assert.Contains(t, r.errout, "use the patchlab that made it")
}

func TestAnInterruptLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errout bytes.Buffer
	code := cli.Run(ctx, []string{"render", "drone, 20 s", "--seed", "1", "-o", filepath.Join(dir, "a.wav")}, cli.Env{Stdout: &out, Stderr: &errout})
	assert.Equal(t, cli.Failed, code)
	assert.Equal(t, "stopped; no file was written", strings.TrimPrefix(strings.TrimSpace(lastLine(errout.String())), "patchlab: "))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

func TestOutputKeepsLinksAndDevices(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target.wav"), filepath.Join(dir, "link.wav")
	require.NoError(t, os.WriteFile(target, []byte("old"), 0o640))
	require.NoError(t, os.Symlink(target, link))
	require.Equal(t, cli.Done, run(t, "", false, "render", "click", "--seed", "1", "-o", link).code)
	info, err := os.Lstat(link)
	require.NoError(t, err)
	assert.NotZero(t, info.Mode()&os.ModeSymlink)
	data, err := os.ReadFile(target)
	require.NoError(t, err)
	assert.Equal(t, "RIFF", string(data[:4]))
	require.Equal(t, cli.Done, run(t, "", false, "render", "click", "--seed", "1", "-o", os.DevNull).code)
	info, err = os.Stat(os.DevNull)
	require.NoError(t, err)
	assert.False(t, info.Mode().IsRegular())
}

// TestTheExampleOfTheStudio: what an empty Studio plays is what this engine
// makes of the words beside it.
func TestTheExampleOfTheStudio(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "web", "public", "example.wav")
	if *update {
		r := run(t, "", false, "render", "deep wobble bass, two seconds", "--seed", "7",
			"--rate", "44100", "--bits", "16", "--channels", "1", "-o", path)
		require.Equal(t, cli.Done, r.code, "%s", r.errout)
	}
	r := run(t, "", false, "verify", path)
	require.Equal(t, cli.Done, r.code, "%s; `make docs` renders it again", r.errout)
}
