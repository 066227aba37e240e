#pragma once
// One call of a dense plan, as its launches need it.

#include <cuda_runtime.h>

#include <vector>

#include "cuda/dense/workspace.h"

namespace nce::cuda::dense {

/// References outlive the call, which ends when its launches are enqueued.
struct Call {
  const Problem& problem;
  const KeyStrips& strips;
  const Problem& carved;  ///< whose arrays a workspace holds: the problem, or that of the longest strip of Y
  const Architecture& architecture;
  const std::vector<Method>& methods;
  const std::vector<MethodCuts>& cuts;  ///< one a method
  const nce_inputs& in;
  const nce_outputs& out;
  cudaStream_t stream;
  CallState* call_state;
  State state;
  Scratch scratch;
  Carver rest;        ///< where the memory begins that depends on the method
  RowSource x, y, z;  ///< z: also where positives are rows of Y but come apart, with strips

  bool has_y() const { return problem.y_rows > 0; }
  loss::Reducer reducer() const {
    loss::Reducer reducer = loss::reducer_of(problem.reduction, problem.loss_weight, in);
    if (problem.by_labels) reducer.weights = state.counted_weights;
    return reducer;
  }
  /// Of the columns of a strip; null without offsets.
  const double* weights_of(int64_t strip) const {
    return state.y_weights == nullptr ? nullptr : state.y_weights + strips.begin(strip);
  }
  /// Or labels.
  const int32_t* row_groups() const { return problem.by_labels ? in.labels : in.groups; }
  const int32_t* column_groups() const {
    if (problem.tower) return row_groups();
    return problem.by_labels ? in.key_labels : in.key_groups;
  }
};

/// Measures and packs the rows, sums over the negatives, writes loss and metrics, and names `plan` in CallState.
void enqueue_forward(const Call& call, uint64_t plan);

/// Writes the gradients that are asked for, from the state that the forward pass left.
void enqueue_backward(const Call& call);

/// Takes rows without positives by labels out of a mean, where the call has method `index`.
void weigh_rows(const Call& call, int32_t index);

/// Norms from a row on.
inline Norms offset(const Norms& norms, int64_t rows) { return {norms.length + rows, norms.scale + rows}; }

/// X against Y, as method `index` of the call has them.
tile::Operands operands_of(const Call& call, int32_t index, const PackedMatrix& x, int64_t x_rows,
                           const PackedMatrix& y, int64_t y_rows);

}  // namespace nce::cuda::dense
