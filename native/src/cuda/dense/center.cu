// What all rows are measured from by distances, which do not change by it: products of rows far from 0 have few digits
// left for them.

#include "cuda/dense/rows.cuh"
#include "cuda/reduce.cuh"

namespace nce::cuda::dense {
namespace {

constexpr int kSamples = 32;
/// Below this share of their squares, distances from the center are worth its subtraction.
constexpr double kWorthwhile = 0.25;

/// |row - center|^2 by a warp; null: of 0.
NCE_DEVICE double square_of(const CenterParams& p, const void* row, const double* center) {
  double sum = 0.0;
  for (int64_t d = threadIdx.x % kWarpThreads; d < p.dim; d += kWarpThreads) {
    const double difference = element(row, p.rows.dtype, d) - (center == nullptr ? 0.0 : center[d]);
    sum += difference * difference;
  }
  return combine_warp<Sum>(sum);
}

/// One block.
__global__ void find_center(const CenterParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const int samples = p.count < kSamples ? static_cast<int>(p.count) : kSamples;
  const auto sample = [&](int64_t k) { return row_of(p.rows, p.count * k / samples); };
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads;
  for (int64_t d = threadIdx.x; d < p.dim; d += kBlockThreads) {
    double mean = 0.0;
    for (int k = 0; k < samples; ++k) mean += element(sample(k), p.rows.dtype, d) / samples;
    p.center[d] = mean;
  }
  if (samples == 0) return;
  __syncthreads();
  double smallest = HUGE_VAL;
  double before = 0.0;
  int64_t nearest = 0;
  for (int k = warp; k < samples; k += kBlockWarps) {
    const double square = square_of(p, sample(k), p.center);
    before += square_of(p, sample(k), nullptr);
    if (!(square < smallest)) continue;
    smallest = square;
    nearest = k;
  }
  // The lanes of a warp have the same numbers: one of them is enough.
  const bool first = threadIdx.x % kWarpThreads == 0;
  const double least = combine_block<Smallest>(smallest);
  nearest = combine_block<Smallest>(smallest == least ? nearest : int64_t{0x7fffffff});
  before = combine_block<Sum>(first ? before : 0.0);
  if (nearest >= samples) nearest = 0;
  __syncthreads();
  const void* const row = sample(nearest);
  for (int64_t d = threadIdx.x; d < p.dim; d += kBlockThreads) p.center[d] = element(row, p.rows.dtype, d);
  __syncthreads();
  double after = 0.0;
  for (int k = warp; k < samples; k += kBlockWarps) after += square_of(p, sample(k), p.center);
  after = combine_block<Sum>(first ? after : 0.0);
  if (after < kWorthwhile * before) return;
  for (int64_t d = threadIdx.x; d < p.dim; d += kBlockThreads) p.center[d] = 0.0;
}

}  // namespace

void launch_center(const CenterParams& params, cudaStream_t stream) {
  launch({"find_center", dim3(1), kBlockThreads, kReduceBytes, stream}, find_center, params);
}

}  // namespace nce::cuda::dense
