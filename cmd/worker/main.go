// Command worker renders what the farm releases to it. Start as many as there are machines.
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
		_, _ = fmt.Fprintln(os.Stderr, "worker takes no arguments: it is configured by environment variables, see docs/operations.md")
		return 2
	}
	return app.Main(context.Background(), app.Roles{Worker: true}, os.Stderr)
}
