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
	"path"
	"path/filepath"
	"regexp"
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
	require.Equal(t, want, string(text), ".golangci.yml is not up to date: run `make docs`")
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

// TestWritesOnlyInService looks for statements that change the database, and for
// the helper that runs them, outside service. Migrations are files of their own.
func TestWritesOnlyInService(t *testing.T) {
	t.Parallel()
	write := regexp.MustCompile(`(?i)^\s*(with\s.*)?(insert\s+(or\s+\w+\s+)?into|replace\s+into|update\s+\w+\s+set|delete\s+from|truncate|drop\s+table|alter\s+table)\b`)
	sources(t, func(rel string, test bool, file *ast.File, at func(ast.Node) string) {
		if test || strings.HasPrefix(rel, "internal/service/") || strings.HasPrefix(rel, "internal/testenv/") {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil && write.MatchString(text) {
					t.Errorf("%s: a database write outside internal/service", at(n))
				}
			case *ast.CallExpr:
				if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "InTx" && !strings.HasPrefix(rel, "db/") {
					t.Errorf("%s: a database transaction outside internal/service", at(n))
				}
			}
			return true
		})
	})
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

// TestSQLIsConstant holds to the rule that no statement is built from strings:
// fmt.Sprintf and friends never get a text that reads like SQL, and SQL is only
// ever joined with literals and constants of its own package.
func TestSQLIsConstant(t *testing.T) {
	t.Parallel()
	consts := map[string]map[string]bool{} // names by directory
	sources(t, func(rel string, _ bool, file *ast.File, _ func(ast.Node) string) {
		dir := path.Dir(rel)
		if consts[dir] == nil {
			consts[dir] = map[string]bool{}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if gen, ok := n.(*ast.GenDecl); ok && gen.Tok == token.CONST {
				for _, spec := range gen.Specs {
					for _, name := range spec.(*ast.ValueSpec).Names {
						consts[dir][name.Name] = true
					}
				}
			}
			return true
		})
	})
	sources(t, func(rel string, test bool, file *ast.File, at func(ast.Node) string) {
		if test || strings.HasPrefix(rel, "internal/layout/") {
			return
		}
		for _, n := range builtSQL(file, consts[path.Dir(rel)]) {
			t.Errorf("%s: SQL built from strings", at(n))
		}
	})
}

// builtSQL returns where a file builds SQL from what is not constant.
func builtSQL(file *ast.File, consts map[string]bool) []ast.Node {
	sql := regexp.MustCompile(`(?i)\b(select\s.+\sfrom|insert\s+into|update\s+\w+\s+set|delete\s+from|order\s+by|where\s+[\w.]+\s*(=|in\b|<|>))`)
	var isConst, isSQL func(ast.Expr) bool
	isConst = func(e ast.Expr) bool {
		switch e := e.(type) {
		case *ast.BasicLit:
			return true
		case *ast.Ident:
			return consts[e.Name]
		case *ast.ParenExpr:
			return isConst(e.X)
		case *ast.BinaryExpr:
			return isConst(e.X) && isConst(e.Y)
		}
		return false
	}
	isSQL = func(e ast.Expr) bool {
		switch e := e.(type) {
		case *ast.BasicLit:
			text, err := strconv.Unquote(e.Value)
			return err == nil && e.Kind == token.STRING && sql.MatchString(text)
		case *ast.ParenExpr:
			return isSQL(e.X)
		case *ast.BinaryExpr:
			return isSQL(e.X) || isSQL(e.Y)
		}
		return false
	}
	var out []ast.Node
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			sel, ok := n.Fun.(*ast.SelectorExpr)
			if ok && strings.Contains(sel.Sel.Name, "rintf") && slices.ContainsFunc(n.Args, isSQL) {
				out = append(out, n)
			}
			if ok && sel.Sel.Name == "Join" && len(n.Args) == 2 && isSQL(n.Args[1]) {
				out = append(out, n)
			}
		case *ast.BinaryExpr:
			if n.Op == token.ADD && isSQL(n) && !isConst(n) {
				out = append(out, n)
				return false
			}
		case *ast.AssignStmt:
			if n.Tok == token.ADD_ASSIGN && slices.ContainsFunc(n.Rhs, isSQL) {
				out = append(out, n)
			}
		}
		return true
	})
	return out
}

// TestBuiltSQLIsFound proves that the check would catch what it is for.
func TestBuiltSQLIsFound(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]int{
		"q := `SELECT a FROM b WHERE c = ?`":                      0,
		"q := columns + `WHERE c = ?`":                            0,
		"q := `SELECT a ` + `FROM b ` + (columns)":                0,
		"q := \"not SQL \" + name":                                0,
		"q := `SELECT a FROM b WHERE c = ` + name":                1,
		"q := columns + `WHERE c = '` + name + `'`":               1,
		"q := fmt.Sprintf(`DELETE FROM %s`, name)":                1,
		"q := ``; q += ` ORDER BY ` + name":                       2,
		"q := strings.Join(names, ` UPDATE a SET b=1 `)":          1,
		"b := strings.Builder{}; fmt.Fprintf(&b, `x`); _ = `x`+y": 0,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\nfunc f() {"+code+"}", 0)
		require.NoError(t, err)
		require.Len(t, builtSQL(file, map[string]bool{"columns": true}), want, code)
	}
}
