#pragma once
// What sum_tiles keeps in shared memory beside the ring.

#include "cuda/tile/functions.h"
#include "cuda/tile/stream.h"

namespace nce::cuda::tile {

/// Parts of sums of one side of a tile: [kUnits][kSide] each. A pass for metrics uses them too.
template <typename Real>
struct Parts {
  Real* maximum;
  Real* value;
  Real* weighted;
};

/// What is the same for all of a block's threads and tiles. In registers it would be there once a thread.
template <typename Real>
struct SumTask {
  TileRange range;
  int64_t row_place;  ///< where the block's sums of rows begin
  int64_t column_place;
  Temperature<Real> temperature;
  Form form;
  int zero;  ///< unknown to the compiler, so that what it is added to is not computed long before it is needed
};

template <typename S>
struct SumSpace {
  using Real = typename S::Real;

  unsigned char* ring;
  SumTask<Real>* task;
  double* row_value;  ///< [kSide], the block's sums of the present rows; each thread has a row
  double* row_weighted;
  Real* row_maximum;
  Real* x_factors;  ///< [kSide]
  Real* x_positives;
  Real* y_factors;
  Real* y_positives;
  Parts<Real> rows;
  Parts<Real> columns;

  static constexpr int64_t kTotalBytes = int64_t{2} * S::kSide * static_cast<int64_t>(sizeof(double));
  static constexpr int64_t kReals = int64_t{5 + 6 * kUnits} * S::kSide;
  static constexpr int64_t kTaskBytes = 128;
  static_assert(sizeof(SumTask<Real>) <= kTaskBytes);
  static constexpr int64_t kBytes = S::kRing + kTaskBytes + kTotalBytes + kReals * static_cast<int64_t>(sizeof(Real));

  explicit NCE_DEVICE SumSpace(unsigned char* memory) : ring(memory) {
    task = reinterpret_cast<SumTask<Real>*>(memory + S::kRing);
    row_value = reinterpret_cast<double*>(memory + S::kRing + kTaskBytes);
    row_weighted = row_value + S::kSide;
    row_maximum = reinterpret_cast<Real*>(memory + S::kRing + kTaskBytes + kTotalBytes);
    x_factors = row_maximum + S::kSide;
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
