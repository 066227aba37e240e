#pragma once
// From the parts of a tile's sums to sums over many tiles, in double and in the order of tiles.

#include "cuda/tile/functions.h"
#include "cuda/tile/sum_space.h"

namespace nce::cuda::tile {

template <typename S>
NCE_DEVICE typename S::Real sum_of_parts(const typename S::Real* parts, int at) {
  return (parts[at] + parts[S::kSide + at]) + (parts[2 * S::kSide + at] + parts[3 * S::kSide + at]);
}

/// The sums of one row or column.
struct Total {
  double maximum;
  double value;
  double weighted;

  static NCE_DEVICE Total empty() { return {-HUGE_VAL, 0.0, 0.0}; }

  /// Adds row (or column) `at` of the parts of one tile.
  template <typename S>
  NCE_DEVICE void add(Form form, const Parts<typename S::Real>& parts, int at,
                      const Temperature<typename S::Real>& temperature) {
    using Real = typename S::Real;
    if (form != Form::kOnline) {
      value += static_cast<double>(sum_of_parts<S>(parts.value, at));
      weighted += static_cast<double>(sum_of_parts<S>(parts.weighted, at));
      return;
    }
    NCE_NO_UNROLL
    for (int unit = 0; unit < kUnits; ++unit) {
      const int place = unit * S::kSide + at;
      const Real mine = parts.maximum[place];
      if (!(mine > kNothing<Real>)) continue;
      const auto theirs = static_cast<Real>(maximum);
      const Real reference = larger(mine, theirs);
      const auto my_factor = static_cast<double>(temperature.relative(mine, reference));
      const auto their_factor = static_cast<double>(temperature.relative(theirs, reference));
      maximum = static_cast<double>(reference);
      value = fma(value, their_factor, static_cast<double>(parts.value[place]) * my_factor);
      weighted = fma(weighted, their_factor, static_cast<double>(parts.weighted[place]) * my_factor);
    }
  }
};

NCE_DEVICE Total load_total(const Sums& sums, int64_t at) {
  return {sums.maximum == nullptr ? -HUGE_VAL : sums.maximum[at], sums.value[at], sums.weighted[at]};
}

NCE_DEVICE void store_total(const Sums& sums, int64_t at, const Total& total) {
  if (sums.maximum != nullptr) sums.maximum[at] = total.maximum;
  sums.value[at] = total.value;
  sums.weighted[at] = total.weighted;
}

}  // namespace nce::cuda::tile
