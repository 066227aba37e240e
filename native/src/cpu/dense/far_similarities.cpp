#include "cpu/dense/far_similarities.h"

#include <atomic>
#include <cmath>

#include "api/refusals.h"

namespace nce::cpu::dense {
namespace {

/// |s| in a number type of more range.
template <typename Element>
long double size_of(nce_similarity similarity, const Element* x, const Element* y, int64_t dim) {
  long double product = 0.0L;
  long double square = 0.0L;
  for (int64_t d = 0; d < dim; ++d) {
    const auto a = static_cast<long double>(static_cast<double>(x[d]));
    const auto b = static_cast<long double>(static_cast<double>(y[d]));
    product += a * b;
    square += (a - b) * (a - b);
  }
  switch (similarity) {
    case NCE_SIMILARITY_COSINE:
      return 1.0L;
    case NCE_SIMILARITY_DOT:
      return std::fabs(product);
    case NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN:
      return square;
    case NCE_SIMILARITY_NEG_EUCLIDEAN:
      return std::sqrt(square);
  }
  return 0.0L;
}

template <typename Element>
bool is_far(const Call& call, int64_t row, long double largest) {
  const Problem& problem = call.problem;
  const auto far_from = [&](const RowSource& of_row, const RowSource& source, int64_t other) {
    return !(size_of(problem.similarity, of_row.row<Element>(row), source.row<Element>(other), problem.desc.dim) <=
             largest);
  };
  const auto far = [&](const RowSource& source, int64_t other) { return far_from(call.x, source, other); };
  if (problem.shared && far(call.z, row)) return true;
  for (int64_t k = row * problem.own; k < (row + 1) * problem.own; ++k) {
    if (far(call.z, k)) return true;
  }
  for (int64_t j = 0; j < problem.y_rows; ++j) {
    if (!(problem.tower && j == row) && far(call.y, j)) return true;
  }
  for (int64_t j = 0; problem.blocks.any() && j < problem.x_rows; ++j) {
    if (j == row) continue;
    if (problem.blocks.query_query && far(call.x, j)) return true;
    if (problem.blocks.key_key && far_from(call.y, call.y, j)) return true;
  }
  return false;
}

}  // namespace

void refuse_far_similarities(const Call& call, bool single) {
  const double limit = loss::reach_of(single).largest;
  const auto largest =
      static_cast<long double>(limit) * std::min(1.0L, 1.0L / static_cast<long double>(call.logit(1.0)));
  std::atomic<int64_t> first{call.problem.x_rows};
  for_rows(call.pool, 0, call.problem.x_rows, [&](int64_t row) {
    if (row >= first) return;
    const bool far =
        with_element(call.problem.dtype, [&](auto element) { return is_far<decltype(element)>(call, row, largest); });
    for (int64_t known = first; far && row < known && !first.compare_exchange_weak(known, row);) {
    }
  });
  if (first < call.problem.x_rows) refuse_similarity(first, single);
}

}  // namespace nce::cpu::dense
