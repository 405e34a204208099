package vary

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"patchlab/engine/patch"
)

// corpus reads the patches that the engine is tested with, by name.
func corpus(t testing.TB) map[string]patch.Patch {
	t.Helper()
	files, err := filepath.Glob("../testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	patches := make(map[string]patch.Patch)
	for _, file := range files {
		if filepath.Base(file) == "golden.json" {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := patch.Decode(data)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		patches[strings.TrimSuffix(filepath.Base(file), ".json")] = p
	}
	if len(patches) < 20 {
		t.Fatalf("a corpus of %d patches", len(patches))
	}
	return patches
}

// options returns those of a relative without locks.
func options(seed uint32, distance float64) Options {
	return Options{Seed: seed, Distance: distance, MaxCost: patch.MaxCost}
}

// values returns what a patch holds, by path.
func values(p patch.Patch) map[string]any {
	all := make(map[string]any)
	for _, f := range p.Fields() {
		if f.Row.Kind == patch.Enum {
			all[f.Path] = f.Choice()
		} else {
			all[f.Path] = f.Number()
		}
	}
	return all
}

// holds checks what is true of every relative.
func holds(t *testing.T, p patch.Patch, o Options) (patch.Patch, []Change) {
	t.Helper()
	before := p.Canonical()
	q, changes := Patch(p, o)
	if !bytes.Equal(p.Canonical(), before) {
		t.Fatal("the patch itself was changed")
	}
	if err := q.Validate(); err != nil {
		t.Fatalf("%+v: %v", o, err)
	}
	if c := q.Cost(); c > max(o.MaxCost, p.Cost()) {
		t.Fatalf("%+v: costs %d", o, c)
	}
	again, told := Patch(p, o)
	if !reflect.DeepEqual(q, again) || !reflect.DeepEqual(changes, told) {
		t.Fatalf("%+v: another one the second time", o)
	}
	was, is := values(p), values(q)
	for _, c := range changes {
		if was[c.Path] != c.From || is[c.Path] != c.To || c.From == c.To {
			t.Fatalf("%+v: told %+v, was %v, is %v", o, c, was[c.Path], is[c.Path])
		}
		is[c.Path] = c.From
	}
	if is["seed"] != float64(o.Seed) && !locked(o.Locked, "seed") {
		t.Fatalf("seed %v, want %d", is["seed"], o.Seed)
	}
	is["seed"] = was["seed"]
	if !reflect.DeepEqual(was, is) {
		t.Fatalf("%+v: something moved that was not told", o)
	}
	for path, value := range values(q) {
		if (locked(o.Locked, path) || strings.HasPrefix(path, "output.")) && value != was[path] {
			t.Fatalf("%+v: %s was %v, is %v", o, path, was[path], value)
		}
	}
	return q, changes
}

func TestRelatives(t *testing.T) {
	t.Parallel()
	for name, p := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, distance := range []float64{0, 0.005, 0.1, 0.3, 0.6, 1} {
				for seed := range uint32(4) {
					q, changes := holds(t, p, options(seed, distance))
					if distance < nearest && len(changes) > 0 {
						t.Fatalf("distance %g moves %v", distance, changes)
					}
					if distance >= daring {
						continue
					}
					for i := range p.Layers {
						if a, b := p.Layers[i].Synth, q.Layers[i].Synth; a.Osc1.Wave != b.Osc1.Wave || a.Osc2.Wave != b.Osc2.Wave || p.Layers[i].Filter.Type != q.Layers[i].Filter.Type {
							t.Fatalf("distance %g changes a wave or a filter: %v", distance, changes)
						}
					}
					for _, c := range changes {
						from, ok := c.From.(float64)
						row, _ := patch.Lookup(c.Path)
						if ok && off(&row, from) {
							t.Fatalf("distance %g switches on: %+v", distance, c)
						}
						if to, ok := c.To.(float64); ok && from*to < 0 && !strings.HasSuffix(c.Path, "level") && !strings.HasSuffix(c.Path, "tune") {
							t.Fatalf("distance %g turns about: %+v", distance, c)
						}
						if to, ok := c.To.(float64); ok && off(&row, to) {
							t.Fatalf("distance %g switches off: %+v", distance, c)
						}
					}
				}
			}
		})
	}
}

// TestOthersDoNotCareForALock locks one parameter after another: the others move as
// they did without.
func TestOthersDoNotCareForALock(t *testing.T) {
	t.Parallel()
	patches := corpus(t)
	for _, name := range []string{"everything", "everything-else", "kick", "supersaw", "dub-delay"} {
		p := patches[name]
		free, changes := holds(t, p, options(5, 0.8))
		for _, c := range changes {
			if strings.HasSuffix(c.Path, ".pitch") || strings.HasSuffix(c.Path, ".cutoff") {
				continue // which move together
			}
			o := options(5, 0.8)
			o.Locked = []string{c.Path}
			q, _ := holds(t, p, o)
			want := values(free)
			want[c.Path] = c.From
			if !reflect.DeepEqual(values(q), want) && q.Cost() == free.Cost() {
				t.Errorf("%s: locking %s moves something else", name, c.Path)
			}
		}
	}
}

func TestLocks(t *testing.T) {
	t.Parallel()
	p := corpus(t)["everything"]
	for _, locks := range [][]string{
		{"layers"},
		{"layers.0"},
		{"layers.0.synth.osc1"},
		{"layers.0.pitch"},
		{"bus"},
		{"bus.reverb.mix"},
		{"seed"},
		{"output"},
		{"layers", "bus", "seed"},
		{"layers.0.filter", "bus.delay"},
	} {
		for seed := range uint32(20) {
			o := options(seed, 1)
			o.Locked = locks
			q, changes := holds(t, p, o)
			if len(locks) == 3 && (len(changes) > 0 || !reflect.DeepEqual(p, q)) {
				t.Fatalf("all is locked, and %v moved", changes)
			}
			if slices.Contains(locks, "layers.0.pitch") {
				for i := range q.Layers {
					if q.Layers[i].Pitch != p.Layers[i].Pitch {
						t.Fatal("a layer left the one whose pitch is locked")
					}
				}
			}
		}
	}
	if !locked([]string{"bus.reverb"}, "bus.reverb.mix") || locked([]string{"layers.0.filter"}, "layers.0.filter_env.attack") {
		t.Error("a lock is a whole name")
	}
}

// moved returns how far a relative is: the mean over all parameters that are heard of
// what each covers of its range, on its own scale.
func moved(p, q patch.Patch) float64 {
	sum, n := 0.0, 0
	to := q.Fields()
	for i, f := range p.Fields() {
		if !movable(f.Row.Path) || !sounds(&p, f) {
			continue
		}
		n++
		if f.Row.Kind == patch.Enum {
			if f.Choice() != to[i].Choice() {
				sum++
			}
			continue
		}
		s := scale(f.Row.Scale)
		sum += math.Abs(s.place(f.Number())-s.place(to[i].Number())) / (s.place(f.Row.Max) - s.place(f.Row.Min))
	}
	return sum / float64(max(1, n))
}

func TestFartherOnTheWhole(t *testing.T) {
	t.Parallel()
	patches := corpus(t)
	last := -1.0
	for _, distance := range []float64{0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1} {
		mean := 0.0
		for _, p := range patches {
			for seed := range uint32(6) {
				q, _ := Patch(p, options(seed, distance))
				mean += moved(p, q) / float64(6*len(patches))
			}
		}
		t.Logf("distance %.1f moves by %.4f of the range", distance, mean)
		if mean <= last {
			t.Errorf("distance %g moves by %g, no farther than the one before", distance, mean)
		}
		last = mean
	}
	if last < 0.05 {
		t.Errorf("distance 1 moves by %g only", last)
	}
}

func TestSeedsDiffer(t *testing.T) {
	t.Parallel()
	for name, p := range corpus(t) {
		if name == "silent" || name == "sine-off" {
			continue
		}
		seen := make(map[string]bool)
		for seed := range uint32(8) {
			q, _ := Patch(p, options(seed, 0.3))
			q.Seed = 0
			seen[string(q.Canonical())] = true
		}
		if len(seen) < 7 {
			t.Errorf("%s: 8 seeds give %d relatives", name, len(seen))
		}
	}
}

// TestStaysInTune: layers keep their intervals, which move by whole semitones and little
// beside.
func TestStaysInTune(t *testing.T) {
	t.Parallel()
	p := patch.Default()
	p.Layers = append(p.Layers, patch.DefaultLayer(), patch.DefaultLayer())
	p.Layers[1].Pitch, p.Layers[2].Pitch = p.Layers[0].Pitch*2, p.Layers[0].Pitch*1.5
	p.Layers[2].Filter.Type, p.Layers[2].Filter.Cutoff = "comb", 440
	farthest := 0.0
	for _, distance := range []float64{0.05, 0.1, 0.3, 1} {
		for seed := range uint32(100) {
			q, _ := holds(t, p, options(seed, distance))
			cents := 1200 * math.Log2(q.Layers[0].Pitch/p.Layers[0].Pitch)
			for i, to := range []float64{q.Layers[1].Pitch / 2, q.Layers[2].Pitch / 1.5} {
				if off := 1200 * math.Log2(to/q.Layers[0].Pitch); math.Abs(off) > 0.1 {
					t.Fatalf("layer %d is off by %g cents", i+1, off)
				}
			}
			if q.Layers[2].Filter.Type == "comb" {
				if off := 1200*math.Log2(q.Layers[2].Filter.Cutoff/440) - cents; math.Abs(off) > 0.1 {
					t.Fatalf("the comb is off by %g cents", off)
				}
			}
			beside := cents - 100*math.Round(cents/100)
			if math.Abs(beside) > 20*distance+0.1 || math.Abs(cents) > 1220 || distance < tuned && math.Abs(cents) > 20*distance+0.1 {
				t.Fatalf("distance %g moves by %g cents", distance, cents)
			}
			farthest = max(farthest, math.Abs(cents))
		}
	}
	if farthest < 900 {
		t.Errorf("distance 1 goes %g cents at most", farthest)
	}
}

func TestHarmonicRatiosStaySo(t *testing.T) {
	t.Parallel()
	p := patch.Default()
	p.Layers[0].Synth.Osc1.Wave, p.Layers[0].Synth.Osc1.FMRatio = "fm", 2
	other := false
	for seed := range uint32(200) {
		q, _ := holds(t, p, options(seed, 0.4))
		ratio := q.Layers[0].Synth.Osc1.FMRatio
		if 2*ratio != math.Trunc(2*ratio) {
			t.Fatalf("a ratio of %g", ratio)
		}
		other = other || ratio != 2
	}
	if !other {
		t.Error("the ratio never moves")
	}
}

// TestTooCostlyIsDrawnCloser bounds the cost to just above the patch's own.
func TestTooCostlyIsDrawnCloser(t *testing.T) {
	t.Parallel()
	p := corpus(t)["supersaw"]
	p.Output.Duration = 0
	closerThan, same := 0, 0
	for seed := range uint32(100) {
		o := options(seed, 1)
		free, _ := Patch(p, o)
		o.MaxCost = p.Cost() + p.Cost()/20
		_, changes := holds(t, p, o)
		if free.Cost() > o.MaxCost {
			closerThan++
			if len(changes) == 0 {
				same++
			}
		}
	}
	if closerThan < 10 || same > closerThan/2 {
		t.Errorf("%d were drawn closer, %d of them all the way", closerThan, same)
	}
	o := options(1, 1)
	o.MaxCost = 1
	if q, changes := holds(t, p, o); len(changes) > 0 || q.Seed != 1 {
		t.Errorf("a patch that costs too much itself moves: %v", changes)
	}
}

var update = flag.Bool("update", false, "write testdata/golden.json anew")

// TestGolden holds a few relatives, so that a change of the algorithm is a decision.
func TestGolden(t *testing.T) {
	t.Parallel()
	patches := corpus(t)
	got := make(map[string]json.RawMessage)
	for _, name := range []string{"kick", "supersaw", "fm-bell", "delay-layers"} {
		for _, distance := range []float64{0.1, 0.3, 1} {
			q, _ := Patch(patches[name], options(7, distance))
			got[fmt.Sprintf("%s seed 7 distance %g", name, distance)] = q.Canonical()
		}
	}
	data, err := json.MarshalIndent(got, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	data = append(data, '\n')
	const file = "testdata/golden.json"
	if *update {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, want) {
		t.Errorf("the relatives are others than in %s; where that is meant, run go test ./engine/vary -run TestGolden -update\n%s", file, data)
	}
}

// FuzzVary varies whatever decodes.
func FuzzVary(f *testing.F) {
	for _, p := range corpus(f) {
		f.Add(p.Canonical(), uint32(7), 0.3, "layers.0.filter")
	}
	f.Add([]byte(`{}`), uint32(0), math.NaN(), "")
	f.Add([]byte(`{}`), uint32(0), math.Inf(1), ".")
	f.Fuzz(func(t *testing.T, data []byte, seed uint32, distance float64, lock string) {
		p, err := patch.Decode(data)
		if err != nil {
			return
		}
		o := options(seed, distance)
		if p.Has(lock) {
			o.Locked = []string{lock}
		}
		q, _ := holds(t, p, o)
		o.Distance /= 2
		holds(t, q, o)
	})
}
