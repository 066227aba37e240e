#pragma once
// Sums, maxima and minima over a block of kBlockThreads threads, always in the same order.

#include <cmath>
#include <cstdint>

#include "cuda/launch.h"
#include "cuda/primitives.cuh"
#include "loss/metrics.h"

namespace nce::cuda {

/// Shared memory that the functions over a block use, from the start of the block's.
constexpr int64_t kReduceBytes = kBlockWarps * int64_t{sizeof(double)};

struct Sum {
  NCE_DEVICE double operator()(double a, double b) const { return a + b; }
};
struct Count {
  NCE_DEVICE int64_t operator()(int64_t a, int64_t b) const { return a + b; }
};
struct Largest {
  NCE_DEVICE double operator()(double a, double b) const { return a > b ? a : b; }
};
struct Smallest {
  NCE_DEVICE double operator()(double a, double b) const { return a < b ? a : b; }
  NCE_DEVICE int64_t operator()(int64_t a, int64_t b) const { return a < b ? a : b; }
};

/// What the lanes of a warp bring, combined; every lane gets it.
template <typename Combine, typename T>
NCE_DEVICE T combine_warp(T value) {
  NCE_UNROLL
  for (int distance = kWarpThreads / 2; distance > 0; distance /= 2) {
    value = Combine()(value, __shfl_xor_sync(0xffffffffu, value, distance));
  }
  return value;
}

/// What the threads of a block bring, combined; every thread gets it. All threads of the block must call it.
template <typename Combine, typename T>
NCE_DEVICE T combine_block(T value) {
  T* const warps = reinterpret_cast<T*>(shared_memory());
  value = combine_warp<Combine>(value);
  const int thread = static_cast<int>(threadIdx.x);
  __syncthreads();
  if (thread % kWarpThreads == 0) warps[thread / kWarpThreads] = value;
  __syncthreads();
  T result = warps[0];
  for (int w = 1; w < kBlockWarps; ++w) result = Combine()(result, warps[w]);
  return result;
}

/// Sums of metrics, likewise.
NCE_DEVICE loss::MetricTotals combine_block(const loss::MetricTotals& mine) {
  loss::MetricTotals all{};
  all.positive_similarity = combine_block<Sum>(mine.positive_similarity);
  all.negative_similarity = combine_block<Sum>(mine.negative_similarity);
  all.alignment = combine_block<Sum>(mine.alignment);
  all.uniformity = combine_block<Sum>(mine.uniformity);
  all.effective_negatives = combine_block<Sum>(mine.effective_negatives);
  all.positives = combine_block<Count>(mine.positives);
  all.negatives = combine_block<Count>(mine.negatives);
  all.mixed = combine_block<Count>(mine.mixed);
  all.top1 = combine_block<Sum>(mine.top1);
  all.topk = combine_block<Sum>(mine.topk);
  all.zero_rows = combine_block<Count>(mine.zero_rows);
  all.rows_without_positives = combine_block<Count>(mine.rows_without_positives);
  all.rows_without_negatives = combine_block<Count>(mine.rows_without_negatives);
  return all;
}

/// The part [begin, end) of `count` rows that block `block` of `blocks` has.
struct Range {
  int64_t begin;
  int64_t end;
};
NCE_DEVICE Range part_of(int64_t count, int64_t block, int64_t blocks) {
  return {count * block / blocks, count * (block + 1) / blocks};
}

NCE_DEVICE bool is_finite(double x) { return std::fabs(x) <= 1.7976931348623157e308; }
NCE_DEVICE bool is_finite(float x) { return std::fabs(x) <= 3.4028234663852886e38f; }

}  // namespace nce::cuda
