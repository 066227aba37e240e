#include "cpu/rowwise/row_kernels.h"

namespace nce::cpu {

template <typename T>
const RowKernels<T>& row_kernels([[maybe_unused]] nce_isa isa) {
#if defined(__x86_64__)
#if !defined(NCE_WITHOUT_AVX512)
  if (isa == NCE_ISA_AVX512) return avx512::row_kernels<T>();
#endif
  if (isa == NCE_ISA_AVX2) return avx2::row_kernels<T>();
#endif
  return portable::row_kernels<T>();
}

template const RowKernels<float>& row_kernels<float>(nce_isa isa);
template const RowKernels<double>& row_kernels<double>(nce_isa isa);

}  // namespace nce::cpu
