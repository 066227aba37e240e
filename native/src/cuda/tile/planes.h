#pragma once
// Floats as sums of 16-bit planes.

#include "cuda/primitives.cuh"

namespace nce::cuda::tile {

/// The two 16-bit elements that are nearest to two numbers, and what they leave of them.
template <typename Element>
NCE_DEVICE uint32_t pack_and_subtract(float& low, float& high) {
  const uint32_t packed = pack<Element>(low, high);
  low -= widen(Element{static_cast<uint16_t>(packed & 0xffffu)});
  high -= widen(Element{static_cast<uint16_t>(packed >> 16)});
  return packed;
}

}  // namespace nce::cuda::tile
