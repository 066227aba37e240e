#pragma once
// 16-bit elements of the caller's matrices. All members are inlined everywhere, since tile kernels include them.

#include <cstdint>

#include "api/half.h"

namespace nce::cpu::dense {

struct Float16 {
  uint16_t bits;

  Float16() = default;
  [[gnu::always_inline]] explicit Float16(float x) : bits(to_float16(x)) {}
  [[gnu::always_inline]] explicit operator float() const { return from_float16(bits); }
  [[gnu::always_inline]] explicit operator double() const { return static_cast<double>(from_float16(bits)); }
};

struct BFloat16 {
  uint16_t bits;

  BFloat16() = default;
  [[gnu::always_inline]] explicit BFloat16(float x) : bits(to_bfloat16(x)) {}
  [[gnu::always_inline]] explicit operator float() const { return from_bfloat16(bits); }
  [[gnu::always_inline]] explicit operator double() const { return static_cast<double>(from_bfloat16(bits)); }
};

}  // namespace nce::cpu::dense
