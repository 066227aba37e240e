#pragma once
// One call of a dense plan, as its launches need it.

#include <cuda_runtime.h>

#include <vector>

#include "cuda/workspace.h"

namespace nce::cuda {

/// References outlive the call, which ends when its launches are enqueued.
struct DenseCall {
  const DenseProblem& problem;
  const Architecture& architecture;
  const std::vector<Method>& methods;
  const nce_inputs& in;
  const nce_outputs& out;
  cudaStream_t stream;
  CallState* call;
  DenseState state;
  DenseScratch scratch;
  Carver rest;  ///< where the memory begins that depends on the method
  Rows x, y, z;

  bool has_y() const { return problem.y_rows > 0; }
};

/// Measures and packs the rows, sums over the negatives, writes loss and metrics, and names `plan` in CallState.
void enqueue_forward(const DenseCall& call, uint64_t plan);

/// Writes the gradients that are asked for, from the state that the forward pass left.
void enqueue_backward(const DenseCall& call);

/// A packed matrix as an operand of tiles.
Operand operand_of(const PackedMatrix& matrix, int64_t rows);

/// X against Y, as method `index` of the call has them.
Pair pair_of(const DenseCall& call, int32_t index, const PackedMatrix& x, int64_t x_rows, const PackedMatrix& y,
             int64_t y_rows);

}  // namespace nce::cuda
