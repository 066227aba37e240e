#pragma once
// The shapes of tiles, for kernels and for the host that sizes their launches.

#include <cstdint>
#include <type_traits>

#include "cuda/params.h"
#include "cuda/primitives.cuh"

namespace nce::cuda::tile {

/// Tensor kernels are empty where there is nothing to run them on.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
constexpr bool kTensorCores = false;
#else
constexpr bool kTensorCores = true;
#endif

constexpr int kThreads = 256;  ///< 8 warps, as 2 rows of 4
constexpr int kWarpRows = 2;
constexpr int kWarpColumns = 4;
constexpr int kSlabBytes = 64;  ///< how much of each operand's row a stage of the pipeline holds
constexpr int kChunkBytes = 16;
constexpr int kUnits = 4;  ///< parts of a tile's row, or column, that are summed by one warp each

/// A square tile of products of kPlanes planes. Every thread holds the same places of it, whatever the arithmetic.
template <Arithmetic kOf, int kOfPlanes>
struct Shape {
  static constexpr Arithmetic kArithmetic = kOf;
  static constexpr int kPlanes = kOfPlanes;
  static constexpr bool kTensor = is_tensor(kOf);
  static constexpr int kElementBytes = element_bytes(kOf);
  using Real = std::conditional_t<kOf == Arithmetic::kFloat64, double, float>;
  /// What planes are made of.
  using Element = std::conditional_t<kOf == Arithmetic::kTensorFloat16, Float16,
                                     std::conditional_t<kOf == Arithmetic::kTensorBfloat16, Bfloat16, Real>>;

  static constexpr int kSide = kOf == Arithmetic::kFloat64 ? 64 : 128;
  static constexpr int kRowOctets = kSide / kWarpRows / 8;  ///< a thread has a row of each
  static constexpr int kColumnOctets = kSide / kWarpColumns / 8;
  static constexpr int kPart = kColumnOctets;  ///< octets of a row, or of a column, that are summed at once
  static constexpr int kPartsAThread = kRowOctets / kPart;   ///< parts of its columns that a thread has rows of
  static constexpr int kDepth = kSlabBytes / kElementBytes;  ///< elements of k in a slab

  static constexpr int kStages = kOf == Arithmetic::kFloat32 ? 2 : 4;
  static constexpr int kOperandSlab = kSide * kSlabBytes;
  static constexpr int kStage = 2 * kOperandSlab;
  static constexpr int kRing = kStages * kStage;

  /// A second set of sums takes the registers of a second block.
  static constexpr int kBlocksPerProcessor = kPlanes == 2 ? 1 : 2;
};

/// padded_rows, for kernels.
NCE_DEVICE int64_t padded(int64_t rows) { return (rows + kRowMultiple - 1) / kRowMultiple * kRowMultiple; }

/// Calls `use` with the Shape of an arithmetic and its planes.
template <typename Use>
void with_shape(Arithmetic arithmetic, int planes, const Use& use) {
  switch (arithmetic) {
    case Arithmetic::kTensorFloat16:
      if (planes == 2) {
        use(Shape<Arithmetic::kTensorFloat16, 2>{});
      } else {
        use(Shape<Arithmetic::kTensorFloat16, 1>{});
      }
      break;
    case Arithmetic::kTensorBfloat16:
      use(Shape<Arithmetic::kTensorBfloat16, 1>{});
      break;
    case Arithmetic::kFloat32:
      use(Shape<Arithmetic::kFloat32, 1>{});
      break;
    case Arithmetic::kFloat64:
      use(Shape<Arithmetic::kFloat64, 1>{});
      break;
  }
}

}  // namespace nce::cuda::tile
