#!/usr/bin/env bash
# All that a GPU at hand is wanted for, into one log: docs/gpu-day.md. Options go to the benchmark, such as --quick.
set -uo pipefail

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)

"$root/tools/selftest.sh" --device cuda
code=$?
# Without a GPU both would say the same; a failed test is a reason to see the speed all the same.
[[ -x $root/build/device/infonce_selftest ]] && "$root/build/device/infonce_selftest" --probe >/dev/null 2>&1 || exit "$code"
"$root/tools/bench.sh" --device cuda "$@" || code=1
exit "$code"
