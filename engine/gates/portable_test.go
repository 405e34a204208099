package gates

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// portable names what of package math gives the same bits everywhere: constants,
// what IEEE 754 rounds correctly, and what only looks at bits. All else has
// assembly or fused operations on some machine.
func portable() map[string]bool {
	m := map[string]bool{}
	for name := range strings.FieldsSeq(`
		Pi E Ln2 Ln10 Log2E Log10E Sqrt2 SqrtE Phi
		MaxFloat64 MaxFloat32 SmallestNonzeroFloat64 SmallestNonzeroFloat32
		MaxInt MinInt MaxInt8 MinInt8 MaxInt16 MinInt16 MaxInt32 MinInt32 MaxInt64 MinInt64
		MaxUint8 MaxUint16 MaxUint32 MaxUint64
		Sqrt Floor Ceil Trunc Round RoundToEven Mod Abs Copysign Signbit
		Inf NaN IsInf IsNaN Frexp Ldexp
		Float64bits Float64frombits Float32bits Float32frombits`) {
		m[name] = true
	}
	return m
}

// impure names imports that make a sound depend on more than its patch.
func impure() map[string]string {
	return map[string]string{
		"math/cmplx":   "complex products and sums may be fused",
		"math/rand":    "a shared stream depends on the order of work; use engine/rng",
		"math/rand/v2": "a shared stream depends on the order of work; use engine/rng",
		"crypto/rand":  "a sound has no chance in it that its seed does not fix",
		"time":         "the engine has no clock",
		"os":           "the engine reads no file and no environment",
		"io/fs":        "the engine reads no file",
		"net":          "the engine talks to nobody",
		"net/http":     "the engine talks to nobody",
		"runtime":      "a sound does not depend on the machine",
		"unsafe":       "no need has been shown",
	}
}

// inexact names the vector operations that no other machine has, or that each rounds as
// it likes.
func inexact() map[string]bool {
	return map[string]bool{"MulAdd": true, "MulAddSub": true, "MulSubAdd": true, "Reciprocal": true, "ReciprocalSqrt": true}
}

// unportable parses the product files of a directory and returns what breaks the
// rules, as "file:line: why".
func unportable(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, check(set, file)...)
	}
	return found
}

func check(set *token.FileSet, file *ast.File) []string {
	var found []string
	add := func(n ast.Node, format string, args ...any) {
		at := set.Position(n.Pos())
		found = append(found, fmt.Sprintf("%s:%d: %s", filepath.Base(at.Filename), at.Line, fmt.Sprintf(format, args...)))
	}
	maths := map[string]bool{} // the names under which the file knows package math
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			add(spec, "odd import")
			continue
		}
		if why, bad := impure()[path]; bad {
			add(spec, "import of %s: %s", path, why)
		}
		if path != "math" {
			continue
		}
		name := "math"
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if name == "." {
			add(spec, "a dot import of math hides what is used of it")
		}
		maths[name] = true
	}
	allowed := portable()
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && maths[x.Name] && !allowed[n.Sel.Name] {
				add(n, "math.%s is not the same on every machine; use engine/dmath", n.Sel.Name)
			}
			if inexact()[n.Sel.Name] {
				add(n, "%s is fused or approximate: no plain loop gives its bits", n.Sel.Name)
			}
		case *ast.Ident:
			if n.Name == "complex128" || n.Name == "complex64" {
				add(n, "%s: complex products and sums may be fused", n.Name)
			}
		}
		return true
	})
	return found
}

func TestEngineIsPortable(t *testing.T) {
	t.Parallel()
	dirs := 0
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if d.Name() == "testdata" || d.Name() == "gates" {
			return filepath.SkipDir
		}
		dirs++
		for _, line := range unportable(t, path) {
			t.Errorf("%s: %s", path, line)
		}
		return nil
	})
	if err != nil || dirs < 8 {
		t.Fatalf("%d directories: %v", dirs, err)
	}
}

// The words' own arithmetic decides the patch, and so the bytes.
func TestWordsArePortable(t *testing.T) {
	t.Parallel()
	for _, line := range unportable(t, "../../internal/prompt") {
		t.Error(line)
	}
}

func TestPortableGateCanFail(t *testing.T) {
	t.Parallel()
	got := strings.Join(unportable(t, "testdata/banned"), "\n")
	for _, want := range []string{"math/cmplx", "math/rand", "import of time", "math.Sin", "math.Exp2", "math.Tanh", "complex128", "complex64", "MulAdd", "ReciprocalSqrt"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s was not found in:\n%s", want, got)
		}
	}
	if got := unportable(t, "testdata/fine"); len(got) != 0 {
		t.Errorf("found fault with what is fine: %q", got)
	}
}
