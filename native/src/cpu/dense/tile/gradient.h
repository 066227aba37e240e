// The gradient of one panel of X: tiles of similarities become tiles of weights G, and those multiply Y.
#pragma once

#include "cpu/dense/tile/functions.h"
#include "cpu/dense/tile/product.h"
#include "cpu/dense/tile/similarity.h"

namespace nce::cpu::dense::NCE_TILE_ISA {

/// Panels of Y whose weights are multiplied at once: about 96 rows, so that sums are fetched rarely.
template <typename Real>
constexpr int kGroup = 96 / kWidth<Real> > 1 ? 96 / kWidth<Real> : 1;

/// Groups that are summed in Real before the sums are added to doubles.
constexpr int kGroupsBeforeFlush = 8;

/// What is constant for a panel of X.
template <typename Real>
struct PanelWeights {
  Vec<Real> weights[kVectors];
  Vec<Real> references[kVectors];

  explicit PanelWeights(const GradientTask<Real>& task) {
    const int64_t first = task.panel * kWidth<Real>;
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

template <typename Real, bool kMasked>
void weigh_tile(const GradientTask<Real>& task, const Tile<Real>& tile, const Scale<Real>& scale,
                const PanelWeights<Real>& x) {
  products_to_similarities(task.pair, tile);
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

template <typename Real>
void add_weight_sums(const Tile<Real>& tile, double* weight_sums) {
  Vec<Real> sum[kVectors] = {};
  for (int64_t j = 0; j < tile.y_count; ++j) {
    for (int v = 0; v < kVectors; ++v) sum[v] += tile.at(j, v);
  }
  add_row<Real>(sum, weight_sums);
}

/// sums[d][i] += sum over the group's rows j of y_j[d] G[j][i].
template <typename Real>
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
    put_slice<Real, true>(sum, sums + d * kSide);
  }
}

template <typename Real>
void flush(Real* sums, int64_t count, double* totals) {
  for (int64_t i = 0; i < count; ++i) {
    totals[i] += static_cast<double>(sums[i]);
    sums[i] = Real{0};
  }
}

template <typename Real>
void gradient(const GradientTask<Real>& task) {
  constexpr int64_t kSide = kWidth<Real>;
  const TilePair<Real>& pair = task.pair;
  const Scale<Real> scale(pair.inverse_temperature * 1.4426950408889634);
  const PanelWeights<Real> x(task);
  Real* const weights = task.scratch;
  Real* const sums = task.scratch + kGroup<Real> * kSide * kSide;
  const int64_t padded_dim = (pair.dim + kSlice<Real> - 1) / kSlice<Real> * kSlice<Real>;
  for (int64_t i = 0; i < padded_dim * kSide; ++i) sums[i] = Real{0};
  const int64_t x_first = task.panel * kSide;
  const int64_t x_count = pair.x_rows - x_first < kSide ? pair.x_rows - x_first : kSide;
  int groups = 0;
  for (int64_t start = 0; start < pair.y_rows; start += kGroup<Real> * kSide) {
    const int64_t rows = pair.y_rows - start < kGroup<Real> * kSide ? pair.y_rows - start : kGroup<Real> * kSide;
    const Real* const y = pair.y + start / kSide * pair.panel_stride;
    for (int64_t first = 0; first < rows; first += kSide) {
      const int64_t y_count = rows - first < kSide ? rows - first : kSide;
      const Tile<Real> tile{weights + first * kSide, x_first, start + first, x_count, y_count};
      const Real* const y_panel = y + first / kSide * pair.panel_stride;
      const Real* const x_panel = pair.x + task.panel * pair.panel_stride;
      const Real* const next = first + kSide < rows ? y_panel + pair.panel_stride : y;
      multiply_panels<Real>(y_panel, x_panel, pair.dim, y_count, next, x_panel, tile.values);
      if (Mask<Real>::needed(pair, tile)) {
        weigh_tile<Real, true>(task, tile, scale, x);
      } else {
        weigh_tile<Real, false>(task, tile, scale, x);
      }
      if (task.weight_sums != nullptr) add_weight_sums(tile, task.weight_sums);
    }
    multiply_group<Real>(y, pair.panel_stride, rows, pair.dim, weights, sums);
    if (++groups == kGroupsBeforeFlush) {
      flush(sums, padded_dim * kSide, task.sums);
      groups = 0;
    }
  }
  flush(sums, padded_dim * kSide, task.sums);
}

}  // namespace nce::cpu::dense::NCE_TILE_ISA
