#include "cpu/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <string>
#include <system_error>

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

}  // namespace

struct ThreadPool::Job {
  const std::function<void(int64_t, int)>& body;
  const int64_t tasks;
  std::atomic<int64_t> next{0};
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
  Job job{body, tasks};
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
      workers_.emplace_back([this] { serve(); });
    } catch (const std::system_error& refused) {
      throw Error(NCE_STATUS_OUT_OF_MEMORY, "threads: " + std::to_string(threads_) + " asked for, the system gave " +
                                                std::to_string(workers_.size() + 1) + " (" + refused.what() + ")");
    }
  }
}

void ThreadPool::serve() {
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
    const int worker = job->joined++;
    ++job->active;
    if (job->joined == threads_) drop(job);
    lock.unlock();
    run(*job, worker);
    lock.lock();
    drop(job);  // it has no tasks left to hand out
    if (--job->active == 0) idle_.notify_all();
  }
}

void ThreadPool::run(Job& job, int worker) {
  try {
    for (int64_t task = job.next.fetch_add(1); task < job.tasks; task = job.next.fetch_add(1)) job.body(task, worker);
  } catch (...) {
    if (!job.failed.exchange(true)) job.error = std::current_exception();
    job.next.store(job.tasks);
  }
}

void ThreadPool::drop(const Job* job) {
  open_.erase(std::remove(open_.begin(), open_.end(), job), open_.end());
  anything_ = stopping_ || !open_.empty();
}

}  // namespace nce::cpu
