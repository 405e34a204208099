// Package web holds the browser app, built by Vite into dist and embedded into
// the binary.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files returns the root of the built app: index.html, what public/ holds, and
// assets/ with names that carry a hash of their content. The second result is
// false in a binary that was built without the app (`go build` without npm):
// dist then holds only .gitkeep.
func Files() (fs.FS, bool) {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // "dist" is a valid path, and embedding has already proved that it is there
	}
	_, err = fs.Stat(files, "index.html")
	return files, err == nil
}
