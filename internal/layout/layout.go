// Package layout holds the one table that says which package of PatchLAB may
// import which, and the checks that hold the code to it. The same table makes
// the depguard rules of .golangci.yml; a test compares them.
package layout

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Module is the path of the module.
const Module = "patchlab"

// Room is a package, or a tree of packages, and what it may import. Imports
// point downward only: towards the leaves engine/patch and model.
type Room struct {
	// Path relative to the module; "engine/..." means engine and all below it that
	// is not a room of its own.
	Path string
	// Rooms that may be imported, in the same notation.
	Rooms []string
	// Modules of others that may be imported, by path prefix.
	Modules []string
	// Web says that net/http is fit for this room.
	Web bool
	// Tests says that only tests may import the room.
	Tests bool
	// Tools says that the room is no part of the product, so that it may run
	// programs.
	Tools bool
}

const (
	uuidModule  = "github.com/google/uuid"
	redisModule = "github.com/redis/go-redis/v9"
	sqlxModule  = "github.com/jmoiron/sqlx"
)

// Rooms returns the table, the lowest rooms first.
func Rooms() []Room {
	return []Room{
		{Path: "engine/...", Rooms: []string{"engine/..."}},
		{Path: "web"},
		{Path: "internal/model", Rooms: []string{"engine/patch"}, Modules: []string{uuidModule}},
		{Path: "internal/config", Rooms: []string{"internal/model"}, Modules: []string{"github.com/caarlos0/env/v11", "github.com/joho/godotenv"}},
		{Path: "internal/telemetry", Modules: []string{"github.com/prometheus/client_golang"}, Web: true},
		{Path: "internal/health"},
		{Path: "internal/stall"},
		{
			Path: "storage", Rooms: []string{"internal/model", "internal/stall"},
			Modules: []string{uuidModule, "github.com/minio/minio-go/v7"}, Web: true, // S3 is spoken over HTTP
		},
		{Path: "storage/storagetest", Rooms: []string{"storage", "internal/model"}, Modules: []string{uuidModule, "github.com/stretchr/testify"}, Tests: true},
		{
			Path: "queue", Rooms: []string{"internal/model"},
			Modules: []string{uuidModule, redisModule, "github.com/hibiken/asynq", "github.com/alicebob/miniredis/v2"},
		},
		{
			Path: "db", Rooms: []string{"internal/model", "internal/stall", "engine/patch"},
			Modules: []string{uuidModule, sqlxModule, "github.com/golang-migrate/migrate/v4", "github.com/lib/pq", "modernc.org/sqlite", "golang.org/x/sys"},
		},
		{Path: "db/dbtest", Rooms: []string{"db", "internal/testenv"}, Modules: []string{"github.com/stretchr/testify"}, Tests: true},
		{Path: "db/repo", Rooms: []string{"db", "internal/model", "engine/patch"}, Modules: []string{uuidModule}},
		{Path: "internal/prompt", Rooms: []string{"internal/model", "engine/patch", "engine/dmath"}, Modules: []string{"golang.org/x/text"}},
		{Path: "internal/format", Rooms: []string{"internal/model", "engine/..."}, Modules: []string{"golang.org/x/text"}},
		{Path: "internal/auth", Rooms: []string{"internal/model"}, Modules: []string{uuidModule}},
		{Path: "internal/limit", Rooms: []string{"internal/model"}, Modules: []string{redisModule, "github.com/go-redis/redis_rate/v10"}},
		{Path: "internal/live", Rooms: []string{"internal/model"}, Modules: []string{uuidModule, redisModule}},
		{
			Path: "internal/service", Rooms: []string{"db", "db/repo", "internal/prompt", "internal/format", "engine/patch", "engine/vary", "internal/auth", "internal/model"},
			Modules: []string{uuidModule},
		},
		{
			Path: "internal/service/servicetest", Rooms: []string{"db", "db/dbtest", "db/repo", "internal/service", "engine/patch", "internal/model"},
			Modules: []string{uuidModule, "github.com/stretchr/testify"}, Tests: true,
		},
		{
			Path: "internal/api", Rooms: []string{"internal/service", "internal/health", "internal/live", "internal/auth", "internal/limit", "internal/model", "engine/patch"},
			Modules: []string{uuidModule, "github.com/gin-gonic/gin", "github.com/gorilla/websocket", "github.com/getkin/kin-openapi", "go.yaml.in/yaml/v3"},
			Web:     true,
		},
		{
			Path: "internal/worker", Rooms: []string{"internal/service", "internal/live", "engine/...", "internal/format", "storage", "queue", "internal/model"},
			Modules: []string{uuidModule, "golang.org/x/sync", "golang.org/x/sys"},
		},
		{
			Path: "internal/janitor", Rooms: []string{"internal/service", "storage", "queue", "internal/model"},
			Modules: []string{uuidModule},
		},
		{Path: "internal/cli", Rooms: []string{"internal/prompt", "internal/format", "engine/...", "internal/model"}},
		{
			Path: "internal/app", Rooms: []string{
				"engine/...", "web", "storage", "queue", "db", "db/repo", "internal/model", "internal/config", "internal/telemetry",
				"internal/health", "internal/prompt", "internal/format", "internal/auth", "internal/limit", "internal/live", "internal/service", "internal/api",
				"internal/worker", "internal/janitor",
			},
			Modules: []string{uuidModule, redisModule, "golang.org/x/sync", "golang.org/x/sys"}, Web: true,
		},
		{Path: "cmd/...", Rooms: []string{"internal/app", "internal/config", "internal/telemetry", "internal/cli"}},
		{Path: "internal/testenv", Rooms: []string{"queue"}, Modules: []string{redisModule, "github.com/minio/minio-go/v7"}, Web: true, Tests: true, Tools: true},
		{Path: "internal/testenv/up", Rooms: []string{"internal/testenv"}, Tests: true, Tools: true},
		{
			Path: "internal/testenv/backing", Rooms: []string{"db", "db/dbtest", "queue", "storage", "internal/testenv"},
			Modules: []string{redisModule, "github.com/stretchr/testify", "go.uber.org/goleak"}, Tests: true,
		},
		{
			Path: "internal/load", Rooms: []string{"engine/...", "internal/model", "internal/format", "internal/live", "storage", "queue", "internal/testenv"},
			Modules: []string{uuidModule, redisModule, "github.com/lib/pq", "github.com/gorilla/websocket"}, Web: true, Tests: true, Tools: true,
		},
		{
			Path: "internal/chaos", Rooms: []string{"db", "queue", "storage", "internal/format", "internal/janitor", "internal/service", "internal/testenv"},
			Modules: []string{uuidModule, "github.com/gorilla/websocket"}, Web: true, Tests: true, Tools: true,
		},
		{Path: "internal/chaos/node", Rooms: []string{"internal/app", "internal/config", "internal/telemetry"}, Tests: true, Tools: true},
		{Path: "internal/chaos/storm", Rooms: []string{"internal/chaos"}, Tests: true, Tools: true},
		{Path: "internal/layout", Tests: true, Tools: true},
	}
}

// Forbidden returns the packages of the standard library that no product code
// may import, and why: nothing evaluates what a person typed.
func Forbidden() map[string]string {
	return map[string]string{
		"os/exec":       "the server starts no programs",
		"plugin":        "the server loads no code",
		"text/template": "nothing evaluates input; and HTML needs escaping",
		"unsafe":        "no need has been shown",
	}
}

// Graph maps the import path of each package of the module to what its non-test
// files import.
type Graph map[string][]string

// Check returns what breaks the table, one line each, sorted.
func Check(g Graph, rooms []Room) []string {
	var out []string
	for _, pkg := range slices.Sorted(maps.Keys(g)) {
		rel := strings.TrimPrefix(pkg, Module+"/")
		room, ok := find(rooms, rel)
		if !ok {
			out = append(out, fmt.Sprintf("%s stands in no room of the table", rel))
			continue
		}
		for _, imp := range g[pkg] {
			if why := refuse(rooms, room, imp); why != "" {
				out = append(out, fmt.Sprintf("%s imports %s: %s", rel, imp, why))
			}
		}
	}
	return out
}

// find returns the room of a package: the longest match.
func find(rooms []Room, rel string) (Room, bool) {
	var best Room
	for _, r := range rooms {
		if covers(r.Path, rel) && len(r.Path) > len(best.Path) {
			best = r
		}
	}
	return best, best.Path != ""
}

// covers reports whether a path of the table means the package.
func covers(path, rel string) bool {
	if tree, ok := strings.CutSuffix(path, "/..."); ok {
		return rel == tree || strings.HasPrefix(rel, tree+"/")
	}
	return rel == path
}

// under reports whether imp is the prefix or below it.
func under(prefix, imp string) bool { return imp == prefix || strings.HasPrefix(imp, prefix+"/") }

// refuse says why a room may not import something; "" = it may.
func refuse(rooms []Room, room Room, imp string) string {
	if rel, ours := strings.CutPrefix(imp, Module+"/"); ours {
		target, ok := find(rooms, rel)
		switch {
		case !ok:
			return "it stands in no room of the table"
		case target.Tests && !room.Tests:
			return "it is for tests only"
		case !slices.ContainsFunc(room.Rooms, func(p string) bool { return covers(p, rel) }):
			return "the import rules do not allow it (internal/layout)"
		}
		return ""
	}
	first, _, _ := strings.Cut(imp, "/")
	if !strings.Contains(first, ".") { // the standard library
		if why, ok := Forbidden()[imp]; ok && !room.Tools {
			return why
		}
		if under("net/http", imp) && !room.Web {
			return "only the HTTP edge speaks HTTP"
		}
		return ""
	}
	if !slices.ContainsFunc(room.Modules, func(m string) bool { return under(m, imp) }) {
		return "this module is not for this room (internal/layout)"
	}
	return ""
}

// Depguard returns the rules of the table for .golangci.yml.
func Depguard() string {
	var b strings.Builder
	for _, r := range Rooms() {
		glob := r.Path
		var except []string
		if tree, ok := strings.CutSuffix(r.Path, "/..."); ok {
			glob = tree + "/**"
		} else {
			for _, other := range Rooms() {
				if strings.HasPrefix(other.Path, r.Path+"/") {
					except = append(except, other.Path)
				}
			}
		}
		name := strings.NewReplacer("/...", "", "/", "-").Replace(r.Path)
		fmt.Fprintf(&b, "        %s:\n          list-mode: strict\n          files:\n            - '**/%s/*.go'\n            - '!$test'\n", name, glob)
		for _, e := range except {
			fmt.Fprintf(&b, "            - '!**/%s/*.go'\n", e)
		}
		b.WriteString("          allow:\n            - $gostd\n")
		for _, m := range r.Modules {
			fmt.Fprintf(&b, "            - %s\n", m)
		}
		for _, p := range r.Rooms {
			if tree, ok := strings.CutSuffix(p, "/..."); ok {
				fmt.Fprintf(&b, "            - %s/%s\n", Module, tree)
				continue
			}
			fmt.Fprintf(&b, "            - %s/%s$\n", Module, p)
		}
	}
	// What is refused whatever the room: rules of their own, as depguard wants a
	// package to pass all that fit.
	banned(&b, "product", func(r Room) bool { return r.Tools }, Forbidden())
	banned(&b, "no-http", func(r Room) bool { return r.Web }, map[string]string{"net/http": "only the HTTP edge speaks HTTP"})
	return b.String()
}

// banned writes a rule that refuses packages everywhere but in some rooms.
func banned(b *strings.Builder, name string, exempt func(Room) bool, why map[string]string) {
	fmt.Fprintf(b, "        %s:\n          list-mode: lax\n          files:\n            - '!$test'\n", name)
	for _, r := range Rooms() {
		if exempt(r) {
			fmt.Fprintf(b, "            - '!**/%s/*.go'\n", strings.Replace(r.Path, "/...", "/**", 1))
		}
	}
	b.WriteString("          deny:\n")
	for _, pkg := range slices.Sorted(maps.Keys(why)) {
		fmt.Fprintf(b, "            - pkg: %s\n              desc: %s\n", pkg, why[pkg])
	}
}
