#define NCE_TILE_ISA tiles_avx512_bf16
#define NCE_TILE_BYTES 64
#define NCE_TILE_BFLOAT16X2
#include "cpu/dense/tile/table.h"

namespace nce::cpu::dense {

const Kernels<float>& kernels_avx512_bf16() {
  static constexpr Kernels<float> kTable = tiles_avx512_bf16::make_kernels<float>("avx512_bf16", 32.0);
  return kTable;
}

}  // namespace nce::cpu::dense
