// What is done once an element of a gradient, after the products: two passes over a panel's sums.
#pragma once

#include <type_traits>

#include "cpu/dense/elements.h"
#include "cpu/dense/kernels.h"
#include "cpu/dense/tile/pack.h"
#include "cpu/dense/tile/similarity.h"

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
        for (int64_t k = 0; k < kCount; ++k) {
          const double* const row = from + (lane + k) * kBlock + d;
          rows[k] = load(row);
          __builtin_prefetch(row + kCount * kBlock);
        }
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

/// Vectors of doubles that a panel's row becomes.
template <typename Real>
constexpr int kWides = kWidth<Real> / kWideLanes;

/// kWideLanes numbers of the panel's row of dimension d, from lane l on, as doubles.
template <typename Real>
[[gnu::always_inline]] inline Wide panel_wide(const Real* panel, int64_t d, int l) {
  if constexpr (kWordElements == 1) {
    return widened(panel + d * kWidth<Real> + l);
  } else {
    Real row[kLanes<Real>];
    store<Real>(row, panel_row(panel, d, l / kLanes<Real>));
    return widened(row + l % kLanes<Real>);
  }
}

/// Adds up groups and the positive's share; along[l] = <sums, x> if `unit`. Prefetches by hand: each stream is too
/// short for the hardware to recognise it.
template <typename Real>
void collect(const FinishTask<Real>& task, double (&along)[kWidth<Real>]) {
  constexpr int64_t kSide = kWidth<Real>;
  constexpr int64_t kAhead = 6 * kSide;
  constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(Real));
  const auto fetch = [](const Real* row) {
    for (int64_t l = 0; l < kSide; l += kLine) __builtin_prefetch(row + l + kAhead);
  };
  if (task.row_blocks != nullptr) gather_row_blocks(task);
  Wide along_x[kWides<Real>] = {};
  for (int64_t d = 0; d < task.dim; ++d) {
    double* const sums = task.sums + d * kSide;
    Wide sum[kWides<Real>] = {};
    if (task.row_blocks != nullptr) {
#pragma GCC unroll 12
      for (int w = 0; w < kWides<Real>; ++w) sum[w] = load(sums + w * kWideLanes);
    }
    for (int64_t g = 0; g < task.group_count; ++g) {
      const Real* const group = task.groups + g * task.group_stride + d * kSide;
      fetch(group);
#pragma GCC unroll 12
      for (int w = 0; w < kWides<Real>; ++w) sum[w] += widened(group + w * kWideLanes);
    }
#pragma GCC unroll 12
    for (int w = 0; w < kWides<Real>; ++w) sum[w] *= load(task.sum_factors + w * kWideLanes);
    if (task.positives != nullptr) {
      fetch(task.positives + d / kWordElements * kSide);
#pragma GCC unroll 12
      for (int w = 0; w < kWides<Real>; ++w) {
        sum[w] += load(task.positive_coefficients + w * kWideLanes) * panel_wide(task.positives, d, w * kWideLanes);
      }
    }
    if (task.unit) {
      fetch(task.x + d / kWordElements * kSide);
#pragma GCC unroll 12
      for (int w = 0; w < kWides<Real>; ++w) along_x[w] += sum[w] * panel_wide(task.x, d, w * kWideLanes);
    }
#pragma GCC unroll 12
    for (int w = 0; w < kWides<Real>; ++w) store<double>(sums + w * kWideLanes, sum[w]);
  }
#pragma GCC unroll 12
  for (int w = 0; w < kWides<Real>; ++w) store<double>(along + w * kWideLanes, along_x[w]);
}

/// What `count` dimensions from d on of kLanes rows hold, from `lane` on: held[k] are the rows' of dimension d + k.
template <typename Real, typename Element>
[[gnu::always_inline]] inline void read_block(const FinishTask<Real>& task, int lane, int64_t d, int64_t count,
                                              Real (&held)[kLanes<Real>][kLanes<Real>]) {
  for (int64_t r = 0; r < kLanes<Real>; ++r) {
    const auto* const from = static_cast<const Element*>(task.to[lane + r]);
    for (int64_t k = 0; k < kLanes<Real>; ++k) {
      held[k][r] = from == nullptr || k >= count ? Real{0} : static_cast<Real>(from[d + k]);
    }
  }
}

/// Rows of `count` dimensions from d on, kLanes of them from `lane` on, without what lies along x.
template <typename Real, typename Element, bool kAdd, bool kWhole>
[[gnu::always_inline]] inline void write_block(const FinishTask<Real>& task, const double (&along)[kWidth<Real>],
                                               int lane, int64_t d, int64_t count, Int<Real>& beyond) {
  const Vec<Real> overflow = broadcast(static_cast<Real>(task.overflow));
  Vec<Real> rows[kLanes<Real>];
  Real held[kLanes<Real>][kLanes<Real>];
  if constexpr (kAdd) read_block<Real, Element>(task, lane, d, count, held);
#pragma GCC unroll 16
  for (int64_t k = 0; k < kLanes<Real>; ++k) {
    const int64_t dimension = kWhole || k < count ? d + k : d;
    rows[k] = narrowed<Real>([&](int l) {
      const Wide sum = load(task.sums + dimension * kWidth<Real> + lane + l);
      const Wide part = sum - load(along + lane + l) * panel_wide(task.x, dimension, lane + l);
      // Two steps, since 1 / |x| alone may overflow.
      const Wide gradient = part * load(task.factors + lane + l) * load(task.scales + lane + l);
      if constexpr (kAdd) return widened(held[k] + l) + gradient;
      return gradient;
    });
  }
  transpose<Real>(rows);
#pragma GCC unroll 16
  for (int64_t r = 0; r < kLanes<Real>; ++r) {
    auto* const to = static_cast<Element*>(task.to[lane + r]);
    if (to == nullptr) continue;
    beyond |= !((rows[r] < Real{0} ? -rows[r] : rows[r]) < overflow);  // also where it is no number
    fetch_to_write(to + d + kLanes<Real>);
    if constexpr (kWhole && std::is_same_v<Element, Real>) {
      store<Real>(to + d, rows[r]);
    } else {
      Real numbers[kLanes<Real>];
      store<Real>(numbers, rows[r]);
      for (int64_t l = 0; l < count; ++l) to[d + l] = static_cast<Element>(static_cast<Written<Element>>(numbers[l]));
    }
  }
}

template <typename Real, typename Element, bool kAdd>
bool write_rows(const FinishTask<Real>& task, const double (&along)[kWidth<Real>]) {
  Int<Real> beyond{};
  for (int64_t d = 0; d < task.dim; d += kLanes<Real>) {
    const int64_t left = task.dim - d;
    for (int lane = 0; lane < kWidth<Real>; lane += kLanes<Real>) {
      if (left >= kLanes<Real>) {
        write_block<Real, Element, kAdd, true>(task, along, lane, d, kLanes<Real>, beyond);
      } else {
        write_block<Real, Element, kAdd, false>(task, along, lane, d, left, beyond);
      }
    }
  }
  return any<Real>(beyond);
}

template <typename Real, typename Element>
bool write_rows(const FinishTask<Real>& task, const double (&along)[kWidth<Real>]) {
  return task.add ? write_rows<Real, Element, true>(task, along) : write_rows<Real, Element, false>(task, along);
}

template <typename Real>
bool finish(const FinishTask<Real>& task) {
  double along[kWidth<Real>] = {};
  collect(task, along);
  for (int64_t l = 0; l < kWidth<Real>; ++l) {
    if (task.euclidean) along[l] = task.g_sums[l] + task.positive_coefficients[l];
    along[l] *= task.x_squared_factors[l];
  }
  switch (task.dtype) {
    case NCE_DTYPE_FLOAT64:
      return write_rows<Real, double>(task, along);
    case NCE_DTYPE_FLOAT16:
      return write_rows<Real, Float16>(task, along);
    case NCE_DTYPE_BFLOAT16:
      return write_rows<Real, BFloat16>(task, along);
    case NCE_DTYPE_FLOAT32:
      return write_rows<Real, float>(task, along);
  }
  return false;
}

}  // namespace nce::cpu::dense::NCE_TILE_ISA
