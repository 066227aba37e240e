# shellcheck shell=bash
# The self-test and the benchmark of a GPU: built with cmake, a C++ compiler and nvcc alone, for the GPU that is there.
# Needs common.sh.

: "${root:?}"
readonly GPU_BUILD="$root/build/device"

# configure_device OPTION...: neither test libraries nor other compilers' new warnings may stand in the way there.
configure_device() {
  if [[ ! -r $GPU_BUILD/CMakeCache.txt ]] && command -v ninja >/dev/null; then
    set -- -G Ninja "$@"
  fi
  cmake -S "$root" -B "$GPU_BUILD" -DCMAKE_BUILD_TYPE=Release -DINFONCE_TESTS=OFF -DINFONCE_BENCHMARKS=OFF \
    -DINFONCE_EMULATION=ON -DINFONCE_WARNINGS_ARE_ERRORS=OFF "$@"
}

build_device_targets() {
  cmake --build "$GPU_BUILD" --parallel "$(nproc)" --target "$@"
}

configured_and_built() {
  local options=()
  while [[ $1 == -D* ]]; do
    options+=("$1")
    shift
  done
  configure_device "${options[@]}" && build_device_targets "$@"
}

# Of PATH, or of the toolkit in CUDA_HOME or its usual place; fails where there is none.
nvcc_path() {
  local usual=${CUDA_HOME:-/usr/local/cuda}/bin/nvcc
  command -v nvcc && return
  [[ -x $usual ]] && echo "$usual"
}

# build_quietly TARGET...: what has been built before is brought up to date without a word.
build_quietly() {
  local log="$root/build/logs/build-$1.log"
  need_tools cmake g++
  mkdir -p "$root/build/logs"
  if [[ ! -e $GPU_BUILD/$1 && ! -e $GPU_BUILD/lib$1.so ]]; then
    logged "build-$1" "building $1" configured_and_built "$@" || exit 1
  elif ! configured_and_built "$@" >"$log" 2>&1 </dev/null; then
    say "infonce: failed: building $1; from ${log#"$root"/}:"
    excerpt "$log" >&2
    exit 1
  fi
}

# probe_gpu INDEX: sets GPU_CAPABILITY and GPU_NAME; ends with one line that says why there is no GPU.
probe_gpu() {
  local found
  build_quietly infonce_selftest
  found=$("$GPU_BUILD/infonce_selftest" --probe --index "$1") || exit 1
  GPU_CAPABILITY=${found%% *}
  GPU_NAME=${found#* }
  ((GPU_CAPABILITY >= 75)) || die "the GPU ($GPU_NAME) has compute capability $GPU_CAPABILITY; at least 75 is needed"
}

# build_for_gpu TARGET...: for the architecture of the GPU found, and no other.
build_for_gpu() {
  local nvcc folder
  nvcc=$(nvcc_path) || die "nvcc is not found on PATH or in CUDA_HOME; install the CUDA toolkit 13, or name a library with --library"
  need_tools cmake g++
  logged "build-$1" "building $* for compute capability $GPU_CAPABILITY" configured_and_built -DINFONCE_CUDA=ON \
    "-DINFONCE_NVCC=$nvcc" "-DINFONCE_CUDA_ARCHITECTURES=$GPU_CAPABILITY-real" "$@" || exit 1
  # Where the toolkit keeps cuBLAS, which the benchmark opens by name.
  folder=$(dirname "$(dirname "$(readlink -f "$nvcc")")")/lib64
  export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder"
}

# Where runs on this GPU are recorded, on this day.
gpu_log() {
  printf '%s/bench/logs/%s-%s.txt' "$root" "$(date -u +%Y-%m-%d)" "$(tr -cs 'A-Za-z0-9\n' '-' <<<"$GPU_NAME")"
}

commit_of_sources() {
  git -C "$root" describe --always --tags --dirty 2>/dev/null || echo unknown
}
