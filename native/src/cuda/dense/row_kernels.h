#pragma once
// The launches of the kernels between the tiles: one call's rows are measured, packed, summed up, given coefficients,
// and their gradients written. All only enqueue. Those that bring a `method` do nothing unless the call has it and
// status OK.

#include <cuda_runtime.h>

#include "cuda/tile/tile_kernels.h"
#include "loss/metrics.h"
#include "loss/problem.h"
#include "loss/reduction.h"
#include "loss/row.h"

namespace nce::cuda::dense {

using loss::Form;
using loss::Sums;
using tile::Arithmetic;
using tile::MetricSums;

/// Tensor arithmetic: planes hold rows whose norm is this, or up to twice this; so their sums keep 38 bits below the
/// norm.
constexpr float kPlaneScale = 8192.0f;
/// By what G is multiplied before it is rounded to 16 bits: it is at most 2.
constexpr float kTensorGradientScale = 16384.0f;

/// Where the gradient of a matrix's rows goes: as RowSource says where they are.
struct RowTarget {
  nce_dtype dtype;
  void* first;  ///< null: not wanted
  int64_t first_stride;
  int64_t first_rows;
  void* second;
  int64_t second_stride;
  bool add;  ///< to what is there

  bool wanted() const { return first != nullptr || second != nullptr; }
};

/// Norms that neither overflow nor vanish: |x| = length / scale, scale a power of two (1 unless squares would leave the
/// range of double). length is 0 for zero rows and NaN for non-finite ones.
struct Norms {
  double* length;
  double* scale;
};

/// What is known of all rows of a matrix.
struct RowRange {
  double smallest;  ///< norm of non-zero rows
  double largest;
  int64_t first_non_finite;  ///< or kNoRow
  int64_t zero_rows;
};

/// Fills norms and range.
struct MeasureParams {
  const CallState* call;
  RowSource rows;
  int64_t count, dim;
  Norms norms;
  RowRange* part_ranges;  ///< room for kMostParts
  RowRange* range;
};
void launch_measure(const MeasureParams& params, cudaStream_t stream);

/// Decides on method and form, or ends the call for a row that is not finite.
struct ChooseParams {
  CallState* call;
  RowRange* ranges;  ///< of X, Y and Z
  nce_similarity similarity;
  loss::RowFunction function;
  bool tower;
  bool shared;
  bool own;             ///< Z are rows' own negatives, and has one range with Y from then on
  loss::Blocks blocks;  ///< if any, X and Y have one range from then on, for a gradient of either to add up both
  bool second_method;   ///< kFloat64, for numbers that the first cannot be trusted with
  bool first_is_double;
  int64_t first_view;  ///< tower: rows given as queries
  int64_t keys;        ///< rows of Y before those of the queue
  double most_terms;   ///< the most negatives that a sum has
  bool offsets;        ///< exponentials have factors up to e^kLargestOffset, and down to its inverse
  bool weighs_much;    ///< losses are far for their weight alone
};
void launch_choose(const ChooseParams& params, cudaStream_t stream);

/// Chooses one of Y's rows to subtract from all and writes it, or zeros: near the middle of what there is, and a row
/// itself, so that differences of round numbers stay exact. Zeros where it would not bring the rows much nearer to 0.
struct CenterParams {
  const CallState* call;
  RowSource rows;
  int64_t count, dim;
  double* center;  ///< [dim]
};
void launch_center(const CenterParams& params, cudaStream_t stream);

/// Where CallState::far says so, looks at every similarity, slowly, and tells the first row with one, or a logit,
/// beyond loss::Reach.
struct FarParams {
  CallState* call;
  RowSource x, y, z;
  int64_t x_rows, y_rows, z_rows, dim;
  int64_t own;  ///< rows of Z that are negatives of each row of X; 0: Z are the positives
  bool tower;
  loss::Blocks blocks;
  nce_similarity similarity;
};
void launch_check_far(const FarParams& params, cudaStream_t stream);

/// How elements become packed ones.
enum class Packing : int32_t {
  kRaw = 0,         ///< as they are
  kUnit = 1,        ///< over the norm
  kPower = 2,       ///< tensor arithmetic: over a power of two; scales have that
  kPowerOfUnit = 3  ///< tensor arithmetic: likewise; scales turn it into the unit vector
};

struct PackParams {
  const CallState* call;
  int32_t method;
  Packing packing;
  RowSource rows;
  int64_t count;      ///< rows
  int64_t allocated;  ///< packed rows: the rest is padding
  int64_t dim;
  Norms norms;
  const RowRange* range;
  const double* center;  ///< subtracted from every row; null: nothing
  void* planes;
  int32_t plane_count;
  int64_t plane_stride;
  int64_t pitch;
  float* scales;    ///< of the rows; null: none
  float* relative;  ///< scales over the largest one; null: none
  void* squares;    ///< set to 0 in the padding; null: none
};
void launch_pack(const PackParams& params, Arithmetic arithmetic, cudaStream_t stream);

/// Squared norms as the tiles compute them: out[i] = in[i], for kFloat32.
struct NarrowParams {
  const CallState* call;
  int32_t method;
  const double* in;
  float* out;
  int64_t count;
};
void launch_narrow(const NarrowParams& params, cudaStream_t stream);

/// scales[i] = 1 / sqrt(squares[i]), squares by the arithmetic of the tiles; 0 for rows of length 0 and in the padding.
struct FitScalesParams {
  const CallState* call;
  int32_t method;
  const double* squares;
  float* scales;
  int64_t count, allocated;
};
void launch_fit_scales(const FitScalesParams& params, cudaStream_t stream);

/// What only metrics need of the rows: |x^ - y^|^2 of positives, and factors of MetricSums.
struct AlignmentParams {
  const CallState* call;
  RowSource x, positives;
  Norms x_norms, positive_norms;
  int64_t x_rows, dim;
  int64_t views_half;  ///< tower: the positive of a row is so far away; else 0
  double* alignment;
};
void launch_alignment(const AlignmentParams& params, cudaStream_t stream);

struct MetricFactorsParams {
  const CallState* call;
  int32_t method;
  Norms norms;
  const float* scales;  ///< of the packed rows; null: 1
  int64_t count, allocated;
  void* inverse_norms;  ///< of rows as the planes have them, float or double for kFloat64; null: not wanted
  void* factors;        ///< e^-2, or 1 for zero rows, likewise
};
void launch_metric_factors(const MetricFactorsParams& params, Arithmetic arithmetic, cudaStream_t stream);

/// What rows have of positives by labels.
struct LabelledRows {
  Sums sums;      ///< as of negatives
  double* count;  ///< null: there are none, and none of the others
  loss::LogSum* lse;
};

/// limits[i] = what similarities of row i must not exceed, from that of its positive; 0 for padding.
struct FindLimitsParams {
  const CallState* call;
  int32_t method;
  int64_t rows, allocated;
  loss::Threshold threshold;
  const double* positive;
  double* limits;
};
void launch_find_limits(const FindLimitsParams& params, cudaStream_t stream);

/// Counts the positives of each row and takes the mean of their similarities.
struct FinishPositivesParams {
  const CallState* call;
  int32_t method;
  int64_t rows;
  int32_t groups;
  int64_t stride;
  const double* counts;  ///< [groups][stride], see MetricSums
  const double* high;    ///< likewise the similarities, in two parts
  const double* low;
  double* count;
  double* positive;  ///< the mean; 0 without positives
};
void launch_finish_positives(const FinishPositivesParams& params, cudaStream_t stream);

/// Takes rows without positives out of a mean: fills weights, and CallState::weight_sum with their sum.
struct WeighRowsParams {
  CallState* call;
  int32_t method;
  const float* given;  ///< null: all 1
  const double* positive_count;
  int64_t rows;
  float* weights;
};
void launch_weigh_rows(const WeighRowsParams& params, cudaStream_t stream);

/// Numbers rows, `own` of them alike: the groups by which rows meet their own negatives alone.
struct NumberRowsParams {
  const CallState* call;
  int64_t rows;
  int64_t own;
  int32_t* numbers;
};
void launch_number_rows(const NumberRowsParams& params, cudaStream_t stream);

/// Sums of a gradient become 0.
struct ClearSumsParams {
  const CallState* call;
  int32_t method;
  void* sums;
  int64_t bytes;  ///< a multiple of 8
};
void launch_clear_sums(const ClearSumsParams& params, cudaStream_t stream);

/// Sums over a part of the rows.
struct RowTotals {
  double loss;
  loss::MetricTotals metrics;  ///< without the numbers of positives and zero rows
};

/// Sums of groups to each row's loss and slope, and partial sums over rows.
struct FinishRowsParams {
  CallState* call;
  bool late;  ///< writes losses alone, of calls that are far, whose first launch did not
  int32_t method;
  loss::RowRule rule;
  loss::Reducer reducer;
  int64_t rows;
  int32_t row_groups, column_groups;  ///< column_groups 0: no columns
  int64_t row_stride, column_stride;
  Sums row_sums, column_sums;
  bool metrics;  ///< wanted
  MetricSums metric_sums;
  const double* alignment;
  Norms x_norms;
  double* positive;
  const float* offsets;  ///< of the positives; null: all 0
  LabelledRows labelled;
  int32_t top_k;
  loss::LogSum *row_lse, *column_lse;  ///< columns null: none
  double *row_slope, *column_slope;    ///< see loss::RowResult: dl/dtau
  double* bias_slope;                  ///< likewise; null: the loss has no bias
  double* losses;                      ///< w_i l_i of every row, if wanted
  bool add;                            ///< to what `losses` holds
  RowTotals* totals;                   ///< one a part
};
void launch_finish_rows(const FinishRowsParams& params, cudaStream_t stream);

/// Writes loss and metrics, and leaves the call's state to a backward pass.
struct FinishLossParams {
  CallState* call;
  uint64_t plan;  ///< that CallState is to name; 0 for none
  const RowTotals* totals;
  const RowRange* ranges;
  int32_t matrices;  ///< of `ranges`
  loss::RowFunction function;
  loss::SimilarityRange range;
  loss::Reducer reducer;
  int64_t rows;
  int64_t further_negatives;  ///< see MetricTotals
  bool by_labels;             ///< positives are, so that their alignment is not known
  double* loss;               ///< null: not wanted, or written row by row
  bool add;                   ///< to what it holds
  nce_metrics* metrics;
};
void launch_finish_loss(const FinishLossParams& params, cudaStream_t stream);

/// Over a part of the rows.
struct SlopeTotals {
  double temperature;
  double bias;
  double largest;
};

/// From rows' sums and upstream to the coefficients of the gradient.
struct CoefficientsParams {
  CallState* call;
  int32_t method;
  loss::RowRule rule;
  loss::Reducer reducer;
  nce_similarity similarity;
  int64_t rows;
  int64_t x_allocated, y_allocated;
  int64_t views_half;  ///< tower; else 0
  const double* positive;
  const float* offsets;                      ///< of the positives; null: all 0
  const loss::LogSum *row_lse, *column_lse;  ///< columns null: none
  const double *row_slope, *column_slope;
  const double* bias_slope;      ///< null: the loss has no bias
  const double* positive_count;  ///< of positives by labels; null: there are none
  const loss::LogSum* positive_lse;
  void *x_coefficients, *x_references;  ///< float, or double for kFloat64
  void *y_coefficients, *y_references;  ///< null: no columns
  bool columns_as_rows;           ///< those of Y are those of X, and 0 beyond; never with columns that have losses
  double* positive_coefficients;  ///< what the row of the positive is multiplied by
  /// Of positives by labels: like x_coefficients.
  void *positive_as, *positive_references, *positive_constants;
  double* d_temperature;  ///< null: not wanted
  double* d_bias;         ///< likewise
  bool add;               ///< to what these hold
  SlopeTotals* totals;
};
/// The largest slope, by which all coefficients are divided, and the gradients by the temperature and the bias.
void launch_slopes(const CoefficientsParams& params, cudaStream_t stream);
void launch_coefficients(const CoefficientsParams& params, Arithmetic arithmetic, cudaStream_t stream);

/// Rows of X as the planes have them, or as they would.
struct PackedRows {
  const void* planes;  ///< null: rows are packed anew
  int64_t plane_stride;
  int64_t pitch;
  const float* scales;
  RowSource source;
  Norms norms;
};

/// Adds slots and positives, tells what overflows, goes back through the norm or the distance, and writes the caller's
/// gradient.
struct FinishGradientParams {
  CallState* call;
  int32_t method;
  int32_t planes;
  Packing packing;
  const double* center;  ///< as in PackParams
  nce_similarity similarity;
  int64_t begin, end;  ///< the rows of X that are finished
  int64_t dim;
  PackedRows x;
  PackedRows positives;
  int64_t positive_rows;  ///< rows of X that have a positive
  int64_t views_half;     ///< tower: the positive of a row is so far away; else 0
  const double* positive_coefficients;
  const void* sums;  ///< [slots][tile_rows][pitch] of the cut of these rows, float or double; null: 0
  tile::Cut cut;
  int64_t tile_rows;
  double sums_factor;       ///< what the sums are in units of, before y_range
  const RowRange* y_range;  ///< kPower: the largest scale in it is a factor too; null: not
  const double* g_sums;     ///< Euclidean: [slots][tile_rows]
  RowTarget target;
  int64_t first_row;                   ///< of the target in its matrix
  Argument argument, second_argument;  ///< the names of the target's matrices
};
void launch_finish_gradient(const FinishGradientParams& params, Arithmetic arithmetic, cudaStream_t stream);

}  // namespace nce::cuda::dense
