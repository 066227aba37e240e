#!/usr/bin/env bash
# Builds and tests everything; see usage.
set -euo pipefail

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
# shellcheck source=tools/lib/common.sh
source "$root/tools/lib/common.sh"
# shellcheck source=tools/lib/options.sh
source "$root/tools/lib/options.sh"
# shellcheck source=tools/lib/build.sh
source "$root/tools/lib/build.sh"
# shellcheck source=tools/lib/steps.sh
source "$root/tools/lib/steps.sh"
# shellcheck source=tools/lib/examples.sh
source "$root/tools/lib/examples.sh"
# shellcheck source=tools/lib/container.sh
source "$root/tools/lib/container.sh"
# shellcheck source=tools/lib/supply.sh
source "$root/tools/lib/supply.sh"
# shellcheck source=tools/lib/gpu.sh
source "$root/tools/lib/gpu.sh"
# shellcheck source=tools/lib/gates.sh
source "$root/tools/lib/gates.sh"
# shellcheck source=tools/lib/gpu_day.sh
source "$root/tools/lib/gpu_day.sh"
# shellcheck source=tools/lib/fuzz_java.sh
source "$root/tools/lib/fuzz_java.sh"
# shellcheck source=tools/lib/fuzz.sh
source "$root/tools/lib/fuzz.sh"

usage() {
  cat <<'END'
Usage: ./infonce test [--device java|cpu|emulated] [--quick] [--gates] [--neon]
       ./infonce test --fuzz MINUTES

Builds and tests everything: native tests (plain and under AddressSanitizer and UndefinedBehaviorSanitizer), gates over the
CUDA sources, Java tests, formatting, the examples against the installed artifact, the command line against NumPy, and a short
training run.

  --device cpu   every device (the default); of the CUDA kernels on the emulator, the native tests
  --device java  only pure Java, with the native library hidden; native steps are left out
  --device emulated
                 only what runs on the CUDA kernels under the emulator: the Java suite, smaller where it says so, the
                 self-test, and the command line against NumPy
  --gates        also compiles the CUDA kernels for every architecture and with clang, against a table of registers and
                 instructions, shows that seeded bugs in CUDA, C++ and Java are caught, and runs the native tests under
                 ThreadSanitizer; takes many minutes more, and leaves out what needs nvcc where that is missing
  --neon         also cross-compiles for AArch64 and runs the native tests under qemu-user, some 10 minutes; installs Debian's
                 g++-aarch64-linux-gnu and qemu-user where they are missing
  --fuzz MINUTES only fuzzes: the C interface for so long by libFuzzer, a process a core, and beside it Java for a quarter of
                 that by Jazzer; shows calls, findings, and the share of the native lines that were run. Inputs that fail
                 are kept in build/fuzz. Installs Debian's clang-19, libclang-rt-19-dev and llvm-19 where they are missing
  --quick        leaves out the sanitizers, the fuzzers, most gates, NumPy's second opinion and the training run

Exit code: 0 all passed, 1 something failed, 2 wrong usage.
END
}

readonly COMMAND='infonce test'

native_format() {
  local sources
  mkdir -p "$root/build/logs"
  (cd "$root" && shellcheck -x infonce .ci/run tools/*.sh tools/lib/*.sh bindings/*.sh) || return 1
  # The C interface is aligned by hand, and its checksum is that of the generated bindings.
  mapfile -t sources < <(find "$root/native" "$root/examples" \
    \( -name '*.h' -o -name '*.cpp' -o -name '*.c' -o -name '*.cu' -o -name '*.cuh' \) -not -path '*/include/infonce.h')
  if ! "$(clang_format_16)" --dry-run -Werror "${sources[@]}" 2>"$root/build/logs/test-clang-format.log"; then
    echo "to be formatted with clang-format -i:"
    grep -oE '^/[^:]+' "$root/build/logs/test-clang-format.log" | sort -u
    return 1
  fi
}

java_format() {
  shown test-java-format 'ERROR|violations' maven -Ppeers -fae com.diffplug.spotless:spotless-maven-plugin:check
}

native_tests() {
  native_preset release
}

sanitized_tests() {
  native_preset sanitize
}

thread_tests() {
  native_preset tsan
}

# The emulator is slow, so each test shows that it has passed.
neon_tests() {
  native_preset aarch64 'Passed '
}

# native_preset PRESET [PATTERN]: PATTERN is of lines to show beside failures.
native_preset() (
  cd "$root" || return 1
  if command -v ninja >/dev/null; then
    export CMAKE_GENERATOR=Ninja
  fi
  cmake_quietly "test-native-$1" cmake --preset "$1" || return 1
  echo "building ..."
  cmake_quietly "test-native-$1" cmake --build --preset "$1" --parallel || return 1
  echo "testing ..."
  shown "test-ctest-$1" "${2:+$2|}tests passed|Failed|\\*\\*\\*|FAILED|ERROR:|runtime error" ctest --preset "$1" --parallel "$(nproc)"
)

cmake_quietly() {
  local log="$root/build/logs/$1.log"
  shift
  mkdir -p "$root/build/logs"
  "$@" >"$log" 2>&1 </dev/null || {
    excerpt "$log"
    return 1
  }
}

# counted PRESET FUNCTION: PASSED, FAILED and SKIPPED from what ctest said.
counted() {
  local log="$root/build/logs/test-ctest-$1.log" code=0 total
  rm -f "$log"
  "$2" || code=$?
  [[ -r $log ]] || return 1
  total=$(sed -n 's/^.* tests failed out of \([0-9]*\)$/\1/p' "$log")
  FAILED=$(sed -n 's/^.*, \([0-9]*\) tests failed out of [0-9]*$/\1/p' "$log")
  SKIPPED=$(grep -cE '\*\*\*(Skipped|Not Run \(Disabled\))' "$log" || true)
  if [[ -z $total || $total -eq 0 ]]; then
    echo "ctest ran no test"
    FAILED=1
    return 1
  fi
  PASSED=$((total - FAILED - SKIPPED))
  return "$code"
}

java_tests() {
  local goal=install
  if native_is_off; then
    # Not installed: an artifact without its native library is not one to leave behind.
    goal=verify
  fi
  local code=0
  shown test-java 'Building infonce|Running |Tests run:.*Time|\[ERROR\]|BUILD|WARNING. Native' \
    maven -fae "$goal" -Dmaven.test.failure.ignore=true -Dspotless.check.skip=true || code=$?
  count_surefire test-java
  return "$code"
}

# From the lines that end each module; the XML reports merge tests that share a name.
count_surefire() {
  local numbers
  numbers=$(grep -E '^\[[A-Z]+\] Tests run: ' "$root/build/logs/$1.log" | grep -v 'Time elapsed' | awk '
    function value(name) { return match($0, name ": [0-9]+") ? substr($0, RSTART + length(name) + 2, RLENGTH) + 0 : 0 }
    { tests += value("Tests run"); skipped += value("Skipped")
      failed += value("Failures") + value("Errors") + value("Flakes") }
    END { print tests + 0, failed + 0, skipped + 0 }')
  read -r PASSED FAILED SKIPPED <<<"$numbers"
  PASSED=$((PASSED - FAILED - SKIPPED))
  if ((PASSED + FAILED == 0)); then
    echo "no Java test ran"
    FAILED=1
  fi
}

command_line() {
  local out
  out=$("$root/infonce" doctor) || return 1
  sed -n '/^Devices/,$p' <<<"$out"
  if ! native_is_off && ! grep -qE '^  cpu +yes' <<<"$out"; then
    echo "device cpu cannot be used here"
    return 1
  fi
}

# One process a device, side by side; each counts as one. The script alone does four temperatures of each case, and each
# similarity on each device.
numpy_opinion() {
  local device devices=(java) jobs=() job python
  python=$(python_with_numpy)
  native_is_off || devices+=(cpu)
  for device in "${devices[@]}"; do
    "$python" "$root/examples/numpy/check_loss.py" --device "$device" --sample \
      >"$root/build/logs/test-numpy-$device.log" 2>&1 &
    jobs+=($!)
  done
  for job in "${jobs[@]}"; do
    if wait "$job"; then
      PASSED=$((PASSED + 1))
    else
      FAILED=$((FAILED + 1))
    fi
  done
  for device in "${devices[@]}"; do
    cat "$root/build/logs/test-numpy-$device.log"
  done
  ((FAILED == 0))
}

# Where `./infonce selftest` and `./infonce loss` look for them.
emulated_library() {
  build_quietly infonce_emulated infonce infonce_selftest
}

# emulated_suite LOG DEVICES TESTS: of java/core.
emulated_suite() {
  local code=0
  shown "$1" 'Running |Tests run:.*Time|\[ERROR\]|^(left out|smaller) on' \
    maven -pl java/core -am test -Dspotless.check.skip=true -Dsurefire.failIfNoSpecifiedTests=false "-Dtest=$3" \
    "-Dinfonce.test.jvm=-Dinfonce.test.devices=$2 -Dinfonce.library.path=$GPU_BUILD" || code=$?
  count_surefire "$1"
  return "$code"
}

emulated_java() {
  emulated_suite test-emulated-java emulated 'dev.infonce.suite.*Test,DeviceMemoryTest,EnqueueTest,StreamOrderTest'
}

# What plans choose for others: float multiply-adds without and with copies that overlap, more shared memory, other cuts.
emulated_others() {
  emulated_suite test-emulated-others emulated@75,emulated@86,emulated@90,emulated@120 'RaggedSizesTest,SixteenBitTest'
}

emulated_selftest() {
  "$root/infonce" selftest --device emulated --brief
}

emulated_numpy() {
  "$(python_with_numpy)" "$root/examples/numpy/check_loss.py" --device emulated --sample
}

emulated() {
  need_tools cmake g++ ninja numpy
  step 'emulated library' emulated_library
  step 'Java suite' emulated_java
  step 'Java suite, other GPUs' emulated_others
  step 'self-test' emulated_selftest
  step "NumPy's second opinion" emulated_numpy
  summary
}

training() {
  rm -rf "$root/build/test-training"
  "$root/infonce" train --quick --require-gain 2.5 --out "$root/build/test-training"
}

main() {
  parse_options 'device fuzz' 'quick gates neon' "$@"
  DEVICE=${OPTION[device]-cpu}
  one_of --device "$DEVICE" java cpu emulated
  need_jdk
  if [[ -v OPTION[fuzz] ]]; then
    only_fuzz
    return
  fi
  need_tools mvn clang-format shellcheck
  if [[ $DEVICE == emulated ]]; then
    emulated
    return
  fi
  if [[ $DEVICE == java ]]; then
    export INFONCE_NATIVE=off
    # What is packed without the library must not pass for the usual build afterwards.
    trap 'rm -rf "$root/build/stamps"' EXIT
    rm -rf "$root/build/stamps"
  else
    need_tools cmake g++ ninja gtest benchmark
  fi

  step 'formatting of C++ and shell' native_format
  step 'formatting of Java' java_format
  step 'wrong checksums are refused' wrong_checksum_is_refused
  if [[ $DEVICE == java ]]; then
    left_out 'native tests' 'the native library is hidden'
    left_out 'native tests, sanitized' 'the native library is hidden'
    left_out 'native tests, NEON' 'the native library is hidden'
    left_out 'fuzzer of the C interface' 'the native library is hidden'
    left_out 'gates' 'the native library is hidden'
  else
    step 'native tests' counted_release
    if [[ -v FLAG[quick] ]]; then
      left_out 'native tests, sanitized' '--quick'
    else
      step 'native tests, sanitized' counted_sanitize
    fi
    if [[ -v FLAG[quick] ]]; then
      left_out 'fuzzer of the C interface' '--quick'
    elif ! fuzzer_is_there; then
      left_out 'fuzzer of the C interface' "there is no clang++-19 with libFuzzer and llvm-cov-19 (Debian's clang-19, libclang-rt-19-dev, llvm-19)"
    else
      step 'fuzzer of the C interface' fuzz_native_briefly
    fi
    if [[ -v FLAG[neon] ]]; then
      need_tools aarch64-linux-gnu-g++ qemu-aarch64 gtest-source
      step 'native tests, NEON' counted_neon
      if command -v python3 >/dev/null; then
        step 'NEON sums in registers' neon_registers
      else
        left_out 'NEON sums in registers' 'there is no Python 3'
      fi
    else
      left_out 'native tests, NEON' 'needs --neon'
    fi
    gates
  fi
  step 'Java tests' java_tests
  step 'README shows the examples' readme_shows_the_examples
  step 'quickstart in Java' java_quickstart
  if native_is_off; then
    left_out 'GPU example, emulated' 'the native library is hidden'
    left_out 'quickstart in C' 'the native library is hidden'
    left_out 'large batch in C' 'the native library is hidden'
  else
    step 'GPU example, emulated' gpu_example
    step 'quickstart in C' c_example
    step 'large batch in C' c_large_batch
  fi
  step 'command line' command_line
  step 'start as in a container' container_start
  rehearse_gpu_day
  if [[ -v FLAG[quick] ]]; then
    left_out "NumPy's second opinion" '--quick'
    left_out 'training' '--quick'
  else
    need_tools numpy
    step "NumPy's second opinion" numpy_opinion
    step 'training' training
  fi
  summary
}

counted_release() {
  counted release native_tests
}

counted_sanitize() {
  counted sanitize sanitized_tests
}

counted_tsan() {
  counted tsan thread_tests
}

counted_neon() {
  counted aarch64 neon_tests
}

main "$@"
