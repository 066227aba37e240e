#pragma once
// The loss of one row from its measures, and the slopes by them. Measure 0 is the positive's, the rest the negatives'.

#include <cstdint>
#include <span>

#include "cpu/rowwise/measure.h"

namespace nce::cpu {

/// What the forward finds out about a row and the backward needs again.
struct RowTerms {
  double loss;
  double temperature_slope;  // dl/dtau
  double log_ratio;  // InfoNCE: ln of (sum of the negatives' exponentials / the positive's); -inf without negatives
  double entropy;    // InfoNCE: of the softmax over the negatives
};

/// The parameters of a row's loss.
struct RowLoss {
  int32_t kind;  // nce_loss
  double tau;
  double margin;

  /// `alike` is the label of a contrastive pair.
  RowTerms terms(std::span<const Pair> pairs, bool alike) const;

  /// dl / d(value of pair k).
  double slope(std::span<const Pair> pairs, std::size_t k, bool alike, const RowTerms& terms) const;
};

}  // namespace nce::cpu
