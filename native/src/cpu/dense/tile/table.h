// The kernels of one instruction set.
#pragma once

#include "cpu/dense/tile/forward.h"
#include "cpu/dense/tile/gradient.h"

namespace nce::cpu::dense::NCE_TILE_ISA {

template <typename Real>
constexpr Kernels<Real> make_kernels(const char* name, double largest_bounded_logit) {
  constexpr int64_t kSide = kWidth<Real>;
  return {name,
          kSide,
          kSlice<Real>,
          kSide * kSide + ColumnLanes<Real>::kSize,
          kGroup<Real> * kSide * kSide,
          largest_bounded_logit,
          &diagonal<Real>,
          &forward<Real>,
          &gradient<Real>};
}

}  // namespace nce::cpu::dense::NCE_TILE_ISA
