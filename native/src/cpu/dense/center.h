#pragma once
// Distances do not change when one row is subtracted from all, but the digits that products of rows keep do.

#include <cstdint>

#include "cpu/dense/rows.h"

namespace nce::cpu::dense {

/// Zeros behind a center: kernels read whole vectors of it.
constexpr int64_t kCenterPadding = 16;

/// Chooses one of `rows` to subtract from all and writes it to center[dim + kCenterPadding]: near the middle of what
/// there is, and a row itself, so that differences of round numbers stay exact. False if that would not bring the rows
/// much nearer to 0. From the rows alone.
bool find_center(const RowSource& source, int64_t rows, int64_t dim, double* center);

}  // namespace nce::cpu::dense
