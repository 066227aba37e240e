// The matrix products: register tiles of kSlice rows by kVectors vectors.
#pragma once

#include "cpu/dense/tile/vectors.h"

namespace nce::cpu::dense::NCE_TILE_ISA {

/// Rows of a register tile: with kVectors columns it fills the register file and divides the panel width.
template <typename Real>
constexpr int kSlice = NCE_TILE_BYTES == 64 ? 8 : (sizeof(Real) == 8 && NCE_TILE_BYTES == 16 ? 3 : 4);

/// Steps of the inner dimension that one register sum takes: keeps fp32 rounding near that of 64 terms, and both panels'
/// share in the first-level cache.
constexpr int64_t kChunk = 64;

static_assert(kWidth<float> % kSlice<float> == 0 && kWidth<double> % kSlice<double> == 0);

/// sum[r][v] += sum over k of a[k * a_step + r * a_row] * b[k * width + v-th vector].
template <typename Real>
[[gnu::always_inline]] inline void multiply_slice(const Real* a, int64_t a_step, int64_t a_row, const Real* b,
                                                  int64_t steps, Vec<Real> (&sum)[kSlice<Real>][kVectors]) {
  for (int64_t k = 0; k < steps; ++k) {
    Vec<Real> right[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) right[v] = load(b + v * kLanes<Real>);
#pragma GCC unroll 8
    for (int r = 0; r < kSlice<Real>; ++r) {
      const Vec<Real> left = broadcast(a[r * a_row]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] += left * right[v];
    }
    a += a_step;
    b += kWidth<Real>;
  }
}

template <typename Real, bool kAdd>
[[gnu::always_inline]] inline void put_slice(const Vec<Real> (&sum)[kSlice<Real>][kVectors], Real* c) {
#pragma GCC unroll 8
  for (int r = 0; r < kSlice<Real>; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      Real* to = c + (r * kVectors + v) * kLanes<Real>;
      if constexpr (kAdd) {
        store<Real>(to, load(to) + sum[r][v]);
      } else {
        store<Real>(to, sum[r][v]);
      }
    }
  }
}

template <typename Real, bool kAdd>
inline void multiply_chunk(const Real* y, const Real* x, int64_t steps, int64_t y_rows, Real* tile) {
  for (int64_t first = 0; first < y_rows; first += kSlice<Real>) {
    Vec<Real> sum[kSlice<Real>][kVectors] = {};
    multiply_slice<Real>(y + first, kWidth<Real>, 1, x, steps, sum);
    put_slice<Real, kAdd>(sum, tile + first * kWidth<Real>);
  }
}

/// tile[j][i] = <row j of panel y, row i of panel x>, for the first y_rows j (rounded up to slices).
template <typename Real>
inline void multiply_panels(const Real* y, const Real* x, int64_t dim, int64_t y_rows, Real* tile) {
  multiply_chunk<Real, false>(y, x, dim < kChunk ? dim : kChunk, y_rows, tile);
  for (int64_t k = kChunk; k < dim; k += kChunk) {
    const int64_t steps = dim - k < kChunk ? dim - k : kChunk;
    multiply_chunk<Real, true>(y + k * kWidth<Real>, x + k * kWidth<Real>, steps, y_rows, tile);
  }
}

/// The tile elements at j = i, by the same operations in the same order.
template <typename Real>
void diagonal(const Real* x, const Real* y, int64_t dim, double* products) {
  Vec<Real> total[kVectors] = {};
  for (int64_t k = 0; k < dim; k += kChunk) {
    const int64_t end = dim - k < kChunk ? dim : k + kChunk;
    Vec<Real> sum[kVectors] = {};
    for (int64_t d = k; d < end; ++d) {
      for (int v = 0; v < kVectors; ++v) {
        const int64_t at = d * kWidth<Real> + v * kLanes<Real>;
        sum[v] += load(y + at) * load(x + at);
      }
    }
    for (int v = 0; v < kVectors; ++v) total[v] = k == 0 ? sum[v] : total[v] + sum[v];
  }
  for (int l = 0; l < kWidth<Real>; ++l) products[l] = 0.0;
  add_row<Real>(total, products);
}

}  // namespace nce::cpu::dense::NCE_TILE_ISA
