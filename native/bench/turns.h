#pragma once
// Two calls in turns within one process, so that whatever changes the clock changes it for both. Other load can only
// slow a call, so the ratio of the fastest turns tells most on a busy machine.

#include <algorithm>
#include <chrono>
#include <vector>

#include "selftest/run.h"

namespace nce::bench {

/// A call of one run: forward, or both passes.
struct Turn {
  selftest::Run& run;
  selftest::Calls calls;

  double seconds(int times) const {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < times; ++i) {
      if (run.call(calls) != NCE_STATUS_OK) throw selftest::Failure(run.device.library().last_error());
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / times;
  }
};

/// What two turns took, and the ratio of the second to the first.
struct Turns {
  double first_fastest, second_fastest;  ///< seconds
  double median, lower_quartile, upper_quartile;
  std::size_t count;

  double ratio_of_fastest() const { return second_fastest / first_fastest; }
};

/// Turns of at least a millisecond: first, second, second, first.
inline Turns in_turns(const Turn& first, const Turn& second) {
  constexpr double kSeconds = 2.0;
  constexpr int kLeastTurns = 7;
  const double once = std::max(first.seconds(1), second.seconds(1));
  const int times = std::max(1, static_cast<int>(1e-3 / once));
  std::vector<double> firsts, seconds, ratios;
  double spent = 0.0;
  while (spent < kSeconds || static_cast<int>(ratios.size()) < kLeastTurns) {
    const double a = first.seconds(times);
    const double b = second.seconds(times);
    const double c = second.seconds(times);
    const double d = first.seconds(times);
    firsts.insert(firsts.end(), {a, d});
    seconds.insert(seconds.end(), {b, c});
    ratios.push_back((b + c) / (a + d));
    spent += (a + b + c + d) * times;
  }
  std::sort(ratios.begin(), ratios.end());
  return {*std::min_element(firsts.begin(), firsts.end()),
          *std::min_element(seconds.begin(), seconds.end()),
          ratios[ratios.size() / 2],
          ratios[ratios.size() / 4],
          ratios[ratios.size() * 3 / 4],
          ratios.size()};
}

}  // namespace nce::bench
