#!/usr/bin/env bash
# Tests a native backend on the device that runs it; see usage.
set -euo pipefail

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
# shellcheck source=tools/lib/common.sh
source "$root/tools/lib/common.sh"
# shellcheck source=tools/lib/options.sh
source "$root/tools/lib/options.sh"
# shellcheck source=tools/lib/gpu.sh
source "$root/tools/lib/gpu.sh"

usage() {
  cat <<'END'
Usage: ./infonce selftest [--device cuda|emulated|cpu] [OPTION...]

Every loss, similarity, element type and temperature against float64, equal bits over repeats and exchanged towers, graphs,
leaks, bad calls; with compute-sanitizer too where that is installed. Needs neither Java nor test libraries.

  --device cuda      the GPU (the default); compiled for it alone
  --device emulated  the GPU's kernels on the CPU, fewer and smaller cases
  --device cpu       the CPU backend
  --library PATH     tests this library, instead of building one
  --index N          the GPU, where there are several
  --no-sanitizer     leaves compute-sanitizer out
  --log FILE         where to append; for a GPU bench/logs/<date>-<gpu>.txt by default, else build/logs/selftest-<device>.txt

Further options are those of infonce_selftest: --capability N, --repeats N, --large, --brief, --only WORD.
Exit code: 0 all passed, 1 something failed or there is no such device, 2 wrong usage.
END
}

readonly COMMAND='infonce selftest'
GPU_NAME=''

selftest() {
  "$GPU_BUILD/infonce_selftest" --device "$DEVICE" --library "$LIBRARY" --index "$INDEX" --commit "$(commit_of_sources)" "$@"
}

# One tool over the short cases; it ends with 99 if it finds something.
sanitized() {
  local tool=$1 out="$root/build/logs/sanitizer-$1.log" code=0
  say "infonce: compute-sanitizer $tool (log: ${out#"$root"/})"
  compute-sanitizer --tool "$tool" --error-exitcode 99 "$GPU_BUILD/infonce_selftest" --device cuda --library "$LIBRARY" \
    --index "$INDEX" --brief >"$out" 2>&1 || code=$?
  printf 'compute-sanitizer %s: %s\n' "$tool" "$(grep -E 'ERROR SUMMARY|RACECHECK SUMMARY' "$out" | tail -n 1)" | tee -a "$LOG"
  if ((code)); then
    tail -n 40 "$out" | tee -a "$LOG"
  fi
  return "$code"
}

main() {
  local code=0 tool
  parse_options 'device library index log capability repeats only' 'large brief no-sanitizer' "$@"
  DEVICE=${OPTION[device]-cuda}
  LIBRARY=${OPTION[library]:-}
  INDEX=${OPTION[index]-0}
  LOG=${OPTION[log]:-}
  one_of --device "$DEVICE" cuda emulated cpu
  options_given capability repeats only large brief
  mkdir -p "$root/build/logs"
  case $DEVICE in
    cuda)
      probe_gpu "$INDEX"
      LOG=${LOG:-$(gpu_log)}
      if [[ -z $LIBRARY ]]; then
        build_for_gpu infonce_cuda infonce_selftest
        LIBRARY=$GPU_BUILD/libinfonce_cuda.so
      fi
      ;;
    *)
      LOG=${LOG:-$root/build/logs/selftest-$DEVICE.txt}
      local target=infonce
      [[ $DEVICE == cpu ]] || target=infonce_emulated
      if [[ -z $LIBRARY ]]; then
        build_quietly "$target" infonce_selftest
        LIBRARY=$GPU_BUILD/lib$target.so
      else
        build_quietly infonce_selftest
      fi
      ;;
  esac
  mkdir -p "$(dirname "$LOG")"
  selftest --log "$LOG" "${GIVEN[@]}" || code=$?
  if [[ $DEVICE == cuda && $code -ne 2 ]]; then
    if [[ -v FLAG[no-sanitizer] ]]; then
      echo 'compute-sanitizer: left out, as asked for' | tee -a "$LOG"
    elif ! command -v compute-sanitizer >/dev/null; then
      echo 'compute-sanitizer: not installed, left out' | tee -a "$LOG"
    else
      for tool in memcheck racecheck initcheck; do
        sanitized "$tool" || code=1
      done
    fi
  fi
  say "infonce: log in $LOG"
  return "$code"
}

main "$@"
