#pragma once
// How many rows each matrix of a plan has.

#include "infonce.h"

namespace nce {

/// Whether queries (and keys, stacked under them) form one tower of two views.
inline bool is_one_tower(const nce_plan_desc& desc) {
  return desc.loss == NCE_LOSS_NT_XENT ||
         (desc.loss == NCE_LOSS_NT_LOGISTIC && desc.negatives == NCE_NEGATIVES_IN_BATCH);
}

/// Whether the loss is one of distances and a margin, without a temperature.
inline bool is_margin_loss(const nce_plan_desc& desc) {
  return desc.loss == NCE_LOSS_CONTRASTIVE || desc.loss == NCE_LOSS_TRIPLET;
}

/// Rows of keys; 0 where there is no such matrix.
inline int64_t key_rows(const nce_plan_desc& desc) {
  const bool negatives_counted = desc.negatives == NCE_NEGATIVES_SHARED || desc.negatives == NCE_NEGATIVES_OWN;
  return negatives_counted ? desc.n : desc.m;
}

/// Whether calls bring a matrix of negatives, even if it has no rows.
inline bool has_negatives(const nce_plan_desc& desc) { return desc.negatives != NCE_NEGATIVES_IN_BATCH; }

/// Rows of negatives; 0 where there is no such matrix.
inline int64_t negative_rows(const nce_plan_desc& desc) {
  switch (desc.negatives) {
    case NCE_NEGATIVES_SHARED:
      return desc.m;
    case NCE_NEGATIVES_OWN:
      return desc.n * desc.m;
    case NCE_NEGATIVES_PAIRED:
      return desc.n;
    default:
      return 0;
  }
}

/// r, the number of rows that have a loss.
inline int64_t loss_rows(const nce_plan_desc& desc) { return is_one_tower(desc) ? desc.n + desc.m : desc.n; }

/// Bytes of an element.
inline int64_t dtype_bytes(int32_t dtype) {
  switch (dtype) {
    case NCE_DTYPE_FLOAT64:
      return 8;
    case NCE_DTYPE_FLOAT32:
      return 4;
    default:
      return 2;
  }
}

}  // namespace nce
