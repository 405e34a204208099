package patch

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Field is one parameter of one patch, read and set in place.
type Field struct {
	Path string // "layers.0.filter.cutoff"
	Row  *Param // of the table; all share it, so it is not to be changed

	value reflect.Value
}

// Fields returns every parameter of the patch, in the order of the table. Setting one
// changes the patch, and checks nothing: see Validate.
func (p *Patch) Fields() []Field {
	var all []Field
	walk(reflect.ValueOf(p).Elem(), shape(), nil, func(at *place, n *node, v reflect.Value) {
		all = append(all, Field{Path: join(at.String(), n.name), Row: n.row, value: v})
	})
	return all
}

// Number returns the value of a Float or an Int.
func (f Field) Number() float64 { return number(f.value) }

// SetNumber sets the value of a Float or an Int; of an Int a whole number.
func (f Field) SetNumber(x float64) { setNumber(f.value, x) }

// Choice returns the value of an Enum.
func (f Field) Choice() string { return f.value.String() }

// SetChoice sets the value of an Enum.
func (f Field) SetChoice(s string) { f.value.SetString(s) }

// Clone returns a copy that shares nothing with the patch.
func (p Patch) Clone() Patch {
	p.Layers = slices.Clone(p.Layers)
	for i := range p.Layers {
		p.Layers[i].Mods = slices.Clone(p.Layers[i].Mods)
	}
	return p
}

// Has reports whether a path names a parameter of this patch, such as
// "layers.0.filter.cutoff", or a group of them, such as "layers.0.filter".
func (p Patch) Has(path string) bool {
	v, n := reflect.ValueOf(p), shape()
	for name := range strings.SplitSeq(path, ".") {
		if n.each != nil {
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= v.Len() || strconv.Itoa(i) != name {
				return false
			}
			v, n = v.Index(i), n.each
			continue
		}
		i := n.field(name)
		if i < 0 {
			return false
		}
		v, n = v.Field(i), &n.fields[i]
	}
	return true
}
