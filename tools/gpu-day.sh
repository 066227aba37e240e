#!/usr/bin/env bash
# All that a GPU at hand is wanted for, in one run of eight minutes; see usage, and docs/gpu-day.md.
set -uo pipefail

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
# shellcheck source=tools/lib/common.sh
source "$root/tools/lib/common.sh"
# shellcheck source=tools/lib/options.sh
source "$root/tools/lib/options.sh"
# shellcheck source=tools/lib/build.sh
source "$root/tools/lib/build.sh"
# shellcheck source=tools/lib/gpu.sh
source "$root/tools/lib/gpu.sh"
# shellcheck source=tools/lib/gpu_parts.sh
source "$root/tools/lib/gpu_parts.sh"
# shellcheck source=tools/lib/gpu_kit.sh
source "$root/tools/lib/gpu_kit.sh"

usage() {
  cat <<'END_OF_USAGE'
Usage: tools/gpu-day.sh [--kit FOLDER]
       tools/gpu-day.sh --prepare [--no-native]
       tools/gpu-day.sh --rehearse [--quick] [--native FOLDER]
       tools/gpu-day.sh --report LOG [--out FILE]

Tests and measures this library on the GPU that is there, in at most 480 seconds: self-test, benchmark beside cuBLAS, peers in
PyTorch, Nsight Compute's counters, compute-sanitizer and the Java suite. Each part has a time limit of its own. Writes
gpu-day.txt, results.jsonl and at most six more files to the folder $OUT, or to build/gpu-day.

  --prepare   beforehand, on a machine with a JDK, Maven and nvcc: fills the kit, build/gpu-kit, below 60 MB, which is carried to
              the GPU together with the sources: the programs built for Hopper, a Java runtime, the Java tests. What the GPU's
              machine lacks of it is built there or left out
  --rehearse  the same run on the CPU, at small sizes; --quick takes half a minute
  --report    turns results.jsonl into docs/gpu-results.md, or another file

  --kit FOLDER     instead of build/gpu-kit
  --native FOLDER  programs and libraries from there, instead of the kit's
  --no-native      prepares the Java part alone

Exit code: 0 all that ran has passed, 1 something failed or overran or there is no GPU, 2 wrong usage.
END_OF_USAGE
}

readonly COMMAND='tools/gpu-day.sh'
readonly MOST_JVMS=6

# choose_programs: sets BIN, where programs and libraries are, and LIBRARY; builds them where those at hand do not start here.
choose_programs() {
  local said reason=''
  BIN=${OPTION[native]:-$KIT/native}
  if [[ ! -e $BIN/infonce_selftest ]]; then
    reason="there is nothing in ${BIN#"$root"/}"
  elif [[ ! -v OPTION[native] && $(kit_says native) != "$(hash_of_native)" ]]; then
    reason='the kit was made from other sources'
  elif ! said=$("$BIN/infonce_selftest" --probe 2>&1) && [[ $said != 'infonce selftest:'* ]]; then
    reason="the kit's programs do not start here: $(head -n 1 <<<"$said")"
  elif [[ -z $REHEARSAL && $said =~ ^[0-9] && $said != 9[0-9]' '* && ! -v OPTION[native] ]]; then
    reason="the kit is for Hopper, and this is $said"
  fi
  if [[ -n $reason ]]; then
    BIN=$GPU_DAY_BUILD
    part build "$(seconds_for build)" "$WORK/build.txt" "$root/tools/gpu-day.sh" --build-on-the-spot
    note "   built here, as $reason"
    said=$("$BIN/infonce_selftest" --probe 2>&1)
  else
    skipped build "${BIN#"$root"/} has programs that start here"
  fi
  if [[ -z $REHEARSAL && ! $said =~ ^[0-9] ]]; then
    note "gpu-day: ${said#infonce selftest: }"
    exit 1
  fi
  note "   GPU: $said"
  LIBRARY=$BIN/libinfonce_cuda.so
  [[ -e $LIBRARY ]] || LIBRARY=$BIN/libinfonce.so
  # Java opens each backend by its own name; every library has the CPU's.
  mkdir -p "$WORK/lib"
  ln -sf "$(realpath "$LIBRARY")" "$WORK/lib/libinfonce_cuda.so"
  ln -sf "$(realpath "$LIBRARY")" "$WORK/lib/libinfonce.so"
}

# Folders of cuBLAS, in the toolkit or among Python's packages, for the benchmark, which opens it by name.
cublas_folders() {
  local nvcc
  nvcc=$(nvcc_path) && nvcc=$(readlink -f "$nvcc")
  {
    [[ -z $nvcc ]] || find "${nvcc%/bin/nvcc}" -name 'libcublas.so.1*' 2>/dev/null
    "$PYTHON" -c 'import sys; print("\n".join(p for p in sys.path if p.endswith("-packages")))' 2>/dev/null |
      while IFS= read -r folder; do
        find "$folder/nvidia" -name 'libcublas.so.1*' 2>/dev/null
      done
  } | xargs -r -n 1 dirname | LC_ALL=C sort -u | paste -sd :
}

# The first Python with PyTorch, else any.
find_python() {
  local python
  for python in ${INFONCE_PYTHON:+"$INFONCE_PYTHON"} python3 /usr/bin/python3; do
    if command -v "$python" >/dev/null && "$python" -c 'import importlib.util as u; exit(not u.find_spec("torch"))' 2>/dev/null; then
      echo "$python"
      return
    fi
  done
  command -v "${INFONCE_PYTHON:-python3}" || true
}

head_of_log() {
  local gpu='' commit
  commit=$(commit_of_kit)
  gpu=$(nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.max.sm,temperature.gpu,power.draw \
    --format=csv,noheader 2>/dev/null | head -n 1) || true
  note "infonce GPU day${REHEARSAL:+, REHEARSAL WITHOUT A GPU}, commit $commit, $(date -u +%Y-%m-%dT%H:%M:%SZ)" \
    "GPU: ${gpu:-nvidia-smi tells none}" \
    "host: $(nproc) processors, $(uname -r); $("${PYTHON:-false}" --version 2>&1), $(cmake --version 2>/dev/null | head -n 1)," \
    "  $("${CXX:-g++}" --version 2>/dev/null | head -n 1), $(nvcc --version 2>/dev/null | grep -o 'release .*')"
  record gpu-day rehearsal "${REHEARSAL:-false}" commit "$commit" date "$(date -u +%Y-%m-%dT%H:%M:%SZ)" gpu "$gpu" \
    host_processors "$(nproc)" kit "${KIT#"$root"/}"
}

run_selftest() {
  local options=(--device "$DEVICE" --library "$LIBRARY" --commit "$(commit_of_kit)" --log "$FOLDER/selftest.txt")
  if [[ -z $REHEARSAL ]]; then
    options+=(--repeats 100)
  elif [[ -v FLAG[quick] ]]; then
    options+=(--brief)
  fi
  # Its log has what it prints, and the JSON too.
  SHOWN_LINES=24 part selftest "$(seconds_for selftest)" "$FOLDER/selftest.txt" \
    bash -c 'exec "$@" >/dev/null' selftest "$BIN/infonce_selftest" "${options[@]}"
}

run_client() {
  local device=$DEVICE library=$LIBRARY
  if [[ -n $REHEARSAL && -e $BIN/libinfonce_emulated.so ]]; then
    # Whose memory is not the host's either.
    device=emulated
    library=$BIN/libinfonce_emulated.so
  fi
  part client "$(seconds_for client)" "$WORK/client.txt" "$PYTHON" "$root/tools/gpu/one_call.py" --library "$library" \
    --device "$device" --check
}

# starts_without_gpu PROGRAM...: 77 if it says that there is none, which shows that it starts.
starts_without_gpu() {
  local said code=0
  said=$("$@" 2>&1) || code=$?
  echo "${said#infonce bench: }"
  [[ $code -eq 1 && $said == 'infonce bench: '* ]] && return 77
  return 1
}
export -f starts_without_gpu

run_bench() {
  local seconds folders bench=$BIN/infonce_cuda_bench
  seconds=$(seconds_for bench)
  folders=$(cublas_folders)
  note '' "cuBLAS: ${folders:-found nowhere, so there will be no baseline}"
  if [[ ! -e $bench ]]; then
    skipped bench "there is no infonce_cuda_bench in ${BIN#"$root"/}"
  elif [[ -n $REHEARSAL ]]; then
    part bench "$seconds" "$FOLDER/bench.txt" bash -c 'starts_without_gpu "$@"' bench "$bench" --library "$LIBRARY"
  else
    # Its log has what it prints, and the JSON too.
    SHOWN_LINES=40 part bench "$seconds" "$FOLDER/bench.txt" \
      env LD_LIBRARY_PATH="$folders${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" bash -c 'exec "$@" >/dev/null' bench "$bench" \
      --library "$LIBRARY" --commit "$(commit_of_kit)" --log "$FOLDER/bench.txt" \
      --minutes "$(awk -v s="$seconds" 'BEGIN { printf "%.3f", (s - 8) / 60 }')"
  fi
}

run_peers() {
  local seconds
  seconds=$(seconds_for peers)
  SHOWN_LINES=60 part peers "$seconds" "$FOLDER/peers.txt" env PYTHONUNBUFFERED=1 "$PYTHON" "$root/tools/gpu/peers.py" \
    --library "$LIBRARY" --device "$DEVICE" --seconds $((seconds - 12)) --peers "$KIT/peers"
}

run_counters() {
  local seconds
  seconds=$(seconds_for counters)
  part counters "$seconds" "$WORK/counters.txt" env PYTHONUNBUFFERED=1 "$PYTHON" "$root/tools/gpu/counters.py" \
    --library "$LIBRARY" --device "$DEVICE" --csv "$FOLDER/counters.csv" --seconds $((seconds - 4))
}

# What may share the GPU: the sanitizers and the Java suite.
run_beside() {
  local seconds tool jobs=()
  seconds=$(seconds_for beside)
  for tool in memcheck racecheck initcheck; do
    if [[ -n $REHEARSAL ]]; then
      skipped "$tool" 'there is no GPU'
    elif ! command -v compute-sanitizer >/dev/null; then
      skipped "$tool" 'compute-sanitizer is not installed'
    else
      part "$tool" "$seconds" "$WORK/$tool.txt" compute-sanitizer --tool "$tool" --error-exitcode 99 \
        "$BIN/infonce_selftest" --device cuda --library "$LIBRARY" --brief &
      jobs+=($!)
    fi
  done
  run_java "$seconds"
  ((${#jobs[@]} == 0)) || wait "${jobs[@]}"
  for tool in memcheck racecheck initcheck; do
    [[ -e $WORK/$tool.txt ]] || continue
    record sanitizer tool "$tool" summary "$(grep -E 'ERROR SUMMARY|RACECHECK SUMMARY' "$WORK/$tool.txt" | tail -n 1)"
    { echo "== $tool" && cat "$WORK/$tool.txt"; } >>"$FOLDER/sanitizers.txt"
  done
}

# The suite in a few JVMs side by side, each with its share of the classes.
run_java() {
  local seconds=$1 java=$WORK/java jvms jvm jobs=()
  mkdir -p "$java"
  if [[ ! -e $KIT/java.tar.gz ]]; then
    skipped java "${KIT#"$root"/}/java.tar.gz is not there; tools/gpu-day.sh --prepare makes it"
    return
  elif ! tar -C "$java" -xzf "$KIT/java.tar.gz"; then
    skipped java "${KIT#"$root"/}/java.tar.gz cannot be unpacked"
    return
  fi
  [[ $(kit_says java) == "$(hash_of_java)" ]] || note '' "the kit's Java tests were made from other sources"
  jvms=$((2 * $(nproc)))
  ((jvms <= MOST_JVMS)) || jvms=$MOST_JVMS
  for ((jvm = 0; jvm < jvms; jvm++)); do
    run_jvm "$jvm" "$jvms" "$seconds" &
    jobs+=($!)
  done
  wait "${jobs[@]}"
  cat "$WORK"/java-*.txt >>"$FOLDER/java.txt"
  record java device "$DEVICE" successful "$(count_of successful SUCCESSFUL)" failed "$(count_of failed FAILED)" \
    skipped "$(count_of skipped SKIPPED)"
}

# run_jvm NUMBER OF SECONDS
run_jvm() {
  local java=$WORK/java classes=() tests=() class k
  if [[ -v FLAG[quick] ]]; then
    classes=(suite.ClosedFormsTest suite.TiesTest)
  else
    while IFS= read -r class; do
      classes+=("suite.$class")
    done < <(find "$java/tests/dev/infonce/suite" -name '*Test.class' -printf '%f\n' | sed 's/\.class$//' | LC_ALL=C sort)
    classes+=(DeviceMemoryTest EnqueueTest StreamOrderTest)
  fi
  for ((k = $1; k < ${#classes[@]}; k += $2)); do
    tests+=(--select-class "dev.infonce.${classes[k]}")
  done
  # A rehearsal may have fewer classes than JVMs.
  ((${#tests[@]})) || return 0
  part "java-$(($1 + 1))" "$3" "$WORK/java-$1.txt" "$java/runtime/bin/java" -Xmx3g --enable-native-access=ALL-UNNAMED \
    --add-modules jdk.incubator.vector "-Djqwik.database=$WORK/jqwik-$1" "-Dinfonce.test.devices=$DEVICE" \
    "-Dinfonce.library.path=$WORK/lib" -cp "$java/classes:$java/tests:$java/lib/*" \
    org.junit.platform.console.ConsoleLauncher execute "${tests[@]}" --details=testfeed --disable-ansi-colors --disable-banner \
    --fail-if-no-tests
}

# count_of WORD STATE: tests, from the consoles' summaries; where there is none, those that were told until then.
count_of() {
  local jvm sum=0
  for jvm in "$WORK"/java-*.txt; do
    sum=$((sum + $(sed -n "s/^\[ *\([0-9]*\) tests $1.*/\1/p" "$jvm" | grep . || grep -c ":: $2" "$jvm" || true)))
  done
  echo "$sum"
}

run_all() {
  local file code=0
  REHEARSAL=${FLAG[rehearse]:-}
  DEVICE=cuda
  FOLDER=${OUT:-$root/build/gpu-day}
  if [[ -n $REHEARSAL ]]; then
    DEVICE=cpu
    FOLDER=${OUT:-$root/build/gpu-rehearsal}
  fi
  PYTHON=$(find_python)
  [[ -n $PYTHON ]] || die 'python3 is missing'
  WORK=$(mktemp -d)
  trap 'rm -rf "$WORK"' EXIT
  mkdir -p "$FOLDER" || exit 1
  for file in "${FILES[@]}"; do
    rm -f "$FOLDER/$file"
  done
  limits_fit
  head_of_log
  choose_programs
  run_selftest
  run_client
  run_bench
  run_peers
  run_counters
  run_beside
  summary_of_parts || code=1
  note "results in $FOLDER"
  [[ -n $REHEARSAL ]] ||
    note "to be committed: results.jsonl as bench/logs/$(date -u +%Y-%m-%d)-<gpu>.jsonl, and the page that --report makes of it"
  return "$code"
}

main() {
  if [[ ${1:-} == --build-on-the-spot ]]; then
    build_on_the_spot
    return
  fi
  parse_options 'kit native report out' 'prepare rehearse quick no-native' "$@"
  KIT=$(realpath -m -- "${OPTION[kit]:-$root/build/gpu-kit}")
  [[ ! -v OPTION[native] ]] || OPTION[native]=$(realpath -m -- "${OPTION[native]}")
  if [[ -v OPTION[report] ]]; then
    python3 "$root/tools/gpu/report.py" "${OPTION[report]}" ${OPTION[out]:+--out "${OPTION[out]}"}
  elif [[ -v FLAG[prepare] ]]; then
    prepare_kit
  else
    run_all
  fi
}

main "$@"
