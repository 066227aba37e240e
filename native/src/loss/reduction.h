#pragma once
// Row weights, upstream gradients and reductions: how row losses become the loss.

#include <cstdint>

#include "infonce.h"
#include "loss/scalar.h"

namespace nce::loss {

struct Reducer {
  nce_reduction reduction;
  double loss_weight;  ///< what losses, and hence gradients, are multiplied by
  int32_t upstream_per_row;
  const float* weights;   ///< null: all 1
  const float* upstream;  ///< null: 1

  /// w_i times a number of row i.
  NCE_HOST_DEVICE double times_weight(double number, int64_t row) const {
    return weights == nullptr ? number : number * static_cast<double>(weights[row]);
  }

  /// w_i l_i, times the weight of the loss.
  NCE_HOST_DEVICE double weighted(double loss, int64_t row) const { return times_weight(loss, row) * loss_weight; }

  /// The loss from the sum of w_i l_i; not for NONE, which has no sum.
  NCE_HOST_DEVICE double reduced(double sum, double weight_sum) const {
    switch (reduction) {
      case NCE_REDUCTION_MEAN:
        return weight_sum > 0.0 ? sum / weight_sum : 0.0;
      case NCE_REDUCTION_SUM:
      case NCE_REDUCTION_NONE:
        return sum;
    }
    return sum;
  }

  /// The derivative of the caller's objective by l_i: what the gradients of a row's loss are multiplied by.
  NCE_HOST_DEVICE double factor(int64_t row, double weight_sum) const {
    double factor = times_weight(1.0, row) * loss_weight;
    if (upstream != nullptr) factor *= static_cast<double>(upstream[upstream_per_row != 0 ? row : 0]);
    return reduced(factor, weight_sum);
  }
};

inline Reducer reducer_of(nce_reduction reduction, double loss_weight, const nce_inputs& in) {
  return {.reduction = reduction,
          .loss_weight = loss_weight,
          .upstream_per_row = in.upstream_per_row,
          .weights = in.weights,
          .upstream = in.upstream};
}

/// Up to which a loss's weight takes no loss that is within loss::Reach out of the range of double, whatever the
/// weights of rows.
constexpr double kLargestSureWeight = 1e30;

/// The range of tau, and of ln tau.
constexpr double kSmallestTemperature = 1e-9;
constexpr double kLargestTemperature = 1e9;
constexpr double kLargestLogTemperature = 20.723265836946411;

/// Whether a call may have this temperature. Logarithms are compared as such: exp would round the bounds themselves out
/// of range.
NCE_HOST_DEVICE inline bool temperature_allowed(double given, bool logarithm) {
  if (logarithm) return given >= -kLargestLogTemperature && given <= kLargestLogTemperature;
  return given >= kSmallestTemperature && given <= kLargestTemperature;
}

/// The largest size of a bias.
constexpr double kLargestBias = 1e30;

/// Whether a call may have this bias; not if it is no number.
NCE_HOST_DEVICE inline bool bias_allowed(double given) { return given >= -kLargestBias && given <= kLargestBias; }

/// The largest size of an offset.
constexpr double kLargestOffset = 30.0;

/// Whether a call may have this offset; not if it is no number.
NCE_HOST_DEVICE inline bool offset_allowed(double given) { return given >= -kLargestOffset && given <= kLargestOffset; }

constexpr const char* kOffsetsAllowed = "a number from -30 to 30";

/// The largest size of a teacher's score, and whether a call may have this one.
constexpr double kLargestScore = static_cast<double>(1e30F);
NCE_HOST_DEVICE inline bool score_allowed(double given) { return given >= -kLargestScore && given <= kLargestScore; }

constexpr const char* kScoresAllowed = "a number from -1e30 to 1e30";

}  // namespace nce::loss
