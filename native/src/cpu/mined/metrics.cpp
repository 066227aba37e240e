#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/mined/call.h"
#include "loss/metrics.h"

namespace nce::cpu::mined {
namespace {

/// Cosines are taken from distances where norms are in this range, and none is much larger than another.
constexpr double kSmallestNorm = 1e-15;
constexpr double kLargestNorm = 1e15;
template <typename Real>
constexpr double kLargestNormRatio = sizeof(Real) == sizeof(float) ? 0x1p6 : 0x1p24;

template <typename Real>
class AnchorMeasure {
 public:
  AnchorMeasure(const Call<Real>& call, const DistanceRow<Real>& row, int64_t anchor, bool from_rows)
      : call_(call), norms_(call.state.norms), row_(row), anchor_(anchor), from_rows_(from_rows) {}

  loss::MetricTotals run() {
    const int32_t* const labels = call_.in.labels;
    if (labels[anchor_] < 0) return metrics_;
    row_.for_each([&](int64_t row, Real value) {
      if (row == anchor_) return;
      const auto distance = static_cast<double>(value);
      labels[row] == labels[anchor_] ? add_positive(distance, row) : add_negative(distance, row);
    });
    if (metrics_.positives > 0 && metrics_.negatives > 0) rank(labels);
    return metrics_;
  }

 private:
  void add_positive(double distance, int64_t row) {
    metrics_.positive_similarity += (call_.rule.top - distance) * loss::kSimilarityShare;
    metrics_.alignment += unit_distance_squared(distance, row);
    ++metrics_.positives;
    nearest_ = std::min(nearest_, distance);
  }

  void add_negative(double distance, int64_t row) {
    metrics_.negative_similarity += (call_.rule.top - distance) * loss::kSimilarityShare;
    metrics_.uniformity += std::exp(-2.0 * unit_distance_squared(distance, row));
    ++metrics_.negatives;
  }

  void rank(const int32_t* labels) {
    double above = 0.0, tied = 0.0;
    row_.for_each([&](int64_t row, Real distance) {
      if (labels[row] == labels[anchor_]) return;
      if (static_cast<double>(distance) < nearest_) above += 1.0;
      if (static_cast<double>(distance) == nearest_) tied += 1.0;
    });
    metrics_.top1 = loss::rank_credit(above, tied, 1.0);
    metrics_.topk = loss::rank_credit(above, tied, call_.problem.desc.top_k);
  }

  /// |x^ - y^|^2.
  double unit_distance_squared(double distance, int64_t row) const {
    if (norms_.zero(row) || norms_.zero(anchor_)) return norms_.zero(row) && norms_.zero(anchor_) ? 0.0 : 1.0;
    if (call_.problem.cosine()) return 2.0 * distance;
    if (from_rows_) {
      return dense::unit_distance_squared(call_.source, norms_, anchor_, call_.source, norms_, row, call_.dim());
    }
    const bool root = call_.problem.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN;
    const double square = root ? distance * distance : distance;
    const double x = norms_.norm(anchor_), y = norms_.norm(row);
    return std::max(0.0, 2.0 - (x / y + y / x - square / x / y));
  }

  const Call<Real>& call_;
  const dense::Norms& norms_;
  const DistanceRow<Real>& row_;
  const int64_t anchor_;
  const bool from_rows_;
  loss::MetricTotals metrics_{};
  double nearest_ = std::numeric_limits<double>::infinity();
};

}  // namespace

template <typename Real>
bool cosines_from_rows(const Call<Real>& call) {
  if (call.problem.cosine()) return false;
  double smallest = std::numeric_limits<double>::infinity(), largest = 0.0;
  for (int64_t i = 0; i < call.rows(); ++i) {
    if (call.state.norms.zero(i)) continue;
    smallest = std::min(smallest, call.state.norms.norm(i));
    largest = std::max(largest, call.state.norms.norm(i));
  }
  return !(smallest >= kSmallestNorm && largest <= kLargestNorm && largest <= kLargestNormRatio<Real> * smallest);
}

template <typename Real>
loss::MetricTotals metrics_of_anchor(const Call<Real>& call, const DistanceRow<Real>& row, int64_t anchor,
                                     bool from_rows) {
  return AnchorMeasure<Real>(call, row, anchor, from_rows).run();
}

template <typename Real>
void write_metrics(const Call<Real>& call) {
  loss::MetricTotals totals{};
  int64_t ranked = 0, without_positives = 0, without_negatives = 0;
  for (int64_t i = 0; i < call.rows(); ++i) {
    const loss::MetricTotals& of = call.state.metrics[i];
    totals.add(of);
    if (of.positives > 0 && of.negatives > 0) ++ranked;
    if (of.positives == 0) ++without_positives;
    if (of.negatives == 0) ++without_negatives;
  }
  totals.zero_rows = dense::count_zero(call.state.norms, call.rows());
  nce_metrics metrics = loss::metrics_of(call.problem.row.function, loss::similarity_range(call.problem), totals,
                                         ranked, loss::kSimilarityShare);
  metrics.rows = call.rows();
  metrics.rows_without_positives = without_positives;
  metrics.rows_without_negatives = without_negatives;
  loss::write_metrics(metrics, call.out.metrics);
}

template bool cosines_from_rows<float>(const Call<float>&);
template bool cosines_from_rows<double>(const Call<double>&);
template loss::MetricTotals metrics_of_anchor<float>(const Call<float>&, const DistanceRow<float>&, int64_t, bool);
template loss::MetricTotals metrics_of_anchor<double>(const Call<double>&, const DistanceRow<double>&, int64_t, bool);
template void write_metrics<float>(const Call<float>&);
template void write_metrics<double>(const Call<double>&);

}  // namespace nce::cpu::mined
