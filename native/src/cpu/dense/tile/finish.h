// What is done once an element of a gradient, after the products: two passes over a panel's sums.
#pragma once

#include <type_traits>

#include "cpu/dense/elements.h"
#include "cpu/dense/kernels.h"
#include "cpu/dense/tile/pack.h"

namespace nce::cpu::dense::NCE_TILE_ISA {

/// What a number is rounded to before it becomes an element.
template <typename Element>
using Written = std::conditional_t<sizeof(Element) == 2, float, Element>;

/// sums[d][l] from row blocks.
template <typename Real>
void gather_row_blocks(const FinishTask<Real>& task) {
  constexpr int64_t kSide = kWidth<Real>;
  constexpr int64_t kBlock = kRowBlock<Real>;
  constexpr int64_t kCount = kWideLanes;
  const double* from = task.row_blocks;
  for (int64_t first = 0; first < task.dim; first += kBlock, from += kSide * kBlock) {
    for (int64_t lane = 0; lane < kSide; lane += kCount) {
      for (int64_t d = 0; d < kBlock && first + d < task.dim; d += kCount) {
        Vec<double> rows[kWideLanes];
#pragma GCC unroll 8
        for (int64_t k = 0; k < kCount; ++k) rows[k] = load(from + (lane + k) * kBlock + d);
        transpose<double>(rows);
        const int64_t count = task.dim - first - d;
#pragma GCC unroll 8
        for (int64_t k = 0; k < kCount; ++k) {
          if (k < count) store<double>(task.sums + (first + d + k) * kSide + lane, rows[k]);
        }
      }
    }
  }
}

/// A panel's row of dimension d as doubles.
template <typename Real>
[[gnu::always_inline]] inline void widen_row(const Real* panel, int64_t d, double (&to)[kWidth<Real>]) {
  Real numbers[kWidth<Real>];
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) store<Real>(numbers + v * kLanes<Real>, panel_row(panel, d, v));
  for (int l = 0; l < kWidth<Real>; ++l) to[l] = static_cast<double>(numbers[l]);
}

/// Adds up groups and the positive's share; along[l] = <sums, x> if `unit`.
template <typename Real>
void collect(const FinishTask<Real>& task, double (&along)[kWidth<Real>]) {
  constexpr int64_t kSide = kWidth<Real>;
  if (task.row_blocks != nullptr) gather_row_blocks(task);
  for (int64_t d = 0; d < task.dim; ++d) {
    double sum[kWidth<Real>] = {};
    double* const sums = task.sums + d * kSide;
    if (task.row_blocks != nullptr) {
      for (int64_t l = 0; l < kSide; ++l) sum[l] = sums[l];
    }
    for (int64_t g = 0; g < task.group_count; ++g) {
      const Real* const group = task.groups + g * task.group_stride + d * kSide;
      for (int64_t l = 0; l < kSide; ++l) sum[l] += static_cast<double>(group[l]);
    }
    for (int64_t l = 0; l < kSide; ++l) sum[l] *= task.sum_factors[l];
    double numbers[kWidth<Real>];
    if (task.positives != nullptr) {
      widen_row(task.positives, d, numbers);
      for (int64_t l = 0; l < kSide; ++l) sum[l] += task.positive_weights[l] * numbers[l];
    }
    if (task.unit) {
      widen_row(task.x, d, numbers);
      for (int64_t l = 0; l < kSide; ++l) along[l] += sum[l] * numbers[l];
    }
    for (int64_t l = 0; l < kSide; ++l) sums[l] = sum[l];
  }
}

/// Rows of kLanes dimensions from d on, kLanes of them from `lane` on, without what lies along x.
template <typename Real, typename Element>
[[gnu::always_inline]] inline void write_block(const FinishTask<Real>& task, const double (&along)[kWidth<Real>],
                                               int64_t lane, int64_t d) {
  constexpr int64_t kSide = kWidth<Real>;
  const int64_t count = task.dim - d < kLanes<Real> ? task.dim - d : kLanes<Real>;
  const bool has_along = task.unit || task.euclidean;
  Vec<Real> rows[kLanes<Real>];
#pragma GCC unroll 16
  for (int64_t k = 0; k < kLanes<Real>; ++k) {
    const int64_t dimension = k < count ? d + k : d;
    const double* const sums = task.sums + dimension * kSide + lane;
    Real x[kLanes<Real>] = {};
    if (has_along) store<Real>(x, panel_row(task.x, dimension, static_cast<int>(lane) / kLanes<Real>));
    rows[k] = narrowed<Real>([&](int l) {
      typename Narrow<Real>::Vec numbers;
      __builtin_memcpy(&numbers, x + l, sizeof numbers);
      const Wide part = load(sums + l) - load(along + lane + l) * __builtin_convertvector(numbers, Wide);
      // Two steps, since 1 / |x| alone may overflow.
      return part * load(task.factors + lane + l) * load(task.scales + lane + l);
    });
  }
  transpose<Real>(rows);
#pragma GCC unroll 16
  for (int64_t r = 0; r < kLanes<Real>; ++r) {
    auto* const to = static_cast<Element*>(task.to[lane + r]);
    if (to == nullptr) continue;
    Real numbers[kLanes<Real>];
    store<Real>(numbers, rows[r]);
    if (count == kLanes<Real>) {
      for (int64_t l = 0; l < kLanes<Real>; ++l)
        to[d + l] = static_cast<Element>(static_cast<Written<Element>>(numbers[l]));
    } else {
      for (int64_t l = 0; l < count; ++l) to[d + l] = static_cast<Element>(static_cast<Written<Element>>(numbers[l]));
    }
  }
}

template <typename Real, typename Element>
void write_rows(const FinishTask<Real>& task, const double (&along)[kWidth<Real>]) {
  for (int64_t d = 0; d < task.dim; d += kLanes<Real>) {
    for (int64_t lane = 0; lane < kWidth<Real>; lane += kLanes<Real>) write_block<Real, Element>(task, along, lane, d);
  }
}

template <typename Real>
void finish(const FinishTask<Real>& task) {
  double along[kWidth<Real>] = {};
  collect(task, along);
  for (int64_t l = 0; l < kWidth<Real>; ++l) {
    if (task.euclidean) along[l] = task.weight_sums[l] + task.positive_weights[l];
    along[l] *= task.x_squared_factors[l];
  }
  switch (task.dtype) {
    case NCE_DTYPE_FLOAT64:
      return write_rows<Real, double>(task, along);
    case NCE_DTYPE_FLOAT16:
      return write_rows<Real, Float16>(task, along);
    case NCE_DTYPE_BFLOAT16:
      return write_rows<Real, BFloat16>(task, along);
    default:
      return write_rows<Real, float>(task, along);
  }
}

}  // namespace nce::cpu::dense::NCE_TILE_ISA
