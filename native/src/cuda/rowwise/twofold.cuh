#pragma once
// Numbers as sums of two floats: 48 digits without a double. For devices that have few units for those. Overflow and
// underflow are the caller's to keep away.

#include <cmath>

#include "cuda/launch.h"
#include "cuda/primitives.cuh"
#include "cuda/rowwise/row_kernels.h"

namespace nce::cuda {

// Rounded each by itself: a product and a sum must not become one operation where what rounding took is computed.
#if defined(NCE_EMULATED)
NCE_DEVICE float rounded_sum(float a, float b) { return a + b; }
NCE_DEVICE float rounded_product(float a, float b) { return a * b; }
#else
NCE_DEVICE float rounded_sum(float a, float b) { return __fadd_rn(a, b); }
NCE_DEVICE float rounded_product(float a, float b) { return __fmul_rn(a, b); }
#endif

/// Exactly.
NCE_DEVICE Twofold exact_sum(float a, float b) {
  const float sum = rounded_sum(a, b);
  const float of_b = rounded_sum(sum, -a);
  const float of_a = rounded_sum(sum, -of_b);
  return {sum, rounded_sum(rounded_sum(a, -of_a), rounded_sum(b, -of_b))};
}
NCE_DEVICE Twofold exact_product(float a, float b) {
  const float product = rounded_product(a, b);
  return {product, std::fma(a, b, -product)};
}

NCE_DEVICE Twofold operator+(const Twofold& a, const Twofold& b) {
  const Twofold sum = exact_sum(a.high, b.high);
  return {sum.high, rounded_sum(sum.low, rounded_sum(a.low, b.low))};
}
NCE_DEVICE Twofold operator-(const Twofold& a) { return {-a.high, -a.low}; }
NCE_DEVICE Twofold operator*(const Twofold& a, float b) {
  const Twofold product = exact_product(a.high, b);
  return {product.high, std::fma(a.low, b, product.low)};
}
NCE_DEVICE Twofold operator*(const Twofold& a, const Twofold& b) {
  const Twofold product = exact_product(a.high, b.high);
  return {product.high, std::fma(a.low, b.high, std::fma(a.high, b.low, product.low))};
}
NCE_DEVICE Twofold square(const Twofold& a) {
  const Twofold product = exact_product(a.high, a.high);
  return {product.high, std::fma(a.low, a.low, std::fma(2.0f * a.high, a.low, product.low))};
}

NCE_DEVICE float nearest(const Twofold& a) { return rounded_sum(a.high, a.low); }

/// 1 / sqrt(a), relatively right to some 2^-45.
NCE_DEVICE Twofold inverse_root(const Twofold& a) {
  const float root = 1.0f / std::sqrt(a.high);
  const Twofold left = Twofold{1.0f, 0.0f} + -(a * exact_product(root, root));
  const float share = nearest(left);  // small: root (1 + share / 2 + 3 share^2 / 8)
  return {root, rounded_product(root, share * std::fma(0.375f, share, 0.5f))};
}

NCE_DEVICE double wide(const Twofold& a) { return static_cast<double>(a.high) + static_cast<double>(a.low); }
NCE_DEVICE Twofold twofold_of(double a) {
  const auto high = static_cast<float>(a);
  return {high, static_cast<float>(a - static_cast<double>(high))};
}

/// The sum over the lanes of a warp; every lane gets it.
NCE_DEVICE Twofold sum_warp(Twofold value) {
  NCE_UNROLL
  for (int distance = kWarpThreads / 2; distance > 0; distance /= 2) {
    const Twofold other{__shfl_xor_sync(0xffffffffu, value.high, distance),
                        __shfl_xor_sync(0xffffffffu, value.low, distance)};
    value = value + other;
  }
  return value;
}

NCE_DEVICE float single(float x) { return x; }
NCE_DEVICE float single(Float16 x) { return widen(x); }
NCE_DEVICE float single(Bfloat16 x) { return widen(x); }

/// Rounds to nearest.
NCE_DEVICE void narrow(float x, float& to) { to = x; }
NCE_DEVICE void narrow(float x, Float16& to) { to.bits = static_cast<uint16_t>(pack<Float16>(x, 0.0f) & 0xffffu); }
NCE_DEVICE void narrow(float x, Bfloat16& to) { to.bits = static_cast<uint16_t>(pack<Bfloat16>(x, 0.0f) & 0xffffu); }

/// Calls `use` with an element of the type, which is one of at most 32 bits; for launches.
template <typename Use>
void with_narrow_element(nce_dtype dtype, const Use& use) {
  switch (dtype) {
    case NCE_DTYPE_FLOAT32:
      return use(0.0f);
    case NCE_DTYPE_FLOAT16:
      return use(Float16{});
    case NCE_DTYPE_BFLOAT16:
      return use(Bfloat16{});
    case NCE_DTYPE_FLOAT64:
      break;
  }
  throw_no_kernel("twofold floats have no kernels for elements of 64 bits");
}

}  // namespace nce::cuda
