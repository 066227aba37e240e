#pragma once
// The contenders behind one face: memory, then calls on sets of buffers.

#include <cuda_runtime.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/cuda/gemm.h"
#include "bench/cuda/rows.h"
#include "selftest/library.h"

namespace nce::bench {

/// What rows need of the machine.
struct Bench {
  const selftest::Device& device;
  cudaStream_t stream;
  int64_t cache_bytes;  ///< second level
  Gemm* gemm[2] = {};   ///< null where there is no cuBLAS; the second with TF32
};

/// One row's buffers and calls.
class Candidate {
 public:
  virtual ~Candidate() = default;
  virtual void enqueue(int set) = 0;
  virtual int64_t workspace_bytes() const = 0;
  /// Throws if a call did not end well. After the stream has been waited for.
  virtual void check(int set) = 0;

  int sets() const { return sets_; }
  /// Bytes of inputs and outputs of one set.
  int64_t set_bytes() const { return set_bytes_; }
  double loss() const;  ///< of the first set

 protected:
  Candidate(const Bench& bench, const Row& row);

  struct Set {
    void* queries;
    void* keys;
    void* d_queries;
    void* d_keys;
    double* loss;
  };

  const Bench& bench_;
  const Row row_;
  std::vector<Set> buffers_;
  double* temperature_ = nullptr;

 private:
  struct Memory;
  std::shared_ptr<Memory> memory_;
  int64_t set_bytes_ = 0;
  int sets_ = 1;
};

Element element_of(Mode mode);

/// The temperature that all rows are measured at.
constexpr double kTemperature = 0.07;

/// Throws selftest::Failure where a row cannot be measured, with the reason.
std::unique_ptr<Candidate> make_candidate(const Bench& bench, const Row& row);

}  // namespace nce::bench
