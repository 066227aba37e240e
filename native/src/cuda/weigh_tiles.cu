// Blocks of G, the weights of pairs in the gradient, for the products that accumulate.cu makes of them.

#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "cuda/tile/mainloop.h"
#include "cuda/tile/similarity.h"
#include "cuda/tile/stored_tile.h"
#include "cuda/tile/weigh.h"

namespace nce::cuda {
namespace {

using namespace tile;

/// What rows, or columns, bring to a tile: [kSide] each, in shared memory.
template <typename Real>
struct Margin {
  Real* factors;
  Real* weights;
  Real* references;
  Real* scales;  ///< of elements when they are stored

  NCE_DEVICE RowWeight<Real> at(int i) const { return {weights[i], references[i]}; }
};

/// What is the same for all threads of a block; see SumTask.
struct WeighTask {
  int64_t x_at;  ///< in the block of G
  int64_t y_at;
  TileRange range;
  int zero;  ///< unknown to the compiler, so that what it is added to is not computed long before it is needed

  static constexpr int64_t kBytes = 64;
};
static_assert(sizeof(WeighTask) <= WeighTask::kBytes);

template <typename S>
struct WeighSpace {
  using Real = typename S::Real;

  unsigned char* ring;  ///< and then the tile that is stored
  WeighTask* task;
  Margin<Real> x;
  Margin<Real> y;

  static constexpr int64_t kMarginBytes = int64_t{8} * S::kSide * static_cast<int64_t>(sizeof(Real));
  static constexpr int64_t kBytes = S::kRing + WeighTask::kBytes + kMarginBytes;

  explicit NCE_DEVICE WeighSpace(unsigned char* memory) : ring(memory) {
    task = reinterpret_cast<WeighTask*>(memory + S::kRing);
    auto* const at = reinterpret_cast<Real*>(memory + S::kRing + WeighTask::kBytes);
    x = {at, at + S::kSide, at + 2 * S::kSide, at + 3 * S::kSide};
    y = {at + 4 * S::kSide, at + 5 * S::kSide, at + 6 * S::kSide, at + 7 * S::kSide};
  }
};

/// Fills row i of a margin. Relative scales belong to the side that is summed over: those of Y to G, of X to G^T.
template <typename Real>
NCE_DEVICE void fill(const Margin<Real>& margin, int i, const Pair& pair, const Operand& operand, int64_t row,
                     const RowWeight<Real>& weight, const float* relative, float g_scale) {
  margin.factors[i] = row_factor<Real>(pair, operand, row);
  margin.weights[i] = weight.weight;
  margin.references[i] = weight.reference;
  margin.scales[i] = static_cast<Real>(relative == nullptr ? g_scale : g_scale * relative[row]);
}

template <typename S>
NCE_DEVICE void fill_margins(const WeighTilesParams& params, const WeighSpace<S>& space, const TileRange& range) {
  using Real = typename S::Real;
  const Weights& weights = params.weights;
  const int thread = static_cast<int>(threadIdx.x);
  if (thread < S::kSide) {
    const int64_t row = range.x_first + thread;
    fill(space.x, thread, params.pair, params.pair.x, row,
         row_weight<Real>(weights.x_weights, weights.x_references, row), params.x_relative, params.g_scale);
  } else if (thread < 2 * S::kSide) {
    const int64_t row = range.y_first + thread - S::kSide;
    fill(space.y, thread - S::kSide, params.pair, params.pair.y, row,
         row_weight<Real>(weights.y_weights, weights.y_references, row), params.y_relative, params.g_scale);
  }
}

/// Similarities to weights, in place.
template <Form kForm, typename S>
NCE_DEVICE void weigh(const WeighTilesParams& params, const WeighSpace<S>& space, const Place<S>& place,
                      const Temperature<typename S::Real>& temperature, Fragment<S>& tile) {
  const bool over = !S::kTensor && params.pair.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN;
  for_each_element(place, [&](int r, int c, int e, int row, int column) {
    const auto s = tile.at(r, c, e);
    const auto g = pair_weight<kForm>(s, space.x.at(row), space.y.at(column), temperature);
    tile.at(r, c, e) = over ? over_distance(g, s) : g;
  });
}

template <typename S>
NCE_DEVICE void weigh_tile(const WeighTilesParams& params, const WeighSpace<S>& space, Fragment<S>& tile) {
  using Real = typename S::Real;
  // Each phase computes its places anew: a barrier makes the compiler read `zero` again.
  const auto new_place = [&] { return Place<S>(static_cast<int>(threadIdx.x) + space.task->zero); };
  Similarity<S>(params.pair).apply(new_place(), space.x.factors, space.y.factors, tile);
  __syncthreads();
  const Place<S> place = new_place();
  const Temperature<Real> temperature(*params.pair.call);
  const Form form = params.pair.call->form;
  if (form == Form::kBounded) {
    weigh<Form::kBounded>(params, space, place, temperature, tile);
  } else if (form == Form::kOnline) {
    weigh<Form::kOnline>(params, space, place, temperature, tile);
  } else {
    weigh<Form::kLogistic>(params, space, place, temperature, tile);
  }
  __syncthreads();
  const Mask mask(params.pair, space.task->range.x_first, space.task->range.y_first);
  if (!mask.needed(S::kSide, S::kSide)) return;
  for_each_element(new_place(), [&](int r, int c, int e, int row, int column) {
    if (!mask.keeps(row, column)) tile.at(r, c, e) = Real{0};
  });
}

template <typename S>
__global__ void __launch_bounds__(kThreads, S::kBlocksPerProcessor) weigh_tiles(WeighTilesParams params) {
  if constexpr (!S::kTensor || kTensorCores) {
    const CallState& call = *params.pair.call;
    if (call.status != NCE_STATUS_OK || call.method != params.pair.method) return;
    const WeighSpace<S> space(shared_memory());
    const WeighTask& task = *space.task;
    if (threadIdx.x == 0) {
      const auto y_tiles = static_cast<unsigned>(params.y_count / S::kSide);
      const int64_t x_at = int64_t{blockIdx.x / y_tiles} * S::kSide;
      const int64_t y_at = int64_t{blockIdx.x % y_tiles} * S::kSide;
      *space.task = {x_at, y_at, {params.x_first + x_at, params.y_first + y_at, 1, 1}, 0};
    }
    __syncthreads();
    const TileRange& range = task.range;
    fill_margins(params, space, range);

    const int thread = static_cast<int>(threadIdx.x);
    TileStream<S> stream(params.pair, range);
    const Product<S> product(Place<S>{thread});
    Fragment<S> tile;
    Mainloop<S, TileStream<S>, Product<S>>(space.ring, stream, product).multiply_tile(stream.slabs_of_pass(), tile);

    weigh_tile(params, space, tile);
    const StoredTile g{params.g, params.g_pitch, params.g_plane_stride, task.x_at, task.y_at};
    store_tile<S, false>(g, space.ring, task.zero, space.y.scales, tile);
    if (params.g_transposed == nullptr) return;
    const StoredTile transposed{params.g_transposed, params.transposed_pitch, params.transposed_plane_stride, task.y_at,
                                task.x_at};
    store_tile<S, true>(transposed, space.ring, task.zero, space.x.scales, tile);
  }
}

}  // namespace

void launch_weigh_tiles(const WeighTilesParams& params, Arithmetic arithmetic, cudaStream_t stream) {
  tile::with_shape(arithmetic, params.pair.planes, [&](auto shape) {
    using S = decltype(shape);
    const dim3 grid(static_cast<unsigned>((params.x_count / S::kSide) * (params.y_count / S::kSide)));
    launch({"weigh_tiles", grid, tile::kThreads, WeighSpace<S>::kBytes, stream}, weigh_tiles<S>, params);
  });
}

}  // namespace nce::cuda
