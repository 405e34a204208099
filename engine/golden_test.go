package engine_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"patchlab/engine"
	"patchlab/engine/patch"
)

// goldenFile holds the hashes of the patches beside it.
const goldenFile = "golden.json"

var update = flag.Bool("update", false, "write the golden hashes and the generated parts of docs/engine.md")

// golden is what golden.json holds: which engine gave which hash.
type golden struct {
	Version string            `json:"version"`
	Hashes  map[string]string `json:"hashes"`
}

// hash is the SHA-256 of a sound's float32 samples, little-endian. The float
// samples, not the PCM: rounding to 24 bits would hide where machines differ.
func hash(a engine.Audio) string {
	b := make([]byte, 0, 4*len(a.Samples))
	for _, x := range a.Samples {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func render(t testing.TB, p patch.Patch) engine.Audio {
	t.Helper()
	a, err := engine.Render(context.Background(), p, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// part returns a part of the corpus, for machines that are emulated: every fifth patch and
// those that use much at once.
func part(patches map[string]patch.Patch) map[string]patch.Patch {
	some := make(map[string]patch.Patch)
	for i, name := range slices.Sorted(maps.Keys(patches)) {
		if i%5 == 0 || strings.HasPrefix(name, "everything") {
			some[name] = patches[name]
		}
	}
	return some
}

// TestGolden renders the corpus, or with PATCHLAB_CORPUS=part a part of it, and compares
// with the hashes of this version of the engine. engine/gates runs it on other
// processors and as other builds.
func TestGolden(t *testing.T) {
	t.Parallel()
	patches := corpus(t)
	whole := os.Getenv("PATCHLAB_CORPUS") != "part"
	if !whole {
		patches = part(patches)
	}
	path := filepath.Join("testdata", goldenFile)
	got := golden{Version: engine.Version, Hashes: make(map[string]string)}
	for name, p := range patches {
		got.Hashes[name] = hash(render(t, p))
	}
	if *update {
		data, err := json.MarshalIndent(got, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(data, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want golden
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	if want.Version != engine.Version {
		t.Fatalf("%s is of engine %s, this is %s: run go test ./engine -run TestGolden -update", path, want.Version, engine.Version)
	}
	for name := range want.Hashes {
		if _, ok := got.Hashes[name]; !ok && whole {
			t.Errorf("%s: the patch is gone", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got.Hashes)) {
		if got.Hashes[name] != want.Hashes[name] {
			t.Errorf("%s: %.12s…, want %.12s…. A recipe of engine %s would no longer give its file: if the change of sound is meant, raise engine.Version and run with -update", name, got.Hashes[name], want.Hashes[name], engine.Version)
		}
	}
}

// TestOrderDoesNotMatter renders part of the corpus in one goroutine and, shuffled,
// in four, among which patches of different size interleave.
func TestOrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	patches := corpus(t)
	names := slices.Sorted(maps.Keys(patches))
	want := make(map[string]string)
	for _, name := range names {
		want[name] = hash(render(t, patches[name]))
	}
	shuffle := rand.New(rand.NewPCG(1, 2))
	shuffle.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	work := make(chan string)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for name := range work {
				a, err := engine.Render(context.Background(), patches[name], engine.Options{})
				if err != nil || hash(a) != want[name] {
					t.Errorf("%s differs beside others: %v", name, err)
				}
			}
		})
	}
	for _, name := range names {
		work <- name
	}
	close(work)
	wg.Wait()
}
