# shellcheck shell=bash
# Fuzzing of the C interface with Clang's libFuzzer, and beside it of Java; needs common.sh, steps.sh and fuzz_java.sh.

: "${root:?}"

# Bytes of an input: enough for a plan and some calls.
readonly FUZZ_LENGTH=200
# A process that has found something starts anew, at most so many times.
readonly FUZZ_MOST_FINDINGS=20
# Java has a quarter of the minutes: ten times as many calls are wanted of the C interface, which has a process a core all the
# time.
readonly FUZZ_JAVA_PART=4

fuzzer_is_there() {
  is_there clang++-19 && is_there libfuzzer && is_there llvm-cov-19
}

fuzz_native_build() {
  (
    cd "$root" || exit 1
    cmake_quietly fuzz-build cmake --preset fuzz -G Ninja || exit 1
    cmake_quietly fuzz-build cmake --build --preset fuzz || exit 1
  )
}

# fuzz_native_process NUMBER END: until the time END, over the repository's corpus and what earlier runs found worth keeping.
fuzz_native_process() {
  local folder=$root/build/fuzz/native runs=0 left
  while left=$(($2 - $(date +%s))) && ((left > 0 && runs < FUZZ_MOST_FINDINGS)); do
    LLVM_PROFILE_FILE="$folder/$1-$runs.profraw" "$root/build/native-fuzz/infonce_fuzz" -max_total_time="$left" \
      -max_len="$FUZZ_LENGTH" -len_control=10 -entropic=0 -timeout=120 -rss_limit_mb=4096 -print_final_stats=1 -reload=10 \
      -artifact_prefix="$folder/findings/" "$folder/corpus" "$root/native/fuzz/corpus" >"$folder/$1-$runs.log" 2>&1 </dev/null
    runs=$((runs + 1))
  done
}

# fuzz_native PROCESSES SECONDS: prints calls, findings and coverage; what fails is kept in build/fuzz/native/findings.
fuzz_native() {
  local folder=$root/build/fuzz/native start end k pids=() each calls findings
  mkdir -p "$folder/corpus"
  rm -rf "$folder/findings" "$folder"/*.log "$folder"/*.profraw
  mkdir -p "$folder/findings"
  start=$(date +%s)
  end=$((start + $2))
  for ((k = 0; k < $1; k++)); do
    fuzz_native_process "$k" "$end" &
    pids+=($!)
  done
  wait "${pids[@]}" || true
  # A run ends with its count or with a finding; anything else is a finding too.
  each=$(cat "$folder"/*.log | sed -n 's/^fuzz: \([0-9]*\) calls$/\1/p' | paste -sd + -)
  calls=$((${each:-0}))
  findings=$(grep -LE '^fuzz: [0-9]+ calls$' "$folder"/*.log | wc -l)
  if ((findings)); then
    grep -ahE '^FOUND|ERROR: |runtime error|SUMMARY|Test unit written' "$folder"/*.log | head -n 40
  fi
  printf 'C interface: %d calls (%s) in %d s by %d processes, %d findings\n' \
    "$calls" "${each//+/ + }" $(($(date +%s) - start)) "$1" "$findings"
  fuzz_coverage native/src/api
  fuzz_coverage native/src/cpu
  ((findings == 0 && calls > 0))
}

# fuzz_coverage FOLDER: how many of its lines the run reached.
fuzz_coverage() {
  local runs=$root/build/fuzz/native
  llvm-profdata-19 merge -sparse "$runs"/*.profraw -o "$runs/all.profdata" || return 1
  llvm-cov-19 report "$root/build/native-fuzz/infonce_fuzz" -instr-profile="$runs/all.profdata" -show-region-summary=false \
    -show-branch-summary=false "$root/$1" >"$runs/coverage-${1##*/}.txt" || return 1
  awk -v name="$1" '$1 == "TOTAL" { printf "%s: %s of %d lines\n", name, $NF, $(NF - 2) }' "$runs/coverage-${1##*/}.txt"
}

# Some seconds in every test run.
fuzz_native_briefly() {
  fuzz_native_build && fuzz_native "$(nproc)" 10
}

fuzz_build() {
  fuzz_native_build && fuzz_java_classpaths
}

fuzz_java_step() {
  local minutes=${OPTION[fuzz]}
  fuzz_java $((minutes * 60 / FUZZ_JAVA_PART))
}

# The other half, which has run beside Java.
fuzz_native_step() {
  local code=0
  wait "$FUZZ_NATIVE" || code=$?
  cat "$root/build/logs/fuzz-native.log"
  return "$code"
}

# Nothing but the fuzzers: the C interface's for the minutes of --fuzz, and Java's beside it.
only_fuzz() {
  [[ ${OPTION[fuzz]} =~ ^[1-9][0-9]{0,3}$ ]] || wrong "--fuzz is '${OPTION[fuzz]}'; allowed are 1 to 9999 minutes"
  need_tools mvn cmake g++ ninja clang++-19 libfuzzer llvm-cov-19
  step 'fuzz targets' fuzz_build
  if ((TOTAL_FAILED == 0)); then
    fuzz_native "$(nproc)" $((OPTION[fuzz] * 60)) >"$root/build/logs/fuzz-native.log" 2>&1 &
    FUZZ_NATIVE=$!
    step 'fuzzers of Java' fuzz_java_step
    step 'fuzzer of the C interface' fuzz_native_step
  fi
  summary
}
