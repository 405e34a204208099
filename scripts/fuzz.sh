#!/usr/bin/env bash
# Runs every fuzz target for a while, one after the other.
#
#   FUZZTIME=60s scripts/fuzz.sh
set -euo pipefail
cd "$(dirname "$0")/.."
for file in $(git ls-files '*_test.go' | xargs grep -l '^func Fuzz' | sort); do
  for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
    echo "== ./$(dirname "$file") $target"
    # Making inputs smaller for coverage's sake would take most of the time.
    go test "./$(dirname "$file")" -run='^$' -fuzz="^$target\$" -fuzztime="${FUZZTIME:-20s}" -fuzzminimizetime=10x | tail -n 3
  done
done
