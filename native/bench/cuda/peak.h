#pragma once
// What arithmetic this GPU reaches on nothing else, measured in the run it is compared with.

#include <cuda_runtime.h>

#include <cstdint>
#include <string>

namespace nce::bench {

/// TFLOP/s; a multiply and an add are two operations.
struct Peaks {
  double tensor = 0;   ///< mma.sync of 16-bit elements with float sums; 0 below sm_80
  double float32 = 0;  ///< fused multiply-adds
  double copy = 0;     ///< TB/s of a copy in device memory, reads and writes both counted
};

Peaks measure_peaks(int32_t multiprocessors, int32_t compute_capability, cudaStream_t stream);

/// The dense 16-bit tensor rate with float sums that the maker states for a device of this name, in TFLOP/s; 0 if
/// unknown.
double stated_tensor_peak(const std::string& device_name);

}  // namespace nce::bench
