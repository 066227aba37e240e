#pragma once
// The losses in double, written from their definitions alone: what a library is compared with.

#include <cmath>
#include <cstdint>
#include <vector>

#include "selftest/problem.h"

namespace nce::selftest {

/// Some rows of a gradient.
struct GradientRows {
  std::vector<int64_t> rows;
  std::vector<double> values;  ///< [rows][dim]
  double terms = 0;            ///< Frobenius norm of what the rows are made of, before it cancels: sums of sizes
};

struct Answer {
  std::vector<double> losses;  ///< w_i l_i
  double loss = 0;             ///< reduced; NONE: the sum
  double d_temperature = 0;
  double d_temperature_terms = 0;   ///< sum of the sizes of what d_temperature is the sum of
  double d_temperature_slopes = 0;  ///< sum of its derivatives by differences of similarities, which are rounded too
  GradientRows d_queries, d_keys, d_negatives;
  nce_metrics metrics{};  ///< NaN where the oracle does not say
};

/// `samples` rows of each gradient, spread evenly with the first and the last; all of them if there are no more.
Answer oracle(const Problem& problem, int64_t samples);

/// Inside: the two halves of it, and what they share.
Answer dense_oracle(const Problem& problem, int64_t samples);
Answer rowwise_oracle(const Problem& problem, int64_t samples);
std::vector<int64_t> sample_rows(int64_t rows, int64_t samples);
void prepare(const Problem& problem, Answer& answer);     ///< losses 0, metrics NaN
std::vector<double> loss_shares(const Problem& problem);  ///< what w_i l_i weighs in the loss
double upstream_of(const Problem& problem, int64_t row);
double weight_of(const Problem& problem, int64_t row);

/// A similarity of two rows and, for what it is differentiated by: ds/dx = by_y y + by_x x, ds/dy = by_y x + other_x y.
struct Similarity {
  double s, by_y, by_x, other_x;
  double size, other_size;  ///< of ds/dx and ds/dy before anything cancels
};

/// From s and the norms of x and y.
inline Similarity slopes_of(int32_t kind, double s, double x, double y) {
  switch (kind) {
    case NCE_SIMILARITY_COSINE:
      if (x == 0 || y == 0) return {0, 0, 0, 0, 0, 0};
      return {s, 1 / (x * y), -s / (x * x), -s / (y * y), 1 / x, 1 / y};
    case NCE_SIMILARITY_DOT:
      return {s, 1, 0, 0, y, x};
    case NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN:
      return {s, 2, -2, -2, 2 * (x + y), 2 * (x + y)};
    default:
      if (s == 0) return {0, 0, 0, 0, 0, 0};
      return {s, -1 / s, 1 / s, 1 / s, 1, 1};
  }
}

/// s from <x, y>, the norms of x and y, and |x - y|^2.
inline double similarity_of(int32_t kind, double dot, double x, double y, double difference) {
  switch (kind) {
    case NCE_SIMILARITY_COSINE:
      return x == 0 || y == 0 ? 0 : dot / (x * y);
    case NCE_SIMILARITY_DOT:
      return dot;
    case NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN:
      return -difference;
    default:
      return -std::sqrt(difference);
  }
}

/// Of two rows, by the definition.
inline Similarity similarity_of_rows(int32_t kind, const double* x, const double* y, int64_t dim) {
  double dot = 0, xx = 0, yy = 0, difference = 0;
  for (int64_t d = 0; d < dim; ++d) {
    dot += x[d] * y[d];
    xx += x[d] * x[d];
    yy += y[d] * y[d];
    difference += (x[d] - y[d]) * (x[d] - y[d]);
  }
  const double x_norm = std::sqrt(xx);
  const double y_norm = std::sqrt(yy);
  return slopes_of(kind, similarity_of(kind, dot, x_norm, y_norm, difference), x_norm, y_norm);
}

}  // namespace nce::selftest
