#!/usr/bin/env bash
# Prints the path of a build tool, built from the versions that tools/go.mod pins.
# The binary is kept in the user's cache under its version, so that a fresh clone
# on the same machine has it at once: golangci-lint takes two minutes to build.
#
#   scripts/tool.sh golangci-lint
set -euo pipefail
cd "$(dirname "$0")/../tools"

name=${1:?which tool?}
package=$(go list -f '{{.ImportPath}}' tool | grep -E "/$name\$")
version=$(go list -f '{{.Module.Version}}' "$package")
cache="${PATCHLAB_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/patchlab}/bin"
bin="$cache/$name-$version-$(go env GOVERSION GOOS GOARCH | paste -sd-)"
if [ ! -x "$bin" ]; then
  echo "building $name $version, once" >&2
  mkdir -p "$cache"
  # Under a name of its own first: two builds at once do not meet.
  CGO_ENABLED=0 go build -trimpath -o "$bin.$$" "$package" >&2
  mv "$bin.$$" "$bin"
fi
echo "$bin"
