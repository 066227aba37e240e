#pragma once
// What tells a plan from others in the workspaces of passes.

#include <atomic>
#include <cstdint>

namespace nce::cpu {

/// Never 0, and never again. Any thread may call it.
inline uint64_t next_plan_number() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

}  // namespace nce::cpu
