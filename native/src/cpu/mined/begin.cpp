#include <atomic>
#include <cmath>

#include "api/refusals.h"
#include "cpu/dense/center.h"
#include "cpu/mined/call.h"

namespace nce::cpu::mined {
namespace {

template <typename Real>
constexpr bool kSingle = sizeof(Real) == sizeof(float);

template <typename Real>
void measure(const Call<Real>& call) {
  call.pool.parallel_for((call.rows() + kRowsATask - 1) / kRowsATask, [&](int64_t task, int) {
    const int64_t end = std::min(call.rows(), (task + 1) * kRowsATask);
    dense::measure_rows(call.source, task * kRowsATask, end, call.dim(), call.state.norms);
  });
  const int64_t bad = dense::first_non_finite(call.state.norms, call.rows());
  if (bad >= 0) refuse_row("queries", bad);
}

/// Whether a row's distance from another is beyond what its sums can hold, in a number type of more range.
template <typename Real>
bool is_far(const Call<Real>& call, int64_t row, long double largest) {
  return dense::with_element(call.problem.dtype, [&](auto element) {
    using Element = decltype(element);
    const Element* const x = call.source.template row<Element>(row);
    for (int64_t j = 0; j < call.rows(); ++j) {
      const Element* const y = call.source.template row<Element>(j);
      long double square = 0.0L;
      for (int64_t d = 0; d < call.dim(); ++d) {
        const long double difference =
            static_cast<long double>(static_cast<double>(x[d])) - static_cast<long double>(static_cast<double>(y[d]));
        square += difference * difference;
      }
      const bool root = call.problem.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN;
      if (!((root ? std::sqrt(square) : square) <= largest)) return true;
    }
    return false;
  });
}

template <typename Real>
void refuse_far_distances(const Call<Real>& call) {
  if (call.problem.cosine()) return;
  double norm = 0.0;
  for (int64_t i = 0; i < call.rows(); ++i) norm = std::max(norm, call.state.norms.norm(i));
  const loss::Reach reach = loss::reach_of(kSingle<Real>);
  if (loss::largest_similarity(call.problem.similarity, norm, norm) <= reach.safe) return;
  std::atomic<int64_t> first{call.rows()};
  for_rows(call.pool, call.rows(), [&](int64_t row, int) {
    if (row >= first || !is_far(call, row, static_cast<long double>(reach.largest))) return;
    for (int64_t known = first; row < known && !first.compare_exchange_weak(known, row);) {
    }
  });
  if (first < call.rows()) refuse_similarity(first, kSingle<Real>);
}

template <typename Real>
void pack_panel(const Call<Real>& call, const double* center, int64_t panel) {
  const Kernels<Real>& kernels = call.kernels;
  const State<Real>& state = call.state;
  const void* addresses[dense::kRowPadding] = {};
  double scales[dense::kRowPadding] = {};
  double inverses[dense::kRowPadding] = {};
  const int64_t first = panel * kernels.width;
  for (int64_t l = 0; l < std::min(kernels.width, call.rows() - first); ++l) {
    addresses[l] = call.source.row_address(first + l);
    scales[l] = state.norms.scale[first + l];
    inverses[l] = state.norms.inverse(first + l);
  }
  Real* const to = state.panels + panel * state.panel_stride;
  kernels.pack(
      {to, addresses, scales, inverses, center, call.dim(), state.steps, call.source.dtype, call.problem.cosine()});
  kernels.diagonal(to, to, call.dim(), state.squares + first);
}

}  // namespace

template <typename Real>
void begin(const Call<Real>& call) {
  const State<Real>& state = call.state;
  measure(call);
  refuse_far_distances(call);
  std::fill_n(state.lane_labels, dense::padded(call.rows()), dense::LaneInteger<Real>{-1});
  std::copy_n(call.in.labels, call.rows(), state.lane_labels);
  const double* center = nullptr;
  if (call.problem.euclidean() && dense::find_center(call.source, call.rows(), call.dim(), state.center)) {
    center = state.center;
  }
  call.pool.parallel_for(state.panel_count, [&](int64_t panel, int) { pack_panel(call, center, panel); });
}

template void begin<float>(const Call<float>&);
template void begin<double>(const Call<double>&);

}  // namespace nce::cpu::mined
