#pragma once
// The caller's rows and the packed ones, as kernels between the tiles read them: in double.

#include <cmath>

#include "cuda/dense/row_kernels.h"
#include "cuda/elements.cuh"
#include "loss/problem.h"

namespace nce::cuda::dense {

/// Row i of the caller's matrices; elements are read by element().
NCE_DEVICE const void* row_of(const RowSource& rows, int64_t i) {
  const bool first = i < rows.first_rows;
  const int64_t offset = first ? i * rows.first_stride : (i - rows.first_rows) * rows.second_stride;
  return static_cast<const unsigned char*>(first ? rows.first : rows.second) + offset * loss::dtype_bytes(rows.dtype);
}

NCE_DEVICE double element(const void* row, nce_dtype dtype, int64_t d) {
  switch (dtype) {
    case NCE_DTYPE_FLOAT64:
      return static_cast<const double*>(row)[d];
    case NCE_DTYPE_FLOAT16:
      return wide(static_cast<const Float16*>(row)[d]);
    case NCE_DTYPE_BFLOAT16:
      return wide(static_cast<const Bfloat16*>(row)[d]);
    case NCE_DTYPE_FLOAT32:
      break;
  }
  return wide(static_cast<const float*>(row)[d]);
}

/// 1 / length, 0 for zero rows.
NCE_DEVICE double inverse_length(double length) { return length == 0.0 ? 0.0 : 1.0 / length; }

/// e with 2^e <= norm < 2^(e + 1), within what float's powers of two can hold; 0 for norm 0.
NCE_DEVICE int row_exponent(double norm) {
  constexpr int kLargest = 126;
  if (!(norm > 0.0)) return 0;
  const int e = std::ilogb(norm);
  return e > kLargest ? kLargest : e < -kLargest ? -kLargest : e;
}
NCE_DEVICE double power_of_two(int e) { return std::ldexp(1.0, e); }

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

/// How the call's logits and exponentials are scaled.
NCE_DEVICE loss::Scaling scaling_of(const CallState& call) {
  constexpr double kLn2 = 0.69314718055994531;
  return {.form = call.form, .tau = call.tau, .log_scale = call.shift * kLn2};
}

NCE_DEVICE bool concerns(const CallState* call, int32_t method) {
  return call->status == NCE_STATUS_OK && call->method == method;
}

}  // namespace nce::cuda::dense
