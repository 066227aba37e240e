// From the sums of tiles to each row's loss and slope, to the loss and to metrics. Double, in fixed order.

#include "cuda/launch.h"
#include "cuda/reduce.cuh"
#include "cuda/rows.cuh"
#include "loss/logistic.h"
#include "loss/softmax_row.h"

namespace nce::cuda {
namespace {

constexpr double kLn2 = 0.69314718055994531;

NCE_DEVICE double infinity() { return HUGE_VAL; }

/// The groups' sums of one row, in the order of the groups.
struct Total {
  double maximum;
  double value;
  double weighted;
};

NCE_DEVICE Total total_of(const Sums& sums, int32_t groups, int64_t stride, int64_t row, const CallState& call) {
  const bool online = call.form == Form::kOnline;
  Total total{0.0, 0.0, 0.0};
  if (online) {
    total.maximum = -infinity();
    for (int64_t g = 0; g < groups; ++g) {
      if (sums.value[g * stride + row] > 0.0) total.maximum = Largest()(total.maximum, sums.maximum[g * stride + row]);
    }
  }
  for (int64_t g = 0; g < groups; ++g) {
    const int64_t at = g * stride + row;
    if (sums.value[at] == 0.0) continue;
    const double factor = online ? std::exp((sums.maximum[at] - total.maximum) * call.inverse_temperature) : 1.0;
    total.value += sums.value[at] * factor;
    total.weighted += sums.weighted[at] * factor;
  }
  return total;
}

struct RowResult {
  double loss;
  double value;
  double slope;
  double entropy;  ///< of the softmax over negatives
};

NCE_DEVICE RowResult softmax_row(const Total& sum, double positive, const CallState& call) {
  if (sum.value == 0.0) return {0.0, -infinity(), 0.0, std::nan("")};
  const double tau = call.tau;
  const double log_sum = std::log(sum.value) + call.shift * kLn2;
  const double log_ratio = (sum.maximum - positive) / tau + log_sum;  // of negatives to positive
  const double mean_gap = sum.weighted / sum.value;                   // mean of s - s+ over negatives
  const double mass = loss::softmax_row_negative_mass(log_ratio, 0.0);
  return {loss::softmax_row_loss(log_ratio, 0.0), sum.maximum / tau + log_sum, -mass * mean_gap / (tau * tau),
          log_ratio - mean_gap / tau};
}

NCE_DEVICE RowResult logistic_row(const Total& sum, double positive, const CallState& call, double factor) {
  const double z = positive / call.tau;
  return {loss::logistic_positive(z) + factor * sum.value, sum.value,
          -(loss::logistic_positive_slope(z) * z + factor * sum.weighted / call.tau) / call.tau, std::nan("")};
}

NCE_DEVICE void add_metrics(const FinishRowsParams& p, int64_t i, double entropy, RowTotals& totals) {
  double above = 0.0, uniformity = 0.0;
  for (int64_t g = 0; g < p.row_groups; ++g) {
    const int64_t at = g * p.row_stride + i;
    above += p.metric_sums.above[at];
    totals.negative += p.metric_sums.similarity[at];
    uniformity += p.metric_sums.uniformity[at];
  }
  if (above == 0.0) totals.first += 1.0;
  if (above < static_cast<double>(p.top_k)) totals.among_k += 1.0;
  totals.positive += p.positive[i];
  totals.alignment += p.alignment[i];
  totals.uniformity += uniformity * (p.x_norms.length[i] == 0.0 ? 1.0 : std::exp(-2.0));
  totals.effective_negatives += std::exp(entropy);
}

NCE_DEVICE void finish_row(const FinishRowsParams& p, int64_t i, RowTotals& totals) {
  const CallState& call = *p.call;
  const double positive = p.positive[i];
  const Total sum = total_of(p.row_sums, p.row_groups, p.row_stride, i, call);
  const RowResult row =
      p.logistic != 0 ? logistic_row(sum, positive, call, p.negative_factor) : softmax_row(sum, positive, call);
  p.row_value[i] = row.value;
  p.row_slope[i] = row.slope;
  double loss = row.loss;
  if (p.column_value != nullptr) {
    const Total columns = total_of(p.column_sums, p.column_groups, p.column_stride, i, call);
    const RowResult column = softmax_row(columns, positive, call);
    p.column_value[i] = column.value;
    p.column_slope[i] = column.slope;
    loss = 0.5 * (loss + column.loss);
  }
  if (p.weights != nullptr) loss *= static_cast<double>(p.weights[i]);
  if (p.losses != nullptr) p.losses[i] = loss;
  totals.loss += loss;
  if (p.metrics != 0) add_metrics(p, i, row.entropy, totals);
}

NCE_DEVICE RowTotals combine_totals(const RowTotals& mine, bool metrics) {
  RowTotals all{};
  all.loss = combine_block<Sum>(mine.loss);
  if (metrics) {
    all.first = combine_block<Sum>(mine.first);
    all.among_k = combine_block<Sum>(mine.among_k);
    all.positive = combine_block<Sum>(mine.positive);
    all.negative = combine_block<Sum>(mine.negative);
    all.alignment = combine_block<Sum>(mine.alignment);
    all.uniformity = combine_block<Sum>(mine.uniformity);
    all.effective_negatives = combine_block<Sum>(mine.effective_negatives);
  }
  return all;
}

/// A block a part of the rows.
__global__ void finish_rows(const FinishRowsParams p) {
  if (!concerns(p.call, p.method)) return;
  const Range part = part_of(p.rows, blockIdx.x, gridDim.x);
  RowTotals mine{};
  for (int64_t i = part.begin + threadIdx.x; i < part.end; i += kBlockThreads) finish_row(p, i, mine);
  const RowTotals all = combine_totals(mine, p.metrics != 0);
  if (threadIdx.x == 0) p.totals[blockIdx.x] = all;
}

NCE_DEVICE void write_metrics(const FinishLossParams& p, const RowTotals& all) {
  const auto count = static_cast<double>(p.rows);
  const double pairs = count * static_cast<double>(p.negatives);
  nce_metrics metrics{};
  metrics.struct_size = sizeof metrics;
  metrics.top1_accuracy = all.first / count;
  metrics.topk_accuracy = all.among_k / count;
  metrics.positive_similarity = all.positive / count;
  metrics.negative_similarity = pairs > 0.0 ? all.negative / pairs : std::nan("");
  metrics.alignment = all.alignment / count;
  metrics.uniformity = pairs > 0.0 ? std::log(all.uniformity / pairs) : std::nan("");
  metrics.effective_negatives = p.logistic != 0 || pairs == 0.0 ? std::nan("") : all.effective_negatives / count;
  metrics.rows = p.rows;
  for (int32_t m = 0; m < p.matrices; ++m) metrics.zero_rows += p.ranges[m].zero_rows;
  *p.metrics = metrics;
}

__global__ void finish_loss(const FinishLossParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const RowTotals mine = threadIdx.x < p.parts ? p.totals[threadIdx.x] : RowTotals{};
  const RowTotals all = combine_totals(mine, p.metrics != nullptr);
  if (threadIdx.x != 0) return;
  if (p.loss != nullptr) {
    const double weights = p.call->weight_sum;
    *p.loss = p.reduction == NCE_REDUCTION_SUM ? all.loss : weights > 0.0 ? all.loss / weights : 0.0;
  }
  if (p.metrics != nullptr) write_metrics(p, all);
  p.call->plan = p.plan;
}

}  // namespace

void launch_finish_rows(const FinishRowsParams& params, cudaStream_t stream) {
  launch({"finish_rows", dim3(static_cast<unsigned>(parts_of(params.rows))), kBlockThreads, kReduceBytes, stream},
         finish_rows, params);
}

void launch_finish_loss(FinishLossParams params, cudaStream_t stream) {
  params.parts = parts_of(params.rows);
  launch({"finish_loss", dim3(1), kBlockThreads, kReduceBytes, stream}, finish_loss, params);
}

}  // namespace nce::cuda
