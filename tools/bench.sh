#!/usr/bin/env bash
# Measures the native kernels and the Java API; see usage.
set -euo pipefail

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
# shellcheck source=tools/lib/common.sh
source "$root/tools/lib/common.sh"
# shellcheck source=tools/lib/build.sh
source "$root/tools/lib/build.sh"
# shellcheck source=tools/lib/gpu.sh
source "$root/tools/lib/gpu.sh"

usage() {
  cat <<'END'
Usage: ./infonce bench [native|java] [OPTION...]
       ./infonce bench --device cuda [--quick] [--minutes N] [--library PATH] [--index N] [--log FILE]

  native   Google Benchmark of the kernels on one core, with their share of the FMA peak measured in the same run;
           further options go to it, such as --benchmark_filter=REGEX
  java     JMH benchmark of forward and forward+backward through the Java API, on every device

  --device cuda  the kernels on a GPU, beside its peaks measured in the same run and a baseline on cuBLAS where that is
           installed; the most telling rows first, for 9 minutes (--quick: 2). Appends to bench/logs/<date>-<gpu>.txt.
           The emulated device is refused: timings of it mean nothing

Without a word native and java run. Nothing else should run on the machine meanwhile.
END
}

native_bench() {
  need_tools cmake g++ ninja gtest benchmark
  logged bench-build-native 'building the native benchmark' build_native_benchmark || exit 1
  "$root/build/native/infonce_benchmark" "$@"
}

build_native_benchmark() {
  cd "$root"
  export CMAKE_GENERATOR=Ninja
  cmake --preset release && cmake --build --preset release --target infonce_benchmark --parallel
}

java_bench() {
  need_jdk
  build_java bench
  (run_java bench dev.infonce.bench.BenchMain)
}

device_bench() {
  local device='' library='' index=0 log='' options=()
  while (($#)); do
    case $1 in
      --device | --library | --index | --log | --minutes)
        [[ $# -ge 2 ]] || wrong "$1 takes a value"
        case $1 in
          --device) device=$2 ;;
          --library) library=$(realpath -- "$2") ;;
          --index) index=$2 ;;
          --log) log=$2 ;;
          --minutes) options+=(--minutes "$2") ;;
        esac
        shift
        ;;
      --device=*) device=${1#*=} ;;
      --quick) options+=(--minutes 2) ;;
      -h | --help)
        usage
        exit 0
        ;;
      *) wrong "unknown option '$1'" ;;
    esac
    shift
  done
  case $device in
    cuda) ;;
    emulated) wrong 'the emulated device is not measured, as its timings mean nothing' ;;
    cpu) wrong "the CPU backend is measured by './infonce bench native'" ;;
    *) wrong "--device must be cuda, but is '$device'" ;;
  esac
  probe_gpu "$index"
  log=${log:-$(gpu_log)}
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
    --commit "$(commit_of_sources)" --log "$log" "${options[@]}"
}

wrong() {
  say "infonce bench: $1 (see ./infonce bench --help)"
  exit 2
}

case ${1:-both} in
  -h | --help) usage ;;
  native)
    shift
    native_bench "$@"
    ;;
  java) java_bench ;;
  --device | --device=*) device_bench "$@" ;;
  both)
    native_bench
    java_bench
    ;;
  *)
    say "infonce bench: unknown word '$1'; allowed are native and java (see ./infonce bench --help)"
    exit 2
    ;;
esac
