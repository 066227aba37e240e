#include "cpu/rowwise/row_loss.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "loss/logistic.h"
#include "loss/margin.h"
#include "loss/softmax_row.h"

namespace nce::cpu {
namespace {

RowTerms infonce_terms(std::span<const Pair> pairs, double tau) {
  const double positive = pairs[0].value;
  const auto negatives = pairs.subspan(1);
  if (negatives.empty()) return {0.0, 0.0, -std::numeric_limits<double>::infinity(), 0.0};
  // Logits relative to the positive's: an offset common to all would cost the digits of a small loss.
  const auto relative = [&](const Pair& pair) { return (pair.value - positive) / tau; };
  double largest = relative(negatives[0]);
  for (const Pair& pair : negatives) largest = std::max(largest, relative(pair));
  double sum = 0.0;
  double weighted = 0.0;
  for (const Pair& pair : negatives) {
    const double distance = relative(pair) - largest;
    const double e = std::exp(distance);
    sum += e;
    weighted += e * distance;
  }
  const double log_ratio = largest + std::log(sum);
  const double mean = weighted / sum;  // of relative logits under the negatives' softmax, less `largest`
  const double mass = loss::softmax_row_negative_mass(log_ratio, 0.0);
  return {loss::softmax_row_loss(log_ratio, 0.0), -mass * (mean + largest) / tau, log_ratio, std::log(sum) - mean};
}

RowTerms logistic_terms(std::span<const Pair> pairs, double tau) {
  const double positive = pairs[0].value / tau;
  const double negative = pairs[1].value / tau;
  const double slope =
      -(loss::logistic_positive_slope(positive) * positive + loss::logistic_negative_slope(negative) * negative) / tau;
  return {loss::logistic_positive(positive) + loss::logistic_negative(negative), slope, 0.0, 0.0};
}

double infonce_slope(std::span<const Pair> pairs, std::size_t k, double tau, double log_ratio) {
  const double mass = loss::softmax_row_negative_mass(log_ratio, 0.0);
  if (k == 0) return -mass / tau;
  return mass * std::exp((pairs[k].value - pairs[0].value) / tau - log_ratio) / tau;
}

}  // namespace

RowTerms RowLoss::terms(std::span<const Pair> pairs, bool alike) const {
  switch (kind) {
    case NCE_LOSS_INFONCE:
      return infonce_terms(pairs, tau);
    case NCE_LOSS_NT_LOGISTIC:
      return logistic_terms(pairs, tau);
    case NCE_LOSS_CONTRASTIVE:
      return {loss::contrastive_loss(pairs[0].value, alike, margin), 0.0, 0.0, 0.0};
    default:
      return {loss::triplet_loss(pairs[0].value, pairs[1].value, margin), 0.0, 0.0, 0.0};
  }
}

double RowLoss::slope(std::span<const Pair> pairs, std::size_t k, bool alike, const RowTerms& terms) const {
  switch (kind) {
    case NCE_LOSS_INFONCE:
      return infonce_slope(pairs, k, tau, terms.log_ratio);
    case NCE_LOSS_NT_LOGISTIC:
      return (k == 0 ? loss::logistic_positive_slope(pairs[0].value / tau)
                     : loss::logistic_negative_slope(pairs[1].value / tau)) /
             tau;
    case NCE_LOSS_CONTRASTIVE:
      return loss::contrastive_slope(pairs[0].value, alike, margin);
    default: {
      const double slope = loss::triplet_slope(pairs[0].value, pairs[1].value, margin);
      return k == 0 ? slope : -slope;
    }
  }
}

}  // namespace nce::cpu
