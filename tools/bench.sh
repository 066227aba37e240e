#!/usr/bin/env bash
# Measures the native kernels and the Java API; see usage.
set -euo pipefail

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
# shellcheck source=tools/lib/common.sh
source "$root/tools/lib/common.sh"
# shellcheck source=tools/lib/build.sh
source "$root/tools/lib/build.sh"

usage() {
  cat <<'END'
Usage: ./infonce bench [native|java] [OPTION...]

  native   Google Benchmark of the kernels on one core, with their share of the FMA peak measured in the same run;
           further options go to it, such as --benchmark_filter=REGEX
  java     JMH benchmark of forward and forward+backward through the Java API, on every device

Without a word both run. Nothing else should run on the machine meanwhile.
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

case ${1:-both} in
  -h | --help) usage ;;
  native)
    shift
    native_bench "$@"
    ;;
  java) java_bench ;;
  both)
    native_bench
    java_bench
    ;;
  *)
    say "infonce bench: unknown word '$1'; allowed are native and java (see ./infonce bench --help)"
    exit 2
    ;;
esac
