#include "selftest/bounds.h"

#include <algorithm>
#include <cmath>

#include "oracle/elements.h"

namespace nce::selftest {
namespace {

/// Half the least number of the gradient's type; subnormal floats may become 0.
double smallest_of(nce_dtype dtype) {
  switch (dtype) {
    case NCE_DTYPE_FLOAT64:
      return 0.0;
    case NCE_DTYPE_FLOAT16:
      return 0x1p-25;
    case NCE_DTYPE_FLOAT32:
    case NCE_DTYPE_BFLOAT16:
      return 0x1p-127;
  }
  oracle::unknown("no such element type");
}

}  // namespace

oracle::Bounds bounds_of(const oracle::Problem& problem, bool cpu) {
  const double tau = problem.shape().margin || problem.shape().weighed ? 1.0 : problem.tau;
  const bool fast = problem.desc.precision == NCE_PRECISION_FAST;
  oracle::Bounds bounds;
  bounds.smallest = smallest_of(problem.gradient_dtype());
  bounds.loss_floor = 1e-300;
  // In a few dimensions rows are equally similar by chance, and rounding orders them.
  const auto rows = static_cast<double>(problem.shape().rows);
  bounds.accuracy =
      problem.desc.dim < 16 ? HUGE_VAL : std::max((fast ? 0.02 : 1e-4) + 1e-9, rows > 1000 ? 1.5 / rows : 0.0);
  if (problem.dtype() == NCE_DTYPE_FLOAT64) {
    // 2^-53 a term, times 1 / tau = 100 in the exponent, with room for sums.
    bounds.loss = bounds.loss_square = bounds.gradient = bounds.temperature = 1e-11;
    bounds.terms = 0x1p-49;
    bounds.similarity = 0x1p-50;
    bounds.metrics = bounds.effective = 1e-6;
    return bounds;
  }
  double loss = std::max(1e-6, 2e-5 * 0.01 / tau);
  bounds.gradient = std::max(3e-6, 5e-5 * 0.01 / tau);
  // An element is a difference of two terms, each rounded a few times to float.
  bounds.terms = 0x1p-22;
  bounds.similarity = 0x1p-22;
  bounds.metrics = 1e-4;  // they are for reading
  if (cpu) {
    loss = std::max(loss, 1e-5);
    bounds.gradient = std::max(bounds.gradient, 1e-5);
  }
  if (oracle::bytes_of(problem.dtype()) == 2) {
    // Sums of products stay in the tensor core, which cuts them off at 2^-24 after every 8: at most 2^-27 a product.
    loss = std::max(loss, (2e-7 + static_cast<double>(problem.desc.dim) * 0x1p-28) / tau);
    // G is rounded to the type of the inputs, 2^-9 for bfloat16.
    bounds.gradient = 5e-3;
    bounds.terms = 0x1p-9;
  } else if (fast) {
    // Similarities have 11 digits rather than 20, and errors grow alike.
    for (double* const each : {&loss, &bounds.gradient, &bounds.terms, &bounds.similarity, &bounds.metrics}) {
      *each *= 500.0;
    }
  }
  bounds.loss = bounds.loss_square = loss;
  bounds.temperature = std::max(bounds.gradient, loss);
  bounds.effective = std::max(bounds.metrics, 10 * loss);
  return bounds;
}

}  // namespace nce::selftest
