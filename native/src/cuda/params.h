#pragma once
// What tile kernels are called with. X are the rows (queries or the tower), Y the columns (keys, shared negatives or
// the tower again). Plain structs, shared by host and device.

#include <cstdint>

#include "cuda/call_state.h"

namespace nce::cuda {

/// The arithmetic of products: tensor cores on 16-bit elements with float sums, or fused multiply-adds.
enum class Arithmetic : int32_t { kTensorFloat16 = 0, kTensorBfloat16 = 1, kFloat32 = 2, kFloat64 = 3 };

/// Bytes of a packed element.
constexpr int element_bytes(Arithmetic a) { return a == Arithmetic::kFloat64 ? 8 : a == Arithmetic::kFloat32 ? 4 : 2; }
constexpr bool is_tensor(Arithmetic a) { return a <= Arithmetic::kTensorBfloat16; }

/// Rows of a packed matrix are padded with zero rows to a multiple of this, and rows to a multiple of this many bytes.
constexpr int64_t kRowMultiple = 128;
constexpr int64_t kPitchBytes = 128;

/// Tensor arithmetic with dim <= 256: the pitch, in elements, is 64, 128 or 256, as gradient tiles want it.
constexpr int64_t packed_pitch(Arithmetic a, int64_t dim) {
  if (is_tensor(a) && dim <= 256) return dim <= 64 ? 64 : dim <= 128 ? 128 : 256;
  const int64_t multiple = kPitchBytes / element_bytes(a);
  return (dim + multiple - 1) / multiple * multiple;
}
constexpr int64_t padded_rows(int64_t rows) { return (rows + kRowMultiple - 1) / kRowMultiple * kRowMultiple; }

/// A packed matrix: planes[plane][row][pitch], 128-byte aligned, padding zero. With two planes (kTensorFloat16 only) a
/// number is their sum, high plane first.
struct Operand {
  const void* planes;
  int64_t plane_stride;  ///< elements
  int64_t pitch;         ///< elements
  int64_t rows;          ///< without padding
  const float* scales;   ///< tensor arithmetic: one a row, padding 0; null: all 1
  const void* squares;   ///< Euclidean similarities (never with tensor arithmetic): squared norms, float or double
};

enum class Excluded : int32_t {
  kNone = 0,
  kDiagonal = 1,  ///< j = i is no negative
  kViews = 2      ///< nor is the other view of the same thing, views_half rows away
};

/// Two matrices of one pitch, the similarity between their rows, and the call they belong to.
/// Products of two planes are (low high + high low) + high high, summed so that X and Y may change places.
/// s_ij = product_ij * product_scale * (x.scales[i] * y.scales[j]), in float for tensor arithmetic; Euclidean:
/// -max(0, x.squares[i] + y.squares[j] - 2 product_ij), or minus its root.
struct Pair {
  Operand x, y;
  int32_t planes;
  float product_scale;
  int32_t similarity;  ///< nce_similarity; cosine counts as dot here
  Excluded excluded;
  int64_t views_half;
  const CallState* call;
  int32_t method;  ///< the launch is for calls with this method and status OK; else it does nothing
};

/// Sums over negatives, [groups][padded rows], one group a part of the other side. Any sum over nothing is 0 and its
/// maximum -infinity.
struct Sums {
  double* maximum;   ///< kOnline: the reference of the two sums below, in units of s
  double* value;     ///< sum of e, or of softplus(s / tau)
  double* weighted;  ///< sum of e (s - s+), or of sigmoid(s / tau) s
};

/// Sums that only metrics need, of rows of X, likewise by group.
struct MetricSums {
  double* above;                 ///< how many negatives have s > s+, compared as float or double like the tiles'
  double* similarity;            ///< sum of s
  double* uniformity;            ///< sum of y_factors[j] 2^(4 log2(e) cos_ij)
  const float* x_inverse_norms;  ///< cos_ij = product_ij * product_scale * these two; null: cos is s
  const float* y_inverse_norms;
  const float* y_factors;
};

/// Rows and columns (where wanted) of all tiles. Grid: x_groups x y_groups blocks; group g of G owns the tiles
/// [T g / G, T (g + 1) / G) of its side, T being the number of row (column) tiles.
struct SumTilesParams {
  Pair pair;
  const double* x_positive;  ///< s+ of rows of X, exactly as tiles compute it
  const double* y_positive;  ///< s+ of rows of Y; columns only
  int32_t x_groups, y_groups;
  Sums rows;           ///< [y_groups][padded x.rows]
  Sums columns;        ///< [x_groups][padded y.rows]; value null: not wanted
  MetricSums metrics;  ///< above null: not wanted
};

/// similarities[x_first + i] = s of row x_first + i of X and row y_first + i of Y, bit for bit as the tiles have it.
/// The last rows of a tile may reach into the padding, or beyond count; they are not written.
struct DiagonalParams {
  Pair pair;
  int64_t x_first, y_first, count;
  double* similarities;
};

/// G_ij = f_ij x_weights[i] + f_ji y_weights[j] over negatives j, else 0. f_ij is 2^(s log2(e)/tau - shift) (kBounded),
/// 2^((s - x_references[i]) log2(e) / tau) and, for y, with y_references[j] (kOnline), sigmoid(s / tau) (kLogistic).
/// kNegEuclidean: G is divided by -s, and is 0 where s is 0. Arrays are float (double for kFloat64), padded with 0.
struct Weights {
  const void* x_weights;  ///< null: all 0
  const void* y_weights;
  const void* x_references;  ///< kOnline, where there are weights
  const void* y_references;
};

/// A block of G and, if wanted, of its transpose, as operands of AccumulateParams. Tensor arithmetic: the elements are
/// G_ij * g_scale * y_relative[j] (transpose: x_relative[i]) as `planes` 16-bit planes, high first.
struct WeighTilesParams {
  Pair pair;
  Weights weights;
  int64_t x_first, y_first;  ///< multiples of kRowMultiple
  int64_t x_count, y_count;  ///< rows of the block, multiples of kRowMultiple: the padding is written as zeros
  float g_scale;
  const float* x_relative;  ///< null: all 1
  const float* y_relative;
  void* g;             ///< [planes][x_count][g_pitch]
  void* g_transposed;  ///< [planes][y_count][transposed_pitch]; null: not wanted
  int64_t g_pitch, g_plane_stride;
  int64_t transposed_pitch, transposed_plane_stride;
};

/// C[rows x columns] (+)= A[rows x depth] B[depth x columns], all row-major. A is a block of G, B rows of a packed
/// matrix. Two planes: low high + high low + high high. C is float (double for kFloat64).
struct AccumulateParams {
  const CallState* call;
  int32_t method;
  int32_t planes;
  int32_t add;                   ///< 0: C is overwritten
  int64_t rows, columns, depth;  ///< multiples of kRowMultiple, of the pitch of 128 bytes, of kRowMultiple
  const void* a;
  int64_t a_pitch, a_plane_stride;
  const void* b;
  int64_t b_pitch, b_plane_stride;
  void* c;
  int64_t c_pitch;
};

/// sums[split][i][d] = sum over j of G_ij g_scale y_relative[j] y_j[d] in the units of the planes, tensor arithmetic
/// with pitch <= 256 only. Split k of S owns the tiles [T k / S, T (k + 1) / S) of Y.
struct GradientTilesParams {
  Pair pair;
  Weights weights;
  float g_scale;
  const float* y_relative;  ///< null: all 1
  int32_t splits;
  float* sums;  ///< [splits][padded x.rows][x.pitch]
};

}  // namespace nce::cuda
