#define NCE_TILE_ISA tiles_avx512
#define NCE_TILE_BYTES 64
#include "cpu/dense/tile/table.h"

namespace nce::cpu::dense {

template <>
const Kernels<float>& kernels_avx512<float>() {
  static constexpr Kernels<float> kTable = tiles_avx512::make_kernels<float>("avx512", 32.0);
  return kTable;
}

template <>
const Kernels<double>& kernels_avx512<double>() {
  static constexpr Kernels<double> kTable = tiles_avx512::make_kernels<double>("avx512", 650.0);
  return kTable;
}

}  // namespace nce::cpu::dense
