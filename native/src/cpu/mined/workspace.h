#pragma once
// How a call's workspace is cut: what the backward pass needs of the forward pass first, then the scratch of both.

#include <cstdint>

#include "cpu/dense/kernels.h"
#include "cpu/dense/rows.h"
#include "cpu/dense/workspace.h"
#include "cpu/mined/mining.h"
#include "loss/metrics.h"

namespace nce::cpu::mined {

using dense::Carver;
using dense::Kernels;
using loss::Problem;

/// What a forward pass leaves for the backward pass to recognise.
struct Header {
  uint64_t magic;
  uint64_t plan;
  double counted;  ///< sum of w_a c_a
};

/// An anchor's triplet, where it has one at most; rows -1 without.
struct Pair {
  Distant positive;
  Distant negative;
};

template <typename Real>
struct State {
  State(Carver& carver, const Problem& problem, const Kernels<Real>& kernels);

  int64_t panel_count;
  int64_t steps;         ///< dimensions of a panel, with padding
  int64_t panel_stride;  ///< elements; of sums too
  Header* header;
  dense::Norms norms;
  double* squares;  ///< in the tiles' arithmetic
  double* center;   ///< Euclidean only
  dense::LaneInteger<Real>* lane_labels;
  MinedRow* rows;
  Pair* pairs;                  ///< where an anchor has one at most
  loss::MetricTotals* metrics;  ///< of each anchor, without zero rows; where the plan has metrics
  Real* panels;
};

/// A strip: the distances of some panels of anchors from all rows, and room to mine a row, once a panel. Empty where
/// neither a row nor metrics need all distances at once.
template <typename Real>
struct Strip {
  Strip(Carver& carver, const Problem& problem, const Kernels<Real>& kernels, const State<Real>& state);

  int64_t length;  ///< panels of anchors; from the shape alone
  int64_t tiles_stride;
  Real* tiles;
  int64_t space_stride;  ///< rows that a panel's room is for
  Distant* positives;
  Distant* between;
  double* terms;  ///< where all pairs are weighed; else the two above

  RowSpace space(int64_t panel) const {
    if (terms != nullptr) return {nullptr, nullptr, nullptr, nullptr, nullptr, terms + panel * space_stride};
    Distant* const middle = between + panel * space_stride;
    auto* const numbers = reinterpret_cast<double*>(middle);
    return {positives + panel * space_stride, middle, reinterpret_cast<Bucket*>(middle), numbers,
            numbers + space_stride,           nullptr};
  }
};

/// Where an anchor has one pair: blocks of panels, of which every two meet, and for each worker who is nearest to the
/// rows of two blocks.
template <typename Real>
struct Meetings {
  Meetings(Carver& carver, const Problem& problem, const Kernels<Real>& kernels, const State<Real>& state, int threads);

  int64_t length;  ///< panels of a block; from the shape alone
  int64_t blocks;
  int64_t tile_stride;
  Real* tiles;          ///< one a worker
  int64_t near_stride;  ///< rows of a block
  Real* values;         ///< [worker][4][near stride]
  dense::LaneInteger<Real>* rows;

  /// `which` from 0 to 3.
  dense::Nearest<Real> nearest(int worker, int which) const {
    const int64_t at = (int64_t{4} * worker + which) * near_stride;
    return {values + at, rows + at};
  }
};

/// Scratch of gradients by tiles of weights: sums that rows have as anchors, and as what anchors meet.
template <typename Real>
struct WeighedScratch {
  WeighedScratch(Carver& carver, const Problem& problem, const Kernels<Real>& kernels, const State<Real>& state,
                 int threads);

  Real* sums;         ///< [2][panels][panel stride]
  double* g_anchors;  ///< sums of G over an anchor's row
  double* g_met;      ///< and over a row's column
  int64_t tile_stride;
  Real* tiles;  ///< one a worker
  int64_t finish_stride;
  double* finish;  ///< one panel's sums a worker
};

/// Scratch of gradients of one pair an anchor: the pairs' ends by the row that they are.
struct GatherScratch {
  GatherScratch(Carver& carver, const Problem& problem, int threads);

  int64_t* begins;  ///< [n + 1]
  int64_t* ends;    ///< 2 * anchor for the positive, 2 * anchor + 1 for the negative
  int64_t row_stride;
  double* rows;  ///< two a worker
};

}  // namespace nce::cpu::mined
