// Tiles of distances for mined triplets, what is looked for in their rows, and products with tiles of weights.
#pragma once

#include "cpu/dense/tile/gradient.h"
#include "cpu/dense/tile/product.h"
#include "cpu/dense/tile/similarity.h"

namespace nce::cpu::dense::NCE_TILE_ISA {

/// Minus distances to distances. Of unit rows |x - y|^2 / 2 is 1 - <x, y> without cancelling; to a zero row it is 1.
template <typename Real>
void turn_to_distances(const DistanceTask<Real>& task, const Tile<Real>& tile) {
  Vec<Real> squares[kVectors] = {};
  if (task.unit) load_row<Real>(task.operands.x_squares + tile.x_first, squares);
  for (int64_t j = 0; j < tile.y_count; ++j) {
    const bool zero = task.unit && task.operands.y_squares[tile.y_first + j] == 0.0;
    for (int v = 0; v < kVectors; ++v) {
      Vec<Real> distance = -tile.at(j, v);
      if (task.unit) {
        distance = zero ? broadcast(Real{1}) : distance * Real{0.5};
        distance = squares[v] == Real{0} ? broadcast(Real{1}) : distance;
      }
      tile.put(j, v, distance);
    }
  }
}

/// NaN, which no comparison chooses, where a row meets itself and in lanes without a row.
template <typename Real>
void strike_out(const Tile<Real>& tile) {
  constexpr int64_t kSide = kWidth<Real>;
  const auto nan = static_cast<Real>(__builtin_nanf(""));
  for (int64_t j = 0; j < tile.y_count; ++j) {
    for (int64_t i = tile.x_count; i < kSide; ++i) tile.values[j * kSide + i] = nan;
    const int64_t own = tile.y_first + j - tile.x_first;
    if (own >= 0 && own < kSide) tile.values[j * kSide + own] = nan;
  }
}

template <typename Real>
void distances(const DistanceTask<Real>& task) {
  constexpr int64_t kSide = kWidth<Real>;
  const Operands<Real>& operands = task.operands;
  const Real* const y = operands.y + task.y_panel * operands.panel_stride;
  const int64_t y_first = task.y_panel * kSide;
  const int64_t y_count = operands.y_rows - y_first < kSide ? operands.y_rows - y_first : kSide;
  for (int64_t panel = task.x_begin; panel < task.x_end; ++panel) {
    const int64_t x_first = panel * kSide;
    const int64_t x_count = operands.x_rows - x_first < kSide ? operands.x_rows - x_first : kSide;
    const Tile<Real> tile{task.tiles + (panel - task.x_begin) * kSide * kSide, x_first, y_first, x_count, y_count};
    const Real* const x = operands.x + panel * operands.panel_stride;
    const Real* const next = panel + 1 < task.x_end ? x + operands.panel_stride : x;
    multiply_panels<Real>(y, x, operands.dim, y_count, y, next, tile.values);
    products_to_similarities(operands, tile);
    turn_to_distances(task, tile);
    strike_out(tile);
  }
}

/// The best that each lane has met so far. Lanes meet rows in rising order, so the first of equals stays.
template <typename Real>
struct LaneBest {
  Vec<Real> value;
  Int<Real> row;

  void meet(const Int<Real>& candidates, const Vec<Real>& values, const Int<Real>& rows) {
    const Int<Real> better = candidates & (values < value);
    value = better ? values : value;
    row = better ? rows : row;
  }
};

template <typename Real>
Extreme<Real> best_of(const LaneBest<Real> (&lanes)[kVectors], Real sign) {
  Extreme<Real> best{Real{0}, -1};
  Real least{};
  for (int v = 0; v < kVectors; ++v) {
    for (int l = 0; l < kLanes<Real>; ++l) {
      const int64_t row = lanes[v].row[l];
      const Real value = lanes[v].value[l];
      if (row < 0) continue;
      if (best.row >= 0 && !(value < least || (value == least && row < best.row))) continue;
      least = value;
      best = {value * sign, row};
    }
  }
  return best;
}

template <typename Real>
void extremes(ExtremesTask<Real>& task) {
  using Index = typename Simd<Real>::Index;
  constexpr int64_t kSide = kWidth<Real>;
  const Vec<Real> infinity = broadcast(static_cast<Real>(__builtin_inff()));
  const Int<Real> nobody = Int<Real>{} - 1;
  const Int<Real> label = Int<Real>{} + static_cast<Index>(task.label);
  LaneBest<Real> same[kVectors], other[kVectors];
  Int<Real> lane{};
  for (int l = 0; l < kLanes<Real>; ++l) lane[l] = static_cast<Index>(l);
  for (int v = 0; v < kVectors; ++v) same[v] = other[v] = {infinity, nobody};
  for (int64_t panel = 0; panel < task.panels; ++panel) {
    for (int v = 0; v < kVectors; ++v) {
      const int64_t first = panel * kSide + v * kLanes<Real>;
      const Vec<Real> distance = load(task.row + panel * kSide * kSide + v * kLanes<Real>);
      Int<Real> labels;
      __builtin_memcpy(&labels, task.labels + first, sizeof labels);
      const Int<Real> alike = labels == label;
      const Int<Real> rows = lane + static_cast<Index>(first);
      same[v].meet(alike, distance * task.same_sign, rows);
      other[v].meet(~alike, distance * task.other_sign, rows);
    }
  }
  task.same = best_of(same, task.same_sign);
  task.other = best_of(other, task.other_sign);
}

template <typename Real>
void weigh(const WeighTask<Real>& task) {
  constexpr int64_t kSide = kWidth<Real>;
  const Real* g = task.tile;
  if (task.transposed) {
    for (int64_t i = 0; i < kSide; ++i) {
      for (int64_t j = 0; j < kSide; ++j) task.scratch[i * kSide + j] = g[j * kSide + i];
    }
    g = task.scratch;
  }
  if (task.add) {
    multiply_group<Real, true>(task.y, 0, task.y_rows, task.dim, g, {nullptr, 0}, task.sums);
  } else {
    multiply_group<Real, false>(task.y, 0, task.y_rows, task.dim, g, {nullptr, 0}, task.sums);
  }
}

/// None where words are two bfloat16: these kernels multiply elements.
template <typename Real>
struct MinedKernels {
  void (*distances)(const DistanceTask<Real>&) = nullptr;
  void (*extremes)(ExtremesTask<Real>&) = nullptr;
  void (*weigh)(const WeighTask<Real>&) = nullptr;
};
#if defined(NCE_TILE_BFLOAT16X2)
template <typename Real>
constexpr MinedKernels<Real> kMinedKernels{};
#else
template <typename Real>
constexpr MinedKernels<Real> kMinedKernels{&distances<Real>, &extremes<Real>, &weigh<Real>};
#endif

}  // namespace nce::cpu::dense::NCE_TILE_ISA
