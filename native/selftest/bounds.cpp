#include "selftest/bounds.h"

#include <algorithm>

namespace nce::selftest {

Bounds bounds_of(const Problem& problem, bool cpu) {
  const double tau = problem.margin() ? 1.0 : problem.tau;
  const bool half = bytes_of(static_cast<nce_dtype>(problem.desc.dtype)) == 2;
  Bounds bounds{};
  bounds.smallest = problem.desc.gradient_dtype == NCE_DTYPE_FLOAT64   ? 0.0
                    : problem.desc.gradient_dtype == NCE_DTYPE_FLOAT16 ? 0x1p-25
                                                                       : 0x1p-127;  // subnormal floats may become 0
  if (problem.desc.dtype == NCE_DTYPE_FLOAT64) {
    // 2^-53 a term, times 1 / tau = 100 in the exponent, with room for sums.
    bounds.loss = bounds.gradient = bounds.temperature = 1e-11;
    bounds.terms = 0x1p-49;
    bounds.similarity = 0x1p-50;
    bounds.metrics = 1e-6;
    return bounds;
  }
  bounds.loss = std::max(1e-6, 2e-5 * 0.01 / tau);
  bounds.gradient = std::max(3e-6, 5e-5 * 0.01 / tau);
  // An element is a difference of two terms, each rounded a few times to float.
  bounds.terms = 0x1p-22;
  bounds.similarity = 0x1p-22;
  bounds.metrics = 1e-4;
  if (cpu) {
    bounds.loss = std::max(bounds.loss, 1e-5);
    bounds.gradient = std::max(bounds.gradient, 1e-5);
  }
  if (half) {
    // Sums of products stay in the tensor core, which cuts them off at 2^-24 after every 8: at most 2^-27 a product.
    bounds.loss = std::max(bounds.loss, (2e-7 + static_cast<double>(problem.desc.dim) * 0x1p-28) / tau);
    // Weights of the gradient are rounded to the type of the inputs, 2^-9 for bfloat16.
    bounds.gradient = 5e-3;
    bounds.terms = 0x1p-9;
  } else if (problem.desc.precision == NCE_PRECISION_FAST) {
    // Similarities have 11 digits rather than 20, and errors grow alike.
    for (double* const each : {&bounds.loss, &bounds.gradient, &bounds.terms, &bounds.similarity, &bounds.metrics})
      *each *= 500.0;
  }
  bounds.temperature = std::max(bounds.gradient, bounds.loss);
  return bounds;
}

}  // namespace nce::selftest
