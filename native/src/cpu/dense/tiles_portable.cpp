#define NCE_TILE_ISA tiles_portable
#define NCE_TILE_BYTES 16
#include "cpu/dense/tile/table.h"

namespace nce::cpu::dense {

template <>
const Kernels<float>& kernels_portable<float>() {
  static constexpr Kernels<float> kTable = tiles_portable::make_kernels<float>("portable", 32.0);
  return kTable;
}

template <>
const Kernels<double>& kernels_portable<double>() {
  static constexpr Kernels<double> kTable = tiles_portable::make_kernels<double>("portable", 650.0);
  return kTable;
}

}  // namespace nce::cpu::dense
