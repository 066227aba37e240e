// What rows with negatives of their own need beside the tiles' kernels.

#include "cuda/dense/rows.cuh"
#include "cuda/reduce.cuh"

namespace nce::cuda::dense {
namespace {

__global__ void number_rows(const NumberRowsParams p) {
  const int64_t i = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (p.call->status == NCE_STATUS_OK && i < p.rows) p.numbers[i] = static_cast<int32_t>(i / p.own);
}

__global__ void clear_sums(const ClearSumsParams p) {
  const int64_t i = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (!concerns(p.call, p.method) || i >= p.bytes / static_cast<int64_t>(sizeof(double))) return;
  static_cast<double*>(p.sums)[i] = 0.0;
}

}  // namespace

void launch_number_rows(const NumberRowsParams& params, cudaStream_t stream) {
  launch({"number_rows", blocks_of(params.rows, kBlockThreads), kBlockThreads, 0, stream}, number_rows, params);
}

void launch_clear_sums(const ClearSumsParams& params, cudaStream_t stream) {
  const int64_t threads = params.bytes / static_cast<int64_t>(sizeof(double));
  launch({"clear_sums", blocks_of(threads, kBlockThreads), kBlockThreads, 0, stream}, clear_sums, params);
}

}  // namespace nce::cuda::dense
