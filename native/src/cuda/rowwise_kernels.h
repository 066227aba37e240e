#pragma once
// The kernels of the rowwise losses. Elements are widened to double as they are read: the kernels wait for memory, and
// what is summed and subtracted keeps the digits of the inputs. All only enqueue, and do nothing unless the status is
// OK.

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/call_state.h"

namespace nce::cuda {

/// Similarities and distances are offset + sign * base, base being a function of two rows.
enum class Base : int32_t { kCosine, kDot, kSquaredDistance, kDistance };

struct Measure {
  Base base;
  double sign;
  double offset;
  double similarity_sign;  ///< from the value to what metrics call similarity
};

/// A row's measure with another row. Pair 0 of a row is with its key, the rest are with its negatives.
struct RowPair {
  double value;
  double inverse_norm;  ///< of the other row; 0 for a zero row, NaN for one that is not finite
};

/// What the forward finds out about a row and the backward needs again.
struct RowTerms {
  double loss;
  double temperature_slope;  ///< dl/dtau
  double log_ratio;  ///< InfoNCE: ln of (sum of the negatives' exponentials / the positive's); -inf without negatives
  double entropy;    ///< InfoNCE: of the softmax over the negatives
};

/// Sums over some rows, and the first rows of each matrix that are bad (kNoRow: none).
struct RowwiseTotals {
  double loss;
  double positive_similarity;
  double negative_similarity;
  double alignment;
  double uniformity;
  double effective_negatives;
  int64_t positives;
  int64_t negatives;
  int64_t top1;
  int64_t topk;
  int64_t zero_rows;
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

/// What all kernels of a call are given.
struct RowwiseParams {
  CallState* call;
  uint64_t plan;  ///< whose forward pass the workspace then holds; 0 for none
  int32_t loss;   ///< nce_loss
  int32_t dtype;  ///< nce_dtype
  int32_t gradient_dtype;
  int32_t reduction;  ///< nce_reduction
  int32_t top_k;
  int32_t upstream_per_row;
  int64_t rows;
  int64_t pairs;  ///< of each row
  int64_t parts;  ///< parts_of(rows)
  int64_t dim;
  double margin;
  Measure measure;

  RowMatrix queries, keys, negatives;
  const int32_t* labels;
  const float* weights;
  const float* upstream;

  double* inverse_norms;  ///< of queries, as of other rows
  RowPair* row_pairs;     ///< [rows][pairs]
  double* cosines;        ///< [rows][pairs]; null without metrics
  RowTerms* terms;
  RowwiseTotals* totals;  ///< [kMostParts]
  double* slopes;         ///< [kMostParts]

  double* loss_out;  ///< outputs; null: not wanted
  double* d_temperature;
  nce_metrics* metrics;
  GradientMatrix d_queries, d_keys, d_negatives;
};

/// inverse_norms, row_pairs and cosines.
void launch_rowwise_pairs(const RowwiseParams& params, cudaStream_t stream);
/// terms and totals; then the status of rows that are not finite, or loss, metrics and the plan's mark.
void launch_rowwise_terms(const RowwiseParams& params, cudaStream_t stream);
/// Gradients of matrices and of the temperature.
void launch_rowwise_gradients(const RowwiseParams& params, cudaStream_t stream);

}  // namespace nce::cuda
