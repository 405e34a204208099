package engine_test

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
		wellFormed(t, p)
	})
}

// wellFormed renders a patch and holds it to what every sound must be.
func wellFormed(t *testing.T, p patch.Patch) {
	t.Helper()
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
	if next != p.Rendered() || a.Frames() > p.Frames() || p.Output.Duration > 0 && a.Frames() != p.Frames() {
		t.Fatalf("%d frames in blocks, %d in all, %d expected", next, a.Frames(), p.Frames())
	}
	for i, x := range a.Samples {
		if !(math.Abs(float64(x)) <= 1) { // NaN too
			t.Fatalf("sample %d is %g", i, x)
		}
	}
	for c := range a.Channels {
		if p.Output.Loop == "on" {
			break
		}
		if first, last := a.Samples[c], a.Samples[len(a.Samples)-1-c]; first != 0 || math.Abs(float64(last)) > 1e-3 {
			t.Fatalf("starts at %g, ends at %g", first, last)
		}
	}
}

// FuzzSettings renders patches drawn from the parameter table, of which every
// parameter is its least, its most, its default or anything between: what bytes
// that are changed at random hardly ever become.
func FuzzSettings(f *testing.F) {
	for seed := range uint64(60) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		p := drawn(t, rand.New(rand.NewPCG(seed, 0)))
		p.Output.Duration = patch.MinDuration
		if seed%4 == 0 {
			p.Output.Duration = 0.31
		}
		if p.Cost() > mostFuzzed {
			return
		}
		wellFormed(t, p)
	})
}

// drawn returns a patch with settings at random.
func drawn(t *testing.T, r *rand.Rand) patch.Patch {
	t.Helper()
	p := patch.Default()
	for range r.IntN(patch.MaxLayers) {
		p.Layers = append(p.Layers, patch.DefaultLayer())
	}
	for i := range p.Layers {
		for range r.IntN(6) {
			p.Layers[i].Mods = append(p.Layers[i].Mods, patch.DefaultMod())
		}
	}
	for _, row := range patch.Table() {
		before, after, many := strings.Cut(row.Path, "*")
		for i := range p.Layers {
			path := row.Path
			if many {
				path = before + strconv.Itoa(i) + after
			}
			head, rest, mods := strings.Cut(path, "*")
			for j := range p.Layers[i].Mods {
				if mods {
					path = head + strconv.Itoa(j) + rest
				}
				set(t, &p, row, path, r)
			}
			if !mods {
				set(t, &p, row, path, r)
			}
		}
	}
	for i := range p.Layers {
		for j := range p.Layers[i].Mods {
			m := &p.Layers[i].Mods[j]
			for _, target := range patch.Targets() {
				if target.Name == m.Target {
					m.Amount = []float64{target.Min, target.Max, target.Max * (2*r.Float64() - 1)}[r.IntN(3)]
				}
			}
		}
	}
	return p
}

func set(t *testing.T, p *patch.Patch, row patch.Param, path string, r *rand.Rand) {
	t.Helper()
	var value any
	switch {
	case r.IntN(3) == 0:
		return
	case row.Kind == patch.Enum:
		value = row.Values[r.IntN(len(row.Values))]
	case row.Allowed != nil:
		value = row.Allowed[r.IntN(len(row.Allowed))]
	default:
		x := []float64{row.Min, row.Max, row.Min + (row.Max-row.Min)*r.Float64()}[r.IntN(3)]
		if row.Kind == patch.Int {
			x = math.Floor(x)
		}
		value = x
	}
	if err := p.Set(path, value); err != nil {
		t.Fatal(err)
	}
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
}
