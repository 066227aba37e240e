// Sums over the rows of a block of G, which the gradients of distances need: sum of G_ij (y_j - x_i).

#include "cuda/launch.h"
#include "cuda/reduce.cuh"
#include "cuda/rows.cuh"

namespace nce::cuda {
namespace {

/// A warp a row.
template <typename Real>
__global__ void sum_weights(const RowSumsParams p) {
  const int64_t i = int64_t{blockIdx.x} * kBlockWarps + threadIdx.x / kWarpThreads;
  if (!concerns(p.call, p.method) || i >= p.rows) return;
  const Real* const row = static_cast<const Real*>(p.g) + i * p.pitch;
  double sum = 0.0;
  for (int64_t j = threadIdx.x % kWarpThreads; j < p.columns; j += kWarpThreads) sum += wide(row[j]);
  sum = combine_warp<Sum>(sum);
  if (threadIdx.x % kWarpThreads == 0) p.sums[i] = p.add != 0 ? p.sums[i] + sum : sum;
}

}  // namespace

void launch_row_sums(const RowSumsParams& params, Arithmetic arithmetic, cudaStream_t stream) {
  const Launch how{"sum_weights", dim3(static_cast<unsigned>((params.rows + kBlockWarps - 1) / kBlockWarps)),
                   kBlockThreads, 0, stream};
  if (arithmetic == Arithmetic::kFloat64) {
    launch(how, sum_weights<double>, params);
  } else {
    launch(how, sum_weights<float>, params);
  }
}

}  // namespace nce::cuda
