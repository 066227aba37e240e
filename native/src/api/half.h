#pragma once
// 16-bit floats as bits, to and from float: to nearest, ties to even. Without branches, for loops over rows; always
// inlined, so that no copy compiled for a newer processor is left for others to call.

#include <cstdint>

namespace nce {

[[gnu::always_inline]] inline float from_bfloat16(uint16_t bits) {
  return __builtin_bit_cast(float, static_cast<uint32_t>(bits) << 16);
}

[[gnu::always_inline]] inline uint16_t to_bfloat16(float x) {
  constexpr uint16_t kNan = 0x7fff;
  const auto bits = __builtin_bit_cast(uint32_t, x);
  const uint32_t rounded = bits + 0x7fffU + (bits >> 16 & 1U);
  return x != x ? kNan : static_cast<uint16_t>(rounded >> 16);
}

[[gnu::always_inline]] inline float from_float16(uint16_t bits) {
  // With its bits in place a number is 2^-112 of itself, subnormal ones too; 2^112 puts that right.
  constexpr uint32_t kInfinity = 0x7f800000U;
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000U) << 16;
  const uint32_t magnitude = static_cast<uint32_t>(bits & 0x7fffU) << 13;
  const auto finite = __builtin_bit_cast(uint32_t, __builtin_bit_cast(float, magnitude) * 0x1p112F);
  const bool special = (bits & 0x7c00U) == 0x7c00U;
  return __builtin_bit_cast(float, sign | (special ? kInfinity | magnitude : finite));
}

[[gnu::always_inline]] inline uint16_t to_float16(float x) {
  constexpr uint32_t kInfinity = 0x7f800000U, kLargest = 0x477ff000U;  // from which on numbers round to 2^16
  const auto bits = __builtin_bit_cast(uint32_t, x);
  const uint32_t sign = bits >> 16 & 0x8000U;
  const uint32_t magnitude = bits & 0x7fffffffU;
  const uint32_t normal = (magnitude - 0x38000000U + 0xfffU + (magnitude >> 13 & 1U)) >> 13;
  // Below 2^-14, adding 1/2 rounds to a multiple of 2^-24, in the low bits.
  const uint32_t subnormal = __builtin_bit_cast(uint32_t, __builtin_bit_cast(float, magnitude) + 0.5F) - 0x3f000000U;
  const uint32_t finite = magnitude < 0x38800000U ? subnormal : normal;
  const uint32_t result = magnitude > kInfinity ? 0x7fffU : magnitude >= kLargest ? 0x7c00U : finite;
  return static_cast<uint16_t>(sign | result);
}

}  // namespace nce
