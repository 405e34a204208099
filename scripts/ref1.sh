#!/bin/sh
# Renders the reference patch of the engine's peers for their runner (bench/peers/run.sh):
#
#   EXTRA="patchlab $PWD/scripts/ref1.sh bin/patchlab @DUR@" bash .../run.sh
#
# A sound of PatchLAB has 30 s at most: 60 s are two of 30, start-up included twice. It
# is sh, without a fork of its own, because the runner counts its time too.
set -eu
cd "${0%/*}/.."
program=${1:?which patchlab?} seconds=${2:?how long?} out=${OUT:-/dev/null}
while [ "$seconds" -gt 30 ]; do
  "$program" render --patch engine/testdata/ref1.json --duration 30 -o "$out" >/dev/null
  seconds=$((seconds - 30))
done
exec "$program" render --patch engine/testdata/ref1.json --duration "$seconds" -o "$out" >/dev/null
