#pragma once
// How operands come into shared memory, slab by slab, ahead of their use and across the borders of tiles.

#include "cuda/tile/shapes.h"

namespace nce::cuda::tile {

/// Where a 16-byte chunk of a row lies in a slab of 64-byte rows. Any 8 rows' chunks of one number, from a multiple of
/// 8 on, lie in different banks; so do those of 4 rows that are 2 apart.
NCE_DEVICE int slab_offset(int row, int chunk) { return row * kSlabBytes + ((chunk ^ (row >> 1 & 3)) * kChunkBytes); }

/// Planes of the operands in pass p: low high, high low, high high.
template <typename S>
NCE_DEVICE int x_plane(int pass) {
  return S::kPlanes == 2 && pass == 0 ? 1 : 0;
}
template <typename S>
NCE_DEVICE int y_plane(int pass) {
  return S::kPlanes == 2 && pass == 1 ? 1 : 0;
}
template <typename S>
constexpr int kPasses = S::kPlanes == 2 ? 3 : 1;

/// Tiles of X and Y, k along rows of both: for each of x_tiles, for each of y_tiles, for each pass, slabs of k.
template <typename S>
class TileStream {
 public:
  NCE_DEVICE TileStream(const Pair& pair, int64_t x_first, int x_tiles, int64_t y_first, int y_tiles)
      : pair_(pair), x_first_(x_first), y_first_(y_first), x_left_(y_tiles > 0 ? x_tiles : 0), y_tiles_(y_tiles) {
    const int thread = static_cast<int>(threadIdx.x);
    row_ = thread / kChunks;
    chunk_ = thread % kChunks;
    start_pass();
  }

  NCE_DEVICE int slabs_of_pass() const { return static_cast<int>(pair_.x.pitch / S::kDepth); }

  /// Starts to copy the next slab, if there is one.
  NCE_DEVICE void fetch(unsigned char* stage) {
    if (x_left_ == 0) return;
    unsigned char* const to = stage + slab_offset(row_, chunk_);
    const int64_t x_step = pair_.x.pitch * (S::kElementBytes * kRowsAStep);
    const int64_t y_step = pair_.y.pitch * (S::kElementBytes * kRowsAStep);
    NCE_UNROLL
    for (int i = 0; i < S::kSide / kRowsAStep; ++i) {
      copy_async_16(to + i * (kRowsAStep * kSlabBytes), x_from_ + i * x_step);
      copy_async_16(to + S::kOperandSlab + i * (kRowsAStep * kSlabBytes), y_from_ + i * y_step);
    }
    x_from_ += kSlabBytes;
    y_from_ += kSlabBytes;
    if (--slabs_left_ == 0) next_pass();
  }

 private:
  static constexpr int kChunks = kSlabBytes / kChunkBytes;
  static constexpr int kRowsAStep = kThreads / kChunks;

  NCE_DEVICE const unsigned char* start(const Operand& operand, int plane, int64_t first) const {
    const int64_t element = plane * operand.plane_stride + (first + row_) * operand.pitch;
    return static_cast<const unsigned char*>(operand.planes) + element * S::kElementBytes + chunk_ * kChunkBytes;
  }

  NCE_DEVICE void start_pass() {
    slabs_left_ = slabs_of_pass();
    x_from_ = start(pair_.x, x_plane<S>(pass_), x_first_);
    y_from_ = start(pair_.y, y_plane<S>(pass_), y_first_ + int64_t{y_} * S::kSide);
  }

  NCE_DEVICE void next_pass() {
    if (++pass_ == kPasses<S>) {
      pass_ = 0;
      if (++y_ == y_tiles_) {
        y_ = 0;
        x_first_ += S::kSide;
        if (--x_left_ == 0) return;
      }
    }
    start_pass();
  }

  const Pair& pair_;
  int64_t x_first_;
  int64_t y_first_;
  int x_left_;
  int y_tiles_;
  int y_ = 0;
  int pass_ = 0;
  int slabs_left_;
  int row_;
  int chunk_;
  const unsigned char* x_from_;
  const unsigned char* y_from_;
};

}  // namespace nce::cuda::tile
