#pragma once
// The threads of a CPU context. Results never depend on how many there are: tasks are cut from the shape alone.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace nce::cpu {

/// What a task does, as seen by a pool: the body is the caller's, and outlives the call.
class TaskBody {
 public:
  template <typename Body>
  TaskBody(const Body& body)  // NOLINT: a lambda is passed as it is
      : body_(&body),
        run_([](const void* of, int64_t task, int worker) { (*static_cast<const Body*>(of))(task, worker); }) {}

  void operator()(int64_t task, int worker) const { run_(body_, task, worker); }

 private:
  const void* body_;
  void (*run_)(const void* body, int64_t task, int worker);
};

/// A fixed number of threads, the caller's included. Started at the first parallel call; several callers may use it at
/// once, and a body may itself call parallel_for.
class ThreadPool {
 public:
  /// `threads` >= 1 counts the caller: 1 starts none.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  /// Runs body(task, worker) once for every task in [0, tasks), fewer than 2^32, and returns when all have ended.
  /// `worker` is in [0, threads()), and no two bodies of one call that run at the same time have the same. Each worker
  /// has a share of neighbouring tasks, the same one in calls of as many tasks, so that what it wrote is still in its
  /// cache; who has ended takes from the ends of the others' shares. The first exception stops the handing out of tasks
  /// and is rethrown here. The first call with two tasks or more starts the threads, and throws Error OUT_OF_MEMORY if
  /// the system refuses one; later calls allocate nothing, so that none can fail once outputs have been written.
  void parallel_for(int64_t tasks, TaskBody body);

 private:
  struct Job;

  void start();
  void serve(int worker);
  static void run(Job& job, int worker);
  void open(Job& job);
  void drop(const Job& job);

  const int threads_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  Job* open_ = nullptr;                // jobs that another worker may still join, the oldest first
  std::atomic<bool> anything_{false};  // whether a worker that looks would find a job or the end
  std::vector<std::thread> workers_;
  bool stopping_ = false;
};

}  // namespace nce::cpu
