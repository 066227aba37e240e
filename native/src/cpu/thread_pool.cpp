#include "cpu/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <string>
#include <system_error>
#include <utility>

#include "api/backend.h"

namespace nce::cpu {
namespace {

// A call is a row of short jobs: sleeping and waking between them would cost more than many of them take. This is some
// tens of microseconds.
constexpr int kLooks = 2000;

template <typename Done>
void look_for_a_while(const Done& done) {
  for (int i = 0; i < kLooks && !done(); ++i) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    std::this_thread::yield();
#endif
  }
}

/// Tasks that are left of one worker's share: [begin, end), in one word so that both change at once. A line of its own,
/// since its worker writes to it for each task.
class alignas(64) Share {
 public:
  void set(int64_t begin, int64_t end) { range_.store(packed(begin, end), std::memory_order_relaxed); }

  /// The first task that is left, or -1.
  int64_t take_first() {
    return take([](int64_t begin, int64_t end) { return std::pair{begin, packed(begin + 1, end)}; });
  }
  /// The last one, or -1.
  int64_t take_last() {
    return take([](int64_t begin, int64_t end) { return std::pair{end - 1, packed(begin, end - 1)}; });
  }

 private:
  static uint64_t packed(int64_t begin, int64_t end) {
    return static_cast<uint64_t>(begin) << 32 | static_cast<uint64_t>(end);
  }

  template <typename Choose>
  int64_t take(const Choose& choose) {
    uint64_t range = range_.load(std::memory_order_relaxed);
    while (true) {
      const auto begin = static_cast<int64_t>(range >> 32);
      const auto end = static_cast<int64_t>(range & 0xffffffffU);
      if (begin >= end) return -1;
      const auto [task, rest] = choose(begin, end);
      if (range_.compare_exchange_weak(range, rest, std::memory_order_relaxed)) return task;
    }
  }

  std::atomic<uint64_t> range_{0};
};

}  // namespace

struct ThreadPool::Job {
  Job(const std::function<void(int64_t, int)>& of, int64_t tasks, int threads)
      : body(of), shares(static_cast<size_t>(threads)) {
    for (int64_t worker = 0; worker < threads; ++worker) {
      shares[static_cast<size_t>(worker)].set(tasks * worker / threads, tasks * (worker + 1) / threads);
    }
  }

  /// A task of the worker's own, or else of another's, or -1.
  int64_t take(int worker) {
    int64_t task = shares[static_cast<size_t>(worker)].take_first();
    for (size_t k = 1; k < shares.size() && task < 0; ++k) {
      task = shares[(static_cast<size_t>(worker) + k) % shares.size()].take_last();
    }
    return task;
  }

  void stop() {
    for (Share& share : shares) share.set(0, 0);
  }

  const std::function<void(int64_t, int)>& body;
  std::vector<Share> shares;
  int joined = 1;              // guarded by the pool's mutex
  std::atomic<int> active{1};  // written under the pool's mutex
  // Written by whoever sets failed first, read after all have left.
  std::atomic<bool> failed{false};
  std::exception_ptr error{};
};

ThreadPool::ThreadPool(int threads) : threads_(std::max(1, threads)) {}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    anything_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::parallel_for(int64_t tasks, const std::function<void(int64_t task, int worker)>& body) {
  if (threads_ == 1 || tasks <= 1) {
    for (int64_t task = 0; task < tasks; ++task) body(task, 0);
    return;
  }
  Job job(body, tasks, threads_);
  {
    const std::lock_guard lock(mutex_);
    start();
    open_.push_back(&job);
    anything_ = true;
  }
  wake_.notify_all();
  run(job, 0);
  {
    const std::lock_guard lock(mutex_);
    drop(&job);
    --job.active;
  }
  const auto ended = [&job] { return job.active.load(std::memory_order_acquire) == 0; };
  look_for_a_while(ended);
  if (!ended()) {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, ended);
  }
  if (job.error) std::rethrow_exception(job.error);
}

void ThreadPool::start() {
  const auto wanted = static_cast<size_t>(threads_ - 1);
  workers_.reserve(wanted);
  while (workers_.size() < wanted) {
    try {
      workers_.emplace_back([this, worker = static_cast<int>(workers_.size()) + 1] { serve(worker); });
    } catch (const std::system_error& refused) {
      throw Error(NCE_STATUS_OUT_OF_MEMORY, "threads: " + std::to_string(threads_) + " asked for, the system gave " +
                                                std::to_string(workers_.size() + 1) + " (" + refused.what() + ")");
    }
  }
}

void ThreadPool::serve(int worker) {
  std::unique_lock lock(mutex_);
  while (true) {
    if (open_.empty() && !stopping_) {
      lock.unlock();
      look_for_a_while([this] { return anything_.load(std::memory_order_relaxed); });
      lock.lock();
    }
    wake_.wait(lock, [this] { return stopping_ || !open_.empty(); });
    if (stopping_) return;
    Job* job = open_.front();
    ++job->active;
    if (++job->joined == threads_) drop(job);
    lock.unlock();
    run(*job, worker);
    lock.lock();
    drop(job);  // it has no tasks left to hand out
    if (--job->active == 0) idle_.notify_all();
  }
}

void ThreadPool::run(Job& job, int worker) {
  try {
    for (int64_t task = job.take(worker); task >= 0; task = job.take(worker)) job.body(task, worker);
  } catch (...) {
    if (!job.failed.exchange(true)) job.error = std::current_exception();
    job.stop();
  }
}

void ThreadPool::drop(const Job* job) {
  open_.erase(std::remove(open_.begin(), open_.end(), job), open_.end());
  anything_ = stopping_ || !open_.empty();
}

}  // namespace nce::cpu
