#include "emulation/machine.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "emulation/memory.h"
#include "emulation/source_line.h"

namespace nce::emulation {
namespace {

template <typename Item>
void shuffle_items(std::vector<Item>& items, Machine& machine) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[machine.random() % i]);
}

std::string text(dim3 index) {
  std::string result(1, '(');
  result += std::to_string(index.x);
  result += ", ";
  result += std::to_string(index.y);
  result += ", ";
  result += std::to_string(index.z);
  result += ')';
  return result;
}

}  // namespace

const char* name_of(Wait wait) {
  switch (wait) {
    case Wait::kNothing:
      return "nothing";
    case Wait::kWarp:
      return "__syncwarp";
    case Wait::kShuffle:
      return "a shuffle";
    case Wait::kAny:
      return "__any_sync";
    case Wait::kLoadMatrices:
      return "ldmatrix";
    case Wait::kMultiplyAdd:
      return "mma";
    case Wait::kBlock:
      return "__syncthreads";
    case Wait::kDone:
      return "the end";
  }
  return "";
}

void Machine::Free::operator()(std::byte* p) const { std::free(p); }

constinit Machine Machine::instance_;

uint64_t Machine::random() {
  random_state_ += 0x9e3779b97f4a7c15;
  uint64_t x = random_state_;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

void Machine::reserve(int threads) {
  const auto count = static_cast<std::size_t>(threads);
  if (!shared_) {
    shared_.reset(static_cast<std::byte*>(std::aligned_alloc(1024, static_cast<std::size_t>(kSharedLimit) + 1024)));
  }
  if (count * kStackBytes > stack_bytes_) {
    if (stacks_ != nullptr) munmap(stacks_, stack_bytes_);
    stack_bytes_ = count * kStackBytes;
    void* const memory = mmap(nullptr, stack_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    stacks_ = static_cast<std::byte*>(memory);
  }
  if (threads_.size() < count) threads_.resize(count);
  warps_.assign(count / kWarpSize, {});
}

std::string Machine::run(const char* kernel, dim3 grid, int threads, int64_t shared_bytes, void (*body)(const void*),
                         const void* params) {
  kernel_ = kernel;
  body_ = body;
  params_ = params;
  shared_bytes_ = shared_bytes;
  counters_ = &emulation::counters()[kernel];
  ++counters_->launches;
  report_.clear();
  if (!options().running) return report_;
  random_state_ = options().seed + ++launch_;
  counting_ = options().counting;
  most_accesses_ = options().most_accesses;
  first_serial_ = block_serial_ + 1;
  reserve(threads);
  const int64_t count = int64_t{grid.x} * grid.y * grid.z;
  std::vector<int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  shuffle_items(order, *this);
  for (const int64_t block : order) {
    block_ = block;
    ++block_serial_;
    const auto x = static_cast<unsigned>(block % grid.x);
    const auto y = static_cast<unsigned>(block / grid.x % grid.y);
    const auto z = static_cast<unsigned>(block / grid.x / grid.y);
    run_block(grid, dim3(x, y, z), threads);
    if (counting_) count_accesses();
    if (!report_.empty()) break;
  }
  thread_ = nullptr;
  return report_;
}

void Machine::run_block(dim3 grid, dim3 index, int count) {
  barriers_ = 0;
  counters_->threads += count;
  std::vector<int> warps(static_cast<std::size_t>(count / kWarpSize));
  std::iota(warps.begin(), warps.end(), 0);
  shuffle_items(warps, *this);
  std::vector<int> lanes(kWarpSize);
  std::iota(lanes.begin(), lanes.end(), 0);
  shuffle_items(lanes, *this);
  for (int i = 0; i < count; ++i) {
    Thread& thread = threads_[static_cast<std::size_t>(i)];
    thread.id = i;
    thread.indices = {dim3(static_cast<unsigned>(i), 0, 0), index, dim3(static_cast<unsigned>(count)), grid};
    thread.wait = Wait::kNothing;
    thread.copies.clear();
    thread.sites.clear();
    thread.accesses = 0;
    thread.groups = 0;
    thread.fiber.start(stacks_ + static_cast<std::size_t>(i) * kStackBytes, kStackBytes, &thread_main);
  }
  std::fill(warps_.begin(), warps_.end(), Warp{});
  while (true) {
    for (const int warp : warps) {
      bool ran = true;
      while (ran) {
        ran = false;
        for (const int lane : lanes) {
          Thread& thread = threads_[static_cast<std::size_t>(warp * kWarpSize + lane)];
          if (thread.wait != Wait::kNothing) continue;
          ran = true;
          thread_ = &thread;
          thread.fiber.enter(scheduler_);
          if (!report_.empty()) return;
        }
      }
    }
    const auto waiting = [&](Wait wait) {
      return std::count_if(threads_.begin(), threads_.begin() + count, [&](const Thread& t) { return t.wait == wait; });
    };
    if (waiting(Wait::kDone) == count) return;
    const bool stuck = waiting(Wait::kBlock) != count;
    const bool together = std::all_of(threads_.begin(), threads_.begin() + count,
                                      [&](const Thread& t) { return same_line(t.code, threads_[0].code); });
    if (stuck || !together) {
      report_ = "kernel " + std::string(kernel_) + ", block " + text(index) + ": " +
                (stuck ? "divergent threads wait for each other:" : "threads wait at different barriers:") + waits();
      return;
    }
    ++barriers_;
    for (int i = 0; i < count; ++i) threads_[static_cast<std::size_t>(i)].wait = Wait::kNothing;
  }
}

std::string Machine::waits() const {
  std::string result;
  const auto count = static_cast<std::size_t>(threads_[0].indices.block_dim.x);
  std::size_t first = 0;
  while (first < count) {
    std::size_t end = first + 1;
    while (end < count && threads_[end].wait == threads_[first].wait && threads_[end].code == threads_[first].code)
      ++end;
    const bool done = threads_[first].wait == Wait::kDone;
    result += " threads " + std::to_string(first) + " to " + std::to_string(end - 1) +
              (done ? " have ended" : " wait at ") + (done ? "" : name_of(threads_[first].wait)) +
              (done ? "" : " (" + source_line(threads_[first].code) + ")") + (end < count ? ";" : "");
    first = end;
  }
  return result;
}

void Machine::thread_main() {
  Machine& machine = get();
  machine.body_(machine.params_);
  Thread& thread = machine.thread();
  if (!thread.copies.empty()) {
    machine.fail("a thread ends with asynchronous copies under way", thread.copies.front().code);
  }
  thread.wait = Wait::kDone;
  thread.code = nullptr;
  machine.leave_for_good();
}

void Machine::leave_for_good() {
  scheduler_.enter(thread_->fiber);
  std::abort();
}

void Machine::wait(Wait what, void* operand, const void* code) {
  Thread& me = *thread_;
  me.sites.clear();
  me.accesses = 0;
  me.wait = what;
  me.operand = operand;
  me.code = code;
}

void Machine::collective(Wait what, void* operand, const void* code, void (*perform)(Machine&)) {
  Thread& me = *thread_;
  wait(what, operand, code);
  for (int l = 0; l < kWarpSize; ++l) {
    if (lane(l).wait != what) {
      scheduler_.enter(me.fiber);
      return;
    }
  }
  for (int l = 0; l < kWarpSize; ++l) {
    if (same_line(lane(l).code, code)) continue;
    fail(std::string(nce::emulation::name_of(what)) + " of lanes in different places: lane " + std::to_string(l) +
             " at " + source_line(lane(l).code) + ", this thread",
         code);
  }
  if (perform != nullptr) perform(*this);
  ++warp().syncs;
  for (int l = 0; l < kWarpSize; ++l) lane(l).wait = Wait::kNothing;
}

void Machine::block_barrier(const void* code) {
  wait(Wait::kBlock, nullptr, code);
  scheduler_.enter(thread_->fiber);
}

void Machine::fail(const std::string& what, const void* code) {
  const Thread& thread = *thread_;
  report_ = "kernel " + std::string(kernel_) + ", block " + text(thread.indices.block) + ", thread " +
            std::to_string(thread.id) + ": " + what + " at " + source_line(code);
  leave_for_good();
}

}  // namespace nce::emulation
