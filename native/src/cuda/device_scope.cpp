#include "cuda/device_scope.h"

#include <array>
#include <atomic>
#include <mutex>
#include <string>

#include "api/backend.h"
#include "cuda/launch.h"

namespace nce::cuda {
namespace {

// Of the driver's interface, with its handles as pointers and its codes as numbers. The runtime finds them, so that
// nothing is linked that a machine without a driver lacks.
using Context = void*;
struct Functions {
  int (*retain)(Context*, int);
  int (*push)(Context);
  int (*pop)(Context*);
};

constexpr int kMostDevices = 128;

std::array<std::atomic<Context>, kMostDevices>& contexts() {
  static std::array<std::atomic<Context>, kMostDevices> instance{};
  return instance;
}
Functions& functions() {
  static Functions instance{};
  return instance;
}

template <typename Function>
void find(const char* name, Function& function) {
  constexpr unsigned kVersion = 12000;
  void* found = nullptr;
  check(cudaGetDriverEntryPointByVersion(name, &found, kVersion, cudaEnableDefault, nullptr),
        "cudaGetDriverEntryPointByVersion");
  if (found == nullptr) throw Error(NCE_STATUS_DEVICE_ERROR, std::string("the driver has no ") + name);
  function = reinterpret_cast<Function>(found);
}

void check_driver(int code, const char* what) {
  if (code != 0) throw Error(NCE_STATUS_DEVICE_ERROR, std::string(what) + " reports " + std::to_string(code));
}

}  // namespace

void hold_device(int device) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (device >= kMostDevices) {
    throw Error(NCE_STATUS_UNSUPPORTED, "desc->device_index is that of device " + std::to_string(device) +
                                            "; allowed are the first " + std::to_string(kMostDevices));
  }
  std::atomic<Context>& held = contexts()[static_cast<std::size_t>(device)];
  if (held.load() != nullptr) return;
  Functions& driver = functions();
  if (driver.pop == nullptr) {
    find("cuDevicePrimaryCtxRetain", driver.retain);
    find("cuCtxPushCurrent", driver.push);
    find("cuCtxPopCurrent", driver.pop);
  }
  Context context = nullptr;
  check_driver(driver.retain(&context, device), "cuDevicePrimaryCtxRetain");
  held.store(context);
}

DeviceScope::DeviceScope(int device) {
  check_driver(functions().push(contexts()[static_cast<std::size_t>(device)].load()), "cuCtxPushCurrent");
}

DeviceScope::~DeviceScope() {
  Context ours = nullptr;
  static_cast<void>(functions().pop(&ours));
}

}  // namespace nce::cuda
