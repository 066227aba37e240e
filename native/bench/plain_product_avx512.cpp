#if defined(__x86_64__)
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma")
#define NCE_TILE_ISA plain_product_avx512
#define NCE_TILE_BYTES 64
#include "cpu/dense/tile/product.h"
#endif
#include "plain_product_kernels.h"

namespace nce::bench {
namespace {

#if defined(__x86_64__)
namespace tiles = nce::cpu::dense::plain_product_avx512;

template <typename Real>
void multiply(const Real* y, const Real* x, int64_t count, int64_t dim, Real* tile) {
  const int64_t stride = dim * tiles::kWidth<Real>;
  for (int64_t j = 0; j < count; ++j) {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t next = i + 1 < count ? i + 1 : 0;
      tiles::multiply_panels<Real>(y + j * stride, x + i * stride, dim, tiles::kWidth<Real>, y + j * stride,
                                   x + next * stride, tile);
    }
  }
}

template <typename Real>
ProductKernel<Real> kernel(nce_isa isa) {
  if (isa != NCE_ISA_AVX512) return {};
  return {tiles::kWidth<Real>, &multiply<Real>};
}
#else
template <typename Real>
ProductKernel<Real> kernel(nce_isa) {
  return {};
}
#endif

}  // namespace

ProductKernel<float> product_kernel_single(nce_isa isa) { return kernel<float>(isa); }
ProductKernel<double> product_kernel_double(nce_isa isa) { return kernel<double>(isa); }

}  // namespace nce::bench
