// Command janitor sweeps up after PatchLAB: what expired, what nothing refers to and
// what crashed workers left. Several in parallel are safe. `janitor health` probes
// the one on this machine, for container health checks. `janitor --dry-run` prints what one
// round would remove, and changes nothing.
package main

import (
	"context"
	"os"

	"patchlab/internal/app"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--dry-run" {
		os.Exit(app.DryRunMain(context.Background(), os.Stdout, os.Stderr))
	}
	os.Exit(app.Command(context.Background(), "janitor", app.Roles{Janitor: true}, os.Args[1:], os.Stderr))
}
