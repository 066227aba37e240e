// Norms and comparisons as compare_rows.cu has them, for elements of at most 32 bits, with sums that are twofold
// floats. What is done once a comparison and not once an element is in double, a thread each. A row of queries with
// anything that floats have no range for is marked, and left to compare_rows.cu.

#include "cuda/rowwise/rowwise.cuh"
#include "cuda/rowwise/twofold.cuh"

namespace nce::cuda {
namespace {

NCE_DEVICE int64_t lane() { return threadIdx.x % kWarpThreads; }

/// Whether a sum of squares kept its digits, and whether what is computed with its root stays in the range of float.
NCE_DEVICE bool fits(float squares) { return squares > 0x1p-80f && squares < 0x1p80f; }

template <typename T>
__global__ void measure_queries_twofold(const RowwiseParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const int64_t row = int64_t{blockIdx.x} * kBlockWarps + threadIdx.x / kWarpThreads;
  if (row >= p.rows) return;
  const T* const x = row_at<T>(p.queries, row);
  Twofold squares{0.0f, 0.0f};
  for (int64_t d = lane(); d < p.dim; d += kWarpThreads) {
    const float a = single(x[d]);
    squares = squares + exact_product(a, a);
  }
  squares = sum_warp(squares);
  if (lane() != 0) return;
  p.query_squares[row] = squares;
  p.out_of_range[row] = fits(squares.high) ? 0 : 1;
}

/// |x^ - y^|^2 of unit vectors: 1 - cosine of near ones would cancel.
template <typename T>
NCE_DEVICE Twofold unit_difference(const T* x, const Twofold& x_inverse, const T* y, const Twofold& y_inverse,
                                   int64_t dim) {
  Twofold sum{0.0f, 0.0f};
  for (int64_t d = lane(); d < dim; d += kWarpThreads) {
    sum = sum + square(x_inverse * single(x[d]) + -(y_inverse * single(y[d])));
  }
  return sum_warp(sum);
}

/// A warp for each comparison.
template <typename T>
__global__ void compare_rows_twofold(const RowwiseParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const bool distance = p.measure.base == loss::Base::kDistance || p.measure.base == loss::Base::kSquaredDistance;
  const bool with_dot = !distance || p.cosines != nullptr;
  const bool cosine_distance = p.measure.base == loss::Base::kCosine && p.measure.sign < 0.0;
  const int64_t count = p.rows * p.comparisons_of_row;
  const int64_t step = int64_t{gridDim.x} * kBlockWarps;
  for (int64_t i = int64_t{blockIdx.x} * kBlockWarps + threadIdx.x / kWarpThreads; i < count; i += step) {
    const int64_t row = i / p.comparisons_of_row;
    const T* const x = row_at<T>(p.queries, row);
    const T* const y = other_at<T>(p, row, i - row * p.comparisons_of_row);
    TwofoldSums sums{{0.0f, 0.0f}, {0.0f, 0.0f}, {0.0f, 0.0f}};
    for (int64_t d = lane(); d < p.dim; d += kWarpThreads) {
      const float a = single(x[d]), b = single(y[d]);
      if (with_dot) sums.dot = sums.dot + exact_product(a, b);
      sums.squares = sums.squares + exact_product(b, b);
      if (distance) sums.squared_difference = sums.squared_difference + square(exact_sum(a, -b));
    }
    if (with_dot) sums.dot = sum_warp(sums.dot);
    sums.squares = sum_warp(sums.squares);
    bool fit = fits(sums.squares.high);
    if (distance) {
      sums.squared_difference = sum_warp(sums.squared_difference);
      fit = fit && fits(sums.squared_difference.high);
    }
    const Twofold x_squares = p.query_squares[row];
    if (cosine_distance && fit && fits(x_squares.high)) {
      const Twofold x_inverse = inverse_root(x_squares), y_inverse = inverse_root(sums.squares);
      sums.squared_difference.high = -1.0f;
      if (nearest(sums.dot) * x_inverse.high * y_inverse.high > 0.5f) {
        sums.squared_difference = unit_difference(x, x_inverse, y, y_inverse, p.dim);
        const float squared = nearest(sums.squared_difference);
        fit = squared == 0.0f || fits(squared);
      }
    }
    if (lane() != 0) continue;
    p.sums[i] = sums;
    if (!fit) atomicOr(&p.out_of_range[row], 1u);
  }
}

/// The measure of two rows, and their cosine.
NCE_DEVICE double value_of(const loss::Measure& measure, const TwofoldSums& sums, double cosine) {
  double base = 0.0;
  switch (measure.base) {
    case loss::Base::kCosine:
      if (measure.sign < 0.0 && sums.squared_difference.high >= 0.0f) return 0.5 * wide(sums.squared_difference);
      base = cosine;
      break;
    case loss::Base::kDot:
      base = wide(sums.dot);
      break;
    case loss::Base::kDistance:
      base = std::sqrt(wide(sums.squared_difference));
      break;
    case loss::Base::kSquaredDistance:
      base = wide(sums.squared_difference);
      break;
  }
  return measure.offset + measure.sign * base;
}

/// A thread for each comparison.
__global__ void finish_comparisons(const RowwiseParams p) {
  const int64_t i = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (p.call->status != NCE_STATUS_OK || i >= p.rows * p.comparisons_of_row) return;
  const int64_t row = i / p.comparisons_of_row;
  if (p.out_of_range[row] != 0) return;
  const TwofoldSums sums = p.sums[i];
  const double x_inverse = 1.0 / std::sqrt(wide(p.query_squares[row]));
  const double y_inverse = 1.0 / std::sqrt(wide(sums.squares));
  const double cosine = wide(sums.dot) * y_inverse * x_inverse;
  p.comparisons[i] = {value_of(p.measure, sums, cosine), y_inverse};
  if (p.cosines != nullptr) p.cosines[i] = cosine;
  if (i == row * p.comparisons_of_row) p.inverse_norms[row] = x_inverse;
}

}  // namespace

void launch_compare_rows_twofold(const RowwiseParams& params, cudaStream_t stream) {
  const int64_t comparisons = params.rows * params.comparisons_of_row;
  with_narrow_element(params.dtype, [&](auto element) {
    using T = decltype(element);
    launch({"measure_queries_twofold", blocks_of(params.rows, kBlockWarps), kBlockThreads, 0, stream},
           measure_queries_twofold<T>, params);
    launch({"compare_rows_twofold", blocks_of(most_warps(comparisons), kBlockWarps), kBlockThreads, 0, stream},
           compare_rows_twofold<T>, params);
  });
  launch({"finish_comparisons", blocks_of(comparisons, kBlockThreads), kBlockThreads, 0, stream}, finish_comparisons,
         params);
}

}  // namespace nce::cuda
