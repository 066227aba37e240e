#pragma once
// Scalar functions that losses are made of, in double, each with a small relative error also where it is tiny.

#include <cmath>

#if defined(__CUDACC__)
#define NCE_HOST_DEVICE __host__ __device__
#else
#define NCE_HOST_DEVICE
#endif

namespace nce::loss {

/// ln(1 + e^x) for any x, infinities included; e^x itself for x -> -inf, so that a tiny loss keeps its digits.
NCE_HOST_DEVICE inline double softplus(double x) {
  return x > 0.0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
}

/// 1 / (1 + e^-x), the derivative of softplus; no branch overflows, and sigmoid(-x) is 1 - sigmoid(x) without
/// cancelling.
NCE_HOST_DEVICE inline double sigmoid(double x) {
  if (x >= 0.0) return 1.0 / (1.0 + std::exp(-x));
  const double e = std::exp(x);
  return e / (1.0 + e);
}

/// max(0, x).
NCE_HOST_DEVICE inline double hinge(double x) { return x > 0.0 ? x : 0.0; }

}  // namespace nce::loss
