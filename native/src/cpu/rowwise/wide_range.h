#pragma once
// Norms and distances of float64 rows whose squares leave the range of double. Slow, and rarely needed.

#include <cstdint>

namespace nce::cpu {

/// Whether a sum of squares kept all its digits: neither overflow nor underflow came near it.
inline bool in_range(double sum_of_squares) { return sum_of_squares > 1e-280 && sum_of_squares < 1e280; }

/// Whether all elements are finite.
template <typename T>
bool all_finite(const T* row, int64_t dim);

/// |x - y|, summed relative to the largest difference; `y` may be null for 0.
template <typename T>
double scaled_distance(const double* x, const T* y, int64_t dim);

}  // namespace nce::cpu
