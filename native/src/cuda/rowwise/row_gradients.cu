// Gradients of the rowwise losses. Once what a comparison does to gradients is known, elements have nothing to do with
// each other: a warp has a few columns of a row of queries, and goes through the row's comparisons.

#include "cuda/overflow.cuh"
#include "cuda/rowwise/rowwise.cuh"

namespace nce::cuda {
namespace {

/// The lane's columns.
template <typename T, typename G>
struct RowColumns {
  const RowwiseParams& p;
  int64_t row;
  int64_t first;
  double x[kColumnsOfLane];
  double sums[kColumnsOfLane];

  NCE_DEVICE int64_t column(int c) const { return first + c * kWarpThreads; }
  NCE_DEVICE double overflow() const { return loss::overflow_of(p.gradient_dtype); }
  NCE_DEVICE void tell(Argument argument, int64_t at) const { tell_overflow(*p.call, argument, at); }

  /// What only rows of float64 may need.
  NCE_DEVICE static double enlarged(double value, double by) { return sizeof(T) < sizeof(double) ? value : value * by; }

  /// The distance of the row and its comparison k, both enlarged.
  NCE_DEVICE double enlarged_distance(int64_t k) const {
    const T* const from = row_at<T>(p.queries, row);
    const T* const to = other_at<T>(p, row, k);
    double sum = 0.0;
    NCE_NO_UNROLL
    for (int64_t d = threadIdx.x % kWarpThreads; d < p.dim; d += kWarpThreads) {
      const double difference = (wide(from[d]) - wide(to[d])) * loss::kEnlarged;
      sum += difference * difference;
    }
    return std::sqrt(combine_warp<Sum>(sum));
  }

  NCE_DEVICE void load(const loss::UnitFactors& factors) {
    const T* const from = row_at<T>(p.queries, row);
    NCE_UNROLL
    for (int c = 0; c < kColumnsOfLane; ++c) {
      x[c] = column(c) < p.dim ? times<T>(wide(from[column(c)]), factors) : 0.0;
      sums[c] = 0.0;
    }
  }

  NCE_DEVICE void add(int64_t k, const Pull& pull, double x_share) {
    const T* const from = other_at<T>(p, row, k);
    G* const to = other_gradient<G>(p, row, k);
    const loss::UnitFactors factors = factors_of<T>(pull.unit);
    NCE_UNROLL
    for (int c = 0; c < kColumnsOfLane; ++c) {
      if (column(c) >= p.dim) continue;
      const double y = times<T>(wide(from[column(c)]), factors);
      sums[c] += pull.push * (y - enlarged(x_share * x[c], factors.first));
      if (to == nullptr) continue;
      const double gradient =
          put(enlarged(pull.push * (factors.second * (x[c] - pull.shrink * y)), factors.first), to[column(c)], p.add);
      if (!(std::fabs(gradient) < overflow())) {
        tell(k == 0 ? Argument::kKeysGradient : Argument::kNegativesGradient, k == 0 ? row : negative_row(p, row, k));
      }
    }
  }

  NCE_DEVICE void store(const loss::UnitFactors& factors, double radial) {
    G* const to = gradient_at<G>(p.d_queries, row);
    if (to == nullptr) return;
    NCE_UNROLL
    for (int c = 0; c < kColumnsOfLane; ++c) {
      if (column(c) >= p.dim) continue;
      const double gradient =
          put(enlarged(factors.second * (sums[c] - radial * x[c]), factors.first), to[column(c)], p.add);
      if (!(std::fabs(gradient) < overflow())) tell(Argument::kQueriesGradient, row);
    }
  }
};

template <typename T, typename G>
__global__ void __launch_bounds__(kBlockThreads, 3) rowwise_gradients(const RowwiseParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const int64_t chunks = (p.dim + kColumnsOfWarp - 1) / kColumnsOfWarp;
  const int64_t step = int64_t{gridDim.x} * kBlockWarps;
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  const bool cosine = p.measure.base == loss::Base::kCosine;
  const bool rooted = p.measure.base == loss::Base::kDistance;
  const double x_share = cosine || p.measure.base == loss::Base::kDot ? 0.0 : 1.0;
  for (int64_t i = int64_t{blockIdx.x} * kBlockWarps + threadIdx.x / kWarpThreads; i < p.rows * chunks; i += step) {
    const int64_t row = i / chunks;
    if (left_to_floats(p, row)) continue;
    const double factor = p.reducer.factor(row, p.call->weight_sum);
    const loss::UnitFactors factors = cosine ? factors_of<T>(p.inverse_norms[row]) : loss::UnitFactors{1.0, 1.0};
    RowColumns<T, G> columns{p, row, (i - row * chunks) * kColumnsOfWarp + lane, {}, {}};
    columns.load(factors);
    double radial = 0.0;
    for (int64_t first = 0; first < p.comparisons_of_row; first += kWarpThreads) {
      Pull mine{0.0, 0.0, 0.0};
      if (first + lane < p.comparisons_of_row) mine = pull_of<T>(p, row, first + lane, factor);
      if (cosine) radial += mine.push * mine.shrink;
      const auto count =
          static_cast<int>(p.comparisons_of_row - first < kWarpThreads ? p.comparisons_of_row - first : kWarpThreads);
      for (int k = 0; k < count; ++k) {
        Pull pull{__shfl_sync(0xffffffffu, mine.push, k), __shfl_sync(0xffffffffu, mine.unit, k),
                  __shfl_sync(0xffffffffu, mine.shrink, k)};
        if constexpr (sizeof(T) == sizeof(double)) {
          if (rooted && pull.unit < 0.0) pull.push /= columns.enlarged_distance(first + k);
        }
        columns.add(first + k, pull, x_share);
      }
    }
    columns.store(factors, combine_warp<Sum>(radial));
  }
}

/// A block a part of the rows.
__global__ void sum_temperature_slopes(const RowwiseParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const Range part = part_of(p.rows, blockIdx.x, gridDim.x);
  double sum = 0.0;
  for (int64_t row = part.begin + threadIdx.x; row < part.end; row += kBlockThreads) {
    sum += p.reducer.factor(row, p.call->weight_sum) * p.terms[row].temperature_slope;
  }
  sum = combine_block<Sum>(sum);
  if (threadIdx.x == 0) p.slopes[blockIdx.x] = sum;
}

__global__ void write_number_gradients(const RowwiseParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const double sum = combine_block<Sum>(threadIdx.x < parts_of(p.rows) ? p.slopes[threadIdx.x] : 0.0);
  if (threadIdx.x != 0) return;
  if (p.d_bias != nullptr && !p.add) *p.d_bias = 0.0;
  if (p.d_temperature == nullptr) return;
  const double gradient = put(p.call->temperature_factor * sum, *p.d_temperature, p.add);
  if (!is_finite(gradient)) tell_overflow(*p.call, Argument::kTemperatureGradient, 0);
}

template <typename T, typename G>
void launch_gradients(const RowwiseParams& params, cudaStream_t stream) {
  const int64_t warps = params.rows * ((params.dim + kColumnsOfWarp - 1) / kColumnsOfWarp);
  const dim3 grid = blocks_of(most_warps(warps), kBlockWarps);
  launch({"rowwise_gradients", grid, kBlockThreads, 0, stream}, rowwise_gradients<T, G>, params);
}

}  // namespace

void launch_row_gradients(const RowwiseParams& params, cudaStream_t stream) {
  if (params.d_temperature != nullptr || params.d_bias != nullptr) {
    const dim3 parts(static_cast<unsigned>(parts_of(params.rows)));
    launch({"sum_temperature_slopes", parts, kBlockThreads, kReduceBytes, stream}, sum_temperature_slopes, params);
    launch({"write_number_gradients", dim3(1), kBlockThreads, kReduceBytes, stream}, write_number_gradients, params);
  }
  if (params.d_queries.data == nullptr && params.d_keys.data == nullptr && params.d_negatives.data == nullptr) return;
  if (params.out_of_range != nullptr) launch_row_gradients_twofold(params, stream);
  with_element(params.dtype, [&](auto element) {
    using T = decltype(element);
    if constexpr (sizeof(T) == 2) {
      if (params.gradient_dtype == NCE_DTYPE_FLOAT32) return launch_gradients<T, float>(params, stream);
    }
    launch_gradients<T, T>(params, stream);
  });
}

}  // namespace nce::cuda
