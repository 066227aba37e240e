#pragma once
// Products of slabs: tensor cores, or fused multiply-adds. The A slab is K-major; B is K-major too (its rows are the
// columns of the product) or row-major.

#include "cuda/tile/fragment.h"
#include "cuda/tile/stream.h"

namespace nce::cuda::tile {

/// Of 16-bit operands: k runs in steps of 16.
template <typename S>
class TensorProduct {
 public:
  explicit NCE_DEVICE TensorProduct(const Place<S>& place) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int a_row = place.warp_row * S::kRowOctets * 8 + lane % 16;
    a_offset_ = slab_offset(a_row, lane / 16);
    const int b_row = place.warp_column * S::kColumnOctets * 8 + lane % 8 + lane / 16 * 8;
    b_offset_ = S::kOperandSlab + slab_offset(b_row, lane / 8 % 2);
  }

  template <typename AfterStep>
  NCE_DEVICE void add(const unsigned char* stage, Fragment<S>& sums, const AfterStep& after_step) const {
    NCE_UNROLL
    for (int step = 0; step < kSteps; ++step) {
      uint32_t b[S::kColumnOctets][2];
      NCE_UNROLL
      for (int c = 0; c < S::kColumnOctets; c += 2) {
        uint32_t four[4];
        load_matrices(four, stage + ((b_offset_ ^ step * kStepBytes) + c * (8 * kSlabBytes)));
        b[c][0] = four[0];
        b[c][1] = four[1];
        b[c + 1][0] = four[2];
        b[c + 1][1] = four[3];
      }
      add_rows(stage, step, b, sums);
      after_step();
    }
  }

 protected:
  static constexpr int kStepBytes = 32;
  static constexpr int kSteps = kSlabBytes / kStepBytes;

  NCE_DEVICE void add_rows(const unsigned char* stage, int step, const uint32_t (&b)[S::kColumnOctets][2],
                           Fragment<S>& sums) const {
    NCE_UNROLL
    for (int r = 0; r < S::kRowOctets / 2; ++r) {
      uint32_t a[4];
      load_matrices(a, stage + ((a_offset_ ^ step * kStepBytes) + r * (16 * kSlabBytes)));
      NCE_UNROLL
      for (int c = 0; c < S::kColumnOctets; ++c) {
        multiply_add<typename S::Element>(sums.values[r][c], a, b[c]);
      }
    }
  }

 private:
  int a_offset_;
  int b_offset_;
};

/// 16 bytes of k.
template <typename Real>
struct alignas(16) Chunk {
  static constexpr int kCount = kChunkBytes / static_cast<int>(sizeof(Real));
  Real at[kChunkBytes / sizeof(Real)];
};

template <typename Real>
NCE_DEVICE Chunk<Real> load_chunk(const unsigned char* from) {
  return *reinterpret_cast<const Chunk<Real>*>(from);
}

/// Of float or double operands: each thread multiplies its rows by its columns.
template <typename S>
class SimtProduct {
  using Real = typename S::Real;

 public:
  explicit NCE_DEVICE SimtProduct(const Place<S>& place) {
    a_offset_ = slab_offset(place.row(0), 0);
    b_offset_ = S::kOperandSlab + slab_offset(place.column(0, 0), 0);
  }

  template <typename AfterStep>
  NCE_DEVICE void add(const unsigned char* stage, Fragment<S>& sums, const AfterStep&) const {
    NCE_NO_UNROLL
    for (int chunk = 0; chunk < kSlabBytes / kChunkBytes; ++chunk) {
      Chunk<Real> b[S::kColumnOctets][2];
      NCE_UNROLL
      for (int c = 0; c < S::kColumnOctets; ++c) {
        const unsigned char* const from = stage + ((b_offset_ ^ chunk * kChunkBytes) + c * (8 * kSlabBytes));
        b[c][0] = load_chunk<Real>(from);
        b[c][1] = load_chunk<Real>(from + kSlabBytes);
      }
      NCE_UNROLL
      for (int r = 0; r < S::kRowOctets; ++r) {
        const auto a = load_chunk<Real>(stage + ((a_offset_ ^ chunk * kChunkBytes) + r * (8 * kSlabBytes)));
        NCE_UNROLL
        for (int k = 0; k < Chunk<Real>::kCount; ++k) {
          NCE_UNROLL
          for (int c = 0; c < S::kColumnOctets; ++c) {
            sums.at(r, c, 0) += a.at[k] * b[c][0].at[k];
            sums.at(r, c, 1) += a.at[k] * b[c][1].at[k];
          }
        }
      }
    }
  }

 protected:
  int a_offset_;

 private:
  int b_offset_;
};

template <typename S>
using Product = std::conditional_t<S::kTensor, TensorProduct<S>, SimtProduct<S>>;

}  // namespace nce::cuda::tile
