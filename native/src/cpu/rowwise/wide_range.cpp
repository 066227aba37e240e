#include "cpu/rowwise/wide_range.h"

#include <algorithm>
#include <cmath>

#include "loss/pairwise.h"

namespace nce::cpu {

template <typename T>
bool all_finite(const T* row, int64_t dim) {
  return std::all_of(row, row + dim, [](T x) { return std::isfinite(x); });
}

template <typename T>
double scaled_distance(const double* x, const T* y, int64_t dim) {
  const auto difference = [&](int64_t i) { return y == nullptr ? x[i] : x[i] - static_cast<double>(y[i]); };
  double largest = 0.0;
  for (int64_t i = 0; i < dim; ++i) largest = std::max(largest, std::abs(difference(i)));
  if (largest == 0.0 || !std::isfinite(largest)) return largest;
  const int exponent = std::ilogb(largest);
  double sum = 0.0;
  for (int64_t i = 0; i < dim; ++i) {
    const double scaled = std::scalbn(difference(i), -exponent);
    sum += scaled * scaled;
  }
  return std::scalbn(std::sqrt(sum), exponent);
}

double scaled_inverse_norm(const double* x, int64_t dim) {
  return loss::inverse_norm_of(scaled_distance<double>(x, nullptr, dim), [=] {
    double sum = 0.0;
    for (int64_t i = 0; i < dim; ++i) sum += (x[i] * loss::kEnlarged) * (x[i] * loss::kEnlarged);
    return std::sqrt(sum);
  });
}

template bool all_finite<float>(const float* row, int64_t dim);
template bool all_finite<double>(const double* row, int64_t dim);
template double scaled_distance<float>(const double* x, const float* y, int64_t dim);
template double scaled_distance<double>(const double* x, const double* y, int64_t dim);

}  // namespace nce::cpu
