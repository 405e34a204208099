package patch

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

// full is a patch with an element in every list, so that walking it meets every parameter.
func full() Patch {
	p := Default()
	p.Layers[0].Mods = []Mod{DefaultMod()}
	return p
}

func TestTableAndStructsAgree(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	var order []string
	walk(reflect.ValueOf(full()), shape(), nil, func(at *place, n *node, _ reflect.Value) {
		path := join(at.String(), n.name)
		seen[starred(path)] = true
		order = append(order, starred(path))
	})
	for i, row := range Table() {
		if !seen[row.Path] {
			t.Errorf("row %s has no field", row.Path)
		}
		if i < len(order) && order[i] != row.Path {
			t.Fatalf("row %d is %s, the field there %s: the order is the canonical one", i, row.Path, order[i])
		}
		if row.Doc == "" {
			t.Errorf("row %s has no doc", row.Path)
		}
		if row.Kind == Enum {
			continue
		}
		if row.Default < row.Min || row.Default > row.Max || row.Min >= row.Max && row.Path != "version" {
			t.Errorf("row %s: default %v outside of %v..%v", row.Path, row.Default, row.Min, row.Max)
		}
		if row.Scale == Log && row.Min <= 0 {
			t.Errorf("row %s: a log scale needs a range above 0", row.Path)
		}
	}
	if len(order) != len(Table()) {
		t.Errorf("%d fields, %d rows", len(order), len(Table()))
	}
}

func TestDefaultIsValid(t *testing.T) {
	t.Parallel()
	if err := full().Validate(); err != nil {
		t.Fatal(err)
	}
	if got, want := string(Default().Canonical()), `{"version":1,"seed":0,"layers":[{}]}`; got != want {
		t.Errorf("canonical default is %s, want %s", got, want)
	}
}

func TestCanonicalRoundTrip(t *testing.T) {
	t.Parallel()
	p := full()
	p.Seed = math.MaxUint32
	p.Layers = append(p.Layers, DefaultLayer())
	p.Layers[1].Filter = Filter{Type: "lowpass", Slope: 24, Cutoff: 420.5, Resonance: 3, EnvAmount: -1200, KeyTrack: 0.25}
	p.Layers[0].Mods[0].Amount = 1e-7
	p.Output.Duration = 2
	c := p.Canonical()
	q, err := Decode(c)
	if err != nil {
		t.Fatalf("%s: %v", c, err)
	}
	if !reflect.DeepEqual(p, q) {
		t.Errorf("\n%+v\n%+v", p, q)
	}
	long, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Decode(long)
	if err != nil || !bytes.Equal(r.Canonical(), c) {
		t.Errorf("through encoding/json: %v", err)
	}
}

func TestDecodeNamesEveryFault(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		in     string
		fields []string
		words  string
	}{
		"broken":        {`{"seed":`, []string{""}, "broken at byte"},
		"empty":         {``, []string{""}, "broken"},
		"not an object": {`7`, []string{""}, "must be an object"},
		"trailing":      {`{} {}`, []string{""}, "more after the end"},
		"utf-8":         {"{\"\xff\":1}", []string{""}, "UTF-8"},
		"deep":          {strings.Repeat("[", 100), []string{""}, "nested"},
		"unknown":       {`{"colour":1,"layers":[{"filter":{"freq":3}}]}`, []string{"colour", "layers.0.filter.freq"}, "is not a field"},
		"twice":         {`{"layers":[{"pan":0,"pan":1}]}`, []string{"layers.0.pan"}, "twice"},
		"types":         {`{"seed":"x","layers":[{"source":4,"pan":null,"mods":{}}],"bus":[]}`, []string{"seed", "layers.0.source", "layers.0.pan", "layers.0.mods", "bus"}, "must be"},
		"ranges":        {`{"seed":-1,"layers":[{"filter":{"cutoff":30000},"pan":1e999}],"output":{"sample_rate":48001}}`, []string{"seed", "layers.0.filter.cutoff", "layers.0.pan", "output.sample_rate"}, "20 to 20000 Hz, not 30000"},
		"whole":         {`{"layers":[{"synth":{"osc1":{"unison":1.5}}}]}`, []string{"layers.0.synth.osc1.unison"}, "whole number"},
		"no layer":      {`{"layers":[]}`, []string{"layers"}, "1 to 4"},
		"five layers":   {`{"layers":[{},{},{},{},{}]}`, []string{"layers"}, "at most 4"},
		"short":         {`{"output":{"duration":0.01}}`, []string{"output.duration"}, "0.05 to 30 s"},
		"amount":        {`{"layers":[{"mods":[{"target":"pan","amount":3}]}]}`, []string{"layers.0.mods.0.amount"}, "-2 to 2"},
		"version":       {`{"version":2}`, []string{"version"}, "1 to 1"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Decode([]byte(c.in))
			var bad *ValidationError
			if !errors.As(err, &bad) {
				t.Fatalf("got %v", err)
			}
			var fields []string
			for _, f := range bad.Fields {
				fields = append(fields, f.Field)
			}
			if !reflect.DeepEqual(fields, c.fields) || !strings.Contains(err.Error(), c.words) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	p := full()
	for path, value := range map[string]string{"layers.0.filter.cutoff": "800", "layers.0.filter.type": `"lowpass"`, "seed": "7", "layers.0.mods.0.amount": "-3"} {
		if err := p.Set(path, json.RawMessage(value)); err != nil {
			t.Error(err)
		}
	}
	if p.Layers[0].Filter.Cutoff != 800 || p.Layers[0].Filter.Type != "lowpass" || p.Seed != 7 || p.Layers[0].Mods[0].Amount != -3 {
		t.Errorf("%+v", p)
	}
	for path, value := range map[string]string{"layers.1.pan": "0", "layers.0": "{}", "layers": "[]", "nope": "1", "layers.00.pan": "0", "": "1", "seed": "1 2", "layers.0.pan": "2", "bus.reverb.mix": `"x"`} {
		before := p.Canonical()
		var bad *ValidationError
		if err := p.Set(path, json.RawMessage(value)); !errors.As(err, &bad) || bad.Fields[0].Field != path {
			t.Errorf("%q = %s: got %v", path, value, err)
		}
		if !bytes.Equal(before, p.Canonical()) {
			t.Errorf("%q = %s changed the patch", path, value)
		}
	}
}

func TestCostGrows(t *testing.T) {
	t.Parallel()
	p := Default()
	p.Output.Duration = 1
	base := p.Cost()
	grow := map[string]func(*Patch){
		"longer": func(p *Patch) { p.Output.Duration = 2 },
		"faster": func(p *Patch) { p.Output.SampleRate = 96000 },
		"voices": func(p *Patch) { p.Layers[0].Synth.Osc1.Unison = 16 },
		"layers": func(p *Patch) { p.Layers = append(p.Layers, DefaultLayer()) },
		"reverb": func(p *Patch) { p.Bus.Reverb.Mix = 0.5 },
	}
	for name, f := range grow {
		q := p
		q.Layers = append([]Layer(nil), p.Layers...)
		f(&q)
		if q.Cost() <= base {
			t.Errorf("%s: %d is not above %d", name, q.Cost(), base)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"layers":[{"filter":{"cutoff":1e3},"mods":[{}]}],"output":{"duration":2}}`))
	f.Add([]byte(`{"seed":4294967295,"layers":[{"pan":-0}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Decode(data)
		if err != nil {
			return
		}
		if err := p.Validate(); err != nil {
			t.Fatalf("decoded but not valid: %v", err)
		}
		c := p.Canonical()
		q, err := Decode(c)
		if err != nil || !bytes.Equal(q.Canonical(), c) {
			t.Fatalf("canonical form %s does not give itself back: %v", c, err)
		}
		if p.Cost() < 1 || p.Frames() < 1 {
			t.Fatalf("cost %d, frames %d", p.Cost(), p.Frames())
		}
	})
}
