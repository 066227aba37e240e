#include "cuda/context.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <vector>

#include "cuda/built_for.h"
#include "cuda/dense/dense_plan.h"
#include "cuda/device_plan.h"
#include "cuda/known_memory.h"
#include "cuda/mined/mined_plan.h"
#include "cuda/rowwise/rowwise_plan.h"

namespace nce::cuda {
namespace {

#if defined(NCE_EMULATED)
constexpr int32_t kBackend = NCE_BACKEND_EMULATED;
constexpr int32_t kDefaultCap = 80;  // the emulator can be any device: the one that most kernels are for
constexpr const char* kBackendName = "NCE_BACKEND_EMULATED: ";
constexpr const char* kArchitectures = "75-real,80-real,86-real,89-real,90-real,100-real,120";
#else
constexpr int32_t kBackend = NCE_BACKEND_CUDA;
constexpr int32_t kDefaultCap = 0;
constexpr const char* kBackendName = "NCE_BACKEND_CUDA: ";
constexpr const char* kArchitectures = NCE_CUDA_ARCHITECTURES;
#endif

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string capability_text(int32_t capability) {
  return std::to_string(capability / 10) + "." + std::to_string(capability % 10);
}

std::string error_text(const char* call, cudaError_t code) {
  return std::string(call) + " reports " + cudaGetErrorName(code) + ", " + cudaGetErrorString(code);
}

cudaDeviceProp properties_of(int device) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  return properties;
}

int32_t capability_of(int device) {
  const cudaDeviceProp properties = properties_of(device);
  return 10 * properties.major + properties.minor;
}

/// Devices of the runtime, or why there are none.
int installed_devices(std::string* reason) {
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  if (code == cudaSuccess && count > 0) return count;
  static_cast<void>(cudaGetLastError());
  int driver = 0;
  int runtime = 0;
  static_cast<void>(cudaDriverGetVersion(&driver));
  static_cast<void>(cudaRuntimeGetVersion(&runtime));
  if (driver == 0) {
    *reason = "no NVIDIA driver is installed (libcuda.so.1 cannot be loaded); needed: one for CUDA " +
              version_text(runtime) + " or later";
  } else if (code == cudaErrorInsufficientDriver) {
    *reason = "the NVIDIA driver is too old: it does CUDA " + version_text(driver) +
              "; needed: " + version_text(runtime) + " or later";
  } else if (code == cudaErrorNoDevice || code == cudaSuccess) {
    *reason = "the NVIDIA driver (CUDA " + version_text(driver) +
              ") finds no device; is one built in, and not hidden by CUDA_VISIBLE_DEVICES?";
  } else {
    *reason = error_text("cudaGetDeviceCount", code);
  }
  return 0;
}

/// The runtime's numbers of the devices that can be used, or why there are none.
struct Usable {
  std::vector<int> devices;
  nce_status status = NCE_STATUS_NO_DEVICE;  ///< where there are none
  std::string reason;
};

Usable usable_devices() {
  Usable usable;
  const int installed = installed_devices(&usable.reason);
  std::string old, foreign;
  for (int device = 0; device < installed; ++device) {
    const int32_t capability = capability_of(device);
    const auto list_in = [&](std::string& list) {
      list += (list.empty() ? "" : ", ") + std::string("device ") + std::to_string(device) + " has " +
              capability_text(capability);
    };
    if (capability < dense::kSmallestCapability) {
      list_in(old);
    } else if (!built_for(kArchitectures, capability)) {
      list_in(foreign);
    } else {
      usable.devices.push_back(device);
    }
  }
  if (!usable.devices.empty() || installed == 0) return usable;
  if (!foreign.empty()) {
    usable.status = NCE_STATUS_UNSUPPORTED;
    usable.reason = "this library has no code for the compute capability of " +
                    (old.empty() ? "any device" : std::string("any device that is new enough")) + ": " + foreign +
                    "; it was compiled for " + kArchitectures;
  } else {
    usable.reason = "no device is new enough: compute capability " + capability_text(dense::kSmallestCapability) +
                    " or later is needed; " + old;
  }
  return usable;
}

cudaStream_t stream_of(void* stream) { return static_cast<cudaStream_t>(stream); }

class CudaContext final : public Context {
 public:
  CudaContext(int index, int device, int32_t capability)
      : index_(index), device_(device), capability_(capability), architecture_(dense::architecture_for(capability)) {
    hold_device(device_);
    const cudaDeviceProp properties = properties_of(device_);
    name_ = properties.name;
    memory_bytes_ = static_cast<int64_t>(properties.totalGlobalMem);
  }

  nce_device_info info() const override {
    nce_device_info info{};
    info.struct_size = sizeof info;
    info.backend = kBackend;
    info.device_index = index_;
    info.compute_capability = capability_;
    info.device_name = name_.c_str();
    info.memory_bytes = memory_bytes_;
    return info;
  }

  std::unique_ptr<Plan> plan(const loss::Problem& problem) override {
    switch (problem.engine) {
      case loss::Engine::kDense:
        return make_dense_plan(problem, device_, architecture_);
      case loss::Engine::kRowwise:
        return make_rowwise_plan(problem, device_, capability_);
      case loss::Engine::kMined:
        return make_mined_plan(problem, device_);
    }
    throw Error(NCE_STATUS_INTERNAL, "desc: no engine for it");
  }

  void* allocate(nce_memory_kind kind, int64_t bytes) override {
    const DeviceScope scope(device_);
    void* memory = nullptr;
    const auto size = static_cast<std::size_t>(bytes);
    const cudaError_t code = kind == NCE_MEMORY_HOST_PINNED ? cudaMallocHost(&memory, size) : cudaMalloc(&memory, size);
    if (code == cudaErrorMemoryAllocation) {
      static_cast<void>(cudaGetLastError());
      throw Error(NCE_STATUS_OUT_OF_MEMORY, "bytes is " + std::to_string(bytes) + "; " +
                                                (kind == NCE_MEMORY_HOST_PINNED ? "the host" : name_.c_str()) +
                                                " refused the allocation");
    }
    check(code, kind == NCE_MEMORY_HOST_PINNED ? "cudaMallocHost" : "cudaMalloc");
    if (kind == NCE_MEMORY_CONTEXT) know_memory(memory, bytes, device_);
    return memory;
  }

  void free(nce_memory_kind kind, void* memory) override {
    const DeviceScope scope(device_);
    if (kind == NCE_MEMORY_HOST_PINNED) {
      check(cudaFreeHost(memory), "cudaFreeHost");
      return;
    }
    const std::optional<KnownMemory> known = forget_memory(memory);
    const cudaError_t code = cudaFree(memory);
    if (code != cudaSuccess && known) know_memory(memory, known->bytes, known->device);
    check(code, "cudaFree");
  }

  void copy(void* destination, const void* source, int64_t bytes, void* stream) override {
    if (bytes == 0) return;
    const DeviceScope scope(device_);
    check(cudaMemcpyAsync(destination, source, static_cast<std::size_t>(bytes), cudaMemcpyDefault, stream_of(stream)),
          "cudaMemcpyAsync");
  }

  void* stream_create() override {
    const DeviceScope scope(device_);
    cudaStream_t stream = nullptr;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    return stream;
  }
  void stream_synchronize(void* stream) override {
    const DeviceScope scope(device_);
    check(cudaStreamSynchronize(stream_of(stream)), "cudaStreamSynchronize");
  }
  void stream_destroy(void* stream) override {
    const DeviceScope scope(device_);
    check(cudaStreamDestroy(stream_of(stream)), "cudaStreamDestroy");
  }

 private:
  const int32_t index_;
  const int device_;
  const int32_t capability_;
  const dense::Architecture& architecture_;
  std::string name_;
  int64_t memory_bytes_ = 0;
};

}  // namespace

int32_t device_count(std::string* reason) {
  const Usable usable = usable_devices();
  if (usable.devices.empty()) *reason = kBackendName + usable.reason;
  return static_cast<int32_t>(usable.devices.size());
}

std::unique_ptr<Context> make_context(const nce_context_desc& desc) {
  if (desc.max_compute_capability != 0 && desc.max_compute_capability < dense::kSmallestCapability) {
    throw Error(NCE_STATUS_INVALID_ARGUMENT,
                "desc->max_compute_capability is " + std::to_string(desc.max_compute_capability) +
                    "; allowed: " + std::to_string(dense::kSmallestCapability) + " or more, or 0 for no cap");
  }
  const Usable usable = usable_devices();
  if (usable.devices.empty()) throw Error(usable.status, "desc->backend: " + (kBackendName + usable.reason));
  const auto index = static_cast<std::size_t>(desc.device_index);
  if (index >= usable.devices.size()) {
    throw Error(NCE_STATUS_NO_DEVICE, "desc->device_index is " + std::to_string(desc.device_index) +
                                          "; allowed: 0 to " + std::to_string(usable.devices.size() - 1));
  }
  const int device = usable.devices[index];
  const int32_t cap = desc.max_compute_capability != 0 ? desc.max_compute_capability : kDefaultCap;
  const int32_t capability = cap == 0 ? capability_of(device) : std::min(cap, capability_of(device));
  return std::make_unique<CudaContext>(desc.device_index, device, capability);
}

}  // namespace nce::cuda
