#pragma once
// What is known of a call only on the device. It lies at the start of the workspace; kernels read it, so that nothing
// waits for the host.

#include <cstdint>

#include "infonce.h"

namespace nce::cuda {

/// What becomes of a similarity s with temperature tau.
enum class Form : int32_t {
  kBounded = 0,  ///< e = 2^(s log2(e) / tau - shift); |s| / tau is known to be small enough, and the shift too
  kOnline = 1,   ///< e = 2^((s - reference) log2(e) / tau) with a running maximum, or the row's own reference
  kLogistic = 2  ///< softplus(s / tau) and its derivative
};

/// Which argument a status is about.
enum class Argument : int32_t {
  kNone = 0,
  kTemperature,
  kWeights,
  kLabels,
  kUpstream,
  kQueries,
  kKeys,
  kNegatives,
  kSimilarity  ///< of a row of queries, beyond float64
};

struct CallState {
  uint64_t plan;      ///< whose forward pass the workspace holds; 0 for none
  int32_t status;     ///< nce_status; kernels that write outputs do nothing unless it is OK
  Argument argument;  ///< what is wrong
  int64_t row;        ///< where
  double value;       ///< and what was given
  double tau;         ///< checked
  double inverse_temperature;
  double temperature_factor;  ///< from d/dtau to the gradient that is asked for
  double weight_sum;
  double shift;          ///< kBounded
  double largest_slope;  ///< by which all weights of the gradient are divided
  int32_t method;        ///< which of the plan's methods the call uses; tile kernels of another return at once
  Form form;
};

}  // namespace nce::cuda
