// Blocks of G, the gradient by the similarities, for the products that accumulate.cu makes of them.

#include "cuda/launch.h"
#include "cuda/tile/caller_stream.h"
#include "cuda/tile/similarity.h"

namespace nce::cuda::tile {
namespace {

/// What rows, or columns, bring to a tile: [kSide] each, in shared memory.
template <typename Real>
struct TileSide {
  Real* factors;
  Real* coefficients;
  Real* references;
  Real* scales;  ///< of elements when they are stored

  NCE_DEVICE Coefficient<Real> at(int i) const { return {coefficients[i], references[i]}; }
};

/// What is the same for all threads of a block; see SumTask.
struct GTask {
  int64_t x_at;  ///< in the block of G
  int64_t y_at;
  TileRange range;
  int zero;  ///< unknown to the compiler, so that what it is added to is not computed long before it is needed

  static constexpr int64_t kBytes = 64;
};
static_assert(sizeof(GTask) <= GTask::kBytes);

template <typename S>
struct GSpace {
  using Real = typename S::Real;

  unsigned char* ring;  ///< and then the tile that is stored
  GTask* task;
  TileSide<Real> x;
  TileSide<Real> y;

  static constexpr int64_t kSidesBytes = int64_t{8} * S::kSide * static_cast<int64_t>(sizeof(Real));
  static constexpr int64_t kBytes = S::kRing + GTask::kBytes + kSidesBytes;

  explicit NCE_DEVICE GSpace(unsigned char* memory) : ring(memory) {
    task = reinterpret_cast<GTask*>(memory + S::kRing);
    auto* const at = reinterpret_cast<Real*>(memory + S::kRing + GTask::kBytes);
    x = {at, at + S::kSide, at + 2 * S::kSide, at + 3 * S::kSide};
    y = {at + 4 * S::kSide, at + 5 * S::kSide, at + 6 * S::kSide, at + 7 * S::kSide};
  }
};

/// Fills row i of a side. Relative scales belong to the side that is summed over: those of Y to G, of X to G^T.
template <typename Real>
NCE_DEVICE void fill(const TileSide<Real>& side, int i, const Operands& operands, const Operand& operand, int64_t row,
                     const Coefficient<Real>& coefficient, const float* relative, float g_scale) {
  side.factors[i] = similarity_factor<Real>(operands, operand, row);
  side.coefficients[i] = coefficient.a;
  side.references[i] = coefficient.reference;
  side.scales[i] = static_cast<Real>(relative == nullptr ? g_scale : g_scale * relative[row]);
}

template <typename S>
NCE_DEVICE void fill_sides(const GTilesParams& params, const GSpace<S>& space, const TileRange& range) {
  using Real = typename S::Real;
  const Coefficients& coefficients = params.coefficients;
  const int thread = static_cast<int>(threadIdx.x);
  if (thread < S::kSide) {
    const int64_t row = range.x_first + thread;
    fill(space.x, thread, params.operands, params.operands.x, row,
         load_coefficient<Real>(coefficients.x, coefficients.x_references, row), params.x_relative, params.g_scale);
  } else if (thread < 2 * S::kSide) {
    const int64_t row = range.y_first + thread - S::kSide;
    fill(space.y, thread - S::kSide, params.operands, params.operands.y, row,
         load_coefficient<Real>(coefficients.y, coefficients.y_references, row), params.y_relative, params.g_scale);
  }
}

/// Similarities to G, in place; not yet masked.
template <Form kForm, typename S>
NCE_DEVICE void apply_coefficients(const GTilesParams& params, const GSpace<S>& space, const Place<S>& place,
                                   const Temperature<typename S::Real>& temperature, Fragment<S>& tile) {
  const bool over = Similarity<S>::kHasDistances && params.operands.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN;
  for_each_element(place, [&](int r, int c, int e, int row, int column) {
    const auto s = tile.at(r, c, e);
    const auto g = g_of<kForm>(s, space.x.at(row), space.y.at(column), temperature);
    tile.at(r, c, e) = over ? over_distance(g, s) : g;
  });
}

/// Products to G, in place.
template <typename S>
NCE_DEVICE void make_g(const GTilesParams& params, const GSpace<S>& space, Fragment<S>& tile) {
  using Real = typename S::Real;
  // Each phase computes its places anew: a barrier makes the compiler read `zero` again.
  const auto new_place = [&] { return Place<S>(static_cast<int>(threadIdx.x) + space.task->zero); };
  const TileRange& range = space.task->range;
  const Similarity<S> similarity(params.operands);
  if (similarity.distances()) {
    const Mask mask(params.operands, range.x_first, range.y_first);
    // As in sum_tiles: float has no registers left to spare few rows the work.
    const auto wanted = [&](int row, int column) { return sizeof(Real) == 4 || mask.keeps(row, column); };
    similarity.apply_distances(params.operands, range.x_first, range.y_first, new_place(), space.x.factors,
                               space.y.factors, wanted, tile);
  } else {
    similarity.apply_products(new_place(), space.x.factors, space.y.factors, tile);
  }
  __syncthreads();
  const Place<S> place = new_place();
  const Temperature<Real> temperature(*params.operands.call);
  with_form(params.operands.call->form,
            [&](auto form) { apply_coefficients<decltype(form)::value>(params, space, place, temperature, tile); });
  __syncthreads();
  const Mask mask(params.operands, range.x_first, range.y_first);
  if (!mask.needed(S::kSide, S::kSide)) return;
  for_each_element(new_place(), [&](int r, int c, int e, int row, int column) {
    if (!mask.keeps(row, column)) tile.at(r, c, e) = Real{0};
  });
}

/// Where in a block of G a tile is stored. `zero` below is 0 in shared memory, unknown to the compiler, so that a
/// thread's places are computed when they are needed.
struct StoredTile {
  void* planes;
  int64_t pitch;
  int64_t plane_stride;
  int64_t first_row;
  int64_t first_column;
};

/// Where a 16-byte chunk of a row of 16-bit elements lies in shared memory, in other banks than those around it.
template <typename S>
NCE_DEVICE int row_offset(int row, int chunk) {
  return row * (S::kSide * S::kElementBytes) + ((chunk ^ (row & 7)) * kChunkBytes);
}

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
    *reinterpret_cast<uint4*>(at) = *reinterpret_cast<const uint4*>(from + row_offset<S>(row, chunk));
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
          *reinterpret_cast<uint16_t*>(at + row_offset<S>(column, row / 8) + element) =
              static_cast<uint16_t>(packed & 0xffffu);
          *reinterpret_cast<uint16_t*>(at + row_offset<S>(column + 1, row / 8) + element) =
              static_cast<uint16_t>(packed >> 16);
        } else {
          *reinterpret_cast<uint32_t*>(at + row_offset<S>(row, column / 8) + column % 8 * S::kElementBytes) = packed;
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

template <typename S>
__global__ void __launch_bounds__(kThreads, S::kSize.blocks_a_multiprocessor) g_tiles(GTilesParams params) {
  if constexpr (S::kTensor && !kTensorCores) {
    trap();
  } else {
    const CallState& call = *params.operands.call;
    if (call.status != NCE_STATUS_OK || call.method != params.operands.method) return;
    const GSpace<S> space(shared_memory());
    const GTask& task = *space.task;
    if (threadIdx.x == 0) {
      const auto y_tiles = static_cast<unsigned>(params.y_count / S::kSide);
      const int64_t x_at = int64_t{blockIdx.x / y_tiles} * S::kSide;
      const int64_t y_at = int64_t{blockIdx.x % y_tiles} * S::kSide;
      *space.task = {x_at, y_at, {params.x_first + x_at, params.y_first + y_at, 1, 1}, 0};
    }
    __syncthreads();
    const TileRange& range = task.range;
    fill_sides(params, space, range);

    const int thread = static_cast<int>(threadIdx.x);
    SlabStream<S> stream(params.operands, range);
    const Product<S> product(Place<S>{thread});
    Fragment<S> tile;
    Mainloop<S, SlabStream<S>, Product<S>>(space.ring, stream, product).multiply_tile(stream.slabs_of_pass(), tile);

    make_g(params, space, tile);
    const StoredTile g{params.g, params.g_pitch, params.g_plane_stride, task.x_at, task.y_at};
    store_tile<S, false>(g, space.ring, task.zero, space.y.scales, tile);
    if (params.g_transposed == nullptr) return;
    const StoredTile transposed{params.g_transposed, params.transposed_pitch, params.transposed_plane_stride, task.y_at,
                                task.x_at};
    store_tile<S, true>(transposed, space.ring, task.zero, space.x.scales, tile);
  }
}

}  // namespace

void launch_g_tiles(const GTilesParams& params, Arithmetic arithmetic, cudaStream_t stream) {
  with_shape(arithmetic, params.operands.planes, params.operands.from_caller, [&](auto shape) {
    using S = decltype(shape);
    const dim3 grid(static_cast<unsigned>((params.x_count / S::kSide) * (params.y_count / S::kSide)));
    launch({"g_tiles", grid, kThreads, GSpace<S>::kBytes, stream}, g_tiles<S>, params);
  });
}

}  // namespace nce::cuda::tile
