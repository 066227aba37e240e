#pragma once
// How the workspace of a dense call is cut. CallState comes first, then what the forward pass leaves to the backward
// pass, then scratch that both passes share. What depends on the method lies over that of the other method: a call has
// only one.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/dense/methods.h"
#include "cuda/dense/row_kernels.h"
#include "cuda/device_plan.h"
#include "loss/key_strips.h"

namespace nce::cuda::dense {

using loss::KeyStrips;

/// State that does not depend on the method. Y's arrays are X's for one tower.
struct State {
  State(Carver& carver, const Problem& problem, const Problem& carved);

  int64_t x_allocated, y_allocated, z_allocated;  ///< rows with their padding
  RowRange* ranges;                               ///< of X, Y, Z
  Norms x_norms, y_norms, z_norms;
  double* positive;          ///< s+, or of positives by labels the mean s
  double* limits;            ///< see tile::Operand; null without a threshold
  int64_t limits_allocated;  ///< with blocks, as many as Y has, too, whose first rows have those of their rows
  double* y_weights;         ///< e^offset of columns, with padding; null without offsets
  int32_t* row_numbers;      ///< of rows with negatives of their own, and of the rows of these; else null
  int32_t* owners;
  loss::LogSum *row_lse, *column_lse;
  double *row_slope, *column_slope;  ///< see loss::RowResult
  double* bias_slope;                ///< of rows, likewise; null: the loss has no bias
  double* positive_count;            ///< of positives by labels, as are the next two
  loss::LogSum* positive_lse;
  float* counted_weights;  ///< of rows, 0 where a row has no loss
};

/// Scratch that does not depend on the method.
struct Scratch {
  Scratch(Carver& carver, const Problem& problem);

  std::byte* begin;  ///< of launch_begin_call
  RowRange* range_parts;
  RowTotals* totals;
  SlopeTotals* slopes;
  double* alignment;
  double* center;  ///< Euclidean
};

/// A packed matrix with what belongs to its rows, or the caller's rows with the pitch that they would have.
struct PackedMatrix {
  void* planes = nullptr;
  int64_t plane_stride = 0;
  int64_t pitch = 0;
  float* scales = nullptr;
  float* relative = nullptr;
  float* fitted = nullptr;  ///< what makes cosines of the tiles' products, instead of scales; see Forward::fit_scales
  void* squares = nullptr;  ///< float, or double for kFloat64
  CallerRows caller{};      ///< instead of all that, where the method is not packed; of a call
  const int32_t* groups = nullptr;  ///< of a call; null: there are none
};

/// State of one method: how rows are packed, and the packed rows.
struct MethodState {
  MethodState(Carver& carver, const Problem& problem, const State& state, const Method& method);

  bool packed;  ///< else `packing` says what rows would be
  Packing packing;
  PackedMatrix x, y;
  PackedMatrix own;      ///< rows' own negatives; with their numbers as groups, as queries meet them
  double* wide_squares;  ///< before they are narrowed to float, or become scales
};

struct MethodCuts {
  GradientCut x, y;           ///< Y's is empty for one tower
  GradientCut own;            ///< of rows' own negatives
  int64_t positive_rows = 0;  ///< rows of Z that are packed at a time, a multiple of kRowMultiple
};

/// Rows of Z, that are positives alone. Only their similarities need them packed: so many of them at a time, where all
/// that follows comes to lie.
struct MethodPositives {
  MethodPositives(Carver& carver, const Problem& problem, const MethodState& rows, const Method& method,
                  const MethodCuts& cuts);

  PackedMatrix z;
};

struct MethodForward {
  MethodForward(Carver& carver, const Problem& problem, const State& state, const Method& method,
                const Architecture& architecture);

  Groups groups;  ///< 0 without columns
  Sums rows, columns;
  Sums positives;                                         ///< by labels, as are the next three
  double *positive_count, *positive_high, *positive_low;  ///< see MetricSums
  double *count, *above, *tied, *similarity, *uniformity;
  void *x_inverse, *y_inverse, *y_factors;  ///< float, or double for kFloat64
};

struct MethodBackward {
  MethodBackward(Carver& carver, const Problem& problem, const State& state, const Method& method,
                 const MethodCuts& cuts, bool strips);

  void *x_coefficients, *x_references, *y_coefficients, *y_references;
  double* positive_coefficients;
  /// Of positives by labels: like x_coefficients.
  void *positive_as, *positive_references, *positive_constants;
  void *x_sums, *y_sums;  ///< the same memory, as all that follows, if Y does not come in strips
  double *x_g_sums, *y_g_sums;
  void* scratch;  ///< of gradient_strips
};

/// The cuts of every method, so that the exact one of a PRECISE plan takes little more memory than a FAST one, and its
/// float64 fall-back no more than the exact one. Positives are packed at once, or in up to four parts so that they make
/// the workspace no larger; more than `most_positives` in parts in any case.
std::vector<MethodCuts> choose_cuts(const Problem& problem, const KeyStrips& strips, const std::vector<Method>& methods,
                                    const Architecture& architecture, int64_t most_positives = kNoLimit);

/// Whether the first rows of Y have the coefficients of their rows.
inline bool columns_as_rows(const Problem& problem) { return problem.blocks.key_query || problem.blocks.key_key; }

/// Bytes of the whole workspace.
int64_t workspace_bytes(const Problem& problem, const KeyStrips& strips, const Method& method, const MethodCuts& cuts,
                        nce_pass pass, const Architecture& architecture);

}  // namespace nce::cuda::dense
