#include "cpu/mined/mining.h"

#include <algorithm>
#include <cmath>

namespace nce::cpu::mined {
namespace {

using loss::triplet_gap;
using loss::triplet_loss;
using loss::triplet_slope;

/// The mining of one anchor. The members are what its steps share.
template <typename Real>
class Anchor {
 public:
  Anchor(const MinedRule& rule, const DistanceRow<Real>& row, const int32_t* labels, int64_t anchor,
         const RowSpace& space, const Weights& weights)
      : rule_(rule), row_(row), labels_(labels), anchor_(anchor), space_(space), weights_(weights) {}

  /// Finds the positives, the nearest first. False if there are none.
  bool find_positives() {
    if (labels_[anchor_] < 0) return false;
    row_.for_each([&](int64_t row, Real distance) {
      if (labels_[row] != labels_[anchor_] || row == anchor_) return;
      space_.positives[count_++] = {static_cast<double>(distance), row};
    });
    std::sort(space_.positives, space_.positives + count_, [](const Distant& a, const Distant& b) {
      return a.distance != b.distance ? a.distance < b.distance : a.row < b.row;
    });
    return count_ > 0;
  }

  /// Negatives fall into buckets by how many positives they leave inactive: a positive is active with those of its own
  /// bucket and of all before. Sums are of what distances exceed the nearest positive's by, which cancels less.
  MinedRow all_hinges() const {
    std::fill_n(space_.buckets, count_ + 1, Bucket{0.0, 0.0});
    const double nearest = space_.positives[0].distance;
    for_negatives([&](double distance, Real& cell) {
      const int64_t inactive = loss::inactive_positives(space_.positives, count_, distance, rule_.margin);
      space_.buckets[inactive].count += 1.0;
      space_.buckets[inactive].sum += distance - nearest;
      put(cell, -static_cast<double>(count_ - inactive), distance);
    });
    MinedRow result{0.0, 0.0};
    Bucket active{0.0, 0.0};
    for (int64_t k = 0; k < count_; ++k) {
      const Distant& positive = space_.positives[k];
      active.count += space_.buckets[k].count;
      active.sum += space_.buckets[k].sum;
      result.loss += active.count * ((positive.distance - nearest) + rule_.margin) - active.sum;
      result.count += active.count;
      put(row_.at(positive.row), active.count, positive.distance);
    }
    put_nothing();
    // What is left of sums that cancel may be below 0.
    return {std::max(0.0, result.loss), result.count};
  }

  /// A softplus has no sums that all positives could share, but e^gap is a product of two powers, and the logarithms of
  /// factors are one of their product.
  MinedRow all_soft() const {
    std::fill_n(space_.slopes, count_, 0.0);
    const double nearest = space_.positives[0].distance;
    const bool near = space_.positives[count_ - 1].distance - nearest <= kLargestExponent;
    for (int64_t k = 0; near && k < count_; ++k) {
      space_.powers[k] = std::exp(space_.positives[k].distance - nearest);
    }
    MinedRow result{0.0, 0.0};
    for_negatives([&](double distance, Real& cell) {
      const double least = triplet_gap(nearest, distance, rule_.margin);
      double slopes = 0.0;
      result.loss += near && std::fabs(least) <= kLargestExponent ? soft_by_powers(std::exp(least), slopes)
                                                                  : soft_by_gaps(distance, slopes);
      result.count += static_cast<double>(count_);
      put(cell, -slopes, distance);
    });
    for (int64_t k = 0; k < count_; ++k) {
      const Distant& positive = space_.positives[k];
      put(row_.at(positive.row), space_.slopes[k], positive.distance);
    }
    put_nothing();
    return result;
  }

  /// nearest[k] becomes the nearest negative that is farther than the k nearest positives, but not than the next.
  MinedRow semi_hard() const {
    std::fill_n(space_.nearest, count_ + 1, Distant{0.0, -1});
    Distant farthest{0.0, -1};
    row_.for_each([&](int64_t row, Real distance) {
      if (labels_[row] == labels_[anchor_]) return;
      const Distant negative{static_cast<double>(distance), row};
      Distant& nearest = space_.nearest[loss::nearer_positives(space_.positives, count_, negative.distance)];
      nearest = loss::nearer(nearest, negative);
      farthest = loss::farther(farthest, negative);
    });
    if (weights_.wanted) row_.clear();
    if (farthest.row < 0) return {0.0, 0.0};
    MinedRow result{0.0, static_cast<double>(count_)};
    Distant beyond{0.0, -1};
    for (int64_t k = count_ - 1; k >= 0; --k) {
      const Distant& positive = space_.positives[k];
      beyond = loss::nearer(beyond, space_.nearest[k + 1]);
      const Distant& negative = beyond.row < 0 ? farthest : beyond;
      const double gap = triplet_gap(positive.distance, negative.distance, rule_.margin);
      result.loss += triplet_loss(gap, rule_.soft);
      const double slope = triplet_slope(gap, rule_.soft);
      put(row_.at(positive.row), slope, positive.distance);
      if (weights_.wanted) row_.at(negative.row) += static_cast<Real>(weights_.of(-slope, negative.distance));
    }
    return result;
  }

 private:
  /// Of gaps whose powers, and products of some, stay in the range of double.
  static constexpr double kLargestExponent = 100.0;
  static constexpr double kLargestProduct = 1e200;

  void add_slope(int64_t k, double slope, double& slopes) const {
    space_.slopes[k] += slope;
    slopes += slope;
  }

  /// The sum of ln(1 + e^gap) of a negative; `power` is e^gap of the nearest positive. The product less 1 keeps the
  /// digits of tiny factors.
  double soft_by_powers(double power, double& slopes) const {
    double sum = 0.0;
    double product = 0.0;
    for (int64_t k = 0; k < count_; ++k) {
      const double e = power * space_.powers[k];
      product += e + product * e;
      if (weights_.wanted) add_slope(k, e / (1.0 + e), slopes);
      if (product <= kLargestProduct) continue;
      sum += std::log1p(product);
      product = 0.0;
    }
    return sum + std::log1p(product);
  }

  double soft_by_gaps(double negative, double& slopes) const {
    double sum = 0.0;
    for (int64_t k = 0; k < count_; ++k) {
      const double gap = triplet_gap(space_.positives[k].distance, negative, rule_.margin);
      sum += triplet_loss(gap, true);
      if (weights_.wanted) add_slope(k, triplet_slope(gap, true), slopes);
    }
    return sum;
  }

  template <typename Body>
  void for_negatives(const Body& body) const {
    row_.for_each([&](int64_t row, Real& cell) {
      if (labels_[row] != labels_[anchor_]) body(static_cast<double>(cell), cell);
    });
  }

  void put(Real& cell, double slope, double distance) const {
    if (weights_.wanted) cell = static_cast<Real>(weights_.of(slope, distance));
  }

  /// The anchor itself weighs nothing, nor do the columns behind the last row.
  void put_nothing() const {
    if (!weights_.wanted) return;
    row_.at(anchor_) = Real{0};
    for (int64_t row = row_.rows; row < row_.tiles * row_.width; ++row) row_.at(row) = Real{0};
  }

  const MinedRule& rule_;
  const DistanceRow<Real>& row_;
  const int32_t* labels_;
  const int64_t anchor_;
  const RowSpace& space_;
  const Weights& weights_;
  int64_t count_ = 0;  ///< of positives
};

}  // namespace

template <typename Real>
void DistanceRow<Real>::clear() const {
  for (int64_t tile = 0; tile < tiles; ++tile) std::fill_n(first + tile * width * width, width, Real{0});
}

template <typename Real>
MinedRow mine_row(const MinedRule& rule, const DistanceRow<Real>& row, const int32_t* labels, int64_t anchor,
                  const RowSpace& space, const Weights& weights) {
  if (rule.weighed()) return weigh_row(rule, row, labels, anchor, space.terms, weights);
  Anchor<Real> of(rule, row, labels, anchor, space, weights);
  if (!of.find_positives()) {
    if (weights.wanted) row.clear();
    return {0.0, 0.0};
  }
  switch (rule.mining) {
    case NCE_MINING_BATCH_ALL:
      return rule.soft ? of.all_soft() : of.all_hinges();
    case NCE_MINING_SEMI_HARD:
      return of.semi_hard();
    case NCE_MINING_NONE:
    case NCE_MINING_BATCH_HARD:
    case NCE_MINING_EASY_POSITIVE:
    case NCE_MINING_BATCH_EASY:
      break;
  }
  return {std::nan(""), std::nan("")};
}

template struct DistanceRow<float>;
template struct DistanceRow<double>;
template MinedRow mine_row<float>(const MinedRule&, const DistanceRow<float>&, const int32_t*, int64_t, const RowSpace&,
                                  const Weights&);
template MinedRow mine_row<double>(const MinedRule&, const DistanceRow<double>&, const int32_t*, int64_t,
                                   const RowSpace&, const Weights&);

}  // namespace nce::cpu::mined
