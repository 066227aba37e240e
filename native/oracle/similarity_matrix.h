#pragma once
// Similarities of two rows, and of all pairs of two sets of rows.

#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "oracle/loss.h"

namespace nce::oracle {

/// A similarity with its derivatives: ds/dx = cross y + x_own x, ds/dy = cross x + y_own y.
template <typename Number>
struct Similarity {
  Number s = 0, cross = 0, x_own = 0, y_own = 0;
  Number x_size = 0, y_size = 0;  ///< of ds/dx and ds/dy before anything cancels

  /// Seen from y.
  Similarity turned() const { return {s, cross, y_own, x_own, y_size, x_size}; }
};

/// s from <x, y>, the norms of x and y, and |x - y|^2.
template <typename Number>
Number similarity_of(nce_similarity kind, Number dot, Number x, Number y, Number difference) {
  switch (kind) {
    case NCE_SIMILARITY_COSINE:
      return x == 0 || y == 0 ? 0 : dot / (x * y);
    case NCE_SIMILARITY_DOT:
      return dot;
    case NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN:
      return -difference;
    case NCE_SIMILARITY_NEG_EUCLIDEAN:
      return -std::sqrt(difference);
  }
  unknown("no such similarity");
}

/// From s and the norms of x and y.
template <typename Number>
Similarity<Number> slopes_of(nce_similarity kind, Number s, Number x, Number y) {
  switch (kind) {
    case NCE_SIMILARITY_COSINE:
      if (x == 0 || y == 0) return {};
      return {s, 1 / (x * y), -s / (x * x), -s / (y * y), 1 / x, 1 / y};
    case NCE_SIMILARITY_DOT:
      return {s, 1, 0, 0, y, x};
    case NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN:
      return {s, 2, -2, -2, 2 * (x + y), 2 * (x + y)};
    case NCE_SIMILARITY_NEG_EUCLIDEAN:
      if (s == 0) return {};
      return {s, -1 / s, 1 / s, 1 / s, 1, 1};
  }
  unknown("no such similarity");
}

/// |x^ - y^|^2 of unit vectors, from <x, y> and the norms of x and y; those of zero rows are 0.
template <typename Number>
Number unit_distance_of(Number dot, Number x, Number y) {
  return (x > 0 ? 1 : 0) + (y > 0 ? 1 : 0) - (x > 0 && y > 0 ? 2 * dot / (x * y) : 0);
}

/// Two rows by the definition.
template <typename Number>
struct RowPair {
  Similarity<Number> similarity;
  Number unit_distance;
};
template <typename Number>
RowPair<Number> pair_of(nce_similarity kind, const Number* x, const Number* y, int64_t dim) {
  Number dot = 0, xx = 0, yy = 0, difference = 0;
  for (int64_t d = 0; d < dim; ++d) {
    dot += x[d] * y[d];
    xx += x[d] * x[d];
    yy += y[d] * y[d];
    difference += (x[d] - y[d]) * (x[d] - y[d]);
  }
  const Number x_norm = std::sqrt(xx), y_norm = std::sqrt(yy);
  const Number s = similarity_of(kind, dot, x_norm, y_norm, difference);
  return {slopes_of(kind, s, x_norm, y_norm), unit_distance_of(dot, x_norm, y_norm)};
}

template <typename Number>
class SimilarityMatrix {
 public:
  /// Rows are dim long, without gaps.
  SimilarityMatrix(nce_similarity kind, const std::vector<Number>& x, const std::vector<Number>& y, int64_t dim);

  Number s(int64_t i, int64_t j) const { return values_.get()[i * columns_ + j]; }
  Similarity<Number> at(int64_t i, int64_t j) const {
    return slopes_of(kind_, s(i, j), x_norms_.data()[i], y_norms_.data()[j]);
  }
  Number unit_distance(int64_t i, int64_t j) const {
    const Number x = x_norms_.data()[i], y = y_norms_.data()[j];
    return unit_distance_of(dot(s(i, j), x, y), x, y);
  }

 private:
  Number dot(Number s, Number x, Number y) const;
  void fill(const std::vector<Number>& x, const std::vector<Number>& y, int64_t dim);

  nce_similarity kind_;
  std::vector<Number> x_norms_, y_norms_;
  int64_t rows_, columns_;
  std::unique_ptr<Number[]> values_;  ///< [rows][columns]
};

/// sum[d] += factor * x[d].
void add_scaled(double factor, const double* x, int64_t dim, double* sum);
void add_scaled(long double factor, const long double* x, int64_t dim, long double* sum);

/// sum[d] += factor * (x[d] - y[d]).
template <typename Number>
void add_difference(Number factor, const Number* x, const Number* y, int64_t dim, Number* sum) {
  for (int64_t d = 0; d < dim; ++d) sum[d] += factor * (x[d] - y[d]);
}

}  // namespace nce::oracle
