// What rows have of positives by labels, before their negatives are summed.

#include "cuda/dense/rows.cuh"
#include "cuda/reduce.cuh"

namespace nce::cuda::dense {
namespace {

__global__ void finish_positives(const FinishPositivesParams p) {
  const int64_t i = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (!concerns(p.call, p.method) || i >= p.rows) return;
  double count = 0.0, high = 0.0, low = 0.0;
  for (int64_t g = 0; g < p.groups; ++g) {
    count += p.counts[g * p.stride + i];
    high += p.high[g * p.stride + i];
    low += p.low[g * p.stride + i];
  }
  p.count[i] = count;
  // The parts are divided before they are added: then the mean of equal numbers is that number.
  p.positive[i] = count > 0.0 ? high / count + low / count : 0.0;
}

/// One block, as rows are few beside their pairs.
__global__ void weigh_rows(const WeighRowsParams p) {
  if (!concerns(p.call, p.method)) return;
  double sum = 0.0;
  for (int64_t i = threadIdx.x; i < p.rows; i += kBlockThreads) {
    const float weight = p.given == nullptr ? 1.0f : p.given[i];
    p.weights[i] = p.positive_count[i] > 0.0 ? weight : 0.0f;
    sum += static_cast<double>(p.weights[i]);
  }
  sum = combine_block<Sum>(sum);
  if (threadIdx.x == 0) p.call->weight_sum = sum;
}

}  // namespace

void launch_finish_positives(const FinishPositivesParams& params, cudaStream_t stream) {
  launch({"finish_positives", blocks_of(params.rows, kBlockThreads), kBlockThreads, 0, stream}, finish_positives,
         params);
}

void launch_weigh_rows(const WeighRowsParams& params, cudaStream_t stream) {
  launch({"weigh_rows", dim3(1), kBlockThreads, kReduceBytes, stream}, weigh_rows, params);
}

}  // namespace nce::cuda::dense
