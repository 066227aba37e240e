#include "cuda/device_memory.h"

#include <cuda_runtime.h>

#include <cstddef>
#include <string>

#include "api/backend.h"
#include "cuda/launch.h"

namespace nce::cuda {
namespace {

/// "" for memory of the device, else what it is instead.
std::string what_else(const void* memory, int device) {
  cudaPointerAttributes attributes{};
  check(cudaPointerGetAttributes(&attributes, memory), "cudaPointerGetAttributes");
  if (attributes.type == cudaMemoryTypeManaged) return "";
  if (attributes.type != cudaMemoryTypeDevice) return "host memory";
  if (attributes.device != device) return "memory of device " + std::to_string(attributes.device);
  return "";
}

}  // namespace

void check_device_memory(const char* name, const void* memory, int64_t bytes, int device) {
  if (memory == nullptr || bytes <= 0) return;
  const auto* const last = static_cast<const std::byte*>(memory) + (bytes - 1);
  for (const void* const end : {memory, static_cast<const void*>(last)}) {
    const std::string other = what_else(end, device);
    if (other.empty()) continue;
    throw Error(NCE_STATUS_INVALID_ARGUMENT, std::string(name) + (end == memory ? " points to " : " reaches into ") +
                                                 other + "; allowed: memory of the context, device " +
                                                 std::to_string(device));
  }
}

}  // namespace nce::cuda
