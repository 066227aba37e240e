#pragma once
// Starting kernels, and what the CUDA runtime says. Host code only.

#include <cuda_runtime.h>

#include <cstdint>
#include <string>

#include "api/backend.h"

namespace nce::cuda {

/// Throws DEVICE_ERROR (OUT_OF_MEMORY for that code) unless `code` is success. `what` names the call.
inline void check(cudaError_t code, const char* what) {
  if (code == cudaSuccess) return;
  throw Error(code == cudaErrorMemoryAllocation ? NCE_STATUS_OUT_OF_MEMORY : NCE_STATUS_DEVICE_ERROR,
              std::string(what) + ": " + cudaGetErrorName(code) + ", " + cudaGetErrorString(code));
}

/// What a launch needs. `name` is for messages.
struct Launch {
  const char* name;
  dim3 grid;
  int threads;
  int64_t shared_bytes;
  cudaStream_t stream;
};

/// Enqueues kernel(params). Raises the kernel's limit of dynamic shared memory where more than 48 KiB are wanted, which
/// is a host-only call and allowed while a stream is captured.
template <typename Params>
void launch(const Launch& how, void (*kernel)(Params), const Params& params) {
#if defined(NCE_EMULATED)
  check(emulation::launch(how.name, how.grid, how.threads, how.shared_bytes, kernel, params), how.name);
#else
  constexpr int64_t kDefaultLimit = 48 << 10;
  const auto* const function = reinterpret_cast<const void*>(kernel);
  if (how.shared_bytes > kDefaultLimit) {
    check(
        cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(how.shared_bytes)),
        how.name);
  }
  Params copy = params;
  void* arguments[] = {&copy};
  check(cudaLaunchKernel(function, how.grid, dim3(static_cast<unsigned>(how.threads)), arguments,
                         static_cast<std::size_t>(how.shared_bytes), how.stream),
        how.name);
#endif
}

}  // namespace nce::cuda
