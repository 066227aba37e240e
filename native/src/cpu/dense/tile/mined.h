// Tiles of distances for mined triplets, what is looked for in their rows, and products with tiles of weights.
#pragma once

#include "cpu/dense/tile/gradient.h"
#include "cpu/dense/tile/product.h"
#include "cpu/dense/tile/similarity.h"

namespace nce::cpu::dense::NCE_TILE_ISA {

/// Minus distances to distances; what is no number stays so. Of unit rows |x - y|^2 / 2 is 1 - <x, y> without
/// cancelling; to a zero row it is 1.
template <typename Real>
class Turn {
 public:
  Turn(const DistanceTask<Real>& task, const Tile<Real>& tile) : task_(task), tile_(tile) {
    const Vec<Real> one = broadcast(Real{1});
    Vec<Real> squares[kVectors] = {};
    if (task.unit) load_row<Real>(task.operands.x_squares + tile.x_first, squares);
    for (int v = 0; v < kVectors; ++v) {
      const Int<Real> zero = squares[v] == Real{0};
      factors_[v] = task.unit ? (zero ? Vec<Real>{} : one * Real{0.5}) : one;
      constants_[v] = task.unit ? (zero ? one : Vec<Real>{}) : Vec<Real>{};
    }
  }

  /// Whether row j of the tile is a zero row of unit ones.
  bool zero(int64_t j) const { return task_.unit && task_.operands.y_squares[tile_.y_first + j] == 0.0; }

  [[gnu::always_inline]] Vec<Real> distance(int64_t j, int v, bool zero) const {
    const Vec<Real> similarity = tile_.at(j, v);
    return zero ? broadcast(Real{1}) - similarity * Real{0} : constants_[v] - similarity * factors_[v];
  }

 private:
  const DistanceTask<Real>& task_;
  Tile<Real> tile_;
  Vec<Real> factors_[kVectors];
  Vec<Real> constants_[kVectors];
};

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

/// Minus the distances of panel `panel` of X from the panel of Y.
template <typename Real>
[[gnu::always_inline]] inline Tile<Real> find_tile(const DistanceTask<Real>& task, int64_t panel, Real* values) {
  constexpr int64_t kSide = kWidth<Real>;
  const Operands<Real>& operands = task.operands;
  const Real* const y = operands.y + task.y_panel * operands.panel_stride;
  const Real* const x = operands.x + panel * operands.panel_stride;
  const Real* const next = panel + 1 < task.x_end ? x + operands.panel_stride : x;
  const int64_t x_first = panel * kSide;
  const int64_t y_first = task.y_panel * kSide;
  const int64_t x_count = operands.x_rows - x_first < kSide ? operands.x_rows - x_first : kSide;
  const int64_t y_count = operands.y_rows - y_first < kSide ? operands.y_rows - y_first : kSide;
  const Tile<Real> tile{values, x_first, y_first, x_count, y_count};
  multiply_panels<Real>(y, x, operands.dim, y_count, y, next, values);
  products_to_similarities(operands, tile);
  strike_out(tile);
  return tile;
}

template <typename Real>
void distances(const DistanceTask<Real>& task) {
  constexpr int64_t kSide = kWidth<Real>;
  for (int64_t panel = task.x_begin; panel < task.x_end; ++panel) {
    const Tile<Real> tile = find_tile(task, panel, task.tiles + (panel - task.x_begin) * kSide * kSide);
    const Turn<Real> turn(task, tile);
    for (int64_t j = 0; j < tile.y_count; ++j) {
      const bool zero = turn.zero(j);
      for (int v = 0; v < kVectors; ++v) tile.put(j, v, turn.distance(j, v, zero));
    }
  }
}

/// The best that each lane has met so far. Lanes meet rows in rising order, so the first of equals stays.
template <typename Real>
struct LaneBest {
  Vec<Real> value;
  Int<Real> row;

  static LaneBest none() { return {infinity(), Int<Real>{} - 1}; }
  /// What is never better.
  static Vec<Real> infinity() { return broadcast(static_cast<Real>(__builtin_inff())); }

  [[gnu::always_inline]] void meet(const Vec<Real>& values, const Int<Real>& rows) {
    const Int<Real> better = values < value;
    value = better ? values : value;
    row = better ? rows : row;
  }
};

/// The smallest value of some lanes, of equals the one with the smaller row.
template <typename Real>
Extreme<Real> best_of(const LaneBest<Real>* lanes, int count) {
  Extreme<Real> best{static_cast<Real>(__builtin_inff()), -1};
  for (int v = 0; v < count; ++v) {
    Real values[kLanes<Real>];
    typename Simd<Real>::Index rows[kLanes<Real>];
    __builtin_memcpy(values, &lanes[v].value, sizeof values);
    __builtin_memcpy(rows, &lanes[v].row, sizeof rows);
    for (int l = 0; l < kLanes<Real>; ++l) {
      const Real value = values[l];
      const int64_t row = rows[l];
      if (row < 0 || !(value < best.distance || (value == best.distance && row < best.row))) continue;
      best = {value, row};
    }
  }
  return best;
}

/// 0, 1, 2, ... in lanes.
template <typename Real>
Int<Real> lane_numbers() {
  Int<Real> lane{};
  for (int l = 0; l < kLanes<Real>; ++l) lane[l] = static_cast<typename Simd<Real>::Index>(l);
  return lane;
}

/// Distances of rows of one label, and of two, times their signs; else what is never better.
template <typename Real>
struct Sides {
  Vec<Real> same;
  Vec<Real> other;

  [[gnu::always_inline]] Sides(const Vec<Real>& distance, const Int<Real>& alike, Real same_sign, Real other_sign)
      : same(alike ? distance * same_sign : LaneBest<Real>::infinity()),
        other(alike ? LaneBest<Real>::infinity() : distance * other_sign) {}
};

template <typename Real>
void extremes(ExtremesTask<Real>& task) {
  using Index = typename Simd<Real>::Index;
  constexpr int64_t kSide = kWidth<Real>;
  const Int<Real> lane = lane_numbers<Real>();
  const Int<Real> label = Int<Real>{} + static_cast<Index>(task.label);
  LaneBest<Real> same[kVectors], other[kVectors];
  for (int v = 0; v < kVectors; ++v) same[v] = other[v] = LaneBest<Real>::none();
  for (int64_t panel = 0; panel < task.panels; ++panel) {
    for (int v = 0; v < kVectors; ++v) {
      const int64_t first = panel * kSide + v * kLanes<Real>;
      Int<Real> labels;
      __builtin_memcpy(&labels, task.labels + first, sizeof labels);
      const Sides<Real> sides(load(task.row + panel * kSide * kSide + v * kLanes<Real>), labels == label,
                              task.same_sign, task.other_sign);
      const Int<Real> rows = lane + static_cast<Index>(first);
      same[v].meet(sides.same, rows);
      other[v].meet(sides.other, rows);
    }
  }
  task.same = best_of(same, kVectors);
  task.other = best_of(other, kVectors);
  task.same.distance *= task.same_sign;
  task.other.distance *= task.other_sign;
}

/// What a panel of rows has met, each with all lanes of one vector.
template <typename Real>
struct MetByRows {
  LaneBest<Real> same[kWidth<Real>];
  LaneBest<Real> other[kWidth<Real>];

  void put(const Nearest<Real>& to_same, const Nearest<Real>& to_other) const {
    for (int64_t j = 0; j < kWidth<Real>; ++j) {
      const Extreme<Real> a = best_of(same + j, 1);
      const Extreme<Real> b = best_of(other + j, 1);
      to_same.values[j] = a.distance;
      to_same.rows[j] = static_cast<LaneInteger<Real>>(a.row);
      to_other.values[j] = b.distance;
      to_other.rows[j] = static_cast<LaneInteger<Real>>(b.row);
    }
  }
};

/// What a panel of rows has met, each with a lane of its own.
template <typename Real>
struct MetByLanes {
  LaneBest<Real> same[kVectors];
  LaneBest<Real> other[kVectors];
};

template <typename Real>
void get_lanes(const Nearest<Real>& from, int64_t first, LaneBest<Real> (&to)[kVectors]) {
  for (int v = 0; v < kVectors; ++v) {
    to[v].value = load(from.values + first + v * kLanes<Real>);
    __builtin_memcpy(&to[v].row, from.rows + first + v * kLanes<Real>, sizeof to[v].row);
  }
}

template <typename Real>
void put_lanes(const LaneBest<Real> (&from)[kVectors], int64_t first, const Nearest<Real>& to) {
  for (int v = 0; v < kVectors; ++v) {
    store<Real>(to.values + first + v * kLanes<Real>, from[v].value);
    __builtin_memcpy(to.rows + first + v * kLanes<Real>, &from[v].row, sizeof from[v].row);
  }
}

/// The rows of a tile meet its lanes; and with kBoth its lanes the rows.
template <typename Real, bool kBoth>
void meet_tile(const MeetTask<Real>& task, const Tile<Real>& tile, MetByRows<Real>& rows, MetByLanes<Real>& lanes) {
  using Index = typename Simd<Real>::Index;
  Int<Real> labels[kVectors], x_rows[kVectors];
  const Int<Real> lane = lane_numbers<Real>();
  for (int v = 0; v < kVectors; ++v) {
    __builtin_memcpy(&labels[v], task.labels + tile.x_first + v * kLanes<Real>, sizeof labels[v]);
    x_rows[v] = lane + static_cast<Index>(tile.x_first + v * kLanes<Real>);
  }
  const Turn<Real> turn(task.distances, tile);
  MetByLanes<Real> met = lanes;
  for (int64_t j = 0; j < tile.y_count; ++j) {
    const Int<Real> label = Int<Real>{} + static_cast<Index>(task.labels[tile.y_first + j]);
    const Int<Real> y_row = Int<Real>{} + static_cast<Index>(tile.y_first + j);
    const bool zero = turn.zero(j);
    LaneBest<Real> same = rows.same[j];
    LaneBest<Real> other = rows.other[j];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const Sides<Real> sides(turn.distance(j, v, zero), labels[v] == label, task.same_sign, task.other_sign);
      same.meet(sides.same, x_rows[v]);
      other.meet(sides.other, x_rows[v]);
      if constexpr (kBoth) {
        met.same[v].meet(sides.same, y_row);
        met.other[v].meet(sides.other, y_row);
      }
    }
    rows.same[j] = same;
    rows.other[j] = other;
  }
  lanes = met;
}

template <typename Real>
void meet(const MeetTask<Real>& task) {
  constexpr int64_t kSide = kWidth<Real>;
  const DistanceTask<Real>& distances = task.distances;
  MetByRows<Real> rows;
  MetByLanes<Real> lanes{};
  for (int64_t j = 0; j < kSide; ++j) rows.same[j] = rows.other[j] = LaneBest<Real>::none();
  for (int64_t panel = distances.x_begin; panel < distances.x_end; ++panel) {
    const Tile<Real> tile = find_tile(distances, panel, distances.tiles);
    if (panel == distances.y_panel) {
      meet_tile<Real, false>(task, tile, rows, lanes);
      continue;
    }
    const int64_t first = (panel - distances.x_begin) * kSide;
    get_lanes(task.x_same, first, lanes.same);
    get_lanes(task.x_other, first, lanes.other);
    meet_tile<Real, true>(task, tile, rows, lanes);
    put_lanes(lanes.same, first, task.x_same);
    put_lanes(lanes.other, first, task.x_other);
  }
  rows.put(task.y_same, task.y_other);
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
  void (*meet)(const MeetTask<Real>&) = nullptr;
  void (*weigh)(const WeighTask<Real>&) = nullptr;
};
#if defined(NCE_TILE_BFLOAT16X2)
template <typename Real>
constexpr MinedKernels<Real> kMinedKernels{};
#else
template <typename Real>
constexpr MinedKernels<Real> kMinedKernels{&distances<Real>, &extremes<Real>, &meet<Real>, &weigh<Real>};
#endif

}  // namespace nce::cpu::dense::NCE_TILE_ISA
