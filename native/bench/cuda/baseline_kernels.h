#pragma once
// What the baseline does between matrix products: the passes over blocks of a stored matrix of similarities that anyone
// would write around a library's products. Cosine similarity, mean over rows, one or two sides, n = m.
//
// With e_ij = 2^(s_ij scale - shift), row i's sum over negatives r_i and column j's c_j, the gradient by s_ij is
// (e_ij (a_i + b_j)) / n with a_i = 1 / (tau (r_i + e_ii)), and both sides halved where there are two.

#include <cuda_runtime.h>

#include <cstdint>

namespace nce::bench {

enum class Element : int32_t { kFloat32 = 0, kFloat16 = 1, kBfloat16 = 2 };

constexpr int64_t element_bytes(Element e) { return e == Element::kFloat32 ? 4 : 2; }

/// A block of sum_block: rows that a thread visits, and columns.
constexpr int64_t kSumRows = 256;
constexpr int64_t kSumColumns = 256;

/// unit[i] = x[i] / |x[i]|, rounded to the element, and inverse_norms[i]; 0 for zero rows. [rows][dim].
struct NormaliseParams {
  const void* x;
  void* unit;
  float* inverse_norms;
  int64_t rows, dim;
};
void launch_normalise(const NormaliseParams& params, Element element, cudaStream_t stream);

/// Sums over one block of similarities, without the diagonal, whose entries are kept in `positives`.
struct SumBlockParams {
  const float* similarities;  ///< [rows][pitch]
  int64_t pitch;
  int64_t first_row, first_column, rows, columns;
  float scale, shift;
  int64_t n;
  float* row_sums;     ///< [column tiles of the whole matrix][n]
  float* column_sums;  ///< [row tiles of the whole matrix][n]
  float* positives;    ///< [n]
};
void launch_sum_block(const SumBlockParams& params, cudaStream_t stream);

/// Losses and weights from the sums, in fixed order.
struct FinishSumsParams {
  const float* row_sums;
  const float* column_sums;
  int64_t row_tiles, column_tiles;
  const float* positives;
  int64_t n;
  float scale, shift, inverse_temperature;
  int32_t symmetric;
  float* row_weights;     ///< a
  float* column_weights;  ///< b, 0 where one-sided
  float* diagonal;        ///< n times the gradient by s_ii
  double* losses;         ///< [n]
};
void launch_finish_sums(const FinishSumsParams& params, cudaStream_t stream);

/// loss = mean of losses.
struct MeanParams {
  const double* losses;
  int64_t n;
  double* loss;
};
void launch_mean(const MeanParams& params, cudaStream_t stream);

/// n times the gradient by the similarities of a block, rounded to the element.
struct WeighBlockParams {
  const float* similarities;
  void* gradient;  ///< [rows][pitch]
  int64_t pitch;
  int64_t first_row, first_column, rows, columns;
  float scale, shift;
  const float* row_weights;
  const float* column_weights;
  const float* diagonal;
};
void launch_weigh_block(const WeighBlockParams& params, Element element, cudaStream_t stream);

/// out = (g - unit <unit, g>) inverse_norm / n, in the element of the inputs.
struct FinishGradientParams {
  const float* g;
  const void* unit;
  const float* inverse_norms;
  void* out;
  int64_t rows, dim;
  float factor;
};
void launch_finish_gradient(const FinishGradientParams& params, Element element, cudaStream_t stream);

/// x[k] = rows of a fixed noise of this seed plus `noise` times another's, of expected norm 1. Uniform in distribution.
struct FillParams {
  void* x;
  int64_t count;
  float size;
  uint32_t seed, other_seed;
  float noise;
};
void launch_fill(const FillParams& params, Element element, cudaStream_t stream);

}  // namespace nce::bench
