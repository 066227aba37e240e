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

/// Which lanes of a tile row hold negatives.
template <typename Real>
class Mask {
 public:
  Mask(const Operands<Real>& operands, const Tile<Real>& tile)
      : excluded_(operands.excluded), half_(operands.views_half), x_first_(tile.x_first), y_first_(tile.y_first) {
    Index index[kWidth<Real>];
    for (int l = 0; l < kWidth<Real>; ++l) index[l] = static_cast<Index>(l < tile.x_count ? l : kOutside);
    for (int v = 0; v < kVectors; ++v) __builtin_memcpy(&lanes_[v], index + v * kLanes<Real>, sizeof lanes_[v]);
  }

  /// Whether any element of the tile is not a negative.
  static bool needed(const Operands<Real>& operands, const Tile<Real>& tile) {
    if (tile.x_count < kWidth<Real>) return true;
    if (operands.excluded == Excluded::kNone) return false;
    if (overlap(tile, 0)) return true;
    return operands.excluded == Excluded::kViews &&
           (overlap(tile, operands.views_half) || overlap(tile, -operands.views_half));
  }

  /// Aims at row j of the tile.
  void select(int64_t j) {
    const int64_t row = y_first_ + j;
    self_ = excluded_ == Excluded::kNone ? kNowhere : lane_of(row);
    other_ = excluded_ == Excluded::kViews ? lane_of(row < half_ ? row + half_ : row - half_) : kNowhere;
  }

  Vec<Real> apply(int v, const Vec<Real>& value, Real otherwise) const {
    const Int<Real> keep = (lanes_[v] != self_) & (lanes_[v] != other_) & (lanes_[v] != kOutside);
    return keep ? value : broadcast(otherwise);
  }

 private:
  using Index = typename Simd<Real>::Index;
  static constexpr Index kOutside = -1;
  static constexpr Index kNowhere = -2;

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
  int64_t x_first_;
  int64_t y_first_;
  Int<Real> lanes_[kVectors];
  Index self_ = kNowhere;
  Index other_ = kNowhere;
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

/// Products to similarities: -max(0, |x|^2 + |y|^2 - 2 <x, y>) or its root; equal rows give exactly 0.
template <typename Real>
inline void products_to_similarities(const Operands<Real>& operands, const Tile<Real>& tile) {
  if (operands.similarity == NCE_SIMILARITY_COSINE || operands.similarity == NCE_SIMILARITY_DOT) return;
  const bool root = operands.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN;
  Vec<Real> squares[kVectors];
  load_row<Real>(operands.x_squares + tile.x_first, squares);
  for (int64_t j = 0; j < tile.y_count; ++j) {
    const auto square = static_cast<Real>(operands.y_squares[tile.y_first + j]);
    for (int v = 0; v < kVectors; ++v) {
      const Vec<Real> product = tile.at(j, v);
      Vec<Real> distance = larger<Real>(Vec<Real>{}, (squares[v] + square) - (product + product));
      if (root) {
        for (int l = 0; l < kLanes<Real>; ++l) {
          if constexpr (sizeof(Real) == 4) {
            distance[l] = __builtin_sqrtf(distance[l]);
          } else {
            distance[l] = __builtin_sqrt(distance[l]);
          }
        }
      }
      tile.put(j, v, -distance);
    }
  }
}

}  // namespace nce::cpu::dense::NCE_TILE_ISA
