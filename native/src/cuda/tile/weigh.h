#pragma once
// The weight G of a pair in the gradient of a sum over negatives.

#include "cuda/tile/functions.h"

namespace nce::cuda::tile {

/// What a row (or a column) brings to its weights.
template <typename Real>
struct RowWeight {
  Real weight;
  Real reference;  ///< kOnline
};

template <typename Real>
NCE_DEVICE RowWeight<Real> row_weight(const void* weights, const void* references, int64_t row) {
  RowWeight<Real> result{Real{0}, Real{0}};
  if (weights != nullptr) result.weight = static_cast<const Real*>(weights)[row];
  if (weights != nullptr && references != nullptr) result.reference = static_cast<const Real*>(references)[row];
  return result;
}

/// G of a negative with similarity s. A pair that is none may give anything, so select, don't multiply.
/// X and Y may change places: the sum of two products is written so that neither is fused into the addition.
template <Form kForm, typename Real>
NCE_DEVICE Real pair_weight(Real s, const RowWeight<Real>& x, const RowWeight<Real>& y,
                            const Temperature<Real>& temperature) {
  if constexpr (kForm == Form::kBounded) {
    return temperature.bounded(s) * (x.weight + y.weight);
  } else if constexpr (kForm == Form::kOnline) {
    // A side without weights has no reference either, and its exponential may overflow.
    const Real from_x = x.weight == Real{0} ? Real{0} : x.weight * temperature.relative(s, x.reference);
    const Real from_y = y.weight == Real{0} ? Real{0} : y.weight * temperature.relative(s, y.reference);
    return larger(from_x, from_y) + smaller(from_x, from_y);
  } else {
    return sigmoid(s, temperature.decay(s)) * (x.weight + y.weight);
  }
}

/// d(-distance) is over the distance; equal rows have no direction.
template <typename Real>
NCE_DEVICE Real over_distance(Real weight, Real s) {
  return s == Real{0} ? Real{0} : weight / -s;
}

}  // namespace nce::cuda::tile
