# shellcheck shell=bash
# The GPU day, rehearsed on the CPU at small sizes, as a step of a test run; needs common.sh, steps.sh, and the builds that the
# native and the Java tests left.

: "${root:?}"

rehearse_gpu_day() {
  if native_is_off; then
    left_out 'GPU day, rehearsed' 'the native library is hidden'
  elif ! command -v python3 >/dev/null; then
    left_out 'GPU day, rehearsed' 'there is no Python 3'
  else
    step 'GPU day, rehearsed' gpu_day_rehearsed
  fi
}

# PASSED, FAILED and SKIPPED are the parts of the rehearsal, and three checks of what tells of it.
# shellcheck disable=SC2034  # `step` reads what is counted
gpu_day_rehearsed() {
  local kit=$root/build/test-gpu-kit folder=$root/build/test-gpu-day check
  "$root/tools/gpu-day.sh" --prepare --no-native --kit "$kit" || return 1
  OUT=$folder shown test-gpu-day '^== |parts passed' \
    "$root/tools/gpu-day.sh" --rehearse --quick --kit "$kit" --native "$root/build/native" || true
  PASSED=$(grep -c '"type": "part".*"state": "passed"' "$folder/results.jsonl" || true)
  SKIPPED=$(grep -c '"type": "part".*"state": "skipped"' "$folder/results.jsonl" || true)
  FAILED=$(grep -cE '"type": "part".*"state": "(failed|overran)"' "$folder/results.jsonl" || true)
  for check in rehearsal_is_told overrun_is_told gpu_programs_tell; do
    if "$check"; then
      PASSED=$((PASSED + 1))
    else
      echo "failed: $check"
      FAILED=$((FAILED + 1))
    fi
  done
  # Self-test, client and Java have no excuse.
  ((FAILED == 0 && PASSED >= 6))
}

# A rehearsal's page says what it is, and is not written where the GPU's results belong.
rehearsal_is_told() {
  local folder=$root/build/test-gpu-day
  "$root/tools/gpu-day.sh" --report "$folder" --out "$folder/page.md" >/dev/null && grep -q 'no GPU ran any of this' "$folder/page.md" &&
    ! "$root/tools/gpu-day.sh" --report "$folder" >/dev/null 2>&1
}

# What does not end is killed, and the run has failed.
overrun_is_told() (
  FOLDER=$(mktemp -d)
  WORK=$FOLDER
  trap 'rm -rf "$FOLDER"' EXIT
  # shellcheck source=tools/lib/gpu_parts.sh
  source "$root/tools/lib/gpu_parts.sh"
  part slow 1 "$FOLDER/slow.txt" sleep 30 >/dev/null
  part absent 5 "$FOLDER/absent.txt" bash -c 'echo the reason; exit 77' >/dev/null
  part broken 5 "$FOLDER/broken.txt" false >/dev/null
  ! summary_of_parts >/dev/null && grep -q '"slow", "state": "overran"' "$FOLDER/results.jsonl" &&
    grep -q '"absent", "state": "skipped", "reason": "the reason"' "$FOLDER/results.jsonl" &&
    grep -q '"broken", "state": "failed"' "$FOLDER/results.jsonl"
)

# The programs that read what a GPU's tools print, on samples of that.
gpu_programs_tell() {
  python3 "$root/tools/gpu/programs_test.py" >"$root/build/logs/test-gpu-programs.log" 2>&1 || {
    cat "$root/build/logs/test-gpu-programs.log"
    return 1
  }
}
