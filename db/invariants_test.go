package db_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/db"
)

// walkGo parses every Go file of the module. The path is relative to its root.
func walkGo(t *testing.T, fn func(path string, set *token.FileSet, file *ast.File)) {
	t.Helper()
	const root = ".."
	files := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			if n := e.Name(); n == "node_modules" || n == "testdata" || (strings.HasPrefix(n, ".") && n != "..") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		files++
		fn(filepath.ToSlash(rel), set, file)
		return nil
	}))
	require.Greater(t, files, 10, "the walk missed the module")
}

// TestQueriesAreConstants holds invariant 1, no SQL built from strings. A query's
// type is not exported, so other packages can only pass constants: the compiler
// checks it. What is left to check is that nobody goes around package db, and that
// db itself passes on nothing else.
func TestQueriesAreConstants(t *testing.T) {
	t.Parallel()
	for _, method := range []any{(*db.Tx).Exec, (*db.Tx).Get, (*db.Tx).Select, (*db.Reader).Get, (*db.Reader).Select} {
		typ := reflect.TypeOf(method)
		found := false
		for i := range typ.NumIn() {
			in := typ.In(i)
			if in.Kind() == reflect.String {
				found = true
				assert.Equal(t, "db.constant", in.String())
			}
		}
		assert.True(t, found)
	}

	drivers := regexp.MustCompile(`^(database/sql|database/sql/driver|github\.com/jmoiron/sqlx|github\.com/lib/pq|modernc\.org/sqlite)(/|$)`)
	calls := regexp.MustCompile(`^(Must)?(Exec|Query|QueryRow|Queryx|QueryRowx|NamedExec|NamedQuery|Prepare|Preparex|GetContext|SelectContext|ExecContext|QueryContext|QueryRowContext|PrepareContext|In|Rebind)$`)
	walkGo(t, func(path string, set *token.FileSet, file *ast.File) {
		inDB := filepath.Dir(path) == "db"
		// What tests and measures the farm looks into its database from outside.
		for _, outside := range []string{"db/dbtest/", "internal/load/", "internal/chaos/"} {
			if strings.HasPrefix(path, outside) {
				return
			}
		}
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		for _, imp := range file.Imports {
			name, err := strconv.Unquote(imp.Path.Value)
			require.NoError(t, err)
			assert.False(t, !inDB && drivers.MatchString(name), "%s imports %s: only package db may", path, name)
		}
		if !inDB {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if conv, ok := n.(*ast.CallExpr); ok {
				if id, ok := conv.Fun.(*ast.Ident); ok {
					assert.NotEqual(t, "constant", id.Name, "%s: a string is turned into a query", set.Position(conv.Pos()))
				}
				sel, ok := conv.Fun.(*ast.SelectorExpr)
				if ok && calls.MatchString(sel.Sel.Name) && !fixed(conv) {
					// Where a bound constant goes to the driver, and where the query of a URL is read.
					assert.Contains(t, []string{"db/query.go", "db/tx.go", "db/db.go", "db/postgres.go"}, path, "%s: a query that is not a constant", set.Position(conv.Pos()))
				}
			}
			return true
		})
	})
}

// fixed reports whether one of the first three arguments is a literal.
func fixed(call *ast.CallExpr) bool {
	for _, a := range call.Args[:min(3, len(call.Args))] {
		if lit, ok := a.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			return true
		}
	}
	return false
}

// TestOnlyServiceWrites holds invariant 12: the one transaction helper, which is
// the one way to write, is called from package service alone, and the queries of
// db/repo read.
func TestOnlyServiceWrites(t *testing.T) {
	t.Parallel()
	writes := regexp.MustCompile(`(?i)\b(INSERT\s+INTO|UPDATE\s+[a-z_]+\s+SET|DELETE\s+FROM|CREATE\s+TABLE|DROP\s+TABLE|ALTER\s+TABLE)\b`)
	seen := false
	walkGo(t, func(path string, set *token.FileSet, file *ast.File) {
		dir := filepath.ToSlash(filepath.Dir(path))
		if strings.HasSuffix(path, "_test.go") || dir == "internal/service" || dir == "db/dbtest" {
			seen = seen || dir == "internal/service"
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if sel, ok := n.Fun.(*ast.SelectorExpr); ok {
					assert.NotEqual(t, "InTx", sel.Sel.Name, "%s: only package service writes", set.Position(n.Pos()))
				}
			case *ast.BasicLit:
				assert.False(t, n.Kind == token.STRING && writes.MatchString(n.Value), "%s: only package service writes", set.Position(n.Pos()))
			}
			return true
		})
	})
	assert.True(t, seen)
}
