#pragma once
// Elements of the caller's matrices, read as double and rounded from it.

#include <cuda_runtime.h>

#include "cuda/primitives.cuh"
#include "infonce.h"

namespace nce::cuda {

NCE_DEVICE double wide(double x) { return x; }
NCE_DEVICE double wide(float x) { return static_cast<double>(x); }
NCE_DEVICE double wide(Float16 x) { return static_cast<double>(widen(x)); }
NCE_DEVICE double wide(Bfloat16 x) { return static_cast<double>(widen(x)); }

/// Rounds to nearest.
NCE_DEVICE void narrow(double x, double& to) { to = x; }
NCE_DEVICE void narrow(double x, float& to) { to = static_cast<float>(x); }
NCE_DEVICE void narrow(double x, Float16& to) {
  to.bits = static_cast<uint16_t>(pack<Float16>(static_cast<float>(x), 0.0f) & 0xffffu);
}
NCE_DEVICE void narrow(double x, Bfloat16& to) {
  to.bits = static_cast<uint16_t>(pack<Bfloat16>(static_cast<float>(x), 0.0f) & 0xffffu);
}

/// Writes a number, rounded; with `add` its sum with what is there. Returns what was rounded.
template <typename T>
NCE_DEVICE double put(double x, T& to, bool add) {
  if (add) x += wide(to);
  narrow(x, to);
  return x;
}

/// Calls `use` with an element of the type; for launches.
template <typename Use>
void with_element(nce_dtype dtype, const Use& use) {
  switch (dtype) {
    case NCE_DTYPE_FLOAT32:
      return use(0.0f);
    case NCE_DTYPE_FLOAT64:
      return use(0.0);
    case NCE_DTYPE_FLOAT16:
      return use(Float16{});
    case NCE_DTYPE_BFLOAT16:
      return use(Bfloat16{});
  }
}

}  // namespace nce::cuda
