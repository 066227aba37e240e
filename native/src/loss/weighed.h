#pragma once
// Losses of all pairs of an anchor, each weighed by what follows from its similarity: a row is two sums of
// exponentials, of its positives and of its negatives. In double, on host and device. Sources: multi-similarity
// 1904.06627 eq. 16, circle 2002.10857 eq. 6.

#include <cmath>

#include "loss/mined.h"

namespace nce::loss {

/// A pair's term of the sum of its kind is e^value; dl / d(distance) is its share of dl / d ln(sum), times slope.
struct Exponent {
  double value;
  double slope;
};

NCE_HOST_DEVICE inline Exponent multi_similarity_exponent(const MinedRule& rule, double distance, bool positive) {
  const double above = (rule.top - rule.base) - distance;
  // A sum's logarithm is divided by the scale again, so that slopes have none.
  return positive ? Exponent{-rule.positive_scale * above, 1.0} : Exponent{rule.negative_scale * above, -1.0};
}

/// Both kinds are g max(0, x + margin) (x - margin), x being s of a negative and 1 - s of a positive, which keeps the
/// digits of near rows. The derivative of the product is 2 g x.
NCE_HOST_DEVICE inline Exponent circle_exponent(const MinedRule& rule, double distance, bool positive) {
  const double x = positive ? (1.0 - rule.top) + distance : rule.top - distance;
  if (!(x + rule.margin > 0.0)) return {0.0, 0.0};
  const double slope = 2.0 * rule.positive_scale * x;
  return {rule.positive_scale * (x + rule.margin) * (x - rule.margin), positive ? slope : -slope};
}

NCE_HOST_DEVICE inline Exponent exponent_of(const MinedRule& rule, double distance, bool positive) {
  switch (rule.function) {
    case RowFunction::kMultiSimilarity:
      return multi_similarity_exponent(rule, distance, positive);
    case RowFunction::kCircle:
      return circle_exponent(rule, distance, positive);
    case RowFunction::kSoftmax:
    case RowFunction::kDecoupled:
    case RowFunction::kDebiased:
    case RowFunction::kLogistic:
    case RowFunction::kContrastive:
    case RowFunction::kTriplet:
    case RowFunction::kSoftTriplet:
    case RowFunction::kKlDivergence:
    case RowFunction::kMarginMse:
      break;
  }
  return {std::nan(""), std::nan("")};
}

/// A sum of exponentials: e^top times sum, top being the largest exponent. Without any term, top is -infinity.
struct ExponentialSum {
  double top;
  double sum;

  NCE_HOST_DEVICE bool none() const { return top == -HUGE_VAL; }
};

/// A term of a sum, from its exponent and the largest.
NCE_HOST_DEVICE inline double exponential_term(double exponent, double top) {
  return top == -HUGE_VAL ? 0.0 : std::exp(exponent - top);
}

/// ln(1 + x), and dl / d ln x of it, x / (1 + x).
struct OneMore {
  double log;
  double slope;
};

/// Of x = e^top times sum, whose sum is at least 1; both keep their digits where x is tiny.
NCE_HOST_DEVICE inline OneMore one_more(double top, double sum) {
  if (top > 0.0) {
    const double one = std::exp(-top);
    return {top + std::log(one + sum), sum / (one + sum)};
  }
  const double x = std::exp(top) * sum;
  return {std::log1p(x), x / (1.0 + x)};
}

/// A row's loss and count, and what a pair's term times its slope is multiplied by for dl / d(distance).
struct WeighedRow {
  MinedRow row;
  double positives;
  double negatives;
};

/// Every row counts, and lacks what it has no pairs for.
NCE_HOST_DEVICE inline WeighedRow multi_similarity_row(const MinedRule& rule, const ExponentialSum& positives,
                                                       const ExponentialSum& negatives) {
  WeighedRow result{MinedRow{0.0, 1.0}, 0.0, 0.0};
  if (!positives.none()) {
    const OneMore of = one_more(positives.top, positives.sum);
    result.row.loss += of.log / rule.positive_scale;
    result.positives = of.slope / positives.sum;
  }
  if (!negatives.none()) {
    const OneMore of = one_more(negatives.top, negatives.sum);
    result.row.loss += of.log / rule.negative_scale;
    result.negatives = of.slope / negatives.sum;
  }
  return result;
}

/// softplus(ln a + ln b) = ln(1 + a b). A row counts that has both.
NCE_HOST_DEVICE inline WeighedRow circle_row(const ExponentialSum& positives, const ExponentialSum& negatives) {
  if (positives.none() || negatives.none()) return {{0.0, 0.0}, 0.0, 0.0};
  const OneMore of = one_more(positives.top + negatives.top, positives.sum * negatives.sum);
  return {{of.log, 1.0}, of.slope / positives.sum, of.slope / negatives.sum};
}

NCE_HOST_DEVICE inline WeighedRow weighed_row(const MinedRule& rule, const ExponentialSum& positives,
                                              const ExponentialSum& negatives) {
  switch (rule.function) {
    case RowFunction::kMultiSimilarity:
      return multi_similarity_row(rule, positives, negatives);
    case RowFunction::kCircle:
      return circle_row(positives, negatives);
    case RowFunction::kSoftmax:
    case RowFunction::kDecoupled:
    case RowFunction::kDebiased:
    case RowFunction::kLogistic:
    case RowFunction::kContrastive:
    case RowFunction::kTriplet:
    case RowFunction::kSoftTriplet:
    case RowFunction::kKlDivergence:
    case RowFunction::kMarginMse:
      break;
  }
  return {{std::nan(""), std::nan("")}, std::nan(""), std::nan("")};
}

}  // namespace nce::loss
