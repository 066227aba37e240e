// The kernels of one instruction set.
#pragma once

#include "cpu/dense/tile/finish.h"
#include "cpu/dense/tile/forward.h"
#include "cpu/dense/tile/gradient.h"
#include "cpu/dense/tile/mined.h"
#include "cpu/dense/tile/pack.h"

namespace nce::cpu::dense::NCE_TILE_ISA {

template <typename Real>
constexpr Kernels<Real> make_kernels(const char* name, double largest_bounded_logit) {
  constexpr int64_t kSide = kWidth<Real>;
  return {name,
          kSide,
          kSlice<Real>,
          kWordElements,
          kSide * kSide + ColumnLanes<Real>::kSize,
          kGradientScratch<Real>,
          kGroup<Real>,
          kRowBlock<Real>,
          largest_bounded_logit,
          &diagonal<Real>,
          &near_distances<Real>,
          &forward<Real>,
          &gradient<Real>,
          &pack<Real>,
          &row_blocks<Real>,
          &finish<Real>,
          kMinedKernels<Real>.distances,
          kMinedKernels<Real>.extremes,
          kMinedKernels<Real>.meet,
          kMinedKernels<Real>.weigh};
}

}  // namespace nce::cpu::dense::NCE_TILE_ISA
