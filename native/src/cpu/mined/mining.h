#pragma once
// One row of distances: its loss, of triplets or of all pairs, and what each distance weighs in the gradient.

#include <cstdint>

#include "loss/mined.h"

namespace nce::cpu::mined {

using loss::Distant;
using loss::MinedRow;
using loss::MinedRule;

/// An anchor's distances from all rows, in tiles of `width` columns each.
template <typename Real>
struct DistanceRow {
  Real* first;
  int64_t width;
  int64_t tiles;
  int64_t rows;

  Real& at(int64_t row) const { return first[row / width * width * width + row % width]; }
  /// body(row, distance) for every row in rising order.
  template <typename Body>
  void for_each(const Body& body) const {
    for (int64_t tile = 0; tile < tiles; ++tile) {
      Real* const distances = first + tile * width * width;
      const int64_t count = tile + 1 < tiles ? width : rows - tile * width;
      for (int64_t l = 0; l < count; ++l) body(tile * width + l, distances[l]);
    }
  }
  void clear() const;
};

/// What falls between two positives, which lie in order of their distances.
struct Bucket {
  double count;  ///< of negatives
  double sum;    ///< of what their distances exceed the nearest positive's by
};

/// Room for a row's positives and what lies between them.
struct RowSpace {
  Distant* positives;  ///< [rows]
  Distant* nearest;    ///< [rows + 1]; semi-hard
  Bucket* buckets;     ///< the same memory; batch-all
  double* slopes;      ///< the same memory, half of it; batch-all with a soft margin
  double* powers;      ///< the other half
  double* terms;       ///< [rows]; where all pairs are weighed, and then nothing else
};

/// How a distance's slope becomes an element of G = -dL / d(distance), over the distance if that is Euclidean.
struct Weights {
  bool wanted;
  bool over_distance;
  double factor;

  double of(double slope, double distance) const {
    const double g = -slope * factor;
    return !over_distance ? g : distance == 0.0 ? 0.0 : g / distance;
  }
};

/// Mines all pairs, or semi-hard ones, of anchor `anchor`, or weighs all. If weights are wanted, they replace the
/// distances.
template <typename Real>
MinedRow mine_row(const MinedRule& rule, const DistanceRow<Real>& row, const int32_t* labels, int64_t anchor,
                  const RowSpace& space, const Weights& weights);
/// Weighs all pairs of an anchor; `terms` has room for one number a row.
template <typename Real>
MinedRow weigh_row(const MinedRule& rule, const DistanceRow<Real>& row, const int32_t* labels, int64_t anchor,
                   double* terms, const Weights& weights);

}  // namespace nce::cpu::mined
