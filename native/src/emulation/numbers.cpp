// Conversions to and from 16-bit floats, to nearest, ties to even; NaN as the hardware makes it.

#include <cuda_runtime.h>

#include <cmath>

#include "emulation/machine.h"

namespace nce::cuda {
struct Float16 {
  uint16_t bits;
};
struct Bfloat16 {
  uint16_t bits;
};
}  // namespace nce::cuda

#include "emulation/primitives.h"

namespace nce::emulation {

uint16_t to_float16(float x) {
  const uint32_t bits = __float_as_uint(x);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000U);
  const uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return 0x7fff;
  if (magnitude >= 0x477ff000U) return static_cast<uint16_t>(sign | 0x7c00U);  // rounds to 2^16 or more
  if (magnitude < 0x38800000U) {                                               // below 2^-14
    // Adding 2^-1 rounds to a multiple of 2^-24, in the low bits.
    const float shifted = __uint_as_float(magnitude) + 0.5F;
    return static_cast<uint16_t>(sign | (__float_as_uint(shifted) - 0x3f000000U));
  }
  const uint32_t odd = magnitude >> 13 & 1U;
  return static_cast<uint16_t>(sign | ((magnitude - 0x38000000U + 0xfffU + odd) >> 13));
}

uint16_t to_bfloat16(float x) {
  const uint32_t bits = __float_as_uint(x);
  if (x != x) return 0x7fff;
  return static_cast<uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
}

float from_float16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000U) << 16;
  const uint32_t exponent = bits >> 10 & 31U;
  const uint32_t fraction = bits & 0x3ffU;
  if (exponent == 31) return __uint_as_float(sign | 0x7f800000U | fraction << 13);
  if (exponent == 0) {
    const float value = static_cast<float>(fraction) * 0x1p-24F;
    return sign != 0 ? -value : value;
  }
  return __uint_as_float(sign | (exponent + 112U) << 23 | fraction << 13);
}

float exp2_approximate(float x) {
  if (Machine::get().running()) ++Machine::get().counters().exponentials;
  // ex2.approx.ftz: a relative error of up to 2^-22; here, of 2^-24, and the same flush to zero.
  const float result = std::exp2(x);
  return result < 0x1p-126F ? 0.0F : result;
}

}  // namespace nce::emulation
