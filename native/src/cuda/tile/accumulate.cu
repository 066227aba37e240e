// C (+)= A B, of a K-major A and a row-major B: the gradient of a block of rows, from a block of G and packed rows.

#include "cuda/launch.h"
#include "cuda/tile/caller_stream.h"

namespace nce::cuda::tile {
namespace {

/// A slab of B has kDepth rows of kSide elements: as many bytes as one of A.
template <typename S>
constexpr int kBlockRowBytes = S::kSide * S::kElementBytes;

/// Where a 16-byte chunk of a row lies in a slab of B. Eight rows' chunks of one number lie in different banks.
template <typename S>
NCE_DEVICE int block_offset(int row, int chunk) {
  return row * kBlockRowBytes<S> + ((S::kTensor ? chunk ^ (row & 7) : chunk) * kChunkBytes);
}

/// Elements of k after which sums are added to C: where many digits are wanted, before rounding costs some of them.
template <typename S>
constexpr int kBlockFlushDepth = S::kPlanes == 2 || S::kArithmetic == Arithmetic::kFloat32 ? 512 : 1 << 20;

/// The slabs of one tile of C, pass by pass: A low, B high; A high, B low; both high.
template <typename S>
class BlockStream {
 public:
  NCE_DEVICE BlockStream(const AccumulateParams& params, const int64_t& first_row, const int64_t& first_column)
      : params_(params), first_row_(first_row), first_column_(first_column) {
    start_pass();
  }

  NCE_DEVICE int slabs() const { return kPasses<S> * slabs_of_pass(); }

  NCE_DEVICE void fetch(unsigned char* stage) {
    if (pass_ == kPasses<S>) return;
    const int thread = static_cast<int>(threadIdx.x);
    const int64_t a_step = params_.a_pitch * (S::kElementBytes * kRowsAStep);
    unsigned char* const to = stage + slab_offset(thread / kChunks, thread % kChunks);
    NCE_UNROLL
    for (int i = 0; i < S::kSide / kRowsAStep; ++i) {
      copy_async_16(to + i * (kRowsAStep * kSlabBytes), a_from_ + i * a_step);
    }
    if constexpr (S::kFromCaller) {
      const int64_t done = params_.depth - int64_t{slabs_left_} * S::kDepth;
      fetch_caller_block<S>(params_.b_caller, params_.b_first_row + done, first_column_, stage + S::kOperandSlab);
    } else {
      NCE_UNROLL
      for (int i = 0; i < S::kDepth / kBlockRowsAStep; ++i) {
        const int row = thread / kBlockChunks + i * kBlockRowsAStep;
        copy_async_16(stage + S::kOperandSlab + block_offset<S>(row, thread % kBlockChunks),
                      b_from_ + i * (params_.b_pitch * (S::kElementBytes * kBlockRowsAStep)));
      }
      b_from_ += params_.b_pitch * (S::kElementBytes * S::kDepth);
    }
    a_from_ += kSlabBytes;
    if (--slabs_left_ == 0 && ++pass_ < kPasses<S>) start_pass();
  }

 private:
  static constexpr int kChunks = kSlabBytes / kChunkBytes;
  static constexpr int kRowsAStep = kThreads / kChunks;
  static constexpr int kBlockChunks = kBlockRowBytes<S> / kChunkBytes;
  static constexpr int kBlockRowsAStep = kThreads / kBlockChunks;
  static_assert(S::kDepth % kBlockRowsAStep == 0 && S::kSide % kRowsAStep == 0);

  NCE_DEVICE int slabs_of_pass() const { return static_cast<int>(params_.depth / S::kDepth); }

  NCE_DEVICE void start_pass() {
    const int thread = static_cast<int>(threadIdx.x);
    slabs_left_ = slabs_of_pass();
    const int64_t a = x_plane<S>(pass_) * params_.a_plane_stride + (first_row_ + thread / kChunks) * params_.a_pitch;
    a_from_ = static_cast<const unsigned char*>(params_.a) + a * S::kElementBytes + thread % kChunks * kChunkBytes;
    // A chunk beyond the columns of C is replaced by the last: what comes of it is not stored.
    constexpr int kCount = kChunkBytes / S::kElementBytes;
    int64_t column = first_column_ + thread % kBlockChunks * kCount;
    if (column >= params_.columns) column = params_.columns - kCount;
    const int64_t b = y_plane<S>(pass_) * params_.b_plane_stride + thread / kBlockChunks * params_.b_pitch + column;
    b_from_ = static_cast<const unsigned char*>(params_.b) + b * S::kElementBytes;
  }

  const AccumulateParams& params_;
  const int64_t& first_row_;
  const int64_t& first_column_;
  int pass_ = 0;
  int slabs_left_ = 0;
  const unsigned char* a_from_ = nullptr;
  const unsigned char* b_from_ = nullptr;
};

template <typename S>
class TensorBlockProduct : TensorProduct<S> {
 public:
  explicit NCE_DEVICE TensorBlockProduct(const Place<S>& place) : TensorProduct<S>(place) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    row_ = lane % 16;
    chunk_ = place.warp_column * S::kColumnOctets + lane / 16;
  }

  template <typename AfterStep>
  NCE_DEVICE void add(const unsigned char* stage, Fragment<S>& sums, const AfterStep& after_step) const {
    NCE_UNROLL
    for (int step = 0; step < TensorProduct<S>::kSteps; ++step) {
      uint32_t b[S::kColumnOctets][2];
      NCE_UNROLL
      for (int c = 0; c < S::kColumnOctets; c += 2) {
        uint32_t four[4];
        load_matrices_transposed(four, stage + S::kOperandSlab + block_offset<S>(step * 16 + row_, chunk_ + c));
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
  int row_;
  int chunk_;
};

template <typename S>
class SimtBlockProduct {
  using Real = typename S::Real;

 public:
  explicit NCE_DEVICE SimtBlockProduct(const Place<S>& place) {
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
      const unsigned char* const row = stage + b_offset_ + k * kBlockRowBytes<S>;
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
        const auto b = load(row + kBlockRowBytes<S> + c * (8 * S::kElementBytes));
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
using BlockProduct = std::conditional_t<S::kTensor, TensorBlockProduct<S>, SimtBlockProduct<S>>;

/// What is the same for all threads of a block; see SumTask.
struct BlockTask {
  int64_t first_row;
  int64_t first_column;
  int zero;  ///< unknown to the compiler, so that what it is added to is not computed long before it is needed
};

template <typename S>
constexpr int64_t kAccumulateBytes = S::kRing + int64_t{sizeof(BlockTask)};

/// C's tile (+)= the sums, which begin anew. C may end within the tile, after a whole number of octets.
template <typename S>
NCE_DEVICE void add_to_block(const AccumulateParams& params, const BlockTask& task, bool add, Fragment<S>& sums) {
  using Real = typename S::Real;
  const Place<S> place(static_cast<int>(threadIdx.x) + task.zero);
  const int64_t left = params.columns - task.first_column - place.column(0, 0);
  Real* to = static_cast<Real*>(params.c) + (task.first_row + place.row(0)) * params.c_pitch + task.first_column +
             place.column(0, 0);
  NCE_UNROLL
  for (int r = 0; r < S::kRowOctets; ++r) {
    NCE_UNROLL
    for (int c = 0; c < S::kColumnOctets; ++c) {
      if (8 * c >= left) continue;
      auto* const at = reinterpret_cast<Neighbours<Real>*>(to + 8 * c);
      Neighbours<Real> two{sums.at(r, c, 0), sums.at(r, c, 1)};
      if (add) {
        const Neighbours<Real> old = *at;
        two.left += old.left;
        two.right += old.right;
      }
      *at = two;
    }
    to += 8 * params.c_pitch;
  }
  sums.clear();
}

template <typename S>
__global__ void __launch_bounds__(kThreads, 2) accumulate(AccumulateParams params) {
  if constexpr (S::kTensor && !kTensorCores) {
    trap();
  } else {
    const CallState& call = *params.call;
    if (call.status != NCE_STATUS_OK || call.method != params.method) return;
    const auto column_tiles = static_cast<unsigned>((params.columns + S::kSide - 1) / S::kSide);
    auto& task = *reinterpret_cast<BlockTask*>(shared_memory() + S::kRing);
    if (threadIdx.x == 0) {
      task = {int64_t{blockIdx.x / column_tiles} * S::kSide, int64_t{blockIdx.x % column_tiles} * S::kSide, 0};
    }
    __syncthreads();

    BlockStream<S> stream(params, task.first_row, task.first_column);
    const BlockProduct<S> product(Place<S>{static_cast<int>(threadIdx.x)});
    Mainloop<S, BlockStream<S>, BlockProduct<S>> mainloop(shared_memory(), stream, product);
    Fragment<S> sums;
    sums.clear();
    constexpr int kFlush = kBlockFlushDepth<S> / S::kDepth;
    const int slabs = stream.slabs();
    NCE_NO_UNROLL
    for (int done = 0; done < slabs; done += kFlush) {
      mainloop.add(slabs - done < kFlush ? slabs - done : kFlush, sums);
      add_to_block(params, task, params.add || done > 0, sums);
    }
  }
}

}  // namespace

void launch_accumulate(const AccumulateParams& params, Arithmetic arithmetic, cudaStream_t stream) {
  with_shape(arithmetic, params.planes, params.from_caller, [&](auto shape) {
    using S = decltype(shape);
    const int64_t tiles = params.rows / S::kSide * ((params.columns + S::kSide - 1) / S::kSide);
    launch({"accumulate", dim3(static_cast<unsigned>(tiles)), kThreads, kAccumulateBytes<S>, stream}, accumulate<S>,
           params);
  });
}

}  // namespace nce::cuda::tile
