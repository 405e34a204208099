package patch

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// FieldError names one wrong parameter and how to mend it.
type FieldError struct {
	Field   string // "layers.0.filter.cutoff"
	Message string // what is wrong, with the range and the unit
}

// ValidationError lists everything that is wrong with a patch.
type ValidationError struct {
	Fields []FieldError
}

// Error implements error.
func (e *ValidationError) Error() string {
	parts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		if f.Field == "" {
			parts[i] = f.Message
		} else {
			parts[i] = f.Field + ": " + f.Message
		}
	}
	return "patch: " + strings.Join(parts, "; ")
}

// faults gathers what is wrong.
type faults []FieldError

func (f *faults) add(field, format string, args ...any) {
	*f = append(*f, FieldError{Field: field, Message: fmt.Sprintf(format, args...)})
}

func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return &ValidationError{Fields: f}
}

// rows indexes the table by path. It is made once and only read.
//
//nolint:gochecknoglobals // a constant that Go cannot write as one
var rows = sync.OnceValue(func() map[string]Param {
	m := make(map[string]Param)
	for _, p := range Table() {
		m[p.Path] = p
	}
	return m
})

// Lookup returns the row of a path such as "layers.0.filter.cutoff" or
// "layers.*.filter.cutoff".
func Lookup(path string) (Param, bool) {
	p, ok := rows()[starred(path)]
	return p, ok
}

// starred puts * for every index in a path.
func starred(path string) string {
	parts := strings.Split(path, ".")
	for i, s := range parts {
		if _, err := strconv.Atoi(s); err == nil {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, ".")
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// jsonName returns the name of a field in JSON.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// node is a parameter, or an object or a list of them, as the types have it: what
// there is to know about a path, found once.
type node struct {
	name   string // in JSON
	row    *Param // of a parameter; nil where the table lacks it
	fields []node // of an object, in the order of its struct
	each   *node  // of a list
}

// shape is the node of a whole patch. It is made once and only read.
//
//nolint:gochecknoglobals // a constant that Go cannot write as one
var shape = sync.OnceValue(func() *node { return nodeOf(reflect.TypeFor[Patch](), "", "") })

func nodeOf(t reflect.Type, path, name string) *node {
	n := &node{name: name}
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			f := jsonName(t.Field(i))
			n.fields = append(n.fields, *nodeOf(t.Field(i).Type, join(path, f), f))
		}
	case reflect.Slice:
		n.each = nodeOf(t.Elem(), join(path, "*"), "")
	default:
		if row, ok := rows()[path]; ok {
			n.row = &row
		}
	}
	return n
}

// field returns the index of a field, −1 if there is none of that name.
func (n *node) field(name string) int {
	return slices.IndexFunc(n.fields, func(f node) bool { return f.name == name })
}

// place is where a value stands in a patch, spelt out only when it has to be told.
type place struct {
	up    *place
	name  string
	index int // in a list, where name is empty
}

func (p *place) String() string {
	if p == nil {
		return ""
	}
	name := p.name
	if name == "" {
		name = strconv.Itoa(p.index)
	}
	return join(p.up.String(), name)
}

// walk calls f for every parameter in the value, in the order of the table. at is where
// the object stands that holds it.
func walk(v reflect.Value, n *node, at *place, f func(at *place, n *node, v reflect.Value)) {
	switch {
	case n.each != nil:
		for i := range v.Len() {
			walk(v.Index(i), n.each, &place{up: at, index: i}, f)
		}
	default:
		for i := range n.fields {
			child := &n.fields[i]
			if child.fields == nil && child.each == nil {
				f(at, child, v.Field(i))
			} else {
				walk(v.Field(i), child, &place{up: at, name: child.name}, f)
			}
		}
	}
}

// number returns the value of a numeric parameter.
func number(v reflect.Value) float64 {
	switch v.Kind() {
	case reflect.Float64:
		return v.Float()
	case reflect.Int:
		return float64(v.Int())
	default:
		return float64(v.Uint())
	}
}

func setNumber(v reflect.Value, x float64) {
	switch v.Kind() {
	case reflect.Float64:
		if x == 0 {
			x = 0 // a negative zero is the same value in other letters
		}
		v.SetFloat(x)
	case reflect.Int:
		v.SetInt(int64(x))
	default:
		v.SetUint(uint64(x))
	}
}

// setDefaults sets every parameter in the value to its default.
func setDefaults(v reflect.Value, n *node) {
	walk(v, n, nil, func(_ *place, n *node, v reflect.Value) {
		if n.row.Kind == Enum {
			v.SetString(n.row.DefaultEnum)
		} else {
			setNumber(v, n.row.Default)
		}
	})
}

// layerShape returns the node of a layer, modShape that of a route.
func layerShape() *node { return shape().fields[shape().field("layers")].each }

func modShape() *node {
	layer := layerShape()
	return layer.fields[layer.field("mods")].each
}

// Default returns the patch of which every parameter has its default: one layer,
// one saw.
func Default() Patch {
	p := Patch{Layers: []Layer{DefaultLayer()}}
	layers := p.Layers
	p.Layers = nil
	setDefaults(reflect.ValueOf(&p).Elem(), shape())
	p.Layers = layers
	return p
}

// DefaultLayer returns a layer of which every parameter has its default.
func DefaultLayer() Layer {
	var l Layer
	setDefaults(reflect.ValueOf(&l).Elem(), layerShape())
	return l
}

// DefaultMod returns a route of which every parameter has its default.
func DefaultMod() Mod {
	var m Mod
	setDefaults(reflect.ValueOf(&m).Elem(), modShape())
	return m
}

// Validate checks every parameter against the table and returns nil or a
// *ValidationError with everything that is wrong.
func (p Patch) Validate() error {
	var bad faults
	if n := len(p.Layers); n < 1 || n > MaxLayers {
		bad.add("layers", "a patch has 1 to %d layers, this one has %d", MaxLayers, n)
		return bad.err()
	}
	for i, l := range p.Layers {
		if len(l.Mods) > MaxMods {
			bad.add(fmt.Sprintf("layers.%d.mods", i), "a layer has at most %d modulation routes, this one has %d", MaxMods, len(l.Mods))
			return bad.err()
		}
	}
	walk(reflect.ValueOf(&p).Elem(), shape(), nil, func(at *place, n *node, v reflect.Value) {
		switch {
		case n.row == nil:
			bad.add(join(at.String(), n.name), "is not in the parameter table")
		case n.row.Kind == Enum:
			if !slices.Contains(n.row.Values, v.String()) {
				n.row.checkEnum(&bad, join(at.String(), n.name), v.String())
			}
		case !n.row.fits(number(v)):
			n.row.checkNumber(&bad, join(at.String(), n.name), number(v))
		}
	})
	for i, l := range p.Layers {
		for j, m := range l.Mods {
			m.check(&bad, fmt.Sprintf("layers.%d.mods.%d", i, j))
		}
	}
	if d := p.Output.Duration; d > 0 && d < MinDuration {
		bad.add("output.duration", "must be 0 (as long as the sound) or %s to %s s, not %s", text(MinDuration), text(MaxDuration), text(d))
	}
	if p.Output.Loop == "on" && p.Output.Duration == 0 {
		bad.add("output.duration", "must be %s to %s s for a loop, not 0", text(MinDuration), text(MaxDuration))
	}
	return bad.err()
}

// checkEnum notes a value that is none, and reports whether it is one.
func (row *Param) checkEnum(bad *faults, path, s string) bool {
	if slices.Contains(row.Values, s) {
		return true
	}
	bad.add(path, "must be one of %s, not %.40q", strings.Join(row.Values, ", "), s)
	return false
}

// fits reports whether a number is in order.
func (row *Param) fits(x float64) bool {
	return x >= row.Min && x <= row.Max && (row.Kind != Int || x == math.Trunc(x)) && (row.Allowed == nil || slices.Contains(row.Allowed, int(x)))
}

// checkNumber notes what is wrong with a number, and reports whether nothing is.
func (row *Param) checkNumber(bad *faults, path string, x float64) bool {
	if row.fits(x) {
		return true
	}
	unit := row.Unit
	if unit != "" {
		unit = " " + unit
	}
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		bad.add(path, "must be a finite number")
	case row.Allowed != nil && (x != math.Trunc(x) || !slices.Contains(row.Allowed, int(clampInt(x)))):
		all := make([]string, len(row.Allowed))
		for i, n := range row.Allowed {
			all[i] = strconv.Itoa(n)
		}
		bad.add(path, "must be one of %s%s, not %s", strings.Join(all, ", "), unit, text(x))
	case x < row.Min || x > row.Max:
		bad.add(path, "must be %s to %s%s, not %s", text(row.Min), text(row.Max), unit, text(x))
	default:
		bad.add(path, "must be a whole number, not %s", text(x))
	}
	return false
}

func clampInt(x float64) int64 { return int64(max(-1e9, min(1e9, x))) }

func (m Mod) check(bad *faults, path string) {
	for _, t := range Targets() {
		if t.Name == m.Target && (m.Amount < t.Min || m.Amount > t.Max) {
			unit := t.Unit
			if unit != "" {
				unit = " " + unit
			}
			bad.add(path+".amount", "must be %s to %s%s for the target %s, not %s", text(t.Min), text(t.Max), unit, t.Name, text(m.Amount))
		}
	}
}

// text writes a number in the shortest way that gives it back.
func text(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
