// From which similarity on a row's negatives are left out, once its positive is known.

#include "cuda/dense/rows.cuh"
#include "cuda/reduce.cuh"

namespace nce::cuda::dense {
namespace {

__global__ void find_limits(const FindLimitsParams p) {
  const int64_t i = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (!concerns(p.call, p.method) || i >= p.allocated) return;
  p.limits[i] = i < p.rows ? loss::limit_of(p.threshold, p.positive[i]) : 0.0;
}

}  // namespace

void launch_find_limits(const FindLimitsParams& params, cudaStream_t stream) {
  launch({"find_limits", blocks_of(params.allocated, kBlockThreads), kBlockThreads, 0, stream}, find_limits, params);
}

}  // namespace nce::cuda::dense
