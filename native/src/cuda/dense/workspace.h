#pragma once
// How the workspace of a dense call is cut. CallState comes first, then what the forward pass leaves to the backward
// pass, then scratch that both passes share. What depends on the method lies over that of the other method: a call has
// only one.

#include <cstddef>
#include <cstdint>

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
  double* positive;  ///< s+
  loss::LogSum *row_lse, *column_lse;
  double *row_slope, *column_slope;  ///< see loss::RowResult
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
};

/// State of one method: how rows are packed, and the packed rows.
struct MethodState {
  MethodState(Carver& carver, const Problem& problem, const State& state, const Method& method);

  bool packed;  ///< else `packing` says what rows would be
  Packing packing;
  PackedMatrix x, y, z;
  double* wide_squares;  ///< before they are narrowed to float, or become scales
};

struct MethodForward {
  MethodForward(Carver& carver, const Problem& problem, const State& state, const Method& method,
                const Architecture& architecture);

  Groups groups;  ///< 0 without columns
  Sums rows, columns;
  double *above, *tied, *similarity, *uniformity;
  void *x_inverse, *y_inverse, *y_factors;  ///< float, or double for kFloat64
};

struct MethodBackward {
  MethodBackward(Carver& carver, const Problem& problem, const State& state, const Method& method,
                 const Architecture& architecture, bool strips);

  void *x_coefficients, *x_references, *y_coefficients, *y_references;
  double* positive_coefficients;
  bool tiles;  ///< gradient_tiles, one matrix after the other; else blocks of G for both
  int32_t x_splits, y_splits;
  void *x_sums, *y_sums;  ///< the same memory if `tiles` and Y does not come in strips
  Blocks blocks;
  std::byte *g, *g_transposed;
  double *x_g_sums, *y_g_sums;  ///< Euclidean
};

}  // namespace nce::cuda::dense
