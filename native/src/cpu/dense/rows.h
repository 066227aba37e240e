#pragma once
// Reading the caller's matrices: rows by index, and their norms.

#include <algorithm>
#include <cstdint>

#include "cpu/dense/elements.h"
#include "infonce.h"

namespace nce::cpu::dense {

/// What a matrix holds; calls body with one of its elements, for its type.
template <typename Body>
auto with_element(nce_dtype dtype, const Body& body) {
  switch (dtype) {
    case NCE_DTYPE_FLOAT64:
      return body(double{});
    case NCE_DTYPE_FLOAT16:
      return body(Float16{});
    case NCE_DTYPE_BFLOAT16:
      return body(BFloat16{});
    case NCE_DTYPE_FLOAT32:
      break;
  }
  return body(float{});
}

/// The rows of a matrix, or of two stacked ones.
struct RowSource {
  nce_dtype dtype;
  const void* first;
  int64_t first_stride;
  int64_t first_rows;
  const void* second;  ///< rows from first_rows on
  int64_t second_stride;

  template <typename Element>
  const Element* row(int64_t i) const {
    return i < first_rows ? static_cast<const Element*>(first) + i * first_stride
                          : static_cast<const Element*>(second) + (i - first_rows) * second_stride;
  }

  // Behind row, which Clang would not emit if a lambda asked for it first.
  const void* row_address(int64_t i) const {
    return with_element(dtype, [&](auto element) -> const void* { return row<decltype(element)>(i); });
  }

  /// The same from a row on.
  RowSource from(int64_t begin) const {
    RowSource rest = *this;
    (begin < first_rows ? rest.first : rest.second) = row_address(begin);
    rest.first_rows = std::max<int64_t>(0, first_rows - begin);
    return rest;
  }
};

/// Norms that neither overflow nor vanish: |x| = length / scale, scale a power of two (1 unless squares would leave the
/// range of double). length is 0 for zero rows and NaN for non-finite ones.
struct Norms {
  double* length;
  double* scale;

  double norm(int64_t i) const { return length[i] / scale[i]; }
  bool zero(int64_t i) const { return length[i] == 0.0; }
  /// What to multiply x * scale by, to get the unit vector; 0 for zero rows.
  double inverse(int64_t i) const { return length[i] == 0.0 ? 0.0 : 1.0 / length[i]; }
};

/// Fills norms of rows [begin, end).
void measure_rows(const RowSource& source, int64_t begin, int64_t end, int64_t dim, const Norms& norms);

/// The first row that is not finite, or -1.
int64_t first_non_finite(const Norms& norms, int64_t rows);

/// Rows of norm 0.
int64_t count_zero(const Norms& norms, int64_t rows);

/// |x^ - y^|^2 of unit vectors, in double.
double unit_distance_squared(const RowSource& x, const Norms& x_norms, int64_t i, const RowSource& y,
                             const Norms& y_norms, int64_t j, int64_t dim);

}  // namespace nce::cpu::dense
