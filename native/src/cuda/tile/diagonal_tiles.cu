// Similarities of rows with one row each, by the arithmetic of tiles: the whole tile is multiplied and its diagonal
// kept, so that a positive is the same number whether it is looked at as such or among a tile's similarities.

#include "cuda/launch.h"
#include "cuda/tile/caller_stream.h"
#include "cuda/tile/similarity.h"

namespace nce::cuda::tile {
namespace {

template <typename S>
constexpr int64_t kDiagonalBytes = S::kRing + int64_t{2} * S::kSide * static_cast<int64_t>(sizeof(typename S::Real));

template <typename S>
__global__ void __launch_bounds__(S::kThreads, S::kSize.blocks_a_multiprocessor) diagonal_tiles(DiagonalParams params) {
  if constexpr (S::kTensor && !kTensorCores) {
    trap();
  } else {
    using Real = typename S::Real;
    const CallState& call = *params.operands.call;
    if (call.status != NCE_STATUS_OK || call.method != params.operands.method) return;
    const int64_t begin = int64_t{blockIdx.x} * S::kSide;
    // A tile ends within the padding, so it may begin before the rows that are wanted.
    const auto first = [](int64_t wanted, const Operand& operand) {
      const int64_t last = padded(operand.rows) - S::kSide;
      return wanted < last ? wanted : last;
    };
    const int64_t x_first = first(params.x_first + begin, params.operands.x);
    const int64_t y_first = first(params.y_first + begin, params.operands.y);
    Real* const x_factors = reinterpret_cast<Real*>(shared_memory() + S::kRing);
    Real* const y_factors = x_factors + S::kSide;
    const int thread = static_cast<int>(threadIdx.x);
    if (thread < S::kSide) {
      x_factors[thread] = similarity_factor<Real>(params.operands, params.operands.x, x_first + thread);
      y_factors[thread] = similarity_factor<Real>(params.operands, params.operands.y, y_first + thread);
    }

    const Place<S> place(thread);
    const TileRange range{x_first, y_first, 1, 1};
    SlabStream<S> stream(params.operands, range, thread_index<true>());
    const Product<S> product(place);
    Fragment<S> tile;
    Mainloop<S, SlabStream<S>, Product<S>>(shared_memory(), stream, product)
        .multiply_tile(stream.slabs_of_pass(), tile);
    const int64_t x_offset = x_first - params.x_first;  // of a row in the tile among those that are wanted
    const int64_t y_offset = y_first - params.y_first;
    const Similarity<S> similarity(params.operands);
    if (similarity.distances()) {
      const auto wanted = [&](int row, int column) {
        return x_offset + row == y_offset + column && x_offset + row < params.count;
      };
      similarity.apply_distances(params.operands, x_first, y_first, place, x_factors, y_factors, wanted, tile);
    } else {
      similarity.apply_products(place, x_factors, y_factors, tile);
    }
    for_each_element(place, [&](int r, int c, int e, int row, int column) {
      const int64_t at = x_offset + row;
      if (at == y_offset + column && at >= begin && at < params.count) {
        params.similarities[params.x_first + at] = static_cast<double>(tile.at(r, c, e));
      }
    });
  }
}

}  // namespace

void launch_diagonal_tiles(const DiagonalParams& params, Arithmetic arithmetic, cudaStream_t stream) {
  with_shape(arithmetic, params.operands.planes, params.operands.from_caller, [&](auto shape) {
    using S = decltype(shape);
    const dim3 grid(static_cast<unsigned>((params.count + S::kSide - 1) / S::kSide));
    launch({"diagonal_tiles", grid, S::kThreads, kDiagonalBytes<S>, stream}, diagonal_tiles<S>, params);
  });
}

}  // namespace nce::cuda::tile
