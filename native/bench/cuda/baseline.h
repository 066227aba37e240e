#pragma once
// InfoNCE by a library's matrix products: the similarities are stored, whole or block by block, between passes over
// them.

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "bench/cuda/gemm.h"

namespace nce::bench {

struct BaselineShape {
  Element element;
  int64_t n;  ///< queries, and keys
  int64_t dim;
  bool symmetric;
  double temperature;
  int64_t block;  ///< rows and columns of a stored block, a multiple of 256; n or more: the matrix is kept for backward
};

/// Pointers into device memory. Gradients are of the inputs' element.
struct BaselineCall {
  const void* queries;
  const void* keys;
  double* loss;
  void* d_queries;
  void* d_keys;
};

class Baseline {
 public:
  explicit Baseline(const BaselineShape& shape);

  int64_t workspace_bytes() const { return bytes_; }
  /// Enqueues. The workspace is aligned to 256 bytes.
  void forward(const BaselineCall& call, void* workspace, Gemm& gemm, cudaStream_t stream) const;
  void forward_backward(const BaselineCall& call, void* workspace, Gemm& gemm, cudaStream_t stream) const;

 private:
  struct Block {
    int64_t row, column, rows, columns;
  };
  bool whole() const { return shape_.block >= shape_.n; }
  int64_t place(int64_t bytes);
  void similarities(const Block& block, void* workspace, Gemm& gemm, cudaStream_t stream) const;
  void backward(const BaselineCall& call, void* workspace, Gemm& gemm, cudaStream_t stream) const;
  template <typename Body>
  void for_blocks(const Body& body) const;

  BaselineShape shape_;
  int64_t block_;
  int64_t row_tiles_, column_tiles_;
  int64_t bytes_ = 0;
  /// Offsets in the workspace.
  int64_t unit_queries_, unit_keys_, query_norms_, key_norms_, similarities_, gradient_, row_sums_, column_sums_,
      positives_, row_weights_, column_weights_, diagonal_, losses_, sum_queries_, sum_keys_;
};

}  // namespace nce::bench
