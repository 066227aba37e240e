// Gradients of mined triplets: a warp has a few columns of a row, and goes through the rows that it meets.

#include "cuda/mined/mined.cuh"
#include "cuda/overflow.cuh"

namespace nce::cuda {
namespace {

constexpr int kColumns = 4;
constexpr int64_t kColumnsOfWarp = int64_t{kColumns} * kWarpThreads;

NCE_DEVICE int lane() { return static_cast<int>(threadIdx.x) % kWarpThreads; }

/// The lane's columns of a row: sums of G times other rows, or times what these differ from it by.
struct MinedColumns {
  const MinedParams& p;
  int64_t row;
  int64_t first;
  bool difference;
  double sums[kColumns];

  NCE_DEVICE MinedColumns(const MinedParams& params, int64_t work, int64_t chunks)
      : p(params),
        row(work / chunks),
        first(work % chunks * kColumnsOfWarp + lane()),
        difference(p.measure.base != loss::Base::kCosine),
        sums{} {}

  NCE_DEVICE int64_t column(int c) const { return first + c * kWarpThreads; }

  NCE_DEVICE void add(int64_t other, double g, double enlarged = 1.0) {
    NCE_UNROLL
    for (int c = 0; c < kColumns; ++c) {
      if (column(c) >= p.dim) continue;
      const double y = p.packed[other * p.dim + column(c)];
      const double x = difference ? p.packed[row * p.dim + column(c)] : 0.0;
      sums[c] += g * ((y - x) * enlarged);
    }
  }

  NCE_DEVICE void store(bool more) const {
    NCE_UNROLL
    for (int c = 0; c < kColumns; ++c) {
      if (column(c) >= p.dim) continue;
      double& to = p.gradients[row * p.dim + column(c)];
      to = more ? to + sums[c] : sums[c];
    }
  }
};

NCE_DEVICE int64_t chunks_of(const MinedParams& p) { return (p.dim + kColumnsOfWarp - 1) / kColumnsOfWarp; }
NCE_DEVICE int64_t warp_of_grid() { return int64_t{blockIdx.x} * kBlockWarps + threadIdx.x / kWarpThreads; }
NCE_DEVICE int64_t warps_of_grid() { return int64_t{gridDim.x} * kBlockWarps; }

/// Each row meets the strip's anchors; one of these also all that it meets as an anchor.
__global__ void weigh_rows(const MinedParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const int64_t chunks = chunks_of(p);
  for (int64_t i = warp_of_grid(); i < p.rows * chunks; i += warps_of_grid()) {
    MinedColumns columns(p, i, chunks);
    for (int64_t a = 0; a < p.strip_rows; ++a) {
      const double g = p.distances[a * p.rows + columns.row];
      if (g != 0.0) columns.add(p.strip_first + a, g);
    }
    const int64_t own = columns.row - p.strip_first;
    if (own >= 0 && own < p.strip_rows) {
      for (int64_t j = 0; j < p.rows; ++j) {
        const double g = p.distances[own * p.rows + j];
        if (g != 0.0) columns.add(j, g);
      }
    }
    columns.store(p.strip_first > 0);
  }
}

/// Adds one end of an anchor's pair: dL / d(distance) is the anchor's slope, or minus that.
NCE_DEVICE void add_end(MinedColumns& columns, double distance, double slope, int64_t other) {
  if (columns.p.measure.base != loss::Base::kDistance) return columns.add(other, -slope);
  if (distance == 0.0) return;
  // Over the smallest distances even 1 overflows.
  const double enlarged = distance < loss::kSmallestDivisor ? loss::kEnlarged : 1.0;
  columns.add(other, -slope / (distance * enlarged), enlarged);
}

NCE_DEVICE double slope_of(const MinedParams& p, int64_t anchor) {
  const MinedPair pair = p.pairs[anchor];
  const double gap = loss::triplet_gap(pair.positive.distance, pair.negative.distance, p.rule.margin);
  return p.factors.factor(anchor, 0.0) * loss::triplet_slope(gap, p.rule.soft);
}

/// Lanes look for the row among the ends of 32 anchors' pairs at once; what is found is added in the anchors' order.
__global__ void gather_pairs(const MinedParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const int64_t chunks = chunks_of(p);
  for (int64_t i = warp_of_grid(); i < p.rows * chunks; i += warps_of_grid()) {
    MinedColumns columns(p, i, chunks);
    const MinedPair own = p.pairs[columns.row];
    if (own.positive.row >= 0) {
      const double slope = slope_of(p, columns.row);
      add_end(columns, own.positive.distance, slope, own.positive.row);
      add_end(columns, own.negative.distance, -slope, own.negative.row);
    }
    for (int64_t first = 0; first < p.rows; first += kWarpThreads) {
      int found = 0;
      if (first + lane() < p.rows) {
        const MinedPair pair = p.pairs[first + lane()];
        found = pair.positive.row == columns.row ? 1 : pair.negative.row == columns.row ? 2 : 0;
      }
      if (__any_sync(0xffffffffu, found) == 0) continue;
      for (int l = 0; l < kWarpThreads; ++l) {
        const int end = __shfl_sync(0xffffffffu, found, l);
        if (end == 0) continue;
        const MinedPair pair = p.pairs[first + l];
        const double slope = slope_of(p, first + l);
        if (end == 1) add_end(columns, pair.positive.distance, slope, first + l);
        if (end == 2) add_end(columns, pair.negative.distance, -slope, first + l);
      }
    }
    columns.store(false);
  }
}

/// A warp a row: through the norm, and what a mean divides by, to the caller's elements.
template <typename G>
__global__ void finish_mined(const MinedParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const int64_t row = warp_of_grid();
  if (row >= p.rows) return;
  const bool cosine = p.measure.base == loss::Base::kCosine;
  const double* const sums = p.gradients + row * p.dim;
  const double* const x = p.packed + row * p.dim;
  double along = 0.0;
  for (int64_t d = lane(); cosine && d < p.dim; d += kWarpThreads) along += sums[d] * x[d];
  along = combine_warp<Sum>(along);
  const double share = p.reducer.reduced(1.0, *p.counted);
  const double twice = p.measure.base == loss::Base::kSquaredDistance ? 2.0 : 1.0;
  const double overflow = loss::overflow_of(p.gradient_dtype);
  G* const to = static_cast<G*>(p.d_queries) + row * p.d_queries_stride;
  for (int64_t d = lane(); d < p.dim; d += kWarpThreads) {
    double gradient = share * twice * sums[d];
    if (cosine) gradient = share * (sums[d] - along * x[d]) * inverse_of(p, row) * p.scales[row];
    if (!(std::fabs(put(gradient, to[d], p.add)) < overflow)) tell_overflow(*p.call, Argument::kQueriesGradient, row);
  }
}

__global__ void clear_numbers(const MinedParams p) {
  if (p.call->status != NCE_STATUS_OK || threadIdx.x != 0) return;
  if (p.d_temperature != nullptr) *p.d_temperature = 0.0;
  if (p.d_bias != nullptr) *p.d_bias = 0.0;
}

dim3 grid_of(const MinedParams& params) {
  const int64_t warps = params.rows * ((params.dim + kColumnsOfWarp - 1) / kColumnsOfWarp);
  return blocks_of(most_mined_warps(warps), kBlockWarps);
}

}  // namespace

void launch_weigh_rows(const MinedParams& params, cudaStream_t stream) {
  launch({"weigh_rows", grid_of(params), kBlockThreads, 0, stream}, weigh_rows, params);
}

void launch_gather_pairs(const MinedParams& params, cudaStream_t stream) {
  launch({"gather_pairs", grid_of(params), kBlockThreads, 0, stream}, gather_pairs, params);
}

void launch_finish_mined(const MinedParams& params, cudaStream_t stream) {
  if (!params.add && (params.d_temperature != nullptr || params.d_bias != nullptr)) {
    launch({"clear_numbers", dim3(1), kWarpThreads, 0, stream}, clear_numbers, params);
  }
  if (params.d_queries == nullptr) return;
  with_element(params.gradient_dtype, [&](auto element) {
    launch({"finish_mined", blocks_of(params.rows, kBlockWarps), kBlockThreads, 0, stream},
           finish_mined<decltype(element)>, params);
  });
}

}  // namespace nce::cuda
