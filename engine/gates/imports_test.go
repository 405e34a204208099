package gates

import (
	"strings"
	"testing"
)

// foreign returns what a list of import paths holds beside the standard library
// and the engine.
func foreign(deps string) []string {
	var found []string
	for line := range strings.Lines(deps) {
		path := strings.TrimSpace(line)
		if path == "patchlab/engine" || strings.HasPrefix(path, "patchlab/engine/") {
			continue
		}
		first, _, _ := strings.Cut(path, "/")
		if first == "patchlab" || strings.Contains(first, ".") {
			found = append(found, path)
		}
	}
	return found
}

// TestEngineImportsNothingElse is invariant 15.
func TestEngineImportsNothingElse(t *testing.T) {
	t.Parallel()
	packages := list(t, "./engine/...")
	out, err := goTool(t, module, nil, append([]string{"list", "-deps"}, packages...)...)
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	if !strings.Contains(out, "patchlab/engine/patch") || !strings.Contains(out, "math") {
		t.Fatalf("odd list: %.300s", out)
	}
	for _, path := range foreign(out) {
		t.Errorf("the engine imports %s; it may import the standard library and itself only", path)
	}
}

func TestImportGateCanFail(t *testing.T) {
	t.Parallel()
	got := foreign("math\nencoding/json\npatchlab/engine\npatchlab/engine/osc\npatchlab/internal/model\ngithub.com/x/y\ngonum.org/v1/gonum\n")
	if strings.Join(got, " ") != "patchlab/internal/model github.com/x/y gonum.org/v1/gonum" {
		t.Errorf("found %q", got)
	}
}
