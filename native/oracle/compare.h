#pragma once
// What a library wrote, beside what the oracle says.

#include <functional>
#include <string>
#include <vector>

#include "oracle/oracle.h"

namespace nce::oracle {

/// What a call wrote, without the gaps between rows.
struct Result {
  std::vector<double> loss;  ///< one, or one a row
  std::vector<double> d_queries, d_keys, d_negatives;
  double d_temperature = 0;
  double d_bias = 0;
  nce_metrics metrics{};

  /// "" or the first thing that differs in a bit.
  std::string difference(const Result& other) const;
};

/// How far a result may be from the answer. Sums of what is named.
struct Bounds {
  double loss = 0;         ///< times the loss's size, |l| or that of its terms
  double loss_square = 0;  ///< times its square
  double loss_floor = 0;
  double gradient = 0;  ///< of the Frobenius norm of the error, times the gradient's; or, where that is more,
  double terms = 0;     ///< times the norm of the gradient's terms, before they cancel
  double smallest = 0;  ///< an element
  double beside = 0;    ///< of rows' own negatives beside those of the batch: times the norm of the queries' gradient
  double temperature = 0;  ///< times the terms of d_temperature, and of d_bias
  double similarity = 0;   ///< times its slopes by similarities
  double metrics = 0;      ///< absolute
  double effective = 0;    ///< effective_negatives, relative
  double accuracy = 0;     ///< top-1 and top-k, absolute
};

/// Calls expect(what, error, allowed) for everything there is to compare. An error may be NaN, which is never allowed.
void compare(const Problem& problem, const Result& result, const Answer& answer, const Bounds& bounds,
             const std::function<void(const char* what, double error, double allowed)>& expect);

}  // namespace nce::oracle
