#pragma once
// Numbers of plans, by which a workspace tells whose forward pass it holds.

#include <atomic>
#include <cstdint>

namespace nce::cuda {

/// Never 0, and unlikely to be found in memory that no plan has used.
inline uint64_t next_plan_id() {
  static std::atomic<uint64_t> last{0};
  constexpr uint64_t kMark = 0x6e63'655f'6370'0000;  // "nce_cp"
  return kMark + ++last;
}

}  // namespace nce::cuda
