#pragma once
// Losses whose rows do not meet: each compares its query with vectors of its own, of which the first is the key. In
// double, on host and device. Sources: InfoNCE 1807.03748 eq. 4, NT-Logistic 2002.05709 table 2, contrastive Hadsell
// 2006 eq. 4, triplet 1503.03832 eq. 3, distillation 1503.02531 and 2010.02666 eq. 2.

#include <cmath>
#include <cstdint>

#include "loss/problem.h"
#include "loss/row.h"

namespace nce::loss {

/// Slopes are not divided by a distance below the first number: even 1 over it overflows. The second brings the
/// distance and its differences, or a row, away from 0.
constexpr double kSmallestDivisor = 1e-280;
constexpr double kEnlarged = 0x1p600;

/// Similarities and distances are one number, offset + sign * base, base being a function of two rows.
enum class Base : int32_t { kCosine, kDot, kSquaredDistance, kDistance };

struct Measure {
  Base base;
  double sign;
  double offset;
  double similarity_sign;  ///< from the number to what nce_metrics calls similarity
};

constexpr Measure measure_of(nce_similarity similarity) {
  switch (similarity) {
    case NCE_SIMILARITY_COSINE:
      return {.base = Base::kCosine, .sign = 1.0, .offset = 0.0, .similarity_sign = 1.0};
    case NCE_SIMILARITY_DOT:
      return {.base = Base::kDot, .sign = 1.0, .offset = 0.0, .similarity_sign = 1.0};
    case NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN:
      return {.base = Base::kSquaredDistance, .sign = -1.0, .offset = 0.0, .similarity_sign = 1.0};
    case NCE_SIMILARITY_NEG_EUCLIDEAN:
      return {.base = Base::kDistance, .sign = -1.0, .offset = 0.0, .similarity_sign = 1.0};
  }
  return {};
}

constexpr Measure measure_of(nce_distance distance) {
  switch (distance) {
    case NCE_DISTANCE_EUCLIDEAN:
      return {.base = Base::kDistance, .sign = 1.0, .offset = 0.0, .similarity_sign = -1.0};
    case NCE_DISTANCE_SQUARED_EUCLIDEAN:
      return {.base = Base::kSquaredDistance, .sign = 1.0, .offset = 0.0, .similarity_sign = -1.0};
    case NCE_DISTANCE_COSINE:
      return {.base = Base::kCosine, .sign = -1.0, .offset = 1.0, .similarity_sign = -1.0};
  }
  return {};
}

inline Measure measure_of(const Problem& problem) {
  switch (measured_by(problem.row.function)) {
    case Measured::kSimilarity:
      return measure_of(problem.similarity);
    case Measured::kDistance:
      return measure_of(problem.distance);
  }
  return {};
}

/// The measure of a row with another row.
struct Comparison {
  double value;
  double inverse_norm;  ///< of the other row, as inverse_norm_of has it; NaN for one that is not finite
};

/// Whether a sum of squares of float64 kept all its digits: neither overflow nor underflow came near it.
NCE_HOST_DEVICE inline bool squares_fit(double sum) { return sum > 1e-280 && sum < 1e280; }

/// 1 / norm; 0 for a zero row. Where that would overflow, minus 1 / enlarged(): the norm of kEnlarged times the row.
template <typename Enlarged>
NCE_HOST_DEVICE double inverse_norm_of(double norm, const Enlarged& enlarged) {
  constexpr double kSmallestNormal = 2.2250738585072014e-308;
  if (norm == 0.0) return 0.0;
  return norm >= kSmallestNormal ? 1.0 / norm : -1.0 / enlarged();
}

/// Whether the squares of a row with this inverse norm fit.
NCE_HOST_DEVICE inline bool row_fits(double inverse_norm) {
  return inverse_norm > 0.0 && squares_fit(inverse_norm * inverse_norm);
}

/// What a row is multiplied by, first and then second, to have the norm 1. Their product may overflow.
struct UnitFactors {
  double first;
  double second;
};
NCE_HOST_DEVICE inline UnitFactors unit_factors(double inverse_norm) {
  return inverse_norm < 0.0 ? UnitFactors{kEnlarged, -inverse_norm} : UnitFactors{1.0, inverse_norm};
}

/// What all rows of a call have in common.
struct PairwiseRule {
  RowFunction function;
  double tau;
  double margin;
  double class_prior;
  double hardness;  ///< see RowRule
};

/// What a call says of a row beside its vectors.
struct RowTargets {
  bool alike;            ///< its label; true for losses without labels
  const float* teacher;  ///< scores of its comparisons; null for losses without a teacher
};

/// A softmax: e^((x - maximum) / scale - log_sum). Two numbers: as one they would be rounded at the size of x.
struct Softmax {
  double maximum = 0.0;
  double log_sum = 0.0;
};

/// What the forward pass finds out about a row and the backward pass needs again.
struct RowTerms {
  double loss;
  double temperature_slope;  ///< dl/dtau
  double positive_slope;     ///< dl / d(value of the positive)
  double largest_slope;      ///< kOdds: and of the most similar negative
  double maximum;            ///< kOdds: its value; with a teacher: the largest size of a slope
  double entropy;            ///< kOdds: of the softmax over the negatives; NaN without any
  Softmax student{};         ///< kKlDivergence: of all comparisons
  Softmax teacher{};
};

/// Contrastive loss of a pair at distance d: d^2 / 2 if alike, else hinge(margin - d)^2 / 2; and d/dd of it.
NCE_HOST_DEVICE inline double contrastive_loss(double d, bool alike, double margin) {
  const double pull = alike ? d : hinge(margin - d);
  return 0.5 * pull * pull;
}
NCE_HOST_DEVICE inline double contrastive_slope(double d, bool alike, double margin) {
  return alike ? d : -hinge(margin - d);
}

/// Of a triplet, d(anchor, positive) - d(anchor, negative) + margin.
NCE_HOST_DEVICE inline double triplet_gap(double positive, double negative, double margin) {
  return (positive - negative) + margin;
}

/// Triplet loss, the hinge of the gap or its softplus, and the derivative by d(anchor, positive), which is minus that
/// by d(anchor, negative). At the hinge's kink the slope is 0.
NCE_HOST_DEVICE inline double triplet_loss(double gap, bool soft) { return soft ? softplus(gap) : hinge(gap); }
NCE_HOST_DEVICE inline double triplet_slope(double gap, bool soft) {
  return soft ? sigmoid(gap) : gap > 0.0 ? 1.0 : 0.0;
}

/// One thread that does a whole row. Warps that share a row bring lanes of their own: which comparisons are theirs, and
/// how their numbers become one.
struct WholeRow {
  NCE_HOST_DEVICE int64_t first() const { return 0; }
  NCE_HOST_DEVICE int64_t step() const { return 1; }
  NCE_HOST_DEVICE double sum(double value) const { return value; }
  NCE_HOST_DEVICE double largest(double value) const { return value; }
};

/// Values are subtracted before they are divided: that is exact where they are near, whatever their size.
template <typename Lanes>
NCE_HOST_DEVICE RowTerms softmax_terms(const PairwiseRule& rule, const Comparison* comparisons, int64_t count,
                                       const Lanes& lanes) {
  if (count == 1) return {0.0, 0.0, 0.0, 0.0, 0.0, std::nan("")};
  const double tau = rule.tau;
  const double positive = comparisons[0].value;
  double maximum = -HUGE_VAL;
  for (int64_t k = 1 + lanes.first(); k < count; k += lanes.step()) {
    if (comparisons[k].value > maximum) maximum = comparisons[k].value;
  }
  maximum = lanes.largest(maximum);
  double sum = 0.0;
  double weighted = 0.0;
  for (int64_t k = 1 + lanes.first(); k < count; k += lanes.step()) {
    const double below = (comparisons[k].value - maximum) / tau;
    const double e = std::exp(below + rule.hardness * (comparisons[k].value - maximum));
    sum += e;
    weighted += e * below;
  }
  sum = lanes.sum(sum);
  const double mean = lanes.sum(weighted) / sum;  // of logits under the negatives' softmax, less the maximum's
  const double log_sum = std::log(sum);
  const double gap = (maximum - positive + rule.margin) / tau;
  const RowRule row{.function = rule.function,
                    .negative_share = 1.0,
                    .margin = rule.margin,
                    .class_prior = rule.class_prior,
                    .negatives = static_cast<double>(count - 1),
                    .aggregation = NCE_AGGREGATION_OUTSIDE,
                    .hardness = rule.hardness};
  const LogOdds odds = log_odds_of(row, {maximum, log_sum}, positive, tau);
  const Masses masses = masses_of_odds(row, odds);
  return {loss_of_odds(row, odds),
          -temperature_pull(masses, mean + gap, least_gap(row, positive) / tau) / tau,
          -masses.positive / tau,
          masses.negatives / sum / tau,
          maximum,
          log_sum - mean - rule.hardness * tau * mean};
}

NCE_HOST_DEVICE inline RowTerms logistic_terms(const Comparison* comparisons, double tau) {
  const double positive = comparisons[0].value / tau;
  const double negative = comparisons[1].value / tau;
  const double slope =
      -(logistic_positive_slope(positive) * positive + logistic_negative_slope(negative) * negative) / tau;
  return {logistic_positive(positive) + logistic_negative(negative), slope, 0.0, 0.0, 0.0, 0.0};
}

/// The softmax of value(k) / scale over all k.
template <typename Value, typename Lanes>
NCE_HOST_DEVICE Softmax softmax_over(int64_t count, double scale, const Value& value, const Lanes& lanes) {
  double maximum = -HUGE_VAL;
  for (int64_t k = lanes.first(); k < count; k += lanes.step()) {
    if (value(k) > maximum) maximum = value(k);
  }
  maximum = lanes.largest(maximum);
  double sum = 0.0;
  for (int64_t k = lanes.first(); k < count; k += lanes.step()) sum += std::exp((value(k) - maximum) / scale);
  return {maximum, std::log(lanes.sum(sum))};
}

/// A candidate as teacher and student see it, p and q = p e^gap being their probabilities.
struct Candidate {
  double p;
  double q;
  double gap;  ///< ln(q / p)

  NCE_HOST_DEVICE double excess() const { return q - p; }
  /// Its share of the divergence, p ln(p / q) + q - p, which is never below 0; the two further terms have the sum 0. Of
  /// near probabilities it is of the second order, and q - p has not the digits.
  NCE_HOST_DEVICE double divergence() const {
    if (p == 0.0) return q;  // whatever the gap, which may be infinite
    return std::fabs(gap) < 0.5 ? p * (std::expm1(gap) - gap) : q - p - p * gap;
  }
};

NCE_HOST_DEVICE inline Candidate candidate_of(double value, double tau, const Softmax& student, double score,
                                              const Softmax& teacher) {
  const double log_q = (value - student.maximum) / tau - student.log_sum;
  const double log_p = (score - teacher.maximum) - teacher.log_sum;
  return {std::exp(log_p), std::exp(log_q), log_q - log_p};
}

template <typename Lanes>
NCE_HOST_DEVICE RowTerms divergence_terms(const Comparison* comparisons, int64_t count, double tau,
                                          const float* teacher_scores, const Lanes& lanes) {
  const auto value = [&](int64_t k) { return comparisons[k].value; };
  const auto score = [&](int64_t k) { return static_cast<double>(teacher_scores[k]); };
  const Softmax student = softmax_over(count, tau, value, lanes);
  const Softmax teacher = softmax_over(count, 1.0, score, lanes);
  double loss = 0.0;
  double pull = 0.0;
  double largest = 0.0;
  for (int64_t k = lanes.first(); k < count; k += lanes.step()) {
    const Candidate candidate = candidate_of(value(k), tau, student, score(k), teacher);
    loss += candidate.divergence();
    largest = std::fmax(largest, std::fabs(candidate.excess()));
    pull += candidate.excess() * (value(k) - student.maximum);
  }
  // What rounding leaves of a row that its teacher has taught may be below 0.
  const double divergence = lanes.sum(loss);
  const double by_tau = -lanes.sum(pull) / tau / tau;
  return {.loss = divergence > 0.0 ? divergence : 0.0,
          .temperature_slope = by_tau,
          .positive_slope = 0.0,
          .largest_slope = 0.0,
          .maximum = lanes.largest(largest) / tau,
          .entropy = std::nan(""),
          .student = student,
          .teacher = teacher};
}

/// (s+ - s-) - (t+ - t-) of negative k.
NCE_HOST_DEVICE inline double margin_error(const Comparison* comparisons, int64_t k, const float* teacher_scores) {
  const double wanted = static_cast<double>(teacher_scores[0]) - static_cast<double>(teacher_scores[k]);
  return (comparisons[0].value - comparisons[k].value) - wanted;
}

template <typename Lanes>
NCE_HOST_DEVICE RowTerms margin_mse_terms(const Comparison* comparisons, int64_t count, const float* teacher_scores,
                                          const Lanes& lanes) {
  if (count == 1) return {0.0, 0.0, 0.0, 0.0, 0.0, std::nan("")};
  const double share = 1.0 / static_cast<double>(count - 1);
  double squares = 0.0;
  double errors = 0.0;
  double largest = 0.0;
  for (int64_t k = 1 + lanes.first(); k < count; k += lanes.step()) {
    const double error = margin_error(comparisons, k, teacher_scores);
    squares += error * error;
    errors += error;
    largest = std::fmax(largest, std::fabs(error));
  }
  const double by_positive = 2.0 * share * lanes.sum(errors);
  return {.loss = lanes.sum(squares) * share,
          .temperature_slope = 0.0,
          .positive_slope = by_positive,
          .largest_slope = -2.0 * share,
          .maximum = std::fmax(std::fabs(by_positive), 2.0 * share * lanes.largest(largest)),
          .entropy = std::nan("")};
}

template <typename Lanes>
NCE_HOST_DEVICE RowTerms distilled_terms(const PairwiseRule& rule, const Comparison* comparisons, int64_t count,
                                         const float* teacher_scores, const Lanes& lanes) {
  return rule.function == RowFunction::kKlDivergence
             ? divergence_terms(comparisons, count, rule.tau, teacher_scores, lanes)
             : margin_mse_terms(comparisons, count, teacher_scores, lanes);
}

NCE_HOST_DEVICE inline double distilled_slope(const PairwiseRule& rule, const Comparison* comparisons, int64_t k,
                                              const float* teacher_scores, const RowTerms& terms) {
  if (rule.function == RowFunction::kKlDivergence) {
    return candidate_of(comparisons[k].value, rule.tau, terms.student, static_cast<double>(teacher_scores[k]),
                        terms.teacher)
               .excess() /
           rule.tau;
  }
  return k == 0 ? terms.positive_slope : terms.largest_slope * margin_error(comparisons, k, teacher_scores);
}

/// The terms of a row from its comparisons.
template <typename Lanes>
NCE_HOST_DEVICE RowTerms row_terms(const PairwiseRule& rule, const Comparison* comparisons, int64_t count,
                                   const RowTargets& targets, const Lanes& lanes) {
  switch (family_of(rule.function)) {
    case RowFamily::kOdds:
      return softmax_terms(rule, comparisons, count, lanes);
    case RowFamily::kLogistic:
      return logistic_terms(comparisons, rule.tau);
    case RowFamily::kContrastive:
      return {contrastive_loss(comparisons[0].value, targets.alike, rule.margin), 0.0, 0.0, 0.0, 0.0, 0.0};
    case RowFamily::kTriplet:
      return {triplet_loss(triplet_gap(comparisons[0].value, comparisons[1].value, rule.margin),
                           rule.function == RowFunction::kSoftTriplet),
              0.0,
              0.0,
              0.0,
              0.0,
              0.0};
    case RowFamily::kDistilled:
      return distilled_terms(rule, comparisons, count, targets.teacher, lanes);
    case RowFamily::kWeighed:
      break;
  }
  return {std::nan(""), std::nan(""), 0.0, 0.0, 0.0, 0.0};
}

/// dl / d(value of comparison k), of losses without a teacher.
NCE_HOST_DEVICE inline double slope_without_teacher(const PairwiseRule& rule, const Comparison* comparisons, int64_t k,
                                                    bool alike, const RowTerms& terms) {
  const double tau = rule.tau;
  switch (family_of(rule.function)) {
    case RowFamily::kOdds: {
      if (k == 0) return terms.positive_slope;
      const double below = comparisons[k].value - terms.maximum;
      return terms.largest_slope * std::exp(below / tau + rule.hardness * below);
    }
    case RowFamily::kLogistic:
      return (k == 0 ? logistic_positive_slope(comparisons[0].value / tau)
                     : logistic_negative_slope(comparisons[1].value / tau)) /
             tau;
    case RowFamily::kContrastive:
      return contrastive_slope(comparisons[0].value, alike, rule.margin);
    case RowFamily::kTriplet: {
      const double slope = triplet_slope(triplet_gap(comparisons[0].value, comparisons[1].value, rule.margin),
                                         rule.function == RowFunction::kSoftTriplet);
      return k == 0 ? slope : -slope;
    }
    case RowFamily::kDistilled:
    case RowFamily::kWeighed:
      break;
  }
  return std::nan("");
}

/// dl / d(value of comparison k).
NCE_HOST_DEVICE inline double row_slope(const PairwiseRule& rule, const Comparison* comparisons, int64_t k,
                                        const RowTargets& targets, const RowTerms& terms) {
  return targets.teacher != nullptr ? distilled_slope(rule, comparisons, k, targets.teacher, terms)
                                    : slope_without_teacher(rule, comparisons, k, targets.alike, terms);
}

}  // namespace nce::loss
