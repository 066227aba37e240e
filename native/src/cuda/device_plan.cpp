#include "cuda/device_plan.h"

#include <atomic>
#include <string>

namespace nce::cuda {
namespace {

constexpr int64_t kStateBytes = 128;
static_assert(sizeof(CallState) <= kStateBytes);
static_assert(kArrayAlignment == 2 * NCE_WORKSPACE_ALIGNMENT);

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

Carver::Carver(std::byte* base) {
  if (base == nullptr) return;
  arrays_ = base + kStateBytes;
  if (reinterpret_cast<uintptr_t>(arrays_) % kArrayAlignment != 0) arrays_ += NCE_WORKSPACE_ALIGNMENT;
}

int64_t Carver::used() const { return kStateBytes + NCE_WORKSPACE_ALIGNMENT + used_; }

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

void throw_status(const void* workspace, cudaStream_t stream, int device) {
  const DeviceScope scope(device);
  CallState call;
  check(cudaMemcpyAsync(&call, workspace, sizeof call, cudaMemcpyDeviceToHost, stream), "cudaMemcpyAsync");
  check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  throw_unless_ok(call);
}

uint64_t next_plan_id() {
  static std::atomic<uint64_t> last{0};
  constexpr uint64_t kMark = 0x6e63'655f'6370'0000;  // "nce_cp"
  return kMark + ++last;
}

}  // namespace nce::cuda
