#include "bench/cuda/baseline_kernels.h"

#include <cmath>

#include "cuda/launch.h"
#include "cuda/primitives.cuh"

namespace nce::bench {
namespace {

using cuda::Bfloat16;
using cuda::Float16;

constexpr int kThreads = 256;
constexpr int kWarp = 32;
constexpr int kWarps = kThreads / kWarp;

NCE_DEVICE float read(const float* x) { return *x; }
NCE_DEVICE float read(const Float16* x) { return cuda::widen(*x); }
NCE_DEVICE float read(const Bfloat16* x) { return cuda::widen(*x); }

NCE_DEVICE void write(float* x, float value) { *x = value; }
NCE_DEVICE void write(Float16* x, float value) {
  x->bits = static_cast<uint16_t>(cuda::pack<Float16>(value, 0.0f) & 0xffffu);
}
NCE_DEVICE void write(Bfloat16* x, float value) {
  x->bits = static_cast<uint16_t>(cuda::pack<Bfloat16>(value, 0.0f) & 0xffffu);
}

template <typename T>
NCE_DEVICE T warp_sum(T value) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(0xffffffffu, value, distance);
  }
  return value;
}

/// Over the block, in fixed order; every thread gets it.
template <typename T>
NCE_DEVICE T block_sum(T value) {
  T* const warps = reinterpret_cast<T*>(cuda::shared_memory());
  const int thread = static_cast<int>(threadIdx.x);
  value = warp_sum(value);
  __syncthreads();
  if (thread % kWarp == 0) warps[thread / kWarp] = value;
  __syncthreads();
  T sum = 0;
  for (int w = 0; w < kWarps; ++w) sum += warps[w];
  return sum;
}

NCE_DEVICE int64_t thread_of_grid() {
  return static_cast<int64_t>(blockIdx.x) * kThreads + static_cast<int64_t>(threadIdx.x);
}

template <typename T>
__global__ void __launch_bounds__(kThreads) normalise(NormaliseParams p) {
  const int64_t row = static_cast<int64_t>(blockIdx.x);
  const T* const x = static_cast<const T*>(p.x) + row * p.dim;
  T* const unit = static_cast<T*>(p.unit) + row * p.dim;
  float sum = 0.0f;
  for (int64_t d = threadIdx.x; d < p.dim; d += kThreads) {
    const float value = read(x + d);
    sum += value * value;
  }
  sum = block_sum(sum);
  const float inverse = sum > 0.0f ? 1.0f / std::sqrt(sum) : 0.0f;
  for (int64_t d = threadIdx.x; d < p.dim; d += kThreads) write(unit + d, read(x + d) * inverse);
  if (threadIdx.x == 0) p.inverse_norms[row] = inverse;
}

/// A thread has a column and visits rows, so that loads are coalesced and each exponential serves both sums.
__global__ void __launch_bounds__(kThreads) sum_block(SumBlockParams p) {
  float* const row_parts = reinterpret_cast<float*>(cuda::shared_memory());  // [kWarps][kSumRows]
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kSumColumns + thread;
  const int64_t first = static_cast<int64_t>(blockIdx.y) * kSumRows;
  const int64_t rows = p.rows - first < kSumRows ? p.rows - first : kSumRows;
  const int64_t global_column = p.first_column + column;
  float column_sum = 0.0f;
  for (int64_t r = 0; r < rows; ++r) {
    float e = 0.0f;
    if (column < p.columns) {
      const float s = p.similarities[(first + r) * p.pitch + column];
      if (p.first_row + first + r == global_column) {
        p.positives[global_column] = s;
      } else {
        e = cuda::exp2_approximate(s * p.scale - p.shift);
      }
    }
    column_sum += e;
    const float sum = warp_sum(e);
    if (thread % kWarp == 0) row_parts[(thread / kWarp) * kSumRows + r] = sum;
  }
  if (column < p.columns) {
    p.column_sums[(p.first_row / kSumRows + static_cast<int64_t>(blockIdx.y)) * p.n + global_column] = column_sum;
  }
  __syncthreads();
  if (thread < rows) {
    float sum = 0.0f;
    for (int w = 0; w < kWarps; ++w) sum += row_parts[w * kSumRows + thread];
    p.row_sums[(p.first_column / kSumColumns + static_cast<int64_t>(blockIdx.x)) * p.n + p.first_row + first + thread] =
        sum;
  }
}

__global__ void __launch_bounds__(kThreads) finish_sums(FinishSumsParams p) {
  const int64_t i = thread_of_grid();
  if (i >= p.n) return;
  double row = 0.0;
  double column = 0.0;
  for (int64_t t = 0; t < p.column_tiles; ++t) row += static_cast<double>(p.row_sums[t * p.n + i]);
  for (int64_t t = 0; t < p.row_tiles; ++t) column += static_cast<double>(p.column_sums[t * p.n + i]);
  const double positive = static_cast<double>(cuda::exp2_approximate(p.positives[i] * p.scale - p.shift));
  const double side = p.symmetric != 0 ? 0.5 : 1.0;
  const double tau_inverse = static_cast<double>(p.inverse_temperature);
  const double a = side * tau_inverse / (row + positive);
  const double b = p.symmetric != 0 ? side * tau_inverse / (column + positive) : 0.0;
  p.row_weights[i] = static_cast<float>(a);
  p.column_weights[i] = static_cast<float>(b);
  p.diagonal[i] = static_cast<float>(-(a * row + b * column));
  double loss = log1p(row / positive);
  if (p.symmetric != 0) loss = 0.5 * (loss + log1p(column / positive));
  p.losses[i] = loss;
}

__global__ void __launch_bounds__(kThreads) mean(MeanParams p) {
  double sum = 0.0;
  for (int64_t i = threadIdx.x; i < p.n; i += kThreads) sum += p.losses[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *p.loss = sum / static_cast<double>(p.n);
}

template <typename T>
__global__ void __launch_bounds__(kThreads) weigh_block(WeighBlockParams p) {
  const int64_t column = thread_of_grid();
  if (column >= p.columns) return;
  const float b = p.column_weights[p.first_column + column];
  const int64_t end = p.rows * (static_cast<int64_t>(blockIdx.y) + 1) / static_cast<int64_t>(gridDim.y);
  for (int64_t r = p.rows * static_cast<int64_t>(blockIdx.y) / static_cast<int64_t>(gridDim.y); r < end; ++r) {
    const int64_t row = p.first_row + r;
    const float e = cuda::exp2_approximate(p.similarities[r * p.pitch + column] * p.scale - p.shift);
    const float g = row == p.first_column + column ? p.diagonal[row] : e * (p.row_weights[row] + b);
    write(static_cast<T*>(p.gradient) + r * p.pitch + column, g);
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads) finish_gradient(FinishGradientParams p) {
  const int64_t row = static_cast<int64_t>(blockIdx.x);
  const float* const g = p.g + row * p.dim;
  const T* const unit = static_cast<const T*>(p.unit) + row * p.dim;
  T* const out = static_cast<T*>(p.out) + row * p.dim;
  float dot = 0.0f;
  for (int64_t d = threadIdx.x; d < p.dim; d += kThreads) dot += g[d] * read(unit + d);
  dot = block_sum(dot);
  const float factor = p.inverse_norms[row] * p.factor;
  for (int64_t d = threadIdx.x; d < p.dim; d += kThreads) write(out + d, (g[d] - dot * read(unit + d)) * factor);
}

/// In [-sqrt(3), sqrt(3)], so of variance 1.
NCE_DEVICE float noise_of(uint32_t seed, uint32_t index) {
  uint32_t h = index * 0x9E3779B9u + seed * 0x85EBCA6Bu;
  h = (h ^ (h >> 16)) * 0x7FEB352Du;
  h = (h ^ (h >> 15)) * 0x846CA68Bu;
  h ^= h >> 16;
  return (static_cast<float>(h >> 8) * 0x1p-24f - 0.5f) * 3.4641016f;
}

template <typename T>
__global__ void __launch_bounds__(kThreads) fill(FillParams p) {
  const int64_t i = thread_of_grid();
  if (i >= p.count) return;
  const uint32_t index = static_cast<uint32_t>(i);
  write(static_cast<T*>(p.x) + i, p.size * (noise_of(p.seed, index) + p.noise * noise_of(p.other_seed, index)));
}

dim3 grid_of(int64_t x, int64_t y = 1) { return {static_cast<unsigned>(x), static_cast<unsigned>(y), 1}; }
int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

constexpr int64_t kReduceBytes = kWarps * int64_t{sizeof(double)};

template <typename Params>
void launch_as(Element element, const cuda::Launch& how, void (*f32)(Params), void (*f16)(Params), void (*bf16)(Params),
               const Params& params) {
  cuda::launch(how, element == Element::kFloat32 ? f32 : element == Element::kFloat16 ? f16 : bf16, params);
}

}  // namespace

void launch_normalise(const NormaliseParams& params, Element element, cudaStream_t stream) {
  launch_as(element, {"normalise", grid_of(params.rows), kThreads, kReduceBytes, stream}, normalise<float>,
            normalise<Float16>, normalise<Bfloat16>, params);
}

void launch_sum_block(const SumBlockParams& params, cudaStream_t stream) {
  cuda::launch({"sum_block", grid_of(divide_up(params.columns, kSumColumns), divide_up(params.rows, kSumRows)),
                kThreads, kWarps * kSumRows * int64_t{sizeof(float)}, stream},
               sum_block, params);
}

void launch_finish_sums(const FinishSumsParams& params, cudaStream_t stream) {
  cuda::launch({"finish_sums", grid_of(divide_up(params.n, kThreads)), kThreads, 0, stream}, finish_sums, params);
}

void launch_mean(const MeanParams& params, cudaStream_t stream) {
  cuda::launch({"mean", grid_of(1), kThreads, kReduceBytes, stream}, mean, params);
}

void launch_weigh_block(const WeighBlockParams& params, Element element, cudaStream_t stream) {
  const dim3 grid = grid_of(divide_up(params.columns, kThreads), divide_up(params.rows, 64));
  launch_as(element, {"weigh_block", grid, kThreads, 0, stream}, weigh_block<float>, weigh_block<Float16>,
            weigh_block<Bfloat16>, params);
}

void launch_finish_gradient(const FinishGradientParams& params, Element element, cudaStream_t stream) {
  launch_as(element, {"finish_gradient", grid_of(params.rows), kThreads, kReduceBytes, stream}, finish_gradient<float>,
            finish_gradient<Float16>, finish_gradient<Bfloat16>, params);
}

void launch_fill(const FillParams& params, Element element, cudaStream_t stream) {
  launch_as(element, {"fill", grid_of(divide_up(params.count, kThreads)), kThreads, 0, stream}, fill<float>,
            fill<Float16>, fill<Bfloat16>, params);
}

}  // namespace nce::bench
