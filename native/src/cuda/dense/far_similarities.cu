// Rows so large that their similarities may leave the range of the arithmetic that tiles have. Slow, and rarely needed.

#include "cuda/dense/rows.cuh"
#include "cuda/overflow.cuh"
#include "cuda/reduce.cuh"

namespace nce::cuda::dense {
namespace {

/// |s| of two rows by a warp; infinity beyond double. Products in float: |x| |y|, since parts of one that cancel, or
/// the scales of packed rows, leave its range before it does.
NCE_DEVICE double size_of(const FarParams& p, bool single, const void* x, const void* y) {
  constexpr double kDown = 0x1p-600;
  double product = 0.0;
  double x_square = 0.0;
  double y_square = 0.0;
  double square = 0.0;
  for (int64_t d = threadIdx.x % kWarpThreads; d < p.dim; d += kWarpThreads) {
    const double a = element(x, p.x.dtype, d);
    const double b = element(y, p.x.dtype, d);
    const double difference = a * kDown - b * kDown;
    product += a * b;
    x_square += a * a;
    y_square += b * b;
    square += difference * difference;
  }
  product = combine_warp<Sum>(product);
  x_square = combine_warp<Sum>(x_square);
  y_square = combine_warp<Sum>(y_square);
  const double distance = std::sqrt(combine_warp<Sum>(square)) / kDown;
  switch (p.similarity) {
    case NCE_SIMILARITY_COSINE:
      return 1.0;
    case NCE_SIMILARITY_DOT:
      return single ? std::sqrt(x_square) * std::sqrt(y_square) : std::fabs(product);
    case NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN:
      return distance * distance;
    case NCE_SIMILARITY_NEG_EUCLIDEAN:
      return distance;
  }
  return 0.0;
}

/// A warp a row.
__global__ void check_far(const FarParams p) {
  const int64_t i = int64_t{blockIdx.x} * kBlockWarps + threadIdx.x / kWarpThreads;
  const CallState& call = *p.call;
  if (call.status != NCE_STATUS_OK || call.far == 0 || i >= p.x_rows) return;
  const bool single = call.far == 2;
  const double largest = loss::reach_of(single).largest * Smallest()(1.0, 1.0 / call.inverse_temperature);
  const void* const x = row_of(p.x, i);
  bool far = p.z_rows > 0 && p.own == 0 && !(size_of(p, single, x, row_of(p.z, i)) <= largest);
  for (int64_t k = i * p.own; k < (i + 1) * p.own; ++k) {
    if (!(size_of(p, single, x, row_of(p.z, k)) <= largest)) far = true;
  }
  for (int64_t j = 0; j < p.y_rows; ++j) {
    if (!(p.tower && j == i) && !(size_of(p, single, x, row_of(p.y, j)) <= largest)) far = true;
  }
  for (int64_t j = 0; p.blocks.any() && j < p.x_rows; ++j) {
    if (j == i) continue;
    if (p.blocks.query_query && !(size_of(p, single, x, row_of(p.x, j)) <= largest)) far = true;
    if (p.blocks.key_key && !(size_of(p, single, row_of(p.y, i), row_of(p.y, j)) <= largest)) far = true;
  }
  if (far && threadIdx.x % kWarpThreads == 0) tell_overflow(*p.call, Argument::kSimilarity, i);
}

}  // namespace

void launch_check_far(const FarParams& params, cudaStream_t stream) {
  launch({"check_far", blocks_of(params.x_rows, kBlockWarps), kBlockThreads, 0, stream}, check_far, params);
}

}  // namespace nce::cuda::dense
