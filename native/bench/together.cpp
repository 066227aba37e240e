#include "together.h"

#include <barrier>
#include <chrono>
#include <thread>
#include <vector>

namespace nce::bench {

double seconds_together(int threads, const std::function<void(int)>& work) {
  using Clock = std::chrono::steady_clock;
  std::barrier start(threads + 1);
  std::vector<std::jthread> workers;
  for (int i = 0; i < threads; ++i) {
    workers.emplace_back([&, i] {
      start.arrive_and_wait();
      work(i);
    });
  }
  start.arrive_and_wait();
  const auto begin = Clock::now();
  workers.clear();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace nce::bench
