#pragma once
// The device that a thread's CUDA calls are for, without a trace in what the thread had before.

namespace nce::cuda {

/// Takes hold of the device's primary context, until the process ends. To be called before scopes of the device; it may
/// allocate and wait.
void hold_device(int device);

/// Makes a device that is held the thread's current one, and gives back what was there: the thread may serve other
/// users of CUDA, with a device of its own, with a context of the driver's interface, or with none yet. (cudaSetDevice
/// would leave, or create, a context where there was none.)
class DeviceScope {
 public:
  explicit DeviceScope(int device);
  ~DeviceScope();
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;
};

}  // namespace nce::cuda
