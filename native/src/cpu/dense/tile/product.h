// The matrix products: register tiles of kSlice rows by kVectors vectors.
#pragma once

#include "cpu/dense/tile/vectors.h"

namespace nce::cpu::dense::NCE_TILE_ISA {

/// Rows of a register tile: with kVectors columns it fills the register file and divides the panel width.
template <typename Real>
constexpr int kSlice = NCE_TILE_BYTES == 64 ? 8 : (sizeof(Real) == 8 && NCE_TILE_BYTES == 16 && !kNeon ? 3 : 4);

/// Steps of the inner dimension that one register sum takes. Rounding of a sum of sums is smallest near dim^(2/3), and
/// the shares of both panels should fit in the first-level cache beside those that are fetched ahead.
[[gnu::always_inline]] inline int64_t chunk_of(int64_t dim) { return dim <= 256 ? 32 : 64; }

static_assert(kWidth<float> % kSlice<float> == 0 && kWidth<double> % kSlice<double> == 0);

/// What to fetch into the first-level cache while a slice is multiplied: two streams, each so many elements a step. The
/// hardware alone would fetch everything at the first slice of a chunk, and leave its multipliers idle.
template <typename Real>
struct Ahead {
  const Real* first;
  const Real* second;
  int64_t first_step;
  int64_t second_step;
};

/// sum[r][v] += sum over k of a[k * a_step + r * a_row] * b[k * width + v-th vector].
template <typename Real>
[[gnu::always_inline]] inline void multiply_slice(const Real* a, int64_t a_step, int64_t a_row, const Real* b,
                                                  int64_t steps, Ahead<Real> ahead,
                                                  Vec<Real> (&sum)[kSlice<Real>][kVectors]) {
  for (int64_t k = 0; k < steps; ++k) {
    __builtin_prefetch(ahead.first);
    __builtin_prefetch(ahead.second);
    ahead.first += ahead.first_step;
    ahead.second += ahead.second_step;
    Vec<Real> right[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) right[v] = load(b + v * kLanes<Real>);
#pragma GCC unroll 8
    for (int r = 0; r < kSlice<Real>; ++r) {
      const Vec<Real> left = broadcast(a[r * a_row]);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sum[r][v] = multiply_add<Real>(left, right[v], sum[r][v]);
    }
    a += a_step;
    b += kWidth<Real>;
  }
}

template <typename Real, bool kAdd>
[[gnu::always_inline]] inline void put_slice(const Vec<Real> (&sum)[kSlice<Real>][kVectors], Real* c) {
#pragma GCC unroll 8
  for (int r = 0; r < kSlice<Real>; ++r) {
#pragma GCC unroll 8
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

/// Rows and vectors of the register tile of the second product, and the columns of a block of it.
template <typename Real>
constexpr int kRowSlice = NCE_TILE_BYTES == 64 ? 12 : 6;
constexpr int kRowVectors = kNeon ? 4 : 2;
template <typename Real>
constexpr int kRowBlock = kRowVectors * kLanes<Real>;

static_assert(kWidth<float> % kRowSlice<float> == 0 && kWidth<double> % kRowSlice<double> == 0);

/// Words along a row of a tile of G.
template <typename Real>
constexpr int kInner = kWidth<Real> / kWordElements;

/// sums[r][l] += sum over panels p and k of a[p][r * inner + k] * b[p][k * block + l]: rows r of tiles against rows k
/// of a block of columns, one register tile. `ahead` is fetched into the first-level cache, a line a step.
template <typename Real, bool kAdd>
[[gnu::always_inline]] inline void multiply_row_slice(const Real* a, int64_t a_panel, const Real* b, int64_t b_panel,
                                                      int64_t panels, const Real* ahead, Real* sums) {
  constexpr int kRows = kRowSlice<Real>;
  Vec<Real> sum[kRowSlice<Real>][kRowVectors] = {};
  for (int64_t p = 0; p < panels; ++p) {
    const Real* left = a + p * a_panel;
    const Real* right = b + p * b_panel;
    const Real* next = ahead + p * a_panel;
    for (int64_t k = 0; k < kInner<Real>; ++k) {
      __builtin_prefetch(next);
      next += kRows;
      Vec<Real> column[kRowVectors];
#pragma GCC unroll 8
      for (int v = 0; v < kRowVectors; ++v) column[v] = load(right + v * kLanes<Real>);
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) {
        const Vec<Real> weight = broadcast(left[r * kInner<Real>]);
#pragma GCC unroll 8
        for (int v = 0; v < kRowVectors; ++v) sum[r][v] = multiply_add<Real>(weight, column[v], sum[r][v]);
      }
      ++left;
      right += kRowBlock<Real>;
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kRowVectors; ++v) {
      Real* const to = sums + (r * kRowVectors + v) * kLanes<Real>;
      store<Real>(to, kAdd ? load(to) + sum[r][v] : sum[r][v]);
    }
  }
}

/// One chunk of a tile; next_y and next_x are the chunks that come after it.
template <typename Real, bool kAdd>
inline void multiply_chunk(const Real* y, const Real* x, int64_t steps, int64_t y_rows, const Real* next_y,
                           const Real* next_x, int64_t next_steps, Real* tile) {
  for (int64_t first = 0; first < y_rows; first += kSlice<Real>) {
    Vec<Real> sum[kSlice<Real>][kVectors] = {};
    const Ahead<Real> ahead{next_y + first * next_steps, next_x + first * next_steps, kSlice<Real>, kSlice<Real>};
    multiply_slice<Real>(y + first, kWidth<Real>, 1, x, steps, ahead, sum);
    put_slice<Real, kAdd>(sum, tile + first * kWidth<Real>);
  }
}

/// tile[j][i] = <row j of panel y, row i of panel x>, for the first y_rows j (rounded up to slices). next_y and next_x
/// are the panels of the next tile. dim counts words.
template <typename Real>
inline void multiply_panels(const Real* y, const Real* x, int64_t dim, int64_t y_rows, const Real* next_y,
                            const Real* next_x, Real* tile) {
  const int64_t chunk = chunk_of(dim);
  const int64_t stride = chunk * kWidth<Real>;
  if (dim <= chunk) {
    multiply_chunk<Real, false>(y, x, dim, y_rows, next_y, next_x, dim, tile);
    return;
  }
  multiply_chunk<Real, false>(y, x, chunk, y_rows, y + stride, x + stride, chunk, tile);
  int64_t left = dim - chunk;
  for (; left > chunk; left -= chunk) {
    y += stride;
    x += stride;
    multiply_chunk<Real, true>(y, x, chunk, y_rows, y + stride, x + stride, chunk, tile);
  }
  multiply_chunk<Real, true>(y + stride, x + stride, left, y_rows, next_y, next_x, chunk, tile);
}

/// The tile elements at j = i, by the same operations in the same order. dim counts words.
template <typename Real>
void diagonal(const Real* x, const Real* y, int64_t dim, double* products) {
  Vec<Real> total[kVectors] = {};
  const int64_t chunk = chunk_of(dim);
  for (int64_t k = 0; k < dim; k += chunk) {
    const int64_t end = dim - k < chunk ? dim : k + chunk;
    Vec<Real> sum[kVectors] = {};
    for (int64_t d = k; d < end; ++d) {
      for (int v = 0; v < kVectors; ++v) {
        const int64_t at = d * kWidth<Real> + v * kLanes<Real>;
        sum[v] = multiply_add<Real>(load(y + at), load(x + at), sum[v]);
      }
    }
    for (int v = 0; v < kVectors; ++v) total[v] = k == 0 ? sum[v] : total[v] + sum[v];
  }
  for (int l = 0; l < kWidth<Real>; ++l) products[l] = 0.0;
  add_row<Real>(total, products);
}

}  // namespace nce::cpu::dense::NCE_TILE_ISA
