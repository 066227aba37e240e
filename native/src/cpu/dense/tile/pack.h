// Packing rows into a panel: conversion, division by the norm, and the transposition, in registers.
#pragma once

#include "cpu/dense/elements.h"
#include "cpu/dense/kernels.h"
#include "cpu/dense/tile/product.h"

namespace nce::cpu::dense::NCE_TILE_ISA {

/// Fetches a line for writing: other cores hold copies of what the last call left there, which must be invalidated
/// first.
[[gnu::always_inline]] inline void fetch_to_write(const void* line) { __builtin_prefetch(line, 1); }

/// Swaps what lies across the diagonal of squares of kHalf: lanes c + kHalf of row r with lanes c of row r + kHalf.
template <typename Real, int kHalf>
[[gnu::always_inline]] inline void exchange(Vec<Real> (&rows)[kLanes<Real>]) {
  using Index = typename Simd<Real>::Index;
  Int<Real> low{};
  Int<Real> high{};
#pragma GCC unroll 16
  for (int l = 0; l < kLanes<Real>; ++l) {
    const bool upper = (l & kHalf) != 0;
    low[l] = static_cast<Index>(upper ? kLanes<Real> + l - kHalf : l);
    high[l] = static_cast<Index>(upper ? kLanes<Real> + l : l + kHalf);
  }
#pragma GCC unroll 16
  for (int r = 0; r < kLanes<Real>; ++r) {
    if ((r & kHalf) != 0) continue;
    const Vec<Real> a = rows[r];
    const Vec<Real> b = rows[r + kHalf];
    rows[r] = shuffled<Real>(a, b, low);
    rows[r + kHalf] = shuffled<Real>(a, b, high);
  }
}

template <typename Real>
[[gnu::always_inline]] inline void transpose(Vec<Real> (&rows)[kLanes<Real>]) {
  if constexpr (kLanes<Real> >= 16) exchange<Real, 8>(rows);
  if constexpr (kLanes<Real> >= 8) exchange<Real, 4>(rows);
  if constexpr (kLanes<Real> >= 4) exchange<Real, 2>(rows);
  exchange<Real, 1>(rows);
}

/// kLanes numbers, divided by the row's norm in double.
template <typename Real, typename Number>
[[gnu::always_inline]] inline Vec<Real> scaled_lanes(const Number* from, double scale, double inverse) {
  return narrowed<Real>([=](int l) {
    typename Narrow<Number>::Vec numbers;
    __builtin_memcpy(&numbers, from + l, sizeof numbers);
    return __builtin_convertvector(numbers, Wide) * scale * inverse;
  });
}

/// kLanes numbers less the center's, in double.
template <typename Real, typename Number>
[[gnu::always_inline]] inline Vec<Real> centered_lanes(const Number* from, const double* center) {
  return narrowed<Real>([=](int l) {
    typename Narrow<Number>::Vec numbers;
    __builtin_memcpy(&numbers, from + l, sizeof numbers);
    return __builtin_convertvector(numbers, Wide) - load(center + l);
  });
}

/// kLanes elements of a row, from element `first` on, as a panel has them.
template <typename Real, typename Element>
[[gnu::always_inline]] inline Vec<Real> packed_lanes(const PackTask<Real>& task, int64_t row, int64_t first,
                                                     const Element* from) {
  if constexpr (sizeof(Element) == 2) {
    float numbers[kLanes<Real>];
    for (int l = 0; l < kLanes<Real>; ++l) numbers[l] = static_cast<float>(from[l]);
    return packed_lanes<Real, float>(task, row, first, numbers);
  } else {
    if (task.unit) return scaled_lanes<Real, Element>(from, task.scales[row], task.inverses[row]);
    if (task.center != nullptr) return centered_lanes<Real, Element>(from, task.center + first);
    Real numbers[kLanes<Real>];
    for (int l = 0; l < kLanes<Real>; ++l) numbers[l] = static_cast<Real>(from[l]);
    return load(numbers);
  }
}

#if defined(NCE_TILE_BFLOAT16X2)
/// Words of two bfloat16, times a power of two: exact, but for elements far below the row's norm. The factor itself may
/// be beyond float.
[[gnu::always_inline]] inline Vec<float> scaled_words(const Vec<float>& words, float first, float second) {
  const auto bits = reinterpret_cast<Bits<float>>(words);
  const Vec<float> low = reinterpret_cast<Vec<float>>(bits << 16) * first * second;
  const Vec<float> high = reinterpret_cast<Vec<float>>(bits & 0xffff0000U) * first * second;
  return reinterpret_cast<Vec<float>>((reinterpret_cast<Bits<float>>(low) >> 16) |
                                      (reinterpret_cast<Bits<float>>(high) & 0xffff0000U));
}
#endif

/// kLanes words of a row from word `at` on, zeros beyond the row.
template <typename Real, typename Element>
[[gnu::always_inline]] inline Vec<Real> gather_lanes(const PackTask<Real>& task, int64_t row, int64_t at) {
  const auto* from = static_cast<const Element*>(task.rows[row]);
  const int64_t first = at * kWordElements;
  const int64_t left = task.dim - first;
  if (from == nullptr || left <= 0) return Vec<Real>{};
  Element some[kLanes<Real> * kWordElements] = {};
  if (left < kLanes<Real> * kWordElements) {
    for (int64_t l = 0; l < left; ++l) some[l] = from[first + l];
    from = some;
  } else {
    from += first;
  }
#if defined(NCE_TILE_BFLOAT16X2)
  Vec<Real> words;
  __builtin_memcpy(&words, from, sizeof words);
  return scaled_words(words, static_cast<float>(task.scales[row]), static_cast<float>(task.inverses[row]));
#else
  return packed_lanes<Real, Element>(task, row, first, from);
#endif
}

template <typename Real, typename Element>
void pack_elements(const PackTask<Real>& task) {
  constexpr int64_t kCount = kLanes<Real>;
  for (int64_t first = 0; first < kWidth<Real>; first += kCount) {
    for (int64_t at = 0; at < task.steps; at += kCount) {
      Vec<Real> rows[kLanes<Real>];
#pragma GCC unroll 16
      for (int r = 0; r < kCount; ++r) rows[r] = gather_lanes<Real, Element>(task, first + r, at);
      transpose<Real>(rows);
      Real* const to = task.to + at * kWidth<Real> + first;
      const int64_t count = task.steps - at;
#pragma GCC unroll 16
      for (int k = 0; k < kCount; ++k) {
        if (k < count) store<Real>(to + k * kWidth<Real>, rows[k]);
        fetch_to_write(to + (kCount + k) * kWidth<Real>);
      }
    }
  }
}

template <typename Real>
void pack(const PackTask<Real>& task) {
#if defined(NCE_TILE_BFLOAT16X2)
  pack_elements<Real, BFloat16>(task);
#else
  switch (task.dtype) {
    case NCE_DTYPE_FLOAT64:
      if constexpr (sizeof(Real) == sizeof(double)) pack_elements<Real, double>(task);
      return;
    case NCE_DTYPE_FLOAT16:
      return pack_elements<Real, Float16>(task);
    case NCE_DTYPE_BFLOAT16:
      return pack_elements<Real, BFloat16>(task);
    case NCE_DTYPE_FLOAT32:
      return pack_elements<Real, float>(task);
  }
#endif
}

/// A panel in row blocks: to[block][row][dimension], of bfloat16 to[block][two rows][dimension].
template <typename Real>
void row_blocks(const Real* panel, int64_t dim, Real* to) {
  constexpr int64_t kBlock = kRowBlock<Real>;
  for (int64_t first = 0; first < dim; first += kBlock, to += kInner<Real> * kBlock) {
#if defined(NCE_TILE_BFLOAT16X2)
    for (int64_t d = 0; d < kBlock; d += 2) {
      uint32_t words[kWidth<float>] = {};
      if (first + d < dim) __builtin_memcpy(words, panel + (first + d) / 2 * kWidth<float>, sizeof words);
      for (int64_t l = 0; l < kWidth<float>; l += 2) {
        const uint32_t both[] = {(words[l] & 0xffffU) | (words[l + 1] << 16),
                                 (words[l] >> 16) | (words[l + 1] & 0xffff0000U)};
        __builtin_memcpy(to + l / 2 * kBlock + d, both, sizeof both);
      }
    }
#else
    constexpr int64_t kCount = kLanes<Real>;
    for (int64_t lane = 0; lane < kWidth<Real>; lane += kCount) {
      for (int64_t d = 0; d < kBlock; d += kCount) {
        Vec<Real> rows[kLanes<Real>];
#pragma GCC unroll 16
        for (int64_t k = 0; k < kCount; ++k) {
          rows[k] = first + d + k < dim ? load(panel + (first + d + k) * kWidth<Real> + lane) : Vec<Real>{};
        }
        transpose<Real>(rows);
#pragma GCC unroll 16
        for (int64_t k = 0; k < kCount; ++k) {
          store<Real>(to + (lane + k) * kBlock + d, rows[k]);
          fetch_to_write(to + (lane + kCount + k) * kBlock + d);
        }
      }
    }
#endif
  }
}

}  // namespace nce::cpu::dense::NCE_TILE_ISA
