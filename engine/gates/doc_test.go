// Package gates holds the engine to the rules that make it give the same bits
// on every machine: no fused multiply-add, no function of package math that has
// assembly or fused operations on some CPU, no complex numbers, no import but the
// standard library, and one corpus of golden hashes on every architecture. Each
// gate is also shown to fail, on a fixture in testdata.
package gates

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// module is the root of the module, seen from this directory.
const module = "../.."

// goTool runs the go command in dir and returns what it wrote to both outputs.
func goTool(t *testing.T, dir string, env []string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// list returns the packages with product code that match patterns; a pattern that
// matches nothing is no fault.
func list(t *testing.T, patterns ...string) []string {
	t.Helper()
	args := append([]string{"list", "-e", "-f", "{{if .GoFiles}}{{.ImportPath}}{{end}}"}, patterns...)
	out, err := goTool(t, module, nil, args...)
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	var packages []string
	for line := range strings.Lines(out) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "patchlab/") {
			packages = append(packages, line)
		}
	}
	return packages
}
