#pragma once
// One number for similarities and distances: value = offset + sign * base, base being a function of two rows.

#include "api/plan_shape.h"

namespace nce::cpu {

enum class Base { kCosine, kDot, kSquaredDistance, kDistance };

struct Measure {
  Base base;
  double sign;
  double offset;

  /// What nce_metrics calls similarity: the value itself, or minus the distance.
  double similarity_sign;
};

inline Measure measure_of(const nce_plan_desc& desc) {
  if (is_margin_loss(desc)) {
    switch (desc.distance) {
      case NCE_DISTANCE_COSINE:
        return {Base::kCosine, -1.0, 1.0, -1.0};
      case NCE_DISTANCE_SQUARED_EUCLIDEAN:
        return {Base::kSquaredDistance, 1.0, 0.0, -1.0};
      default:
        return {Base::kDistance, 1.0, 0.0, -1.0};
    }
  }
  switch (desc.similarity) {
    case NCE_SIMILARITY_DOT:
      return {Base::kDot, 1.0, 0.0, 1.0};
    case NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN:
      return {Base::kSquaredDistance, -1.0, 0.0, 1.0};
    case NCE_SIMILARITY_NEG_EUCLIDEAN:
      return {Base::kDistance, -1.0, 0.0, 1.0};
    default:
      return {Base::kCosine, 1.0, 0.0, 1.0};
  }
}

/// A row's measure with another row, as the backward needs it.
struct Pair {
  double value;
  double inverse_norm;  // of the other row; 0 for a zero row
};

}  // namespace nce::cpu
