package engine_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"patchlab/engine/patch"
)

// corpus reads the patches of testdata, by name.
func corpus(t testing.TB) map[string]patch.Patch {
	t.Helper()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	patches := make(map[string]patch.Patch, len(files))
	for _, file := range files {
		if filepath.Base(file) == goldenFile {
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
	return patches
}

// TestCorpusTouchesEveryParameter holds the corpus against the table: every
// number is somewhere not its default, every value of an enum is used.
func TestCorpusTouchesEveryParameter(t *testing.T) {
	t.Parallel()
	seen := make(map[string]map[string]bool)
	for _, p := range corpus(t) {
		collect(reflect.ValueOf(p), "", seen)
	}
	for _, row := range patch.Table() {
		values := row.Values
		for _, n := range row.Allowed {
			values = append(values, strconv.Itoa(n))
		}
		for _, v := range values {
			if !seen[row.Path][v] {
				t.Errorf("no patch of testdata has %s = %s", row.Path, v)
			}
		}
		if row.Kind != patch.Enum && len(seen[row.Path]) < 2 && row.Path != "version" {
			t.Errorf("no patch of testdata moves %s", row.Path)
		}
	}
}

// collect notes the values of every parameter, by its path in the table.
func collect(v reflect.Value, path string, seen map[string]map[string]bool) {
	at := func(name string) string { return strings.TrimPrefix(path+"."+name, ".") }
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			collect(v.Field(i), at(v.Type().Field(i).Tag.Get("json")), seen)
		}
	case reflect.Slice:
		for i := range v.Len() {
			collect(v.Index(i), at("*"), seen)
		}
	default:
		if seen[path] == nil {
			seen[path] = make(map[string]bool)
		}
		var s string
		switch v.Kind() {
		case reflect.String:
			s = v.String()
		case reflect.Float64:
			s = strconv.FormatFloat(v.Float(), 'g', -1, 64)
		case reflect.Int:
			s = strconv.FormatInt(v.Int(), 10)
		default:
			s = strconv.FormatUint(v.Uint(), 10)
		}
		seen[path][s] = true
	}
}
