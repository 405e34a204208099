// Command api serves PatchLAB's HTTP API and web app. Any number of it share a
// PostgreSQL database, a Redis and an asset store with the workers. `api health`
// probes the one on this machine, for container health checks.
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
	switch {
	case len(args) == 0:
		return app.Main(context.Background(), app.Roles{API: true}, os.Stderr)
	case len(args) == 1 && args[0] == "health":
		return app.HealthMain(context.Background(), os.Stderr)
	}
	_, _ = fmt.Fprintln(os.Stderr, "usage: api [health]; it is configured by environment variables, see docs/operations.md")
	return 2
}
