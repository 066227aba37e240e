#pragma once
// A problem on a device: memory with guards around it, calls, and what they wrote.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "selftest/library.h"
#include "selftest/problem.h"

namespace nce::selftest {

/// Memory of the device between two guards. The emulator keeps its own around every allocation, so there are none
/// there.
class Buffer {
 public:
  Buffer(const Device& device, const Stream& stream, int64_t bytes);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void* data() const { return bytes_ == 0 ? nullptr : memory_ + guard_; }
  int64_t bytes() const { return bytes_; }
  void fill(std::byte value);
  void upload(const void* source);
  void download(void* destination) const;
  /// "" or which guard was written over.
  std::string damage() const;

 private:
  const Device& device_;
  const Stream& stream_;
  int64_t bytes_;
  int64_t guard_;
  std::byte* memory_ = nullptr;
};

/// Rows of `dtype` from and to double, with gaps of bytes 0xFF between rows.
std::vector<std::byte> encoded(const std::vector<double>& values, int64_t dim, int64_t stride, nce_dtype dtype);
double decoded(const std::byte* element, nce_dtype dtype);

struct Result {
  std::vector<double> loss;
  std::vector<std::byte> d_queries, d_keys, d_negatives;  ///< with the gaps between rows
  double d_temperature = 0;
  nce_metrics metrics{};

  /// "" or the first thing that differs in a bit.
  std::string difference(const Result& other) const;
};

enum class Calls { kTogether, kSeparate, kForward };

/// Everything that a problem takes, allocated once; calls may be repeated.
class Run {
 public:
  Run(const Device& device, const Problem& problem, nce_pass pass = NCE_PASS_FORWARD_BACKWARD);

  /// Enqueues; throws Failure on any status but OK.
  void enqueue(Calls calls);
  /// Waits and throws Failure on any status but OK.
  void wait();
  /// What was written; throws Failure if a guard or a gap was written over.
  Result read();
  Result operator()(Calls calls);

  /// Outputs get a pattern that no call writes, the workspace NaNs (but for the emulator, which knows unwritten bytes).
  void poison();
  void upload(const Problem& problem);
  /// Whether all outputs still hold the pattern of poison().
  bool untouched();

  nce_status call(Calls calls);
  nce_status status();

  const Device& device;
  const nce_plan_desc desc;
  Stream stream;
  Plan plan;
  nce_inputs in{};
  nce_outputs out{};
  void* workspace = nullptr;
  int64_t workspace_bytes = 0;

 private:
  std::vector<std::byte> read_matrix(const Buffer& buffer, const char* name) const;

  int64_t stride_;
  Buffer queries_, keys_, negatives_, temperature_, weights_, labels_, upstream_;
  Buffer loss_, d_queries_, d_keys_, d_negatives_, d_temperature_, metrics_, workspace_;
};

}  // namespace nce::selftest
