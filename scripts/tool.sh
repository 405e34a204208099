#!/usr/bin/env bash
# Prints the path of a build tool, built from the versions that tools/go.mod pins.
# The binary is kept in the user's cache under its version, so that a fresh clone
# on the same machine has it at once: golangci-lint takes two minutes to build.
#
#   scripts/tool.sh golangci-lint
set -euo pipefail
cd "$(dirname "$0")/../tools"

name=${1:?which tool?}
if [ -d "$name" ] && [ -f "$name/go.mod" ]; then cd "$name"; fi # a module of its own
package=$(go list -f '{{.ImportPath}}' tool | grep -E "/$name\$")
version=$(go list -f '{{.Module.Version}}' "$package")
cache="${PATCHLAB_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/patchlab}/bin"
bin="$cache/$name-$version-$(go env GOVERSION GOOS GOARCH | paste -sd-)"
if [ ! -x "$bin" ]; then
  mkdir -p "$cache"
  # One at a time: the second of two that come together finds it built. Under a
  # name of its own first, so that nobody runs half a program.
  exec 9>"$cache/.$name.lock"
  if command -v flock >/dev/null 2>&1; then flock 9; fi
  if [ ! -x "$bin" ]; then
    echo "building $name $version, once (minutes)" >&2
    # A test server need not be fast: without the optimiser it is built a minute sooner.
    flags=()
    if [ "$name" = minio ]; then flags=(-gcflags='all=-N -l'); fi
    CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' ${flags[@]+"${flags[@]}"} -o "$bin.$$" "$package" >&2
    mv "$bin.$$" "$bin"
  fi
fi
echo "$bin"
