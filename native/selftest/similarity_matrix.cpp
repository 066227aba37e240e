#include "selftest/similarity_matrix.h"

#include <algorithm>
#include <cmath>

#include "selftest/parallel.h"

namespace nce::selftest {
namespace {

constexpr int64_t kPanel = 64;
constexpr int64_t kStrip = 4;

#if defined(__x86_64__) && defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__)
#define NCE_CLONES [[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#else
#define NCE_CLONES
#endif

/// Products of four rows with a panel of 64 columns that is stored [dim][64].
NCE_CLONES void multiply(const double* const* x, const double* panel, int64_t dim, double (*sums)[kPanel]) {
  for (int64_t r = 0; r < kStrip; ++r) std::fill(sums[r], sums[r] + kPanel, 0.0);
  for (int64_t d = 0; d < dim; ++d) {
    const double* const y = panel + d * kPanel;
    for (int64_t r = 0; r < kStrip; ++r) {
      const double value = x[r][d];
      for (int64_t j = 0; j < kPanel; ++j) sums[r][j] += value * y[j];
    }
  }
}

/// The same with squares of differences.
NCE_CLONES void measure(const double* const* x, const double* panel, int64_t dim, double (*sums)[kPanel]) {
  for (int64_t r = 0; r < kStrip; ++r) std::fill(sums[r], sums[r] + kPanel, 0.0);
  for (int64_t d = 0; d < dim; ++d) {
    const double* const y = panel + d * kPanel;
    for (int64_t r = 0; r < kStrip; ++r) {
      const double value = x[r][d];
      for (int64_t j = 0; j < kPanel; ++j) sums[r][j] += (value - y[j]) * (value - y[j]);
    }
  }
}

std::vector<double> norms(const std::vector<double>& rows, int64_t dim) {
  std::vector<double> result(rows.size() / static_cast<std::size_t>(dim));
  double* const out = result.data();
  parallel_for(static_cast<int64_t>(result.size()), [&](int64_t i) {
    double sum = 0;
    for (int64_t d = 0; d < dim; ++d) sum += rows.data()[i * dim + d] * rows.data()[i * dim + d];
    out[i] = std::sqrt(sum);
  });
  return result;
}

}  // namespace

NCE_CLONES void add_scaled(double factor, const double* x, int64_t dim, double* sum) {
  for (int64_t d = 0; d < dim; ++d) sum[d] += factor * x[d];
}

SimilarityMatrix::SimilarityMatrix(int32_t kind, const std::vector<double>& x, const std::vector<double>& y,
                                   int64_t dim)
    : kind_(kind),
      x_norms_(norms(x, dim)),
      y_norms_(norms(y, dim)),
      rows_(static_cast<int64_t>(x_norms_.size())),
      columns_(static_cast<int64_t>(y_norms_.size())),
      values_(std::make_unique<double[]>(static_cast<std::size_t>(std::max<int64_t>(1, rows_ * columns_)))) {
  fill(x, y, dim);
}

double SimilarityMatrix::unit_distance(int64_t i, int64_t j) const {
  const double x = x_norms_.data()[i];
  const double y = y_norms_.data()[j];
  const double value = s(i, j);
  const double dot = kind_ == NCE_SIMILARITY_COSINE                  ? value * x * y
                     : kind_ == NCE_SIMILARITY_DOT                   ? value
                     : kind_ == NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN ? (x * x + y * y + value) / 2
                                                                     : (x * x + y * y - value * value) / 2;
  return (x > 0 ? 1 : 0) + (y > 0 ? 1 : 0) - (x > 0 && y > 0 ? 2 * dot / (x * y) : 0);
}

void SimilarityMatrix::fill(const std::vector<double>& x, const std::vector<double>& y, int64_t dim) {
  constexpr int64_t kParts = 32;
  const bool euclidean = kind_ >= NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN;
  const int64_t panels = (columns_ + kPanel - 1) / kPanel;
  parallel_for(kParts * panels, [&](int64_t task) {
    const int64_t first = task / kParts * kPanel;
    const int64_t count = std::min(kPanel, columns_ - first);
    const int64_t begin = rows_ * (task % kParts) / kParts;
    const int64_t end = rows_ * (task % kParts + 1) / kParts;
    if (begin == end) return;
    std::vector<double> panel(static_cast<std::size_t>(dim * kPanel), 0.0);
    for (int64_t j = 0; j < count; ++j) {
      for (int64_t d = 0; d < dim; ++d) panel.data()[d * kPanel + j] = y.data()[(first + j) * dim + d];
    }
    double sums[kStrip][kPanel];
    for (int64_t i = begin; i < end; i += kStrip) {
      const double* rows[kStrip];
      for (int64_t r = 0; r < kStrip; ++r) rows[r] = x.data() + std::min(i + r, end - 1) * dim;
      (euclidean ? measure : multiply)(rows, panel.data(), dim, sums);
      for (int64_t r = 0; r < std::min(kStrip, end - i); ++r) {
        for (int64_t j = 0; j < count; ++j) {
          values_.get()[(i + r) * columns_ + first + j] =
              similarity_of(kind_, sums[r][j], x_norms_.data()[i + r], y_norms_.data()[first + j], sums[r][j]);
        }
      }
    }
  });
}

}  // namespace nce::selftest
