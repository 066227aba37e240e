#pragma once
// How a call begins: the numbers that lie in device memory are checked there, before any output is written.

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/call_state.h"

namespace nce::cuda {

/// What a call brings. Pointers are device pointers; `in` itself is read by the host.
struct BeginCall {
  CallState* call;  ///< filled in
  void* scratch;    ///< kBeginCallBytes, aligned to 64
  uint64_t plan;    ///< backward: whose forward pass the workspace must hold
  bool backward;    ///< what the forward pass left in `call` stays, and is needed
  bool with_upstream;
  const nce_inputs* in;
  const nce_metrics* metrics;  ///< null: not wanted
  double hardness = 0.0;       ///< see loss::RowRule
  int64_t rows;                ///< that have a loss, hence weights; labels too, if `in` has any
  int64_t columns = 0;         ///< that have offsets, if `in` has any
  /// Forward, where there are offsets: e^offset of each column, and 1 in the padding.
  double* column_weights = nullptr;
  int64_t columns_allocated = 0;
  int64_t scores = 0;  ///< of a teacher, if `in` has any
};

constexpr int64_t kBeginCallBytes = 256 * 48;

/// Sets status, argument, row and value to the first offence, in the order metrics, temperature, bias, weights, labels,
/// upstream, offsets, a teacher's scores, or to OK; then tau (1 without a temperature), what similarities are
/// multiplied by, its factor, the bias (0 without one), and the sum of the weights. A forward pass is then one of no
/// plan, until its last kernel sets `plan` where the status is OK. A backward pass without its forward, or with another
/// temperature or bias, gets INVALID_STATE, and what the forward pass left stays.
void launch_begin_call(const BeginCall& begin, cudaStream_t stream);

}  // namespace nce::cuda
