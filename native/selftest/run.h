#pragma once
// A problem on a device: memory with guards around it, calls, and what they wrote.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "oracle/compare.h"
#include "selftest/library.h"

namespace nce::selftest {

using oracle::Kind;
using oracle::Problem;
using oracle::problem_of;
using oracle::Result;

/// Memory of the device between two guards. The emulator keeps its own around every allocation, so there are none
/// there; AddressSanitizer is told of those in host memory.
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

enum class Calls { kTogether, kSeparate, kForward, kBackward };

/// How a run differs from the plain one.
struct RunOptions {
  nce_pass pass = NCE_PASS_FORWARD_BACKWARD;
  int64_t workspace_offset = 0;  ///< bytes from where memory begins
};

/// Everything that a problem takes, allocated once; calls may be repeated.
class Run {
 public:
  Run(const Device& device, const Problem& problem, const RunOptions& options = {});

  /// Waits for a call and throws Failure on any status but OK.
  void wait();
  /// What was written; throws Failure if a guard or a gap was written over.
  Result read();
  Result operator()(Calls calls);

  /// Outputs get a pattern that no call writes, the workspace NaNs (but for the emulator, which knows unwritten bytes).
  void poison();
  void poison_outputs();
  /// Outputs get these numbers, but metrics, and the gaps between rows the pattern.
  void hold(const Result& result);
  void upload(const Problem& problem);
  /// Whether all outputs still hold the pattern of poison().
  bool untouched();

  /// Enqueues. What a device finds out later is told by status().
  nce_status call(Calls calls);
  nce_status status();
  /// The status of either.
  nce_status ended(Calls calls);

  const Device& device;
  const nce_plan_desc desc;
  Stream stream;
  Plan plan;
  nce_inputs in{};
  nce_outputs out{};
  void* workspace = nullptr;
  int64_t workspace_bytes = 0;

 private:
  /// A matrix with gaps between its rows.
  class Matrix {
   public:
    Matrix(const Device& device, const Stream& stream, const std::vector<double>& values, nce_dtype dtype, int64_t dim,
           int64_t gap);
    void* data() const { return buffer.data(); }
    int64_t stride() const { return stride_; }
    /// The gaps become NaNs, or where they must not be written what poison() fills them with.
    void upload(const std::vector<double>& values, bool output = false);
    /// Throws Failure if a gap was written.
    std::vector<double> values(const char* name) const;

    Buffer buffer;

   private:
    nce_dtype dtype_;
    int64_t dim_, stride_;
  };

  Matrix queries_, keys_, negatives_, queue_, d_queries_, d_keys_, d_negatives_;
  Buffer temperature_, weights_, labels_, key_labels_, groups_, key_groups_, key_offsets_, teacher_scores_, upstream_,
      bias_, loss_, d_temperature_, d_bias_, metrics_, workspace_;
};

}  // namespace nce::selftest
