#include <algorithm>
#include <atomic>
#include <cmath>
#include <type_traits>

#include "cpu/mined/call.h"

namespace nce::cpu::mined {
namespace {

/// Where a row's gradient goes.
template <typename Real>
void* target_of(const Call<Real>& call, int64_t row) {
  return static_cast<std::byte*>(call.out.d_queries) +
         row * call.out.d_queries_stride * loss::dtype_bytes(call.problem.gradient_dtype);
}

template <typename Real>
bool finish_panel(const Call<Real>& call, const WeighedScratch<Real>& scratch, double scale, int64_t panel,
                  double* space) {
  const State<Real>& state = call.state;
  const bool cosine = call.problem.cosine();
  const double factor = call.problem.similarity == NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN ? 2.0 : 1.0;
  double none[dense::kRowPadding] = {};
  double ones[dense::kRowPadding];
  double sum_factors[dense::kRowPadding];
  double g_sums[dense::kRowPadding] = {};
  double factors[dense::kRowPadding] = {};
  double scales[dense::kRowPadding] = {};
  void* to[dense::kRowPadding] = {};
  const int64_t first = panel * call.kernels.width;
  std::fill_n(ones, dense::kRowPadding, 1.0);
  std::fill_n(sum_factors, dense::kRowPadding, scale);
  for (int64_t l = 0; l < std::min(call.kernels.width, call.rows() - first); ++l) {
    const int64_t row = first + l;
    to[l] = target_of(call, row);
    g_sums[l] = scale * (scratch.g_anchors[row] + scratch.g_met[row]);
    factors[l] = cosine ? state.norms.inverse(row) : factor;
    scales[l] = cosine ? state.norms.scale[row] : 1.0;
  }
  return call.kernels.finish({.groups = scratch.sums + panel * state.panel_stride,
                              .group_stride = state.panel_count * state.panel_stride,
                              .group_count = 2,
                              .row_blocks = nullptr,
                              .sum_factors = sum_factors,
                              .x_squared_factors = ones,
                              .g_sums = g_sums,
                              .x = state.panels + panel * state.panel_stride,
                              .positives = nullptr,
                              .positive_coefficients = none,
                              .dim = call.dim(),
                              .unit = cosine,
                              .euclidean = call.problem.euclidean(),
                              .sums = space,
                              .to = to,
                              .add = call.out.accumulate != 0,
                              .dtype = call.problem.gradient_dtype,
                              .overflow = loss::overflow_of(call.problem.gradient_dtype),
                              .factors = factors,
                              .scales = scales});
}

/// The gradient of one row at a time, from the pairs that it is an end of.
template <typename Real>
class Gather {
 public:
  Gather(const Call<Real>& call, const GatherScratch& scratch, double scale)
      : call_(call), pairs_(call.state.pairs), scratch_(scratch), scale_(scale) {}

  /// Ends by their row, and among those by anchor: always in the same order.
  void sort_ends() const {
    std::fill_n(scratch_.begins, call_.rows() + 1, int64_t{0});
    for_ends([&](int64_t row, int64_t) { ++scratch_.begins[row + 1]; });
    for (int64_t i = 0; i < call_.rows(); ++i) scratch_.begins[i + 1] += scratch_.begins[i];
    for_ends([&](int64_t row, int64_t end) { scratch_.ends[scratch_.begins[row]++] = end; });
    // Each row's begin has become the next one's.
    std::copy_backward(scratch_.begins, scratch_.begins + call_.rows(), scratch_.begins + call_.rows() + 1);
    scratch_.begins[0] = 0;
  }

  /// Whether every number fits its type.
  bool write(int64_t row, int worker) const {
    double* const sum = scratch_.rows + 2 * worker * scratch_.row_stride;
    double* const own = sum + scratch_.row_stride;
    return dense::with_element(call_.problem.dtype, [&](auto element) {
      using Element = decltype(element);
      std::fill_n(sum, call_.dim(), 0.0);
      read<Element>(row, own);
      if (pairs_[row].positive.row >= 0) {
        add<Element>(pairs_[row].positive, slope(row), own, sum);
        add<Element>(pairs_[row].negative, -slope(row), own, sum);
      }
      for (int64_t k = scratch_.begins[row]; k < scratch_.begins[row + 1]; ++k) {
        const int64_t anchor = scratch_.ends[k] / 2;
        const bool positive = scratch_.ends[k] % 2 == 0;
        const double distance = positive ? pairs_[anchor].positive.distance : pairs_[anchor].negative.distance;
        add<Element>({distance, anchor}, positive ? slope(anchor) : -slope(anchor), own, sum);
      }
      if (call_.problem.cosine()) project(row, own, sum);
      return put(row, sum);
    });
  }

 private:
  template <typename Body>
  void for_ends(const Body& body) const {
    for (int64_t anchor = 0; anchor < call_.rows(); ++anchor) {
      if (pairs_[anchor].positive.row < 0) continue;
      body(pairs_[anchor].positive.row, 2 * anchor);
      body(pairs_[anchor].negative.row, 2 * anchor + 1);
    }
  }

  /// dL / d(distance of an anchor's positive).
  double slope(int64_t anchor) const {
    const Pair& pair = pairs_[anchor];
    const double gap = loss::triplet_gap(pair.positive.distance, pair.negative.distance, call_.rule.margin);
    return scale_ * call_.factor(anchor) * loss::triplet_slope(gap, call_.rule.soft);
  }

  template <typename Element>
  void read(int64_t row, double* to) const {
    const Element* const from = call_.source.template row<Element>(row);
    const dense::Norms& norms = call_.state.norms;
    if (!call_.problem.cosine()) {
      for (int64_t d = 0; d < call_.dim(); ++d) to[d] = static_cast<double>(from[d]);
      return;
    }
    const double scale = norms.scale[row];
    const double inverse = norms.inverse(row);
    for (int64_t d = 0; d < call_.dim(); ++d) to[d] = static_cast<double>(from[d]) * scale * inverse;
  }

  /// Adds the slope by the row's distance from another: of differences, which cancel nothing; of cosines the other's
  /// unit vector.
  template <typename Element>
  void add(const Distant& other, double slope, const double* own, double* sum) const {
    if (slope == 0.0) return;
    const Element* const y = call_.source.template row<Element>(other.row);
    const dense::Norms& norms = call_.state.norms;
    switch (call_.problem.distance) {
      case NCE_DISTANCE_COSINE: {
        const double scale = norms.scale[other.row];
        const double factor = -slope * norms.inverse(other.row);
        for (int64_t d = 0; d < call_.dim(); ++d) sum[d] += factor * (static_cast<double>(y[d]) * scale);
        return;
      }
      case NCE_DISTANCE_SQUARED_EUCLIDEAN:
        for (int64_t d = 0; d < call_.dim(); ++d) sum[d] += 2.0 * slope * (own[d] - static_cast<double>(y[d]));
        return;
      case NCE_DISTANCE_EUCLIDEAN: {
        if (other.distance == 0.0) return;
        const double enlarged = other.distance < loss::kSmallestDivisor ? loss::kEnlarged : 1.0;
        const double factor = slope / (other.distance * enlarged);
        for (int64_t d = 0; d < call_.dim(); ++d) {
          sum[d] += factor * ((own[d] - static_cast<double>(y[d])) * enlarged);
        }
        return;
      }
    }
  }

  /// Takes away what lies along the row, and goes back through its norm.
  void project(int64_t row, const double* own, double* sum) const {
    double along = 0.0;
    for (int64_t d = 0; d < call_.dim(); ++d) along += sum[d] * own[d];
    const double inverse = call_.state.norms.inverse(row);
    const double scale = call_.state.norms.scale[row];
    for (int64_t d = 0; d < call_.dim(); ++d) sum[d] = (sum[d] - along * own[d]) * inverse * scale;
  }

  bool put(int64_t row, const double* sum) const {
    const double overflow = loss::overflow_of(call_.problem.gradient_dtype);
    const bool held = call_.out.accumulate != 0;
    bool fits = true;
    dense::with_element(call_.problem.gradient_dtype, [&](auto element) {
      using Element = decltype(element);
      using Written = std::conditional_t<sizeof(Element) == 2, float, Element>;
      auto* const to = static_cast<Element*>(target_of(call_, row));
      for (int64_t d = 0; d < call_.dim(); ++d) {
        const double gradient = held ? static_cast<double>(to[d]) + sum[d] : sum[d];
        fits &= std::fabs(gradient) < overflow;  // no branch, for vectors
        to[d] = static_cast<Element>(static_cast<Written>(gradient));
      }
    });
    return fits;
  }

  const Call<Real>& call_;
  const Pair* const pairs_;
  const GatherScratch& scratch_;
  const double scale_;
};

}  // namespace

template <typename Real>
bool finish_weighed(const Call<Real>& call, const WeighedScratch<Real>& scratch, double scale) {
  std::atomic<bool> fits{true};
  call.pool.parallel_for(call.state.panel_count, [&](int64_t panel, int worker) {
    if (finish_panel(call, scratch, scale, panel, scratch.finish + worker * scratch.finish_stride)) fits = false;
  });
  return fits;
}

template <typename Real>
bool gather(const Call<Real>& call, const GatherScratch& scratch, double scale) {
  const Gather<Real> of(call, scratch, scale);
  of.sort_ends();
  std::atomic<bool> fits{true};
  for_rows(call.pool, call.rows(), [&](int64_t row, int worker) {
    if (!of.write(row, worker)) fits = false;
  });
  return fits;
}

template bool finish_weighed<float>(const Call<float>&, const WeighedScratch<float>&, double);
template bool finish_weighed<double>(const Call<double>&, const WeighedScratch<double>&, double);
template bool gather<float>(const Call<float>&, const GatherScratch&, double);
template bool gather<double>(const Call<double>&, const GatherScratch&, double);

}  // namespace nce::cpu::mined
