#pragma once
// The border to code that is compiled for one instruction set: plain structs only.

#include <cstdint>

#include "infonce.h"

namespace nce::bench {

/// multiply: all pairs of `count` panels of Y and X, [dim][width] each, into the same tile.
template <typename Real>
struct ProductKernel {
  int64_t width;
  void (*multiply)(const Real* y, const Real* x, int64_t count, int64_t dim, Real* tile);
};

ProductKernel<float> product_kernel_single(nce_isa isa);
ProductKernel<double> product_kernel_double(nce_isa isa);

}  // namespace nce::bench
