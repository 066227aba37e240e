#pragma once
// What kernels of the rowwise losses share.

#include "cuda/elements.cuh"
#include "cuda/reduce.cuh"
#include "cuda/rowwise/row_kernels.h"

namespace nce::cuda {

template <typename T>
NCE_DEVICE const T* row_at(const RowMatrix& matrix, int64_t row) {
  return static_cast<const T*>(matrix.data) + row * matrix.stride;
}

/// The negative of comparison k of a row, k > 0.
NCE_DEVICE int64_t negative_row(const RowwiseParams& p, int64_t row, int64_t k) {
  return row * (p.comparisons_of_row - 1) + k - 1;
}

/// The row that comparison k of a row is with.
template <typename T>
NCE_DEVICE const T* other_at(const RowwiseParams& p, int64_t row, int64_t k) {
  return k == 0 ? row_at<T>(p.keys, row) : row_at<T>(p.negatives, negative_row(p, row, k));
}

NCE_DEVICE const Comparison* comparisons_of(const RowwiseParams& p, int64_t row) {
  return p.comparisons + row * p.comparisons_of_row;
}

/// Only rows of float64 are so small that the first factor is not 1.
template <typename T>
NCE_DEVICE loss::UnitFactors factors_of(double inverse_norm) {
  return sizeof(T) < sizeof(double) ? loss::UnitFactors{1.0, inverse_norm} : loss::unit_factors(inverse_norm);
}
template <typename T>
NCE_DEVICE double times(double x, const loss::UnitFactors& factors) {
  return sizeof(T) < sizeof(double) ? x * factors.second : x * factors.first * factors.second;
}

NCE_DEVICE loss::RowTargets targets_of(const RowwiseParams& p, int64_t row) {
  return {.alike = p.labels == nullptr || p.labels[row] != 0,
          .teacher = p.teacher_scores == nullptr ? nullptr : p.teacher_scores + row * p.comparisons_of_row};
}

NCE_DEVICE loss::PairwiseRule rule_of(const RowwiseParams& p) {
  return {.function = p.function,
          .tau = p.call->tau,
          .margin = p.margin,
          .class_prior = p.class_prior,
          .hardness = p.hardness};
}

/// dl / d(value of comparison k of a row). A teacher's are found once, as they take registers that sums need.
NCE_DEVICE double slope_of(const RowwiseParams& p, int64_t row, int64_t k) {
  if (p.taught_slopes != nullptr) return p.taught_slopes[row * p.comparisons_of_row + k];
  return loss::slope_without_teacher(rule_of(p), comparisons_of(p, row), k, targets_of(p, row).alike, p.terms[row]);
}

/// Whether another kernel has done the row.
NCE_DEVICE bool left_to_floats(const RowwiseParams& p, int64_t row) {
  return p.out_of_range != nullptr && p.out_of_range[row] == 0;
}

/// Warps that share so much work: as many, unless there are too many.
inline int64_t most_warps(int64_t wanted) {
  constexpr int64_t kMost = int64_t{kBlockWarps} << 20;
  return wanted < kMost ? wanted : kMost;
}

constexpr int kColumnsOfLane = 4;
constexpr int64_t kColumnsOfWarp = int64_t{kColumnsOfLane} * kWarpThreads;

/// What a comparison does to gradients, with x^ = x over its norm for the cosine, else x, and y^ = unit y:
/// dx gets push (y^ - x^) for distances, else push y^; dy = push unit (x^ - shrink y^). A unit below 0 is -unit of rows
/// that are enlarged, as may be those of float64.
struct Pull {
  double push;
  double unit;
  double shrink;
};

template <typename T>
NCE_DEVICE Pull pull_of(const RowwiseParams& p, int64_t row, int64_t k, double factor) {
  const Comparison* const comparisons = comparisons_of(p, row);
  const double value = comparisons[k].value;
  const double slope = factor * p.measure.sign * slope_of(p, row, k);
  switch (p.measure.base) {
    case loss::Base::kCosine:
      return {slope, comparisons[k].inverse_norm, p.measure.sign * (value - p.measure.offset)};
    case loss::Base::kDot:
      return {slope, 1.0, 0.0};
    case loss::Base::kSquaredDistance:
      return {-2.0 * slope, 1.0, 1.0};
    case loss::Base::kDistance: {
      // d|x - y| / dx = (x - y) / |x - y|, taken as 0 at 0. Over the smallest distances even 1 overflows; larger
      // differences over a larger distance, which is still to be found, are the same.
      const double distance = std::fabs(value);
      const bool tiny = sizeof(T) == sizeof(double) && value != 0.0 && distance < loss::kSmallestDivisor;
      return {value != 0.0 ? -slope / (tiny ? 1.0 : distance) : 0.0, tiny ? -1.0 : 1.0,
              tiny ? 1.0 / loss::kEnlarged : 1.0};
    }
  }
  return {std::nan(""), 0.0, 0.0};
}

template <typename G>
NCE_DEVICE G* gradient_at(const GradientMatrix& matrix, int64_t row) {
  return matrix.data == nullptr ? nullptr : static_cast<G*>(matrix.data) + row * matrix.stride;
}

/// Where the gradient of the row that comparison k is with goes; null: nowhere.
template <typename G>
NCE_DEVICE G* other_gradient(const RowwiseParams& p, int64_t row, int64_t k) {
  return k == 0 ? gradient_at<G>(p.d_keys, row) : gradient_at<G>(p.d_negatives, negative_row(p, row, k));
}

}  // namespace nce::cuda
