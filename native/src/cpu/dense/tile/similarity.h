// From products to similarities, in place, and which elements of a tile are negatives.
#pragma once

#include "cpu/dense/kernels.h"
#include "cpu/dense/tile/vectors.h"

namespace nce::cpu::dense::NCE_TILE_ISA {

/// A tile: rows [y_first, y_first + y_count) of Y against x_count rows of X from x_first.
template <typename Real>
struct Tile {
  Real* values;  ///< [kWidth][kWidth]
  int64_t x_first;
  int64_t y_first;
  int64_t x_count;
  int64_t y_count;

  Vec<Real> at(int64_t j, int v) const { return load(values + (j * kVectors + v) * kLanes<Real>); }
  void put(int64_t j, int v, const Vec<Real>& value) const {
    store<Real>(values + (j * kVectors + v) * kLanes<Real>, value);
  }
};

template <typename Real>
inline bool any(const Int<Real>& lanes) {
  typename Simd<Real>::Index each[kLanes<Real>];
  __builtin_memcpy(each, &lanes, sizeof each);
  typename Simd<Real>::Index bits = 0;
  for (int l = 0; l < kLanes<Real>; ++l) bits |= each[l];
  return bits != 0;
}

/// Which lanes of a tile row hold negatives, and the row's weight.
template <typename Real>
class Mask {
 public:
  Mask(const Operands<Real>& operands, const Tile<Real>& tile)
      : excluded_(operands.excluded),
        half_(operands.views_half),
        own_(operands.own),
        x_first_(tile.x_first),
        y_first_(tile.y_first),
        tile_(tile),
        y_groups_(operands.y_groups),
        x_limited_(operands.x_limits != nullptr),
        y_limits_(operands.y_limits),
        y_weights_(operands.y_weights) {
    Index index[kWidth<Real>];
    for (int l = 0; l < kWidth<Real>; ++l) index[l] = static_cast<Index>(l < tile.x_count ? l : kOutside);
    for (int v = 0; v < kVectors; ++v) __builtin_memcpy(&lanes_[v], index + v * kLanes<Real>, sizeof lanes_[v]);
    load_groups(operands, tile, groups_);
    for (int v = 0; v < kVectors; ++v) {
      limits_[v] = Vec<Real>{};
      of_row_[v] = of_column_[v] = ~Int<Real>{};
    }
    if (x_limited_) load_row<Real>(operands.x_limits + tile.x_first, limits_);
    if (excluded_ == Excluded::kOthersOwn) only_ = ~Int<Real>{};
  }

  /// Whether any element of the tile is not a negative, or has a weight.
  static bool needed(const Operands<Real>& operands, const Tile<Real>& tile) {
    if (operands.y_weights != nullptr) return true;
    if (tile.x_count < kWidth<Real> || operands.excluded == Excluded::kOthersOwn) return true;
    if (operands.x_limits != nullptr && may_exceed(operands, tile)) return true;
    if (operands.excluded != Excluded::kNone && overlap(tile, 0)) return true;
    if (operands.excluded == Excluded::kViews &&
        (overlap(tile, operands.views_half) || overlap(tile, -operands.views_half))) {
      return true;
    }
    return operands.y_groups != nullptr && !operands.labels && share_groups(operands, tile);
  }

  /// Whether any element of the tile is a positive by labels.
  static bool has_positives(const Operands<Real>& operands, const Tile<Real>& tile) {
    return operands.labels && share_groups(operands, tile);
  }

  /// Aims at row j of the tile, which with limits holds similarities.
  void select(int64_t j) {
    const int64_t row = y_first_ + j;
    self_ = excluded_ == Excluded::kNone        ? kNowhere
            : excluded_ == Excluded::kOthersOwn ? lane_of(row / own_)
                                                : lane_of(row);
    other_ = excluded_ == Excluded::kViews ? lane_of(row < half_ ? row + half_ : row - half_) : kNowhere;
    group_ = y_groups_ == nullptr ? kNobody : group_of(y_groups_[row]);
    weight_ = y_weights_ == nullptr ? Real{1} : static_cast<Real>(y_weights_[row]);
    if (x_limited_) {
      for (int v = 0; v < kVectors; ++v) of_row_[v] = tile_.at(j, v) <= limits_[v];
    }
    if (y_limits_ != nullptr) {
      const auto limit = static_cast<Real>(y_limits_[row]);
      for (int v = 0; v < kVectors; ++v) of_column_[v] = tile_.at(j, v) <= limit;
    }
  }

  /// By what exponentials of the tile's row are multiplied.
  Real weight() const { return weight_; }

  Vec<Real> apply(int v, const Vec<Real>& value, Real otherwise) const {
    return (negative(v) & of_row_[v]) ? value : broadcast(otherwise);
  }

  /// The same of negatives of the tile's columns.
  Vec<Real> of_column(int v, const Vec<Real>& value, Real otherwise) const {
    return (negative(v) & of_column_[v]) ? value : broadcast(otherwise);
  }

  /// The value of a positive by labels.
  Vec<Real> of_positive(int v, const Vec<Real>& value, Real otherwise) const {
    return (compared(v) & (groups_[v] == group_)) ? value : broadcast(otherwise);
  }

  /// That of a negative or such a positive.
  Vec<Real> of_either(int v, const Vec<Real>& value, Real otherwise) const {
    return compared(v) ? value : broadcast(otherwise);
  }

 private:
  using Index = typename Simd<Real>::Index;
  static constexpr Index kOutside = -1;
  static constexpr Index kNowhere = -2;
  // Of rows in no group: on the two sides numbers that are never equal.
  static constexpr Index kAlone = -1;
  static constexpr Index kNobody = -2;

  Int<Real> compared(int v) const {
    return ((lanes_[v] != self_) ^ only_) & (lanes_[v] != other_) & (lanes_[v] != kOutside);
  }

  Int<Real> negative(int v) const { return compared(v) & (groups_[v] != group_); }

  static Index group_of(int32_t group) { return group < 0 ? kNobody : Index{group}; }

  static void load_groups(const Operands<Real>& operands, const Tile<Real>& tile, Int<Real> (&to)[kVectors]) {
    Index groups[kWidth<Real>];
    for (int l = 0; l < kWidth<Real>; ++l) {
      const bool inside = operands.x_groups != nullptr && l < tile.x_count && operands.x_groups[tile.x_first + l] >= 0;
      groups[l] = inside ? Index{operands.x_groups[tile.x_first + l]} : kAlone;
    }
    for (int v = 0; v < kVectors; ++v) __builtin_memcpy(&to[v], groups + v * kLanes<Real>, sizeof to[v]);
  }

  static bool share_groups(const Operands<Real>& operands, const Tile<Real>& tile) {
    Int<Real> groups[kVectors];
    load_groups(operands, tile, groups);
    Int<Real> shared{};
    for (int64_t j = 0; j < tile.y_count; ++j) {
      const Index group = group_of(operands.y_groups[tile.y_first + j]);
      for (int v = 0; v < kVectors; ++v) shared |= groups[v] == group;
    }
    return any<Real>(shared);
  }

  /// Whether an element may be above its row's limit or its column's. Of products that are no similarities yet, any
  /// may.
  static bool may_exceed(const Operands<Real>& operands, const Tile<Real>& tile) {
    const bool products = kWordElements == 2 || operands.similarity == NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN ||
                          operands.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN;
    if (products) return true;
    Vec<Real> limits[kVectors];
    load_row<Real>(operands.x_limits + tile.x_first, limits);
    Int<Real> above{};
    for (int64_t j = 0; j < tile.y_count; ++j) {
      for (int v = 0; v < kVectors; ++v) above |= tile.at(j, v) > limits[v];
      if (operands.y_limits == nullptr) continue;
      const auto limit = static_cast<Real>(operands.y_limits[tile.y_first + j]);
      for (int v = 0; v < kVectors; ++v) above |= tile.at(j, v) > limit;
    }
    return any<Real>(above);
  }

  static bool overlap(const Tile<Real>& tile, int64_t shift) {
    const int64_t first = tile.y_first + shift;
    return first < tile.x_first + tile.x_count && tile.x_first < first + tile.y_count;
  }

  Index lane_of(int64_t row) const {
    const int64_t lane = row - x_first_;
    return lane >= 0 && lane < kWidth<Real> ? static_cast<Index>(lane) : kNowhere;
  }

  Excluded excluded_;
  int64_t half_;
  int64_t own_;
  int64_t x_first_;
  int64_t y_first_;
  Tile<Real> tile_;
  const int32_t* y_groups_;
  bool x_limited_;
  const double* y_limits_;
  const double* y_weights_;
  Vec<Real> limits_[kVectors];
  Int<Real> of_row_[kVectors];  ///< whether limits let it be a negative
  Int<Real> of_column_[kVectors];
  Int<Real> lanes_[kVectors];
  Int<Real> only_{};  ///< all ones where none but self_ is compared
  Int<Real> groups_[kVectors];
  Index self_ = kNowhere;
  Index other_ = kNowhere;
  Index group_ = kNobody;
  Real weight_ = Real{1};
};

/// Products of scaled rows to similarities, in place.
template <typename Real>
inline void apply_factors(const Operands<Real>& operands, const Tile<Real>& tile) {
  Vec<Real> factors[kVectors];
  load_row<Real>(operands.x_factors + tile.x_first, factors);
  for (int64_t j = 0; j < tile.y_count; ++j) {
    const auto factor = static_cast<Real>(operands.y_factors[tile.y_first + j]);
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) tile.put(j, v, tile.at(j, v) * factors[v] * factor);
  }
}

/// Sum over d of (scale (x_d - y_d))^2, kLanes rows of X from `x` on against y(d).
template <typename Real, typename Y>
inline Vec<Real> squared_differences(const Real* x, const Y& y, int64_t dim, Real scale) {
  constexpr int kSums = 4;
  Vec<Real> sums[kSums] = {};
  int64_t d = 0;
  for (; d + kSums <= dim; d += kSums) {
#pragma GCC unroll 4
    for (int k = 0; k < kSums; ++k) {
      const Vec<Real> difference = (load(x + (d + k) * kWidth<Real>) - y(d + k)) * scale;
      sums[k] += difference * difference;
    }
  }
  for (; d < dim; ++d) {
    const Vec<Real> difference = (load(x + d * kWidth<Real>) - y(d)) * scale;
    sums[0] += difference * difference;
  }
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

template <typename Real>
inline Vec<Real> square_root(const Vec<Real>& x) {
  Vec<Real> root = x;
  for (int l = 0; l < kLanes<Real>; ++l) {
    if constexpr (sizeof(Real) == 4) {
      root[l] = __builtin_sqrtf(root[l]);
    } else {
      root[l] = __builtin_sqrt(root[l]);
    }
  }
  return root;
}

/// Distances of kLanes rows of X to rows of Y, or their squares, from differences. Roots keep their digits even where
/// squares leave the range of Real.
template <typename Real, typename Y>
[[gnu::noinline]] Vec<Real> near_distances_of(const Real* x, const Y& y, int64_t dim, bool root) {
  constexpr Real kUp = sizeof(Real) == 4 ? Real{0x1p100} : static_cast<Real>(0x1p600);
  constexpr Real kDown = Real{1} / kUp;
  constexpr Real kLargest = Real{1} / kSmallestSquare<Real>;
  const Vec<Real> squares = squared_differences<Real>(x, y, dim, Real{1});
  if (!root) return squares;
  Vec<Real> roots = square_root<Real>(squares);
  const Int<Real> small = squares < kSmallestSquare<Real>;
  const Int<Real> large = !(squares < kLargest);
  if (any<Real>(small)) {
    const Vec<Real> scaled = square_root<Real>(squared_differences<Real>(x, y, dim, kUp));
    roots = small ? scaled * kDown : roots;
  }
  if (any<Real>(large)) {
    const Vec<Real> scaled = square_root<Real>(squared_differences<Real>(x, y, dim, kDown));
    roots = large ? scaled * kUp : roots;
  }
  return roots;
}

template <typename Real>
void near_distances(const Real* x, const Real* y, int64_t dim, bool root, double* distances) {
  Vec<Real> rows[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    const auto row = [y, v](int64_t d) { return load(y + d * kWidth<Real> + v * kLanes<Real>); };
    rows[v] = near_distances_of<Real>(x + v * kLanes<Real>, row, dim, root);
  }
  for (int l = 0; l < kWidth<Real>; ++l) distances[l] = 0.0;
  add_row<Real>(rows, distances);
}

/// Replaces what products_to_similarities has marked as cancelled.
template <typename Real>
[[gnu::noinline]] void find_near_distances(const Operands<Real>& operands, const Tile<Real>& tile, bool root) {
  const Real* const x = operands.x + tile.x_first / kWidth<Real> * operands.panel_stride;
  const Real* const y = operands.y + tile.y_first / kWidth<Real> * operands.panel_stride;
  for (int64_t j = 0; j < tile.y_count; ++j) {
    const auto row = [y, j](int64_t d) { return broadcast(y[d * kWidth<Real> + j]); };
    for (int v = 0; v < kVectors; ++v) {
      const Vec<Real> s = tile.at(j, v);
      const Int<Real> marked = s > Real{0};
      if (!any<Real>(marked)) continue;
      const Vec<Real> distances = near_distances_of<Real>(x + v * kLanes<Real>, row, operands.dim, root);
      tile.put(j, v, marked ? -distances : s);
    }
  }
}

/// Products to similarities: -(|x|^2 + |y|^2 - 2 <x, y>) or its root; from differences where that cancels, so that
/// equal rows give exactly 0.
template <typename Real>
inline void products_to_similarities(const Operands<Real>& operands, const Tile<Real>& tile) {
  if (operands.similarity == NCE_SIMILARITY_COSINE || operands.similarity == NCE_SIMILARITY_DOT) return;
  const bool root = operands.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN;
  Vec<Real> squares[kVectors];
  load_row<Real>(operands.x_squares + tile.x_first, squares);
  Int<Real> cancelled{};
  for (int64_t j = 0; j < tile.y_count; ++j) {
    const auto square = static_cast<Real>(operands.y_squares[tile.y_first + j]);
    for (int v = 0; v < kVectors; ++v) {
      const Vec<Real> product = tile.at(j, v);
      const Vec<Real> both = squares[v] + square;
      Vec<Real> distance = both - (product + product);
      // Also where it is no number.
      const Int<Real> here = !(distance > both * kCancelledShare<Real> + kSmallestSquare<Real>);
      cancelled |= here;
      if (root) distance = square_root<Real>(distance);
      tile.put(j, v, here ? broadcast(Real{1}) : -distance);
    }
  }
  if (any<Real>(cancelled)) find_near_distances(operands, tile, root);
}

}  // namespace nce::cpu::dense::NCE_TILE_ISA
