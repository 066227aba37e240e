// Sums over the rows of a block of G, which the gradients of distances need: sum of G_ij (y_j - x_i).

#include "cuda/dense/rows.cuh"
#include "cuda/reduce.cuh"

namespace nce::cuda::dense {
namespace {

/// A warp a row.
template <typename Real>
__global__ void sum_g(const GSumsParams p) {
  const int64_t i = int64_t{blockIdx.x} * kBlockWarps + threadIdx.x / kWarpThreads;
  if (!concerns(p.call, p.method) || i >= p.rows) return;
  const Real* const row = static_cast<const Real*>(p.g) + i * p.pitch;
  double sum = 0.0;
  for (int64_t j = threadIdx.x % kWarpThreads; j < p.columns; j += kWarpThreads) sum += wide(row[j]);
  sum = combine_warp<Sum>(sum);
  if (threadIdx.x % kWarpThreads == 0) p.sums[i] = p.add ? p.sums[i] + sum : sum;
}

}  // namespace

void launch_g_sums(const GSumsParams& params, Arithmetic arithmetic, cudaStream_t stream) {
  const Launch how{"sum_g", blocks_of(params.rows, kBlockWarps), kBlockThreads, 0, stream};
  switch (arithmetic) {
    case Arithmetic::kFloat64:
      return launch(how, sum_g<double>, params);
    case Arithmetic::kFloat32:
      return launch(how, sum_g<float>, params);
    case Arithmetic::kTensorFloat16:
    case Arithmetic::kTensorBfloat16:
      break;
  }
  throw_no_kernel("sum_g: distances have no tensor arithmetic");
}

}  // namespace nce::cuda::dense
