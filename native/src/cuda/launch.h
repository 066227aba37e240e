#pragma once
// Starting kernels, and what the CUDA runtime says. Host code only, but for how sums over rows are cut.

#include <cuda_runtime.h>

#include <cstdint>

namespace nce::cuda {

/// Throws DEVICE_ERROR, or OUT_OF_MEMORY where `code` is that. `what` names the call.
[[noreturn]] void throw_cuda_error(cudaError_t code, const char* what);

/// Throws INTERNAL: there is no kernel for what a launch was asked for. `what` names the kernel and what it lacks.
[[noreturn]] void throw_no_kernel(const char* what);

inline void check(cudaError_t code, const char* what) {
  if (code != cudaSuccess) throw_cuda_error(code, what);
}

/// What a launch needs. `name` is for messages.
struct Launch {
  const char* name;
  dim3 grid;
  int threads;
  int64_t shared_bytes;
  cudaStream_t stream;
};

/// What every kernel may have of dynamic shared memory.
constexpr int64_t kUsualSharedBytes = 48 << 10;

/// Lets the kernel have all the shared memory of the current device's blocks, from the first call for both on. A
/// host-only call, allowed while a stream is captured.
void allow_more_shared(const void* kernel, const char* name);

/// Enqueues kernel(params).
template <typename Params>
void launch(const Launch& how, void (*kernel)(Params), const Params& params) {
  const auto* const function = reinterpret_cast<const void*>(kernel);
  if (how.shared_bytes > kUsualSharedBytes) allow_more_shared(function, how.name);
#if defined(NCE_EMULATED)
  check(emulation::launch(how.name, how.grid, how.threads, how.shared_bytes, how.stream, kernel, params), how.name);
#else
  Params copy = params;
  void* arguments[] = {&copy};
  check(cudaLaunchKernel(function, how.grid, dim3(static_cast<unsigned>(how.threads)), arguments,
                         static_cast<std::size_t>(how.shared_bytes), how.stream),
        how.name);
#endif
}

/// Blocks of kernels that go over rows.
constexpr int kWarpThreads = 32;
constexpr int kBlockThreads = 256;
constexpr int kBlockWarps = kBlockThreads / kWarpThreads;

/// As many blocks as have `each` of `count` things.
inline dim3 blocks_of(int64_t count, int64_t each) { return dim3(static_cast<unsigned>((count + each - 1) / each)); }

/// Blocks that share a sum over `count` rows: from the shape alone, at most kMostParts.
constexpr int64_t kMostParts = 256;
__host__ __device__ constexpr int64_t parts_of(int64_t count) {
  constexpr int64_t kRowsAPart = kBlockThreads;
  const int64_t wanted = (count + kRowsAPart - 1) / kRowsAPart;
  return wanted < 1 ? 1 : wanted > kMostParts ? kMostParts : wanted;
}

}  // namespace nce::cuda
