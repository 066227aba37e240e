#pragma once
// Which elements of a tile a thread holds: those that mma.m16n8k16 gives it, for every arithmetic.

#include "cuda/tile/shapes.h"

namespace nce::cuda::tile {

/// Element (r, c, e) is the thread's row r, one of each 8, and column 8 c + e of its own.
template <typename S>
struct Fragment {
  using Real = typename S::Real;

  Real values[S::kRowOctets / 2][S::kColumnOctets][4];

  NCE_DEVICE Real& at(int r, int c, int e) { return values[r / 2][c][(r & 1) * 2 + e]; }

  NCE_DEVICE void clear() {
    NCE_UNROLL
    for (int r = 0; r < S::kRowOctets; ++r) {
      NCE_UNROLL
      for (int c = 0; c < S::kColumnOctets; ++c) at(r, c, 0) = at(r, c, 1) = Real{0};
    }
  }

  /// Adds another and clears that.
  NCE_DEVICE void take(Fragment& other) {
    NCE_UNROLL
    for (int r = 0; r < S::kRowOctets; ++r) {
      NCE_UNROLL
      for (int c = 0; c < S::kColumnOctets; ++c) {
        at(r, c, 0) += other.at(r, c, 0);
        at(r, c, 1) += other.at(r, c, 1);
      }
    }
    other.clear();
  }
};

/// The two elements of one octet.
template <typename Real>
struct alignas(2 * sizeof(Real)) Neighbours {
  Real left;
  Real right;
};

/// Where a thread's elements lie in the tile.
template <typename S>
struct Place {
  int lane_row;     ///< of 8
  int lane_column;  ///< of 4
  int warp_row;
  int warp_column;

  explicit NCE_DEVICE Place(int thread) {
    lane_row = thread % 32 / 4;
    lane_column = thread % 4;
    warp_row = thread / 32 / kWarpColumns;
    warp_column = thread / 32 % kWarpColumns;
  }

  NCE_DEVICE int row(int r) const { return (warp_row * S::kRowOctets + r) * 8 + lane_row; }
  NCE_DEVICE int column(int c, int e) const { return (warp_column * S::kColumnOctets + c) * 8 + 2 * lane_column + e; }
};

/// Calls use(r, c, e, row, column) for each element.
template <typename S, typename Use>
NCE_DEVICE void for_each_element(const Place<S>& place, const Use& use) {
  NCE_UNROLL
  for (int r = 0; r < S::kRowOctets; ++r) {
    NCE_UNROLL
    for (int c = 0; c < S::kColumnOctets; ++c) {
      use(r, c, 0, place.row(r), place.column(c, 0));
      use(r, c, 1, place.row(r), place.column(c, 1));
    }
  }
}

}  // namespace nce::cuda::tile
