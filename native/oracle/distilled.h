#pragma once
// A row's loss by a teacher's scores of its candidates.

#include <vector>

#include "oracle/loss.h"

namespace nce::oracle {

/// As RowLoss, of a list: the similarities s and the scores t of all candidates, the key's first.
template <typename Number>
class DistilledLoss : public LossNumbers<Number> {
 public:
  using Numbers = LossNumbers<Number>;
  using Numbers::by_temperature, Numbers::by_temperature_slopes, Numbers::by_temperature_terms, Numbers::condition,
      Numbers::value;

  DistilledLoss(nce_loss loss, double temperature, const std::vector<Number>& s, const float* t)
      : tau_(static_cast<Number>(temperature)), slopes_(s.size(), Number{0}) {
    if (loss == NCE_LOSS_KL_DISTILLATION) {
      divergence(s, t);
    } else if (loss == NCE_LOSS_MARGIN_MSE) {
      margin_mse(s, t);
    } else {
      unknown("no loss of a list");
    }
  }

  /// dl / ds of a candidate.
  Number by_candidate(std::size_t c) const { return slopes_.at(c); }

 private:
  /// ln of the softmax of x / scale.
  static std::vector<Number> log_softmax(std::vector<Number> x, Number scale) {
    const Number top = *std::max_element(x.begin(), x.end());
    Number sum = 0;
    for (Number& each : x) {
      each = (each - top) / scale;
      sum += std::exp(each);
    }
    for (Number& each : x) each -= std::log(sum);
    return x;
  }

  /// Sum of p ln(p / q).
  void divergence(const std::vector<Number>& s, const float* t) {
    const std::vector<Number> log_q = log_softmax(s, tau_);
    const std::vector<Number> log_p = log_softmax(std::vector<Number>(t, t + s.size()), 1);
    Number apart = 0, logits = 1;
    for (std::size_t c = 0; c < s.size(); ++c) {
      const Number p = std::exp(log_p[c]), excess = std::exp(log_q[c]) - p;
      value += p * (log_p[c] - log_q[c]);
      slopes_[c] = excess / tau_;
      by_temperature -= excess * s[c] / (tau_ * tau_);
      by_temperature_terms += std::fabs(excess * s[c]) / (tau_ * tau_);
      by_temperature_slopes += std::fabs(excess) / (tau_ * tau_);
      apart += std::fabs(excess);
      logits = std::max({logits, 1 + std::fabs(s[c]) / tau_, 1 + std::fabs(static_cast<Number>(t[c]))});
    }
    value = std::max<Number>(value, 0);
    // A difference of probabilities has the errors of both, which are those of their logits.
    if (apart > 0) condition = std::max<Number>(1, 4 * logits / apart);
  }

  /// Mean of squares of differences between the margins of both.
  void margin_mse(const std::vector<Number>& s, const float* t) {
    if (s.size() == 1) return;
    const Number share = 1 / static_cast<Number>(s.size() - 1);
    Number largest = 0;
    for (std::size_t c = 1; c < s.size(); ++c) {
      const Number wanted = static_cast<Number>(t[0]) - static_cast<Number>(t[c]);
      const Number error = s[0] - s[c] - wanted;
      value += share * error * error;
      slopes_[0] += 2 * share * error;
      slopes_[c] = -2 * share * error;
      largest = std::max({largest, std::fabs(s[0]) + std::fabs(s[c]), std::fabs(wanted)});
    }
    if (value > 0) condition = std::max<Number>(1, 4 * largest / std::sqrt(value));
  }

  Number tau_;
  std::vector<Number> slopes_;
};

}  // namespace nce::oracle
