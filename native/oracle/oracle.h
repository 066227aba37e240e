#pragma once
// The losses written from their definitions alone, in double or in long double: what a library is compared with.

#include <cmath>
#include <cstdint>
#include <vector>

#include "oracle/problem.h"

namespace nce::oracle {

/// Some rows of a gradient.
struct GradientRows {
  std::vector<int64_t> rows;
  std::vector<double> values;  ///< [rows][dim]
  double terms = 0;            ///< Frobenius norm of what the rows are made of, before it cancels: sums of sizes
};

/// What is right, rounded to double.
struct Answer {
  std::vector<double> losses;      ///< w_i l_i
  double loss = 0;                 ///< reduced; NONE: the sum
  std::vector<double> loss_sizes;  ///< of losses: the sums of the sizes of terms that may cancel, else |w_i l_i|
  double loss_size = 0;            ///< of loss
  double d_temperature = 0;
  double d_temperature_terms = 0;   ///< sum of the sizes of what d_temperature is the sum of
  double d_temperature_slopes = 0;  ///< sum of its derivatives by differences of similarities, which are rounded too
  double d_bias = 0;
  double d_bias_terms = 0;  ///< sum of the sizes of what d_bias is the sum of
  double condition = 1;     ///< how much relative errors of similarities may grow on the way to a row's loss
  GradientRows d_queries, d_keys, d_negatives;
  nce_metrics metrics{};
  double nearest_choice = HUGE_VAL;  ///< mined triplets: how near, relative to what is compared, any two numbers came
                                     ///< that are compared to choose; equal ones choose by their index
  double limit_gap = HUGE_VAL;       ///< thresholds, and the circle loss's factors that end at 0: how near a similarity
                                     ///< came to a limit that it is compared with
};

constexpr int64_t kAllRows = int64_t{1} << 40;

/// `samples` rows of each gradient, spread evenly with the first and the last; all of them if there are no more.
template <typename Number>
Answer oracle(const Problem& problem, int64_t samples = kAllRows);

}  // namespace nce::oracle
