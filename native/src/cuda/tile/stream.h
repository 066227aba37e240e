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

/// Tiles of X, and for each of them tiles of Y.
struct TileRange {
  int64_t x_first;  ///< rows
  int64_t y_first;
  int x_tiles;
  int y_tiles;
};

/// The tiles of a range, whose sides have one pitch, k along rows of both: for each tile, for each pass, slabs of k.
template <typename S>
class TileStream {
 public:
  NCE_DEVICE TileStream(const Pair& pair, const TileRange& range) : pair_(pair), range_(range) {
    x_ = range.y_tiles > 0 ? 0 : range.x_tiles;
    if (x_ < range.x_tiles) start_pass();
  }

  NCE_DEVICE int slabs_of_pass() const { return static_cast<int>(pair_.x.pitch / S::kDepth); }

  /// Starts to copy the next slab, if there is one.
  NCE_DEVICE void fetch(unsigned char* stage) {
    if (x_ == range_.x_tiles) return;
    unsigned char* const to = stage + slab_offset(row(), chunk());
    const int64_t step = pair_.x.pitch * (S::kElementBytes * kRowsAStep);
    NCE_UNROLL
    for (int i = 0; i < S::kSide / kRowsAStep; ++i) {
      copy_async_16(to + i * (kRowsAStep * kSlabBytes), x_from_ + i * step);
      copy_async_16(to + S::kOperandSlab + i * (kRowsAStep * kSlabBytes), y_from_ + i * step);
    }
    x_from_ += kSlabBytes;
    y_from_ += kSlabBytes;
    if (--slabs_left_ == 0) next_pass();
  }

 private:
  static constexpr int kChunks = kSlabBytes / kChunkBytes;
  static constexpr int kRowsAStep = kThreads / kChunks;

  static NCE_DEVICE int row() { return static_cast<int>(threadIdx.x) / kChunks; }
  static NCE_DEVICE int chunk() { return static_cast<int>(threadIdx.x) % kChunks; }

  NCE_DEVICE const unsigned char* start(const Operand& operand, int plane, int64_t first) const {
    const int64_t element = plane * operand.plane_stride + (first + row()) * pair_.x.pitch;
    return static_cast<const unsigned char*>(operand.planes) + element * S::kElementBytes + chunk() * kChunkBytes;
  }

  NCE_DEVICE void start_pass() {
    slabs_left_ = slabs_of_pass();
    x_from_ = start(pair_.x, x_plane<S>(pass_), range_.x_first + int64_t{x_} * S::kSide);
    y_from_ = start(pair_.y, y_plane<S>(pass_), range_.y_first + int64_t{y_} * S::kSide);
  }

  NCE_DEVICE void next_pass() {
    if (++pass_ == kPasses<S>) {
      pass_ = 0;
      if (++y_ == range_.y_tiles) {
        y_ = 0;
        if (++x_ == range_.x_tiles) return;
      }
    }
    start_pass();
  }

  const Pair& pair_;
  const TileRange& range_;
  int x_;
  int y_ = 0;
  int pass_ = 0;
  int slabs_left_ = 0;
  const unsigned char* x_from_ = nullptr;
  const unsigned char* y_from_ = nullptr;
};

}  // namespace nce::cuda::tile
