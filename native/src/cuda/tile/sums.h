#pragma once
// From a tile of similarities to parts of the sums over its rows and columns, in shared memory. What is no negative
// is kNothing there.

#include "cuda/tile/reduce.h"
#include "cuda/tile/similarity.h"
#include "cuda/tile/sum_space.h"

namespace nce::cuda::tile {

/// What a part's exponentials are relative to. Where nothing is a negative they are 0 against any number.
template <typename Real>
NCE_DEVICE Real usable_reference(Real maximum) {
  return maximum > kNothing<Real> ? maximum : Real{0};
}

/// Adds lanes up and takes the sums of a part of the thread's rows to shared memory.
template <typename S>
NCE_DEVICE void store_row_parts(const Place<S>& place, int part, typename S::Real (&values)[S::kPart],
                                typename S::Real* to) {
  reduce_rows<S>(values);
  if (!first_to_keep_row(place)) return;
  to[place.warp_column * S::kSide + place.row(part * S::kPart + kept_row(place))] = values[0];
}

template <typename S>
class TileSums {
  using Real = typename S::Real;

 public:
  NCE_DEVICE TileSums(const SumSpace<S>& space, const Place<S>& place, Fragment<S>& tile)
      : space_(space), place_(place), tile_(tile) {}

  /// kBounded: one exponential serves a row and a column.
  NCE_DEVICE void bounded(const Temperature<Real>& temperature) const {
    NCE_UNROLL
    for (int part = 0; part < S::kPartsAThread; ++part) {
      Real value[S::kPart];
      Real weighted[S::kPart];
      Real column_value[2 * S::kPart] = {};
      Real column_weighted[2 * S::kPart] = {};
      NCE_UNROLL
      for (int i = 0; i < S::kPart; ++i) {
        const auto term = [&](Real s, int c, int e, Real positive, Real& to_value, Real& to_weighted) {
          const Real exponential = temperature.bounded(s);
          to_value += exponential;
          to_weighted = fused(exponential, s - positive, to_weighted);
          const int at = 2 * c + e;
          column_value[at] += exponential;
          column_weighted[at] = fused(exponential, s - space_.y_positives[place_.column(c, e)], column_weighted[at]);
        };
        row(part * S::kPart + i, term, value[i], weighted[i]);
      }
      store_row_parts<S>(place_, part, value, space_.rows.value);
      store_row_parts<S>(place_, part, weighted, space_.rows.weighted);
      store_columns(part, column_value, space_.columns.value);
      store_columns(part, column_weighted, space_.columns.weighted);
    }
  }

  /// kOnline, relative to the largest of each part of a row.
  NCE_DEVICE void online_rows(const Temperature<Real>& temperature) const {
    NCE_UNROLL
    for (int part = 0; part < S::kPartsAThread; ++part) {
      Real value[S::kPart];
      Real weighted[S::kPart];
      NCE_UNROLL
      for (int i = 0; i < S::kPart; ++i) {
        const int r = part * S::kPart + i;
        Real maximum = kNothing<Real>;
        NCE_UNROLL
        for (int c = 0; c < S::kColumnOctets; ++c) {
          maximum = larger(maximum, larger(tile_.at(r, c, 0), tile_.at(r, c, 1)));
        }
        maximum = maximum_over_row(maximum);
        if (place_.lane_column == i) {
          space_.rows.maximum[place_.warp_column * S::kSide + place_.row(r)] = maximum;
        }
        const Real reference = usable_reference(maximum);
        const auto term = [&](Real s, int, int, Real positive, Real& to_value, Real& to_weighted) {
          const Real exponential = temperature.relative(s, reference);
          to_value += exponential;
          to_weighted = fused(exponential, s - positive, to_weighted);
        };
        row(r, term, value[i], weighted[i]);
      }
      store_row_parts<S>(place_, part, value, space_.rows.value);
      store_row_parts<S>(place_, part, weighted, space_.rows.weighted);
    }
  }

  /// kOnline, relative to the largest of each part of a column.
  NCE_DEVICE void online_columns(const Temperature<Real>& temperature) const {
    NCE_UNROLL
    for (int part = 0; part < S::kPartsAThread; ++part) {
      Real value[2 * S::kPart] = {};
      Real weighted[2 * S::kPart] = {};
      NCE_UNROLL
      for (int at = 0; at < 2 * S::kPart; ++at) {
        const int column = place_.column(at / 2, at % 2);
        Real maximum = kNothing<Real>;
        NCE_UNROLL
        for (int i = 0; i < S::kPart; ++i) maximum = larger(maximum, tile_.at(part * S::kPart + i, at / 2, at % 2));
        maximum = maximum_over_column(maximum);
        if (place_.lane_row == at) space_.columns.maximum[column_part(part) * S::kSide + column] = maximum;
        const Real reference = usable_reference(maximum);
        const Real positive = space_.y_positives[column];
        NCE_UNROLL
        for (int i = 0; i < S::kPart; ++i) {
          const Real s = tile_.at(part * S::kPart + i, at / 2, at % 2);
          const Real exponential = temperature.relative(s, reference);
          value[at] += exponential;
          weighted[at] = fused(exponential, s - positive, weighted[at]);
        }
      }
      store_columns(part, value, space_.columns.value);
      store_columns(part, weighted, space_.columns.weighted);
    }
  }

  /// kLogistic: softplus and sigmoid, of rows.
  NCE_DEVICE void logistic(const Temperature<Real>& temperature) const {
    const auto term = [&](Real s, int, int, Real, Real& to_value, Real& to_weighted) {
      const Real decay = temperature.decay(s);
      to_value += softplus(s, decay, temperature);
      to_weighted = fused(sigmoid(s, decay), s, to_weighted);
    };
    rows(term);
  }

  /// kBounded where columns are not wanted.
  NCE_DEVICE void bounded_rows(const Temperature<Real>& temperature) const {
    const auto term = [&](Real s, int, int, Real positive, Real& to_value, Real& to_weighted) {
      const Real exponential = temperature.bounded(s);
      to_value += exponential;
      to_weighted = fused(exponential, s - positive, to_weighted);
    };
    rows(term);
  }

 private:
  /// Sums over rows of what term(s, c, e, positive, value, weighted) adds to its last two.
  template <typename Term>
  NCE_DEVICE void rows(const Term& term) const {
    NCE_UNROLL
    for (int part = 0; part < S::kPartsAThread; ++part) {
      Real value[S::kPart];
      Real weighted[S::kPart];
      NCE_UNROLL
      for (int i = 0; i < S::kPart; ++i) row(part * S::kPart + i, term, value[i], weighted[i]);
      store_row_parts<S>(place_, part, value, space_.rows.value);
      store_row_parts<S>(place_, part, weighted, space_.rows.weighted);
    }
  }

  /// The thread's part of a row: its octets in turn, the two columns of each apart until the end.
  template <typename Term>
  NCE_DEVICE void row(int r, const Term& term, Real& value, Real& weighted) const {
    const Real positive = space_.x_positives[place_.row(r)];
    Real values[2] = {};
    Real weighteds[2] = {};
    NCE_UNROLL
    for (int c = 0; c < S::kColumnOctets; ++c) {
      term(tile_.at(r, c, 0), c, 0, positive, values[0], weighteds[0]);
      term(tile_.at(r, c, 1), c, 1, positive, values[1], weighteds[1]);
    }
    value = values[0] + values[1];
    weighted = weighteds[0] + weighteds[1];
  }

  NCE_DEVICE int column_part(int part) const { return place_.warp_row * S::kPartsAThread + part; }

  NCE_DEVICE void store_columns(int part, Real (&values)[2 * S::kPart], Real* to) const {
    reduce_columns<S>(values);
    if (!first_to_keep_column(place_)) return;
    const int kept = kept_column(place_);
    to[column_part(part) * S::kSide + place_.column(kept / 2, kept % 2)] = values[0];
  }

  const SumSpace<S>& space_;
  const Place<S>& place_;
  Fragment<S>& tile_;
};

}  // namespace nce::cuda::tile
