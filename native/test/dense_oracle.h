#pragma once
// The dense losses written down plainly in long double, pair by pair: what the engine is compared with.

#include <cstdint>
#include <vector>

#include "infonce.h"

namespace nce::test {

using Wide = long double;

/// A dense problem with its data in double, row-major without gaps.
struct DenseCase {
  nce_plan_desc desc{};
  Wide tau = 1.0L;
  std::vector<double> queries, keys, negatives;
  std::vector<float> weights;   ///< empty: all 1
  std::vector<float> upstream;  ///< empty: 1; one number, or one a row

  int64_t rows() const;
  bool tower() const;
};

template <typename Number>
struct DenseAnswerOf {
  std::vector<Number> losses;  ///< w_i l_i
  Number loss = 0;             ///< reduced; NONE: the sum
  std::vector<Number> d_queries, d_keys, d_negatives;
  Number gradient_terms = 0;  ///< sum over pairs of the size of what their gradients are made of, before it cancels
  Number d_temperature = 0;
  Number d_temperature_terms = 0;  ///< sum of the absolute values of what d_temperature is the sum of
  Number top1 = 0, topk = 0, positive_similarity = 0, negative_similarity = 0, alignment = 0, uniformity = 0,
         effective_negatives = 0;
};
using DenseAnswer = DenseAnswerOf<Wide>;

DenseAnswer dense_oracle(const DenseCase& problem);

}  // namespace nce::test
