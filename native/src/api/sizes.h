#pragma once
// Sizes of memory: where one leaves the range of int64_t, it is refused.

#include <cstdint>
#include <limits>

#include "api/backend.h"

namespace nce {

[[noreturn]] inline void refuse_size() {
  throw Error(NCE_STATUS_UNSUPPORTED, "desc: n, m and dim need a workspace of 2^63 bytes or more");
}

inline int64_t checked_product(int64_t a, int64_t b) {
  int64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result)) refuse_size();
  return result;
}

inline int64_t checked_sum(int64_t a, int64_t b) {
  int64_t result = 0;
  if (__builtin_add_overflow(a, b, &result)) refuse_size();
  return result;
}

/// Bytes of `count` >= 0 elements, rounded up to the workspace's alignment.
inline int64_t checked_bytes(int64_t count, std::size_t element) {
  const int64_t bytes = checked_product(count, static_cast<int64_t>(element));
  return checked_sum(bytes, NCE_WORKSPACE_ALIGNMENT - 1) / NCE_WORKSPACE_ALIGNMENT * NCE_WORKSPACE_ALIGNMENT;
}

/// For numbers that are only compared: the largest where the product is larger.
inline int64_t saturated_product(int64_t a, int64_t b) {
  int64_t result = 0;
  return __builtin_mul_overflow(a, b, &result) ? std::numeric_limits<int64_t>::max() : result;
}

}  // namespace nce
