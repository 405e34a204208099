// Command worker renders what the farm releases to it. Start as many as there are
// machines. `worker health` probes the one on this machine, for container health
// checks.
package main

import (
	"context"
	"os"

	"patchlab/internal/app"
)

func main() {
	os.Exit(app.Command(context.Background(), "worker", app.Roles{Worker: true}, os.Args[1:], os.Stderr))
}
