#pragma once
// All that the oracle knows of a loss: the shapes of its matrices, and one row's loss as a function of similarities.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>

#include "infonce.h"

namespace nce::oracle {

[[noreturn]] inline void unknown(const char* what) { throw std::invalid_argument(what); }

/// What follows from a description alone.
struct Shape {
  bool tower = false;       ///< all rows are anchors, and candidates
  bool rowwise = false;     ///< rows have nothing to do with each other: there is no matrix of similarities
  bool margin = false;      ///< of distances, without a temperature
  bool softmax = false;     ///< over a row's negatives, whose entropy is a metric
  bool labelled = false;    ///< a row has a positive or a negative, as its label says, and not both
  bool mined = false;       ///< labels and distances choose the triplets of one tower, or the pairs that are weighed
  bool square = false;      ///< m is n, or 0 for a tower in one matrix
  bool by_labels = false;   ///< positives of a row are those of its label
  bool shared = false;      ///< negatives are a matrix for all rows
  bool biased = false;      ///< logits have a bias
  bool distilled = false;   ///< a teacher has scored a row's candidates
  bool weighed = false;     ///< of one tower by labels, whose similarities say what each pair weighs
  bool untempered = false;  ///< similarities have no temperature
  int64_t own = 0;          ///< negatives of a row, where each has its own
  int64_t rows = 0;         ///< that have a loss
  int64_t keys = 0;         ///< rows of that matrix
  int64_t negatives = 0;    ///< likewise

  bool has_temperature() const { return !margin && !untempered; }
};

inline Shape shape_of(const nce_plan_desc& desc) {
  Shape shape;
  bool views = false;  // in a batch two matrices are views of the same things
  switch (static_cast<nce_loss>(desc.loss)) {
    case NCE_LOSS_INFONCE:
      shape.softmax = true;
      break;
    case NCE_LOSS_NT_XENT:
      shape.softmax = views = true;
      break;
    case NCE_LOSS_NT_LOGISTIC:
      views = true;
      break;
    case NCE_LOSS_CONTRASTIVE:
      shape.rowwise = shape.square = shape.margin = shape.labelled = true;
      break;
    case NCE_LOSS_TRIPLET:
      shape.margin = true;
      break;
    case NCE_LOSS_SIGLIP:
      shape.biased = true;
      break;
    case NCE_LOSS_KL_DISTILLATION:
      shape.distilled = true;
      break;
    case NCE_LOSS_MARGIN_MSE:
      shape.distilled = shape.untempered = true;
      break;
    case NCE_LOSS_MULTI_SIMILARITY:
    case NCE_LOSS_CIRCLE:
      shape.weighed = shape.untempered = true;
      break;
  }
  shape.by_labels = desc.positives == NCE_POSITIVES_LABELS;
  shape.rows = shape.keys = desc.n;
  switch (static_cast<nce_negatives>(desc.negatives)) {
    case NCE_NEGATIVES_IN_BATCH:
      shape.mined = desc.loss == NCE_LOSS_TRIPLET || shape.weighed;
      shape.tower = views;
      shape.square = shape.square || views;
      shape.keys = desc.m;
      shape.rows = views ? desc.n + desc.m : desc.n;
      shape.negatives = desc.n * desc.own_negatives;
      break;
    case NCE_NEGATIVES_SHARED:
      shape.shared = true;
      shape.negatives = desc.m;
      break;
    case NCE_NEGATIVES_OWN:
      shape.rowwise = true;
      shape.own = desc.m;
      shape.negatives = desc.n * desc.m;
      break;
    case NCE_NEGATIVES_PAIRED:
      shape.rowwise = shape.square = true;
      shape.own = 1;
      shape.negatives = desc.n;
      break;
  }
  return shape;
}

template <typename Number>
Number softplus(Number x) {
  return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
}
template <typename Number>
Number sigmoid(Number x) {
  return x > 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}

/// What a row's loss tells of itself.
template <typename Number>
struct LossNumbers {
  Number value = 0;
  Number size = -1;  ///< sum of the sizes of the loss's terms where they may cancel; below 0: |value|
  Number by_temperature = 0;
  Number by_temperature_terms = 0;   ///< sum of the sizes of what by_temperature is the sum of
  Number by_temperature_slopes = 0;  ///< sum of its derivatives by differences of similarities, which are rounded too
  Number by_bias = 0;
  Number by_bias_terms = 0;  ///< likewise of by_bias
  Number condition = 1;      ///< how much relative errors of similarities grow on the way to the loss
};

/// One row's loss l and its derivatives by the similarities s of its positive and its negatives; a margin loss takes
/// minus distances for similarities.
template <typename Number>
class RowLoss : public LossNumbers<Number> {
 public:
  using Numbers = LossNumbers<Number>;
  using Numbers::by_bias, Numbers::by_bias_terms, Numbers::by_temperature, Numbers::by_temperature_slopes,
      Numbers::by_temperature_terms, Numbers::condition, Numbers::size, Numbers::value;

  RowLoss() = default;

  /// `positive` is null where the row has none. negatives(visit) calls visit(s) for each negative, or visit(s, offset)
  /// where logits have offsets.
  template <typename Negatives>
  RowLoss(const nce_plan_desc& desc, double temperature, double bias, const Number* positive,
          const Negatives& negatives, double positive_offset = 0)
      : tau_(static_cast<Number>(temperature)),
        steepness_(1 / tau_ + static_cast<Number>(desc.hardness)),
        hardness_(static_cast<Number>(desc.hardness)),
        bias_(static_cast<Number>(bias)) {
    switch (static_cast<nce_loss>(desc.loss)) {
      case NCE_LOSS_INFONCE:
      case NCE_LOSS_NT_XENT:
        if (desc.class_prior > 0.0) {
          debiased(static_cast<Number>(desc.class_prior), static_cast<Number>(desc.margin), *positive, negatives);
        } else {
          softmax(static_cast<nce_denominator>(desc.denominator), static_cast<Number>(desc.margin), *positive,
                  static_cast<Number>(positive_offset), negatives);
        }
        return;
      case NCE_LOSS_SIGLIP:
        logistic(NCE_REDUCTION_SUM, *positive, negatives);
        return;
      case NCE_LOSS_NT_LOGISTIC:
        logistic(static_cast<nce_reduction>(desc.negative_reduction), *positive, negatives);
        return;
      case NCE_LOSS_CONTRASTIVE:
        contrastive(static_cast<Number>(desc.margin), positive, negatives);
        return;
      case NCE_LOSS_TRIPLET:
        triplet(static_cast<Number>(desc.margin), desc.soft_margin != 0, *positive, negatives);
        return;
      case NCE_LOSS_KL_DISTILLATION:
      case NCE_LOSS_MARGIN_MSE:
      case NCE_LOSS_MULTI_SIMILARITY:
      case NCE_LOSS_CIRCLE:
        break;  // not functions of a positive and negatives alone
    }
    unknown("no such loss");
  }

  Number by_positive = 0;

  /// dl / ds of a negative, whose logit may have an offset.
  Number by_negative(Number s, Number offset = 0) const {
    switch (form_) {
      case Form::kConstant:
        return factor_;
      case Form::kExponential:
        return factor_ * std::exp((s - top_) * steepness_ + offset);
      case Form::kLogistic:
        return factor_ * sigmoid(s / tau_ + bias_);
    }
    unknown("no such form");
  }

 private:
  enum class Form { kConstant, kExponential, kLogistic };

  static bool counts_positive(nce_denominator denominator) {
    switch (denominator) {
      case NCE_DENOMINATOR_ALL:
        return true;
      case NCE_DENOMINATOR_NEGATIVES:
        return false;
    }
    unknown("no such denominator");
  }

  /// ln(1 + sum of exp((s - s+ + margin) / tau + hardness s + o - o+)), or without the 1. The hardness is no function
  /// of s where it is differentiated.
  template <typename Negatives>
  void softmax(nce_denominator denominator, Number margin, Number positive, Number positive_offset,
               const Negatives& negatives) {
    form_ = Form::kExponential;
    Number largest = std::fabs(positive);
    bool any = false;
    negatives([&](Number s, Number = 0) {
      top_ = any ? std::max(top_, s) : s;
      any = true;
      largest = std::max(largest, std::fabs(s));
    });
    if (!any) return;
    Number sum = 0, above = 0, sizes = 0;
    negatives([&](Number s, Number offset = 0) {
      const Number e = std::exp((s - top_) * steepness_ + offset);
      sum += e;
      above += e * (s - positive);
      sizes += e * std::fabs(s - positive);
    });
    const Number gap = (top_ - positive + margin) / tau_ + hardness_ * top_ - positive_offset;
    Number mass = 1;  // of the negatives
    if (!counts_positive(denominator)) {
      value = gap + std::log(sum);
      size = std::fabs(top_ * steepness_ + std::log(sum)) + std::fabs((positive - margin) / tau_ + positive_offset);
    } else if (gap > 0) {
      const Number all = sum + std::exp(-gap);
      value = gap + std::log(all);
      mass = sum / all;
    } else {
      const Number odds = sum * std::exp(gap);
      value = std::log1p(odds);
      mass = odds / (1 + odds);
    }
    by_positive = -mass / tau_;
    by_temperature = -mass * (above / sum + margin) / (tau_ * tau_);
    by_temperature_terms = mass * (sizes / sum + margin) / (tau_ * tau_);
    by_temperature_slopes = mass / (tau_ * tau_);
    factor_ = mass / sum / tau_;
    condition = std::max<Number>(1, 2 * largest * steepness_);
  }

  /// ln(1 + R), R = max((u - prior k) / (1 - prior), k exp((-1 - s+ + margin) / tau)), u = sum of
  /// exp((s - s+ + margin) / tau) over the k negatives.
  template <typename Negatives>
  void debiased(Number prior, Number margin, Number positive, const Negatives& negatives) {
    form_ = Form::kExponential;
    Number u = 0, above = 0, sizes = 0, count = 0;
    negatives([&](Number s, Number = 0) {
      const Number e = std::exp((s - positive + margin) / tau_);
      u += e;
      above += e * (s - positive + margin);
      sizes += e * (std::fabs(s - positive) + margin);
      ++count;
    });
    if (count == 0) return;
    top_ = positive - margin;
    const Number least = count * std::exp((-1 - positive + margin) / tau_);
    const Number corrected = (u - prior * count) / (1 - prior);
    const Number r = std::max(corrected, least);
    value = std::log1p(r);
    // What errors of u do to u - prior k.
    condition = std::max<Number>(1, 2 / tau_ * u / (r * (1 - prior)));
    size = value * condition;
    const Number pull = 1 / (1 + r);
    if (corrected > least) {
      factor_ = pull / (1 - prior) / tau_;
      by_positive = -u * factor_;
      by_temperature = -above * factor_ / tau_;
      by_temperature_terms = sizes * factor_ / tau_;
      by_temperature_slopes = u * factor_ / tau_;
    } else {
      by_positive = -r * pull / tau_;
      by_temperature = -r * pull * (-1 - positive + margin) / (tau_ * tau_);
      by_temperature_terms = std::fabs(by_temperature);
      by_temperature_slopes = r * pull / (tau_ * tau_);
    }
  }

  static Number share_of_each(nce_reduction reduction, int64_t count) {
    switch (reduction) {
      case NCE_REDUCTION_MEAN:
        return count > 0 ? 1 / static_cast<Number>(count) : 1;
      case NCE_REDUCTION_SUM:
      case NCE_REDUCTION_NONE:
        return 1;
    }
    unknown("no such reduction");
  }

  /// softplus(-z+) and the sum or mean of softplus(z), z = s / tau + bias.
  template <typename Negatives>
  void logistic(nce_reduction reduction, Number positive, const Negatives& negatives) {
    form_ = Form::kLogistic;
    int64_t count = 0;
    negatives([&](Number, Number = 0) { ++count; });
    const Number part = share_of_each(reduction, count);
    Number largest = 0;
    const auto add = [&](Number s, Number sign, Number of) {
      const Number z = s / tau_ + bias_;
      value += of * softplus(sign * z);
      const Number by_logit = of * sigmoid(sign * z);
      by_bias += sign * by_logit;
      by_bias_terms += by_logit;
      const Number slope = by_logit / tau_;
      by_temperature -= sign * slope * s / tau_;
      by_temperature_terms += std::fabs(slope * s / tau_);
      by_temperature_slopes += slope / tau_;
      largest = std::max(largest, std::fabs(s));
    };
    add(positive, -1, 1);
    negatives([&](Number s, Number = 0) { add(s, 1, part); });
    by_positive = -sigmoid(-(positive / tau_ + bias_)) / tau_;
    factor_ = part / tau_;
    condition = std::max<Number>(1, 2 * (largest / tau_ + std::fabs(bias_)));
  }

  /// d^2 / 2 of a pair that is alike, which is the row's positive; max(0, margin - d)^2 / 2 of one that is not.
  template <typename Negatives>
  void contrastive(Number margin, const Number* positive, const Negatives& negatives) {
    Number distance = 0;
    if (positive != nullptr) {
      distance = -*positive;
      by_positive = -distance;
      value = distance * distance / 2;
    } else {
      negatives([&](Number s, Number = 0) { distance = -s; });
      factor_ = std::max<Number>(0, margin - distance);
      value = factor_ * factor_ / 2;
    }
    hinge(margin + std::fabs(distance), std::sqrt(2 * value));
  }

  /// max(0, d+ - d- + margin), or its softplus.
  template <typename Negatives>
  void triplet(Number margin, bool soft, Number positive, const Negatives& negatives) {
    Number negative = 0;
    negatives([&](Number s, Number = 0) { negative = s; });
    const Number gap = negative - positive + margin;
    value = soft ? softplus(gap) : std::max<Number>(0, gap);
    by_positive = soft ? -sigmoid(gap) : value > 0 ? -1 : 0;
    factor_ = -by_positive;
    hinge(margin + std::fabs(positive) + std::fabs(negative), soft ? 1 : value);
  }

  void hinge(Number terms, Number pull) {
    form_ = Form::kConstant;
    if (pull > 0) condition = std::max<Number>(1, terms / pull);
  }

  Number tau_ = 1;
  Number steepness_ = 1;  ///< of exponentials of negatives: 1 / tau, and hardness
  Number hardness_ = 0;
  Number bias_ = 0;
  Form form_ = Form::kConstant;
  Number factor_ = 0;
  Number top_ = 0;  ///< the largest s of the negatives
};

}  // namespace nce::oracle
