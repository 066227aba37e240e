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

template <typename S>
struct WeighSpace {
  using Real = typename S::Real;

  unsigned char* ring;  ///< and then the tile that is stored
  Margin<Real> x;
  Margin<Real> y;

  static constexpr int64_t kMarginBytes = int64_t{8} * S::kSide * static_cast<int64_t>(sizeof(Real));
  static constexpr int64_t kBytes = S::kRing + kMarginBytes;

  explicit NCE_DEVICE WeighSpace(unsigned char* memory) : ring(memory) {
    auto* const at = reinterpret_cast<Real*>(memory + S::kRing);
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
NCE_DEVICE void weigh_tile(const WeighTilesParams& params, const WeighSpace<S>& space, const Place<S>& place,
                           const Mask& mask, Fragment<S>& tile) {
  using Real = typename S::Real;
  Similarity<S>(params.pair).apply(place, space.x.factors, space.y.factors, tile);
  const Temperature<Real> temperature(*params.pair.call);
  const Form form = params.pair.call->form;
  if (form == Form::kBounded) {
    weigh<Form::kBounded>(params, space, place, temperature, tile);
  } else if (form == Form::kOnline) {
    weigh<Form::kOnline>(params, space, place, temperature, tile);
  } else {
    weigh<Form::kLogistic>(params, space, place, temperature, tile);
  }
  if (!mask.needed(S::kSide, S::kSide)) return;
  for_each_element(place, [&](int r, int c, int e, int row, int column) {
    if (!mask.keeps(row, column)) tile.at(r, c, e) = Real{0};
  });
}

template <typename S>
__global__ void __launch_bounds__(kThreads, S::kBlocksPerProcessor) weigh_tiles(WeighTilesParams params) {
  if constexpr (!S::kTensor || kTensorCores) {
    using Real = typename S::Real;
    const CallState& call = *params.pair.call;
    if (call.status != NCE_STATUS_OK || call.method != params.pair.method) return;
    const auto y_tiles = static_cast<unsigned>(params.y_count / S::kSide);
    const int64_t x_at = int64_t{blockIdx.x / y_tiles} * S::kSide;  // in the block of G
    const int64_t y_at = int64_t{blockIdx.x % y_tiles} * S::kSide;
    const int64_t x_first = params.x_first + x_at;
    const int64_t y_first = params.y_first + y_at;
    const WeighSpace<S> space(shared_memory());
    const Weights& weights = params.weights;
    const int thread = static_cast<int>(threadIdx.x);
    if (thread < S::kSide) {
      const int64_t row = x_first + thread;
      fill(space.x, thread, params.pair, params.pair.x, row,
           row_weight<Real>(weights.x_weights, weights.x_references, row), params.x_relative, params.g_scale);
    } else if (thread < 2 * S::kSide) {
      const int64_t row = y_first + thread - S::kSide;
      fill(space.y, thread - S::kSide, params.pair, params.pair.y, row,
           row_weight<Real>(weights.y_weights, weights.y_references, row), params.y_relative, params.g_scale);
    }

    const Place<S> place(thread);
    const TileRange range{x_first, y_first, 1, 1};
    TileStream<S> stream(params.pair, range);
    const Product<S> product(place);
    Fragment<S> tile;
    Mainloop<S, TileStream<S>, Product<S>>(space.ring, stream, product).multiply_tile(stream.slabs_of_pass(), tile);
    weigh_tile(params, space, place, Mask(params.pair, x_first, y_first), tile);

    const StoredTile g{params.g, params.g_pitch, params.g_plane_stride, x_at, y_at};
    store_tile<S, false>(g, space.ring, place, space.y.scales, tile);
    if (params.g_transposed == nullptr) return;
    const StoredTile transposed{params.g_transposed, params.transposed_pitch, params.transposed_plane_stride, y_at,
                                x_at};
    store_tile<S, true>(transposed, space.ring, place, space.x.scales, tile);
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
