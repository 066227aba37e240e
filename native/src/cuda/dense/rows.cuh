#pragma once
// The caller's rows and the packed ones, as kernels between the tiles read them: in double.

#include <cmath>

#include "cuda/caller_rows.cuh"
#include "cuda/dense/row_kernels.h"

namespace nce::cuda::dense {

/// e with 2^e <= norm < 2^(e + 1), within what float's powers of two can hold; 0 for norm 0.
NCE_DEVICE int row_exponent(double norm) {
  constexpr int kLargest = 126;
  if (!(norm > 0.0)) return 0;
  const int e = std::ilogb(norm);
  return e > kLargest ? kLargest : e < -kLargest ? -kLargest : e;
}
NCE_DEVICE double power_of_two(int e) { return std::ldexp(1.0, e); }

/// Of one number a row; null: all 0.
NCE_DEVICE double offset_of(const float* offsets, int64_t row) {
  return offsets == nullptr ? 0.0 : static_cast<double>(offsets[row]);
}

/// Types of packed elements and of what tiles compute with them, and the norm that packed rows have (or about that).
template <Arithmetic kArithmetic>
struct Packed;
template <>
struct Packed<Arithmetic::kTensorFloat16> {
  using Element = Float16;
  using Real = float;
  static constexpr double kScale = static_cast<double>(kPlaneScale);
};
template <>
struct Packed<Arithmetic::kTensorBfloat16> {
  using Element = Bfloat16;
  using Real = float;
  static constexpr double kScale = static_cast<double>(kPlaneScale);
};
template <>
struct Packed<Arithmetic::kFloat32> {
  using Element = float;
  using Real = float;
  static constexpr double kScale = 1.0;
};
template <>
struct Packed<Arithmetic::kFloat64> {
  using Element = double;
  using Real = double;
  static constexpr double kScale = 1.0;
};

/// By what packing multiplies a row's elements, in two steps that neither overflow nor vanish, and what is left for its
/// scale.
struct RowFactors {
  double first;
  double second;
  double scale;
};

template <Arithmetic kArithmetic>
NCE_DEVICE RowFactors row_factors(Packing packing, const Norms& norms, int64_t row) {
  const double length = norms.length[row];
  const double power = norms.scale[row];
  switch (packing) {
    case Packing::kUnit:
      return {power, inverse_length(length) * Packed<kArithmetic>::kScale, 1.0};
    case Packing::kPower:
    case Packing::kPowerOfUnit: {
      const int e = row_exponent(length / power);
      const double rest = length / power * power_of_two(-e);
      return {power_of_two(-e), Packed<kArithmetic>::kScale,
              packing == Packing::kPower ? power_of_two(e) : inverse_length(rest)};
    }
    case Packing::kRaw:
      break;
  }
  return {1.0, 1.0, 1.0};
}

/// What planes hold of a number.
template <Arithmetic kArithmetic>
struct PackedElement {
  typename Packed<kArithmetic>::Element high, low;

  NCE_DEVICE PackedElement(double x, const RowFactors& factors) {
    x = x * factors.first * factors.second;
    narrow(x, high);
    narrow(x - wide(high), low);
  }
};

/// How the call's logits and exponentials are scaled.
NCE_DEVICE loss::Scaling scaling_of(const CallState& call) {
  constexpr double kLn2 = 0.69314718055994531;
  return {.form = call.form, .tau = call.tau, .bias = call.bias, .log_scale = call.shift * kLn2};
}

NCE_DEVICE bool concerns(const CallState* call, int32_t method) {
  return call->status == NCE_STATUS_OK && call->method == method;
}

}  // namespace nce::cuda::dense
