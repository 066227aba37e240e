#pragma once
// What each loss is, one row a loss. The only switch over nce_loss in the library: whatever else differs between losses
// follows from their row here.

#include <cstdint>

#include "infonce.h"
#include "loss/scalar.h"

namespace nce::loss {

/// The mathematics of a row: from its similarities to its loss. See row.h, and pairwise.h for rows that do not meet.
enum class RowFunction : int32_t {
  kSoftmax,          ///< ln(1 + sum of e^(z - z+))
  kDecoupled,        ///< ln(sum of e^(z - z+))
  kDebiased,         ///< ln(1 + R), R the same sum without what positives among the negatives have in it
  kLogistic,         ///< softplus(-z+) + share * sum of softplus(z), z = s / tau + bias
  kContrastive,      ///< d^2 / 2, or hinge(margin - d)^2 / 2
  kTriplet,          ///< hinge(d+ - d- + margin)
  kSoftTriplet,      ///< softplus(d+ - d- + margin)
  kKlDivergence,     ///< sum of p ln(p / q), p = softmax(t), q = softmax(s / tau)
  kMarginMse,        ///< mean of ((s+ - s-) - (t+ - t-))^2
  kMultiSimilarity,  ///< ln(1 + sum of e^(-a (s+ - base))) / a + ln(1 + sum of e^(b (s- - base))) / b
  kCircle            ///< softplus of two log-sum-exps, each of a product of s with a weight that follows from s
};

/// Row functions that are computed alike. Those of the odds of negatives against the positive differ in two functions
/// of a number, loss_of_odds and masses_of_odds. kDistilled: of a list of candidates that a teacher has scored.
/// kWeighed: of one tower's pairs by labels, each with a weight that follows from its similarity.
enum class RowFamily : int32_t { kOdds, kLogistic, kContrastive, kTriplet, kDistilled, kWeighed };

NCE_HOST_DEVICE constexpr RowFamily family_of(RowFunction function) {
  switch (function) {
    case RowFunction::kSoftmax:
    case RowFunction::kDecoupled:
    case RowFunction::kDebiased:
      return RowFamily::kOdds;
    case RowFunction::kLogistic:
      return RowFamily::kLogistic;
    case RowFunction::kContrastive:
      return RowFamily::kContrastive;
    case RowFunction::kTriplet:
    case RowFunction::kSoftTriplet:
      return RowFamily::kTriplet;
    case RowFunction::kKlDivergence:
    case RowFunction::kMarginMse:
      return RowFamily::kDistilled;
    case RowFunction::kMultiSimilarity:
    case RowFunction::kCircle:
      return RowFamily::kWeighed;
  }
  return {};
}

/// What a row function is computed from.
enum class Measured : int32_t { kSimilarity, kDistance };

constexpr Measured measured_by(RowFunction function) {
  switch (family_of(function)) {
    case RowFamily::kOdds:
    case RowFamily::kLogistic:
    case RowFamily::kDistilled:
    case RowFamily::kWeighed:
      return Measured::kSimilarity;
    case RowFamily::kContrastive:
    case RowFamily::kTriplet:
      return Measured::kDistance;
  }
  return {};
}

/// Whether similarities are divided by a temperature.
constexpr bool has_temperature(RowFunction function) {
  switch (function) {
    case RowFunction::kSoftmax:
    case RowFunction::kDecoupled:
    case RowFunction::kDebiased:
    case RowFunction::kLogistic:
    case RowFunction::kKlDivergence:
      return true;
    case RowFunction::kContrastive:
    case RowFunction::kTriplet:
    case RowFunction::kSoftTriplet:
    case RowFunction::kMarginMse:
    case RowFunction::kMultiSimilarity:
    case RowFunction::kCircle:
      return false;
  }
  return false;
}

/// How a loss arranges its matrices: who is compared with whom.
enum class Arrangement : int32_t {
  kTwoTowers,  ///< every query with every key, key i being its positive
  kOneTower,   ///< every row with every other row, the positive being the other view, half the tower away
  kShared,     ///< every query with every shared negative, and with key i
  kOwn,        ///< query i with key i and m negatives of its own
  kTriples,    ///< query i with key i and negative i
  kLabelled,   ///< query i with key i, which its label calls positive or negative
  kMined       ///< every row with rows of its label and rows of others, chosen or weighed by their distances
};

/// A set of nce_negatives.
struct NegativesSet {
  uint32_t bits;

  constexpr bool has(nce_negatives negatives) const { return (bits >> negatives & 1u) != 0; }
};
template <typename... Negatives>
constexpr NegativesSet negatives_set(Negatives... negatives) {
  // Named, as nvcc's host half loses one pair of braces around a fold.
  return NegativesSet{((uint32_t{1} << negatives) | ...)};
}

struct LossRule {
  const char* name;
  RowFunction row;                 ///< with NCE_DENOMINATOR_ALL, see row_function_of
  NegativesSet negatives;          ///< that nce_plan_desc may ask for
  Arrangement in_batch;            ///< what IN_BATCH means
  bool symmetric = false;          ///< whether columns may have losses too, if IN_BATCH
  bool reduces_negatives = false;  ///< whether nce_plan_desc.negative_reduction is used, if IN_BATCH
  bool positive_margin = false;    ///< whether a margin of 0 would leave nothing to learn
  bool bias = false;               ///< whether nce_inputs.bias is used; kLogistic in batch only
};

/// Whether nce_plan_desc.denominator is used.
constexpr bool has_denominator(const LossRule& rule) { return family_of(rule.row) == RowFamily::kOdds; }

/// Whether nce_plan_desc.soft_margin is used.
constexpr bool has_soft_margin(const LossRule& rule) { return family_of(rule.row) == RowFamily::kTriplet; }

/// Whether nce_plan_desc.margin is used.
constexpr bool has_margin(const LossRule& rule) {
  switch (family_of(rule.row)) {
    case RowFamily::kOdds:
    case RowFamily::kContrastive:
    case RowFamily::kTriplet:
      return true;
    case RowFamily::kLogistic:
    case RowFamily::kDistilled:
      return false;
    case RowFamily::kWeighed:
      return rule.row == RowFunction::kCircle;
  }
  return false;
}

/// Whether nce_plan_desc.mining is used, if triplets are not the caller's.
constexpr bool has_mining(const LossRule& rule) { return family_of(rule.row) == RowFamily::kTriplet; }

/// Whether nce_plan_desc.positive_scale is used; and negative_scale, and base.
constexpr bool has_positive_scale(const LossRule& rule) { return family_of(rule.row) == RowFamily::kWeighed; }
constexpr bool has_negative_scale(const LossRule& rule) { return rule.row == RowFunction::kMultiSimilarity; }
constexpr bool has_base(const LossRule& rule) { return rule.row == RowFunction::kMultiSimilarity; }

constexpr RowFunction row_function_of(const LossRule& rule, nce_denominator denominator, double class_prior,
                                      bool soft_margin) {
  if (soft_margin) return RowFunction::kSoftTriplet;
  switch (denominator) {
    case NCE_DENOMINATOR_ALL:
      return class_prior > 0.0 ? RowFunction::kDebiased : rule.row;
    case NCE_DENOMINATOR_NEGATIVES:
      return RowFunction::kDecoupled;
  }
  return {};
}

constexpr nce_loss kLastLoss = NCE_LOSS_CIRCLE;

constexpr LossRule rule_of(nce_loss loss) {
  switch (loss) {
    case NCE_LOSS_INFONCE:
      return {.name = "NCE_LOSS_INFONCE",
              .row = RowFunction::kSoftmax,
              .negatives = negatives_set(NCE_NEGATIVES_IN_BATCH, NCE_NEGATIVES_SHARED, NCE_NEGATIVES_OWN),
              .in_batch = Arrangement::kTwoTowers,
              .symmetric = true};
    case NCE_LOSS_NT_XENT:
      return {.name = "NCE_LOSS_NT_XENT",
              .row = RowFunction::kSoftmax,
              .negatives = negatives_set(NCE_NEGATIVES_IN_BATCH),
              .in_batch = Arrangement::kOneTower};
    case NCE_LOSS_NT_LOGISTIC:
      return {.name = "NCE_LOSS_NT_LOGISTIC",
              .row = RowFunction::kLogistic,
              .negatives = negatives_set(NCE_NEGATIVES_IN_BATCH, NCE_NEGATIVES_PAIRED),
              .in_batch = Arrangement::kOneTower,
              .reduces_negatives = true};
    case NCE_LOSS_CONTRASTIVE:
      return {.name = "NCE_LOSS_CONTRASTIVE",
              .row = RowFunction::kContrastive,
              .negatives = negatives_set(NCE_NEGATIVES_IN_BATCH),
              .in_batch = Arrangement::kLabelled,
              .positive_margin = true};
    case NCE_LOSS_TRIPLET:
      return {.name = "NCE_LOSS_TRIPLET",
              .row = RowFunction::kTriplet,
              .negatives = negatives_set(NCE_NEGATIVES_IN_BATCH, NCE_NEGATIVES_PAIRED),
              .in_batch = Arrangement::kMined};
    case NCE_LOSS_SIGLIP:
      return {.name = "NCE_LOSS_SIGLIP",
              .row = RowFunction::kLogistic,
              .negatives = negatives_set(NCE_NEGATIVES_IN_BATCH),
              .in_batch = Arrangement::kTwoTowers,
              .bias = true};
    case NCE_LOSS_KL_DISTILLATION:
      return {.name = "NCE_LOSS_KL_DISTILLATION",
              .row = RowFunction::kKlDivergence,
              .negatives = negatives_set(NCE_NEGATIVES_OWN),
              .in_batch = Arrangement::kOwn};
    case NCE_LOSS_MARGIN_MSE:
      return {.name = "NCE_LOSS_MARGIN_MSE",
              .row = RowFunction::kMarginMse,
              .negatives = negatives_set(NCE_NEGATIVES_OWN),
              .in_batch = Arrangement::kOwn};
    case NCE_LOSS_MULTI_SIMILARITY:
      return {.name = "NCE_LOSS_MULTI_SIMILARITY",
              .row = RowFunction::kMultiSimilarity,
              .negatives = negatives_set(NCE_NEGATIVES_IN_BATCH),
              .in_batch = Arrangement::kMined};
    case NCE_LOSS_CIRCLE:
      return {.name = "NCE_LOSS_CIRCLE",
              .row = RowFunction::kCircle,
              .negatives = negatives_set(NCE_NEGATIVES_IN_BATCH),
              .in_batch = Arrangement::kMined};
  }
  return {};
}

}  // namespace nce::loss
