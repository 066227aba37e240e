#pragma once
// Whose device a thread talks to.

#include <cuda_runtime.h>

#include "cuda/launch.h"

namespace nce::cuda {

/// Makes a device the thread's current one, and gives the former back: the thread may serve other users of CUDA.
class DeviceScope {
 public:
  explicit DeviceScope(int device) {
    check(cudaGetDevice(&former_), "cudaGetDevice");
    if (former_ == device) return;
    check(cudaSetDevice(device), "cudaSetDevice");
    changed_ = true;
  }
  ~DeviceScope() {
    if (changed_) static_cast<void>(cudaSetDevice(former_));
  }
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

 private:
  int former_ = 0;
  bool changed_ = false;
};

}  // namespace nce::cuda
