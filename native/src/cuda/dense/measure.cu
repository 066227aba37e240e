// Norms of the caller's rows. A warp a row; norms are sums in double, scaled where squares would leave its range.

#include "cuda/dense/rows.cuh"
#include "cuda/reduce.cuh"

namespace nce::cuda::dense {
namespace {

constexpr double kSmallestSafeSquares = 1e-200;
constexpr double kLargestSafeSquares = 1e200;

NCE_DEVICE double sum_of_squares(const void* row, nce_dtype dtype, int64_t dim, double scale) {
  double sum = 0.0;
  for (int64_t d = threadIdx.x % kWarpThreads; d < dim; d += kWarpThreads) {
    const double x = element(row, dtype, d) * scale;
    sum += x * x;
  }
  return combine_warp<Sum>(sum);
}

__global__ void measure_rows(const MeasureParams p) {
  const int64_t i = int64_t{blockIdx.x} * kBlockWarps + threadIdx.x / kWarpThreads;
  if (p.call->status != NCE_STATUS_OK || i >= p.count) return;
  const void* const row = row_of(p.rows, i);
  const bool writes = threadIdx.x % kWarpThreads == 0;
  const double squares = sum_of_squares(row, p.rows.dtype, p.dim, 1.0);
  if (squares >= kSmallestSafeSquares && squares <= kLargestSafeSquares) {
    if (writes) {
      p.norms.length[i] = std::sqrt(squares);
      p.norms.scale[i] = 1.0;
    }
    return;
  }
  double largest = 0.0;
  int wrong = 0;
  for (int64_t d = threadIdx.x % kWarpThreads; d < p.dim; d += kWarpThreads) {
    const double size = std::fabs(element(row, p.rows.dtype, d));
    if (!is_finite(size)) wrong = 1;
    if (size > largest) largest = size;
  }
  largest = combine_warp<Largest>(largest);
  const bool any_wrong = __any_sync(0xffffffffu, wrong) != 0;
  double scale = 1.0;
  double length = 0.0;
  if (any_wrong) {
    length = std::nan("");
  } else if (largest > 0.0) {
    constexpr int kMost = 1000;
    const int e = -std::ilogb(largest);
    scale = power_of_two(e > kMost ? kMost : e < -kMost ? -kMost : e);
    length = std::sqrt(sum_of_squares(row, p.rows.dtype, p.dim, scale));
  }
  if (writes) {
    p.norms.length[i] = length;
    p.norms.scale[i] = scale;
  }
}

NCE_DEVICE RowRange combine_ranges(const RowRange& mine) {
  RowRange all;
  all.smallest = combine_block<Smallest>(mine.smallest);
  all.largest = combine_block<Largest>(mine.largest);
  all.first_non_finite = combine_block<Smallest>(mine.first_non_finite);
  all.zero_rows = combine_block<Count>(mine.zero_rows);
  return all;
}

NCE_DEVICE RowRange range_of_nothing() { return {1.7976931348623157e308, 0.0, kNoRow, 0}; }

__global__ void range_rows(const MeasureParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const Range part = part_of(p.count, blockIdx.x, gridDim.x);
  RowRange mine = range_of_nothing();
  for (int64_t i = part.begin + threadIdx.x; i < part.end; i += kBlockThreads) {
    const double length = p.norms.length[i];
    const double norm = length / p.norms.scale[i];
    if (length != length) {
      mine.first_non_finite = Smallest()(mine.first_non_finite, i);
    } else if (length == 0.0) {
      mine.zero_rows += 1;
    } else {
      mine.smallest = Smallest()(mine.smallest, norm);
      mine.largest = Largest()(mine.largest, norm);
    }
  }
  const RowRange all = combine_ranges(mine);
  if (threadIdx.x == 0) p.part_ranges[blockIdx.x] = all;
}

__global__ void range_parts(const MeasureParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const RowRange all =
      combine_ranges(threadIdx.x < parts_of(p.count) ? p.part_ranges[threadIdx.x] : range_of_nothing());
  if (threadIdx.x == 0) *p.range = all;
}

}  // namespace

void launch_measure(const MeasureParams& params, cudaStream_t stream) {
  if (params.count > 0) {
    launch({"measure_rows", blocks_of(params.count, kBlockWarps), kBlockThreads, 0, stream}, measure_rows, params);
  }
  const auto parts = static_cast<unsigned>(parts_of(params.count));
  launch({"range_rows", dim3(parts), kBlockThreads, kReduceBytes, stream}, range_rows, params);
  launch({"range_parts", dim3(1), kBlockThreads, kReduceBytes, stream}, range_parts, params);
}

}  // namespace nce::cuda::dense
