#!/usr/bin/env bash
# Finds what the tests need beyond Go, Node, git and make, and installs what is
# missing with apt on Debian and Ubuntu. Where it can do neither it says in one
# line what to install. What is there is used as it is; CHROMIUM names another
# browser.
set -euo pipefail

missing=() packages=()
need() { # need PACKAGE PROGRAM...: any one of the programs will do
  local package=$1 program
  shift
  for program in "$@"; do
    if [ -n "$program" ] && command -v "$program" >/dev/null 2>&1; then return; fi
  done
  missing+=("$1")
  packages+=("$package")
}

need gcc gcc cc clang # the race detector links with it
need ffmpeg ffmpeg    # a second opinion on the files that we write
need sox sox          # a third
need unzip unzip      # the same for packs
need python3 python3  # again a third
need redis-server redis-server
# Not on the PATH where Debian puts it.
need postgresql postgres /usr/lib/postgresql/1[5-9]/bin/postgres /usr/pgsql-1[5-9]/bin/postgres
need chromium "${CHROMIUM:-chromium}" chromium chromium-browser google-chrome google-chrome-stable
if [ "$(uname -s)" = Linux ] && [ "$(uname -m)" != aarch64 ]; then
  need qemu-user-static qemu-aarch64-static qemu-aarch64 # proves that arm64 renders the same bytes
fi
# MinIO, from the module proxy: there is no package of it.
tools() { "$(dirname "$0")/tool.sh" minio >/dev/null; }
if [ ${#missing[@]} -eq 0 ]; then
  tools
  exit 0
fi

fail() {
  echo "the tests need ${missing[*]}: install them with your package manager and try again ($1)" >&2
  exit 1
}
if ! command -v apt-get >/dev/null 2>&1; then fail "only apt can be asked from here"; fi
sudo=()
if [ "$(id -u)" -ne 0 ]; then
  if ! sudo -n true 2>/dev/null; then fail "apt needs root"; fi
  sudo=(sudo -n)
fi
if [[ " ${packages[*]} " == *" gcc "* ]]; then packages+=(libc6-dev); fi
echo "installing ${packages[*]}" >&2
"${sudo[@]}" apt-get update -qq >&2 || fail "apt-get update failed"
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2 || fail "apt-get install failed"
tools
