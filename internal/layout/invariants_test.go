package layout_test

import (
	"encoding/json"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestInvariantsAreListed checks that docs/invariants.json names tests that are
// there: a renamed one would check nothing.
func TestInvariantsAreListed(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join(root, "docs", "invariants.json"))
	require.NoError(t, err)
	var rules []struct {
		ID            int
		Text, Command string
	}
	require.NoError(t, json.Unmarshal(data, &rules))
	require.NotEmpty(t, rules)

	tests := map[string]bool{}
	sources(t, func(_ string, test bool, file *ast.File, _ func(ast.Node) string) {
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && test && f.Recv == nil {
				tests[f.Name.Name] = true
			}
		}
	})
	last := 0
	for _, r := range rules {
		require.Greater(t, r.ID, last, "ids rise")
		last = r.ID
		require.NotEmpty(t, r.Text)
		require.NotEmpty(t, r.Command, "%d", r.ID)
		for _, name := range regexp.MustCompile(`\b(?:Test|Fuzz)\w+\b[^.]`).FindAllString(r.Command, -1) {
			name = name[:len(name)-1]
			require.True(t, tests[name], "invariant %d names %s, which is not there", r.ID, name)
		}
	}
}
