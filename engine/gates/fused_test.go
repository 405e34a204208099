package gates

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// fusedOp matches an instruction of the compiler's listing that multiplies and
// adds with one rounding, on any architecture that Go compiles to.
var fusedOp = regexp.MustCompile(`\)\s+(FN?M(?:ADD|SUB)\w*|VFN?M(?:ADD|SUB)\w*|WFM[AS]\w*|M[AS][DE]BR?)\b`)

// targets are the machines whose compilers fuse.
func targets() map[string][]string {
	return map[string][]string{
		"arm64":    {"GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0"},
		"amd64.v3": {"GOOS=linux", "GOARCH=amd64", "GOAMD64=v3", "GOEXPERIMENT=simd", "CGO_ENABLED=0"},
	}
}

// fused compiles packages and returns the lines of the listing with a fused operation.
func fused(t *testing.T, dir string, env []string, packages ...string) []string {
	t.Helper()
	args := append([]string{"build", "-gcflags=-S"}, packages...)
	out, err := goTool(t, dir, env, args...)
	if err != nil {
		t.Fatalf("go build: %v\n%.2000s", err, out)
	}
	if !strings.Contains(out, "STEXT") {
		t.Fatalf("the compiler gave no listing: %.500s", out)
	}
	for _, p := range packages {
		if strings.HasPrefix(p, "patchlab/") && !strings.HasPrefix(out, "# "+p+"\n") && !strings.Contains(out, "\n# "+p+"\n") {
			t.Fatalf("the compiler gave no listing of %s", p)
		}
	}
	var found []string
	for line := range strings.Lines(out) {
		if fusedOp.MatchString(line) {
			found = append(found, strings.Join(strings.Fields(line), " "))
		}
	}
	return found
}

// TestNoFusedOperation guards every package whose floating point reaches a recipe
// or a sample.
func TestNoFusedOperation(t *testing.T) {
	t.Parallel()
	packages := list(t, "./engine/...", "./internal/format/...", "./internal/prompt/...")
	if len(packages) < 8 {
		t.Fatalf("only %d packages found: %v", len(packages), packages)
	}
	for name, env := range targets() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, line := range fused(t, module, env, packages...) {
				t.Errorf("write float64(x*y) to keep Go from fusing: %s", line)
			}
		})
	}
}

func TestFusedGateCanFail(t *testing.T) {
	t.Parallel()
	for name, env := range targets() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := fused(t, ".", env, "./testdata/fused"); len(got) != 2 {
				t.Errorf("found %d of the fixture's 2 fused operations: %q", len(got), got)
			}
			if got := fused(t, ".", env, "./testdata/unfused"); len(got) != 0 {
				t.Errorf("a conversion between product and sum is no fault: %q", got)
			}
		})
	}
}

func TestFusedPattern(t *testing.T) {
	t.Parallel()
	for op, want := range map[string]bool{
		"FMADDD": true, "FMSUBS": true, "FNMADDD": true, "FNMSUBD": true, "VFMADD231SD": true, "VFNMADD231SS": true,
		"WFMADB": true, "MADBR": true, "FMULD": false, "FADDD": false, "MULSD": false, "MADD": false, "VMOVDQU": false,
	} {
		line := fmt.Sprintf("\t0x0018 00024 (/w/x.go:12)\t%s\tF1, F2", op)
		if got := fusedOp.MatchString(line); got != want {
			t.Errorf("%s: %v", op, got)
		}
	}
}
