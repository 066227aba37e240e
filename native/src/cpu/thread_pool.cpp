#include "cpu/thread_pool.h"

#include <algorithm>
#include <array>
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

/// Lies on the stack of its caller.
struct ThreadPool::Job {
  Job(TaskBody of, int64_t tasks, int threads)
      : body(of), count(std::min<size_t>(static_cast<size_t>(threads), kShares)) {
    const auto parts = static_cast<int64_t>(count);
    for (int64_t part = 0; part < parts; ++part) {
      shares[static_cast<size_t>(part)].set(tasks * part / parts, tasks * (part + 1) / parts);
    }
  }

  /// A task of the worker's own, or else of another's, or -1.
  int64_t take(int worker) {
    const size_t own = static_cast<size_t>(worker) % count;
    int64_t task = shares[own].take_first();
    for (size_t k = 1; k < count && task < 0; ++k) task = shares[(own + k) % count].take_last();
    return task;
  }

  void stop() {
    for (size_t k = 0; k < count; ++k) shares[k].set(0, 0);
  }

  static constexpr size_t kShares = 64;  // more workers share them

  const TaskBody body;
  const size_t count;
  std::array<Share, kShares> shares;
  Job* next = nullptr;  // guarded by the pool's mutex, as are:
  int joined = 1;
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

void ThreadPool::parallel_for(int64_t tasks, TaskBody body) {
  if (threads_ == 1 || tasks <= 1) {
    for (int64_t task = 0; task < tasks; ++task) body(task, 0);
    return;
  }
  Job job(body, tasks, threads_);
  {
    const std::lock_guard lock(mutex_);
    start();
    open(job);
  }
  wake_.notify_all();
  run(job, 0);
  {
    const std::lock_guard lock(mutex_);
    drop(job);
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
    if (open_ == nullptr && !stopping_) {
      lock.unlock();
      look_for_a_while([this] { return anything_.load(std::memory_order_relaxed); });
      lock.lock();
    }
    wake_.wait(lock, [this] { return stopping_ || open_ != nullptr; });
    if (stopping_) return;
    Job* job = open_;
    ++job->active;
    if (++job->joined == threads_) drop(*job);
    lock.unlock();
    run(*job, worker);
    lock.lock();
    drop(*job);  // it has no tasks left to hand out
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

void ThreadPool::open(Job& job) {
  Job** end = &open_;
  while (*end != nullptr) end = &(*end)->next;
  *end = &job;
  anything_ = true;
}

void ThreadPool::drop(const Job& job) {
  for (Job** at = &open_; *at != nullptr; at = &(*at)->next) {
    if (*at == &job) {
      *at = job.next;
      break;
    }
  }
  anything_ = stopping_ || open_ != nullptr;
}

}  // namespace nce::cpu
