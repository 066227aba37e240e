// The weights of the gradient: e^z of row i is to be multiplied by u_i e^-lse_i. All are divided by the largest
// |dl/dz+|, so that gradients as small as 1e-50 pass through float; the last step multiplies by it.

#include "cuda/launch.h"
#include "cuda/reduce.cuh"
#include "cuda/rows.cuh"
#include "loss/logistic.h"
#include "loss/softmax_row.h"

namespace nce::cuda {
namespace {

constexpr double kLn2 = 0.69314718055994531;

/// What row i's loss gradient is multiplied by: upstream and weight, 1 / sum of weights for MEAN, half if symmetric.
NCE_DEVICE double row_factor(const WeightsParams& p, int64_t i) {
  double factor = p.weights == nullptr ? 1.0 : static_cast<double>(p.weights[i]);
  if (p.upstream != nullptr) factor *= static_cast<double>(p.upstream[p.upstream_per_row != 0 ? i : 0]);
  if (p.reduction == NCE_REDUCTION_MEAN) {
    const double sum = p.call->weight_sum;
    factor = sum > 0.0 ? factor / sum : 0.0;
  }
  return p.column_value != nullptr ? 0.5 * factor : factor;
}

/// -dl/dz+ of a row or column.
NCE_DEVICE double mass(const WeightsParams& p, const double* log_negatives, int64_t i) {
  return loss::softmax_row_negative_mass(log_negatives[i], p.positive[i] / p.call->tau);
}

__global__ void slope_rows(const WeightsParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const Range part = part_of(p.rows, blockIdx.x, p.parts);
  double temperature = 0.0, largest = 0.0;
  for (int64_t i = part.begin + threadIdx.x; i < part.end; i += kBlockThreads) {
    const double factor = row_factor(p, i);
    const double size = std::fabs(factor);
    double slope = p.row_slope[i];
    if (p.logistic != 0) {
      largest = Largest()(largest, size);
    } else {
      largest = Largest()(largest, size * mass(p, p.row_value, i));
    }
    if (p.column_value != nullptr) {
      slope += p.column_slope[i];
      largest = Largest()(largest, size * mass(p, p.column_value, i));
    }
    temperature += factor * slope;
  }
  temperature = combine_block<Sum>(temperature);
  largest = combine_block<Largest>(largest);
  if (threadIdx.x == 0) p.totals[blockIdx.x] = {temperature, largest};
}

__global__ void finish_slopes(const WeightsParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const bool mine = threadIdx.x < p.parts;
  const double temperature = combine_block<Sum>(mine ? p.totals[threadIdx.x].temperature : 0.0);
  const double largest = combine_block<Largest>(mine ? p.totals[threadIdx.x].largest : 0.0);
  if (threadIdx.x != 0) return;
  p.call->largest_slope = largest;
  if (p.d_temperature != nullptr) *p.d_temperature = temperature * p.call->temperature_factor;
}

/// A row's weight and reference, and -dl/dz+.
struct Weight {
  double weight;
  double reference;
  double slope;
};

template <typename Real>
NCE_DEVICE Weight softmax_weight(const WeightsParams& p, const double* log_negatives, int64_t i) {
  const CallState& call = *p.call;
  const double value = log_negatives[i];
  if (value == -HUGE_VAL) return {0.0, 0.0, 0.0};
  // The reference is the number that the tiles subtract, hence rounded as they see it.
  const bool online = call.form == Form::kOnline;
  const double reference = online ? static_cast<double>(static_cast<Real>(call.tau * value)) : 0.0;
  if (call.largest_slope == 0.0) return {0.0, reference, 0.0};
  const double slope = row_factor(p, i) * mass(p, log_negatives, i) / call.largest_slope;
  return {slope * std::exp(reference / call.tau - value + call.shift * kLn2), reference, slope};
}

/// -dl/dz+ of row i over the largest slope, with the weights on the way.
template <typename Real>
NCE_DEVICE double positive_slope(const WeightsParams& p, int64_t i, Weight& row, Weight& column) {
  row = column = {0.0, 0.0, 0.0};
  if (p.logistic != 0) {
    const double largest = p.call->largest_slope;
    const double factor = largest == 0.0 ? 0.0 : row_factor(p, i) / largest;
    row.weight = factor * p.negative_factor;
    return -factor * loss::logistic_positive_slope(p.positive[i] / p.call->tau);
  }
  row = softmax_weight<Real>(p, p.row_value, i);
  if (p.column_value != nullptr) column = softmax_weight<Real>(p, p.column_value, i);
  return row.slope + column.slope;
}

template <Arithmetic kArithmetic>
__global__ void weigh_rows(const WeightsParams p) {
  using Real = typename Packed<kArithmetic>::Real;
  if (!concerns(p.call, p.method)) return;
  const int64_t i = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  Weight row{0.0, 0.0, 0.0}, column{0.0, 0.0, 0.0};
  double positive = 0.0;
  if (i < p.rows) {
    positive = -positive_slope<Real>(p, i, row, column);
    if (p.views_half > 0) {
      // Both rows of a tower's pair feel both of their losses.
      Weight unused_row, unused_column;
      const int64_t other = i < p.views_half ? i + p.views_half : i - p.views_half;
      positive -= positive_slope<Real>(p, other, unused_row, unused_column);
    }
    if (p.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN) {
      const double distance = -p.positive[i];
      positive = distance == 0.0 ? 0.0 : positive / distance;
    }
  }
  if (i < p.x_allocated) {
    static_cast<Real*>(p.x_weights)[i] = static_cast<Real>(row.weight);
    static_cast<Real*>(p.x_references)[i] = static_cast<Real>(row.reference);
    p.positive_weights[i] = positive;
  }
  if (p.column_value != nullptr && i < p.y_allocated) {
    static_cast<Real*>(p.y_weights)[i] = static_cast<Real>(column.weight);
    static_cast<Real*>(p.y_references)[i] = static_cast<Real>(column.reference);
  }
}

}  // namespace

void launch_slopes(WeightsParams params, cudaStream_t stream) {
  params.parts = parts_of(params.rows);
  launch({"slope_rows", dim3(static_cast<unsigned>(params.parts)), kBlockThreads, kReduceBytes, stream}, slope_rows,
         params);
  launch({"finish_slopes", dim3(1), kBlockThreads, kReduceBytes, stream}, finish_slopes, params);
}

void launch_weights(const WeightsParams& params, Arithmetic arithmetic, cudaStream_t stream) {
  const int64_t threads = params.x_allocated > params.y_allocated ? params.x_allocated : params.y_allocated;
  const Launch how{"weigh_rows", dim3(static_cast<unsigned>((threads + kBlockThreads - 1) / kBlockThreads)),
                   kBlockThreads, 0, stream};
  if (arithmetic == Arithmetic::kFloat64) {
    launch(how, weigh_rows<Arithmetic::kFloat64>, params);
  } else {
    launch(how, weigh_rows<Arithmetic::kFloat32>, params);
  }
}

}  // namespace nce::cuda
