#pragma once
// How far a device may be from the oracle. tau is the temperature; margin losses count as tau = 1.

#include "selftest/problem.h"

namespace nce::selftest {

struct Bounds {
  double loss;         ///< |error| / (loss (1 + loss))
  double gradient;     ///< Frobenius norm of the error relative to the gradient's
  double terms;        ///< or, where terms cancel, relative to theirs
  double temperature;  ///< relative to the terms of d_temperature
  double similarity;   ///< absolute, of similarities of size 1: what d_temperature is made of may be 0 itself
  double metrics;      ///< absolute; they are for reading
  double smallest;     ///< absolute, an element: half the least number of the gradient's type
};

Bounds bounds_of(const Problem& problem, bool cpu);

}  // namespace nce::selftest
