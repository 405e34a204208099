package format

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
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/engine/patch"
)

// member returns a sound whose file holds some bytes.
func member(name string, data []byte) PackSound {
	sum := sha256.Sum256(data)
	return PackSound{
		Name: name, Recipe: NewRecipe(patch.Default(), WAV), Size: int64(len(data)), ETag: hex.EncodeToString(sum[:]), Frames: 48000,
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
	}
}

func some() *Pack {
	missing := member("gone", nil)
	missing.Failure, missing.Open = "it broke", nil
	return &Pack{Name: "my pack", Sounds: []PackSound{member("a", []byte("first")), missing, member("Ünï", bytes.Repeat([]byte("x"), 200_000))}}
}

// TestPack reads a ZIP back, and holds its bytes to be the same each time.
func TestPack(t *testing.T) {
	t.Parallel()
	var one, two bytes.Buffer
	require.NoError(t, WritePack(t.Context(), &one, some()))
	require.NoError(t, WritePack(t.Context(), &two, some()))
	require.Equal(t, one.Bytes(), two.Bytes())
	z, err := zip.NewReader(bytes.NewReader(one.Bytes()), int64(one.Len()))
	require.NoError(t, err)
	files := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		require.NoError(t, err)
		files[f.Name], err = io.ReadAll(r)
		require.NoError(t, err)
	}
	require.Len(t, files, 4)
	require.Equal(t, "first", string(files["my pack/a.wav"]))
	require.Len(t, files["my pack/Ünï.wav"], 200_000)
	require.Contains(t, string(files["my pack/README.txt"]), "2 sounds")
	require.Contains(t, string(files["my pack/README.txt"]), "gone: it broke")
	var m struct {
		Digest string
		Sounds []struct {
			Name, File, Failure, SHA256 string
			Bytes                       int64
			Recipe                      json.RawMessage
		}
	}
	require.NoError(t, json.Unmarshal(files["my pack/manifest.json"], &m))
	require.Equal(t, some().Digest(), m.Digest)
	require.Equal(t, "it broke", m.Sounds[1].Failure)
	require.Empty(t, m.Sounds[1].File)
	require.Equal(t, int64(200_000), m.Sounds[2].Bytes)
	_, err = DecodeRecipe(m.Sounds[0].Recipe)
	require.NoError(t, err)
}

// TestPackDigest tells packs apart by all that makes their bytes.
func TestPackDigest(t *testing.T) {
	t.Parallel()
	seen := map[string]string{some().Digest(): "as it is"}
	for name, change := range map[string]func(p *Pack){
		"name":            func(p *Pack) { p.Name = "other" },
		"a sound's name":  func(p *Pack) { p.Sounds[0].Name = "b" },
		"order":           func(p *Pack) { p.Sounds[0], p.Sounds[2] = p.Sounds[2], p.Sounds[0] },
		"fewer":           func(p *Pack) { p.Sounds = p.Sounds[:2] },
		"another failure": func(p *Pack) { p.Sounds[1].Failure = "x" },
		"a recipe":        func(p *Pack) { p.Sounds[0].Recipe.Patch.Seed++ },
	} {
		p := some()
		change(p)
		d := p.Digest()
		assert.Empty(t, seen[d], name)
		seen[d] = name
	}
}

func TestBadPacks(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(p *Pack){
		"a path":         func(p *Pack) { p.Sounds[0].Name = "../a" },
		"a folder":       func(p *Pack) { p.Name = "a/b" },
		"twice":          func(p *Pack) { p.Sounds[0].Name = "GONE" },
		"too many":       func(p *Pack) { p.Sounds = make([]PackSound, MaxPackEntries-1) },
		"too large":      func(p *Pack) { p.Sounds[0].Size = MaxPackBytes + 1 },
		"another size":   func(p *Pack) { p.Sounds[0].Size++ },
		"a shorter size": func(p *Pack) { p.Sounds[0].Size-- },
		"other bytes":    func(p *Pack) { p.Sounds[0].ETag = p.Sounds[2].ETag },
		"no file": func(p *Pack) {
			p.Sounds[2].Open = func(context.Context) (io.ReadCloser, error) { return nil, errors.New("gone") }
		},
	} {
		p := some()
		change(p)
		require.Error(t, WritePack(t.Context(), io.Discard, p), name)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, WritePack(ctx, io.Discard, some()), context.Canceled)
}

// TestPackNeedsLittleMemory writes five hundred files of 4 MB.
func TestPackNeedsLittleMemory(t *testing.T) {
	data := bytes.Repeat([]byte("sound"), 800_000)
	p := &Pack{Name: "large"}
	for i := range 500 {
		p.Sounds = append(p.Sounds, member(fmt.Sprint(i), data))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.NoError(t, WritePack(t.Context(), io.Discard, p))
	runtime.ReadMemStats(&after)
	if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 40 {
		t.Errorf("%d MB allocated for 2,000 MB", used)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"a": true, "kick-2": true, "Ünï code": true, strings.Repeat("a", 80): true, "com10": true, "a.b": true,
		"": false, " ": false, ".": false, "..": false, ".a": false, "a.": false, "a ": false, "a/b": false, `a\b`: false, "c:": false, "a*": false,
		"a\x00": false, "a\n": false, "\u202e": false, "con": false, "NUL.txt": false, "com1": false, "LPT9.x": false, "\xff": false,
		strings.Repeat("a", 81): false,
	} {
		assert.Equal(t, ok, CheckName(name) == "", "%q: %s", name, CheckName(name))
	}
	taken := map[string]bool{"snare": true}
	assert.Equal(t, []string{"kick", "kick-2", "snare-2", "sound", "con-sound", "kick-2-2"}, NamesOf([]string{"Kick!", "kick", "snare", "?!", "con", "kick 2"}, taken))
}

func FuzzNames(f *testing.F) {
	f.Add("a deep, dark kick")
	f.Add("../..")
	f.Fuzz(func(t *testing.T, words string) {
		if wrong := CheckName(NameOf(words)); wrong != "" {
			t.Errorf("the name %q of %q %s", NameOf(words), words, wrong)
		}
	})
}
