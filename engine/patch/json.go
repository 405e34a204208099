package patch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxJSON is the size in bytes of the largest patch that Decode reads.
const MaxJSON = 64 << 10

// Decode reads a patch from JSON, strictly: an unknown field, a repeated one, a
// wrong type or a value out of range is refused, all of them at once in a
// *ValidationError. Absent fields take their defaults.
func Decode(data []byte) (Patch, error) {
	tree, err := parse(data)
	if err != nil {
		return Patch{}, err
	}
	p := Default()
	var bad faults
	fill(reflect.ValueOf(&p).Elem(), shape(), tree, "", &bad)
	if err := bad.err(); err != nil {
		return Patch{}, err
	}
	if err := p.Validate(); err != nil {
		return Patch{}, err
	}
	return p, nil
}

// Set changes the parameter at a path such as "layers.0.filter.cutoff" to a
// value: a number, a string, or either as json.RawMessage. It returns a
// *ValidationError, and leaves the patch alone, where the path or the value is
// wrong.
func (p *Patch) Set(path string, value any) error {
	var bad faults
	data, err := json.Marshal(value)
	var tree any
	if err == nil {
		tree, err = parse(data)
	}
	if err != nil {
		bad.add(path, "must be a JSON number or text")
		return bad.err()
	}
	v, n, ok := find(reflect.ValueOf(p).Elem(), shape(), strings.Split(path, "."))
	if !ok {
		bad.add(path, "is no parameter of this patch; see the parameter table")
		return bad.err()
	}
	fill(v, n, tree, path, &bad)
	return bad.err()
}

// find returns the parameter at a path.
func find(v reflect.Value, n *node, path []string) (reflect.Value, *node, bool) {
	if len(path) == 0 {
		return v, n, n.fields == nil && n.each == nil
	}
	if n.each != nil {
		i, err := strconv.Atoi(path[0])
		if err == nil && i >= 0 && i < v.Len() && strconv.Itoa(i) == path[0] {
			return find(v.Index(i), n.each, path[1:])
		}
	} else if i := n.field(path[0]); i >= 0 {
		return find(v.Field(i), &n.fields[i], path[1:])
	}
	return reflect.Value{}, nil, false
}

// fill sets a value from a parsed tree and notes what does not fit.
func fill(v reflect.Value, n *node, tree any, path string, bad *faults) {
	switch {
	case n.each != nil:
		fillSlice(v, n, tree, path, bad)
	case n.fields != nil:
		fillStruct(v, n, tree, path, bad)
	default:
		fillLeaf(v, n, tree, path, bad)
	}
}

func fillStruct(v reflect.Value, n *node, tree any, path string, bad *faults) {
	members, ok := tree.([]member)
	if !ok {
		bad.add(path, "must be an object")
		return
	}
	for _, m := range members {
		if i := n.field(m.name); i >= 0 {
			fill(v.Field(i), &n.fields[i], m.value, join(path, m.name), bad)
		} else {
			bad.add(join(path, fmt.Sprintf("%.60s", m.name)), "is not a field of a patch of version %d", SchemaVersion)
		}
	}
}

func fillSlice(v reflect.Value, n *node, tree any, path string, bad *faults) {
	items, ok := tree.([]any)
	if !ok {
		bad.add(path, "must be a list")
		return
	}
	most := MaxLayers
	if v.Type().Elem() == reflect.TypeFor[Mod]() {
		most = MaxMods
	}
	if len(items) > most {
		bad.add(path, "has at most %d entries, not %d", most, len(items))
		return
	}
	if len(items) == 0 {
		v.SetZero()
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, item := range items {
		setDefaults(v.Index(i), n.each)
		fill(v.Index(i), n.each, item, join(path, strconv.Itoa(i)), bad)
	}
}

func fillLeaf(v reflect.Value, n *node, tree any, path string, bad *faults) {
	row := n.row
	if row.Kind == Enum {
		s, ok := tree.(string)
		if !ok {
			bad.add(path, "must be one of %s", strings.Join(row.Values, ", "))
		} else if row.checkEnum(bad, path, s) {
			v.SetString(s)
		}
		return
	}
	number, ok := tree.(json.Number)
	if !ok {
		bad.add(path, "must be a number")
		return
	}
	x, err := number.Float64()
	if err != nil {
		x = math.Inf(1)
	}
	if row.checkNumber(bad, path, x) {
		setNumber(v, x)
	}
}

// Mods is the list of a layer's modulation routes.
type Mods []Mod

// MarshalJSON writes no routes as an empty list, not as null.
func (m Mods) MarshalJSON() ([]byte, error) {
	if len(m) == 0 {
		return []byte("[]"), nil
	}
	b, err := json.Marshal([]Mod(m))
	if err != nil {
		return nil, fmt.Errorf("encode modulation routes: %w", err)
	}
	return b, nil
}

// member is one member of a JSON object; objects are kept as lists so that
// repeated names can be told.
type member struct {
	name  string
	value any
}

// maxDepth bounds the nesting of the JSON that is read; a patch needs 5.
const maxDepth = 16

// parse reads one JSON value: objects as []member, arrays as []any, numbers as
// json.Number.
func parse(data []byte) (any, error) {
	var bad faults
	if len(data) > MaxJSON {
		bad.add("", "a patch has at most %d bytes of JSON, this one has %d", MaxJSON, len(data))
		return nil, bad.err()
	}
	if !utf8.Valid(data) {
		bad.add("", "the JSON is not valid UTF-8")
		return nil, bad.err()
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	tree, err := parseValue(d, "", 0)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more after the end of the JSON")
		}
	}
	var known *ValidationError
	if errors.As(err, &known) {
		return nil, err
	}
	if err != nil {
		bad.add("", "the JSON is broken at byte %d: %v", d.InputOffset(), err)
		return nil, bad.err()
	}
	return tree, nil
}

func parseValue(d *json.Decoder, path string, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errors.New("it is nested too deeply")
	}
	tok, err := d.Token()
	if errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err //nolint:wrapcheck // parse says where
	}
	switch tok {
	case json.Delim('{'):
		return parseObject(d, path, depth)
	case json.Delim('['):
		items := []any{}
		for d.More() {
			item, err := parseValue(d, join(path, strconv.Itoa(len(items))), depth+1)
			if err != nil {
				return nil, err
			}
			items = append(items, item)
		}
		_, err := d.Token()
		return items, err //nolint:wrapcheck // parse says where
	default:
		return tok, nil
	}
}

func parseObject(d *json.Decoder, path string, depth int) (any, error) {
	members := []member{}
	seen := make(map[string]bool)
	for d.More() {
		tok, err := d.Token()
		if err != nil {
			return nil, err //nolint:wrapcheck // parse says where
		}
		name, _ := tok.(string)
		at := join(path, name)
		if seen[name] {
			var bad faults
			bad.add(fmt.Sprintf("%.100s", at), "stands twice")
			return nil, bad.err()
		}
		seen[name] = true
		value, err := parseValue(d, at, depth+1)
		if err != nil {
			return nil, err
		}
		members = append(members, member{name, value})
	}
	_, err := d.Token()
	return members, err //nolint:wrapcheck // parse says where
}

// Canonical returns the patch as canonical JSON: the order of the table, no
// white space, and no parameter that has its default but version and seed. Equal
// patches give equal bytes.
func (p Patch) Canonical() []byte {
	b, _ := appendCanonical(nil, reflect.ValueOf(&p).Elem(), shape())
	return b
}

// appendCanonical appends a value, and reports false where all of it is default.
func appendCanonical(b []byte, v reflect.Value, n *node) ([]byte, bool) {
	switch {
	case n.each != nil:
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b, _ = appendCanonical(b, v.Index(i), n.each)
		}
		return append(b, ']'), v.Len() > 0
	case n.fields != nil:
		b = append(b, '{')
		some := false
		for i := range n.fields {
			mark := len(b)
			if some {
				b = append(b, ',')
			}
			b = append(b, '"')
			b = append(b, n.fields[i].name...)
			b = append(b, `":`...)
			var kept bool
			if b, kept = appendCanonical(b, v.Field(i), &n.fields[i]); kept {
				some = true
			} else {
				b = b[:mark]
			}
		}
		return append(b, '}'), some
	default:
		return appendLeaf(b, v, n)
	}
}

func appendLeaf(b []byte, v reflect.Value, n *node) ([]byte, bool) {
	if n.row.Kind == Enum {
		return strconv.AppendQuote(b, v.String()), v.String() != n.row.DefaultEnum
	}
	x := number(v)
	always := n.row.Path == "version" || n.row.Path == "seed"
	return strconv.AppendFloat(b, x, 'f', -1, 64), always || x != n.row.Default
}
