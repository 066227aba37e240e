#pragma once
// Slabs of the caller's rows, put where a stream of packed rows would have put them. Threads convert what they load, so
// nothing is copied behind their backs: a thread loads its part of a slab when it stores that of the slab before, and
// the product lies between.

#include "cuda/caller_rows.cuh"
#include "cuda/tile/product.h"

namespace nce::cuda::tile {

/// A thread's 16 bytes of doubles.
class CallerChunk {
 public:
  NCE_DEVICE void load(const CallerRows& rows, const CallerRow& row, int64_t d) {
    NCE_UNROLL
    for (int k = 0; k < kCount; ++k) bits_[k] = element_bits(rows, row, d + k);
  }
  NCE_DEVICE void store(const CallerRows& rows, const CallerRow& row, unsigned char* to) const {
    Chunk<double> chunk;
    NCE_UNROLL
    for (int k = 0; k < kCount; ++k) chunk.at[k] = element_of_bits(rows, row, bits_[k]);
    *reinterpret_cast<Chunk<double>*>(to) = chunk;
  }

  static constexpr int kCount = Chunk<double>::kCount;

 private:
  uint32_t bits_[kCount];
};

/// What TileStream does, of operands that are the caller's rows: k along rows of both.
template <typename S>
class CallerStream {
 public:
  NCE_DEVICE CallerStream(const Operands& operands, const TileRange& range, int thread)
      : operands_(operands), range_(range), thread_(thread) {
    x_ = range.y_tiles > 0 ? 0 : range.x_tiles;
    if (x_ == range.x_tiles) return;
    start_tile();
    load();
  }

  NCE_DEVICE int slabs_of_pass() const { return static_cast<int>(operands_.x.pitch / S::kDepth); }

  /// Stores the next slab, if there is one.
  NCE_DEVICE void fetch(unsigned char* stage) {
    if (x_ == range_.x_tiles) return;
    unsigned char* const to = stage + slab_offset(row(), chunk());
    x_chunk_.store(operands_.x.caller, x_row_, to);
    y_chunk_.store(operands_.y.caller, y_row_, to + S::kOperandSlab);
    k_ += S::kDepth;
    if (k_ == static_cast<int>(operands_.x.pitch)) next_tile();
    if (x_ < range_.x_tiles) load();
  }

 private:
  static_assert(S::kArithmetic == Arithmetic::kFloat64 && S::kPlanes == 1);
  static constexpr int kChunks = kSlabBytes / kChunkBytes;
  static_assert(S::kSide == S::kThreads / kChunks);

  NCE_DEVICE int row() const { return thread_ / kChunks; }
  NCE_DEVICE int chunk() const { return thread_ % kChunks; }

  NCE_DEVICE void start_tile() {
    k_ = 0;
    x_row_ = CallerRow(operands_.x.caller, range_.x_first + int64_t{x_} * S::kSide + row());
    y_row_ = CallerRow(operands_.y.caller, range_.y_first + int64_t{y_} * S::kSide + row());
  }

  NCE_DEVICE void next_tile() {
    if (++y_ == range_.y_tiles) {
      y_ = 0;
      if (++x_ == range_.x_tiles) return;
    }
    start_tile();
  }

  NCE_DEVICE void load() {
    const int d = k_ + chunk() * CallerChunk::kCount;
    x_chunk_.load(operands_.x.caller, x_row_, d);
    y_chunk_.load(operands_.y.caller, y_row_, d);
  }

  const Operands& operands_;
  const TileRange& range_;
  const int thread_;
  int x_;
  int y_ = 0;
  int k_ = 0;  ///< of the slab that is loaded
  CallerRow x_row_;
  CallerRow y_row_;
  CallerChunk x_chunk_;
  CallerChunk y_chunk_;
};

/// The slabs of a shape's tiles.
template <typename S>
using SlabStream = std::conditional_t<S::kFromCaller, CallerStream<S>, TileStream<S>>;

/// Stores a slab in which k runs down: kDepth rows from `first_row` on, of kSide elements each from `first_column` on,
/// one row after the other.
template <typename S>
NCE_DEVICE void fetch_caller_block(const CallerRows& rows, int thread, int64_t first_row, int64_t first_column,
                                   unsigned char* slab) {
  constexpr int kChunks = S::kSide / CallerChunk::kCount;
  static_assert(S::kDepth * kChunks == S::kThreads);
  const CallerRow row(rows, first_row + thread / kChunks);
  CallerChunk chunk;
  chunk.load(rows, row, first_column + thread % kChunks * CallerChunk::kCount);
  chunk.store(rows, row, slab + thread * kChunkBytes);
}

}  // namespace nce::cuda::tile
