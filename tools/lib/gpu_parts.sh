# shellcheck shell=bash
# The parts of tools/gpu-day.sh, each under its own time limit, and their record. Needs common.sh; $FOLDER is where results
# go, $WORK is for what nobody keeps.

: "${root:?}"

readonly TOTAL=480
readonly -a PARTS=(build selftest client bench peers counters beside)
# Seconds that a part has in any case, and the most that it takes of what those before it have left. Ten are for the rest.
readonly -A OWN=([build]=90 [selftest]=120 [client]=10 [bench]=75 [peers]=70 [counters]=40 [beside]=65)
readonly -A MOST=([build]=90 [selftest]=200 [client]=10 [bench]=110 [peers]=110 [counters]=70 [beside]=400)

# All that comes back: eight files.
# shellcheck disable=SC2034  # for the script that sources this one
readonly -a FILES=(gpu-day.txt results.jsonl selftest.txt bench.txt peers.txt counters.csv sanitizers.txt java.txt)

# note LINE...: to the terminal and to the readable log.
note() {
  printf '%s\n' "$@" | tee -a "$FOLDER/gpu-day.txt"
}

quoted() {
  local text=${1//\\/\\\\}
  text=${text//\"/\\\"}
  printf '"%s"' "$(tr '\000-\037' ' ' <<<"$text" | sed 's/ *$//')"
}

# record TYPE NAME VALUE...: a line of JSON; numbers, true and false stay as they are.
record() {
  local line name
  line="{\"type\": $(quoted "$1")"
  shift
  while (($#)); do
    name=$1
    if [[ $2 =~ ^-?[0-9]+(\.[0-9]+)?$ || $2 == true || $2 == false ]]; then
      line+=", \"$name\": $2"
    else
      line+=", \"$name\": $(quoted "$2")"
    fi
    shift 2
  done
  printf '%s}\n' "$line" >>"$FOLDER/results.jsonl"
}

# limits_fit: whether all limits together are within the run's.
limits_fit() {
  local name sum=10
  for name in "${PARTS[@]}"; do
    sum=$((sum + ${OWN[$name]}))
  done
  ((sum <= TOTAL)) || die "the parts of a GPU day may take $sum s, more than $TOTAL"
}

# seconds_for NAME: how long the part may take, now.
seconds_for() {
  local part until=5 seconds
  for part in "${PARTS[@]}"; do
    until=$((until + ${OWN[$part]}))
    [[ $part != "$1" ]] || break
  done
  seconds=$((until - SECONDS))
  ((seconds <= MOST[$1])) || seconds=${MOST[$1]}
  # What does not end when it is told to is killed two seconds later.
  printf '%d\n' $((seconds > 4 ? seconds - 2 : 2))
}

# skipped NAME REASON
skipped() {
  note '' "== $1: skipped: $2"
  record part part "$1" state skipped reason "$2"
  printf '%s\tskipped\t%s\n' "$1" "$2" >>"$WORK/states"
}

# part NAME SECONDS FILE COMMAND...: runs it, its output appended to FILE, whose lines of JSON go among the results. Exit code
# 77 means that it could not run, and its last line why.
part() {
  local name=$1 limit=$2 file=$3 start=$SECONDS code=0 state=passed reason=''
  shift 3
  touch "$file"
  timeout -k 2 "$limit" "$@" >>"$file" 2>&1 </dev/null || code=$?
  case $code in
    0) ;;
    77)
      state=skipped
      reason=$(last_line "$file")
      ;;
    124 | 137)
      state=overran
      reason="killed after $limit s"
      ;;
    *)
      state=failed
      reason="exit code $code: $(last_line "$file")"
      ;;
  esac
  # In one piece, as parts may end side by side.
  note "$(printf '\n== %s\n' "$name: $state${reason:+: $reason} ($((SECONDS - start)) of $limit s)"
    { grep -v '^{' "$file" || true; } | tail -n "${SHOWN_LINES:-6}" | cut -c 1-240 | sed 's/^/   /')"
  { grep '^{.*}$' "$file" || true; } >>"$FOLDER/results.jsonl"
  record part part "$name" state "$state" reason "$reason" seconds $((SECONDS - start)) limit "$limit"
  printf '%s\t%s\t%s\n' "$name" "$state" "$reason" >>"$WORK/states"
}

last_line() {
  { grep -v '^{' "$1" || true; } | tail -n 1 | cut -c 1-200
}

# summary_of_parts: a line for each, and whether none has failed.
summary_of_parts() {
  note '' "$(awk -F '\t' '{ printf "%-12s %-8s %s\n", $1, $2, $3; n[$2]++ }
    END { printf "\n%d parts passed, %d failed, %d overran, %d skipped", n["passed"], n["failed"], n["overran"], n["skipped"] }' \
    "$WORK/states") in $SECONDS s"
  ! grep -qP '\t(failed|overran)\t' "$WORK/states"
}
