#!/usr/bin/env bash
# Renders the reference patch of the engine's peers for their runner (bench/peers/run.sh):
#
#   EXTRA="patchlab $PWD/scripts/ref1.sh bin/patchlab @DUR@" bash .../run.sh
#
# A sound of PatchLAB has 30 s at most: 60 s are two of 30, start-up included twice.
set -euo pipefail
cd "$(dirname "$0")/.."
program=${1:?which patchlab?} seconds=${2:?how long?} out=${OUT:-/dev/null}
while [ "$seconds" -gt 0 ]; do
  part=$((seconds > 30 ? 30 : seconds))
  "$program" render --patch engine/testdata/ref1.json --duration "$part" -o "$out" >/dev/null
  seconds=$((seconds - part))
done
