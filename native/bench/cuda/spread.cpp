#include "bench/cuda/spread.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace nce::bench {

Spread spread_of(std::vector<double> samples) {
  if (samples.empty()) return {};
  std::sort(samples.begin(), samples.end());
  const auto percentile = [&](double share) {
    const double place = share * static_cast<double>(samples.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, samples.size() - 1);
    return samples[below] + (place - std::floor(place)) * (samples[above] - samples[below]);
  };
  return {percentile(0.5), samples.front(), percentile(0.1), percentile(0.9), static_cast<int>(samples.size())};
}

}  // namespace nce::bench
