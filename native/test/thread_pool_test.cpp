#include "cpu/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

namespace nce::cpu {
namespace {

TEST(ThreadPool, RunsEveryTaskOnce) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    for (const int64_t tasks : {int64_t{0}, int64_t{1}, int64_t{2}, int64_t{7}, int64_t{1000}}) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(tasks));
      pool.parallel_for(tasks, [&](int64_t task, int) { ++runs[static_cast<size_t>(task)]; });
      for (const auto& count : runs) EXPECT_EQ(count.load(), 1);
    }
  }
}

TEST(ThreadPool, WorkerIdsOfOneCallAreInRangeAndNeverSharedAtOnce) {
  constexpr int kThreads = 4;
  ThreadPool pool(kThreads);
  std::vector<std::atomic<int>> busy(kThreads);
  std::atomic<bool> shared{false};
  pool.parallel_for(2000, [&](int64_t, int worker) {
    if (worker < 0 || worker >= kThreads || ++busy[static_cast<size_t>(worker)] != 1) {
      shared = true;
      return;
    }
    std::this_thread::yield();
    --busy[static_cast<size_t>(worker)];
  });
  EXPECT_FALSE(shared.load());
}

TEST(ThreadPool, RethrowsTheExceptionOfABodyAndStaysUsable) {
  ThreadPool pool(3);
  EXPECT_THROW(pool.parallel_for(100,
                                 [](int64_t task, int) {
                                   if (task == 40) throw std::runtime_error("task 40");
                                 }),
               std::runtime_error);
  std::atomic<int64_t> sum{0};
  pool.parallel_for(10, [&](int64_t task, int) { sum += task; });
  EXPECT_EQ(sum.load(), 45);
}

TEST(ThreadPool, ServesSeveralCallersAndNestedCallsAtOnce) {
  ThreadPool pool(3);
  std::atomic<int64_t> sum{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        pool.parallel_for(5, [&](int64_t, int) { pool.parallel_for(4, [&](int64_t, int) { ++sum; }); });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum.load(), 4 * 20 * 5 * 4);
}

}  // namespace
}  // namespace nce::cpu
