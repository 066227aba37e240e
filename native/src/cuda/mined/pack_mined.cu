// Rows of mined triplets as doubles, and their norms: a warp a row.

#include "cuda/mined/mined.cuh"

namespace nce::cuda {
namespace {

NCE_DEVICE int64_t lane() { return threadIdx.x % kWarpThreads; }

NCE_DEVICE double sum_of_squares(const MinedParams& p, const void* row, double scale) {
  double sum = 0.0;
  for (int64_t d = lane(); d < p.dim; d += kWarpThreads) {
    const double x = element(row, p.source.dtype, d) * scale;
    sum += x * x;
  }
  return combine_warp<Sum>(sum);
}

/// |x| = length / scale, a power of two that is 1 unless squares would leave the range of double. NaN for rows that are
/// not finite.
NCE_DEVICE double length_of(const MinedParams& p, const void* row, double& scale) {
  constexpr double kSmallest = 1e-200, kLargest = 1e200;
  scale = 1.0;
  const double squares = sum_of_squares(p, row, 1.0);
  if (squares >= kSmallest && squares <= kLargest) return std::sqrt(squares);
  double largest = 0.0;
  int wrong = 0;
  for (int64_t d = lane(); d < p.dim; d += kWarpThreads) {
    const double size = std::fabs(element(row, p.source.dtype, d));
    if (!is_finite(size)) wrong = 1;
    largest = Largest()(largest, size);
  }
  if (__any_sync(0xffffffffu, wrong) != 0) return std::nan("");
  largest = combine_warp<Largest>(largest);
  if (largest == 0.0) return 0.0;
  const int exponent = -std::ilogb(largest);
  scale = std::ldexp(1.0, exponent > 1000 ? 1000 : exponent < -1000 ? -1000 : exponent);
  return std::sqrt(sum_of_squares(p, row, scale));
}

__global__ void pack_mined(const MinedParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const int64_t row = int64_t{blockIdx.x} * kBlockWarps + threadIdx.x / kWarpThreads;
  if (row >= p.rows) return;
  const void* const from = row_of(p.source, row);
  double scale = 1.0;
  const double length = length_of(p, from, scale);
  if (lane() == 0) {
    p.lengths[row] = length;
    p.scales[row] = scale;
  }
  const bool unit = p.measure.base == loss::Base::kCosine;
  const double inverse = inverse_length(length);
  for (int64_t d = lane(); d < p.dim; d += kWarpThreads) {
    const double x = element(from, p.source.dtype, d);
    p.packed[row * p.dim + d] = unit ? x * scale * inverse : x;
  }
}

__global__ void refuse_mined_rows(const MinedParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  int64_t bad = kNoRow;
  for (int64_t row = threadIdx.x; row < p.rows; row += kBlockThreads) {
    if (!is_finite(p.lengths[row])) bad = Smallest()(bad, row);
  }
  bad = combine_block<Smallest>(bad);
  if (threadIdx.x != 0 || bad == kNoRow) return;
  p.call->status = NCE_STATUS_NON_FINITE;
  p.call->argument = Argument::kQueries;
  p.call->row = bad;
}

}  // namespace

void launch_pack_mined(const MinedParams& params, cudaStream_t stream) {
  launch({"pack_mined", blocks_of(params.rows, kBlockWarps), kBlockThreads, 0, stream}, pack_mined, params);
  launch({"refuse_mined_rows", dim3(1), kBlockThreads, kReduceBytes, stream}, refuse_mined_rows, params);
}

}  // namespace nce::cuda
