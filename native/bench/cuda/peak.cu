#include "bench/cuda/measure.h"
#include "bench/cuda/peak.h"
#include "cuda/launch.h"
#include "cuda/primitives.cuh"

namespace nce::bench {
namespace {

constexpr int kThreads = 256;
constexpr int kBlocksAMultiprocessor = 2;
constexpr int kChains = 8;  // independent, so that latency is hidden
constexpr int kSteps = 4096;
constexpr int64_t kCopyBytes = int64_t{512} << 20;

struct PeakParams {
  float* sink;
};

/// Halves of both signs in [1/2, 1): zeros would draw less power than data do, and run at higher clocks.
NCE_DEVICE uint32_t two_halves(uint32_t seed) {
  seed = (seed ^ (seed >> 16)) * 0x7FEB352Du;
  seed = (seed ^ (seed >> 15)) * 0x846CA68Bu;
  return (seed & 0x83FF83FFu) | 0x38003800u;
}

__global__ void __launch_bounds__(kThreads, kBlocksAMultiprocessor) tensor_peak(PeakParams p) {
  const uint32_t thread = blockIdx.x * kThreads + threadIdx.x;
  uint32_t a[4];
  uint32_t b[2];
  float d[kChains][4] = {};
  NCE_UNROLL
  for (uint32_t i = 0; i < 4; ++i) a[i] = two_halves(8 * thread + i);
  NCE_UNROLL
  for (uint32_t i = 0; i < 2; ++i) b[i] = two_halves(8 * thread + 4 + i);
  NCE_NO_UNROLL
  for (int step = 0; step < kSteps; ++step) {
    NCE_UNROLL
    for (int chain = 0; chain < kChains; ++chain) cuda::multiply_add<cuda::Float16>(d[chain], a, b);
  }
  float sum = 0.0f;
  NCE_UNROLL
  for (int chain = 0; chain < kChains; ++chain) sum += d[chain][0] + d[chain][1] + d[chain][2] + d[chain][3];
  // Never so, which the compiler cannot know.
  if (sum == 12345.678f) *p.sink = sum;
}

__global__ void __launch_bounds__(kThreads, kBlocksAMultiprocessor) float_peak(PeakParams p) {
  const float thread = static_cast<float>(threadIdx.x + 1);
  float d[2 * kChains];
  NCE_UNROLL
  for (int chain = 0; chain < 2 * kChains; ++chain) d[chain] = thread * static_cast<float>(chain + 1);
  const float factor = 1.0f - thread * 0x1p-20f;
  NCE_NO_UNROLL
  for (int step = 0; step < kSteps; ++step) {
    NCE_UNROLL
    for (int unrolled = 0; unrolled < 4; ++unrolled) {
      NCE_UNROLL
      for (int chain = 0; chain < 2 * kChains; ++chain) d[chain] = d[chain] * factor + thread;
    }
  }
  float sum = 0.0f;
  NCE_UNROLL
  for (int chain = 0; chain < 2 * kChains; ++chain) sum += d[chain];
  if (sum == 12345.678f) *p.sink = sum;
}

struct Stated {
  const char* name;  ///< part of the device's name; the first that fits counts
  double teraflops;
};

/// From the makers' data sheets: dense, 16-bit elements, float sums. GeForce cards sum in float at half their tensor
/// rate.
constexpr Stated kStated[] = {
    {"GB200", 2500},     {"B200", 2250},     {"H200", 989.4},     {"GH200", 989.4},    {"H100 PCIe", 756.5},
    {"H100 NVL", 835.5}, {"H100", 989.4},    {"H800", 989.4},     {"A100", 312},       {"A800", 312},
    {"A30", 165},        {"A40", 149.7},     {"A10G", 70},        {"A10", 125},        {"RTX A6000", 154.8},
    {"L40S", 362},       {"L40", 181},       {"L4", 121},         {"RTX 5090", 209.5}, {"RTX 5080", 112.6},
    {"RTX 4090", 165.2}, {"RTX 4080", 97.5}, {"RTX 3090 Ti", 80}, {"RTX 3090", 71},    {"RTX 3080", 59.5},
    {"T4", 65},
};

}  // namespace

Peaks measure_peaks(int32_t multiprocessors, int32_t compute_capability, cudaStream_t stream) {
  const DeviceMemory memory(2 * kCopyBytes);
  const PeakParams params{static_cast<float*>(memory.data())};
  const dim3 grid(static_cast<unsigned>(multiprocessors * kBlocksAMultiprocessor));
  const double warps = static_cast<double>(grid.x) * kThreads / 32.0;
  Peaks peaks;
  const auto rate = [&](double work, const std::function<void(int)>& enqueue) {
    return work / measure(enqueue, 1, stream, 0.3).median * 1e-12;
  };
  if (compute_capability >= 80) {
    peaks.tensor = rate(warps * kSteps * kChains * 2.0 * 16 * 8 * 16, [&](int) {
      cuda::launch({"tensor_peak", grid, kThreads, 0, stream}, tensor_peak, params);
    });
  }
  peaks.float32 = rate(warps * 32 * kSteps * 4.0 * 2 * kChains * 2, [&](int) {
    cuda::launch({"float_peak", grid, kThreads, 0, stream}, float_peak, params);
  });
  std::byte* const half = static_cast<std::byte*>(memory.data());
  peaks.copy = rate(2.0 * static_cast<double>(kCopyBytes), [&](int) {
    cuda::check(cudaMemcpyAsync(half + kCopyBytes, half, static_cast<std::size_t>(kCopyBytes), cudaMemcpyDeviceToDevice,
                                stream),
                "cudaMemcpyAsync");
  });
  return peaks;
}

double stated_tensor_peak(const std::string& device_name) {
  for (const Stated& stated : kStated) {
    if (device_name.find(stated.name) != std::string::npos) return stated.teraflops;
  }
  return 0.0;
}

}  // namespace nce::bench
