# shellcheck shell=bash
# Fuzzers: of the C interface by Clang's libFuzzer, and of Java where fuzz_java.sh is there. Needs common.sh and steps.sh.

: "${root:?}"
if [[ -r $root/tools/lib/fuzz_java.sh ]]; then
  # shellcheck source=/dev/null
  source "$root/tools/lib/fuzz_java.sh"
fi

# Bytes of an input: enough for a plan and some calls.
readonly FUZZ_LENGTH=200

fuzzer_is_there() {
  is_there clang++-19 && is_there libfuzzer && is_there llvm-cov-19
}

# fuzz_native SECONDS: a process a processor, over the corpus of the repository and what earlier runs found.
fuzz_native() {
  local seconds=$1 build="$root/build/native-fuzz" folder="$root/build/fuzz" k code=0 pids=() calls findings
  mkdir -p "$folder/corpus"
  rm -rf "$folder/findings" "$folder"/*.log "$folder"/*.profraw
  mkdir -p "$folder/findings"
  (
    cd "$root" || exit 1
    cmake_quietly fuzz-build cmake --preset fuzz -G Ninja || exit 1
    echo "building ..."
    cmake_quietly fuzz-build cmake --build --preset fuzz || exit 1
  ) || return 1
  echo "fuzzing for $seconds s ..."
  for ((k = 0; k < $(nproc); k++)); do
    LLVM_PROFILE_FILE="$folder/$k.profraw" "$build/infonce_fuzz" -max_total_time="$seconds" -max_len=$FUZZ_LENGTH -timeout=120 \
      -rss_limit_mb=4096 -print_final_stats=1 -artifact_prefix="$folder/findings/" "$folder/corpus" \
      "$root/native/fuzz/corpus" >"$folder/$k.log" 2>&1 </dev/null &
    pids+=($!)
  done
  for k in "${pids[@]}"; do
    wait "$k" || code=1
  done
  calls=$(sed -n 's/^fuzz: \([0-9]*\) calls$/\1/p' "$folder"/*.log | awk '{ sum += $1 } END { print sum + 0 }')
  findings=$(find "$folder/findings" -type f | wc -l)
  ((code == 0)) || grep -hE '^FOUND|ERROR: |runtime error|SUMMARY' "$folder"/*.log | head -n 20
  echo "C interface: $calls calls, $findings findings, $(fuzz_coverage "$build" "$folder") of the lines of native/src/api and native/src/cpu"
  # shellcheck disable=SC2034  # `step` reads what is counted
  FAILED=$findings
  ((code == 0 && findings == 0 && calls > 0))
}

# fuzz_coverage BUILD FOLDER: such as "91.2 %", of the lines that the processes have run.
fuzz_coverage() {
  local profile="$2/all.profdata"
  if ! llvm-profdata-19 merge -sparse "$2"/*.profraw -o "$profile" 2>/dev/null; then
    echo 'an unknown share'
    return
  fi
  llvm-cov-19 report "$1/infonce_fuzz" -instr-profile="$profile" -show-region-summary=false -show-branch-summary=false \
    "$root/native/src/api" "$root/native/src/cpu" >"$2/coverage.txt" 2>/dev/null
  awk '$1 == "TOTAL" { sub("%", " %", $NF); print $(NF) }' "$2/coverage.txt"
}

# Some seconds in every test run.
fuzz_for_seconds() {
  fuzz_native 20
}

fuzz_for_minutes() {
  local minutes=${OPTION[fuzz]}
  fuzz_native $((minutes * 60))
}

fuzz_java_for_minutes() {
  fuzz_java "${OPTION[fuzz]}"
}

# Nothing but the fuzzers, each for the minutes of --fuzz.
only_fuzz() {
  [[ ${OPTION[fuzz]} =~ ^[1-9][0-9]*$ ]] || wrong "--fuzz takes a number of minutes, but is '${OPTION[fuzz]}'"
  need_tools cmake ninja clang++-19 libfuzzer llvm-cov-19
  step 'fuzzer of the C interface' fuzz_for_minutes
  if declare -F fuzz_java >/dev/null; then
    need_tools mvn
    step 'fuzzers of Java' fuzz_java_for_minutes
  else
    left_out 'fuzzers of Java' 'there is no tools/lib/fuzz_java.sh'
  fi
  summary
}
