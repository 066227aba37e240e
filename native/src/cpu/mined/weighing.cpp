#include <algorithm>
#include <cmath>

#include "cpu/mined/mining.h"
#include "loss/weighed.h"

namespace nce::cpu::mined {

template <typename Real>
MinedRow weigh_row(const MinedRule& rule, const DistanceRow<Real>& row, const int32_t* labels, int64_t anchor,
                   double* terms, const Weights& weights) {
  loss::ExponentialSum sums[2] = {{-HUGE_VAL, 0.0}, {-HUGE_VAL, 0.0}};  // of negatives, of positives
  const auto for_pairs = [&](const auto& body) {
    row.for_each([&](int64_t other, Real& cell) {
      if (other != anchor) body(other, cell, labels[other] == labels[anchor]);
    });
  };
  if (labels[anchor] >= 0) {
    for_pairs([&](int64_t other, Real& cell, bool positive) {
      terms[other] = loss::exponent_of(rule, static_cast<double>(cell), positive).value;
      sums[positive].top = std::max(sums[positive].top, terms[other]);
    });
    for_pairs([&](int64_t other, Real&, bool positive) {
      terms[other] = loss::exponential_term(terms[other], sums[positive].top);
      sums[positive].sum += terms[other];
    });
  }
  const loss::WeighedRow result = loss::weighed_row(rule, sums[true], sums[false]);
  if (!weights.wanted) return result.row;
  if (labels[anchor] < 0) {
    row.clear();
    return result.row;
  }
  for_pairs([&](int64_t other, Real& cell, bool positive) {
    const auto distance = static_cast<double>(cell);
    const double slope = loss::exponent_of(rule, distance, positive).slope;
    const double share = terms[other] * (positive ? result.positives : result.negatives);
    cell = static_cast<Real>(weights.of(share * slope, distance));
  });
  row.at(anchor) = Real{0};
  for (int64_t beyond = row.rows; beyond < row.tiles * row.width; ++beyond) row.at(beyond) = Real{0};
  return result.row;
}

template MinedRow weigh_row<float>(const MinedRule&, const DistanceRow<float>&, const int32_t*, int64_t, double*,
                                   const Weights&);
template MinedRow weigh_row<double>(const MinedRule&, const DistanceRow<double>&, const int32_t*, int64_t, double*,
                                    const Weights&);

}  // namespace nce::cpu::mined
