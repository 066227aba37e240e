// What is done once an element of a gradient, after the products.
#pragma once

#include "cpu/dense/kernels.h"
#include "cpu/dense/tile/vectors.h"

namespace nce::cpu::dense::NCE_TILE_ISA {

template <typename Real>
void add_groups(const Real* from, int64_t stride, int64_t groups, int64_t count, double* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = static_cast<double>(from[i]);
  for (int64_t g = 1; g < groups; ++g) {
    const Real* const group = from + g * stride;
    for (int64_t i = 0; i < count; ++i) to[i] += static_cast<double>(group[i]);
  }
}

template <typename Real>
void finish(const FinishTask<Real>& task) {
  constexpr int64_t kSide = kWidth<Real>;
  double weights[kWidth<Real>] = {};
  double along[kWidth<Real>] = {};
  if (task.positives != nullptr) {
    for (int64_t l = 0; l < kSide; ++l) weights[l] = task.positive_weights[l];
  }
  for (int64_t d = 0; d < task.dim; ++d) {
    double* const sums = task.sums + d * kSide;
    if (task.positives != nullptr) {
      const Real* const positives = task.positives + d * kSide;
      for (int64_t l = 0; l < kSide; ++l) sums[l] += weights[l] * static_cast<double>(positives[l]);
    }
    if (task.unit) {
      const Real* const x = task.x + d * kSide;
      for (int64_t l = 0; l < kSide; ++l) along[l] += sums[l] * static_cast<double>(x[l]);
    }
  }
  if (task.euclidean) {
    for (int64_t l = 0; l < kSide; ++l) along[l] = task.weight_sums[l] + weights[l];
  }
  if (!task.unit && !task.euclidean) return;
  for (int64_t d = 0; d < task.dim; ++d) {
    double* const sums = task.sums + d * kSide;
    const Real* const x = task.x + d * kSide;
    for (int64_t l = 0; l < kSide; ++l) sums[l] -= along[l] * static_cast<double>(x[l]);
  }
}

}  // namespace nce::cpu::dense::NCE_TILE_ISA
