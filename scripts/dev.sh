#!/usr/bin/env bash
# Runs Vite, which reloads the web app on save and passes API calls on, and the
# server, which is built and started again on every save of Go, SQL or YAML.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -n "${ADDR:-}" ]; then export PATCHLAB_SERVER="${PATCHLAB_SERVER:-http://127.0.0.1:${ADDR##*:}}"; fi
watch=$(scripts/tool.sh reflex)
npm --prefix web run dev &
vite=$!
# The rooms by name: the watcher would otherwise follow every folder of
# node_modules and data.
"$watch" --start-service --decoration=none \
  --regex='^(cmd|db|engine|internal|queue|storage|web)/.*\.(go|sql|ya?ml)$|^go\.(mod|sum)$|^\.env$' \
  --inverse-regex='(^|/)(node_modules|dist|data|\.cache|\.git)/' \
  -- sh -c 'CGO_ENABLED=0 go build -trimpath -o bin/dev/patchlab ./cmd/patchlab && exec bin/dev/patchlab serve' &
server=$!
trap 'kill "$vite" "$server" 2>/dev/null || true; wait' EXIT
trap 'exit 130' INT TERM
wait -n # whichever ends first ends both
