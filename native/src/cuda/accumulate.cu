// C (+)= A B: the gradient of a block of rows, from the weights of their pairs.

#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "cuda/tile/block_product.h"
#include "cuda/tile/mainloop.h"

namespace nce::cuda {
namespace {

using namespace tile;

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
  using Pair = Neighbours<Real>;
  const Place<S> place(static_cast<int>(threadIdx.x) + task.zero);
  const int64_t left = params.columns - task.first_column - place.column(0, 0);
  Real* to = static_cast<Real*>(params.c) + (task.first_row + place.row(0)) * params.c_pitch + task.first_column +
             place.column(0, 0);
  NCE_UNROLL
  for (int r = 0; r < S::kRowOctets; ++r) {
    NCE_UNROLL
    for (int c = 0; c < S::kColumnOctets; ++c) {
      if (8 * c >= left) continue;
      auto* const at = reinterpret_cast<Pair*>(to + 8 * c);
      Pair pair{sums.at(r, c, 0), sums.at(r, c, 1)};
      if (add) {
        const Pair old = *at;
        pair.left += old.left;
        pair.right += old.right;
      }
      *at = pair;
    }
    to += 8 * params.c_pitch;
  }
  sums.clear();
}

template <typename S>
__global__ void __launch_bounds__(kThreads, 2) accumulate(AccumulateParams params) {
  if constexpr (!S::kTensor || kTensorCores) {
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
      add_to_block(params, task, params.add != 0 || done > 0, sums);
    }
  }
}

}  // namespace

void launch_accumulate(const AccumulateParams& params, Arithmetic arithmetic, cudaStream_t stream) {
  tile::with_shape(arithmetic, params.planes, [&](auto shape) {
    using S = decltype(shape);
    const int64_t tiles = params.rows / S::kSide * ((params.columns + S::kSide - 1) / S::kSide);
    launch({"accumulate", dim3(static_cast<unsigned>(tiles)), tile::kThreads, kAccumulateBytes<S>, stream},
           accumulate<S>, params);
  });
}

}  // namespace nce::cuda
