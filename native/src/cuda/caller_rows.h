#pragma once
// The caller's matrices, where nobody has packed them.

#include <cstdint>

#include "infonce.h"

namespace nce::cuda {

/// The caller's rows: of one matrix, or of two that are stacked.
struct RowSource {
  nce_dtype dtype;
  const void* first;
  int64_t first_stride;
  int64_t first_rows;
  const void* second;  ///< rows from first_rows on
  int64_t second_stride;
};

/// Rows of at most 32 bits an element that tiles read as if they had been packed as doubles. Of these, squares never
/// leave the range of double, so that a length needs no scale.
struct CallerRows {
  RowSource source;
  int64_t count;          ///< rows; what lies beyond are zeros
  int64_t dim;            ///< elements of a row, likewise
  const double* lengths;  ///< by which rows are divided; null: not
};

}  // namespace nce::cuda
