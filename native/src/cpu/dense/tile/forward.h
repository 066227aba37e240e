// The forward pass of one task: blocks of X stay in cache while the panels of Y pass.
#pragma once

#include "cpu/dense/tile/product.h"
#include "cpu/dense/tile/sums.h"

namespace nce::cpu::dense::NCE_TILE_ISA {

template <typename Real, bool kMasked, bool kProducts>
void add_bounded(const ForwardTask<Real>& task, const Tile<Real>& tile, const Scale<Real>& scale,
                 const ColumnLanes<Real>& lanes, bool keep) {
  if (task.columns.value != nullptr) {
    keep ? add_bounded<Real, kMasked, true, true, kProducts>(task, tile, scale, lanes)
         : add_bounded<Real, kMasked, true, false, kProducts>(task, tile, scale, lanes);
  } else {
    keep ? add_bounded<Real, kMasked, false, true, kProducts>(task, tile, scale, lanes)
         : add_bounded<Real, kMasked, false, false, kProducts>(task, tile, scale, lanes);
  }
}

template <typename Real, bool kMasked>
void add_logistic(const ForwardTask<Real>& task, const Tile<Real>& tile, const Scale<Real>& scale, bool keep) {
  if (task.rows.sigmoid != nullptr) {
    keep ? add_logistic<Real, kMasked, true, true>(task, tile, scale)
         : add_logistic<Real, kMasked, true, false>(task, tile, scale);
  } else {
    keep ? add_logistic<Real, kMasked, false, true>(task, tile, scale)
         : add_logistic<Real, kMasked, false, false>(task, tile, scale);
  }
}

template <typename Real, bool kMasked>
void add_tile(const ForwardTask<Real>& task, const Tile<Real>& tile, const Scale<Real>& scale,
              const ColumnLanes<Real>& lanes, bool keep) {
  const bool metrics = task.metrics.above != nullptr;
  if constexpr (kWordElements == 2) {
    if (task.operands.form == Form::kBounded && !metrics && task.operands.x_limits == nullptr) {
      return add_bounded<Real, kMasked, true>(task, tile, scale, lanes, keep);
    }
    apply_factors(task.operands, tile);
  }
  const bool euclidean = task.operands.similarity == NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN ||
                         task.operands.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN;
  if (metrics && !euclidean) add_uniformity<Real, kMasked>(task, tile);
  products_to_similarities(task.operands, tile);
  if (metrics && euclidean) add_uniformity<Real, kMasked>(task, tile);
  if (metrics) add_ranks<Real, kMasked>(task, tile);
  switch (task.operands.form) {
    case Form::kBounded:
      add_bounded<Real, kMasked, false>(task, tile, scale, lanes, keep && task.kept.slopes);
      break;
    case Form::kOnline:
      if (task.columns.value != nullptr) {
        add_online<Real, kMasked, true>(task, tile, scale, lanes);
      } else {
        add_online<Real, kMasked, false>(task, tile, scale, lanes);
      }
      break;
    case Form::kLogistic:
      add_logistic<Real, kMasked>(task, tile, scale, keep && task.kept.slopes);
      break;
  }
}

/// A tile with positives by labels, or one of a task that wants nothing but their similarities.
template <typename Real>
void add_labelled_tile(const ForwardTask<Real>& task, const Tile<Real>& tile, const Scale<Real>& scale, bool keep) {
  if constexpr (kWordElements == 2) apply_factors(task.operands, tile);
  const bool euclidean = task.operands.similarity == NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN ||
                         task.operands.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN;
  const bool metrics = task.metrics.above != nullptr;
  if (metrics && !euclidean) add_uniformity<Real, true>(task, tile);
  products_to_similarities(task.operands, tile);
  if (metrics && euclidean) add_uniformity<Real, true>(task, tile);
  if (metrics) add_ranks<Real, true>(task, tile);
  add_positive_similarities(task, tile);
  if (task.rows.value == nullptr) return;
  if (task.operands.form == Form::kOnline) {
    add_both<Real, true, false>(task, tile, scale);
  } else if (keep && task.kept.slopes) {
    add_both<Real, false, true>(task, tile, scale);
  } else {
    add_both<Real, false, false>(task, tile, scale);
  }
}

template <typename Real>
void forward(const ForwardTask<Real>& task) {
  constexpr int64_t kSide = kWidth<Real>;
  const Operands<Real>& operands = task.operands;
  const int64_t words = (operands.dim + kWordElements - 1) / kWordElements;
  const Scale<Real> scale(operands.inverse_temperature * kLog2E);
  const ColumnLanes<Real> lanes(task.scratch + kSide * kSide);
  for (int64_t block = task.x_begin; block < task.x_end; block += task.x_block) {
    const int64_t block_end = block + task.x_block < task.x_end ? block + task.x_block : task.x_end;
    for (int64_t y_panel = task.y_begin; y_panel < task.y_end; ++y_panel) {
      const int64_t y_first = y_panel * kSide;
      const int64_t y_count = operands.y_rows - y_first < kSide ? operands.y_rows - y_first : kSide;
      if (task.columns.value != nullptr) lanes.clear();
      for (int64_t x_panel = block; x_panel < block_end; ++x_panel) {
        const int64_t x_first = x_panel * kSide;
        const int64_t x_count = operands.x_rows - x_first < kSide ? operands.x_rows - x_first : kSide;
        const int64_t number = task.kept.number(x_panel, y_panel);
        const bool keep = number < task.kept.count;
        Real* const values = keep ? task.kept.tiles + number * kSide * kSide : task.scratch;
        const Tile<Real> tile{values, x_first, y_first, x_count, y_count};
        const bool last = x_panel + 1 == block_end;
        const int64_t next_x = last ? block : x_panel + 1;
        const int64_t next_y = last && y_panel + 1 < task.y_end ? y_panel + 1 : y_panel;
        multiply_panels<Real>(
            operands.y + y_panel * operands.panel_stride, operands.x + x_panel * operands.panel_stride, words, y_count,
            operands.y + next_y * operands.panel_stride, operands.x + next_x * operands.panel_stride, values);
        if (Mask<Real>::has_positives(operands, tile)) {
          add_labelled_tile(task, tile, scale, keep);
        } else if (task.rows.value == nullptr) {
          continue;
        } else if (Mask<Real>::needed(operands, tile)) {
          add_tile<Real, true>(task, tile, scale, lanes, keep);
        } else {
          add_tile<Real, false>(task, tile, scale, lanes, keep);
        }
      }
      if (task.columns.value != nullptr) flush_columns(task, lanes, y_first, y_count);
    }
  }
}

}  // namespace nce::cpu::dense::NCE_TILE_ISA
