#pragma once
// The kernels of mined triplets. All only enqueue, and do nothing unless the status is OK.

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/call_state.h"
#include "cuda/caller_rows.h"
#include "loss/metrics.h"
#include "loss/mined.h"
#include "loss/reduction.h"

namespace nce::cuda {

using loss::Distant;
using loss::MinedRow;

/// A row's distance, and its number behind its kind: positives before negatives before what is neither.
struct Ranked {
  double distance;
  int64_t tag;
};

/// An anchor's triplet, where it has one at most; rows -1 without.
struct MinedPair {
  Distant positive;
  Distant negative;
};

/// What all kernels of a call are given.
struct MinedParams {
  CallState* call;
  uint64_t plan;  ///< whose forward pass the workspace then holds
  loss::MinedRule rule;
  loss::Measure measure;  ///< its base
  loss::RowFunction function;
  loss::SimilarityRange range;
  nce_dtype gradient_dtype;
  int32_t top_k;
  int64_t rows;
  int64_t dim;
  RowSource source;
  const int32_t* labels;
  loss::Reducer reducer;
  loss::Reducer factors;  ///< of sums: a row's factor without what a mean divides by

  // |x| = length / scale, and rows as doubles: for cosine distances of norm 1.
  double* lengths;
  double* scales;
  double* packed;  ///< [rows][dim]

  int64_t strip_first;  ///< the strip's anchors
  int64_t strip_rows;
  double* distances;  ///< [strip rows][rows]; then G, -dL / d(distance), over it if it is Euclidean
  Ranked* ranked;     ///< [strip rows][ranked_stride], a power of two; 0 where nothing is sorted
  double* sums;       ///< likewise: of negatives' distances from the nearest on
  int64_t ranked_stride;

  MinedRow* mined;
  MinedPair* pairs;            ///< null unless each anchor has one at most
  loss::MetricTotals* totals;  ///< of each anchor; null without metrics
  int64_t* ranked_anchors;     ///< 1 where an anchor has both kinds
  double* counted;             ///< sum of w_a c_a
  double* gradients;           ///< [rows][dim]: sums of G times rows, or times differences of rows

  bool add;          ///< to what outputs hold
  double* loss_out;  ///< outputs; null: not wanted
  double* d_temperature;
  double* d_bias;
  nce_metrics* metrics;
  void* d_queries;
  int64_t d_queries_stride;
};

/// lengths, scales and packed; then the status of rows that are not finite.
void launch_pack_mined(const MinedParams& params, cudaStream_t stream);
/// The strip's distances.
void launch_mined_distances(const MinedParams& params, cudaStream_t stream);
/// Metrics of the strip's anchors.
void launch_mined_metrics(const MinedParams& params, cudaStream_t stream);
/// The strip's losses, counts and pairs; `weights`: distances become G.
void launch_mine_rows(const MinedParams& params, bool weights, cudaStream_t stream);
/// Likewise where all pairs are weighed.
void launch_weigh_pairs(const MinedParams& params, bool weights, cudaStream_t stream);
/// The status of losses beyond double, or loss, metrics, counted and the plan's mark.
void launch_mined_loss(const MinedParams& params, cudaStream_t stream);
/// Adds the strip's G to the gradients.
void launch_weigh_rows(const MinedParams& params, cudaStream_t stream);
/// Gradients from pairs.
void launch_gather_pairs(const MinedParams& params, cudaStream_t stream);
/// Writes what callers get of the gradients.
void launch_finish_mined(const MinedParams& params, cudaStream_t stream);

}  // namespace nce::cuda
