#pragma once
// The shapes of gradient tiles, and what lies where in their shared memory.

#include <cstdint>
#include <type_traits>

#include "cuda/params.h"
#include "cuda/primitives.cuh"
#include "cuda/tile/shapes.h"

namespace nce::cuda::tile {

/// A block's tile of X, which stays, meets tiles of Y one by one. A warp has all columns of 8 kRowOctets rows of the
/// product, so that what it makes of them is an operand of its next product without leaving its registers.
template <Arithmetic kOf, int kOfPlanes, int kOfPitch>
struct GradientShape {
  static_assert(is_tensor(kOf) && (kOfPitch == 64 || kOfPitch == 128 || kOfPitch == 256));
  static_assert(kOfPlanes == 1 || (kOfPlanes == 2 && kOf == Arithmetic::kTensorFloat16));

  static constexpr int kPlanes = kOfPlanes;
  static constexpr int kPitch = kOfPitch;
  static constexpr bool kTensor = true;
  using Real = float;
  using Element = std::conditional_t<kOf == Arithmetic::kTensorFloat16, Float16, Bfloat16>;

  static constexpr int kXRows = 128;
  static constexpr int kYRows = kPitch * kPlanes == 64 ? 64 : kPitch * kPlanes == 512 ? 16 : 32;
  /// A warp's sums of 32 rows would take all its registers at a pitch of 256, and three products besides at 128.
  static constexpr int kRowOctets = kPitch * kPlanes <= 128 ? 4 : 2;
  static constexpr int kRowPairs = kRowOctets / 2;
  static constexpr int kColumnOctets = kYRows / 8;
  static constexpr int kOuterSteps = kYRows / 16;  ///< of the product of weights and Y
  static constexpr int kOctets = kPitch / 8;       ///< of its columns, and how many of them are summed at a time
  static constexpr int kOctetsAtOnce = kRowPairs == 1 && kPlanes == 1 ? 4 : 2;
  static constexpr int kWarps = kXRows / 8 / kRowOctets;
  static constexpr int kThreads = 32 * kWarps;

  static constexpr int kRowBytes = kPitch * 2;
  static constexpr int kXPlane = kXRows * kRowBytes;
  static constexpr int kYPlane = kYRows * kRowBytes;
  static constexpr int kStages = 2;

  /// What rows of X bring besides their elements: scale, weight, reference. Rows of Y: also what G is multiplied by.
  static constexpr int kXFactors = 3 * kXRows;
  static constexpr int kYFactors = 4 * kYRows;
  static constexpr int kSharedBytes =
      kPlanes * (kXPlane + kStages * kYPlane) + (kXFactors + kStages * kYFactors) * static_cast<int>(sizeof(float));
};

template <typename S>
struct GradientSpace {
  unsigned char* x;  ///< [kPlanes][kXRows], rows swizzled
  unsigned char* y;  ///< [kStages][kPlanes][kYRows]
  float* x_scales;   ///< [kXRows] each
  float* x_weights;
  float* x_references;
  float* y_factors;  ///< [kStages][4][kYRows]: scales, weights, references, multipliers

  explicit NCE_DEVICE GradientSpace(unsigned char* memory) : x(memory), y(memory + S::kPlanes * S::kXPlane) {
    x_scales = reinterpret_cast<float*>(y + S::kStages * S::kPlanes * S::kYPlane);
    x_weights = x_scales + S::kXRows;
    x_references = x_weights + S::kXRows;
    y_factors = x_references + S::kXRows;
  }

  NCE_DEVICE unsigned char* y_stage(int stage) const { return y + stage * (S::kPlanes * S::kYPlane); }
  NCE_DEVICE float* factors_stage(int stage) const { return y_factors + stage * S::kYFactors; }
};

/// Where a 16-byte chunk of a row lies in a plane. The same chunk of any 8 rows from a multiple of 8 on, and so an 8 x
/// 8 matrix, transposed or not, lies in different banks.
template <typename S>
NCE_DEVICE int swizzled(int row, int chunk) {
  return row * S::kRowBytes + (chunk ^ (row & 7)) * kChunkBytes;
}

}  // namespace nce::cuda::tile
