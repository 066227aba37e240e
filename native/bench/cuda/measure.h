#pragma once
// Timing of what is enqueued on a stream, by events.

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <functional>

#include "bench/cuda/spread.h"

namespace nce::bench {

class DeviceMemory {
 public:
  explicit DeviceMemory(int64_t bytes);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  void* data() const { return memory_; }

 private:
  void* memory_ = nullptr;
};

/// Seconds a call. enqueue(set) uses buffers `set` of `sets`, taken in turn. Calls are warmed up, then timed one by
/// one, back to back, for about `seconds` in all and at least five times.
Spread measure(const std::function<void(int)>& enqueue, int sets, cudaStream_t stream, double seconds);

/// The same for replays of graphs that hold one call each.
Spread measure_graphs(const std::function<void(int)>& enqueue, int sets, cudaStream_t stream, double seconds);

}  // namespace nce::bench
