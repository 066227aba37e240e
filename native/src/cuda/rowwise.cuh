#pragma once
// What kernels of the rowwise losses share.

#include "cuda/rows.cuh"
#include "cuda/rowwise_kernels.h"
#include "loss/logistic.h"
#include "loss/margin.h"
#include "loss/softmax_row.h"

namespace nce::cuda {

template <typename T>
NCE_DEVICE const T* row_at(const RowMatrix& matrix, int64_t row) {
  return static_cast<const T*>(matrix.data) + row * matrix.stride;
}

/// The row that pair k of a row is with.
template <typename T>
NCE_DEVICE const T* other_at(const RowwiseParams& p, int64_t row, int64_t k) {
  return k == 0 ? row_at<T>(p.keys, row) : row_at<T>(p.negatives, row * (p.pairs - 1) + k - 1);
}

NCE_DEVICE bool is_alike(const RowwiseParams& p, int64_t row) { return p.labels == nullptr || p.labels[row] != 0; }

/// dl / d(value of pair k of a row).
NCE_DEVICE double row_slope(const RowwiseParams& p, const RowPair* pairs, int64_t k, bool alike,
                            const RowTerms& terms) {
  const double tau = p.call->tau;
  switch (p.loss) {
    case NCE_LOSS_INFONCE: {
      const double mass = loss::softmax_row_negative_mass(terms.log_ratio, 0.0);
      if (k == 0) return -mass / tau;
      return mass * std::exp((pairs[k].value - pairs[0].value) / tau - terms.log_ratio) / tau;
    }
    case NCE_LOSS_NT_LOGISTIC:
      return (k == 0 ? loss::logistic_positive_slope(pairs[0].value / tau)
                     : loss::logistic_negative_slope(pairs[1].value / tau)) /
             tau;
    case NCE_LOSS_CONTRASTIVE:
      return loss::contrastive_slope(pairs[0].value, alike, p.margin);
    default: {
      const double slope = loss::triplet_slope(pairs[0].value, pairs[1].value, p.margin);
      return k == 0 ? slope : -slope;
    }
  }
}

/// By what the gradients of a row's loss are multiplied.
NCE_DEVICE double row_factor(const RowwiseParams& p, int64_t row) {
  double factor = p.weights == nullptr ? 1.0 : static_cast<double>(p.weights[row]);
  if (p.upstream != nullptr) factor *= static_cast<double>(p.upstream[p.upstream_per_row != 0 ? row : 0]);
  if (p.reduction != NCE_REDUCTION_MEAN) return factor;
  return p.call->weight_sum > 0.0 ? factor / p.call->weight_sum : 0.0;
}

/// Calls `use` with an element of an nce_dtype.
template <typename Use>
void with_element(int32_t dtype, const Use& use) {
  switch (dtype) {
    case NCE_DTYPE_FLOAT64:
      return use(0.0);
    case NCE_DTYPE_FLOAT16:
      return use(Float16{});
    case NCE_DTYPE_BFLOAT16:
      return use(Bfloat16{});
    default:
      return use(0.0f);
  }
}

}  // namespace nce::cuda
