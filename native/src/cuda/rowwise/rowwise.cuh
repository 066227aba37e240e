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

NCE_DEVICE bool is_alike(const RowwiseParams& p, int64_t row) { return p.labels == nullptr || p.labels[row] != 0; }

NCE_DEVICE loss::PairwiseRule rule_of(const RowwiseParams& p) {
  return {.function = p.function, .tau = p.call->tau, .margin = p.margin};
}

}  // namespace nce::cuda
