#pragma once
// Elements of the caller's rows.

#include "cuda/caller_rows.h"
#include "cuda/elements.cuh"
#include "loss/problem.h"

namespace nce::cuda {

/// Row i of the caller's matrices; elements are read by element().
NCE_DEVICE const void* row_of(const RowSource& rows, int64_t i) {
  const bool first = i < rows.first_rows;
  const int64_t offset = first ? i * rows.first_stride : (i - rows.first_rows) * rows.second_stride;
  return static_cast<const unsigned char*>(first ? rows.first : rows.second) + offset * loss::dtype_bytes(rows.dtype);
}

NCE_DEVICE double element(const void* row, nce_dtype dtype, int64_t d) {
  switch (dtype) {
    case NCE_DTYPE_FLOAT64:
      return static_cast<const double*>(row)[d];
    case NCE_DTYPE_FLOAT16:
      return wide(static_cast<const Float16*>(row)[d]);
    case NCE_DTYPE_BFLOAT16:
      return wide(static_cast<const Bfloat16*>(row)[d]);
    case NCE_DTYPE_FLOAT32:
      break;
  }
  return wide(static_cast<const float*>(row)[d]);
}

/// 1 / length, 0 for zero rows.
NCE_DEVICE double inverse_length(double length) { return length == 0.0 ? 0.0 : 1.0 / length; }

/// One of CallerRows.
struct CallerRow {
  const void* elements = nullptr;  ///< null: zeros
  double factor = 0.0;

  CallerRow() = default;
  NCE_DEVICE CallerRow(const CallerRows& rows, int64_t i) {
    if (i >= rows.count) return;
    elements = row_of(rows.source, i);
    factor = rows.lengths == nullptr ? 1.0 : inverse_length(rows.lengths[i]);
  }
};

/// The bits of element d, so that a thread can go on before they are there; 0 where there is none.
NCE_DEVICE uint32_t element_bits(const CallerRows& rows, const CallerRow& row, int64_t d) {
  if (row.elements == nullptr || d >= rows.dim) return 0;
  return rows.source.dtype == NCE_DTYPE_FLOAT32 ? static_cast<const uint32_t*>(row.elements)[d]
                                                : static_cast<const uint16_t*>(row.elements)[d];
}

/// The number that packing would have made of it, to the bit.
NCE_DEVICE double element_of_bits(const CallerRows& rows, const CallerRow& row, uint32_t bits) {
  switch (rows.source.dtype) {
    case NCE_DTYPE_FLOAT16:
      return wide(Float16{static_cast<uint16_t>(bits)}) * row.factor;
    case NCE_DTYPE_BFLOAT16:
      return wide(Bfloat16{static_cast<uint16_t>(bits)}) * row.factor;
    case NCE_DTYPE_FLOAT32:
    case NCE_DTYPE_FLOAT64:
      break;
  }
  return wide(__uint_as_float(bits)) * row.factor;
}

}  // namespace nce::cuda
