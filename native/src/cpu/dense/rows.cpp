#include "cpu/dense/rows.h"

#include <algorithm>
#include <cmath>

namespace nce::cpu::dense {
namespace {

constexpr int64_t kLanes = 8;
constexpr double kSmallestSafeSquares = 1e-200;
constexpr double kLargestSafeSquares = 1e200;

template <typename Element>
double sum_of_squares(const Element* row, int64_t dim, double scale) {
  double lanes[kLanes] = {};
  int64_t d = 0;
  for (; d + kLanes <= dim; d += kLanes) {
    for (int64_t l = 0; l < kLanes; ++l) {
      const double x = static_cast<double>(row[d + l]) * scale;
      lanes[l] += x * x;
    }
  }
  double sum = 0.0;
  for (; d < dim; ++d) {
    const double x = static_cast<double>(row[d]) * scale;
    sum += x * x;
  }
  for (const double lane : lanes) sum += lane;
  return sum;
}

template <typename Element>
void measure_row(const Element* row, int64_t dim, double& length, double& scale) {
  scale = 1.0;
  const double squares = sum_of_squares(row, dim, 1.0);
  if (squares >= kSmallestSafeSquares && squares <= kLargestSafeSquares) {
    length = std::sqrt(squares);
    return;
  }
  double largest = 0.0;
  for (int64_t d = 0; d < dim; ++d) {
    const double size = std::fabs(static_cast<double>(row[d]));
    if (!std::isfinite(size)) {
      length = std::nan("");
      return;
    }
    largest = std::max(largest, size);
  }
  if (largest == 0.0) {
    length = 0.0;
    return;
  }
  scale = std::ldexp(1.0, std::clamp(-std::ilogb(largest), -1000, 1000));
  length = std::sqrt(sum_of_squares(row, dim, scale));
}

template <typename Element>
void measure(const RowSource& source, int64_t begin, int64_t end, int64_t dim, const Norms& norms) {
  for (int64_t i = begin; i < end; ++i) measure_row(source.row<Element>(i), dim, norms.length[i], norms.scale[i]);
}

template <typename Element>
double distance_squared(const Element* x, double x_scale, double x_inverse, const Element* y, double y_scale,
                        double y_inverse, int64_t dim) {
  double sum = 0.0;
  for (int64_t d = 0; d < dim; ++d) {
    const double difference =
        static_cast<double>(x[d]) * x_scale * x_inverse - static_cast<double>(y[d]) * y_scale * y_inverse;
    sum += difference * difference;
  }
  return sum;
}

}  // namespace

void measure_rows(const RowSource& source, int64_t begin, int64_t end, int64_t dim, const Norms& norms) {
  with_element(source.dtype, [&](auto element) { measure<decltype(element)>(source, begin, end, dim, norms); });
}

int64_t first_non_finite(const Norms& norms, int64_t rows) {
  for (int64_t i = 0; i < rows; ++i) {
    if (std::isnan(norms.length[i])) return i;
  }
  return -1;
}

int64_t count_zero(const Norms& norms, int64_t rows) { return std::count(norms.length, norms.length + rows, 0.0); }

double unit_distance_squared(const RowSource& x, const Norms& x_norms, int64_t i, const RowSource& y,
                             const Norms& y_norms, int64_t j, int64_t dim) {
  return with_element(x.dtype, [&](auto element) {
    using Element = decltype(element);
    return distance_squared(x.row<Element>(i), x_norms.scale[i], x_norms.inverse(i), y.row<Element>(j),
                            y_norms.scale[j], y_norms.inverse(j), dim);
  });
}

}  // namespace nce::cpu::dense
