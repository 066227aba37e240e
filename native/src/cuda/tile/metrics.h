#pragma once
// Sums over a tile's rows that only metrics need.

#include "cuda/tile/sums.h"
#include "cuda/tile/totals.h"

namespace nce::cuda::tile {

/// Where a tile lies.
struct Corner {
  int64_t x;  ///< its first row of X
  int64_t y;
};

/// From a tile of products to parts of its rows' sums: similarities above the positive's in rows.value, similarities in
/// rows.weighted, uniformity in rows.maximum.
template <typename S>
NCE_DEVICE void metric_parts(const SumTilesParams& params, const SumSpace<S>& space, const Place<S>& place,
                             const Corner& corner, Fragment<S>& tile) {
  using Real = typename S::Real;
  constexpr auto kExponent = static_cast<Real>(4.0 * 1.4426950408889634);
  const MetricSums& metrics = params.metrics;
  const Similarity<S> similarity(params.pair);
  const Mask mask(params.pair, corner.x, corner.y);
  const bool is_cosine = metrics.x_inverse_norms == nullptr;
  NCE_UNROLL
  for (int part = 0; part < S::kPartsAThread; ++part) {
    Real above[S::kPart] = {};
    Real sum[S::kPart] = {};
    Real uniformity[S::kPart] = {};
    NCE_UNROLL
    for (int i = 0; i < S::kPart; ++i) {
      const int r = part * S::kPart + i;
      const int row = place.row(r);
      NCE_UNROLL
      for (int at = 0; at < 2 * S::kColumnOctets; ++at) {
        const int column = place.column(at / 2, at % 2);
        if (!mask.keeps(row, column)) continue;
        const Real product = tile.at(r, at / 2, at % 2);
        const Real s = similarity.of(product, space.x_factors[row], space.y_factors[column]);
        above[i] += s > space.x_positives[row] ? Real{1} : Real{0};
        sum[i] += s;
        Real cosine = s;
        if (!is_cosine) {
          cosine =
              scaled_similarity(product, similarity.scale, static_cast<Real>(metrics.x_inverse_norms[corner.x + row]),
                                static_cast<Real>(metrics.y_inverse_norms[corner.y + column]));
        }
        uniformity[i] = fused(exponential2(cosine * kExponent), static_cast<Real>(metrics.y_factors[corner.y + column]),
                              uniformity[i]);
      }
    }
    store_row_parts<S>(place, part, above, space.rows.value);
    store_row_parts<S>(place, part, sum, space.rows.weighted);
    store_row_parts<S>(place, part, uniformity, space.rows.maximum);
  }
}

/// Adds row `row` of the parts to the sums at `at`, which begin with the first tile.
template <typename S>
NCE_DEVICE void add_metrics(const MetricSums& sums, int64_t at, const Parts<typename S::Real>& parts, int row,
                            bool first) {
  const auto add = [&](double* sum, const typename S::Real* part) {
    const auto more = static_cast<double>(sum_of_parts<S>(part, row));
    sum[at] = first ? more : sum[at] + more;
  };
  add(sums.above, parts.value);
  add(sums.similarity, parts.weighted);
  add(sums.uniformity, parts.maximum);
}

}  // namespace nce::cuda::tile
