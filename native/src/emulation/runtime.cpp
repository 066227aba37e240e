// The CUDA runtime of a machine whose only device is the emulator. Everything has ended when a call returns.

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>
#include <string>

#include "emulation/control.h"
#include "emulation/machine.h"
#include "emulation/memory.h"

struct CUstream_st {
  int unused;
};

namespace {

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
    return from_environment;
  }();
  return instance;
}

std::map<std::string, Counters>& counters() {
  static std::map<std::string, Counters> instance;
  return instance;
}

const std::string& last_report() { return report; }
void clear_report() { report.clear(); }

cudaError_t run_grid(const char* name, dim3 grid, int threads, int64_t shared_bytes, void (*body)(const void*),
                     const void* params) {
  constexpr int kMostThreads = 1024;
  constexpr unsigned kMostY = 65535;
  const std::lock_guard lock(launch_mutex());
  const bool fits = threads > 0 && threads <= kMostThreads && threads % kWarpSize == 0 && shared_bytes >= 0 &&
                    shared_bytes <= kSharedLimit && grid.x > 0 && grid.x <= 0x7fffffffU && grid.y > 0 &&
                    grid.y <= kMostY && grid.z > 0 && grid.z <= kMostY;
  if (!fits) return result(cudaErrorInvalidValue);
  const std::string said = Machine::get().run(name, grid, threads, shared_bytes, body, params);
  if (said.empty()) return cudaSuccess;
  report = said;
  return result(cudaErrorLaunchFailure);
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
  *stream = new CUstream_st{};
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  using namespace nce::emulation;
  if (bytes > static_cast<std::size_t>(kDeviceBytes - device_bytes_in_use())) return result(cudaErrorMemoryAllocation);
  const std::lock_guard lock(launch_mutex());
  *memory = allocate_device(static_cast<int64_t>(bytes));
  return *memory == nullptr ? result(cudaErrorMemoryAllocation) : cudaSuccess;
}

cudaError_t cudaFree(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  const std::lock_guard lock(launch_mutex());
  return nce::emulation::free_device(memory) ? cudaSuccess : result(cudaErrorInvalidValue);
}

cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  constexpr std::size_t kPage = 4096;
  *memory = bytes > static_cast<std::size_t>(kDeviceBytes)
                ? nullptr
                : std::aligned_alloc(kPage, (bytes + kPage - 1) / kPage * kPage);
  if (*memory == nullptr) return result(cudaErrorMemoryAllocation);
  const std::lock_guard lock(pinned().mutex);
  pinned().live.insert(*memory);
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* memory) {
  const std::lock_guard lock(pinned().mutex);
  if (pinned().live.erase(memory) == 0) return result(cudaErrorInvalidValue);
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t) {
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
}

cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t) {
  using namespace nce::emulation;
  const std::lock_guard lock(launch_mutex());
  if (!is_device(memory, static_cast<int64_t>(bytes))) return result(cudaErrorInvalidValue);
  std::memset(memory, value, bytes);
  mark_written(memory, static_cast<int64_t>(bytes));
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *total = static_cast<std::size_t>(kDeviceBytes);
  *free = static_cast<std::size_t>(kDeviceBytes - nce::emulation::device_bytes_in_use());
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* memory) {
  *attributes = {};
  if (nce::emulation::is_device(memory, 1)) {
    attributes->type = cudaMemoryTypeDevice;
    attributes->devicePointer = const_cast<void*>(memory);
  }
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : result(cudaErrorInvalidDevice); }
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device != 0) return result(cudaErrorInvalidDevice);
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

cudaError_t cudaDriverGetVersion(int* version) {
  *version = kVersion;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = kVersion;
  return cudaSuccess;
}
