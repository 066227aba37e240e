#pragma once
// All processors on a loop of independent steps.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace nce::oracle {

/// body(i) for 0 <= i < count, in any order, by every processor; body must not throw.
template <typename Body>
void parallel_for(int64_t count, const Body& body) {
  // A thread costs some microseconds, so short loops stay on this one.
#if defined(__SANITIZE_ADDRESS__)
  // To make one there costs more than what it does.
  constexpr int64_t threads = 1;
#else
  const auto threads = std::min<int64_t>(1 + count / 32, std::max(1U, std::thread::hardware_concurrency()));
#endif
  std::atomic<int64_t> next{0};
  const auto work = [&] {
    for (int64_t i = next++; i < count; i = next++) body(i);
  };
  std::vector<std::thread> others;
  for (int64_t t = 1; t < threads; ++t) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
}

}  // namespace nce::oracle
