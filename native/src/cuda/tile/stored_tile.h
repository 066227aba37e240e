#pragma once
// How a tile of G, or its transpose, comes from registers to global memory.

#include "cuda/tile/fragment.h"
#include "cuda/tile/planes.h"

namespace nce::cuda::tile {

/// Where in a block of G a tile is stored. `zero` below is 0 in shared memory, unknown to the compiler, so that a
/// thread's places are computed when they are needed.
struct StoredTile {
  void* planes;
  int64_t pitch;
  int64_t plane_stride;
  int64_t first_row;
  int64_t first_column;
};

/// Where a 16-byte chunk of a row of 128 16-bit elements lies in shared memory, in other banks than those around it.
NCE_DEVICE int row_offset(int row, int chunk) { return row * 256 + ((chunk ^ (row & 7)) * kChunkBytes); }

/// Float and double elements go straight from registers: a warp fills sectors of 32 bytes.
template <typename S, bool kTransposed>
NCE_DEVICE void store_elements(const StoredTile& to, const int& zero, Fragment<S>& tile) {
  using Real = typename S::Real;
  __syncthreads();
  const Place<S> place(static_cast<int>(threadIdx.x) + zero);
  auto* const block = static_cast<Real*>(to.planes);
  for_each_element(place, [&](int r, int c, int e, int row, int column) {
    const int64_t at_row = to.first_row + (kTransposed ? column : row);
    const int64_t at_column = to.first_column + (kTransposed ? row : column);
    block[at_row * to.pitch + at_column] = tile.at(r, c, e);
  });
}

/// One 16-bit plane of a tile in shared memory.
template <typename S>
NCE_DEVICE void copy_plane(const StoredTile& to, int plane, const unsigned char* from) {
  constexpr int kChunksARow = S::kSide * S::kElementBytes / kChunkBytes;
  auto* const block = static_cast<typename S::Element*>(to.planes) + plane * to.plane_stride;
  NCE_NO_UNROLL
  for (int i = static_cast<int>(threadIdx.x); i < S::kSide * kChunksARow; i += kThreads) {
    const int row = i / kChunksARow;
    const int chunk = i % kChunksARow;
    auto* const at =
        block + (to.first_row + row) * to.pitch + to.first_column + chunk * (kChunkBytes / S::kElementBytes);
    *reinterpret_cast<uint4*>(at) = *reinterpret_cast<const uint4*>(from + row_offset(row, chunk));
  }
}

/// 16-bit elements: the number times the scale of what is a column of G or a row, in planes of which each takes what
/// those before it leave. They go through shared memory, to be stored in whole rows.
template <typename S, bool kTransposed>
NCE_DEVICE void store_planes(const StoredTile& to, unsigned char* shared, const int& zero, const float* scales,
                             Fragment<S>& tile) {
  using Element = typename S::Element;
  constexpr int kPlaneBytes = S::kSide * S::kSide * S::kElementBytes;
  static_assert(S::kPlanes * kPlaneBytes <= S::kRing);
  __syncthreads();  // all have done with what lies here
  const Place<S> place(static_cast<int>(threadIdx.x) + zero);
  NCE_UNROLL
  for (int r = 0; r < S::kRowOctets; ++r) {
    NCE_UNROLL
    for (int c = 0; c < S::kColumnOctets; ++c) {
      const int row = place.row(r);
      const int column = place.column(c, 0);
      float low = tile.at(r, c, 0) * scales[kTransposed ? row : column];
      float high = tile.at(r, c, 1) * scales[kTransposed ? row : column + 1];
      NCE_UNROLL
      for (int plane = 0; plane < S::kPlanes; ++plane) {
        const uint32_t packed = pack_and_subtract<Element>(low, high);
        unsigned char* const at = shared + plane * kPlaneBytes;
        if constexpr (kTransposed) {
          const int element = row % 8 * S::kElementBytes;
          *reinterpret_cast<uint16_t*>(at + row_offset(column, row / 8) + element) =
              static_cast<uint16_t>(packed & 0xffffu);
          *reinterpret_cast<uint16_t*>(at + row_offset(column + 1, row / 8) + element) =
              static_cast<uint16_t>(packed >> 16);
        } else {
          *reinterpret_cast<uint32_t*>(at + row_offset(row, column / 8) + column % 8 * S::kElementBytes) = packed;
        }
      }
    }
  }
  __syncthreads();
  NCE_UNROLL
  for (int plane = 0; plane < S::kPlanes; ++plane) copy_plane<S>(to, plane, shared + plane * kPlaneBytes);
}

template <typename S, bool kTransposed>
NCE_DEVICE void store_tile(const StoredTile& to, unsigned char* shared, const int& zero, const typename S::Real* scales,
                           Fragment<S>& tile) {
  if constexpr (S::kTensor) {
    store_planes<S, kTransposed>(to, shared, zero, scales, tile);
  } else {
    store_elements<S, kTransposed>(to, zero, tile);
  }
}

}  // namespace nce::cuda::tile
