#pragma once
// From products to similarities, which of them are negatives, and what becomes of them: exponentials, and G. Functions
// are without branches, and the order of X and Y makes no difference to a bit.

#include <cmath>

#include "cuda/tile/product.h"

namespace nce::cuda::tile {

NCE_DEVICE float exponential2(float x) { return exp2_approximate(x); }
NCE_DEVICE double exponential2(double x) { return exp2(x); }

NCE_DEVICE float fused(float a, float b, float c) { return fmaf(a, b, c); }
NCE_DEVICE double fused(double a, double b, double c) { return fma(a, b, c); }

NCE_DEVICE float larger(float a, float b) { return fmaxf(a, b); }
NCE_DEVICE double larger(double a, double b) { return fmax(a, b); }
NCE_DEVICE float smaller(float a, float b) { return fminf(a, b); }
NCE_DEVICE double smaller(double a, double b) { return fmin(a, b); }

NCE_DEVICE float root(float a) { return sqrtf(a); }
NCE_DEVICE double root(double a) { return sqrt(a); }

/// Stands for a similarity that is no negative's: its exponential, and all that is multiplied by that, is 0.
template <typename Real>
constexpr Real kNothing = sizeof(Real) == 4 ? static_cast<Real>(-3e38) : static_cast<Real>(-1e300);

/// The call's temperature, as tiles use it.
template <typename Real>
struct Temperature {
  Real inverse;
  Real exponent;  ///< log2(e) / tau
  Real shift;     ///< see CallState

  explicit NCE_DEVICE Temperature(const CallState& call)
      : inverse(static_cast<Real>(call.inverse_temperature)),
        exponent(static_cast<Real>(call.inverse_temperature * kLog2E)),
        shift(static_cast<Real>(call.shift)) {}

  /// kBounded.
  NCE_DEVICE Real bounded(Real s) const { return exponential2(fused(s, exponent, -shift)); }
  /// kOnline.
  NCE_DEVICE Real relative(Real s, Real reference) const { return exponential2((s - reference) * exponent); }
  /// kLogistic: the logit in units of s.
  NCE_DEVICE Real biased(Real s) const { return s + shift; }
  /// exp(-|s| / tau).
  NCE_DEVICE Real decay(Real s) const { return exponential2(larger(s, -s) * -exponent); }
};

/// 1 / x for x in [1, 2]: a parabola and Newton's steps, each of which doubles the digits.
template <typename Real>
NCE_DEVICE Real reciprocal(Real x) {
  constexpr int kSteps = sizeof(Real) == 4 ? 2 : 3;
  // The parabola whose relative error equioscillates, at 1/99.
  Real r = fused(fused(static_cast<Real>(32.0 / 99.0), x, static_cast<Real>(-144.0 / 99.0)), x,
                 static_cast<Real>(210.0 / 99.0));
  NCE_UNROLL
  for (int i = 0; i < kSteps; ++i) r = fused(r, fused(-x, r, Real{1}), r);
  return r;
}

/// ln(1 + e) for e in [0, 1] with a small relative error: 2 artanh(e / (2 + e)), whose argument is at most 1/3.
template <typename Real>
NCE_DEVICE Real log1p_unit(Real e) {
  constexpr int kTerms = sizeof(Real) == 4 ? 7 : 17;
  const Real half = static_cast<Real>(0.5) * e;
  const Real w = half * reciprocal(Real{1} + half);
  const Real square = w * w;
  Real p = Real{1} / static_cast<Real>(2 * kTerms - 1);
  NCE_UNROLL
  for (int k = kTerms - 2; k >= 0; --k) p = fused(p, square, Real{1} / static_cast<Real>(2 * k + 1));
  return (w + w) * p;
}

/// ln(1 + exp(s / tau)), which keeps its digits when it is tiny; `decay` is exp(-|s| / tau).
template <typename Real>
NCE_DEVICE Real softplus(Real s, Real decay, const Temperature<Real>& temperature) {
  return fused(larger(s, Real{0}), temperature.inverse, log1p_unit(decay));
}

/// 1 / (1 + exp(-s / tau)), likewise.
template <typename Real>
NCE_DEVICE Real sigmoid(Real s, Real decay) {
  return (s > Real{0} ? Real{1} : decay) * reciprocal(Real{1} + decay);
}

NCE_DEVICE bool is_euclidean(nce_similarity similarity) {
  return similarity == NCE_SIMILARITY_NEG_EUCLIDEAN || similarity == NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN;
}

/// What a row brings to its similarities besides products: its scale, or its squared norm.
template <typename Real>
NCE_DEVICE Real similarity_factor(const Operands& operands, const Operand& operand, int64_t row) {
  // Padding has a square of 1: two zeros would look as if they had underflowed.
  if (row >= operand.rows) return is_euclidean(operands.similarity) ? Real{1} : Real{0};
  if (is_euclidean(operands.similarity)) return static_cast<const Real*>(operand.squares)[row];
  return operand.scales == nullptr ? Real{1} : static_cast<Real>(operand.scales[row]);
}

template <typename Real>
NCE_DEVICE Real scaled_similarity(Real product, Real product_scale, Real x_scale, Real y_scale) {
  return product * product_scale * (x_scale * y_scale);
}

/// |x|^2 + |y|^2 - 2 <x, y> has lost digits where it is below this share of the squares, or below kSmallestSquare.
template <typename Real>
constexpr Real kCancelledShare = static_cast<Real>(1.0 / 64.0);
using loss::kSmallestSquare;

/// Stands for a distance that is to come from differences; others are >= 0, so that similarities are not above 0.
template <typename Real>
constexpr Real kCancelled = Real{1};

template <typename Real>
NCE_DEVICE Real euclidean_similarity(Real product, Real x_square, Real y_square, bool rooted) {
  const Real both = x_square + y_square;
  const Real squared = both - (product + product);
  // Also where it is no number.
  if (!(squared > fused(both, kCancelledShare<Real>, kSmallestSquare<Real>))) return kCancelled<Real>;
  return -(rooted ? root(squared) : squared);
}

/// Sum of (scale (x - y))^2 over a row of `pitch` elements.
template <typename Real>
NCE_DEVICE Real squared_differences(const Real* x, const Real* y, int64_t pitch, Real scale) {
  constexpr int kSums = 4;
  Real sums[kSums] = {};
  NCE_NO_UNROLL
  for (const Real* const end = x + pitch; x < end; x += kSums, y += kSums) {
    NCE_UNROLL
    for (int k = 0; k < kSums; ++k) {
      const Real difference = (x[k] - y[k]) * scale;
      sums[k] = fused(difference, difference, sums[k]);
    }
  }
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/// Minus the distance of two rows, or its square. Roots keep their digits even where squares leave the range of Real.
template <typename Real>
NCE_DEVICE Real near_similarity(const Real* x, const Real* y, int64_t pitch, bool rooted) {
  constexpr Real kUp = sizeof(Real) == 4 ? static_cast<Real>(0x1p100) : static_cast<Real>(0x1p600);
  constexpr Real kLargest = Real{1} / kSmallestSquare<Real>;
  Real scale = Real{1};
  Real squared = Real{0};
  NCE_NO_UNROLL
  for (int turn = 0; turn < 2; ++turn) {
    squared = squared_differences(x, y, pitch, scale);
    if (turn == 1 || !rooted || (squared >= kSmallestSquare<Real> && squared < kLargest)) break;
    scale = squared < kLargest ? kUp : Real{1} / kUp;
  }
  if (!rooted) return -squared;
  return -(root(squared) * (scale == Real{1} ? Real{1} : scale == kUp ? Real{1} / kUp : kUp));
}

/// Which elements of a tile are negatives, in coordinates of the tile.
struct Mask {
  static constexpr int kNowhere = 1 << 20;

  int rows;  ///< before the padding
  int columns;
  int self;  ///< excluded where column - row is this, or one of these
  int view_above;
  int view_below;

  NCE_DEVICE Mask(const Operands& operands, int64_t x_first, int64_t y_first)
      : rows(near(operands.x.rows - x_first)),
        columns(near(operands.y.rows - y_first)),
        self(operands.excluded == Excluded::kNone ? kNowhere : near(x_first - y_first)),
        view_above(operands.excluded == Excluded::kViews ? near(x_first - y_first + operands.views_half) : kNowhere),
        view_below(operands.excluded == Excluded::kViews ? near(x_first - y_first - operands.views_half) : kNowhere) {}

  NCE_DEVICE bool keeps(int row, int column) const {
    const int offset = column - row;
    return row < rows && column < columns && offset != self && offset != view_above && offset != view_below;
  }

  /// Whether a tile of so many rows and columns may hold anything that is not kept.
  NCE_DEVICE bool needed(int row_count, int column_count) const {
    return rows < row_count || columns < column_count || crosses(self, row_count, column_count) ||
           crosses(view_above, row_count, column_count) || crosses(view_below, row_count, column_count);
  }

 private:
  static NCE_DEVICE bool crosses(int offset, int row_count, int column_count) {
    return offset > -row_count && offset < column_count;
  }

  static NCE_DEVICE int near(int64_t offset) {
    if (offset > kNowhere) return kNowhere;
    return offset < -kNowhere ? -kNowhere : static_cast<int>(offset);
  }
};

/// Where a tile's rows of X and Y begin.
struct Corner {
  int64_t x;
  int64_t y;
};

/// Stands for a product of a row and a column whose groups do not let it be kept.
template <typename Real>
constexpr Real kOneGroup = -static_cast<Real>(INFINITY);

/// Marks those, if there are groups. Bits are found first and in turns, so that few registers are taken from what all
/// tiles need, those without groups too.
template <typename S>
NCE_DEVICE void mark_groups(const Operands& operands, const Mask& mask, const Corner& corner, const Place<S>& place,
                            Fragment<S>& tile) {
  if (operands.x.groups == nullptr) return;
  NCE_UNROLL
  for (int r = 0; r < S::kRowOctets; ++r) {
    const int32_t group = place.row(r) < mask.rows ? operands.x.groups[corner.x + place.row(r)] : -1;
    uint32_t bits = operands.kept_groups;
    NCE_NO_UNROLL
    for (int c = 0; c < S::kColumnOctets; ++c) {
      for (int e = 0; e < 2; ++e) {
        const int column = place.column(c, e);
        if (group >= 0 && column < mask.columns && operands.y.groups[corner.y + column] == group) {
          bits ^= 1u << (2 * c + e);
        }
      }
    }
    NCE_UNROLL
    for (int c = 0; c < S::kColumnOctets; ++c) {
      if ((bits & (1u << (2 * c))) != 0) tile.at(r, c, 0) = kOneGroup<typename S::Real>;
      if ((bits & (2u << (2 * c))) != 0) tile.at(r, c, 1) = kOneGroup<typename S::Real>;
    }
    // Else the compiler looks for several rows' groups at once.
    __syncwarp();
  }
}

/// Replaces marks, in products or in what they were made into: the factor 0 of a zero row leaves a mark not a number,
/// which nothing else is.
template <typename S>
NCE_DEVICE void replace_marks(typename S::Real by, Fragment<S>& tile) {
  NCE_UNROLL
  for (int r = 0; r < S::kRowOctets; ++r) {
    NCE_UNROLL
    for (int c = 0; c < S::kColumnOctets; ++c) {
      if (!(tile.at(r, c, 0) > kOneGroup<typename S::Real>)) tile.at(r, c, 0) = by;
      if (!(tile.at(r, c, 1) > kOneGroup<typename S::Real>)) tile.at(r, c, 1) = by;
    }
  }
}

/// Replaces by 0 what groups do not let be kept.
template <typename S>
NCE_DEVICE void clear_groups(const Operands& operands, const Mask& mask, const Corner& corner, const Place<S>& place,
                             Fragment<S>& tile) {
  if (operands.x.groups == nullptr) return;
  mark_groups(operands, mask, corner, place, tile);
  replace_marks(typename S::Real{0}, tile);
}

/// How a call's products become similarities.
template <typename S>
struct Similarity {
  using Real = typename S::Real;

  enum class Kind { kProduct, kScaled, kSquaredDistance, kDistance };
  static constexpr bool kHasDistances = !S::kTensor && !S::kFromCaller;

  Kind kind;
  Real scale;

  NCE_DEVICE bool distances() const {
    return kHasDistances && (kind == Kind::kSquaredDistance || kind == Kind::kDistance);
  }

  explicit NCE_DEVICE Similarity(const Operands& operands) : scale(static_cast<Real>(operands.product_scale)) {
    if (kHasDistances && is_euclidean(operands.similarity)) {
      kind = operands.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN ? Kind::kDistance : Kind::kSquaredDistance;
    } else {
      kind = operands.x.scales == nullptr && operands.y.scales == nullptr ? Kind::kProduct : Kind::kScaled;
    }
  }

  /// No distances. Factors: similarity_factor of the row and the column.
  NCE_DEVICE Real of(Real product, Real x_factor, Real y_factor) const {
    return kind == Kind::kProduct ? product * scale : scaled_similarity(product, scale, x_factor, y_factor);
  }

  /// A whole tile of products, in place; not of distances.
  NCE_DEVICE void apply_products(const Place<S>& place, const Real* x_factors, const Real* y_factors,
                                 Fragment<S>& tile) const {
    if (kind == Kind::kProduct) {
      for_each_element(place, [&](int r, int c, int e, int, int) { tile.at(r, c, e) *= scale; });
    } else {
      for_each_element(place, [&](int r, int c, int e, int row, int column) {
        tile.at(r, c, e) = scaled_similarity(tile.at(r, c, e), scale, x_factors[row], y_factors[column]);
      });
    }
  }

  /// Likewise of distances; the tile's first row and column are (x_first, y_first). What wanted(row, column) denies may
  /// be left as kCancelled.
  template <typename Wanted>
  NCE_DEVICE void apply_distances(const Operands& operands, int64_t x_first, int64_t y_first, const Place<S>& place,
                                  const Real* x_factors, const Real* y_factors, const Wanted& wanted,
                                  Fragment<S>& tile) const {
    if constexpr (kHasDistances) {
      const bool rooted = kind == Kind::kDistance;
      for_each_element(place, [&](int r, int c, int e, int row, int column) {
        tile.at(r, c, e) = euclidean_similarity(tile.at(r, c, e), x_factors[row], y_factors[column], rooted);
      });
      // One after the other, by code that is there once: they are few.
      NCE_NO_UNROLL
      while (true) {
        int found = -1;
        int found_row = 0;
        int found_column = 0;
        for_each_element(place, [&](int r, int c, int e, int row, int column) {
          if (!(tile.at(r, c, e) > Real{0}) || !wanted(row, column)) return;
          found = (r * S::kColumnOctets + c) * 2 + e;
          found_row = row;
          found_column = column;
        });
        if (found < 0) break;
        const Real s =
            near_similarity(static_cast<const Real*>(operands.x.planes) + (x_first + found_row) * operands.x.pitch,
                            static_cast<const Real*>(operands.y.planes) + (y_first + found_column) * operands.y.pitch,
                            operands.x.pitch, rooted);
        for_each_element(place, [&](int r, int c, int e, int, int) {
          if ((r * S::kColumnOctets + c) * 2 + e == found) tile.at(r, c, e) = s;
        });
      }
    }
  }
};

/// Replaces similarities above their row's limit, or their column's, by kNothing, if there are limits. Two functions,
/// as one would read a limit an element, for which there are no registers.
template <typename S>
NCE_DEVICE void leave_out_of_rows(const Operands& operands, const Corner& corner, const Place<S>& place,
                                  Fragment<S>& tile) {
  using Real = typename S::Real;
  if (operands.x.limits == nullptr) return;
  NCE_UNROLL
  for (int r = 0; r < S::kRowOctets; ++r) {
    const auto limit = static_cast<Real>(operands.x.limits[corner.x + place.row(r)]);
    NCE_UNROLL
    for (int c = 0; c < S::kColumnOctets; ++c) {
      if (tile.at(r, c, 0) > limit) tile.at(r, c, 0) = kNothing<Real>;
      if (tile.at(r, c, 1) > limit) tile.at(r, c, 1) = kNothing<Real>;
    }
    __syncwarp();
  }
}
template <typename S>
NCE_DEVICE void leave_out_of_columns(const Operands& operands, const Corner& corner, const Place<S>& place,
                                     Fragment<S>& tile) {
  using Real = typename S::Real;
  if (operands.y.limits == nullptr) return;
  NCE_UNROLL
  for (int c = 0; c < S::kColumnOctets; ++c) {
    NCE_UNROLL
    for (int e = 0; e < 2; ++e) {
      const auto limit = static_cast<Real>(operands.y.limits[corner.y + place.column(c, e)]);
      NCE_UNROLL
      for (int r = 0; r < S::kRowOctets; ++r) {
        if (tile.at(r, c, e) > limit) tile.at(r, c, e) = kNothing<Real>;
      }
      __syncwarp();
    }
  }
}

/// Multiplies what is a tile's row by its weight, or a column by its own, if there are weights.
template <typename S>
NCE_DEVICE void weigh_rows(const double* weights, int64_t x_first, const Place<S>& place, Fragment<S>& tile) {
  using Real = typename S::Real;
  if (weights == nullptr) return;
  NCE_UNROLL
  for (int r = 0; r < S::kRowOctets; ++r) {
    const auto weight = static_cast<Real>(weights[x_first + place.row(r)]);
    NCE_UNROLL
    for (int c = 0; c < S::kColumnOctets; ++c) {
      tile.at(r, c, 0) *= weight;
      tile.at(r, c, 1) *= weight;
    }
    __syncwarp();
  }
}
template <typename S>
NCE_DEVICE void weigh_columns(const double* weights, int64_t y_first, const Place<S>& place, Fragment<S>& tile) {
  using Real = typename S::Real;
  if (weights == nullptr) return;
  NCE_UNROLL
  for (int c = 0; c < S::kColumnOctets; ++c) {
    NCE_UNROLL
    for (int e = 0; e < 2; ++e) {
      const auto weight = static_cast<Real>(weights[y_first + place.column(c, e)]);
      NCE_UNROLL
      for (int r = 0; r < S::kRowOctets; ++r) tile.at(r, c, e) *= weight;
      __syncwarp();
    }
  }
}

/// Replaces what is not kept by kNothing.
template <typename S>
NCE_DEVICE void apply_mask(const Mask& mask, const Place<S>& place, Fragment<S>& tile) {
  if (!mask.needed(S::kSide, S::kSide)) return;
  for_each_element(place, [&](int r, int c, int e, int row, int column) {
    if (!mask.keeps(row, column)) tile.at(r, c, e) = kNothing<typename S::Real>;
  });
}

/// What a row (or a column) brings to its elements of G.
template <typename Real>
struct Coefficient {
  Real a;
  Real reference;  ///< kOnline
};

template <typename Real>
NCE_DEVICE Coefficient<Real> load_coefficient(const void* coefficients, const void* references, int64_t row) {
  Coefficient<Real> result{Real{0}, Real{0}};
  if (coefficients != nullptr) result.a = static_cast<const Real*>(coefficients)[row];
  if (coefficients != nullptr && references != nullptr) result.reference = static_cast<const Real*>(references)[row];
  return result;
}

/// G of a negative with similarity s. For what is none it may be anything, so select, don't multiply.
/// X and Y may change places: the sum of two products is written so that neither is fused into the addition.
template <Form kForm, typename Real>
NCE_DEVICE Real g_of(Real s, const Coefficient<Real>& x, const Coefficient<Real>& y,
                     const Temperature<Real>& temperature) {
  if constexpr (kForm == Form::kBounded) {
    return temperature.bounded(s) * (x.a + y.a);
  } else if constexpr (kForm == Form::kOnline) {
    // A side without coefficients has no reference either, and its exponential may overflow.
    const Real from_x = x.a == Real{0} ? Real{0} : x.a * temperature.relative(s, x.reference);
    const Real from_y = y.a == Real{0} ? Real{0} : y.a * temperature.relative(s, y.reference);
    return larger(from_x, from_y) + smaller(from_x, from_y);
  } else {
    static_assert(kForm == Form::kLogistic);
    const Real biased = temperature.biased(s);
    return sigmoid(biased, temperature.decay(biased)) * (x.a + y.a);
  }
}

/// d(-distance) is over the distance; equal rows have no direction.
template <typename Real>
NCE_DEVICE Real over_distance(Real g, Real s) {
  return s == Real{0} ? Real{0} : g / -s;
}

/// The form of a gradient's f, and the temperature that makes it 1 where it is constant.
NCE_DEVICE Form gradient_form(const Operands& operands) {
  return operands.constant ? Form::kBounded : operands.call->form;
}
template <typename Real>
NCE_DEVICE Temperature<Real> gradient_temperature(const Operands& operands) {
  Temperature<Real> temperature(*operands.call);
  if (operands.constant) temperature.exponent = temperature.shift = Real{0};
  return temperature;
}

/// Calls `use` with the form as a constant.
template <typename Use>
NCE_DEVICE void with_form(Form form, const Use& use) {
  switch (form) {
    case Form::kBounded:
      return use(std::integral_constant<Form, Form::kBounded>{});
    case Form::kOnline:
      return use(std::integral_constant<Form, Form::kOnline>{});
    case Form::kLogistic:
      break;
  }
  use(std::integral_constant<Form, Form::kLogistic>{});
}

}  // namespace nce::cuda::tile
