// From sums of G Y to the caller's gradient: slots in their order, positives, back through the norm or the distance.

#include "cuda/dense/rows.cuh"
#include "cuda/overflow.cuh"
#include "cuda/reduce.cuh"

namespace nce::cuda::dense {
namespace {

/// How rows are read. What is not of planes is the caller's.
template <Arithmetic kOf, bool kPacked>
struct Way {
  static constexpr Arithmetic kArithmetic = kOf;
  static constexpr bool kOfPlanes = kPacked;
};

/// A row of PackedRows.
template <typename Way>
class PackedRow {
  using Rows = Packed<Way::kArithmetic>;

 public:
  /// Row -1 is none.
  NCE_DEVICE PackedRow(const PackedRows& rows, int32_t planes, int64_t row) : rows_(rows) {
    if (row < 0) return;
    if constexpr (Way::kOfPlanes) {
      high_ = static_cast<const typename Rows::Element*>(rows.planes) + row * rows.pitch;
      if (planes == 2) low_ = high_ + rows.plane_stride;
      if (rows.scales != nullptr) scale_ = static_cast<double>(rows.scales[row]);
    } else {
      caller_ = CallerRow(rows.caller, row);
    }
  }

  NCE_DEVICE bool is_there() const { return high_ != nullptr || caller_.elements != nullptr; }

  NCE_DEVICE double at(int64_t d) const {
    if constexpr (Way::kOfPlanes) {
      constexpr double kUnit = 1.0 / Rows::kScale;
      double x = wide(high_[d]);
      if (low_ != nullptr) x += wide(low_[d]);
      return x * scale_ * kUnit;
    } else {
      return element(rows_.caller, caller_, d);
    }
  }

 private:
  const PackedRows& rows_;
  const typename Rows::Element* high_ = nullptr;
  const typename Rows::Element* low_ = nullptr;
  double scale_ = 1.0;
  CallerRow caller_;
};

NCE_DEVICE void* gradient_row(const RowTarget& target, int64_t i) {
  const bool first = i < target.first_rows;
  void* const matrix = first ? target.first : target.second;
  if (matrix == nullptr) return nullptr;
  const int64_t offset = first ? i * target.first_stride : (i - target.first_rows) * target.second_stride;
  return static_cast<unsigned char*>(matrix) + offset * loss::dtype_bytes(target.dtype);
}

NCE_DEVICE void write(void* row, nce_dtype dtype, int64_t d, double x) {
  switch (dtype) {
    case NCE_DTYPE_FLOAT64:
      return narrow(x, static_cast<double*>(row)[d]);
    case NCE_DTYPE_FLOAT16:
      return narrow(x, static_cast<Float16*>(row)[d]);
    case NCE_DTYPE_BFLOAT16:
      return narrow(x, static_cast<Bfloat16*>(row)[d]);
    case NCE_DTYPE_FLOAT32:
      break;
  }
  narrow(x, static_cast<float*>(row)[d]);
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
template <typename Way>
NCE_DEVICE double pulled(const FinishGradientParams& p, const Row& row, const PackedRow<Way>& positive, int64_t d) {
  using Real = typename Packed<Way::kArithmetic>::Real;
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
template <typename Way>
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
  const PackedRow<Way> x(p.x, p.planes, i);
  const PackedRow<Way> positive(p.positives, p.planes, positive_row);
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
  const double inverse = cosine ? inverse_length(p.norms.length[i]) * factor : factor;
  const double scale = cosine ? p.norms.scale[i] : 1.0;
  const double overflow = loss::overflow_of(p.target.dtype);
  bool beyond = false;
  for (int64_t d = lane; d < p.dim; d += kWarpThreads) {
    double gradient = pulled(p, row, positive, d);
    if (p.similarity != NCE_SIMILARITY_DOT) gradient -= along * x.at(d);
    gradient = gradient * inverse * scale;
    write(to, p.target.dtype, d, gradient);
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
      return launch(how, finish_gradient<Way<Arithmetic::kTensorFloat16, true>>, params);
    case Arithmetic::kTensorBfloat16:
      return launch(how, finish_gradient<Way<Arithmetic::kTensorBfloat16, true>>, params);
    case Arithmetic::kFloat32:
      return launch(how, finish_gradient<Way<Arithmetic::kFloat32, true>>, params);
    case Arithmetic::kFloat64:
      if (params.from_caller) return launch(how, finish_gradient<Way<Arithmetic::kFloat64, false>>, params);
      return launch(how, finish_gradient<Way<Arithmetic::kFloat64, true>>, params);
  }
}

}  // namespace nce::cuda::dense
