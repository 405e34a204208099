// Command api serves PatchLAB's HTTP API and web app. Any number of it share a
// PostgreSQL database, a Redis and an asset store with the workers. `api health`
// probes the one on this machine, for container health checks.
package main

import (
	"context"
	"os"

	"patchlab/internal/app"
)

func main() {
	os.Exit(app.Command(context.Background(), "api", app.Roles{API: true}, os.Args[1:], os.Stderr))
}
