package format_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/engine"
	"patchlab/engine/patch"
	"patchlab/internal/format"
)

// tone returns a short patch that sounds.
func tone(rate, bits, channels int) patch.Patch {
	p := patch.Default()
	p.Seed = 7
	p.Output.Duration = 0.1
	p.Output.SampleRate, p.Output.BitDepth, p.Output.Channels = rate, bits, channels
	return p
}

func file(t testing.TB, p patch.Patch) []byte {
	t.Helper()
	a, err := engine.Render(context.Background(), p, engine.Options{})
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, format.Encode(context.Background(), &b, a, format.NewRecipe(p, format.WAV)))
	return b.Bytes()
}

func readRecipe(b []byte) (format.Recipe, error) {
	return format.ReadRecipe(bytes.NewReader(b), int64(len(b)))
}

func verify(b []byte) error {
	_, err := format.Verify(context.Background(), bytes.NewReader(b), int64(len(b)))
	return err
}

// need fails the test where a program is missing: nothing is skipped silently.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("%s is needed to check the files; `make deps` installs it", program)
	}
}

func TestEveryFormatIsValidElsewhere(t *testing.T) {
	t.Parallel()
	need(t, "ffprobe")
	need(t, "ffmpeg")
	need(t, "sox")
	for _, rate := range []int{48000, 96000} {
		for _, bits := range []int{16, 24, 32} {
			for _, channels := range []int{1, 2} {
				name := fmt.Sprintf("%d-%d-%d", rate, bits, channels)
				p := tone(rate, bits, channels)
				p.Output.Duration = 0.05
				path := filepath.Join(t.TempDir(), name+".wav")
				require.NoError(t, os.WriteFile(path, file(t, p), 0o600))
				out, err := exec.Command("ffprobe", "-v", "error", "-of", "json", "-show_streams", path).CombinedOutput()
				require.NoError(t, err, string(out))
				var probe struct {
					Streams []struct {
						CodecName  string `json:"codec_name"`
						SampleRate string `json:"sample_rate"`
						Channels   int    `json:"channels"`
						DurationTS int64  `json:"duration_ts"`
					} `json:"streams"`
				}
				require.NoError(t, json.Unmarshal(out, &probe), string(out))
				require.Len(t, probe.Streams, 1)
				s := probe.Streams[0]
				assert.Equal(t, map[int]string{16: "pcm_s16le", 24: "pcm_s24le", 32: "pcm_f32le"}[bits], s.CodecName, name)
				assert.Equal(t, fmt.Sprint(rate), s.SampleRate, name)
				assert.Equal(t, channels, s.Channels, name)
				assert.InDelta(t, 0.05*float64(rate), float64(s.DurationTS), 1, name)
				out, err = exec.Command("sox", path, "-n", "stat").CombinedOutput()
				require.NoError(t, err, string(out))
				assert.NotContains(t, string(out), "WARN", name)
				out, err = exec.Command("ffmpeg", "-v", "error", "-i", path, "-f", "null", "-").CombinedOutput()
				require.NoError(t, err, string(out))
				assert.Empty(t, string(out), name)
			}
		}
	}
}

func TestFloatSamplesSurvive(t *testing.T) {
	t.Parallel()
	p := tone(48000, 32, 2)
	a, err := engine.Render(context.Background(), p, engine.Options{})
	require.NoError(t, err)
	b := file(t, p)
	at := bytes.Index(b, []byte("data")) + 8
	got := make([]float32, len(a.Samples))
	require.NoError(t, binary.Read(bytes.NewReader(b[at:]), binary.LittleEndian, got))
	assert.Equal(t, a.Samples, got)
}

func TestRecipeComesBack(t *testing.T) {
	t.Parallel()
	for _, channels := range []int{1, 2} {
		for _, bits := range []int{16, 24, 32} {
			p := tone(22050, bits, channels)
			p.Output.Duration = 0.05 // an odd number of frames, so that mono 24 bit needs padding
			want := format.NewRecipe(p, format.WAV)
			b := file(t, p)
			assert.Zero(t, len(b)%2)
			got, err := readRecipe(b)
			require.NoError(t, err)
			assert.Equal(t, want.Canonical(), got.Canonical())
			assert.Equal(t, want.Digest(), got.Digest())
			assert.True(t, got.Current())
			require.NoError(t, verify(b))
		}
	}
}

func TestBytesDependOnTheRecipeAlone(t *testing.T) {
	t.Parallel()
	first, second := file(t, tone(48000, 24, 2)), file(t, tone(48000, 24, 2))
	assert.Equal(t, first, second)
	other := tone(48000, 24, 2)
	other.Seed = 8
	assert.NotEqual(t, format.NewRecipe(tone(48000, 24, 2), format.WAV).Digest(), format.NewRecipe(other, format.WAV).Digest())
}

func TestCanonicalRecipe(t *testing.T) {
	t.Parallel()
	r := format.NewRecipe(patch.Default(), format.WAV)
	assert.True(t, bytes.HasPrefix(r.Canonical(), []byte(`{"engine":"`+engine.Version+`","encoder":"`+format.EncoderVersion+`","format":"wav","patch":{`)))
	assert.Regexp(t, `^[0-9a-f]{64}$`, r.Digest())
	back, err := format.DecodeRecipe(r.Canonical())
	require.NoError(t, err)
	assert.Equal(t, r.Canonical(), back.Canonical())
}

func TestDecodeRecipeIsStrict(t *testing.T) {
	t.Parallel()
	good := string(format.NewRecipe(patch.Default(), format.WAV).Canonical())
	swap := func(old, repl string) string { return strings.Replace(good, old, repl, 1) }
	for name, text := range map[string]string{
		"empty":           ``,
		"null":            `null`,
		"array":           `[]`,
		"unknown field":   swap(`"format"`, `"prompt":"x","format"`),
		"no engine":       swap(`"engine":"`+engine.Version+`",`, ``),
		"no patch":        `{"engine":"1","encoder":"wav1","format":"wav"}`,
		"unknown format":  swap(`"wav"`, `"exe"`),
		"more after":      good + `{}`,
		"bad patch":       `{"engine":"` + engine.Version + `","encoder":"` + format.EncoderVersion + `","format":"wav","patch":{"version":1,"nonsense":2}}`,
		"number for text": swap(`"`+format.EncoderVersion+`"`, `7`),
		"a long version":  swap(`"`+format.EncoderVersion+`"`, `"`+strings.Repeat("x", 65)+`"`),
		"far too large":   good + strings.Repeat(" ", 100<<10),
		"broken":          good[:len(good)-1],
	} {
		_, err := format.DecodeRecipe([]byte(text))
		assert.ErrorIs(t, err, format.ErrBadRecipe, name)
	}
	_, err := format.DecodeRecipe([]byte(`{"engine":"99","encoder":"wav9","format":"opus","patch":{"version":9,"quantum":true}}`))
	var version *format.VersionError
	require.ErrorAs(t, err, &version)
	assert.Equal(t, "99", version.Engine)
}

// put changes bytes of a copy.
func put(b []byte, at int, v ...byte) []byte {
	c := bytes.Clone(b)
	copy(c[at:], v)
	return c
}

func chunk(id string, size uint32, body []byte) []byte {
	return append(binary.LittleEndian.AppendUint32([]byte(id), size), body...)
}

// riff wraps chunks in a header whose size is right.
func riff(chunks ...[]byte) []byte {
	body := bytes.Join(chunks, nil)
	return append(append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body)+4)), "WAVE"...), body...)
}

func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	b := file(t, tone(22050, 16, 1))
	recipe := format.NewRecipe(patch.Default(), format.WAV).Canonical()
	if len(recipe)%2 == 1 {
		recipe = append(recipe, ' ')
	}
	plrc := chunk("PLRC", uint32(len(recipe)), recipe)
	many := make([][]byte, 2000)
	for i := range many {
		many[i] = chunk("junk", 0, nil)
	}
	for _, c := range []struct {
		name string
		data []byte
		want error
	}{
		{"empty", nil, format.ErrNotWAV},
		{"text", []byte("deep wobble bass"), format.ErrNotWAV},
		{"cut in the header", b[:10], format.ErrNotWAV},
		{"cut in the samples", b[:len(b)-10], format.ErrNotWAV},
		{"more after the end", append(bytes.Clone(b), 1, 2), format.ErrNotWAV},
		{"size 0", put(b, 4, 0, 0, 0, 0), format.ErrNotWAV},
		{"size 2^32-1", put(b, 4, 255, 255, 255, 255), format.ErrNotWAV},
		{"a chunk of 2^32-1", put(b, 16, 255, 255, 255, 255), format.ErrNotWAV},
		{"not WAVE", put(b, 8, 'A', 'V', 'I', ' '), format.ErrNotWAV},
		{"no recipe", riff(chunk("fmt ", 16, make([]byte, 16)), chunk("data", 0, nil)), format.ErrNoRecipe},
		{"no chunks", riff(), format.ErrNoRecipe},
		{"half a chunk header", riff([]byte("PLR")), format.ErrNotWAV},
		{"padding missing", riff(chunk("junk", 1, []byte{0})), format.ErrNotWAV},
		{"two recipes", riff(plrc, plrc), format.ErrBadRecipe},
		{"an empty recipe", riff(chunk("PLRC", 0, nil)), format.ErrBadRecipe},
		{"a huge recipe", riff(chunk("PLRC", 1<<20, make([]byte, 1<<20))), format.ErrBadRecipe},
		{"a recipe of rubbish", riff(chunk("PLRC", 4, []byte("\x00\xff{}"))), format.ErrBadRecipe},
		{"2000 chunks", riff(many...), format.ErrNotWAV},
	} {
		_, err := readRecipe(c.data)
		require.ErrorIs(t, err, c.want, c.name)
		require.ErrorIs(t, verify(c.data), c.want, c.name)
	}
	// Chunks of other programs before and after do not hide the recipe.
	got, err := readRecipe(riff(chunk("LIST", 3, []byte{1, 2, 3, 0}), plrc, chunk("junk", 2, []byte{0, 0})))
	require.NoError(t, err)
	assert.Equal(t, patch.Default().Canonical(), got.Patch.Canonical())
}

func TestVerifySaysWhereAFileDiffers(t *testing.T) {
	t.Parallel()
	for _, bits := range []int{16, 24, 32} {
		p := tone(48000, bits, 2)
		b := file(t, p)
		data := bytes.Index(b, []byte("data")) + 8
		width := bits / 8
		for _, sample := range []int{0, 1, 5000, 9599} {
			c := bytes.Clone(b)
			c[data+sample*width] ^= 1
			var m *format.MismatchError
			require.ErrorAs(t, verify(c), &m)
			assert.Equal(t, int64(sample/2), m.Frame)
			assert.Equal(t, sample%2, m.Channel)
			assert.Contains(t, m.Error(), fmt.Sprintf("sample %d of channel %d", sample/2, sample%2+1))
		}
	}
	b := file(t, tone(48000, 16, 2))
	var m *format.MismatchError
	require.ErrorAs(t, verify(put(b, 24, 0x44, 0xac)), &m) // the sample rate in fmt
	assert.Equal(t, int64(-1), m.Frame)
	assert.Equal(t, int64(24), m.Offset)
	short := bytes.Clone(b[:len(b)-4])
	binary.LittleEndian.PutUint32(short[4:], uint32(len(short)-8))
	data := bytes.Index(short, []byte("data"))
	binary.LittleEndian.PutUint32(short[data+4:], uint32(len(short)-data-8))
	require.ErrorAs(t, verify(short), &m)
	assert.True(t, m.Length)
	assert.Equal(t, m.Want, int64(len(b)))
	long := append(bytes.Clone(b), "LIST\x00\x00\x00\x00"...)
	binary.LittleEndian.PutUint32(long[4:], uint32(len(long)-8))
	require.ErrorAs(t, verify(long), &m)
	assert.True(t, m.Length)
}

func TestVerifyKnowsOtherVersions(t *testing.T) {
	t.Parallel()
	p := tone(48000, 16, 1)
	a, err := engine.Render(context.Background(), p, engine.Options{})
	require.NoError(t, err)
	for _, r := range []format.Recipe{
		{Patch: p, Format: format.WAV, Engine: "0", Encoder: format.EncoderVersion},
		{Patch: p, Format: format.WAV, Engine: engine.Version, Encoder: "wav0"},
	} {
		var b bytes.Buffer
		require.NoError(t, format.Encode(context.Background(), &b, a, r))
		var version *format.VersionError
		require.ErrorAs(t, verify(b.Bytes()), &version)
		assert.Equal(t, r.Engine, version.Engine)
		got, err := readRecipe(b.Bytes())
		require.NoError(t, err)
		assert.False(t, got.Current())
	}
}

type failing struct{ after int }

func (f *failing) Write(b []byte) (int, error) {
	if f.after -= len(b); f.after < 0 {
		return 0, io.ErrShortWrite
	}
	return len(b), nil
}

func TestEncodeStops(t *testing.T) {
	t.Parallel()
	p := tone(48000, 24, 2)
	a, err := engine.Render(context.Background(), p, engine.Options{})
	require.NoError(t, err)
	r := format.NewRecipe(p, format.WAV)
	for _, n := range []int{0, 2000, 28800} {
		require.ErrorIs(t, format.Encode(context.Background(), &failing{n}, a, r), io.ErrShortWrite)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, format.Encode(ctx, io.Discard, a, r), context.Canceled)
	require.Error(t, format.Encode(context.Background(), io.Discard, a, format.NewRecipe(p, "exe")))
	r.Patch.Output.Channels = 1
	require.Error(t, format.Encode(context.Background(), io.Discard, a, r))
	b := file(t, p)
	_, err = format.Verify(ctx, bytes.NewReader(b), int64(len(b)))
	require.ErrorIs(t, err, context.Canceled)
}

func TestNames(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "wav", format.Extension(format.WAV))
	assert.Equal(t, "audio/wav", format.MediaType(format.WAV))
}

func FuzzReadRecipe(f *testing.F) {
	recipe := format.NewRecipe(patch.Default(), format.WAV).Canonical()
	if len(recipe)%2 == 1 {
		recipe = append(recipe, ' ')
	}
	whole := riff(chunk("fmt ", 16, make([]byte, 16)), chunk("PLRC", uint32(len(recipe)), recipe), chunk("data", 4, make([]byte, 4)))
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add(put(whole, 16, 0xff, 0xff, 0xff, 0xff))
	f.Add(riff(chunk("PLRC", 1, []byte{'{', 0})))
	f.Add([]byte("RIFF"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := readRecipe(b)
		if err != nil {
			return
		}
		if err := r.Patch.Validate(); err != nil {
			t.Fatal(err)
		}
		back, err := format.DecodeRecipe(r.Canonical())
		if err != nil || !bytes.Equal(back.Canonical(), r.Canonical()) {
			t.Fatalf("does not come back: %v", err)
		}
	})
}
