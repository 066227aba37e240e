#define NCE_TILE_ISA tiles_avx2
#define NCE_TILE_BYTES 32
#include "cpu/dense/tile/table.h"

namespace nce::cpu::dense {

template <>
const Kernels<float>& kernels_avx2<float>() {
  static constexpr Kernels<float> kTable = tiles_avx2::make_kernels<float>("avx2", 32.0);
  return kTable;
}

template <>
const Kernels<double>& kernels_avx2<double>() {
  static constexpr Kernels<double> kTable = tiles_avx2::make_kernels<double>("avx2", 650.0);
  return kTable;
}

}  // namespace nce::cpu::dense
