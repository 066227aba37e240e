#pragma once
// The mathematics of a row whose similarities are summed up in tiles: from the sums over its negatives and its positive
// to loss, slopes and coefficients. In double, on host and device. Sources: InfoNCE 1807.03748 eq. 4, NT-Xent
// 2002.05709 eq. 1, NT-Logistic 2002.05709 table 2, SigLIP 2303.15343 eq. 1, decoupled 2110.06848 eq. 6, debiased
// 2007.00224 eqs. 7 and 8, several positives 2004.11362 eqs. 2 and 3 and 1912.06430 eq. 1.
//
// The positive is kept out of the sums: l = ln(1 + sum_j e^(z_j - z+)) = softplus(LSE - z+). An "LSE - z+" over all
// logits would lose every digit of a small loss.
//
// Two seams let blocks of columns, queues and shards be put together from the same parts: sums only ever grow (merged()
// takes those of any number of groups), and coefficients are numbers that the backward pass is given, whoever found
// them.

#include <cmath>
#include <cstdint>

#include "loss/rules.h"
#include "loss/scalar.h"
#include "loss/tile.h"

namespace nce::loss {

/// What a row's loss needs to know beside its sums.
struct RowRule {
  RowFunction function;
  double negative_share;        ///< kLogistic: what the sum over negatives is multiplied by
  double margin;                ///< odds: what is taken off the positive
  double class_prior;           ///< kDebiased: how likely a negative is a positive
  double negatives;             ///< kDebiased: of a row
  nce_aggregation aggregation;  ///< of several positives
  double hardness;              ///< odds: alpha, where exponentials of negatives are of z + alpha s
};

/// The temperature and bias of a call and how its exponentials are scaled.
struct Scaling {
  Form form;
  double tau;
  double bias;       ///< kLogistic: logits are s / tau + bias
  double log_scale;  ///< kBounded: sums are of e^(z - log_scale)
};

/// Which negatives of a row are too similar to be left among them.
struct Threshold {
  nce_threshold kind;
  double margin;

  NCE_HOST_DEVICE bool any() const { return kind != NCE_THRESHOLD_NONE; }
};

/// What similarities of a row must not exceed. Found once a call and row: it would not be the same bits everywhere.
NCE_HOST_DEVICE inline double limit_of(const Threshold& threshold, double positive) {
  switch (threshold.kind) {
    case NCE_THRESHOLD_NONE:
      return HUGE_VAL;
    case NCE_THRESHOLD_ABSOLUTE:
      return positive - threshold.margin;
    case NCE_THRESHOLD_RELATIVE:
      return positive - std::fabs(positive) * threshold.margin;
  }
  return std::nan("");
}

/// A bound of |s| from the largest norms of rows on both sides.
NCE_HOST_DEVICE inline double largest_similarity(nce_similarity similarity, double x_norm, double y_norm) {
  switch (similarity) {
    case NCE_SIMILARITY_COSINE:
      return 1.0;
    case NCE_SIMILARITY_DOT:
      return x_norm * y_norm;
    case NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN:
      return (x_norm + y_norm) * (x_norm + y_norm);
    case NCE_SIMILARITY_NEG_EUCLIDEAN:
      return x_norm + y_norm;
  }
  return HUGE_VAL;
}

/// How large |s| and |s / tau| may be. Up to `safe`, nothing that is made of them overflows, and nobody looks; beyond
/// `largest` they are refused.
struct Reach {
  double safe;
  double largest;
};

/// Of sums in float or double.
NCE_HOST_DEVICE constexpr Reach reach_of(bool single) { return single ? Reach{1e30, 1e37} : Reach{1e200, 1e300}; }

/// The form of a row function whose largest |z| is small enough for kBounded, or not.
NCE_HOST_DEVICE inline Form form_of(RowFunction function, bool bounded) {
  switch (family_of(function)) {
    case RowFamily::kOdds:
      return bounded ? Form::kBounded : Form::kOnline;
    case RowFamily::kLogistic:
      return Form::kLogistic;
    case RowFamily::kContrastive:
    case RowFamily::kTriplet:
    case RowFamily::kDistilled:
    case RowFamily::kWeighed:
      break;  // rows that do not meet have no tiles
  }
  return Form::kOnline;
}

/// Whether the function is of the odds of negatives against the positive, so that its negatives have a softmax.
NCE_HOST_DEVICE inline bool has_softmax(RowFunction function) {
  switch (family_of(function)) {
    case RowFamily::kOdds:
      return true;
    case RowFamily::kLogistic:
    case RowFamily::kContrastive:
    case RowFamily::kTriplet:
    case RowFamily::kDistilled:
    case RowFamily::kWeighed:
      return false;
  }
  return false;
}

/// ln of the odds, the sum of the negatives' exponentials over the positive's: -inf without negatives. `least`, of
/// kDebiased: what they would be if all similarities were the smallest that a cosine can be.
struct LogOdds {
  double value;
  double least;
};

/// The same without what is expected of positives among the negatives, and what of its derivative the odds have: that
/// is d ln(estimate) / d ln(odds), and 0 where `least` takes the estimate's place.
struct Estimate {
  double log_odds;
  double share;
};

NCE_HOST_DEVICE inline Estimate debiased(const RowRule& rule, const LogOdds& odds) {
  const double expected = std::log(rule.class_prior * rule.negatives) - odds.value;  // of positives, over the odds
  if (expected < 0.0) {
    const double left = -std::expm1(expected);
    const double log_odds = odds.value + std::log(left) - std::log1p(-rule.class_prior);
    if (log_odds > odds.least) return {log_odds, 1.0 / left};
  }
  return {odds.least, 0.0};
}

/// The loss of a row that has negatives.
NCE_HOST_DEVICE inline double loss_of_odds(const RowRule& rule, const LogOdds& odds) {
  switch (rule.function) {
    case RowFunction::kSoftmax:
      return softplus(odds.value);
    case RowFunction::kDecoupled:
      return odds.value;
    case RowFunction::kDebiased:
      return softplus(debiased(rule, odds).log_odds);
    case RowFunction::kLogistic:
    case RowFunction::kContrastive:
    case RowFunction::kTriplet:
    case RowFunction::kSoftTriplet:
    case RowFunction::kKlDivergence:
    case RowFunction::kMarginMse:
    case RowFunction::kMultiSimilarity:
    case RowFunction::kCircle:
      break;
  }
  return std::nan("");
}

/// How much a row pulls: the sum of dl/dz over its negatives, and -dl/dz+.
struct Masses {
  double negatives;
  double positive;
};

/// 0 for odds of 0. Of kSoftmax: the softmax mass of all negatives, 1 - P+ without the subtraction.
NCE_HOST_DEVICE inline Masses masses_of_odds(const RowRule& rule, const LogOdds& odds) {
  if (odds.value == -HUGE_VAL) return {0.0, 0.0};
  switch (rule.function) {
    case RowFunction::kSoftmax: {
      const double mass = sigmoid(odds.value);
      return {mass, mass};
    }
    case RowFunction::kDecoupled:
      return {1.0, 1.0};
    case RowFunction::kDebiased: {
      const Estimate estimate = debiased(rule, odds);
      const double slope = sigmoid(estimate.log_odds);
      return {slope * estimate.share, estimate.share > 0.0 ? slope * estimate.share : slope};
    }
    case RowFunction::kLogistic:
    case RowFunction::kContrastive:
    case RowFunction::kTriplet:
    case RowFunction::kSoftTriplet:
    case RowFunction::kKlDivergence:
    case RowFunction::kMarginMse:
    case RowFunction::kMultiSimilarity:
    case RowFunction::kCircle:
      break;
  }
  return {std::nan(""), std::nan("")};
}

/// -dl/dtau tau of a row whose negatives lie `gap` above its positive in the mean of their pull, and the smallest
/// cosine `least`: what of the positive's pull its negatives have not is that one's.
NCE_HOST_DEVICE inline double temperature_pull(const Masses& masses, double gap, double least) {
  return masses.negatives * gap + (masses.positive - masses.negatives) * least;
}

/// The term of a positive in NT-Logistic, -ln sigmoid(z), and its derivative by z; and those of a negative,
/// -ln sigmoid(-z).
NCE_HOST_DEVICE inline double logistic_positive(double z) { return softplus(-z); }
NCE_HOST_DEVICE inline double logistic_positive_slope(double z) { return -sigmoid(-z); }
NCE_HOST_DEVICE inline double logistic_negative(double z) { return softplus(z); }
NCE_HOST_DEVICE inline double logistic_negative_slope(double z) { return sigmoid(z); }

/// Sums over a row's negatives; see Sums. The maximum is 0 unless kOnline.
struct RowSums {
  double maximum;
  double value;
  double weighted;
  double sigmoid;  ///< 0 where it is not wanted
};

/// A sum of e^z (s - old maximum) as one of e^z (s - maximum), the exponentials' own factor apart.
NCE_HOST_DEVICE inline double moved(double weighted, double value, double old_maximum, double maximum) {
  return weighted + value * (old_maximum - maximum);
}

/// Adds sums to others, which are relative to a maximum that is not less. `logit` makes a logit of a similarity, as the
/// backend's tiles do.
template <typename Logit>
NCE_HOST_DEVICE void add_sums(RowSums& total, const RowSums& part, Form form, const Logit& logit) {
  const bool online = form == Form::kOnline;
  const double factor = online ? std::exp(logit(part.maximum - total.maximum)) : 1.0;
  total.value += part.value * factor;
  total.sigmoid += part.sigmoid;
  total.weighted += factor * (online ? moved(part.weighted, part.value, part.maximum, total.maximum) : part.weighted);
}

/// The sums of a row's groups, added in their order.
template <typename Logit>
NCE_HOST_DEVICE RowSums merged(const Sums& sums, int64_t groups, int64_t stride, int64_t row, Form form,
                               const Logit& logit) {
  const bool online = form == Form::kOnline;
  RowSums total{0.0, 0.0, 0.0, 0.0};
  if (online) {
    total.maximum = -HUGE_VAL;
    for (int64_t g = 0; g < groups; ++g) {
      const double maximum = sums.maximum[g * stride + row];
      if (sums.value[g * stride + row] > 0.0 && maximum > total.maximum) total.maximum = maximum;
    }
  }
  for (int64_t g = 0; g < groups; ++g) {
    const int64_t at = g * stride + row;
    if (sums.value[at] == 0.0) continue;
    const RowSums part{online ? sums.maximum[at] : 0.0, sums.value[at], sums.weighted[at],
                       sums.sigmoid != nullptr ? sums.sigmoid[at] : 0.0};
    add_sums(total, part, form, logit);
  }
  return total;
}

/// The sums over two parts of a row's negatives as those over both.
template <typename Logit>
NCE_HOST_DEVICE RowSums joined(const RowSums& a, const RowSums& b, Form form, const Logit& logit) {
  if (a.value == 0.0) return b;
  if (b.value == 0.0) return a;
  RowSums total{std::fmax(a.maximum, b.maximum), 0.0, 0.0, 0.0};
  add_sums(total, a, form, logit);
  add_sums(total, b, form, logit);
  return total;
}

/// ln of the sum of e^(z + alpha s) over negatives in two parts, (1 / tau + alpha) maximum + log_sum. As one number it
/// would be rounded where logits are large, and every exponential against it be wrong by a factor.
struct LogSum {
  double maximum;  ///< kOnline: the largest s, else 0
  double log_sum;  ///< -inf without negatives; 0 unless softmax
};

/// How far the smallest cosine lies above the positive, less its margin.
NCE_HOST_DEVICE inline double least_gap(const RowRule& rule, double positive) { return -1.0 - positive + rule.margin; }

/// The two similarities are subtracted before they are divided: that is exact where they are near, whatever their size.
/// `offset` is that of the positive's logit; those of negatives are in their sum.
NCE_HOST_DEVICE inline LogOdds log_odds_of(const RowRule& rule, const LogSum& lse, double positive, double tau,
                                           double offset = 0.0) {
  if (lse.log_sum == -HUGE_VAL) return {-HUGE_VAL, -HUGE_VAL};
  const double value =
      (lse.maximum - positive + rule.margin) / tau + rule.hardness * lse.maximum + (lse.log_sum - offset);
  if (rule.function != RowFunction::kDebiased) return {value, -HUGE_VAL};
  return {value, least_gap(rule, positive) / tau + std::log(rule.negatives)};
}

struct RowResult {
  double loss;
  LogSum lse;
  double temperature_slope;  ///< dl/dtau
  double bias_slope;         ///< dl/dbias; 0 unless kLogistic
  double entropy;            ///< softmax: of the softmax over negatives; else NaN
};

NCE_HOST_DEVICE inline RowResult softmax_result(const RowRule& rule, const RowSums& sums, double positive,
                                                const Scaling& scaling, double offset) {
  const double tau = scaling.tau;
  if (sums.value == 0.0) return {0.0, {0.0, -HUGE_VAL}, 0.0, 0.0, std::nan("")};
  const LogSum lse{sums.maximum, std::log(sums.value) + scaling.log_scale};
  const LogOdds odds = log_odds_of(rule, lse, positive, tau, offset);
  const bool online = scaling.form == Form::kOnline;
  const double mean = sums.weighted / sums.value;
  const double mean_gap = online ? (sums.maximum - positive) + mean : mean;  // mean of s - s+ over negatives
  // Relative to where the mean is.
  const double log_sum = online ? lse.log_sum : odds.value - rule.margin / tau - rule.hardness * positive;
  return {loss_of_odds(rule, odds), lse,
          -temperature_pull(masses_of_odds(rule, odds), mean_gap + rule.margin, least_gap(rule, positive)) / tau / tau,
          0.0, log_sum - mean / tau - rule.hardness * mean};
}

/// The logit of the positive of a logistic row.
NCE_HOST_DEVICE inline double logit_of(double positive, const Scaling& scaling) {
  return positive / scaling.tau + scaling.bias;
}

NCE_HOST_DEVICE inline RowResult logistic_result(const RowSums& sums, double positive, double share,
                                                 const Scaling& scaling) {
  const double tau = scaling.tau;
  const double z = logit_of(positive, scaling);
  const double slope = logistic_positive_slope(z);
  return {logistic_positive(z) + share * sums.value,
          {0.0, 0.0},
          -(slope * (positive / tau) + share * sums.weighted / tau) / tau,
          slope + share * sums.sigmoid,
          std::nan("")};
}

/// A row, or a column, from its sums and the similarity of its positive. Odds: `offset` is that of the positive's
/// logit, and the entropy means nothing where logits have offsets.
NCE_HOST_DEVICE inline RowResult row_result(const RowRule& rule, const RowSums& sums, double positive,
                                            const Scaling& scaling, double offset = 0.0) {
  switch (family_of(rule.function)) {
    case RowFamily::kOdds:
      return softmax_result(rule, sums, positive, scaling, offset);
    case RowFamily::kLogistic:
      return logistic_result(sums, positive, rule.negative_share, scaling);
    case RowFamily::kContrastive:
    case RowFamily::kTriplet:
    case RowFamily::kDistilled:
    case RowFamily::kWeighed:
      break;
  }
  return {std::nan(""), {0.0, 0.0}, std::nan(""), std::nan(""), std::nan("")};
}

/// `lse` as in RowResult. A logistic row has terms of its own for its negatives, each of which has this share.
NCE_HOST_DEVICE inline Masses masses_of(const RowRule& rule, const LogSum& lse, double positive, const Scaling& scaling,
                                        double offset = 0.0) {
  switch (family_of(rule.function)) {
    case RowFamily::kOdds:
      return masses_of_odds(rule, log_odds_of(rule, lse, positive, scaling.tau, offset));
    case RowFamily::kLogistic:
      return {rule.negative_share, -logistic_positive_slope(logit_of(positive, scaling))};
    case RowFamily::kContrastive:
    case RowFamily::kTriplet:
    case RowFamily::kDistilled:
    case RowFamily::kWeighed:
      break;
  }
  return {std::nan(""), std::nan("")};
}

/// A bound of sigmoid(z) of a row's negatives. With a bias it is their sum, which is the slope by it and the positive's
/// mass; a floor keeps what is divided by it in range.
NCE_HOST_DEVICE inline double largest_sigmoid(const double* bias_slope, int64_t row, double mass) {
  if (bias_slope == nullptr) return 1.0;
  const double sum = bias_slope[row] + mass;
  return sum > 1.0 ? 1.0 : sum > 0x1p-100 ? sum : 0x1p-100;
}

/// A bound of the slopes of a row whose objective has the derivative `factor` by its loss; kLogistic: with
/// largest_sigmoid. All coefficients are divided by the largest of a call, so that gradients as small as 1e-50 pass
/// through float; the last step multiplies by it.
NCE_HOST_DEVICE inline double largest_slope(RowFunction function, double factor, const Masses& masses, double sigmoid) {
  switch (family_of(function)) {
    case RowFamily::kOdds:
      return std::fabs(factor) * masses.positive;  // never less than the negatives' together
    case RowFamily::kLogistic:
      return std::fabs(factor) * (masses.positive > sigmoid ? masses.positive : sigmoid);
    case RowFamily::kContrastive:
    case RowFamily::kTriplet:
    case RowFamily::kDistilled:
    case RowFamily::kWeighed:
      break;
  }
  return std::nan("");
}

/// What the backward pass needs of a row or column: the slope of element j is a f(z_j).
struct Coefficients {
  double a;
  double reference;  ///< kOnline: f is e^((s - reference) / tau)
  double positive;   ///< the slope of the positive's logit, dl/dz+ times the row's factor
};

/// `lse` and `masses` as above; `largest` is the call's largest slope. The reference is the row's maximum, which tiles
/// found and subtract without an error.
NCE_HOST_DEVICE inline Coefficients softmax_coefficients(const LogSum& lse, const Masses& masses, double factor,
                                                         double largest, const Scaling& scaling) {
  if (lse.log_sum == -HUGE_VAL) return {0.0, 0.0, 0.0};
  if (largest == 0.0) return {0.0, lse.maximum, 0.0};
  return {factor * masses.negatives / largest * std::exp(scaling.log_scale - lse.log_sum), lse.maximum,
          -(factor * masses.positive / largest)};
}

NCE_HOST_DEVICE inline Coefficients coefficients_of(const RowRule& rule, const LogSum& lse, const Masses& masses,
                                                    double factor, double largest, const Scaling& scaling) {
  switch (family_of(rule.function)) {
    case RowFamily::kOdds:
      return softmax_coefficients(lse, masses, factor, largest, scaling);
    case RowFamily::kLogistic: {
      const double scaled = largest == 0.0 ? 0.0 : factor / largest;
      return {scaled * masses.negatives, 0.0, scaled * -masses.positive};
    }
    case RowFamily::kContrastive:
    case RowFamily::kTriplet:
    case RowFamily::kDistilled:
    case RowFamily::kWeighed:
      break;
  }
  return {std::nan(""), 0.0, std::nan("")};
}

// Several positives by labels. With N and Q the logarithms of the sums over negatives and positives, the odds are e^(N
// - Q): where there is one positive, all of this is what it is above. Outside, l = f(N - Q) + (Q - mean z), whose
// second part is the positives' own.

/// What a row has of its positives: sums as those of negatives, the mean of their similarities, and how many they are.
struct Positives {
  RowSums sums;
  double similarity;
  double count;
};

/// Of one positive, its logit as it is: sums have rounded it.
NCE_HOST_DEVICE inline LogSum positives_of(const Positives& positives, const Scaling& scaling) {
  if (positives.count == 0.0) return {0.0, -HUGE_VAL};
  if (positives.count == 1.0) return {positives.similarity, 0.0};
  return {positives.sums.maximum, std::log(positives.sums.value) + scaling.log_scale};
}

/// ln of the odds of negatives against positives.
NCE_HOST_DEVICE inline LogOdds log_odds_of(const RowRule& rule, const LogSum& negatives, const LogSum& positives,
                                           double tau) {
  if (negatives.log_sum == -HUGE_VAL || positives.log_sum == -HUGE_VAL) return {-HUGE_VAL, -HUGE_VAL};
  return {(negatives.maximum - positives.maximum + rule.margin) / tau + (negatives.log_sum - positives.log_sum),
          -HUGE_VAL};
}

/// What a loss has beside f(N - Q).
NCE_HOST_DEVICE inline double aggregation_loss(nce_aggregation aggregation, const LogSum& lse,
                                               const Positives& positives, double tau) {
  if (positives.count == 1.0) return 0.0;
  switch (aggregation) {
    case NCE_AGGREGATION_OUTSIDE:
      return (lse.maximum - positives.similarity) / tau + lse.log_sum;
    case NCE_AGGREGATION_INSIDE:
      return std::log(positives.count);
    case NCE_AGGREGATION_SUM:
      return 0.0;
  }
  return std::nan("");
}

/// A row's result and what the backward pass needs of its positives.
struct LabelledResult {
  RowResult row;
  LogSum positives;
};

/// A row from the sums over its negatives and its positives. Unless kOnline, those weighted by similarities are
/// relative to the positives' mean.
NCE_HOST_DEVICE inline LabelledResult labelled_result(const RowRule& rule, const RowSums& sums,
                                                      const Positives& positives, const Scaling& scaling) {
  const LogSum none{0.0, -HUGE_VAL};
  const LogSum of_positives = positives_of(positives, scaling);
  if (sums.value == 0.0) return {{0.0, none, 0.0, 0.0, std::nan("")}, of_positives};
  const double tau = scaling.tau;
  const LogSum lse{sums.maximum, std::log(sums.value) + scaling.log_scale};
  const bool online = scaling.form == Form::kOnline;
  const double mean = sums.weighted / sums.value;
  // Its negatives' maximum is still what exponentials are relative to, lest they overflow.
  if (positives.count == 0.0) return {{0.0, lse, 0.0, 0.0, std::nan("")}, of_positives};
  const LogOdds odds = log_odds_of(rule, lse, of_positives, tau);
  const double of_negatives = online ? (sums.maximum - positives.similarity) + mean : mean;
  double among_positives = 0.0;
  if (positives.count != 1.0) {
    const double mean_of_positives = positives.sums.weighted / positives.sums.value;
    // Differences first, as those of near similarities are exact.
    among_positives = online ? (positives.sums.maximum - positives.similarity) + mean_of_positives : mean_of_positives;
  }
  double pull = masses_of_odds(rule, odds).negatives * (of_negatives - among_positives + rule.margin);
  if (rule.aggregation == NCE_AGGREGATION_OUTSIDE) pull += among_positives;
  const double loss = loss_of_odds(rule, odds) + aggregation_loss(rule.aggregation, of_positives, positives, tau);
  const double log_sum =
      online ? lse.log_sum : lse.log_sum - positives.similarity / tau;  // relative to where the mean is
  return {{loss, lse, -pull / tau / tau, 0.0, log_sum - mean / tau}, of_positives};
}

/// How much a row with several positives pulls: the sum of dl/dz over its negatives; what of that over its positives
/// goes by e^(z - Q); and what goes by their number.
struct LabelledMasses {
  double negatives;
  double exponential;
  double constant;
};

NCE_HOST_DEVICE inline LabelledMasses labelled_masses(const RowRule& rule, const LogSum& lse, const LogSum& positives,
                                                      double count, double tau) {
  const LogOdds odds = log_odds_of(rule, lse, positives, tau);
  if (odds.value == -HUGE_VAL) return {0.0, 0.0, 0.0};
  const Masses masses = masses_of_odds(rule, odds);
  if (count == 1.0) return {masses.negatives, 0.0, -masses.positive};
  switch (rule.aggregation) {
    case NCE_AGGREGATION_OUTSIDE:
      // 1 - mass, without the subtraction.
      return {masses.negatives, rule.function == RowFunction::kDecoupled ? 0.0 : sigmoid(-odds.value), -1.0};
    case NCE_AGGREGATION_INSIDE:
    case NCE_AGGREGATION_SUM:
      return {masses.negatives, -masses.positive, 0.0};
  }
  return {std::nan(""), std::nan(""), std::nan("")};
}

/// As largest_slope above.
NCE_HOST_DEVICE inline double largest_slope(double factor, const LabelledMasses& masses) {
  return std::fabs(factor) *
         std::fmax(masses.negatives, std::fmax(std::fabs(masses.exponential), std::fabs(masses.constant)));
}

/// The slope of negative j is a f(z_j), that of positive j is positive_a f(z_j) + constant; f of each class is relative
/// to its own reference.
struct LabelledCoefficients {
  double a;
  double reference;
  double positive_a;
  double positive_reference;
  double constant;
};

NCE_HOST_DEVICE inline LabelledCoefficients labelled_coefficients(const LogSum& lse, const LogSum& positives,
                                                                  double count, const LabelledMasses& masses,
                                                                  double factor, double largest,
                                                                  const Scaling& scaling) {
  // A sum of nothing, or one that is not used, has no reference.
  const auto coefficient = [&](const LogSum& sum, double mass) {
    return mass == 0.0 || largest == 0.0 ? 0.0 : factor * mass / largest * std::exp(scaling.log_scale - sum.log_sum);
  };
  return {coefficient(lse, masses.negatives), lse.maximum, coefficient(positives, masses.exponential),
          scaling.form == Form::kOnline ? positives.maximum : 0.0,
          masses.constant == 0.0 || largest == 0.0 ? 0.0 : factor * masses.constant / (count * largest)};
}

}  // namespace nce::loss
