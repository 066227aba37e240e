#pragma once
// What kernels of mined triplets share.

#include "cuda/caller_rows.cuh"
#include "cuda/mined/mined_kernels.h"
#include "cuda/reduce.cuh"

namespace nce::cuda {

NCE_DEVICE bool is_positive(const MinedParams& p, int64_t anchor, int64_t row) {
  return row != anchor && p.labels[anchor] >= 0 && p.labels[row] == p.labels[anchor];
}
NCE_DEVICE bool is_negative(const MinedParams& p, int64_t anchor, int64_t row) {
  return p.labels[anchor] >= 0 && p.labels[row] != p.labels[anchor];
}

/// What a row's elements are multiplied by in turn to have the norm 1; 0 for zero rows.
NCE_DEVICE double inverse_of(const MinedParams& p, int64_t row) { return inverse_length(p.lengths[row]); }

/// Beyond it, what is made of distances may overflow.
constexpr double kFar = loss::reach_of(false).largest;

/// Whether a distance of a block's row is. All threads call it.
NCE_DEVICE bool is_far(const MinedParams& p, const double* distances) {
  int64_t far = 0;
  for (int64_t j = threadIdx.x; j < p.rows; j += kBlockThreads) far += distances[j] <= kFar ? 0 : 1;
  return combine_block<Count>(far) > 0;
}

/// An element of G from the slope by its distance, times the anchor's factor.
NCE_DEVICE double weight_of(const MinedParams& p, double slope, double factor, double distance) {
  const double g = -slope * factor;
  const bool over = p.measure.base == loss::Base::kDistance;
  return !over ? g : distance == 0.0 ? 0.0 : g / distance;
}

/// Warps that share so much work: as many, unless there are too many.
inline int64_t most_mined_warps(int64_t wanted) {
  constexpr int64_t kMost = int64_t{kBlockWarps} << 20;
  return wanted < kMost ? wanted : kMost;
}

}  // namespace nce::cuda
