#!/usr/bin/env bash
# Runs Vite, which reloads the web app on save and passes API calls on, and the
# server, which is built and started again on every save of Go, SQL or YAML.
set -euo pipefail
cd "$(dirname "$0")/.."

watch=$(scripts/tool.sh reflex)
trap 'trap - EXIT; kill 0' EXIT INT TERM # everything that was started here
npm --prefix web run dev &
# The rooms by name: the watcher would otherwise follow every folder of
# node_modules and data.
"$watch" --start-service --decoration=none \
  --regex='^(cmd|db|engine|internal|queue|storage|web)/.*\.(go|sql|ya?ml)$|^go\.(mod|sum)$|^\.env$' \
  --inverse-regex='(^|/)(node_modules|dist|data|\.cache|\.git)/' \
  -- sh -c 'go build -o bin/dev/patchlab ./cmd/patchlab && exec bin/dev/patchlab serve'
