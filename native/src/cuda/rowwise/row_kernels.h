#pragma once
// The kernels of the rowwise losses. Elements are widened to double as they are read: the kernels wait for memory, and
// what is summed and subtracted keeps the digits of the inputs. All only enqueue, and do nothing unless the status is
// OK.

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
  loss::Measure measure;
  loss::SimilarityRange range;
  loss::Reducer reducer;

  RowMatrix queries, keys, negatives;
  const int32_t* labels;

  double* inverse_norms;    ///< of queries, as of other rows
  Comparison* comparisons;  ///< [rows][comparisons_of_row]
  double* cosines;          ///< likewise; null without metrics
  RowTerms* terms;
  RowwiseTotals* totals;  ///< [kMostParts]
  double* slopes;         ///< [kMostParts]

  double* loss_out;  ///< outputs; null: not wanted
  double* d_temperature;
  nce_metrics* metrics;
  GradientMatrix d_queries, d_keys, d_negatives;
};

/// inverse_norms, comparisons and cosines.
void launch_compare_rows(const RowwiseParams& params, cudaStream_t stream);
/// terms and totals; then the status of rows that are not finite, or loss, metrics and the plan's mark.
void launch_row_terms(const RowwiseParams& params, cudaStream_t stream);
/// Gradients of matrices and of the temperature.
void launch_row_gradients(const RowwiseParams& params, cudaStream_t stream);

}  // namespace nce::cuda
