#pragma once
// From packed matrices to tiles of products in registers. Shapes; which elements a thread holds, and sums over them;
// slabs on their way into shared memory; their products; and the pipeline that joins both.

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "cuda/primitives.cuh"
#include "cuda/tile/tile_kernels.h"

namespace nce::cuda::tile {

/// Where there are none, tensor kernels end in a trap.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
constexpr bool kTensorCores = false;
#else
constexpr bool kTensorCores = true;
#endif

constexpr int kWarpRows = 2;
constexpr int kSlabBytes = 64;  ///< how much of each operand's row a stage of the pipeline holds
constexpr int kChunkBytes = 16;
constexpr int kParts = 4;  ///< of a tile's row, or column, that are summed apart

/// A square tile of products of kPlanes planes. Every thread holds the same places of it, whatever the arithmetic.
template <Arithmetic kOf, int kOfPlanes>
struct Shape {
  static constexpr Arithmetic kArithmetic = kOf;
  static constexpr int kPlanes = kOfPlanes;
  static constexpr TileSize kSize = tile_size(kOf, kOfPlanes);
  static constexpr bool kTensor = is_tensor(kOf);
  static constexpr bool kFromCaller = false;
  static constexpr int kElementBytes = element_bytes(kOf);
  using Real = std::conditional_t<kOf == Arithmetic::kFloat64, double, float>;
  /// What planes are made of.
  using Element = std::conditional_t<kOf == Arithmetic::kTensorFloat16, Float16,
                                     std::conditional_t<kOf == Arithmetic::kTensorBfloat16, Bfloat16, Real>>;

  static constexpr int kThreads = kSize.warps * 32;
  static constexpr int kWarpColumns = kSize.warps / kWarpRows;
  static constexpr int kSide = kSize.side;
  static constexpr int kRowOctets = kSide / kWarpRows / 8;  ///< a thread has a row of each
  static constexpr int kColumnOctets = kSide / kWarpColumns / 8;
  static constexpr int kPart = kSide / kParts / 8;      ///< octets of a row, or of a column, that are summed at once
  static constexpr int kRowParts = kRowOctets / kPart;  ///< parts of its columns that a thread has rows of
  static constexpr int kColumnParts = kColumnOctets / kPart;  ///< parts of its rows that a thread has columns of
  static_assert(kWarpRows * kRowParts == kParts && kWarpColumns * kColumnParts == kParts);
  static constexpr int kDepth = kSlabBytes / kElementBytes;  ///< elements of k in a slab

  static constexpr int kStages = kSize.stages;
  static constexpr int kOperandSlab = kSide * kSlabBytes;
  static constexpr int kStage = 2 * kOperandSlab;
  static constexpr int kRing = kStages * kStage;
};

/// The same of rows that are the caller's.
struct CallerShape : Shape<Arithmetic::kFloat64, 1> {
  static constexpr bool kFromCaller = true;
};

/// padded_rows, for kernels.
NCE_DEVICE int64_t padded(int64_t rows) { return (rows + kRowMultiple - 1) / kRowMultiple * kRowMultiple; }

/// Calls `use` with the Shape of an arithmetic and its planes.
template <typename Use>
void with_shape(Arithmetic arithmetic, int planes, bool from_caller, const Use& use) {
  switch (arithmetic) {
    case Arithmetic::kTensorFloat16:
      return planes == 2 ? use(Shape<Arithmetic::kTensorFloat16, 2>{}) : use(Shape<Arithmetic::kTensorFloat16, 1>{});
    case Arithmetic::kTensorBfloat16:
      return use(Shape<Arithmetic::kTensorBfloat16, 1>{});
    case Arithmetic::kFloat32:
      return use(Shape<Arithmetic::kFloat32, 1>{});
    case Arithmetic::kFloat64:
      return from_caller ? use(CallerShape{}) : use(Shape<Arithmetic::kFloat64, 1>{});
  }
}

/// The elements of a tile that a thread holds: those that mma.m16n8k16 gives it, for every arithmetic.
/// Element (r, c, e) is the thread's row r, one of each 8, and column 8 c + e of its own.
template <typename S>
struct Fragment {
  using Real = typename S::Real;

  Real values[S::kRowOctets / 2][S::kColumnOctets][4];

  NCE_DEVICE Real& at(int r, int c, int e) { return values[r / 2][c][(r & 1) * 2 + e]; }

  NCE_DEVICE void clear() {
    NCE_UNROLL
    for (int r = 0; r < S::kRowOctets; ++r) {
      NCE_UNROLL
      for (int c = 0; c < S::kColumnOctets; ++c) at(r, c, 0) = at(r, c, 1) = Real{0};
    }
  }

  /// Adds another and clears that.
  NCE_DEVICE void take(Fragment& other) {
    NCE_UNROLL
    for (int r = 0; r < S::kRowOctets; ++r) {
      NCE_UNROLL
      for (int c = 0; c < S::kColumnOctets; ++c) {
        at(r, c, 0) += other.at(r, c, 0);
        at(r, c, 1) += other.at(r, c, 1);
      }
    }
    other.clear();
  }
};

/// The two elements of one octet.
template <typename Real>
struct alignas(2 * sizeof(Real)) Neighbours {
  Real left;
  Real right;
};

/// Where a thread's elements lie in the tile.
template <typename S>
struct Place {
  int lane_row;     ///< of 8
  int lane_column;  ///< of 4
  int warp_row;
  int warp_column;

  explicit NCE_DEVICE Place(int thread) {
    lane_row = thread % 32 / 4;
    lane_column = thread % 4;
    warp_row = thread / 32 / S::kWarpColumns;
    warp_column = thread / 32 % S::kWarpColumns;
  }

  NCE_DEVICE int row(int r) const { return (warp_row * S::kRowOctets + r) * 8 + lane_row; }
  NCE_DEVICE int column(int c, int e) const { return (warp_column * S::kColumnOctets + c) * 8 + 2 * lane_column + e; }
};

/// Calls use(r, c, e, row, column) for each element.
template <typename S, typename Use>
NCE_DEVICE void for_each_element(const Place<S>& place, const Use& use) {
  NCE_UNROLL
  for (int r = 0; r < S::kRowOctets; ++r) {
    NCE_UNROLL
    for (int c = 0; c < S::kColumnOctets; ++c) {
      use(r, c, 0, place.row(r), place.column(c, 0));
      use(r, c, 1, place.row(r), place.column(c, 1));
    }
  }
}

// Sums over a warp's part of a tile's rows and columns. A part of a row is 8 columns of each of some octets, a part of
// a column is as many rows, and both are added in one order: octets in turn, then those of the 8 that are one, two and
// four apart. So sums of rows and of columns are the same bits when X and Y change places.

/// A step of kLive sums over lanes that differ in `bit`: each lane goes on with half of them, or with the only one.
template <int kLive, std::size_t kCount, typename Real>
NCE_DEVICE void reduce_step(Real (&values)[kCount], int bit) {
  if constexpr (kLive == 1) {
    values[0] += __shfl_xor_sync(0xffffffffu, values[0], bit);
  } else {
    const bool upper = (static_cast<int>(threadIdx.x) & bit) != 0;
    NCE_UNROLL
    for (int i = 0; i < kLive / 2; ++i) {
      const Real mine = upper ? values[i + kLive / 2] : values[i];
      const Real other = upper ? values[i] : values[i + kLive / 2];
      values[i] = mine + __shfl_xor_sync(0xffffffffu, other, bit);
    }
  }
}

/// Sums of the part's rows over the 4 lanes that share them. values[0] becomes that of row kept_row().
template <typename S, typename Real>
NCE_DEVICE void reduce_rows(Real (&values)[S::kPart]) {
  constexpr int kCount = S::kPart;
  reduce_step<kCount>(values, 1);
  reduce_step<kCount / 2>(values, 2);
}

template <typename S>
NCE_DEVICE int kept_row(const Place<S>& place) {
  const int lane = place.lane_column;
  return S::kPart == 4 ? (lane & 1) * 2 + (lane >> 1) : lane & 1;
}

/// Whether no lane before this one keeps the same row.
template <typename S>
NCE_DEVICE bool first_to_keep_row(const Place<S>& place) {
  return S::kPart == 4 || place.lane_column < 2;
}

/// Sums of the thread's columns over the 8 lanes that share them. values[0] becomes that of column kept_column().
template <typename S, typename Real>
NCE_DEVICE void reduce_columns(Real (&values)[2 * S::kPart]) {
  constexpr int kCount = 2 * S::kPart;
  reduce_step<kCount>(values, 4);
  reduce_step<kCount / 2>(values, 8);
  reduce_step<kCount / 4>(values, 16);
}

/// In the order of columns 2 c + e.
template <typename S>
NCE_DEVICE int kept_column(const Place<S>& place) {
  const int lane = place.lane_row;
  return S::kPart == 4 ? (lane & 1) * 4 + (lane & 2) + (lane >> 2) : (lane & 1) * 2 + (lane >> 1 & 1);
}

template <typename S>
NCE_DEVICE bool first_to_keep_column(const Place<S>& place) {
  return S::kPart == 4 || place.lane_row < 4;
}

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
  NCE_DEVICE TileStream(const Operands& operands, const TileRange& range, int thread)
      : operands_(operands), range_(range), thread_(thread) {
    x_ = range.y_tiles > 0 ? 0 : range.x_tiles;
    if (x_ < range.x_tiles) start_pass();
  }

  NCE_DEVICE int slabs_of_pass() const { return static_cast<int>(operands_.x.pitch / S::kDepth); }

  /// Starts to copy the next slab, if there is one.
  NCE_DEVICE void fetch(unsigned char* stage) {
    if (x_ == range_.x_tiles) return;
    unsigned char* const to = stage + slab_offset(row(), chunk());
    const int64_t step = operands_.x.pitch * (S::kElementBytes * kRowsAStep);
    // One at a time, since below sm_80 they go through registers.
    NCE_NO_UNROLL
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
  static constexpr int kRowsAStep = S::kThreads / kChunks;

  NCE_DEVICE int row() const { return thread_ / kChunks; }
  NCE_DEVICE int chunk() const { return thread_ % kChunks; }

  NCE_DEVICE const unsigned char* start(const Operand& operand, int plane, int64_t first) const {
    const int64_t element = plane * operand.plane_stride + (first + row()) * operands_.x.pitch;
    return static_cast<const unsigned char*>(operand.planes) + element * S::kElementBytes + chunk() * kChunkBytes;
  }

  NCE_DEVICE void start_pass() {
    slabs_left_ = slabs_of_pass();
    x_from_ = start(operands_.x, x_plane<S>(pass_), range_.x_first + int64_t{x_} * S::kSide);
    y_from_ = start(operands_.y, y_plane<S>(pass_), range_.y_first + int64_t{y_} * S::kSide);
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

  const Operands& operands_;
  const TileRange& range_;
  const int thread_;
  int x_;
  int y_ = 0;
  int pass_ = 0;
  int slabs_left_ = 0;
  const unsigned char* x_from_ = nullptr;
  const unsigned char* y_from_ = nullptr;
};

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

 private:
  int a_offset_;
  int b_offset_;
};

template <typename S>
using Product = std::conditional_t<S::kTensor, TensorProduct<S>, SimtProduct<S>>;

/// The pipeline: a ring of stages that a stream fills kStages - 1 slabs ahead of the product that empties them.
///
/// Barriers. The loop of add() has one for each slab, and it orders the threads of a block:
///  - The slab. Each thread first waits for its own copies, so after the barrier the whole slab is there.
///  - The ring. At the barrier all threads have finished with the slab before, so its stage may be filled again.
///  - What a kernel writes to shared memory before a product, such as factors of rows, may be read after the product.
///  - What it reads after a product it may overwrite only after a barrier of its own. So with the ring, once the stream
///    has ended.
template <typename S, typename Stream, typename Multiply>
class Mainloop {
 public:
  NCE_DEVICE Mainloop(unsigned char* ring, Stream& stream, const Multiply& multiply)
      : ring_(ring), stream_(stream), multiply_(multiply) {
    NCE_UNROLL
    for (int i = 0; i < S::kStages - 1; ++i) fetch();
  }

  /// Adds the products of the next slabs.
  NCE_DEVICE void add(int slabs, Fragment<S>& sums) {
    add(slabs, sums, [] {});
  }

  /// The product of a tile of X and Y, whose sums don't depend on which of them is which: the products of low and high
  /// planes are summed apart and then added. Tensor cores cut what they add, so the high planes' sums leave them after
  /// every step, for sums that round.
  NCE_DEVICE void multiply_tile(int slabs, Fragment<S>& sums) {
    sums.clear();
    if constexpr (S::kPlanes == 1) {
      add(slabs, sums);
    } else {
      Fragment<S> part;
      part.clear();
      NCE_NO_UNROLL
      for (int pass = 0; pass < kPasses<S>; ++pass) {
        const bool high = pass == kPasses<S> - 1;
        add(slabs, part, [&] {
          if (high) sums.take(part);
        });
        if (!high) sums.take(part);
      }
    }
  }

 private:
  template <typename AfterStep>
  NCE_DEVICE void add(int slabs, Fragment<S>& sums, const AfterStep& after_step) {
    NCE_NO_UNROLL
    for (int i = 0; i < slabs; ++i) {
      copy_async_wait<S::kStages - 2>();
      __syncthreads();  // the slab is there for all, and all have done with the stage that is filled next
      fetch();
      multiply_.add(ring_ + oldest_, sums, after_step);
    }
  }

  /// Fills the oldest stage; the next is the oldest then, and what lies in it is used before it is filled.
  NCE_DEVICE void fetch() {
    stream_.fetch(ring_ + oldest_);
    copy_async_commit();
    oldest_ = oldest_ + S::kStage == S::kRing ? 0 : oldest_ + S::kStage;
  }

  unsigned char* ring_;
  Stream& stream_;
  const Multiply& multiply_;
  int oldest_ = 0;
};

}  // namespace nce::cuda::tile
