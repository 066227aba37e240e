#include "cuda/launch.h"

#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "api/backend.h"

namespace nce::cuda {

void throw_cuda_error(cudaError_t code, const char* what) {
  throw Error(code == cudaErrorMemoryAllocation ? NCE_STATUS_OUT_OF_MEMORY : NCE_STATUS_DEVICE_ERROR,
              std::string(what) + ": " + cudaGetErrorName(code) + ", " + cudaGetErrorString(code));
}

void allow_more_shared(const void* kernel, const char* name) {
  int device = 0;
  check(cudaGetDevice(&device), name);
  static std::mutex mutex;
  static std::set<std::pair<int, const void*>> allowed;
  const std::lock_guard lock(mutex);
  if (allowed.contains({device, kernel})) return;
  int most = 0;
  check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), name);
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most), name);
  allowed.emplace(device, kernel);
}

void throw_no_kernel(const char* what) { throw Error(NCE_STATUS_INTERNAL, what); }

}  // namespace nce::cuda
