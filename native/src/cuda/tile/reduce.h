#pragma once
// Sums over a warp's part of a tile's rows and columns. A part of a row is 8 columns of each of some octets, a part of
// a column is as many rows, and both are added in one order: octets in turn, then neighbours, pairs and fours of the 8.
// So sums of rows and of columns are the same bits when X and Y change places.

#include <cstddef>

#include "cuda/tile/fragment.h"
#include "cuda/tile/functions.h"

namespace nce::cuda::tile {

/// A step of kLive sums over lanes that differ in `bit`: each lane goes on with half of them, or with the only one.
template <int kLive, std::size_t kCount, typename Real>
NCE_DEVICE void reduce_step(Real (&values)[kCount], int bit) {
  if constexpr (kLive == 1) {
    values[0] += __shfl_xor_sync(0xffffffffu, values[0], bit);
  } else {
    const bool upper = (static_cast<int>(threadIdx.x) & bit) != 0;
    NCE_UNROLL
    for (int i = 0; i < kLive / 2; ++i) {
      const Real mine = upper ? values[i + kLive / 2] : values[i];
      const Real other = upper ? values[i] : values[i + kLive / 2];
      values[i] = mine + __shfl_xor_sync(0xffffffffu, other, bit);
    }
  }
}

/// Sums of the part's rows over the 4 lanes that share them. values[0] becomes that of row kept_row().
template <typename S, typename Real>
NCE_DEVICE void reduce_rows(Real (&values)[S::kPart]) {
  constexpr int kCount = S::kPart;
  reduce_step<kCount>(values, 1);
  reduce_step<kCount / 2>(values, 2);
}

template <typename S>
NCE_DEVICE int kept_row(const Place<S>& place) {
  const int lane = place.lane_column;
  return S::kPart == 4 ? (lane & 1) * 2 + (lane >> 1) : lane & 1;
}

/// Whether no lane before this one keeps the same row.
template <typename S>
NCE_DEVICE bool first_to_keep_row(const Place<S>& place) {
  return S::kPart == 4 || place.lane_column < 2;
}

/// Sums of the thread's columns over the 8 lanes that share them. values[0] becomes that of column kept_column().
template <typename S, typename Real>
NCE_DEVICE void reduce_columns(Real (&values)[2 * S::kPart]) {
  constexpr int kCount = 2 * S::kPart;
  reduce_step<kCount>(values, 4);
  reduce_step<kCount / 2>(values, 8);
  reduce_step<kCount / 4>(values, 16);
}

/// In the order of columns 2 c + e.
template <typename S>
NCE_DEVICE int kept_column(const Place<S>& place) {
  const int lane = place.lane_row;
  return S::kPart == 4 ? (lane & 1) * 4 + (lane & 2) + (lane >> 2) : (lane & 1) * 2 + (lane >> 1 & 1);
}

template <typename S>
NCE_DEVICE bool first_to_keep_column(const Place<S>& place) {
  return S::kPart == 4 || place.lane_row < 4;
}

template <typename Real>
NCE_DEVICE Real maximum_over_row(Real value) {
  value = larger(value, __shfl_xor_sync(0xffffffffu, value, 1));
  return larger(value, __shfl_xor_sync(0xffffffffu, value, 2));
}

template <typename Real>
NCE_DEVICE Real maximum_over_column(Real value) {
  value = larger(value, __shfl_xor_sync(0xffffffffu, value, 4));
  value = larger(value, __shfl_xor_sync(0xffffffffu, value, 8));
  return larger(value, __shfl_xor_sync(0xffffffffu, value, 16));
}

}  // namespace nce::cuda::tile
