#include "cpu/dense/center.h"

#include <algorithm>

namespace nce::cpu::dense {
namespace {

constexpr int64_t kSamples = 32;
/// Below this share of their squares, distances from the center are worth its subtraction.
constexpr double kWorthwhile = 0.25;

template <typename Element>
double square_of(const Element* row, const double* from, int64_t dim) {
  double sum = 0.0;
  for (int64_t d = 0; d < dim; ++d) {
    const double difference = static_cast<double>(row[d]) - (from == nullptr ? 0.0 : from[d]);
    sum += difference * difference;
  }
  return sum;
}

template <typename Element>
bool find(const RowSource& source, int64_t rows, int64_t dim, double* center) {
  const int64_t samples = std::min(rows, kSamples);
  const auto sample = [&](int64_t k) { return source.row<Element>(rows * k / samples); };
  std::fill(center, center + dim + kCenterPadding, 0.0);
  if (samples == 0) return false;
  for (int64_t k = 0; k < samples; ++k) {
    const Element* const row = sample(k);
    for (int64_t d = 0; d < dim; ++d) center[d] += static_cast<double>(row[d]) / static_cast<double>(samples);
  }
  int64_t nearest = 0;
  double smallest = square_of(sample(0), center, dim);
  for (int64_t k = 1; k < samples; ++k) {
    const double square = square_of(sample(k), center, dim);
    if (!(square < smallest)) continue;
    smallest = square;
    nearest = k;
  }
  std::transform(sample(nearest), sample(nearest) + dim, center, [](Element x) { return static_cast<double>(x); });
  double before = 0.0;
  double after = 0.0;
  for (int64_t k = 0; k < samples; ++k) {
    before += square_of(sample(k), nullptr, dim);
    after += square_of(sample(k), center, dim);
  }
  return after < kWorthwhile * before;
}

}  // namespace

bool find_center(const RowSource& source, int64_t rows, int64_t dim, double* center) {
  return with_element(source.dtype, [&](auto element) { return find<decltype(element)>(source, rows, dim, center); });
}

}  // namespace nce::cpu::dense
