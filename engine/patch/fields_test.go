package patch

import (
	"reflect"
	"testing"
)

func TestFieldsAreTheTable(t *testing.T) {
	t.Parallel()
	p := full()
	fields := p.Fields()
	if len(fields) != len(Table()) {
		t.Fatalf("%d fields, %d rows", len(fields), len(Table()))
	}
	for i, row := range Table() {
		f := fields[i]
		if starred(f.Path) != row.Path || !reflect.DeepEqual(*f.Row, row) {
			t.Fatalf("field %d is %s, the row %s", i, f.Path, row.Path)
		}
		switch row.Kind {
		case Enum:
			if f.Choice() != row.DefaultEnum {
				t.Errorf("%s is %q", f.Path, f.Choice())
			}
			f.SetChoice(row.Values[len(row.Values)-1])
		default:
			if f.Number() != row.Default {
				t.Errorf("%s is %g", f.Path, f.Number())
			}
			f.SetNumber(row.Max)
		}
	}
	if p.Layers[0].Filter.Cutoff != 20000 || p.Layers[0].Filter.Type != "formant" || p.Output.Channels != 2 {
		t.Errorf("setting a field leaves the patch as it was: %+v", p)
	}
}

func TestCloneSharesNothing(t *testing.T) {
	t.Parallel()
	p := full()
	q := p.Clone()
	q.Layers[0].Pitch, q.Layers[0].Mods[0].Amount = 100, 5
	if p.Layers[0].Pitch == 100 || p.Layers[0].Mods[0].Amount == 5 {
		t.Error("a change of the copy reached the patch")
	}
}

func TestHas(t *testing.T) {
	t.Parallel()
	p := full()
	for path, want := range map[string]bool{
		"seed": true, "tempo": true, "layers": true, "layers.0": true, "layers.0.filter": true, "layers.0.filter.cutoff": true,
		"layers.0.mods.0.amount": true, "layers.0.synth.osc1": true, "bus": true, "bus.reverb.mix": true, "output": true,
		"": false, ".": false, "layers.": false, "layers.1": false, "layers.-1": false, "layers.00": false, "layers.*": false, "layers.x.filter": false,
		"layers.0.mods.1": false, "layers.0.filter.cutoff.x": false, "layers.0.filter.Cutoff": false, "bus.reverb.mix.": false, "colour": false,
	} {
		if got := p.Has(path); got != want {
			t.Errorf("%q: %v", path, got)
		}
	}
}
