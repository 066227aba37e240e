#pragma once
// Exponentials, and what the logistic loss makes of them, without branches.

#include <cmath>

#include "cuda/call_state.h"
#include "cuda/primitives.cuh"

namespace nce::cuda::tile {

NCE_DEVICE float exponential2(float x) { return exp2_approximate(x); }
NCE_DEVICE double exponential2(double x) { return exp2(x); }

NCE_DEVICE float fused(float a, float b, float c) { return fmaf(a, b, c); }
NCE_DEVICE double fused(double a, double b, double c) { return fma(a, b, c); }

NCE_DEVICE float larger(float a, float b) { return fmaxf(a, b); }
NCE_DEVICE double larger(double a, double b) { return fmax(a, b); }
NCE_DEVICE float smaller(float a, float b) { return fminf(a, b); }
NCE_DEVICE double smaller(double a, double b) { return fmin(a, b); }

NCE_DEVICE float root(float a) { return sqrtf(a); }
NCE_DEVICE double root(double a) { return sqrt(a); }

/// Stands for the similarity of a pair that is no negative: its exponential, and all that is multiplied by that, is 0.
template <typename Real>
constexpr Real kNothing = sizeof(Real) == 4 ? static_cast<Real>(-3e38) : static_cast<Real>(-1e300);

/// The call's temperature, as tiles use it.
template <typename Real>
struct Temperature {
  Real inverse;
  Real exponent;  ///< log2(e) / tau
  Real shift;

  explicit NCE_DEVICE Temperature(const CallState& call)
      : inverse(static_cast<Real>(call.inverse_temperature)),
        exponent(static_cast<Real>(call.inverse_temperature * 1.4426950408889634)),
        shift(static_cast<Real>(call.shift)) {}

  /// kBounded.
  NCE_DEVICE Real bounded(Real s) const { return exponential2(fused(s, exponent, -shift)); }
  /// kOnline.
  NCE_DEVICE Real relative(Real s, Real reference) const { return exponential2((s - reference) * exponent); }
  /// exp(-|s| / tau).
  NCE_DEVICE Real decay(Real s) const { return exponential2(larger(s, -s) * -exponent); }
};

/// 1 / x for x in [1, 2]: a parabola and Newton's steps, each of which doubles the digits.
template <typename Real>
NCE_DEVICE Real reciprocal(Real x) {
  constexpr int kSteps = sizeof(Real) == 4 ? 2 : 3;
  // The parabola whose relative error equioscillates, at 1/99.
  Real r = fused(fused(static_cast<Real>(32.0 / 99.0), x, static_cast<Real>(-144.0 / 99.0)), x,
                 static_cast<Real>(210.0 / 99.0));
  NCE_UNROLL
  for (int i = 0; i < kSteps; ++i) r = fused(r, fused(-x, r, Real{1}), r);
  return r;
}

/// ln(1 + e) for e in [0, 1] with a small relative error: 2 artanh(e / (2 + e)), whose argument is at most 1/3.
template <typename Real>
NCE_DEVICE Real log1p_unit(Real e) {
  constexpr int kTerms = sizeof(Real) == 4 ? 7 : 17;
  const Real half = static_cast<Real>(0.5) * e;
  const Real w = half * reciprocal(Real{1} + half);
  const Real square = w * w;
  Real p = Real{1} / static_cast<Real>(2 * kTerms - 1);
  NCE_UNROLL
  for (int k = kTerms - 2; k >= 0; --k) p = fused(p, square, Real{1} / static_cast<Real>(2 * k + 1));
  return (w + w) * p;
}

/// ln(1 + exp(s / tau)), which keeps its digits when it is tiny; `decay` is exp(-|s| / tau).
template <typename Real>
NCE_DEVICE Real softplus(Real s, Real decay, const Temperature<Real>& temperature) {
  return fused(larger(s, Real{0}), temperature.inverse, log1p_unit(decay));
}

/// 1 / (1 + exp(-s / tau)), likewise.
template <typename Real>
NCE_DEVICE Real sigmoid(Real s, Real decay) {
  return (s > Real{0} ? Real{1} : decay) * reciprocal(Real{1} + decay);
}

}  // namespace nce::cuda::tile
