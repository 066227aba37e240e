#pragma once
// From products to similarities, and which of them are negatives. The order of X and Y makes no difference to a bit.

#include "cuda/tile/fragment.h"
#include "cuda/tile/functions.h"

namespace nce::cuda::tile {

NCE_DEVICE bool is_euclidean(const Pair& pair) {
  return pair.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN || pair.similarity == NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN;
}

/// What a row brings to its similarities besides products: its scale, or its squared norm.
template <typename Real>
NCE_DEVICE Real row_factor(const Pair& pair, const Operand& operand, int64_t row) {
  if (row >= operand.rows) return Real{0};
  if (is_euclidean(pair)) return static_cast<const Real*>(operand.squares)[row];
  return operand.scales == nullptr ? Real{1} : static_cast<Real>(operand.scales[row]);
}

template <typename Real>
NCE_DEVICE Real scaled_similarity(Real product, Real product_scale, Real x_scale, Real y_scale) {
  return product * product_scale * (x_scale * y_scale);
}

/// Equal rows give exactly 0.
template <typename Real>
NCE_DEVICE Real euclidean_similarity(Real product, Real x_square, Real y_square, bool rooted) {
  const Real squared = larger(Real{0}, (x_square + y_square) - (product + product));
  return -(rooted ? root(squared) : squared);
}

/// How a call's products become similarities.
template <typename S>
struct Similarity {
  using Real = typename S::Real;

  enum class Kind { kProduct, kScaled, kSquaredDistance, kDistance };

  Kind kind;
  Real scale;

  explicit NCE_DEVICE Similarity(const Pair& pair) : scale(static_cast<Real>(pair.product_scale)) {
    if (!S::kTensor && is_euclidean(pair)) {
      kind = pair.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN ? Kind::kDistance : Kind::kSquaredDistance;
    } else {
      kind = pair.x.scales == nullptr && pair.y.scales == nullptr ? Kind::kProduct : Kind::kScaled;
    }
  }

  /// Factors: row_factor of the row and the column.
  NCE_DEVICE Real of(Real product, Real x_factor, Real y_factor) const {
    if (kind == Kind::kProduct) return product * scale;
    if (kind == Kind::kScaled) return scaled_similarity(product, scale, x_factor, y_factor);
    return euclidean_similarity(product, x_factor, y_factor, kind == Kind::kDistance);
  }

  /// A whole tile, in place.
  NCE_DEVICE void apply(const Place<S>& place, const Real* x_factors, const Real* y_factors, Fragment<S>& tile) const {
    if (kind == Kind::kProduct) {
      for_each_element(place, [&](int r, int c, int e, int, int) { tile.at(r, c, e) *= scale; });
    } else if (S::kTensor || kind == Kind::kScaled) {
      for_each_element(place, [&](int r, int c, int e, int row, int column) {
        tile.at(r, c, e) = scaled_similarity(tile.at(r, c, e), scale, x_factors[row], y_factors[column]);
      });
    } else {
      for_each_element(place, [&](int r, int c, int e, int row, int column) {
        tile.at(r, c, e) =
            euclidean_similarity(tile.at(r, c, e), x_factors[row], y_factors[column], kind == Kind::kDistance);
      });
    }
  }
};

/// Which elements of a tile are negatives, in coordinates of the tile.
struct Mask {
  static constexpr int kNowhere = 1 << 20;

  int rows;  ///< before the padding
  int columns;
  int self;  ///< excluded where column - row is this, or one of these
  int view_above;
  int view_below;

  NCE_DEVICE Mask(const Pair& pair, int64_t x_first, int64_t y_first)
      : rows(near(pair.x.rows - x_first)),
        columns(near(pair.y.rows - y_first)),
        self(pair.excluded == Excluded::kNone ? kNowhere : near(x_first - y_first)),
        view_above(pair.excluded == Excluded::kViews ? near(x_first - y_first + pair.views_half) : kNowhere),
        view_below(pair.excluded == Excluded::kViews ? near(x_first - y_first - pair.views_half) : kNowhere) {}

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

/// Replaces what is not kept by kNothing.
template <typename S>
NCE_DEVICE void apply_mask(const Mask& mask, const Place<S>& place, Fragment<S>& tile) {
  if (!mask.needed(S::kSide, S::kSide)) return;
  for_each_element(place, [&](int r, int c, int e, int row, int column) {
    if (!mask.keeps(row, column)) tile.at(r, c, e) = kNothing<typename S::Real>;
  });
}

}  // namespace nce::cuda::tile
