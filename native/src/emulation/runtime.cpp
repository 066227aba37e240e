// The CUDA runtime of a machine whose devices are the emulator. Everything has ended when a call returns, unless
// streams are captured or late.

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "emulation/control.h"
#include "emulation/machine.h"
#include "emulation/memory.h"
#include "emulation/streams.h"

struct CUstream_st {
  int device;
};

namespace {

using nce::emulation::remember;

constexpr int64_t kDeviceBytes = int64_t{8} << 30;
constexpr int kVersion = 13000;

std::mutex& launch_mutex() {
  static std::mutex instance;
  return instance;
}

struct PinnedMemory {
  std::mutex mutex;
  std::set<void*> live;
};

PinnedMemory& pinned() {
  static PinnedMemory instance;
  return instance;
}

/// Device memory: the end of each allocation, and the device that was current.
std::map<const void*, std::pair<const void*, int>>& owners() {
  static std::map<const void*, std::pair<const void*, int>> instance;
  return instance;
}

/// What cudaFuncSetAttribute allowed a kernel on a device.
constexpr int64_t kUsualSharedBytes = 48 << 10;
std::map<std::pair<int, const void*>, int64_t>& shared_limits() {
  static std::map<std::pair<int, const void*>, int64_t> instance;
  return instance;
}

int64_t shared_limit(int device, const void* kernel) {
  const auto set = shared_limits().find({device, kernel});
  return set == shared_limits().end() ? kUsualSharedBytes : set->second;
}

/// -1: none of a device.
int owner_of(const void* memory) {
  const auto after = owners().upper_bound(memory);
  if (after == owners().begin()) return -1;
  const auto& [end, device] = std::prev(after)->second;
  return memory < end ? device : -1;
}

// Handles of primary contexts: their addresses.
int primary_contexts[nce::emulation::kDevices];

// Of a thread: the driver's stack of contexts, and the device that the runtime takes where that is empty.
thread_local std::vector<int> context_stack;
thread_local int runtime_device = 0;

int current_device() { return context_stack.empty() ? runtime_device : context_stack.back(); }

/// The current device, whose context is made by what needs one.
int needed_device() {
  const int device = current_device();
  if (context_stack.empty()) context_stack.push_back(device);
  nce::emulation::device_use()[static_cast<std::size_t>(device)].context = true;
  return device;
}

bool is_installed(int device) { return device >= 0 && device < nce::emulation::kDevices; }

constexpr int kDriverSuccess = 0, kDriverInvalidValue = 1, kDriverInvalidContext = 201;

int retain_primary(void** context, int device) {
  if (!is_installed(device)) return kDriverInvalidValue;
  nce::emulation::device_use()[static_cast<std::size_t>(device)].context = true;
  *context = &primary_contexts[device];
  return kDriverSuccess;
}

int push_current(void* context) {
  for (int device = 0; device < nce::emulation::kDevices; ++device) {
    if (context != &primary_contexts[device]) continue;
    context_stack.push_back(device);
    return kDriverSuccess;
  }
  return kDriverInvalidContext;
}

int pop_current(void** context) {
  if (context_stack.empty()) return kDriverInvalidContext;
  *context = &primary_contexts[context_stack.back()];
  context_stack.pop_back();
  return kDriverSuccess;
}

thread_local cudaError_t last_error = cudaSuccess;
thread_local std::string report;

cudaError_t result(cudaError_t code) {
  if (code != cudaSuccess) last_error = code;
  return code;
}

}  // namespace

namespace nce::emulation {

Options& options() {
  static Options instance = [] {
    Options from_environment;
    if (const char* seed = std::getenv("NCE_EMULATION_SEED")) from_environment.seed = std::strtoull(seed, nullptr, 10);
    if (const char* arrival = std::getenv("NCE_EMULATION_ASYNC")) {
      const std::string name = arrival;
      from_environment.arrival = name == "early"      ? Arrival::kEarly
                                 : name == "shuffled" ? Arrival::kShuffled
                                                      : Arrival::kLate;
    }
    const char* const streams = std::getenv("NCE_EMULATION_STREAMS");
    from_environment.late_streams = streams != nullptr && std::string(streams) == "late";
    return from_environment;
  }();
  return instance;
}

std::map<std::string, Counters>& counters() {
  static std::map<std::string, Counters> instance;
  return instance;
}

std::array<DeviceUse, kDevices>& device_use() {
  static std::array<DeviceUse, kDevices> instance;
  return instance;
}

int current_context() { return context_stack.empty() ? -1 : context_stack.back(); }

void forget_thread() {
  context_stack.clear();
  runtime_device = 0;
}

const std::string& last_report() { return report; }
void clear_report() { report.clear(); }

cudaError_t run_grid(const Grid& grid) {
  constexpr int kMostThreads = 1024;
  constexpr unsigned kMostY = 65535;
  const std::lock_guard lock(launch_mutex());
  const int device = needed_device();
  const dim3 blocks = grid.blocks;
  const bool fits = grid.threads > 0 && grid.threads <= kMostThreads && grid.threads % kWarpSize == 0 &&
                    grid.shared_bytes >= 0 && grid.shared_bytes <= shared_limit(device, grid.kernel) && blocks.x > 0 &&
                    blocks.x <= 0x7fffffffU && blocks.y > 0 && blocks.y <= kMostY && blocks.z > 0 && blocks.z <= kMostY;
  if (!fits) return result(cudaErrorInvalidValue);
  std::vector<std::max_align_t> copy(grid.call_bytes / sizeof(std::max_align_t) + 1);
  std::memcpy(copy.data(), grid.call, grid.call_bytes);
  const auto run = [=](const void* call) {
    ++device_use()[static_cast<std::size_t>(device)].grids;
    const std::string said = Machine::get().run(grid.name, blocks, grid.threads, grid.shared_bytes, grid.body, call);
    if (said.empty()) return cudaSuccess;
    report = said;
    return result(cudaErrorLaunchFailure);
  };
  const auto later = [run, copy] {
    const std::lock_guard launching(launch_mutex());
    return run(copy.data());
  };
  return remember(grid.stream, later) ? cudaSuccess : run(grid.call);
}

}  // namespace nce::emulation

const char* cudaGetErrorName(cudaError_t code) {
  switch (code) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorNotReady:
      return "cudaErrorNotReady";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    case cudaErrorIllegalState:
      return "cudaErrorIllegalState";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated:
      return "cudaErrorStreamCaptureInvalidated";
    case cudaErrorStreamCaptureWrongThread:
      return "cudaErrorStreamCaptureWrongThread";
  }
  return "an unknown code";
}

const char* cudaGetErrorString(cudaError_t code) {
  switch (code) {
    case cudaErrorLaunchFailure:
      return report.c_str();
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidValue:
      return "invalid argument";
    default:
      return cudaGetErrorName(code);
  }
}

cudaError_t cudaGetLastError() {
  const cudaError_t code = last_error;
  last_error = cudaSuccess;
  return code;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new CUstream_st{needed_device()};
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const cudaError_t code = nce::emulation::end_stream(stream);
  delete stream;
  return result(code);
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (!nce::emulation::waiting_allowed(stream)) return result(cudaErrorStreamCaptureUnsupported);
  return result(nce::emulation::run_late(stream));
}
cudaError_t cudaDeviceSynchronize() {
  if (!nce::emulation::unsafe_calls_allowed()) return result(cudaErrorStreamCaptureUnsupported);
  return result(nce::emulation::run_all_late());
}

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  using namespace nce::emulation;
  if (!unsafe_calls_allowed()) return result(cudaErrorStreamCaptureUnsupported);
  if (bytes > static_cast<std::size_t>(kDeviceBytes - device_bytes_in_use())) return result(cudaErrorMemoryAllocation);
  const std::lock_guard lock(launch_mutex());
  *memory = allocate_device(static_cast<int64_t>(bytes));
  if (*memory == nullptr) return result(cudaErrorMemoryAllocation);
  owners()[*memory] = {static_cast<std::byte*>(*memory) + bytes, needed_device()};
  return cudaSuccess;
}

cudaError_t cudaFree(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  if (!nce::emulation::unsafe_calls_allowed()) return result(cudaErrorStreamCaptureUnsupported);
  static_cast<void>(nce::emulation::run_all_late());
  const std::lock_guard lock(launch_mutex());
  if (!nce::emulation::free_device(memory)) return result(cudaErrorInvalidValue);
  owners().erase(memory);
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  constexpr std::size_t kPage = 4096;
  if (!nce::emulation::unsafe_calls_allowed()) return result(cudaErrorStreamCaptureUnsupported);
  *memory = bytes > static_cast<std::size_t>(kDeviceBytes)
                ? nullptr
                : std::aligned_alloc(kPage, (bytes + kPage - 1) / kPage * kPage);
  if (*memory == nullptr) return result(cudaErrorMemoryAllocation);
  const std::lock_guard lock(pinned().mutex);
  pinned().live.insert(*memory);
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* memory) {
  if (!nce::emulation::unsafe_calls_allowed()) return result(cudaErrorStreamCaptureUnsupported);
  static_cast<void>(nce::emulation::run_all_late());
  const std::lock_guard lock(pinned().mutex);
  if (pinned().live.erase(memory) == 0) return result(cudaErrorInvalidValue);
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  const auto copy = [=] {
    using namespace nce::emulation;
    const std::lock_guard lock(launch_mutex());
    const auto count = static_cast<int64_t>(bytes);
    const bool to_device = is_device(to, 0);
    if ((to_device && !is_device(to, count)) || (is_device(from, 0) && !is_device(from, count))) {
      return result(cudaErrorInvalidValue);
    }
    std::memmove(to, from, bytes);
    if (to_device) mark_written(to, count);
    return cudaSuccess;
  };
  return remember(stream, copy) ? cudaSuccess : copy();
}

cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t stream) {
  const auto set = [=] {
    using namespace nce::emulation;
    const std::lock_guard lock(launch_mutex());
    if (!is_device(memory, static_cast<int64_t>(bytes))) return result(cudaErrorInvalidValue);
    std::memset(memory, value, bytes);
    mark_written(memory, static_cast<int64_t>(bytes));
    return cudaSuccess;
  };
  return remember(stream, set) ? cudaSuccess : set();
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *total = static_cast<std::size_t>(kDeviceBytes);
  *free = static_cast<std::size_t>(kDeviceBytes - nce::emulation::device_bytes_in_use());
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* memory) {
  *attributes = {};
  const std::lock_guard lock(launch_mutex());
  ++nce::emulation::device_use()[static_cast<std::size_t>(needed_device())].pointer_queries;
  if (nce::emulation::is_device(memory, 1)) {
    attributes->type = cudaMemoryTypeDevice;
    attributes->device = owner_of(memory);
    attributes->devicePointer = const_cast<void*>(memory);
  }
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = nce::emulation::kDevices;
  return cudaSuccess;
}

// As of CUDA 12, it makes the device's context.
cudaError_t cudaSetDevice(int device) {
  if (!is_installed(device)) return result(cudaErrorInvalidDevice);
  runtime_device = device;
  if (context_stack.empty()) context_stack.push_back(device);
  context_stack.back() = device;
  nce::emulation::device_use()[static_cast<std::size_t>(device)].context = true;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = current_device();
  return cudaSuccess;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult* query) {
  const std::string name = symbol;
  *function = name == "cuDevicePrimaryCtxRetain" ? reinterpret_cast<void*>(&retain_primary)
              : name == "cuCtxPushCurrent"       ? reinterpret_cast<void*>(&push_current)
              : name == "cuCtxPopCurrent"        ? reinterpret_cast<void*>(&pop_current)
                                                 : nullptr;
  if (query != nullptr) {
    *query = *function == nullptr ? cudaDriverEntryPointSymbolNotFound : cudaDriverEntryPointSuccess;
  }
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (!is_installed(device)) return result(cudaErrorInvalidDevice);
  *properties = {};
  std::strcpy(properties->name, "emulated GPU");
  properties->totalGlobalMem = static_cast<std::size_t>(kDeviceBytes);
  properties->sharedMemPerBlockOptin = static_cast<std::size_t>(nce::emulation::kSharedLimit);
  properties->major = nce::emulation::options().compute_capability / 10;
  properties->minor = nce::emulation::options().compute_capability % 10;
  properties->multiProcessorCount = 1;
  properties->l2CacheSize = 32 << 20;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (!is_installed(device)) return result(cudaErrorInvalidDevice);
  switch (attribute) {
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(nce::emulation::kSharedLimit);
      return cudaSuccess;
  }
  return result(cudaErrorInvalidValue);
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  using namespace nce::emulation;
  const std::lock_guard lock(launch_mutex());
  const int device = needed_device();
  ++device_use()[static_cast<std::size_t>(device)].attributes_set;
  switch (attribute) {
    case cudaFuncAttributeMaxDynamicSharedMemorySize:
      if (value < 0 || value > kSharedLimit) return result(cudaErrorInvalidValue);
      shared_limits()[{device, kernel}] = value;
      return cudaSuccess;
  }
  return result(cudaErrorInvalidValue);
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = kVersion;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = kVersion;
  return cudaSuccess;
}
