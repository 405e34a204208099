// Command janitor sweeps up after PatchLAB: what expired, what nothing refers to and what
// crashed workers left. Several in parallel are safe.
package main

import (
	"context"
	"fmt"
	"os"

	"patchlab/internal/app"
)

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	if len(args) > 0 {
		_, _ = fmt.Fprintln(os.Stderr, "janitor takes no arguments: it is configured by environment variables, see docs/operations.md")
		return 2
	}
	return app.Main(context.Background(), app.Roles{Janitor: true}, os.Stderr)
}
