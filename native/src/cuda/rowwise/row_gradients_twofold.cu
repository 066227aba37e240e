// Gradients as row_gradients.cu has them, for elements of at most 32 bits, in twofold floats: coefficients once a
// comparison, in double, a thread each; then products and sums of elements without a double among them. Rows that were
// marked as out of range are left to row_gradients.cu.

#include "cuda/overflow.cuh"
#include "cuda/rowwise/rowwise.cuh"
#include "cuda/rowwise/twofold.cuh"

namespace nce::cuda {
namespace {

/// The power of two of a number's size; 0 for what has none.
NCE_DEVICE int exponent_of(double size) { return size > 0.0 && is_finite(size) ? std::ilogb(size) : 0; }

/// The largest slope of a row, or one that no other is above: without a teacher that of the positive, unless there is
/// one negative.
NCE_DEVICE double largest_slope(const RowwiseParams& p, int64_t row) {
  if (p.taught_slopes != nullptr) return p.terms[row].maximum;
  const auto slope = [&](int64_t k) { return std::fabs(slope_of(p, row, k)); };
  return p.comparisons_of_row == 2 ? Largest()(slope(0), slope(1)) : slope(0);
}

/// A thread for each comparison.
__global__ void find_pulls(const RowwiseParams p) {
  const int64_t i = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (p.call->status != NCE_STATUS_OK || i >= p.rows * p.comparisons_of_row) return;
  const int64_t row = i / p.comparisons_of_row;
  if (p.out_of_range[row] != 0) return;
  const double factor = p.reducer.factor(row, p.call->weight_sum);
  const Pull pull = pull_of<float>(p, row, i - row * p.comparisons_of_row, factor);
  const bool cosine = p.measure.base == loss::Base::kCosine;
  const double x_unit = cosine ? p.inverse_norms[row] : 1.0;
  const double cross = pull.push * pull.unit * x_unit;
  const double own = pull.push * pull.shrink * pull.unit * pull.unit;
  const double query = cosine ? pull.push * pull.shrink * x_unit * x_unit : 0.0;
  const int exponent = exponent_of(Largest()(std::fabs(cross), std::fabs(own)));
  const int row_exponent = exponent_of(std::fabs(factor) * largest_slope(p, row));
  p.pulls[i] = {twofold_of(std::ldexp(cross, -exponent)), twofold_of(std::ldexp(own, -exponent)),
                twofold_of(std::ldexp(query, -row_exponent)), exponent, row_exponent};
}

NCE_DEVICE int clamped(int exponent) { return exponent < -126 ? -126 : exponent > 127 ? 127 : exponent; }
/// 2^exponent, within what float has.
NCE_DEVICE float power(int exponent) { return __uint_as_float(static_cast<unsigned>(clamped(exponent) + 127) << 23); }

/// A multiplication by 2^exponent, also where float lacks that number.
struct Scale {
  float first, second;

  NCE_DEVICE explicit Scale(int exponent) : first(power(exponent)), second(power(exponent - clamped(exponent))) {}
  NCE_DEVICE float of(const Twofold& a) const { return nearest(a) * first * second; }

  /// The same and a number, rounded once.
  NCE_DEVICE float of(const Twofold& a, float more) const {
    const Twofold sum = exact_sum(a.high * first * second, more);
    // Of infinity, what rounding took is no number.
    return is_finite(sum.high) ? nearest({sum.high, sum.low + a.low * first * second}) : sum.high;
  }
};

/// The lane's columns.
template <typename T, typename G>
struct TwofoldColumns {
  const RowwiseParams& p;
  int64_t row;
  int64_t first;
  float overflow;
  float x[kColumnsOfLane];
  Twofold sums[kColumnsOfLane];

  NCE_DEVICE int64_t column(int c) const { return first + c * kWarpThreads; }

  NCE_DEVICE void load() {
    const T* const from = row_at<T>(p.queries, row);
    NCE_UNROLL
    for (int c = 0; c < kColumnsOfLane; ++c) {
      x[c] = column(c) < p.dim ? single(from[column(c)]) : 0.0f;
      sums[c] = {0.0f, 0.0f};
    }
  }

  NCE_DEVICE void write(const Scale& scale, const Twofold& scaled, G& to, Argument argument, int64_t at) const {
    const float gradient = p.add ? scale.of(scaled, single(to)) : scale.of(scaled);
    narrow(gradient, to);
    if (!(std::fabs(gradient) < overflow)) tell_overflow(*p.call, argument, at);
  }

  /// kDifference: the row and the other are subtracted before anything else, as distances want it.
  template <bool kDifference>
  NCE_DEVICE void add(int64_t k, const TwofoldPull& pull) {
    const T* const from = other_at<T>(p, row, k);
    G* const to = other_gradient<G>(p, row, k);
    const Scale scale(pull.exponent);
    const float share = power(pull.exponent - pull.row_exponent);
    NCE_UNROLL
    for (int c = 0; c < kColumnsOfLane; ++c) {
      if (column(c) >= p.dim) continue;
      const float y = single(from[column(c)]);
      const Twofold mine = kDifference ? pull.cross * exact_sum(y, -x[c]) : pull.cross * y;
      sums[c] = sums[c] + Twofold{mine.high * share, mine.low * share};
      if (to == nullptr) continue;
      const Twofold other = kDifference ? -mine : pull.cross * x[c] + -(pull.own * y);
      write(scale, other, to[column(c)], k == 0 ? Argument::kKeysGradient : Argument::kNegativesGradient,
            k == 0 ? row : negative_row(p, row, k));
    }
  }

  NCE_DEVICE void store(const Twofold& radial, int row_exponent) {
    G* const to = gradient_at<G>(p.d_queries, row);
    if (to == nullptr) return;
    const Scale scale(row_exponent);
    NCE_UNROLL
    for (int c = 0; c < kColumnsOfLane; ++c) {
      if (column(c) >= p.dim) continue;
      write(scale, sums[c] + -(radial * x[c]), to[column(c)], Argument::kQueriesGradient, row);
    }
  }
};

template <typename T, typename G>
__global__ void __launch_bounds__(kBlockThreads, 3) rowwise_gradients_twofold(const RowwiseParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const int64_t chunks = (p.dim + kColumnsOfWarp - 1) / kColumnsOfWarp;
  const int64_t step = int64_t{gridDim.x} * kBlockWarps;
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  const bool cosine = p.measure.base == loss::Base::kCosine;
  const bool difference = p.measure.base == loss::Base::kDistance || p.measure.base == loss::Base::kSquaredDistance;
  const auto overflow = static_cast<float>(loss::overflow_of(p.gradient_dtype));
  for (int64_t i = int64_t{blockIdx.x} * kBlockWarps + threadIdx.x / kWarpThreads; i < p.rows * chunks; i += step) {
    const int64_t row = i / chunks;
    if (p.out_of_range[row] != 0) continue;
    const TwofoldPull* const pulls = p.pulls + row * p.comparisons_of_row;
    TwofoldColumns<T, G> columns{p, row, (i - row * chunks) * kColumnsOfWarp + lane, overflow, {}, {}};
    columns.load();
    Twofold radial{0.0f, 0.0f};
    if (cosine) {
      for (int64_t k = lane; k < p.comparisons_of_row; k += kWarpThreads) radial = radial + pulls[k].query;
      radial = sum_warp(radial);
    }
    for (int64_t k = 0; k < p.comparisons_of_row; ++k) {
      if (difference) {
        columns.template add<true>(k, pulls[k]);
      } else {
        columns.template add<false>(k, pulls[k]);
      }
    }
    columns.store(radial, pulls[0].row_exponent);
  }
}

template <typename T, typename G>
void launch_gradients(const RowwiseParams& params, cudaStream_t stream) {
  const int64_t chunks = (params.dim + kColumnsOfWarp - 1) / kColumnsOfWarp;
  launch(
      {"rowwise_gradients_twofold", blocks_of(most_warps(params.rows * chunks), kBlockWarps), kBlockThreads, 0, stream},
      rowwise_gradients_twofold<T, G>, params);
}

}  // namespace

void launch_row_gradients_twofold(const RowwiseParams& params, cudaStream_t stream) {
  launch({"find_pulls", blocks_of(params.rows * params.comparisons_of_row, kBlockThreads), kBlockThreads, 0, stream},
         find_pulls, params);
  with_narrow_element(params.dtype, [&](auto element) {
    using T = decltype(element);
    if constexpr (sizeof(T) == 2) {
      if (params.gradient_dtype == NCE_DTYPE_FLOAT32) return launch_gradients<T, float>(params, stream);
    }
    launch_gradients<T, T>(params, stream);
  });
}

}  // namespace nce::cuda
