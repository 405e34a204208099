package engine_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"patchlab/engine"
	"patchlab/engine/patch"
)

// mostFuzzed is the cost in microseconds above which a fuzzed patch is shortened,
// so that the fuzzer sees many patches.
const mostFuzzed = 300_000

// FuzzRender renders whatever decodes: no panic, no sample that is not a number or
// beyond full scale, no length but that of the patch.
func FuzzRender(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := patch.Decode(data)
		if err != nil {
			return
		}
		if p.Cost() > mostFuzzed {
			p.Output.Duration = patch.MinDuration
			if p.Cost() > mostFuzzed {
				return
			}
		}
		var next int64
		a, err := engine.Render(context.Background(), p, engine.Options{OnBlock: func(b engine.Block) {
			if b.Offset != next {
				t.Fatalf("a block at %d, want %d", b.Offset, next)
			}
			next += int64(len(b.Samples) / p.Output.Channels)
		}})
		if err != nil {
			t.Fatal(err)
		}
		if next != p.Frames() || a.Frames() > p.Frames() || p.Output.Duration > 0 && a.Frames() != p.Frames() {
			t.Fatalf("%d frames in blocks, %d in all, %d expected", next, a.Frames(), p.Frames())
		}
		for i, x := range a.Samples {
			if !(math.Abs(float64(x)) <= 1) { // NaN too
				t.Fatalf("sample %d is %g", i, x)
			}
		}
		for c := range a.Channels {
			if first, last := a.Samples[c], a.Samples[len(a.Samples)-1-c]; first != 0 || math.Abs(float64(last)) > 1e-3 {
				t.Fatalf("starts at %g, ends at %g", first, last)
			}
		}
	})
}

// TestFuzzedCostIsEnough keeps the fuzzer from leaving all of the corpus out.
func TestFuzzedCostIsEnough(t *testing.T) {
	t.Parallel()
	for name, p := range corpus(t) {
		p.Output.Duration = patch.MinDuration
		if p.Cost() > mostFuzzed {
			t.Errorf("%s costs %d µs at its shortest", name, p.Cost())
		}
	}
	if _, err := engine.Render(context.Background(), costly(), engine.Options{}); err != nil {
		var costs *engine.TooCostlyError
		if !errors.As(err, &costs) {
			t.Error(err)
		}
	}
}
