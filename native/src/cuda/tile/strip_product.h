#pragma once
// The product of a strip of G, K-major, and rows of Y, row-major.

#include "cuda/tile/caller_stream.h"

namespace nce::cuda::tile {

/// A slab of rows of Y has kDepth rows of kSide elements: as many bytes as one of G.
template <typename S>
constexpr int kRowsBytes = S::kSide * S::kElementBytes;

template <typename S>
constexpr int kStripRows = static_cast<int>(strip_rows(S::kArithmetic));
/// A row of a strip of G.
template <typename S>
constexpr int kStripBytes = kStripRows<S> * S::kElementBytes;

/// Where a 16-byte chunk of a row lies in such a slab. Eight rows' chunks of one number lie in different banks.
template <typename S>
NCE_DEVICE int rows_offset(int row, int chunk) {
  return row * kRowsBytes<S> + ((S::kTensor ? chunk ^ (row & 7) : chunk) * kChunkBytes);
}

/// The slabs of one tile of G Y, pass by pass: G low, Y high; G high, Y low; both high. `depth` rows of Y from `first`
/// on and its columns from `column` on; a chunk beyond the pitch is replaced by the last, since what comes of it is not
/// kept.
template <typename S>
class StripStream {
 public:
  NCE_DEVICE StripStream(const void* g, const Operand& y, int64_t first, int depth, int column)
      : g_(g), y_(y), first_(first), slabs_(depth / S::kDepth), column_(column), thread_(thread_index<true>()) {
    start_pass();
  }

  NCE_DEVICE int slabs() const { return kPasses<S> * slabs_; }

  NCE_DEVICE void fetch(unsigned char* stage) {
    if (pass_ == kPasses<S>) return;
    const int thread = thread_;
    unsigned char* const to = stage + slab_offset(thread / kChunks, thread % kChunks);
    NCE_UNROLL
    for (int i = 0; i < S::kSide / kRowsAStep; ++i) {
      copy_async_16(to + i * (kRowsAStep * kSlabBytes), g_from_ + i * (kRowsAStep * kStripBytes<S>));
    }
    if constexpr (S::kFromCaller) {
      const int64_t row = first_ + (slabs_ - slabs_left_) * S::kDepth;
      fetch_caller_block<S>(y_.caller, thread, row, column_, stage + S::kOperandSlab);
    } else {
      const int64_t y_step = y_.pitch * (S::kElementBytes * kYRowsAStep);
      NCE_UNROLL
      for (int i = 0; i < S::kDepth / kYRowsAStep; ++i) {
        const int row = thread / kYChunks + i * kYRowsAStep;
        copy_async_16(stage + S::kOperandSlab + rows_offset<S>(row, thread % kYChunks), y_from_ + i * y_step);
      }
    }
    g_from_ += kSlabBytes;
    if constexpr (!S::kFromCaller) y_from_ += y_.pitch * (S::kElementBytes * S::kDepth);
    if (--slabs_left_ == 0 && ++pass_ < kPasses<S>) start_pass();
  }

 private:
  static constexpr int kChunks = kSlabBytes / kChunkBytes;
  static constexpr int kRowsAStep = S::kThreads / kChunks;
  static constexpr int kYChunks = kRowsBytes<S> / kChunkBytes;
  static constexpr int kYRowsAStep = S::kThreads / kYChunks;
  static_assert(S::kDepth % kYRowsAStep == 0 && S::kSide % kRowsAStep == 0);

  NCE_DEVICE void start_pass() {
    const int thread = thread_;
    slabs_left_ = slabs_;
    g_from_ = static_cast<const unsigned char*>(g_) +
              x_plane<S>(pass_) * (S::kSide * kStripBytes<S>)+thread / kChunks * kStripBytes<S> +
              thread % kChunks * kChunkBytes;
    constexpr int kCount = kChunkBytes / S::kElementBytes;
    int64_t column = column_ + thread % kYChunks * kCount;
    if (column >= y_.pitch) column = y_.pitch - kCount;
    const int64_t y = y_plane<S>(pass_) * y_.plane_stride + (first_ + thread / kYChunks) * y_.pitch + column;
    y_from_ = static_cast<const unsigned char*>(y_.planes) + y * S::kElementBytes;
  }

  const void* g_;
  const Operand& y_;
  const int64_t first_;
  const int slabs_;
  const int column_;
  const int thread_;
  int pass_ = 0;
  int slabs_left_ = 0;
  const unsigned char* g_from_ = nullptr;
  const unsigned char* y_from_ = nullptr;
};

template <typename S>
class TensorStripProduct : TensorProduct<S> {
 public:
  explicit NCE_DEVICE TensorStripProduct(const Place<S>& place) : TensorProduct<S>(place) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    b_offset_ = S::kOperandSlab + rows_offset<S>(lane % 16, place.warp_column * S::kColumnOctets + lane / 16);
  }

  template <typename AfterStep>
  NCE_DEVICE void add(const unsigned char* stage, Fragment<S>& sums, const AfterStep& after_step) const {
    NCE_UNROLL
    for (int step = 0; step < TensorProduct<S>::kSteps; ++step) {
      uint32_t b[S::kColumnOctets][2];
      NCE_UNROLL
      for (int c = 0; c < S::kColumnOctets; c += 2) {
        uint32_t four[4];
        load_matrices_transposed(four, stage + (b_offset_ ^ c * kChunkBytes) + step * (16 * kRowsBytes<S>));
        b[c][0] = four[0];
        b[c][1] = four[1];
        b[c + 1][0] = four[2];
        b[c + 1][1] = four[3];
      }
      this->add_rows(stage, step, b, sums);
      after_step();
    }
  }

 private:
  int b_offset_;
};

template <typename S>
class SimtStripProduct {
  using Real = typename S::Real;

 public:
  explicit NCE_DEVICE SimtStripProduct(const Place<S>& place) {
    a_offset_ = slab_offset(place.row(0), 0);
    b_offset_ = S::kOperandSlab + place.column(0, 0) * S::kElementBytes;
  }

  template <typename AfterStep>
  NCE_DEVICE void add(const unsigned char* stage, Fragment<S>& sums, const AfterStep&) const {
    NCE_NO_UNROLL
    for (int k = 0; k < S::kDepth; k += 2) {
      Neighbours<Real> a[S::kRowOctets];
      NCE_UNROLL
      for (int r = 0; r < S::kRowOctets; ++r) {
        a[r] = load(stage + ((a_offset_ ^ k * S::kElementBytes) + r * (8 * kSlabBytes)));
      }
      const unsigned char* const row = stage + b_offset_ + k * kRowsBytes<S>;
      NCE_UNROLL
      for (int c = 0; c < S::kColumnOctets; ++c) {
        const auto b = load(row + c * (8 * S::kElementBytes));
        NCE_UNROLL
        for (int r = 0; r < S::kRowOctets; ++r) {
          sums.at(r, c, 0) += a[r].left * b.left;
          sums.at(r, c, 1) += a[r].left * b.right;
        }
      }
      NCE_UNROLL
      for (int c = 0; c < S::kColumnOctets; ++c) {
        const auto b = load(row + kRowsBytes<S> + c * (8 * S::kElementBytes));
        NCE_UNROLL
        for (int r = 0; r < S::kRowOctets; ++r) {
          sums.at(r, c, 0) += a[r].right * b.left;
          sums.at(r, c, 1) += a[r].right * b.right;
        }
      }
    }
  }

 private:
  static NCE_DEVICE Neighbours<Real> load(const unsigned char* from) {
    return *reinterpret_cast<const Neighbours<Real>*>(from);
  }

  int a_offset_;
  int b_offset_;
};

template <typename S>
using StripProduct = std::conditional_t<S::kTensor, TensorStripProduct<S>, SimtStripProduct<S>>;

}  // namespace nce::cuda::tile
