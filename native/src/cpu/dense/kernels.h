#pragma once
// The border between the engine and its tile kernels, which are compiled once an instruction set. Plain structs only:
// an inline function with linkage here could be emitted with instructions that the machine lacks.
//
// Panels. A matrix is packed into panels of `width` rows, [dim][width] elements each (dim padded to a multiple of
// `slice` with zeros, as are missing rows), `panel_stride` elements apart. The rows of X lie in the vector lanes, those
// of Y are broadcast, so a tile is [width of Y][width of X]. One layout serves either role and both products of the
// gradient. Arrays of doubles that are indexed by a row are padded to whole panels.

#include <cstdint>

#include "infonce.h"

namespace nce::cpu::dense {

/// Pairs (row i of X, row j of Y) that are no negatives.
enum class Excluded {
  kNone,
  kDiagonal,  ///< j = i
  kViews      ///< j = i, and the other view of the same thing, half the tower away
};

/// What becomes of a similarity.
enum class Form {
  kBounded,  ///< exp((s - 0) / tau); the caller has bounded |s| / tau so that nothing overflows or underflows
  kOnline,   ///< exp((s - reference) / tau), the reference being a maximum found on the way
  kLogistic  ///< softplus(s / tau) and its derivative
};

/// The two matrices and the similarity between their rows.
template <typename Real>
struct TilePair {
  const Real* x;
  const Real* y;
  int64_t x_rows;
  int64_t y_rows;
  int64_t dim;
  int64_t panel_stride;
  nce_similarity similarity;
  const double* x_squares;  ///< squared norms in the kernels' own arithmetic; Euclidean similarities only
  const double* y_squares;
  Excluded excluded;
  int64_t views_half;  ///< kViews: rows of one view
  Form form;
  double inverse_temperature;
};

/// Sums over negatives, one number a row. Null: not wanted.
struct Sums {
  double* maximum;   ///< kOnline: the reference of the two sums below
  double* value;     ///< sum of E, or of softplus(z)
  double* weighted;  ///< sum of E (s - s+), or of sigmoid(z) s
};

/// Sums that only metrics need, of rows of X.
struct MetricSums {
  double* above;                  ///< how many negatives have s > s+
  double* similarity;             ///< sum of s
  double* uniformity;             ///< sum of y_factor exp(4 cos)
  const double* x_inverse_norms;  ///< for cos, null where s is cos
  const double* y_inverse_norms;
  const double* y_factors;
};

/// Panels [x_begin, x_end) of X against panels [y_begin, y_end) of Y, added to the sums, which start at the caller's
/// values (maximum: -infinity).
template <typename Real>
struct ForwardTask {
  TilePair<Real> pair;
  int64_t x_begin, x_end, y_begin, y_end;
  int64_t x_block;           ///< panels of X that stay in cache while Y passes
  const double* x_positive;  ///< s+ of rows of X; kLogistic does not read it but for metrics
  const double* y_positive;  ///< s+ of rows of Y, if columns are wanted
  Sums rows;
  Sums columns;        ///< value null: not wanted
  MetricSums metrics;  ///< above null: not wanted
  Real* scratch;       ///< Kernels::forward_scratch elements
};

/// One panel of X against all of Y: sums[dim][width] += G_ij y_j over negatives j, with
/// G_ij = f_ij x_weight_i + f_ji y_weight_j, f = exp((s - reference) / tau) with the row's own reference (0 unless
/// kOnline), or sigmoid(z). For NEG_EUCLIDEAN G is divided by the distance (0 where that is 0).
template <typename Real>
struct GradientTask {
  TilePair<Real> pair;
  int64_t panel;
  const double* x_weights;  ///< null for all 0
  const double* y_weights;
  const double* x_references;
  const double* y_references;
  double* sums;         ///< [padded dim][width], starts at the caller's values
  double* weight_sums;  ///< [width], sum of G_ij over j, or null
  Real* scratch;        ///< Kernels::gradient_scratch elements for the padded dim
};

template <typename Real>
struct Kernels {
  const char* name;
  int64_t width;
  int64_t slice;
  int64_t forward_scratch;
  int64_t gradient_scratch;      ///< plus width * padded dim
  double largest_bounded_logit;  ///< |s| / tau up to which Form::kBounded keeps the promised digits
  /// products[l] = <row l of panel x, row l of panel y>, in the order of the tiles, hence bit for bit what a tile
  /// holds.
  void (*diagonal)(const Real* x, const Real* y, int64_t dim, double* products);
  void (*forward)(const ForwardTask<Real>& task);
  void (*gradient)(const GradientTask<Real>& task);
};

template <typename Real>
const Kernels<Real>& kernels_portable();
template <typename Real>
const Kernels<Real>& kernels_avx2();
template <typename Real>
const Kernels<Real>& kernels_avx512();

template <>
const Kernels<float>& kernels_portable<float>();
template <>
const Kernels<double>& kernels_portable<double>();
template <>
const Kernels<float>& kernels_avx2<float>();
template <>
const Kernels<double>& kernels_avx2<double>();
template <>
const Kernels<float>& kernels_avx512<float>();
template <>
const Kernels<double>& kernels_avx512<double>();

}  // namespace nce::cpu::dense
