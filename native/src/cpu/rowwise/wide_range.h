#pragma once
// Norms and distances of float64 rows whose squares leave the range of double. Slow, and rarely needed.

#include <cstdint>

namespace nce::cpu {

/// Whether all elements are finite.
template <typename T>
bool all_finite(const T* row, int64_t dim);

/// |x - y|, summed relative to the largest difference; `y` may be null for 0.
template <typename T>
double scaled_distance(const double* x, const T* y, int64_t dim);

/// Of a finite row, as loss::inverse_norm_of has it.
double scaled_inverse_norm(const double* x, int64_t dim);

}  // namespace nce::cpu
