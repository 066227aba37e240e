// Both gradients: tiles of similarities become tiles of weights G, and those multiply Y for X and X for Y.
#pragma once

#include "cpu/dense/tile/functions.h"
#include "cpu/dense/tile/product.h"
#include "cpu/dense/tile/similarity.h"

namespace nce::cpu::dense::NCE_TILE_ISA {

/// Panels of either side whose weights are multiplied at once: about 96 rows, so that sums are fetched rarely.
template <typename Real>
constexpr int kGroup = 96 / kWidth<Real> > 1 ? 96 / kWidth<Real> : 1;

/// What is constant for a panel of X.
template <typename Real>
struct PanelWeights {
  Vec<Real> weights[kVectors];
  Vec<Real> references[kVectors];

  PanelWeights(const GradientTask<Real>& task, int64_t panel) {
    const int64_t first = panel * kWidth<Real>;
    for (int v = 0; v < kVectors; ++v) weights[v] = references[v] = Vec<Real>{};
    if (task.x_weights != nullptr) load_row<Real>(task.x_weights + first, weights);
    if (task.x_weights != nullptr && task.x_references != nullptr)
      load_row<Real>(task.x_references + first, references);
  }
};

template <typename Real, Form kForm, bool kMasked>
void weigh(const GradientTask<Real>& task, const Tile<Real>& tile, const Scale<Real>& scale,
           const PanelWeights<Real>& x) {
  Mask<Real> mask(task.pair, tile);
  const bool over_distance = task.pair.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN;
  for (int64_t j = 0; j < tile.y_count; ++j) {
    if constexpr (kMasked) mask.select(j);
    const int64_t row = tile.y_first + j;
    const Real y_weight = task.y_weights != nullptr ? static_cast<Real>(task.y_weights[row]) : Real{0};
    [[maybe_unused]] const Real y_reference =
        task.y_weights != nullptr && task.y_references != nullptr ? static_cast<Real>(task.y_references[row]) : Real{0};
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const Vec<Real> s = tile.at(j, v);
      Vec<Real> g;
      if constexpr (kForm == Form::kBounded) {
        g = exp2_scaled<Real>(s, scale) * (x.weights[v] + y_weight);
      } else if constexpr (kForm == Form::kOnline) {
        // Without weights there is no reference, and the exponential could overflow.
        g = Vec<Real>{};
        if (task.x_weights != nullptr) g += exp2_clamped<Real>(s - x.references[v], scale) * x.weights[v];
        if (task.y_weights != nullptr) g += exp2_clamped<Real>(s - y_reference, scale) * y_weight;
      } else {
        const Vec<Real> e = exp2_clamped<Real>(s > Real{0} ? -s : s, scale);
        g = (s > Real{0} ? x.weights[v] + y_weight : e * (x.weights[v] + y_weight)) / (e + Real{1});
      }
      if (over_distance) g = s == Real{0} ? Vec<Real>{} : g / -s;
      if constexpr (kMasked) g = mask.apply(v, g, Real{0});
      tile.put(j, v, g);
    }
  }
}

/// The same from exponentials, which are 0 where there is no negative.
template <typename Real>
void weigh_exponentials(const GradientTask<Real>& task, const Tile<Real>& tile, const Real* exponentials,
                        const Real* next, const PanelWeights<Real>& x) {
  for (int64_t j = 0; j < tile.y_count; ++j) {
    const int64_t row = tile.y_first + j;
    const Real y_weight = task.y_weights != nullptr ? static_cast<Real>(task.y_weights[row]) : Real{0};
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const int64_t at = (j * kVectors + v) * kLanes<Real>;
      __builtin_prefetch(next + at, 0, 2);
      tile.put(j, v, load(exponentials + at) * (x.weights[v] + y_weight));
    }
  }
}

template <typename Real, bool kMasked>
void weigh_tile(const GradientTask<Real>& task, const Tile<Real>& tile, const Scale<Real>& scale,
                const PanelWeights<Real>& x) {
  switch (task.pair.form) {
    case Form::kBounded:
      weigh<Real, Form::kBounded, kMasked>(task, tile, scale, x);
      break;
    case Form::kOnline:
      weigh<Real, Form::kOnline, kMasked>(task, tile, scale, x);
      break;
    case Form::kLogistic:
      weigh<Real, Form::kLogistic, kMasked>(task, tile, scale, x);
      break;
  }
}

/// Sums of a tile over columns (one number a row of X) and over rows.
template <typename Real>
void add_weight_sums(const Tile<Real>& tile, double* x_sums, double* y_sums) {
  Vec<Real> sum[kVectors] = {};
  for (int64_t j = 0; j < tile.y_count; ++j) {
    double row = 0.0;
    for (int v = 0; v < kVectors; ++v) {
      const Vec<Real> g = tile.at(j, v);
      sum[v] += g;
      for (int l = 0; l < kLanes<Real>; ++l) row += static_cast<double>(g[l]);
    }
    if (y_sums != nullptr) y_sums[j] += row;
  }
  if (x_sums != nullptr) add_row<Real>(sum, x_sums);
}

/// sums[d][i] (+)= sum over the group's rows j of y_j[d] G[j][i].
template <typename Real, bool kAdd>
void multiply_group(const Real* y, int64_t panel_stride, int64_t rows, int64_t dim, const Real* weights, Real* sums) {
  constexpr int64_t kSide = kWidth<Real>;
  constexpr int64_t kNext = kSlice<Real> * kSide;  // from one slice of dimensions to the next
  constexpr int64_t kStep = kNext / kSide;
  for (int64_t d = 0; d < dim; d += kSlice<Real>) {
    Vec<Real> sum[kSlice<Real>][kVectors] = {};
    for (int64_t first = 0; first < rows; first += kSide) {
      const int64_t steps = rows - first < kSide ? rows - first : kSide;
      const Real* const from = y + (first / kSide) * panel_stride + d * kSide;
      const Ahead<Real> ahead{from + kNext, sums + d * kSide + kNext + first * kStep / kGroup<Real>, kStep,
                              kStep / kGroup<Real> > 0 ? kStep / kGroup<Real> : 1};
      multiply_slice<Real>(from, 1, kSide, weights + first * kSide, steps, ahead, sum);
    }
    put_slice<Real, kAdd>(sum, sums + d * kSide);
  }
}

/// sums[block][j][d] (+)= sum over the rows i of x_panels panels of G[j][i] x_i[d], for the first y_rows j (rounded up
/// to slices). weights: [panel of X][group of panels of Y] tiles.
template <typename Real, bool kAdd>
void multiply_rows(const GradientTask<Real>& task, const Real* x, int64_t x_panels, int64_t y_rows, const Real* weights,
                   Real* sums) {
  constexpr int64_t kSide = kWidth<Real>;
  constexpr int64_t kTiles = kGroup<Real> * kSide * kSide;
  constexpr int64_t kBlock = kSide * kRowBlock<Real>;
  constexpr int64_t kNext = kRowSlice<Real> * kSide;
  for (int64_t at = 0; at < task.row_stride; at += kBlock) {
    Real* const to = sums + kGroup<Real> * at;
    for (int64_t j = 0; j < y_rows; j += kRowSlice<Real>) {
      const Real* const from = weights + j * kSide;
      const Real* const ahead = j + kRowSlice<Real> < y_rows ? from + kNext : weights;
      multiply_row_slice<Real, kAdd>(from, kTiles, x + at, task.row_stride, x_panels, ahead, to + j * kRowBlock<Real>);
    }
  }
}

/// One task. The members are what its loops share.
template <typename Real>
class Gradient {
 public:
  explicit Gradient(const GradientTask<Real>& task)
      : task_(task),
        scale_(task.pair.inverse_temperature * 1.4426950408889634),
        weights_(task.scratch),
        y_sums_(task.scratch + kGroup<Real> * kTiles) {}

  void run() const {
    if (task_.x_weight_sums != nullptr) {
      for (int64_t i = 0; i < (task_.x_end - task_.x_begin) * kSide; ++i) task_.x_weight_sums[i] = 0.0;
    }
    if (task_.y_weight_sums != nullptr && task_.y_first) {
      for (int64_t j = task_.y_begin * kSide; j < task_.y_end * kSide; ++j) task_.y_weight_sums[j] = 0.0;
    }
    for (int64_t y = task_.y_begin; y < task_.y_end; y += kGroup<Real>) {
      const int64_t y_end = y + kGroup<Real> < task_.y_end ? y + kGroup<Real> : task_.y_end;
      for (int64_t x = task_.x_begin; x < task_.x_end; x += kGroup<Real>) {
        const int64_t x_end = x + kGroup<Real> < task_.x_end ? x + kGroup<Real> : task_.x_end;
        add_block(x, x_end, y, y_end);
      }
      if (task_.y_sums != nullptr) flush(y, y_end);
    }
  }

 private:
  static constexpr int64_t kSide = kWidth<Real>;
  static constexpr int64_t kTile = kSide * kSide;
  static constexpr int64_t kTiles = kGroup<Real> * kTile;  // of one panel of X

  int64_t rows(int64_t panel, int64_t panel_end) const {
    const int64_t end = panel_end * kSide < task_.pair.y_rows ? panel_end * kSide : task_.pair.y_rows;
    return end - panel * kSide;
  }

  void add_block(int64_t x, int64_t x_end, int64_t y, int64_t y_end) const {
    const TilePair<Real>& pair = task_.pair;
    const int64_t y_rows = rows(y, y_end);
    for (int64_t x_panel = x; x_panel < x_end; ++x_panel) {
      Real* const weights = weights_ + (x_panel - x) * kTiles;
      const PanelWeights<Real> x_weights(task_, x_panel);
      for (int64_t y_panel = y; y_panel < y_end; ++y_panel) {
        make_weights(x_panel, x_end, y_panel, y, y_end, x_weights, weights + (y_panel - y) * kTile);
      }
      if (task_.x_sums == nullptr) continue;
      Real* const sums = task_.x_sums + (x_panel - task_.x_begin) * pair.panel_stride;
      const Real* const from = pair.y + y * pair.panel_stride;
      if (y == task_.y_begin) {
        multiply_group<Real, false>(from, pair.panel_stride, y_rows, pair.dim, weights, sums);
      } else {
        multiply_group<Real, true>(from, pair.panel_stride, y_rows, pair.dim, weights, sums);
      }
    }
    if (task_.y_sums == nullptr) return;
    const Real* const from = task_.x_rows + (x - task_.x_begin) * task_.row_stride;
    if (x == task_.x_begin) {
      multiply_rows<Real, false>(task_, from, x_end - x, y_rows, weights_, y_sums_);
    } else {
      multiply_rows<Real, true>(task_, from, x_end - x, y_rows, weights_, y_sums_);
    }
  }

  /// A tile of weights; rows that Y lacks are 0 up to the next slice of either product.
  void make_weights(int64_t x_panel, int64_t x_end, int64_t y_panel, int64_t y_first, int64_t y_end,
                    const PanelWeights<Real>& x_weights, Real* values) const {
    const TilePair<Real>& pair = task_.pair;
    const int64_t x_left = pair.x_rows - x_panel * kSide;
    const int64_t y_count = rows(y_panel, y_panel + 1);
    const Tile<Real> tile{values, x_panel * kSide, y_panel * kSide, x_left < kSide ? x_left : kSide, y_count};
    const int64_t number = x_panel * task_.kept.y_panels + y_panel;
    if (number < task_.kept.count) {
      const Real* const kept = task_.kept.tiles + number * kTile;
      if (task_.kept.exponentials) {
        const int64_t after = number + task_.kept.y_panels;
        weigh_exponentials<Real>(task_, tile, kept, after < task_.kept.count ? task_.kept.tiles + after * kTile : kept,
                                 x_weights);
      } else {
        for (int64_t i = 0; i < y_count * kSide; ++i) values[i] = kept[i];
        weigh_similarities(tile, x_weights);
      }
    } else {
      const bool last = y_panel + 1 == y_end;
      const int64_t next_y = last ? y_first : y_panel + 1;
      const int64_t next_x = last && x_panel + 1 < x_end ? x_panel + 1 : x_panel;
      multiply_panels<Real>(pair.y + y_panel * pair.panel_stride, pair.x + x_panel * pair.panel_stride, pair.dim,
                            y_count, pair.y + next_y * pair.panel_stride, pair.x + next_x * pair.panel_stride, values);
      products_to_similarities(pair, tile);
      weigh_similarities(tile, x_weights);
    }
    for (int64_t i = y_count * kSide; i < kTile; ++i) values[i] = Real{0};
    if (task_.x_weight_sums == nullptr && task_.y_weight_sums == nullptr) return;
    add_weight_sums(tile,
                    task_.x_weight_sums == nullptr ? nullptr : task_.x_weight_sums + (x_panel - task_.x_begin) * kSide,
                    task_.y_weight_sums == nullptr ? nullptr : task_.y_weight_sums + tile.y_first);
  }

  void weigh_similarities(const Tile<Real>& tile, const PanelWeights<Real>& x_weights) const {
    if (Mask<Real>::needed(task_.pair, tile)) {
      weigh_tile<Real, true>(task_, tile, scale_, x_weights);
    } else {
      weigh_tile<Real, false>(task_, tile, scale_, x_weights);
    }
  }

  /// Adds what the group of panels got from this task to the doubles.
  void flush(int64_t y, int64_t y_end) const {
    constexpr int64_t kBlock = kSide * kRowBlock<Real>;
    for (int64_t panel = y; panel < y_end; ++panel) {
      for (int64_t at = 0; at < task_.row_stride; at += kBlock) {
        const Real* const from = y_sums_ + kGroup<Real> * at + (panel - y) * kBlock;
        double* const to = task_.y_sums + panel * task_.row_stride + at;
        if (task_.y_first) {
          for (int64_t i = 0; i < kBlock; ++i) to[i] = static_cast<double>(from[i]);
        } else {
          for (int64_t i = 0; i < kBlock; ++i) to[i] += static_cast<double>(from[i]);
        }
      }
    }
  }

  const GradientTask<Real>& task_;
  const Scale<Real> scale_;
  Real* const weights_;
  Real* const y_sums_;
};

template <typename Real>
void gradient(const GradientTask<Real>& task) {
  Gradient<Real>(task).run();
}

}  // namespace nce::cpu::dense::NCE_TILE_ISA
