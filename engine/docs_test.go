package engine_test

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"patchlab/engine/patch"
)

const manual = "../docs/engine.md"

// TestManualIsUpToDate holds the tables of the manual against the code.
func TestManualIsUpToDate(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	want := data
	for marker, text := range map[string]string{"params": parameterTable(), "targets": targetTable()} {
		want = between(t, want, marker, text)
	}
	if bytes.Equal(data, want) {
		return
	}
	if !*update {
		t.Fatal("docs/engine.md is not what the parameter table says: run go test ./engine -run TestManual -update")
	}
	if err := os.WriteFile(manual, want, 0o600); err != nil {
		t.Fatal(err)
	}
}

// between puts text between the markers of a document.
func between(t *testing.T, doc []byte, marker, text string) []byte {
	t.Helper()
	head, rest, ok := strings.Cut(string(doc), "<!-- "+marker+":begin -->\n")
	_, tail, closed := strings.Cut(rest, "<!-- "+marker+":end -->")
	if !ok || !closed {
		t.Fatalf("%s has no markers %s:begin and %s:end", manual, marker, marker)
	}
	return []byte(head + "<!-- " + marker + ":begin -->\n" + text + "<!-- " + marker + ":end -->" + tail)
}

func parameterTable() string {
	var b strings.Builder
	b.WriteString("| parameter | values | default | what it does |\n|---|---|---|---|\n")
	for _, row := range patch.Table() {
		values, standard := span(row.Min, row.Max, row.Unit), number(row.Default)
		switch {
		case row.Kind == patch.Enum:
			values, standard = strings.Join(row.Values, ", "), row.DefaultEnum
		case row.Allowed != nil:
			all := make([]string, len(row.Allowed))
			for i, n := range row.Allowed {
				all[i] = strconv.Itoa(n)
			}
			values = strings.TrimSpace(strings.Join(all, ", ") + " " + row.Unit)
		case row.Min == row.Max:
			values = number(row.Min)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", row.Path, values, standard, row.Doc)
	}
	return b.String()
}

func targetTable() string {
	var b strings.Builder
	b.WriteString("| target | amount | what moves |\n|---|---|---|\n")
	for _, row := range patch.Targets() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", row.Name, span(row.Min, row.Max, row.Unit), row.Doc)
	}
	fmt.Fprintf(&b, "\nSources: `%s`.\n", strings.Join(patch.Sources(), "`, `"))
	return b.String()
}

func span(low, high float64, unit string) string {
	return strings.TrimSpace(number(low) + " to " + number(high) + " " + unit)
}

func number(x float64) string {
	return strings.Replace(strconv.FormatFloat(x, 'f', -1, 64), "-", "−", 1)
}
