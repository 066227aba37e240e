// Conversions to and from 16-bit floats, to nearest, ties to even; NaN as the hardware makes it.

#include <cuda_runtime.h>

#include <cmath>

#include "api/half.h"
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

uint16_t to_float16(float x) { return x != x ? uint16_t{0x7fff} : nce::to_float16(x); }
uint16_t to_bfloat16(float x) { return nce::to_bfloat16(x); }
float from_float16(uint16_t bits) { return nce::from_float16(bits); }

float exp2_approximate(float x) {
  if (Machine::get().running()) ++Machine::get().counters().exponentials;
  // ex2.approx.ftz: a relative error of up to 2^-22; here, of 2^-24, and the same flush to zero.
  const float result = std::exp2(x);
  return result < 0x1p-126F ? 0.0F : result;
}

}  // namespace nce::emulation
