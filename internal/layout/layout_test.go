package layout_test

import (
	"encoding/json"
	"errors"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"patchlab/internal/layout"
)

var update = flag.Bool("update", false, "write the generated files instead of checking them")

const root = "../.."

func graph(t *testing.T) layout.Graph {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Imports,Standard,Module", "./...")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	g := layout.Graph{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
			Module     *struct{ Main bool }
		}
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if p.Module != nil && p.Module.Main {
			g[p.ImportPath] = p.Imports
		}
	}
	require.NotEmpty(t, g)
	return g
}

// TestImports holds every package to the table.
func TestImports(t *testing.T) {
	t.Parallel()
	for _, fault := range layout.Check(graph(t), layout.Rooms()) {
		t.Error(fault)
	}
}

// TestEngineIsPure holds engine to the standard library also through others.
func TestEngineIsPure(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./engine/...")
	cmd.Dir = root
	out, err := cmd.Output()
	require.NoError(t, err)
	for pkg := range strings.FieldsSeq(string(out)) {
		require.True(t, strings.HasPrefix(pkg, layout.Module+"/engine"), "engine depends on %s", pkg)
	}
}

// TestCheckFindsFaults proves that the checker would catch what it is for.
func TestCheckFindsFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ pkg, imp, want string }{
		{"patchlab/engine", "github.com/google/uuid", "not for this room"},
		{"patchlab/engine", "patchlab/internal/model", "do not allow"},
		{"patchlab/engine/dsp", "net/http", "HTTP"},
		{"patchlab/engine", "os/exec", "programs"},
		{"patchlab/internal/api", "patchlab/db", "do not allow"},
		{"patchlab/internal/api", "patchlab/db/repo", "do not allow"},
		{"patchlab/internal/api", "patchlab/engine", "do not allow"},
		{"patchlab/internal/api", "github.com/jmoiron/sqlx", "not for this room"},
		{"patchlab/internal/service", "patchlab/queue", "do not allow"},
		{"patchlab/internal/service", "patchlab/internal/app", "do not allow"},
		{"patchlab/internal/service", "github.com/redis/go-redis/v9", "not for this room"},
		{"patchlab/internal/model", "net/http", "HTTP"},
		{"patchlab/internal/live", "patchlab/internal/service", "do not allow"},
		{"patchlab/db/repo", "patchlab/internal/service", "do not allow"},
		{"patchlab/cmd/api", "patchlab/internal/api", "do not allow"},
		{"patchlab/internal/prompt", "text/template", "evaluates"},
		{"patchlab/storage", "patchlab/storage/storagetest", "tests only"},
		{"patchlab/internal/app", "patchlab/internal/testenv", "tests only"},
		{"patchlab/internal/app", "patchlab/pkg/util", "no room"},
		{"patchlab/internal/config", "github.com/caarlos0/env/v11evil", "not for this room"},
	} {
		got := layout.Check(layout.Graph{test.pkg: {"context", test.imp}}, layout.Rooms())
		require.Len(t, got, 1, "%s → %s", test.pkg, test.imp)
		require.Contains(t, got[0], test.want)
	}
	require.Len(t, layout.Check(layout.Graph{"patchlab/utils": nil}, layout.Rooms()), 1)
	require.Empty(t, layout.Check(layout.Graph{
		"patchlab/engine":           {"math", "patchlab/engine/patch"},
		"patchlab/engine/pcm":       {"math"},
		"patchlab/internal/service": {"patchlab/db", "patchlab/db/repo", "database/sql"},
		"patchlab/internal/api":     {"net/http", "github.com/gin-gonic/gin/binding"},
		"patchlab/cmd/worker":       {"patchlab/internal/app", "os"},
	}, layout.Rooms()))
}

// TestTableHasNoCycle proves that the table itself points one way.
func TestTableHasNoCycle(t *testing.T) {
	t.Parallel()
	below := map[string][]string{}
	for _, r := range layout.Rooms() {
		below[r.Path] = r.Rooms
	}
	var walk func(room string, trail []string)
	walk = func(room string, trail []string) {
		require.NotContains(t, trail, room, "a cycle: %v", append(trail, room))
		for _, next := range below[room] {
			if next != room { // a tree may import within itself
				walk(next, append(trail, room))
			}
		}
	}
	for _, r := range layout.Rooms() {
		walk(r.Path, nil)
	}
}

// TestLintRules holds .golangci.yml to the table: `make docs` writes it.
func TestLintRules(t *testing.T) {
	t.Parallel()
	const begin, end = "        # layout:begin\n", "        # layout:end\n"
	file := filepath.Join(root, ".golangci.yml")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(text), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	require.True(t, ok && ok2, ".golangci.yml has lost its marks")
	want := head + begin + layout.Depguard() + end + tail
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o600))
		return
	}
	if want != string(text) { // no diff of a thousand lines
		t.Error(".golangci.yml is not up to date: run `make docs`")
	}
}

// TestRoot holds the top of the repository to the rooms that DESIGN names.
func TestRoot(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "git", "ls-files")
	cmd.Dir = root
	out, err := cmd.Output()
	require.NoError(t, err)
	allowed := []string{
		"cmd", "db", "deploy", "docs", "engine", "internal", "queue", "scripts", "storage", "tools", "web",
		"README.md", "CONTRIBUTING.md", "LICENSE", "LOOK.md", "Makefile", "Dockerfile", "docker-compose.yml", "go.mod", "go.sum",
		".ci", ".dockerignore", ".editorconfig", ".env.example", ".gitattributes", ".gitignore", ".golangci.yml",
	}
	for file := range strings.Lines(string(out)) {
		top, _, _ := strings.Cut(strings.TrimSpace(file), "/")
		require.Contains(t, allowed, strings.Trim(top, `"`), "a stranger at the top of the repository")
	}
}

// sources parses every Go file of the module.
func sources(t *testing.T, visit func(rel string, test bool, file *ast.File, at func(ast.Node) string)) {
	t.Helper()
	fset := token.NewFileSet()
	require.NoError(t, filepath.WalkDir(root, func(file string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := e.Name()
		if e.IsDir() {
			if file != root && (strings.HasPrefix(name, ".") || slices.Contains([]string{"node_modules", "testdata", "tools", "bin", "data"}, name)) {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		tree, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		visit(filepath.ToSlash(rel), strings.HasSuffix(name, "_test.go"), tree, func(n ast.Node) string {
			pos := fset.Position(n.Pos())
			return rel + ":" + strconv.Itoa(pos.Line)
		})
		return nil
	}))
}

// TestNothingSkips holds to the rule that no test skips: what a test needs is
// installed or found, or the run fails and says so.
func TestNothingSkips(t *testing.T) {
	t.Parallel()
	sources(t, func(_ string, _ bool, file *ast.File, at func(ast.Node) string) {
		ast.Inspect(file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) {
				if x, ok := sel.X.(*ast.Ident); ok && slices.Contains([]string{"t", "b", "f", "tb"}, x.Name) {
					t.Errorf("%s: a test that skips", at(n))
				}
			}
			return true
		})
	})
}
