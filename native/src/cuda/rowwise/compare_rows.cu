// Norms of queries, and the comparisons of all rows, or of those that floats have no range for: a warp each.

#include "cuda/rowwise/rowwise.cuh"

namespace nce::cuda {
namespace {

/// Squares of finite narrower numbers stay in the range of double.
template <typename T>
NCE_DEVICE bool squares_fit(double sum) {
  return sizeof(T) < sizeof(double) || loss::squares_fit(sum);
}
template <typename T>
NCE_DEVICE bool row_fits(double inverse_norm) {
  return sizeof(T) < sizeof(double) || loss::row_fits(inverse_norm);
}

NCE_DEVICE int64_t lane() { return threadIdx.x % kWarpThreads; }

/// The lane's numbers get(d), summed over the warp.
template <typename Get>
NCE_DEVICE double sum_over(int64_t dim, const Get& get) {
  double sum = 0.0;
  for (int64_t d = lane(); d < dim; d += kWarpThreads) sum += get(d);
  return combine_warp<Sum>(sum);
}

/// |get|, summed relative to the largest; not finite if one of them is not.
template <typename Get>
NCE_DEVICE double scaled_norm(int64_t dim, const Get& get) {
  double largest = 0.0;
  int wrong = 0;
  for (int64_t d = lane(); d < dim; d += kWarpThreads) {
    const double size = std::fabs(get(d));
    if (!is_finite(size)) wrong = 1;
    largest = Largest()(largest, size);
  }
  if (__any_sync(0xffffffffu, wrong) != 0) return HUGE_VAL;
  largest = combine_warp<Largest>(largest);
  if (largest == 0.0) return 0.0;
  const int exponent = std::ilogb(largest);
  const double squares = sum_over(dim, [&](int64_t d) {
    const double x = std::ldexp(get(d), -exponent);
    return x * x;
  });
  return std::ldexp(std::sqrt(squares), exponent);
}

/// As loss::inverse_norm_of has it; NaN for a row that is not finite.
template <typename T, typename Get>
NCE_DEVICE double inverse_norm(double squares, int64_t dim, const Get& get) {
  const double norm = squares_fit<T>(squares) ? std::sqrt(squares) : scaled_norm(dim, get);
  if (!is_finite(norm)) return std::nan("");
  if constexpr (sizeof(T) < sizeof(double)) return norm == 0.0 ? 0.0 : 1.0 / norm;
  return loss::inverse_norm_of(norm, [&] {
    return std::sqrt(sum_over(dim, [&](int64_t d) {
      const double x = get(d) * loss::kEnlarged;
      return x * x;
    }));
  });
}

template <typename T>
__global__ void measure_queries(const RowwiseParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const int64_t row = int64_t{blockIdx.x} * kBlockWarps + threadIdx.x / kWarpThreads;
  if (row >= p.rows || left_to_floats(p, row)) return;
  const T* const x = row_at<T>(p.queries, row);
  const auto get = [&](int64_t d) { return wide(x[d]); };
  const double squares = sum_over(p.dim, [&](int64_t d) { return get(d) * get(d); });
  const double result = inverse_norm<T>(squares, p.dim, get);
  if (lane() == 0) p.inverse_norms[row] = result;
}

struct ComparedSums {
  double dot;
  double squared_difference;
  double squares;  ///< of y
};

template <typename T>
NCE_DEVICE ComparedSums compared_sums(const T* x, const loss::UnitFactors& x_factors, const T* y, int64_t dim) {
  ComparedSums sums{0.0, 0.0, 0.0};
  for (int64_t d = lane(); d < dim; d += kWarpThreads) {
    const double a = times<T>(wide(x[d]), x_factors);
    const double b = wide(y[d]);
    sums.dot += a * b;
    sums.squared_difference += (a - b) * (a - b);
    sums.squares += b * b;
  }
  return {combine_warp<Sum>(sums.dot), combine_warp<Sum>(sums.squared_difference), combine_warp<Sum>(sums.squares)};
}

/// The measure of x and y, and their cosine.
template <typename T>
NCE_DEVICE Comparison compare(const RowwiseParams& p, const T* x, double x_inverse, const T* y, double& cosine) {
  const loss::Measure& measure = p.measure;
  const bool is_cosine = measure.base == loss::Base::kCosine;
  const loss::UnitFactors of_x = factors_of<T>(x_inverse);
  const ComparedSums sums = compared_sums(x, is_cosine ? of_x : loss::UnitFactors{1.0, 1.0}, y, p.dim);
  Comparison comparison{0.0, inverse_norm<T>(sums.squares, p.dim, [&](int64_t d) { return wide(y[d]); })};
  const loss::UnitFactors of_y = factors_of<T>(comparison.inverse_norm);
  const auto x_at = [&](int64_t d) { return times<T>(wide(x[d]), of_x); };
  const auto y_at = [&](int64_t d) { return times<T>(wide(y[d]), of_y); };
  if (squares_fit<T>(sums.squares) && (is_cosine || row_fits<T>(x_inverse))) {
    cosine = sums.dot * of_y.second;
    if (!is_cosine) cosine *= x_inverse;
  } else {
    cosine = sum_over(p.dim, [&](int64_t d) { return x_at(d) * y_at(d); });
  }
  double base = 0.0;
  switch (measure.base) {
    case loss::Base::kCosine:
      // 1 - cosine of near vectors would cancel; |x^ - y^|^2 / 2 is the same number with all its digits.
      if (measure.sign < 0.0 && cosine > 0.5) {
        comparison.value = 0.5 * sum_over(p.dim, [&](int64_t d) {
                             const double difference = x_at(d) - y_at(d);
                             return difference * difference;
                           });
        return comparison;
      }
      base = cosine;
      break;
    case loss::Base::kDot:
      base = sums.dot;
      break;
    case loss::Base::kDistance:
    case loss::Base::kSquaredDistance: {
      const bool fit = squares_fit<T>(sums.squared_difference);
      const double distance = fit ? std::sqrt(sums.squared_difference)
                                  : scaled_norm(p.dim, [&](int64_t d) { return wide(x[d]) - wide(y[d]); });
      base = measure.base == loss::Base::kDistance ? distance : fit ? sums.squared_difference : distance * distance;
      break;
    }
  }
  comparison.value = measure.offset + measure.sign * base;
  return comparison;
}

template <typename T>
__global__ void compare_rows(const RowwiseParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const int64_t count = p.rows * p.comparisons_of_row;
  const int64_t step = int64_t{gridDim.x} * kBlockWarps;
  for (int64_t i = int64_t{blockIdx.x} * kBlockWarps + threadIdx.x / kWarpThreads; i < count; i += step) {
    const int64_t row = i / p.comparisons_of_row;
    if (left_to_floats(p, row)) continue;
    double cosine = 0.0;
    const Comparison comparison = compare(p, row_at<T>(p.queries, row), p.inverse_norms[row],
                                          other_at<T>(p, row, i - row * p.comparisons_of_row), cosine);
    if (lane() == 0) {
      p.comparisons[i] = comparison;
      if (p.cosines != nullptr) p.cosines[i] = cosine;
    }
  }
}

}  // namespace

void launch_compare_rows(const RowwiseParams& params, cudaStream_t stream) {
  if (params.out_of_range != nullptr) launch_compare_rows_twofold(params, stream);
  const int64_t warps = most_warps(params.rows * params.comparisons_of_row);
  with_element(params.dtype, [&](auto element) {
    using T = decltype(element);
    launch({"measure_queries", blocks_of(params.rows, kBlockWarps), kBlockThreads, 0, stream}, measure_queries<T>,
           params);
    launch({"compare_rows", blocks_of(warps, kBlockWarps), kBlockThreads, 0, stream}, compare_rows<T>, params);
  });
}

}  // namespace nce::cuda
