// The caller's rows as tiles read them: planes of 16-bit elements, float or double, padded with zeros.

#include <cstring>

#include "cuda/dense/rows.cuh"
#include "cuda/reduce.cuh"

namespace nce::cuda::dense {
namespace {

/// The 16 bytes that a thread writes at once. Indices are known when loops are unrolled, so all stays in registers.
struct Chunk {
  uint32_t words[4];

  NCE_DEVICE void set(int k, Float16 x) { words[k / 2] |= static_cast<uint32_t>(x.bits) << (k % 2 * 16); }
  NCE_DEVICE void set(int k, Bfloat16 x) { words[k / 2] |= static_cast<uint32_t>(x.bits) << (k % 2 * 16); }
  NCE_DEVICE void set(int k, float x) { words[k] = __float_as_uint(x); }
  NCE_DEVICE void set(int k, double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    words[2 * k] = static_cast<uint32_t>(bits);
    words[2 * k + 1] = static_cast<uint32_t>(bits >> 32);
  }
  NCE_DEVICE void store(void* to) const {
    *static_cast<uint4*>(to) = make_uint4(words[0], words[1], words[2], words[3]);
  }
};

template <Arithmetic kArithmetic>
__global__ void pack_rows(const PackParams p) {
  using Element = typename Packed<kArithmetic>::Element;
  constexpr int kChunk = 16 / static_cast<int>(sizeof(Element));
  if (!concerns(p.call, p.method)) return;
  const int64_t chunks = p.pitch / kChunk;
  const int64_t at = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (at >= p.allocated * chunks) return;
  const int64_t row = at / chunks;
  const int64_t d = at % chunks * kChunk;
  Chunk high{};
  Chunk low{};
  RowFactors factors{0.0, 0.0, 0.0};
  if (row < p.count) {
    factors = row_factors<kArithmetic>(p.packing, p.norms, row);
    const void* const from = row_of(p.rows, row);
    NCE_UNROLL
    for (int k = 0; k < kChunk; ++k) {
      if (d + k >= p.dim) continue;
      double x = element(from, p.rows.dtype, d + k);
      if (p.center != nullptr) x -= p.center[d + k];
      const PackedElement<kArithmetic> packed(x, factors);
      high.set(k, packed.high);
      low.set(k, packed.low);
    }
  }
  auto* const planes = static_cast<Element*>(p.planes) + row * p.pitch + d;
  high.store(planes);
  if (p.plane_count == 2) low.store(planes + p.plane_stride);
  if (d != 0) return;
  if (p.scales != nullptr) p.scales[row] = static_cast<float>(factors.scale);
  if (p.relative != nullptr) {
    const double largest = p.packing == Packing::kPower ? power_of_two(row_exponent(p.range->largest)) : 1.0;
    p.relative[row] = static_cast<float>(factors.scale / largest);
  }
  if (row < p.count) return;
  if (p.squares != nullptr) {
    static_cast<typename Packed<kArithmetic>::Real*>(p.squares)[row] = 0;
  }
}

__global__ void fit_scales(const FitScalesParams p) {
  const int64_t i = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (!concerns(p.call, p.method) || i >= p.allocated) return;
  const double square = i < p.count ? p.squares[i] : 0.0;
  p.scales[i] = square > 0.0 ? static_cast<float>(1.0 / std::sqrt(square)) : 0.0f;
}

__global__ void narrow_squares(const NarrowParams p) {
  const int64_t i = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (concerns(p.call, p.method) && i < p.count) p.out[i] = static_cast<float>(p.in[i]);
}

}  // namespace

void launch_pack(const PackParams& params, Arithmetic arithmetic, cudaStream_t stream) {
  const int64_t threads = params.allocated * (params.pitch * element_bytes(arithmetic) / 16);
  if (threads == 0) return;
  const Launch how{"pack_rows", blocks_of(threads, kBlockThreads), kBlockThreads, 0, stream};
  switch (arithmetic) {
    case Arithmetic::kTensorFloat16:
      return launch(how, pack_rows<Arithmetic::kTensorFloat16>, params);
    case Arithmetic::kTensorBfloat16:
      return launch(how, pack_rows<Arithmetic::kTensorBfloat16>, params);
    case Arithmetic::kFloat32:
      return launch(how, pack_rows<Arithmetic::kFloat32>, params);
    case Arithmetic::kFloat64:
      return launch(how, pack_rows<Arithmetic::kFloat64>, params);
  }
}

void launch_fit_scales(const FitScalesParams& params, cudaStream_t stream) {
  if (params.allocated == 0) return;
  launch({"fit_scales", blocks_of(params.allocated, kBlockThreads), kBlockThreads, 0, stream}, fit_scales, params);
}

void launch_narrow(const NarrowParams& params, cudaStream_t stream) {
  if (params.count == 0) return;
  launch({"narrow_squares", blocks_of(params.count, kBlockThreads), kBlockThreads, 0, stream}, narrow_squares, params);
}

}  // namespace nce::cuda::dense
