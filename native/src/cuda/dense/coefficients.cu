// The coefficients of the gradient: by what e^z of row i is multiplied. All are divided by the largest slope, so that
// gradients as small as 1e-50 pass through float; the last step multiplies by it.

#include "cuda/dense/rows.cuh"
#include "cuda/overflow.cuh"
#include "cuda/reduce.cuh"

namespace nce::cuda::dense {
namespace {

/// The derivative of the caller's objective by the loss of row i, or of column i.
NCE_DEVICE double factor_of(const CoefficientsParams& p, int64_t i) {
  const double factor = p.reducer.factor(i, p.call->weight_sum);
  return p.column_lse != nullptr ? 0.5 * factor : factor;
}

NCE_DEVICE loss::Masses masses_of(const CoefficientsParams& p, const loss::LogSum* lse, int64_t i) {
  return loss::masses_of(p.rule, lse[i], p.positive[i], scaling_of(*p.call), offset_of(p.offsets, i));
}

NCE_DEVICE loss::LabelledMasses labelled_masses_of(const CoefficientsParams& p, int64_t i) {
  return loss::labelled_masses(p.rule, p.row_lse[i], p.positive_lse[i], p.positive_count[i], p.call->tau);
}

__global__ void slope_rows(const CoefficientsParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const Range part = part_of(p.rows, blockIdx.x, gridDim.x);
  double temperature = 0.0, bias = 0.0, largest = 0.0;
  for (int64_t i = part.begin + threadIdx.x; i < part.end; i += kBlockThreads) {
    const double factor = factor_of(p, i);
    double slope = p.row_slope[i];
    if (p.positive_count != nullptr) {
      largest = Largest()(largest, loss::largest_slope(factor, labelled_masses_of(p, i)));
      temperature += factor * slope;
      continue;
    }
    const loss::Masses masses = masses_of(p, p.row_lse, i);
    const double sigmoid = loss::largest_sigmoid(p.bias_slope, i, masses.positive);
    largest = Largest()(largest, loss::largest_slope(p.rule.function, factor, masses, sigmoid));
    if (p.column_lse != nullptr) {
      slope += p.column_slope[i];
      largest = Largest()(largest, loss::largest_slope(p.rule.function, factor, masses_of(p, p.column_lse, i), 1.0));
    }
    temperature += factor * slope;
    if (p.bias_slope != nullptr) bias += factor * p.bias_slope[i];
  }
  temperature = combine_block<Sum>(temperature);
  bias = combine_block<Sum>(bias);
  largest = combine_block<Largest>(largest);
  if (threadIdx.x == 0) p.totals[blockIdx.x] = {temperature, bias, largest};
}

__global__ void finish_slopes(const CoefficientsParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const bool mine = threadIdx.x < parts_of(p.rows);
  const double temperature = combine_block<Sum>(mine ? p.totals[threadIdx.x].temperature : 0.0);
  const double bias = combine_block<Sum>(mine ? p.totals[threadIdx.x].bias : 0.0);
  const double largest = combine_block<Largest>(mine ? p.totals[threadIdx.x].largest : 0.0);
  if (threadIdx.x != 0) return;
  p.call->largest_slope = largest;
  if (p.d_bias != nullptr && !(p.add && p.bias_slope == nullptr)) {
    if (!is_finite(put(bias, *p.d_bias, p.add))) tell_overflow(*p.call, Argument::kBiasGradient, 0);
  }
  if (p.d_temperature == nullptr) return;
  const double gradient = put(temperature * p.call->temperature_factor, *p.d_temperature, p.add);
  if (!is_finite(gradient)) tell_overflow(*p.call, Argument::kTemperatureGradient, 0);
}

NCE_DEVICE loss::Coefficients coefficients_of(const CoefficientsParams& p, const loss::LogSum* lse, int64_t i) {
  return loss::coefficients_of(p.rule, lse[i], masses_of(p, lse, i), factor_of(p, i), p.call->largest_slope,
                               scaling_of(*p.call));
}

/// The coefficients of row and column i.
struct Both {
  loss::Coefficients row, column;

  NCE_DEVICE Both(const CoefficientsParams& p, int64_t i)
      : row(coefficients_of(p, p.row_lse, i)),
        column(p.column_lse == nullptr ? loss::Coefficients{} : coefficients_of(p, p.column_lse, i)) {}

  NCE_DEVICE double positive() const { return row.positive + column.positive; }
};

template <typename Real>
__global__ void find_coefficients(const CoefficientsParams p) {
  if (!concerns(p.call, p.method)) return;
  const int64_t i = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  loss::Coefficients row{}, column{};
  double positive = 0.0;
  if (i < p.rows) {
    const Both both(p, i);
    row = both.row;
    column = both.column;
    positive = both.positive();
    // Both views of a tower feel both of their losses.
    if (p.views_half > 0) positive += Both(p, i < p.views_half ? i + p.views_half : i - p.views_half).positive();
    if (p.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN) {
      const double distance = -p.positive[i];
      positive = distance == 0.0 ? 0.0 : positive / distance;
    }
  }
  if (i < p.x_allocated) {
    static_cast<Real*>(p.x_coefficients)[i] = static_cast<Real>(row.a);
    static_cast<Real*>(p.x_references)[i] = static_cast<Real>(row.reference);
    p.positive_coefficients[i] = positive;
  }
  const bool columns = p.column_lse != nullptr || p.columns_as_rows;
  if (columns && i < p.y_allocated) {
    const double a = p.columns_as_rows ? row.a : column.a;
    const double reference = p.columns_as_rows ? row.reference : column.reference;
    static_cast<Real*>(p.y_coefficients)[i] = static_cast<Real>(a);
    static_cast<Real*>(p.y_references)[i] = static_cast<Real>(reference);
  }
}

template <typename Real>
__global__ void find_labelled_coefficients(const CoefficientsParams p) {
  if (!concerns(p.call, p.method)) return;
  const int64_t i = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (i >= p.x_allocated) return;
  loss::LabelledCoefficients of{};
  if (i < p.rows) {
    of = loss::labelled_coefficients(p.row_lse[i], p.positive_lse[i], p.positive_count[i], labelled_masses_of(p, i),
                                     factor_of(p, i), p.call->largest_slope, scaling_of(*p.call));
  }
  static_cast<Real*>(p.x_coefficients)[i] = static_cast<Real>(of.a);
  static_cast<Real*>(p.x_references)[i] = static_cast<Real>(of.reference);
  static_cast<Real*>(p.positive_as)[i] = static_cast<Real>(of.positive_a);
  static_cast<Real*>(p.positive_references)[i] = static_cast<Real>(of.positive_reference);
  static_cast<Real*>(p.positive_constants)[i] = static_cast<Real>(of.constant);
}

}  // namespace

void launch_slopes(const CoefficientsParams& params, cudaStream_t stream) {
  const auto parts = static_cast<unsigned>(parts_of(params.rows));
  launch({"slope_rows", dim3(parts), kBlockThreads, kReduceBytes, stream}, slope_rows, params);
  launch({"finish_slopes", dim3(1), kBlockThreads, kReduceBytes, stream}, finish_slopes, params);
}

void launch_coefficients(const CoefficientsParams& params, Arithmetic arithmetic, cudaStream_t stream) {
  const int64_t threads = params.x_allocated > params.y_allocated ? params.x_allocated : params.y_allocated;
  const bool labelled = params.positive_count != nullptr;
  const Launch how{labelled ? "find_labelled_coefficients" : "find_coefficients", blocks_of(threads, kBlockThreads),
                   kBlockThreads, 0, stream};
  switch (arithmetic) {
    case Arithmetic::kTensorFloat16:
    case Arithmetic::kTensorBfloat16:
    case Arithmetic::kFloat32:
      return launch(how, labelled ? find_labelled_coefficients<float> : find_coefficients<float>, params);
    case Arithmetic::kFloat64:
      return launch(how, labelled ? find_labelled_coefficients<double> : find_coefficients<double>, params);
  }
}

}  // namespace nce::cuda::dense
