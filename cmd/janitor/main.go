// Command janitor sweeps up after PatchLAB: what expired, what nothing refers to and
// what crashed workers left. Several in parallel are safe. `janitor health` probes
// the one on this machine, for container health checks.
package main

import (
	"context"
	"os"

	"patchlab/internal/app"
)

func main() {
	os.Exit(app.Command(context.Background(), "janitor", app.Roles{Janitor: true}, os.Args[1:], os.Stderr))
}
