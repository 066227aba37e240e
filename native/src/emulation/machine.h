#pragma once
// The state of the one emulated multiprocessor: the block that runs, its warps and threads.

#include <cuda_runtime.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "emulation/control.h"
#include "emulation/fiber.h"

namespace nce::emulation {

constexpr int kWarpSize = 32;
constexpr int64_t kSharedLimit = 227 << 10;

/// What a thread waits for. The lanes of a warp must wait for the same.
enum class Wait : uint8_t { kNothing, kWarp, kShuffle, kAny, kLoadMatrices, kMultiplyAdd, kBlock, kDone };
const char* name_of(Wait wait);

/// Where a thread is.
struct Indices {
  dim3 thread, block, block_dim, grid_dim;
};

/// A copy under way from global to shared memory.
struct AsyncCopy {
  std::byte* to;
  const std::byte* from;
  const void* code;
  int64_t group;  ///< -1: not yet committed
  bool landed;
};

/// How often a thread has met a place in the code.
struct Visits {
  const void* code;
  bool write;
  int visits;
};

struct Thread {
  Fiber fiber;
  Indices indices;
  int id;  ///< in the block
  Wait wait = Wait::kNothing;
  void* operand = nullptr;     ///< of the collective that it waits for
  const void* code = nullptr;  ///< where it was called
  std::vector<AsyncCopy> copies;
  int64_t accesses = 0;       ///< since the last wait
  int64_t groups = 0;         ///< committed
  std::vector<Visits> sites;  ///< counting; since the last wait
};

struct Warp {
  uint32_t syncs = 0;  ///< collectives so far: what lies before one happened before what lies after
};

class Machine {
 public:
  static Machine& get() { return instance_; }

  /// Runs a whole grid. Returns the report of an error, or "".
  std::string run(const char* kernel, dim3 grid, int threads, int64_t shared_bytes, void (*body)(const void*),
                  const void* params);

  /// Whether the caller is a kernel, and not a host thread beside it.
  bool running() const { return on_a_stack(__builtin_frame_address(0)); }
  Thread& thread() { return *thread_; }
  Warp& warp() { return warps_[static_cast<std::size_t>(thread_->id / kWarpSize)]; }
  Thread& lane(int lane) { return threads_[static_cast<std::size_t>(thread_->id / kWarpSize * kWarpSize + lane)]; }
  uint32_t barriers() const { return barriers_; }
  uint32_t launch() const { return launch_; }
  int64_t block() const { return block_; }
  /// Differs between any two blocks of any two launches, and rises.
  uint32_t block_serial() const { return block_serial_; }
  /// Of the first block of this launch.
  uint32_t first_serial() const { return first_serial_; }
  const char* kernel() const { return kernel_; }
  std::byte* shared() { return shared_.get(); }
  int64_t shared_bytes() const { return shared_bytes_; }
  bool on_a_stack(const void* p) const { return p >= stacks_ && p < stacks_ + stack_bytes_; }
  Counters& counters() { return *counters_; }
  uint64_t random();
  /// The options of the launch.
  bool counting() const { return counting_; }
  int64_t most_accesses() const { return most_accesses_; }

  /// Waits with the other lanes; the last to come does the work for all.
  void collective(Wait what, void* operand, const void* code, void (*perform)(Machine&));
  void block_barrier(const void* code);
  /// Ends the launch with a report: what, and where the running thread is.
  [[noreturn]] void fail(const std::string& what, const void* code);

 private:
  Machine() = default;
  void run_block(dim3 grid, dim3 index, int count);
  void wait(Wait what, void* operand, const void* code);
  void reserve(int threads);
  static void thread_main();
  [[noreturn]] void leave_for_good();
  /// Who waits where, in words.
  std::string waits() const;

  static constexpr std::size_t kStackBytes = std::size_t{128} << 10;

  Fiber scheduler_;
  Thread* thread_ = nullptr;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::byte* stacks_ = nullptr;
  std::size_t stack_bytes_ = 0;
  struct Free {
    void operator()(std::byte* p) const;
  };
  std::unique_ptr<std::byte, Free> shared_;
  int64_t shared_bytes_ = 0;
  uint32_t barriers_ = 0;
  uint32_t launch_ = 0;
  uint32_t block_serial_ = 0;
  uint32_t first_serial_ = 0;
  int64_t block_ = 0;
  uint64_t random_state_ = 1;
  const char* kernel_ = "";
  void (*body_)(const void*) = nullptr;
  const void* params_ = nullptr;
  Counters* counters_ = nullptr;
  bool counting_ = false;
  int64_t most_accesses_ = 0;
  std::string report_;

  static Machine instance_;
};

}  // namespace nce::emulation
