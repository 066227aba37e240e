#pragma once
// What a set of timings says.

#include <vector>

namespace nce::bench {

/// In the unit of the samples.
struct Spread {
  double median = 0, min = 0, p10 = 0, p90 = 0;
  int samples = 0;
};

/// Percentiles between samples are interpolated. Of nothing, all is 0.
Spread spread_of(std::vector<double> samples);

}  // namespace nce::bench
