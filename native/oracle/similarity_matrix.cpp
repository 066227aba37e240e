#include "oracle/similarity_matrix.h"

#include <algorithm>

#include "oracle/parallel.h"

namespace nce::oracle {
namespace {

constexpr int64_t kPanel = 64;
constexpr int64_t kStrip = 4;

// Sanitizers are not ready when a program asks which clone it is to call.
#if defined(__x86_64__) && defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define NCE_CLONES [[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#else
#define NCE_CLONES
#endif

/// Four rows and a panel of columns, stored [dim][64], of which `columns` are filled.
template <typename Number>
struct Panel {
  const Number* rows[kStrip];
  const Number* values;
  int64_t columns, dim;
};

/// Products of rows and columns, or squares of their differences.
template <bool kSquares, typename Number>
[[gnu::always_inline]] inline void add_up(const Panel<Number>& panel, Number (*sums)[kPanel]) {
  for (int64_t r = 0; r < kStrip; ++r) std::fill(sums[r], sums[r] + kPanel, Number{0});
  for (int64_t d = 0; d < panel.dim; ++d) {
    const Number* const y = panel.values + d * kPanel;
    for (int64_t r = 0; r < kStrip; ++r) {
      const Number value = panel.rows[r][d];
      for (int64_t j = 0; j < panel.columns; ++j) {
        const Number difference = value - y[j];
        sums[r][j] += kSquares ? difference * difference : value * y[j];
      }
    }
  }
}

NCE_CLONES void products(const Panel<double>& panel, double (*sums)[kPanel]) { add_up<false>(panel, sums); }
NCE_CLONES void squares(const Panel<double>& panel, double (*sums)[kPanel]) { add_up<true>(panel, sums); }
void products(const Panel<long double>& panel, long double (*sums)[kPanel]) { add_up<false>(panel, sums); }
void squares(const Panel<long double>& panel, long double (*sums)[kPanel]) { add_up<true>(panel, sums); }

template <typename Number>
std::vector<Number> norms(const std::vector<Number>& rows, int64_t dim) {
  std::vector<Number> result(rows.size() / static_cast<std::size_t>(dim));
  Number* const out = result.data();
  parallel_for(static_cast<int64_t>(result.size()), [&](int64_t i) {
    Number sum = 0;
    for (int64_t d = 0; d < dim; ++d) sum += rows.data()[i * dim + d] * rows.data()[i * dim + d];
    out[i] = std::sqrt(sum);
  });
  return result;
}

bool is_euclidean(nce_similarity kind) {
  switch (kind) {
    case NCE_SIMILARITY_COSINE:
    case NCE_SIMILARITY_DOT:
      return false;
    case NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN:
    case NCE_SIMILARITY_NEG_EUCLIDEAN:
      return true;
  }
  unknown("no such similarity");
}

}  // namespace

NCE_CLONES void add_scaled(double factor, const double* x, int64_t dim, double* sum) {
  for (int64_t d = 0; d < dim; ++d) sum[d] += factor * x[d];
}
void add_scaled(long double factor, const long double* x, int64_t dim, long double* sum) {
  for (int64_t d = 0; d < dim; ++d) sum[d] += factor * x[d];
}

template <typename Number>
SimilarityMatrix<Number>::SimilarityMatrix(nce_similarity kind, const std::vector<Number>& x,
                                           const std::vector<Number>& y, int64_t dim)
    : kind_(kind),
      x_norms_(norms(x, dim)),
      y_norms_(norms(y, dim)),
      rows_(static_cast<int64_t>(x_norms_.size())),
      columns_(static_cast<int64_t>(y_norms_.size())),
      values_(std::make_unique<Number[]>(static_cast<std::size_t>(std::max<int64_t>(1, rows_ * columns_)))) {
  fill(x, y, dim);
}

template <typename Number>
Number SimilarityMatrix<Number>::dot(Number s, Number x, Number y) const {
  switch (kind_) {
    case NCE_SIMILARITY_COSINE:
      return s * x * y;
    case NCE_SIMILARITY_DOT:
      return s;
    case NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN:
      return (x * x + y * y + s) / 2;
    case NCE_SIMILARITY_NEG_EUCLIDEAN:
      return (x * x + y * y - s * s) / 2;
  }
  unknown("no such similarity");
}

template <typename Number>
void SimilarityMatrix<Number>::fill(const std::vector<Number>& x, const std::vector<Number>& y, int64_t dim) {
  const int64_t parts = std::clamp<int64_t>(rows_ / (4 * kStrip), 1, 32);
  const bool euclidean = is_euclidean(kind_);
  const int64_t panels = (columns_ + kPanel - 1) / kPanel;
  parallel_for(parts * panels, [&](int64_t task) {
    const int64_t first = task / parts * kPanel;
    const int64_t count = std::min(kPanel, columns_ - first);
    const int64_t end = rows_ * (task % parts + 1) / parts;
    std::vector<Number> panel(static_cast<std::size_t>(dim * kPanel), Number{0});
    for (int64_t j = 0; j < count; ++j) {
      for (int64_t d = 0; d < dim; ++d) panel.data()[d * kPanel + j] = y.data()[(first + j) * dim + d];
    }
    Number sums[kStrip][kPanel];
    for (int64_t i = rows_ * (task % parts) / parts; i < end; i += kStrip) {
      Panel<Number> strip{{}, panel.data(), count, dim};
      for (int64_t r = 0; r < kStrip; ++r) strip.rows[r] = x.data() + std::min(i + r, end - 1) * dim;
      if (euclidean) {
        squares(strip, sums);
      } else {
        products(strip, sums);
      }
      for (int64_t r = 0; r < std::min(kStrip, end - i); ++r) {
        for (int64_t j = 0; j < count; ++j) {
          values_.get()[(i + r) * columns_ + first + j] =
              similarity_of(kind_, sums[r][j], x_norms_.data()[i + r], y_norms_.data()[first + j], sums[r][j]);
        }
      }
    }
  });
}

template class SimilarityMatrix<double>;
template class SimilarityMatrix<long double>;

}  // namespace nce::oracle
