#pragma once
// What sum_tiles keeps in shared memory beside the ring.

#include "cuda/tile/shapes.h"

namespace nce::cuda::tile {

/// Parts of sums of one side of a tile: [kUnits][kSide] each. A pass for metrics uses them too.
template <typename Real>
struct Parts {
  Real* maximum;
  Real* value;
  Real* weighted;
};

template <typename S>
struct SumSpace {
  using Real = typename S::Real;

  unsigned char* ring;
  double* row_maximum;  ///< [kSide], the block's sums of the present rows; each thread has a row
  double* row_value;
  double* row_weighted;
  Real* x_factors;  ///< [kSide]
  Real* x_positives;
  Real* y_factors;
  Real* y_positives;
  Parts<Real> rows;
  Parts<Real> columns;

  static constexpr int64_t kTotalBytes = int64_t{3} * S::kSide * static_cast<int64_t>(sizeof(double));
  static constexpr int64_t kReals = int64_t{4 + 6 * kUnits} * S::kSide;
  static constexpr int64_t kBytes = S::kRing + kTotalBytes + kReals * static_cast<int64_t>(sizeof(Real));

  explicit NCE_DEVICE SumSpace(unsigned char* memory) : ring(memory) {
    row_maximum = reinterpret_cast<double*>(memory + S::kRing);
    row_value = row_maximum + S::kSide;
    row_weighted = row_value + S::kSide;
    x_factors = reinterpret_cast<Real*>(memory + S::kRing + kTotalBytes);
    x_positives = x_factors + S::kSide;
    y_factors = x_positives + S::kSide;
    y_positives = y_factors + S::kSide;
    rows = parts(y_positives + S::kSide);
    columns = parts(rows.weighted + kUnits * S::kSide);
  }

 private:
  static NCE_DEVICE Parts<Real> parts(Real* at) { return {at, at + kUnits * S::kSide, at + 2 * kUnits * S::kSide}; }
};

}  // namespace nce::cuda::tile
