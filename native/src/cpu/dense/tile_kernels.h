#pragma once
// The tile kernels of an instruction set that this processor has.

#include "cpu/dense/kernels.h"
#include "cpu/processor.h"

namespace nce::cpu::dense {

template <typename Real>
const Kernels<Real>& tile_kernels(nce_isa isa) {
#if defined(__x86_64__)
#if !defined(NCE_WITHOUT_AVX512)
  if (isa == NCE_ISA_AVX512) return kernels_avx512<Real>();
#endif
  if (isa == NCE_ISA_AVX2) return kernels_avx2<Real>();
#else
  (void)isa;
#endif
  return kernels_portable<Real>();
}

}  // namespace nce::cpu::dense
