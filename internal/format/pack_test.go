package format_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/internal/format"
)

// packed returns a sound of a pack with a file.
func packed(name string, seed uint32, data []byte) format.PackSound {
	p := tone(48000, 24, 2)
	p.Seed = seed
	sum := sha256.Sum256(data)
	return format.PackSound{
		Name: name, Recipe: format.NewRecipe(p, format.WAV), Size: int64(len(data)), ETag: hex.EncodeToString(sum[:]), Frames: 4800,
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
	}
}

// threeSounds is a pack of a file that is verified, one of no known content and one that failed.
func threeSounds(t *testing.T) *format.Pack {
	t.Helper()
	p := tone(48000, 24, 2)
	kick := packed("kick", p.Seed, file(t, p))
	lost := packed("Länger & anders", 9, nil)
	lost.Size, lost.ETag, lost.Frames, lost.Open, lost.Failure = 0, "", 0, nil, "it was too much"
	return &format.Pack{Name: "drum kit", Sounds: []format.PackSound{kick, packed("snäre-2", 8, bytes.Repeat([]byte("snare"), 50000)), lost}}
}

func zipped(t *testing.T, p *format.Pack) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, format.WritePack(context.Background(), &b, p))
	return b.Bytes()
}

func content(t *testing.T, z *zip.Reader, name string) []byte {
	t.Helper()
	f, err := z.Open(name)
	require.NoError(t, err)
	data, err := io.ReadAll(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return data
}

func TestPack(t *testing.T) {
	t.Parallel()
	pack := threeSounds(t)
	data := zipped(t, pack)
	assert.Equal(t, data, zipped(t, threeSounds(t)), "the same pack, the same bytes")

	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
		assert.Equal(t, time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), f.Modified.UTC(), f.Name)
	}
	require.Equal(t, []string{"drum kit/README.txt", "drum kit/manifest.json", "drum kit/kick.wav", "drum kit/snäre-2.wav"}, names)
	kick := content(t, z, "drum kit/kick.wav")
	require.NoError(t, verify(kick), "a file of a pack proves itself")

	var manifest struct {
		Name, Pack, Digest string
		Sounds             []struct {
			Name, File, Failure, SHA256, Digest string
			Seed                                uint32
			Seconds                             float64
			SampleRate                          int `json:"sample_rate"`
			Channels                            int
			BitDepth                            int `json:"bit_depth"`
			Bytes                               int64
			Recipe                              json.RawMessage
		}
	}
	require.NoError(t, json.Unmarshal(content(t, z, "drum kit/manifest.json"), &manifest))
	assert.Equal(t, pack.Digest(), manifest.Digest)
	assert.Equal(t, format.PackVersion, manifest.Pack)
	require.Len(t, manifest.Sounds, 3)
	for i, s := range manifest.Sounds {
		want := pack.Sounds[i]
		var compact bytes.Buffer
		require.NoError(t, json.Compact(&compact, s.Recipe))
		recipe, err := format.DecodeRecipe(compact.Bytes())
		require.NoError(t, err)
		assert.Equal(t, want.Recipe.Digest(), recipe.Digest(), "a recipe of the manifest is the sound's")
		assert.Equal(t, want.Recipe.Digest(), s.Digest)
		assert.Equal(t, want.Recipe.Patch.Seed, s.Seed)
		assert.Equal(t, []int{48000, 2, 24}, []int{s.SampleRate, s.Channels, s.BitDepth})
		assert.Equal(t, want.Failure, s.Failure)
		if want.Failure != "" {
			assert.Empty(t, s.File)
			continue
		}
		assert.InDelta(t, 0.1, s.Seconds, 1e-9)
		sum := sha256.Sum256(content(t, z, "drum kit/"+s.File))
		assert.Equal(t, hex.EncodeToString(sum[:]), s.SHA256)
		assert.Equal(t, want.Size, s.Bytes)
	}
	readme := string(content(t, z, "drum kit/README.txt"))
	assert.Contains(t, readme, "2 sounds")
	assert.Contains(t, readme, "patchlab verify")
	assert.Contains(t, readme, "Länger & anders: it was too much")
}

// TestPackOpensElsewhere: by two readers that are not ours.
func TestPackOpensElsewhere(t *testing.T) {
	t.Parallel()
	need(t, "unzip")
	need(t, "python3")
	dir := t.TempDir()
	path := filepath.Join(dir, "pack.zip")
	require.NoError(t, os.WriteFile(path, zipped(t, threeSounds(t)), 0o600))
	out, err := exec.Command("unzip", "-t", path).CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "No errors detected")
	const script = `
import sys, zipfile, os
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
z.extractall(sys.argv[2])
for i in z.infolist():
    assert i.date_time == (1980, 1, 1, 0, 0, 0), i
    print(i.filename, os.path.getsize(os.path.join(sys.argv[2], i.filename)) == i.file_size)`
	out, err = exec.Command("python3", "-X", "utf8", "-c", script, path, dir).CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Equal(t, "drum kit/README.txt True\ndrum kit/manifest.json True\ndrum kit/kick.wav True\ndrum kit/snäre-2.wav True\n", string(out))
}

func TestPackDigest(t *testing.T) {
	t.Parallel()
	seen := map[string]string{threeSounds(t).Digest(): "nothing"}
	for what, change := range map[string]func(*format.Pack){
		"its name":            func(p *format.Pack) { p.Name = "drums" },
		"a name":              func(p *format.Pack) { p.Sounds[0].Name = "kick-1" },
		"a seed":              func(p *format.Pack) { p.Sounds[0].Recipe.Patch.Seed++ },
		"an engine":           func(p *format.Pack) { p.Sounds[0].Recipe.Engine = "0" },
		"the order":           func(p *format.Pack) { p.Sounds[0], p.Sounds[1] = p.Sounds[1], p.Sounds[0] },
		"a failure":           func(p *format.Pack) { p.Sounds[0].Failure = "lost" },
		"another failure":     func(p *format.Pack) { p.Sounds[2].Failure = "gone" },
		"one sound less":      func(p *format.Pack) { p.Sounds = p.Sounds[:2] },
		"lines within a name": func(p *format.Pack) { p.Name = "drum kit\n4:kick" },
	} {
		p := threeSounds(t)
		change(p)
		d := p.Digest()
		assert.Len(t, d, 64)
		assert.Empty(t, seen[d], "%s changes nothing", what)
		seen[d] = what
	}
	p := threeSounds(t)
	p.Sounds[0].Open = nil
	assert.NotEmpty(t, seen[p.Digest()], "where a file comes from changes nothing")
}

func TestPackIsRefused(t *testing.T) {
	t.Parallel()
	for says, change := range map[string]func(*format.Pack){
		"its name":            func(p *format.Pack) { p.Name = "../drums" },
		"the name of sound 1": func(p *format.Pack) { p.Sounds[1].Name = "a/b" },
		"two sounds have":     func(p *format.Pack) { p.Sounds[1].Name = "KICK" },
		"more than 2048 MB":   func(p *format.Pack) { p.Sounds[1].Size = format.MaxPackBytes },
		"2048 MB":             func(p *format.Pack) { p.Sounds[0].Size, p.Sounds[1].Size = 1<<63-1, 1<<63-1 },
		"sound 1 has neither": func(p *format.Pack) { p.Sounds[1].Open = nil },
		"sound 0 has neither": func(p *format.Pack) { p.Sounds[0].Size = -1 },
		"1001 files are more than 1000": func(p *format.Pack) {
			for i := range format.MaxPackEntries - 4 {
				p.Sounds = append(p.Sounds, packed(fmt.Sprint(i), 1, nil))
			}
		},
	} {
		p := threeSounds(t)
		change(p)
		require.ErrorContains(t, p.Check(), says)
		var b bytes.Buffer
		require.ErrorContains(t, format.WritePack(context.Background(), &b, p), says)
		assert.Zero(t, b.Len(), "something was written: %s", says)
	}
	p := threeSounds(t)
	p.Sounds[1].Size = format.MaxPackBytes - p.Sounds[0].Size
	assert.NoError(t, p.Check(), "just enough")
	full := &format.Pack{Name: "full"}
	for i := range format.MaxPackEntries - 2 {
		full.Sounds = append(full.Sounds, packed(fmt.Sprint(i), 1, nil))
	}
	assert.NoError(t, full.Check(), "with README.txt and manifest.json there are 1000")
}

// closing is a file that says whether it was closed.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

func TestAFileThatIsNotTheOne(t *testing.T) {
	t.Parallel()
	lost := errors.New("lost")
	right := bytes.Repeat([]byte("snare"), 50000)
	wrong := bytes.Clone(right)
	wrong[77777]++
	for _, tc := range []struct {
		name string
		file io.Reader
		want error
	}{
		{"a byte differs", bytes.NewReader(wrong), format.ErrNotTheFile},
		{"too short", bytes.NewReader(right[:len(right)-1]), format.ErrNotTheFile},
		{"too long", io.MultiReader(bytes.NewReader(right), strings.NewReader("x")), format.ErrNotTheFile},
		{"without end", endless{}, format.ErrNotTheFile},
		{"breaks off", io.MultiReader(bytes.NewReader(right[:1000]), broken{lost}), lost},
	} {
		p := threeSounds(t)
		f := &closing{Reader: tc.file}
		p.Sounds[1].Open = func(context.Context) (io.ReadCloser, error) { return f, nil }
		var b bytes.Buffer
		err := format.WritePack(context.Background(), &b, p)
		require.ErrorIs(t, err, tc.want, tc.name)
		require.ErrorContains(t, err, "snäre-2.wav", tc.name)
		assert.True(t, f.closed, tc.name)
		_, err = zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
		require.Error(t, err, "%s: what was written looks like a whole pack", tc.name)
	}
	p := threeSounds(t)
	p.Sounds[0].Open = func(context.Context) (io.ReadCloser, error) { return nil, lost }
	require.ErrorIs(t, format.WritePack(context.Background(), io.Discard, p), lost)
	require.ErrorIs(t, format.WritePack(context.Background(), full{lost}, threeSounds(t)), lost)
}

func TestPackEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	p := threeSounds(t)
	p.Sounds[1].Size = 1 << 30
	p.Sounds[1].Open = func(context.Context) (io.ReadCloser, error) {
		cancel()
		return io.NopCloser(endless{}), nil
	}
	require.ErrorIs(t, format.WritePack(ctx, io.Discard, p), context.Canceled)
}

// TestPackOf500 writes 500 MB, and allocates a tenth of it at most, all in all.
func TestPackOf500(t *testing.T) { //nolint:paralleltest // it counts what is allocated
	const size = 1 << 20
	sum := sha256.New()
	_, err := io.Copy(sum, io.LimitReader(endless{}, size))
	require.NoError(t, err)
	p := &format.Pack{Name: "much"}
	for i := range 500 {
		s := packed(fmt.Sprintf("sound-%d", i), uint32(i), nil)
		s.Size, s.ETag = size, hex.EncodeToString(sum.Sum(nil))
		s.Open = func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(io.LimitReader(endless{}, size)), nil
		}
		p.Sounds = append(p.Sounds, s)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var n counter
	require.NoError(t, format.WritePack(context.Background(), &n, p))
	runtime.ReadMemStats(&after)
	assert.Greater(t, int64(n), int64(500*size))
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(50<<20))
}

// endless is a file of zeros.
type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

type full struct{ err error }

func (f full) Write([]byte) (int, error) { return 0, f.err }

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }
