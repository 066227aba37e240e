#pragma once
// The CUDA driver and its management library, found at run time: neither a toolkit nor a GPU is needed to build or
// start.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace nce::selftest {

/// What a log says about a GPU. Numbers are 0 and texts "unknown" where nothing tells.
struct GpuFacts {
  std::string name = "unknown";
  std::string driver = "unknown";  ///< of the kernel module, such as 580.65.06
  int32_t cuda_version = 0;        ///< the newest CUDA that the driver takes, 1000 * major + 10 * minor
  int32_t compute_capability = 0;  ///< 10 * major + minor
  int32_t multiprocessors = 0;
  int32_t l2_bytes = 0;
  int64_t memory_bytes = 0;
  int32_t clock_mhz = 0, clock_limit_mhz = 0;  ///< of the multiprocessors: now, and at most
  int32_t memory_clock_mhz = 0;
  int32_t temperature_celsius = 0;
  int32_t power_watts = 0, power_limit_watts = 0;
  std::string throttled = "unknown";  ///< why clocks are held down now, or "no"
};

/// The CUDA driver, on the primary context of one device, which the library under test shares.
class Driver {
 public:
  /// Throws Failure that names what is missing: driver, device, or the index.
  explicit Driver(int32_t device_index);
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  GpuFacts facts() const;
  int64_t free_bytes() const;

  /// Between these two, what is enqueued on `stream` becomes a graph. Anything that cannot be captured fails the end.
  void begin_capture(void* stream) const;
  void* end_capture(void* stream) const;  ///< the executable graph
  void launch(void* graph, void* stream) const;
  void destroy(void* graph) const;

 private:
  struct Functions;
  void check(int code, const char* what) const;

  std::unique_ptr<Functions> f_;
  int device_ = 0;
};

}  // namespace nce::selftest
