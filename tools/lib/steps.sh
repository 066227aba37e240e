# shellcheck shell=bash
# Steps of a test run: each is announced, timed and counted, and a failing one does not stop the next. Needs common.sh.

: "${root:?}"
STEP_ROWS=()
TOTAL_PASSED=0
TOTAL_FAILED=0
TOTAL_SKIPPED=0

# step NAME FUNCTION: the function sets PASSED, FAILED and SKIPPED, or just succeeds or fails and counts as one.
step() {
  local name=$1 start=$SECONDS code=0
  PASSED=0 FAILED=0 SKIPPED=0
  printf '\n== %s (at %s)\n' "$name" "$(minutes $SECONDS)"
  "$2" || code=$?
  if ((code && FAILED == 0)); then
    FAILED=1
  elif ((PASSED + FAILED + SKIPPED == 0)); then
    PASSED=1
  fi
  printf '== %s: %d passed, %d failed, %d skipped in %s\n' \
    "$name" "$PASSED" "$FAILED" "$SKIPPED" "$(minutes $((SECONDS - start)))"
  STEP_ROWS+=("$(printf '%-34s %7d %7d %8d %8s' "$name" "$PASSED" "$FAILED" "$SKIPPED" "$(minutes $((SECONDS - start)))")")
  TOTAL_PASSED=$((TOTAL_PASSED + PASSED))
  TOTAL_FAILED=$((TOTAL_FAILED + FAILED))
  TOTAL_SKIPPED=$((TOTAL_SKIPPED + SKIPPED))
}

# left_out NAME REASON: a step that is not run counts as one skipped, and says why.
left_out() {
  printf '\n== %s: left out: %s\n' "$1" "$2"
  STEP_ROWS+=("$(printf '%-34s %7d %7d %8d %8s' "$1" 0 0 1 -)")
  TOTAL_SKIPPED=$((TOTAL_SKIPPED + 1))
}

# Prints the table and the closing line; the exit code says whether all is well.
summary() {
  printf '\n%-34s %7s %7s %8s %8s\n' step passed failed skipped time
  printf '%s\n' "${STEP_ROWS[@]}"
  printf '\n%d passed, %d failed, %d skipped\n' "$TOTAL_PASSED" "$TOTAL_FAILED" "$TOTAL_SKIPPED"
  ((TOTAL_FAILED == 0))
}

minutes() {
  printf '%d:%02d' $(($1 / 60)) $(($1 % 60))
}

# shown LOG PATTERN COMMAND...: all output to build/logs/LOG.log, lines that match to the terminal, as they come.
shown() {
  local log="$root/build/logs/$1.log" pattern=$2
  shift 2
  mkdir -p "$root/build/logs"
  "$@" 2>&1 </dev/null | tee "$log" | { grep --line-buffered -E "$pattern" || true; }
  return "${PIPESTATUS[0]}"
}
