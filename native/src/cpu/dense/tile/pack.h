// Packing rows into a panel: conversion, division by the norm, and the transposition, in registers.
#pragma once

#include "cpu/dense/kernels.h"
#include "cpu/dense/tile/vectors.h"

namespace nce::cpu::dense::NCE_TILE_ISA {

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
    rows[r] = __builtin_shuffle(a, b, low);
    rows[r + kHalf] = __builtin_shuffle(a, b, high);
  }
}

template <typename Real>
[[gnu::always_inline]] inline void transpose(Vec<Real> (&rows)[kLanes<Real>]) {
  if constexpr (kLanes<Real> >= 16) exchange<Real, 8>(rows);
  if constexpr (kLanes<Real> >= 8) exchange<Real, 4>(rows);
  if constexpr (kLanes<Real> >= 4) exchange<Real, 2>(rows);
  exchange<Real, 1>(rows);
}

/// A vector of doubles, and as many elements of a narrower type.
typedef double Wide __attribute__((vector_size(NCE_TILE_BYTES)));
constexpr int kWideLanes = NCE_TILE_BYTES / 8;
template <typename Element>
struct Narrow {
  typedef Element Vec __attribute__((vector_size(kWideLanes * sizeof(Element))));
};

/// kLanes elements, divided by the row's norm in double.
template <typename Real, typename Element>
[[gnu::always_inline]] inline void scale_lanes(const Element* from, double scale, double inverse, Real* to) {
#pragma GCC unroll 2
  for (int l = 0; l < kLanes<Real>; l += kWideLanes) {
    typename Narrow<Element>::Vec narrow;
    __builtin_memcpy(&narrow, from + l, sizeof narrow);
    const Wide scaled = __builtin_convertvector(narrow, Wide) * scale * inverse;
    const auto rounded = __builtin_convertvector(scaled, typename Narrow<Real>::Vec);
    __builtin_memcpy(to + l, &rounded, sizeof rounded);
  }
}

/// kLanes rows by kLanes dimensions, to[r][l]; zeros beyond both.
template <typename Real, typename Element>
[[gnu::always_inline]] inline void gather_block(const PackTask<Real>& task, int64_t first, int64_t d, Real* to) {
  const int64_t count = task.dim - d < kLanes<Real> ? task.dim - d : kLanes<Real>;
  for (int r = 0; r < kLanes<Real>; ++r, to += kLanes<Real>) {
    const int64_t row = first + r;
    const auto* from = static_cast<const Element*>(task.rows[row]);
    Element some[kLanes<Real>] = {};
    if (from == nullptr || count <= 0) {
      from = some;
    } else if (count < kLanes<Real>) {
      for (int64_t l = 0; l < count; ++l) some[l] = from[d + l];
      from = some;
    } else {
      from += d;
    }
    if (task.unit) {
      scale_lanes<Real, Element>(from, task.scales[row], task.inverses[row], to);
    } else {
      for (int l = 0; l < kLanes<Real>; ++l) to[l] = static_cast<Real>(from[l]);
    }
  }
}

template <typename Real, typename Element>
void pack_elements(const PackTask<Real>& task) {
  constexpr int64_t kCount = kLanes<Real>;
  for (int64_t first = 0; first < kWidth<Real>; first += kCount) {
    for (int64_t d = 0; d < task.padded_dim; d += kCount) {
      Real block[kLanes<Real> * kLanes<Real>];
      gather_block<Real, Element>(task, first, d, block);
      Vec<Real> rows[kLanes<Real>];
#pragma GCC unroll 16
      for (int r = 0; r < kCount; ++r) rows[r] = load(block + r * kCount);
      transpose<Real>(rows);
      const int64_t written = task.padded_dim - d < kCount ? task.padded_dim - d : kCount;
      Real* const to = task.to + d * kWidth<Real> + first;
      if (written == kCount) {
#pragma GCC unroll 16
        for (int k = 0; k < kCount; ++k) store<Real>(to + k * kWidth<Real>, rows[k]);
      } else {
        for (int r = 0; r < kCount; ++r) store<Real>(block + r * kCount, rows[r]);
        for (int64_t i = 0; i < written * kCount; ++i) to[i / kCount * kWidth<Real> + i % kCount] = block[i];
      }
    }
  }
}

template <typename Real>
void pack(const PackTask<Real>& task) {
  if constexpr (sizeof(Real) == sizeof(double)) {
    if (task.dtype == NCE_DTYPE_FLOAT64) {
      pack_elements<Real, double>(task);
      return;
    }
  }
  pack_elements<Real, float>(task);
}

}  // namespace nce::cpu::dense::NCE_TILE_ISA
