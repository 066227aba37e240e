#pragma once
// Matrix products of row-major matrices, by whoever has them.

#include <cuda_runtime.h>

#include <cstdint>

#include "bench/cuda/baseline_kernels.h"

namespace nce::bench {

/// C[rows][columns] = alpha A B + beta C in float; A and B are elements, C float. Either of them may be given
/// transposed, as it lies in memory then: a is [depth][rows], b [columns][depth].
struct Product {
  int64_t rows, columns, depth;
  const void* a;
  int64_t a_pitch;
  bool a_transposed;
  const void* b;
  int64_t b_pitch;
  bool b_transposed;
  float* c;
  int64_t c_pitch;
  float beta;
};

class Gemm {
 public:
  virtual ~Gemm() = default;
  /// Enqueues.
  virtual void multiply(const Product& product, Element element, cudaStream_t stream) = 0;
};

}  // namespace nce::bench
