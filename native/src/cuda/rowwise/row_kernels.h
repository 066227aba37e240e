#pragma once
// The kernels of the rowwise losses. Elements are widened to double as they are read, or where doubles are slow to
// twofold floats: the kernels wait for memory, and what is summed and subtracted keeps the digits of the inputs. All
// only enqueue, and do nothing unless the status is OK.

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/call_state.h"
#include "loss/metrics.h"
#include "loss/pairwise.h"
#include "loss/reduction.h"

namespace nce::cuda {

using loss::Comparison;
using loss::RowTerms;

/// Sums over some rows, and the first rows of each matrix that are bad (kNoRow: none).
struct RowwiseTotals {
  double loss;
  loss::MetricTotals metrics;
  int64_t bad_query;
  int64_t bad_key;
  int64_t bad_negative;
  int64_t overflow;  ///< a row of queries whose similarity or distance is beyond double
};

/// high + low, low being small beside high: 48 digits without a double.
struct Twofold {
  float high;
  float low;
};

/// Sums over a comparison's elements x of a query and y of another row.
struct TwofoldSums {
  Twofold dot;                 ///< x y
  Twofold squared_difference;  ///< (x - y)^2; for cosine distances that of unit vectors, below 0: not computed
  Twofold squares;             ///< y^2
};

/// What a comparison does to gradients: 2^exponent (cross x - own y) is that of the other row, and cross y is part of
/// the query's, from whose sum the sum of `query` times x is taken. Distances have x - y in place of x, and no own.
struct TwofoldPull {
  Twofold cross, own;
  Twofold query;  ///< over 2^row_exponent
  int32_t exponent;
  int32_t row_exponent;  ///< the same for all of a row
};

/// The caller's matrix.
struct RowMatrix {
  const void* data;
  int64_t stride;
};
struct GradientMatrix {
  void* data;  ///< null: not wanted
  int64_t stride;
};

/// What all kernels of a call are given. Comparison 0 of a row is with its key, the rest are with its negatives.
struct RowwiseParams {
  CallState* call;
  uint64_t plan;  ///< whose forward pass the workspace then holds; 0 for none
  loss::RowFunction function;
  nce_dtype dtype;
  nce_dtype gradient_dtype;
  int32_t top_k;
  int64_t rows;
  int64_t comparisons_of_row;
  int64_t dim;
  double margin;
  double class_prior;
  double hardness;
  loss::Measure measure;
  loss::SimilarityRange range;
  loss::Reducer reducer;

  RowMatrix queries, keys, negatives;
  const int32_t* labels;
  const float* teacher_scores;  ///< [rows][comparisons_of_row]; null without a teacher

  double* inverse_norms;    ///< of queries, as of other rows
  Comparison* comparisons;  ///< [rows][comparisons_of_row]
  double* cosines;          ///< likewise; null without metrics
  RowTerms* terms;
  double* taught_slopes;  ///< [rows][comparisons_of_row]; null without a teacher
  RowwiseTotals* totals;  ///< [kMostParts]
  double* slopes;         ///< [kMostParts]

  /// Of each row whether floats lack its range, so that doubles take it; null: doubles take all.
  uint32_t* out_of_range;
  Twofold* query_squares;  ///< what only twofold floats need
  TwofoldSums* sums;       ///< [rows][comparisons_of_row], forward
  TwofoldPull* pulls;      ///< likewise, backward

  bool add;          ///< to what outputs hold
  double* loss_out;  ///< outputs; null: not wanted
  double* d_temperature;
  double* d_bias;  ///< set to 0, or left: only rows that meet have one
  nce_metrics* metrics;
  GradientMatrix d_queries, d_keys, d_negatives;
};

/// inverse_norms, comparisons and cosines.
void launch_compare_rows(const RowwiseParams& params, cudaStream_t stream);
/// terms and totals; then the status of rows that are not finite, or loss, metrics and the plan's mark.
void launch_row_terms(const RowwiseParams& params, cudaStream_t stream);
/// Gradients of matrices, of the temperature and of the bias.
void launch_row_gradients(const RowwiseParams& params, cudaStream_t stream);

/// By twofold floats, of the rows that they have a range for; and which they are. Then doubles take the others.
void launch_compare_rows_twofold(const RowwiseParams& params, cudaStream_t stream);
void launch_row_gradients_twofold(const RowwiseParams& params, cudaStream_t stream);

}  // namespace nce::cuda
