// From sums of G Y to the caller's gradient: slots in their order, positives, back through the norm or the distance.

#include "cuda/dense/rows.cuh"
#include "cuda/overflow.cuh"
#include "cuda/reduce.cuh"

namespace nce::cuda::dense {
namespace {

/// A row of PackedRows: the same numbers from planes as from the caller's elements.
template <Arithmetic kArithmetic>
class PackedRow {
  using Element = typename Packed<kArithmetic>::Element;

 public:
  /// Row -1 is none.
  NCE_DEVICE PackedRow(const FinishGradientParams& p, const PackedRows& rows, int64_t row)
      : dtype_(rows.source.dtype), center_(p.center), two_(p.planes == 2) {
    if (row < 0) return;
    if (rows.planes == nullptr) {
      caller_ = row_of(rows.source, row);
      factors_ = row_factors<kArithmetic>(p.packing, rows.norms, row);
      return;
    }
    high_ = static_cast<const Element*>(rows.planes) + row * rows.pitch;
    low_ = high_ + rows.plane_stride;
    if (rows.scales != nullptr) factors_.scale = static_cast<double>(rows.scales[row]);
  }

  NCE_DEVICE bool is_there() const { return high_ != nullptr || caller_ != nullptr; }

  NCE_DEVICE double at(int64_t d) const {
    constexpr double kUnit = 1.0 / Packed<kArithmetic>::kScale;
    double sum = 0.0;
    if (high_ != nullptr) {
      sum = wide(high_[d]);
      if (two_) sum += wide(low_[d]);
    } else {
      double x = element(caller_, dtype_, d);
      if (center_ != nullptr) x -= center_[d];
      const PackedElement<kArithmetic> packed(x, factors_);
      sum = wide(packed.high);
      if (two_) sum += wide(packed.low);
    }
    // Scales are floats, whoever has made them.
    return sum * static_cast<double>(static_cast<float>(factors_.scale)) * kUnit;
  }

 private:
  const nce_dtype dtype_;
  const double* const center_;
  const bool two_;
  const Element* high_ = nullptr;
  const Element* low_ = nullptr;
  const void* caller_ = nullptr;
  RowFactors factors_{1.0, 1.0, 1.0};
};

NCE_DEVICE void* gradient_row(const RowTarget& target, int64_t i) {
  const bool first = i < target.first_rows;
  void* const matrix = first ? target.first : target.second;
  if (matrix == nullptr) return nullptr;
  const int64_t offset = first ? i * target.first_stride : (i - target.first_rows) * target.second_stride;
  return static_cast<unsigned char*>(matrix) + offset * loss::dtype_bytes(target.dtype);
}

/// As put() has it.
NCE_DEVICE double put_element(double x, void* row, nce_dtype dtype, int64_t d, bool add) {
  switch (dtype) {
    case NCE_DTYPE_FLOAT64:
      return put(x, static_cast<double*>(row)[d], add);
    case NCE_DTYPE_FLOAT16:
      return put(x, static_cast<Float16*>(row)[d], add);
    case NCE_DTYPE_BFLOAT16:
      return put(x, static_cast<Bfloat16*>(row)[d], add);
    case NCE_DTYPE_FLOAT32:
      break;
  }
  return put(x, static_cast<float*>(row)[d], add);
}

/// A row's own numbers.
struct Row {
  int64_t i;
  double positive_coefficient;
  double sums_factor;
  int64_t first_sum;  ///< rows of sums and their distance: one in each slot that the row's tile has
  int64_t last_sum;
  int64_t step;
};

/// Sum over negatives and positive of G y, element d.
template <Arithmetic kArithmetic>
NCE_DEVICE double pulled(const FinishGradientParams& p, const Row& row, const PackedRow<kArithmetic>& positive,
                         int64_t d) {
  using Real = typename Packed<kArithmetic>::Real;
  double sum = 0.0;
  if (p.sums != nullptr) {
    const Real* const sums = static_cast<const Real*>(p.sums) + d;
    for (int64_t at = row.first_sum; at <= row.last_sum; at += row.step) sum += wide(sums[at * p.x.pitch]);
    sum *= row.sums_factor;
  }
  if (positive.is_there()) sum += row.positive_coefficient * positive.at(d);
  return sum;
}

/// A warp a row.
template <Arithmetic kArithmetic>
__global__ void finish_gradient(const FinishGradientParams p) {
  const int64_t i = p.begin + int64_t{blockIdx.x} * kBlockWarps + threadIdx.x / kWarpThreads;
  if (!concerns(p.call, p.method) || i >= p.end) return;
  void* const to = gradient_row(p.target, i);
  if (to == nullptr) return;
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  CallState& call = *p.call;

  Row row{i, 0.0, p.sums_factor, 0, -1, p.tile_rows};
  if (p.sums != nullptr) {
    const int64_t tile = (i - p.begin) / p.tile_rows;
    const int64_t in_tile = (i - p.begin) % p.tile_rows;
    row.first_sum = p.cut.first_slot(tile) * p.tile_rows + in_tile;
    row.last_sum = p.cut.last_slot(tile) * p.tile_rows + in_tile;
  }
  if (p.y_range != nullptr) row.sums_factor *= power_of_two(row_exponent(p.y_range->largest));
  int64_t positive_row = -1;
  if (i < p.positive_rows) {
    positive_row = p.views_half == 0 ? i : i < p.views_half ? i + p.views_half : i - p.views_half;
    row.positive_coefficient = p.positive_coefficients[i];
  }
  const PackedRow<kArithmetic> x(p, p.x, i);
  const PackedRow<kArithmetic> positive(p, p.positives, positive_row);
  const bool cosine = p.similarity == NCE_SIMILARITY_COSINE;
  double along = 0.0;  // how much of the row itself is to be taken away
  if (cosine) {
    for (int64_t d = lane; d < p.dim; d += kWarpThreads) {
      along += pulled(p, row, positive, d) * x.at(d);
    }
    along = combine_warp<Sum>(along);
  } else if (p.similarity != NCE_SIMILARITY_DOT) {
    for (int64_t at = row.first_sum; at <= row.last_sum; at += row.step) along += p.g_sums[at];
    along += row.positive_coefficient;
  }
  const double twice = p.similarity == NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN ? 2.0 : 1.0;
  const double factor = twice * call.largest_slope / call.tau;
  // Two steps, since 1 / |x| alone may overflow.
  const double inverse = cosine ? inverse_length(p.x.norms.length[i]) * factor : factor;
  const double scale = cosine ? p.x.norms.scale[i] : 1.0;
  const double overflow = loss::overflow_of(p.target.dtype);
  bool beyond = false;
  for (int64_t d = lane; d < p.dim; d += kWarpThreads) {
    double gradient = pulled(p, row, positive, d);
    if (p.similarity != NCE_SIMILARITY_DOT) gradient -= along * x.at(d);
    gradient = put_element(gradient * inverse * scale, to, p.target.dtype, d, p.target.add);
    beyond = beyond || !(std::fabs(gradient) < overflow);  // also where it is no number
  }
  if (!beyond) return;
  const bool first = i < p.target.first_rows;
  tell_overflow(call, first ? p.argument : p.second_argument, first ? p.first_row + i : i - p.target.first_rows);
}

}  // namespace

void launch_finish_gradient(const FinishGradientParams& params, Arithmetic arithmetic, cudaStream_t stream) {
  if (params.begin == params.end || !params.target.wanted()) return;
  const Launch how{"finish_gradient", blocks_of(params.end - params.begin, kBlockWarps), kBlockThreads, 0, stream};
  switch (arithmetic) {
    case Arithmetic::kTensorFloat16:
      return launch(how, finish_gradient<Arithmetic::kTensorFloat16>, params);
    case Arithmetic::kTensorBfloat16:
      return launch(how, finish_gradient<Arithmetic::kTensorBfloat16>, params);
    case Arithmetic::kFloat32:
      return launch(how, finish_gradient<Arithmetic::kFloat32>, params);
    case Arithmetic::kFloat64:
      return launch(how, finish_gradient<Arithmetic::kFloat64>, params);
  }
}

}  // namespace nce::cuda::dense
