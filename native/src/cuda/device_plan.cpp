#include "cuda/device_plan.h"

#include <atomic>
#include <optional>
#include <string>

#include "cuda/known_memory.h"

namespace nce::cuda {
namespace {

constexpr int64_t kStateBytes = 128;
static_assert(sizeof(CallState) <= kStateBytes);
/// Workspaces of calls in turn may begin so far behind one another and share the rest, as those of prefixes in Java do.
constexpr int64_t kStateDistance = 256;
static_assert(kStateBytes <= kStateDistance);
static_assert(kArrayAlignment == 2 * NCE_WORKSPACE_ALIGNMENT);

std::string memory_of(int device) { return "memory of device " + std::to_string(device); }

/// "" for memory of the device, else what it is instead. To be called where a context is current: the runtime makes one
/// otherwise, on a device of its own choice.
std::string what_else(const void* memory, int device) {
  cudaPointerAttributes attributes{};
  check(cudaPointerGetAttributes(&attributes, memory), "cudaPointerGetAttributes");
  if (attributes.type == cudaMemoryTypeManaged) return "";
  if (attributes.type != cudaMemoryTypeDevice) return "host memory";
  return attributes.device == device ? "" : memory_of(attributes.device);
}

[[noreturn]] void refuse_memory(const MemoryRegion& region, const std::string& where, int device) {
  throw Error(NCE_STATUS_INVALID_ARGUMENT,
              std::string(region.name) + where + "; allowed: memory of the context, device " + std::to_string(device));
}

/// Whether another region begins where this one does, and goes as far or further.
bool covered(std::span<const MemoryRegion> regions, std::size_t i) {
  for (std::size_t j = 0; j < regions.size(); ++j) {
    if (j == i || regions[j].begin != regions[i].begin) continue;
    if (regions[j].bytes > regions[i].bytes || (regions[j].bytes == regions[i].bytes && j < i)) return true;
  }
  return false;
}

void check_known(const MemoryRegion& region, const KnownMemory& known, int device) {
  if (known.device != device) refuse_memory(region, " points to " + memory_of(known.device), device);
  if (region.bytes > known.bytes) {
    refuse_memory(
        region,
        " reaches " + std::to_string(region.bytes - known.bytes) + " bytes beyond what nce_memory_allocate gave",
        device);
  }
}

/// Memory of another origin: where its last byte is the device's, so are those before.
void check_foreign(const MemoryRegion& region, int device) {
  const std::string at_end = what_else(static_cast<const std::byte*>(region.begin) + (region.bytes - 1), device);
  if (at_end.empty()) return;
  const std::string at_begin = what_else(region.begin, device);
  refuse_memory(region, at_begin.empty() ? " reaches into " + at_end : " points to " + at_begin, device);
}

}  // namespace

Carver::Carver(std::byte* base) {
  if (base == nullptr) return;
  arrays_ = base + kStateBytes;
  if (reinterpret_cast<uintptr_t>(arrays_) % kArrayAlignment != 0) arrays_ += NCE_WORKSPACE_ALIGNMENT;
}

int64_t Carver::used() const { return kStateBytes + NCE_WORKSPACE_ALIGNMENT + used_; }

void check_device_memory(std::span<const MemoryRegion> regions, int device) {
  std::optional<DeviceScope> scope;
  for (std::size_t i = 0; i < regions.size(); ++i) {
    if (const std::optional<KnownMemory> known = known_memory(regions[i].begin)) {
      check_known(regions[i], *known, device);
    } else if (!covered(regions, i)) {
      if (!scope) scope.emplace(device);
      check_foreign(regions[i], device);
    }
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
