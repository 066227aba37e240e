// Sums over negatives of G times rows, for every arithmetic and width of rows: run as (X, Y) it gives the gradient of
// X, as (Y, X) that of Y. A block makes G of its tile of X and a strip of Y, in scratch of its own that stays in cache,
// and multiplies it by the strip's rows.

#include "cuda/launch.h"
#include "cuda/reduce.cuh"
#include "cuda/tile/caller_stream.h"
#include "cuda/tile/similarity.h"
#include "cuda/tile/strip_product.h"

namespace nce::cuda::tile {
namespace {

/// What rows, or columns, bring to a tile: [kSide] each, in shared memory.
template <typename Real>
struct TileSide {
  Real* factors;
  Real* coefficients;
  Real* references;

  NCE_DEVICE Coefficient<Real> at(int i) const { return {coefficients[i], references[i]}; }
};

/// What is the same for all threads of a block; see SumTask.
struct StripTask {
  int64_t tile;     ///< of the cut: the first of the strip
  int64_t end;      ///< of the block's share
  int64_t slot;     ///< where the strip's sums go
  int64_t y_first;  ///< the strip's first row
  TileRange range;  ///< the tile of which G is made
  int tiles;        ///< of the strip
  int made;         ///< how many of them are G
  int column;       ///< of the rows of Y: the first of the tile that is summed
  int add;          ///< whether the slot has sums
  int zero;         ///< unknown to the compiler, so that what it is added to is not computed long before it is needed
};
static_assert(sizeof(StripTask) <= kStripTaskBytes);

template <typename S>
struct StripSpace {
  using Real = typename S::Real;

  unsigned char* ring;  ///< and then the tile that is stored
  StripTask* task;
  TileSide<Real> x;
  TileSide<Real> y;
  Real* multipliers;  ///< of columns of G when they are stored

  static constexpr int64_t kSidesBytes = int64_t{7} * S::kSide * static_cast<int64_t>(sizeof(Real));
  static constexpr int64_t kBytes = S::kRing + kStripTaskBytes + kSidesBytes;
  static_assert(kBytes == strip_shared_bytes(S::kArithmetic, S::kPlanes));

  explicit NCE_DEVICE StripSpace(unsigned char* memory) : ring(memory) {
    task = reinterpret_cast<StripTask*>(memory + S::kRing);
    auto* const at = reinterpret_cast<Real*>(memory + S::kRing + kStripTaskBytes);
    x = {at, at + S::kSide, at + 2 * S::kSide};
    y = {at + 3 * S::kSide, at + 4 * S::kSide, at + 5 * S::kSide};
    multipliers = at + 6 * S::kSide;
  }
};

/// One thread's work: the strip that begins at task.tile. Strips end with the tile of X and with the share.
template <typename S>
NCE_DEVICE void begin_strip(const GradientStripsParams& params, StripTask& task) {
  const Cut& cut = params.of.cut;
  const int64_t share = blockIdx.x;
  const int64_t x = task.tile / cut.y_tiles;
  const int64_t y = task.tile % cut.y_tiles;
  const int64_t x_first = params.of.x_first + x * S::kSide;
  const YRows rows = y_rows_of(params.of, x_first, S::kSide);
  const int64_t y_tiles = (rows.end - rows.begin + S::kSide - 1) / S::kSide;
  int64_t count = kStripRows<S> / S::kSide;
  if (count > cut.y_tiles - y) count = cut.y_tiles - y;
  if (count > task.end - task.tile) count = task.end - task.tile;
  if (count > y_tiles - y) count = y_tiles - y;
  task.slot = x + share;
  task.y_first = rows.begin + y * S::kSide;
  task.range = {x_first, task.y_first, 1, 1};
  task.tiles = count > 0 ? static_cast<int>(count) : 0;
  task.made = task.column = 0;
  task.add = params.of.add || (y > 0 && task.tile > cut.begin(share)) ? 1 : 0;
}

/// The tiles after the strip, or after those of Y where it has fewer than the cut.
NCE_DEVICE int64_t next_strip(const Cut& cut, const StripTask& task) {
  return task.tiles > 0 ? task.tile + task.tiles : (task.tile / cut.y_tiles + 1) * cut.y_tiles;
}

/// Fills row i of a side.
template <typename Real>
NCE_DEVICE void fill(const TileSide<Real>& side, int i, const Operands& operands, const Operand& operand, int64_t row,
                     const Coefficient<Real>& coefficient) {
  side.factors[i] = similarity_factor<Real>(operands, operand, row);
  side.coefficients[i] = coefficient.a;
  side.references[i] = coefficient.reference;
}

template <typename S>
NCE_DEVICE void fill_sides(const GradientSumsParams& params, const StripSpace<S>& space, const TileRange& range) {
  using Real = typename S::Real;
  const Coefficients& coefficients = params.coefficients;
  const int thread = static_cast<int>(threadIdx.x);
  if (thread < S::kSide) {
    const int64_t row = range.x_first + thread;
    fill(space.x, thread, params.operands, params.operands.x, row,
         load_coefficient<Real>(coefficients.x, coefficients.x_references, row));
  }
  const int column = thread - (S::kThreads - S::kSide);
  if (column >= 0) {
    const int64_t row = range.y_first + column;
    fill(space.y, column, params.operands, params.operands.y, row,
         load_coefficient<Real>(coefficients.y, coefficients.y_references, row));
    const float g_scale = params.g_scale;
    space.multipliers[column] =
        static_cast<Real>(params.y_relative == nullptr ? g_scale : g_scale * params.y_relative[row]);
  }
}

/// Similarities to G, in place; not yet masked.
template <Form kForm, typename S>
NCE_DEVICE void apply_coefficients(const Operands& operands, const StripSpace<S>& space, const Place<S>& place,
                                   const Temperature<typename S::Real>& temperature, Fragment<S>& tile) {
  const bool over = Similarity<S>::kHasDistances && operands.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN;
  for_each_element(place, [&](int r, int c, int e, int row, int column) {
    const auto s = tile.at(r, c, e);
    const auto g = g_of<kForm>(s, space.x.at(row), space.y.at(column), temperature);
    tile.at(r, c, e) = over ? over_distance(g, s) : g;
  });
}

/// Products to G, in place.
template <typename S>
NCE_DEVICE void make_g(const GradientStripsParams& params, const StripSpace<S>& space, Fragment<S>& tile) {
  using Real = typename S::Real;
  const Operands& operands = params.of.operands;
  // Each phase computes its places anew: a barrier makes the compiler read `zero` again.
  const auto new_place = [&] { return Place<S>(static_cast<int>(threadIdx.x) + space.task->zero); };
  const TileRange& range = space.task->range;
  const Similarity<S> similarity(operands);
  if (similarity.distances()) {
    const Mask mask(operands, range.x_first, range.y_first);
    // As in sum_tiles: float has no registers left to spare few rows the work.
    const auto wanted = [&](int row, int column) { return sizeof(Real) == 4 || mask.keeps(row, column); };
    similarity.apply_distances(operands, range.x_first, range.y_first, new_place(), space.x.factors, space.y.factors,
                               wanted, tile);
  } else {
    similarity.apply_products(new_place(), space.x.factors, space.y.factors, tile);
  }
  leave_out_of_rows(operands, {range.x_first, range.y_first}, new_place(), tile);
  leave_out_of_columns(operands, {range.x_first, range.y_first}, new_place(), tile);
  __syncthreads();
  const Place<S> place = new_place();
  const Temperature<Real> temperature = gradient_temperature<Real>(operands);
  with_form(gradient_form(operands),
            [&](auto form) { apply_coefficients<decltype(form)::value>(operands, space, place, temperature, tile); });
  __syncthreads();
  const Mask mask(operands, range.x_first, range.y_first);
  if (mask.needed(S::kSide, S::kSide)) {
    for_each_element(new_place(), [&](int r, int c, int e, int row, int column) {
      if (!mask.keeps(row, column)) tile.at(r, c, e) = Real{0};
    });
  }
  clear_groups(operands, mask, {range.x_first, range.y_first}, new_place(), tile);
  weigh_rows(params.x_weights, range.x_first, new_place(), tile);
  weigh_columns(params.y_weights, range.y_first, new_place(), tile);
}

/// Where a 16-byte chunk of a row of 16-bit elements lies in shared memory, in other banks than those around it.
template <typename S>
NCE_DEVICE int row_offset(int row, int chunk) {
  return row * (S::kSide * S::kElementBytes) + ((chunk ^ (row & 7)) * kChunkBytes);
}

/// Float and double elements go straight from registers: a warp fills sectors of 32 bytes.
template <typename S>
NCE_DEVICE void store_elements(unsigned char* to, const StripSpace<S>& space, Fragment<S>& tile) {
  using Real = typename S::Real;
  __syncthreads();
  const Place<S> place(static_cast<int>(threadIdx.x) + space.task->zero);
  for_each_element(place, [&](int r, int c, int e, int row, int column) {
    reinterpret_cast<Real*>(to + row * kStripBytes<S>)[column] = tile.at(r, c, e);
  });
}

/// 16-bit elements: the number times its column's multiplier, in planes of which each takes what those before it leave.
/// They go through shared memory, to be stored in whole rows.
template <typename S>
NCE_DEVICE void store_planes(unsigned char* to, const StripSpace<S>& space, Fragment<S>& tile) {
  using Element = typename S::Element;
  constexpr int kPlaneBytes = S::kSide * S::kSide * S::kElementBytes;
  static_assert(S::kPlanes * kPlaneBytes <= S::kRing);
  __syncthreads();  // all have done with what lies here
  const Place<S> place(static_cast<int>(threadIdx.x) + space.task->zero);
  NCE_UNROLL
  for (int r = 0; r < S::kRowOctets; ++r) {
    NCE_UNROLL
    for (int c = 0; c < S::kColumnOctets; ++c) {
      const int row = place.row(r);
      const int column = place.column(c, 0);
      float left = tile.at(r, c, 0) * space.multipliers[column];
      float right = tile.at(r, c, 1) * space.multipliers[column + 1];
      NCE_UNROLL
      for (int plane = 0; plane < S::kPlanes; ++plane) {
        *reinterpret_cast<uint32_t*>(space.ring + plane * kPlaneBytes + row_offset<S>(row, column / 8) +
                                     column % 8 * S::kElementBytes) = pack_and_subtract<Element>(left, right);
      }
    }
  }
  __syncthreads();  // rows are whole before anyone stores them
  constexpr int kChunksARow = S::kSide * S::kElementBytes / kChunkBytes;
  NCE_UNROLL
  for (int plane = 0; plane < S::kPlanes; ++plane) {
    NCE_NO_UNROLL
    for (int i = static_cast<int>(threadIdx.x); i < S::kSide * kChunksARow; i += S::kThreads) {
      const int row = i / kChunksARow;
      const int chunk = i % kChunksARow;
      *reinterpret_cast<uint4*>(to + (plane * S::kSide + row) * kStripBytes<S> + chunk * kChunkBytes) =
          *reinterpret_cast<const uint4*>(space.ring + plane * kPlaneBytes + row_offset<S>(row, chunk));
    }
  }
}

/// A block's own: [planes][kSide][strip_rows].
template <typename S>
NCE_DEVICE unsigned char* scratch_of(const GradientStripsParams& params) {
  return static_cast<unsigned char*>(params.scratch) + int64_t{blockIdx.x} * (S::kPlanes * S::kSide * kStripBytes<S>);
}

/// G of the strip.
template <typename S>
NCE_DEVICE void make_strip(const GradientStripsParams& params, const StripSpace<S>& space) {
  StripTask& task = *space.task;
  const Operands& operands = params.of.operands;
  NCE_NO_UNROLL
  while (task.made < task.tiles) {
    fill_sides(params.of, space, task.range);
    SlabStream<S> stream(operands, task.range, thread_index<true>());
    const Product<S> product(Place<S>(thread_index<true>()));
    Fragment<S> tile;
    Mainloop<S, SlabStream<S>, Product<S>>(space.ring, stream, product).multiply_tile(stream.slabs_of_pass(), tile);
    make_g(params, space, tile);
    unsigned char* const to = scratch_of<S>(params) + task.made * (S::kSide * S::kElementBytes);
    if constexpr (S::kTensor) {
      store_planes(to, space, tile);
    } else {
      store_elements(to, space, tile);
    }
    __syncthreads();  // all have done with the tile's range and with the ring, and G is there for all
    if (threadIdx.x == 0) {
      task.made += 1;
      task.range.y_first += S::kSide;
    }
    __syncthreads();
  }
}

/// The slot's tile of columns (+)= the sums. Rows of Y may end within the tile, after a whole number of octets.
template <typename S>
NCE_DEVICE void add_to_slot(const GradientSumsParams& params, const StripTask& task, Fragment<S>& sums) {
  using Real = typename S::Real;
  const Place<S> place(static_cast<int>(threadIdx.x) + task.zero);
  const int64_t pitch = params.operands.x.pitch;
  const int first = task.column + place.column(0, 0);
  const int64_t left = pitch - first;
  Real* to = static_cast<Real*>(params.sums) + (task.slot * S::kSide + place.row(0)) * pitch + first;
  const bool add = task.add != 0;
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
    to += 8 * pitch;
    // Else the compiler loads what several rows are added to at once.
    __syncwarp();
  }
}

/// The slot (+)= G times the strip's rows, tiles of columns one by one.
template <typename S>
NCE_DEVICE void multiply_strip(const GradientStripsParams& params, const StripSpace<S>& space) {
  StripTask& task = *space.task;
  NCE_NO_UNROLL
  while (task.column < params.of.operands.x.pitch) {
    StripStream<S> stream(scratch_of<S>(params), params.of.operands.y, task.y_first, task.tiles * S::kSide,
                          task.column);
    const StripProduct<S> product(Place<S>(thread_index<true>()));
    Fragment<S> sums;
    sums.clear();
    Mainloop<S, StripStream<S>, StripProduct<S>> mainloop(space.ring, stream, product);
    mainloop.add(stream.slabs(), sums);
    add_to_slot(params.of, task, sums);
    __syncthreads();  // all have done with the column and with the ring
    if (threadIdx.x == 0) task.column += S::kSide;
    __syncthreads();
  }
}

/// The slot (+)= the sums of G's rows, a warp a row.
template <typename S>
NCE_DEVICE void sum_strip(const GradientStripsParams& params, const StripTask& task) {
  const int thread = thread_index<true>();
  const int lane = thread % kWarpThreads;
  NCE_NO_UNROLL
  for (int row = thread / kWarpThreads; row < S::kSide; row += S::kThreads / kWarpThreads) {
    const auto* const g = reinterpret_cast<const typename S::Real*>(scratch_of<S>(params) + row * kStripBytes<S>);
    double sum = 0.0;
    NCE_NO_UNROLL
    for (int j = lane; j < task.tiles * S::kSide; j += kWarpThreads) sum += static_cast<double>(g[j]);
    sum = combine_warp<Sum>(sum);
    double* const to = params.g_sums + task.slot * S::kSide + row;
    if (lane == 0) *to = task.add != 0 ? *to + sum : sum;
  }
}

/// Grid: the cut's shares.
template <typename S>
__global__ void __launch_bounds__(S::kThreads, S::kSize.blocks_a_multiprocessor)
    gradient_strips(const GradientStripsParams params) {
  if constexpr (S::kTensor && !kTensorCores) {
    trap();
  } else {
    const CallState& call = *params.of.operands.call;
    if (call.status != NCE_STATUS_OK || call.method != params.of.operands.method) return;
    const StripSpace<S> space(shared_memory());
    StripTask& task = *space.task;
    if (threadIdx.x == 0) {
      task.zero = 0;
      task.tile = params.of.cut.begin(blockIdx.x);
      task.end = params.of.cut.begin(int64_t{blockIdx.x} + 1);
      begin_strip<S>(params, task);
    }
    __syncthreads();
    NCE_NO_UNROLL
    while (task.tile < task.end) {
      make_strip(params, space);
      if (task.tiles > 0) multiply_strip(params, space);
      if constexpr (!S::kTensor) {
        if (params.g_sums != nullptr && task.tiles > 0) sum_strip<S>(params, task);
      }
      __syncthreads();  // all have done with the strip
      if (threadIdx.x == 0) {
        task.tile = next_strip(params.of.cut, task);
        if (task.tile < task.end) begin_strip<S>(params, task);
      }
      __syncthreads();
    }
  }
}

}  // namespace

void launch_gradient_strips(const GradientStripsParams& params, Arithmetic arithmetic, cudaStream_t stream) {
  with_shape(arithmetic, params.of.operands.planes, params.of.operands.from_caller, [&](auto shape) {
    using S = decltype(shape);
    const dim3 grid(static_cast<unsigned>(params.of.cut.shares));
    launch({"gradient_strips", grid, S::kThreads, StripSpace<S>::kBytes, stream}, gradient_strips<S>, params);
  });
}

}  // namespace nce::cuda::tile
