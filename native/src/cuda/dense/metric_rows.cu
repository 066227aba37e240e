// What metrics need of rows before the tiles are summed.

#include "cuda/dense/rows.cuh"
#include "cuda/reduce.cuh"

namespace nce::cuda::dense {
namespace {

/// |x^ - y^|^2 of every row and its positive, a warp a row.
__global__ void align_rows(const AlignmentParams p) {
  const int64_t i = int64_t{blockIdx.x} * kBlockWarps + threadIdx.x / kWarpThreads;
  if (p.call->status != NCE_STATUS_OK || i >= p.x_rows) return;
  const int64_t j = i < p.views_half ? i + p.views_half : i - p.views_half;
  const void* const x = row_of(p.x, i);
  const void* const y = row_of(p.positives, j);
  const double x_inverse = inverse_length(p.x_norms.length[i]);
  const double y_inverse = inverse_length(p.positive_norms.length[j]);
  const double x_scale = p.x_norms.scale[i];
  const double y_scale = p.positive_norms.scale[j];
  double sum = 0.0;
  for (int64_t d = threadIdx.x % kWarpThreads; d < p.dim; d += kWarpThreads) {
    const double difference =
        element(x, p.x.dtype, d) * x_scale * x_inverse - element(y, p.positives.dtype, d) * y_scale * y_inverse;
    sum += difference * difference;
  }
  sum = combine_warp<Sum>(sum);
  if (threadIdx.x % kWarpThreads == 0) p.alignment[i] = sum;
}

/// 1 / |x| for rows as the planes have them, and what a row contributes to uniformity beside its cosines.
template <typename Real>
__global__ void metric_factors(const MetricFactorsParams p) {
  constexpr double kLargest = sizeof(Real) == 4 ? 3.4028234663852886e38 : 1.7976931348623157e308;
  const int64_t i = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (!concerns(p.call, p.method) || i >= p.allocated) return;
  const bool padding = i >= p.count;
  const double length = padding ? 0.0 : p.norms.length[i];
  if (p.inverse_norms != nullptr) {
    double inverse = padding ? 0.0 : inverse_length(length) * p.norms.scale[i];
    if (p.scales != nullptr) inverse *= static_cast<double>(p.scales[i]);
    static_cast<Real*>(p.inverse_norms)[i] = static_cast<Real>(inverse < kLargest ? inverse : kLargest);
  }
  if (p.factors != nullptr) {
    static_cast<Real*>(p.factors)[i] = padding ? Real{0} : static_cast<Real>(length == 0.0 ? 1.0 : std::exp(-2.0));
  }
}

}  // namespace

void launch_alignment(const AlignmentParams& params, cudaStream_t stream) {
  launch({"align_rows", blocks_of(params.x_rows, kBlockWarps), kBlockThreads, 0, stream}, align_rows, params);
}

void launch_metric_factors(const MetricFactorsParams& params, Arithmetic arithmetic, cudaStream_t stream) {
  if (params.allocated == 0) return;
  const Launch how{"metric_factors", blocks_of(params.allocated, kBlockThreads), kBlockThreads, 0, stream};
  switch (arithmetic) {
    case Arithmetic::kTensorFloat16:
    case Arithmetic::kTensorBfloat16:
    case Arithmetic::kFloat32:
      return launch(how, metric_factors<float>, params);
    case Arithmetic::kFloat64:
      return launch(how, metric_factors<double>, params);
  }
}

}  // namespace nce::cuda::dense
