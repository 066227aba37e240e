#!/usr/bin/env bash
# Measures the native kernels and the Java API; see usage.
set -euo pipefail

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
# shellcheck source=tools/lib/common.sh
source "$root/tools/lib/common.sh"
# shellcheck source=tools/lib/options.sh
source "$root/tools/lib/options.sh"
# shellcheck source=tools/lib/build.sh
source "$root/tools/lib/build.sh"
# shellcheck source=tools/lib/gpu.sh
source "$root/tools/lib/gpu.sh"

usage() {
  cat <<'END'
Usage: ./infonce bench [OPTION...]                  speed, memory and charts; ./infonce bench --options lists the options
       ./infonce bench --check                      fails if the cpu device is slower than it was
       ./infonce bench native [OPTION...]
       ./infonce bench java [OPTION...]
       ./infonce bench versus LIBRARY [THREADS]
       ./infonce bench keys [LARGEST_M]
       ./infonce bench family [N] [THREADS]
       ./infonce bench --device cuda [--quick] [--minutes N] [--library PATH] [--index N] [--log FILE]

  (no word)  this library through Java: losses by size, type and device, the cost of a small call, memory by N; with --peers
             beside TensorFlow-Java and DJL's PyTorch, whose natives (some 400 MB) come from Maven Central. Prints tables and
             writes results.json and charts.html to build/bench. --quick takes fewer and smaller sizes, --device java or cpu
             one device, --only PART one part (suite, calls, memory, scaling, dtypes, peers). See docs/benchmarks.md
  native     Google Benchmark of the kernels on one core, with their share of the FMA peak measured in the same run;
             further options go to it, such as --benchmark_filter=REGEX
  versus     this build's cpu device beside that of another build of the native library, in turns within one process: what a
             change costs. LIBRARY is the other's libinfonce.so, of the same version of the interface
  keys       memory of the cpu device where keys are many more than queries, measured beside its bound: n = 64 to 4096,
             m = 65536 to LARGEST_M (16777216), which takes 16 GiB and many minutes
  family     members of the family on the cpu device beside InfoNCE of the same shape, N x N x 128 (N 4096), in turns within one
             process; mined triplets beside its forward pass
  java       JMH with its own options, such as LossBenchmark -p n=1024 -p loss=symmetric -prof gc

  --device cuda  the kernels on a GPU, beside its peaks measured in the same run and a baseline on cuBLAS where that is
           installed; the most telling rows first, for 9 minutes (--quick: 2). Appends to bench/logs/<date>-<gpu>.txt.
           The emulated device is refused: timings of it mean nothing

Nothing else should run on the machine meanwhile.
END
}

readonly COMMAND='infonce bench'

native_bench() {
  need_tools cmake g++ ninja gtest benchmark
  logged bench-build-native 'building the native benchmark' build_targets infonce_benchmark || exit 1
  "$root/build/native/infonce_benchmark" "$@"
}

# build_targets TARGET...
build_targets() {
  cd "$root"
  export CMAKE_GENERATOR=Ninja
  cmake --preset release && cmake --build --preset release --target "$@" --parallel
}

versus_bench() {
  if (($# < 1 || $# > 2)); then
    wrong 'versus takes LIBRARY [THREADS]'
  fi
  need_tools cmake g++ ninja
  logged bench-build-versus 'building the library and the comparison' build_targets infonce infonce_versus || exit 1
  "$root/build/native/infonce_versus" "$1" "$root/build/native/libinfonce.so" "${@:2}"
}

keys_bench() {
  need_tools cmake g++ ninja
  logged bench-build-keys 'building the library and the measurement' build_targets infonce infonce_keys || exit 1
  "$root/build/native/infonce_keys" "$root/build/native/libinfonce.so" "$@"
}

java_bench() {
  need_jdk
  build_java bench
  (run_java bench org.openjdk.jmh.Main "$@")
}

# The benchmarks through Java. Peers live in a module of their own, which nothing else builds.
suite_bench() {
  local module=bench options=(--commit "$(commit_of_sources)" --compiler "$(compiler)") argument library
  for argument in "$@"; do
    case $argument in
      -h | --help | --options)
        set -- --help
        module=bench
        break
        ;;
      --peers) module=bench/peers ;;
    esac
  done
  need_jdk
  build_java "$module"
  if [[ $module == bench/peers ]]; then
    need_tools jemalloc
    library=$(jemalloc)
    options+=(--peers-classpath "$(classpath_of bench/peers)" --jemalloc "$library")
  fi
  if ! native_is_off; then
    logged bench-build-peak 'building the measure of the FMA peak' build_peak || exit 1
    options+=(--peak-program "$root/build/native/infonce_peak")
  fi
  (run_java "$module" dev.infonce.bench.BenchCommand "${options[@]}" "$@")
}

# In the folder that the Java build has configured.
build_peak() {
  cmake --build "$root/build/native" --target infonce_peak
}

compiler() {
  if native_is_off; then
    echo 'no compiler'
  else
    "${CXX:-g++}" --version | head -n 1
  fi
}

device_bench() {
  local library index log
  parse_options 'device library index log minutes' quick "$@"
  DEVICE=${OPTION[device]-}
  [[ $DEVICE != emulated ]] || wrong 'the emulated device is not measured, as its timings mean nothing'
  one_of --device "$DEVICE" cuda
  library=${OPTION[library]:-}
  index=${OPTION[index]-0}
  [[ ! -v FLAG[quick] ]] || OPTION[minutes]=${OPTION[minutes]-2}
  options_given minutes
  probe_gpu "$index"
  log=${OPTION[log]:-$(gpu_log)}
  mkdir -p "$(dirname "$log")"
  # The benchmark's own kernels are compiled in any case.
  if [[ -n $library ]]; then
    build_for_gpu infonce_cuda_bench
  else
    build_for_gpu infonce_cuda infonce_cuda_bench
    library=$GPU_BUILD/libinfonce_cuda.so
  fi
  say "infonce: log in $log"
  exec "$GPU_BUILD/infonce_cuda_bench" --library "$library" --index "$index" \
    --commit "$(commit_of_sources)" --log "$log" "${GIVEN[@]}"
}

family_bench() {
  need_tools cmake g++ ninja
  logged bench-build-family 'building the library and the comparison' build_targets infonce infonce_family || exit 1
  "$root/build/native/infonce_family" "$root/build/native/libinfonce.so" "$@"
}

case ${1:-} in
  native)
    shift
    native_bench "$@"
    ;;
  java)
    shift
    java_bench "$@"
    ;;
  versus)
    shift
    versus_bench "$@"
    ;;
  keys)
    shift
    keys_bench "$@"
    ;;
  family)
    shift
    family_bench "$@"
    ;;
  -h | --help) usage ;;
  '' | -*)
    if device_option "$@" | grep -qxE 'cuda|emulated'; then
      device_bench "$@"
    else
      suite_bench "$@"
    fi
    ;;
  *) wrong "unknown word '$1'; allowed are native, java, versus, keys and family" ;;
esac
