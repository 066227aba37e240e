// From the sums of tiles to each row's loss and slope, to the loss and to metrics. Double, in fixed order.

#include "cuda/dense/rows.cuh"
#include "cuda/overflow.cuh"
#include "cuda/reduce.cuh"

namespace nce::cuda::dense {
namespace {

/// The sums of a row, or a column, over all groups. Logits are products here, as they are in tiles.
NCE_DEVICE loss::RowSums sums_of(const CallState& call, const Sums& sums, int64_t groups, int64_t stride, int64_t row) {
  const double inverse = call.inverse_temperature;
  return loss::merged(sums, groups, stride, row, call.form, [inverse](double s) { return s * inverse; });
}

NCE_DEVICE void add_metrics(const FinishRowsParams& p, int64_t i, double entropy, loss::MetricTotals& totals) {
  double count = 0.0, above = 0.0, tied = 0.0, uniformity = 0.0;
  for (int64_t g = 0; g < p.row_groups; ++g) {
    const int64_t at = g * p.row_stride + i;
    count += p.metric_sums.count[at];
    above += p.metric_sums.above[at];
    tied += p.metric_sums.tied[at];
    totals.negative_similarity += p.metric_sums.similarity[at];
    uniformity += p.metric_sums.uniformity[at];
  }
  totals.negatives += static_cast<int64_t>(count);
  if (count == 0.0) totals.rows_without_negatives += 1;
  totals.uniformity += uniformity * (p.x_norms.length[i] == 0.0 ? 1.0 : std::exp(-2.0));
  const bool by_labels = p.labelled.count != nullptr;
  if (by_labels && p.labelled.count[i] == 0.0) {
    totals.rows_without_positives += 1;
    return;
  }
  totals.top1 += loss::rank_credit(above, tied, 1.0);
  totals.topk += loss::rank_credit(above, tied, p.top_k);
  totals.positive_similarity += p.positive[i];
  if (!by_labels) totals.alignment += p.alignment[i];
  totals.add_entropy(entropy);
}

NCE_DEVICE loss::RowResult labelled_result(const FinishRowsParams& p, const loss::RowSums& sums, int64_t i,
                                           const loss::Scaling& scaling) {
  const loss::Positives positives{.sums = sums_of(*p.call, p.labelled.sums, p.row_groups, p.row_stride, i),
                                  .similarity = p.positive[i],
                                  .count = p.labelled.count[i]};
  const loss::LabelledResult result = loss::labelled_result(p.rule, sums, positives, scaling);
  p.labelled.lse[i] = result.positives;
  return result.row;
}

NCE_DEVICE void finish_row(const FinishRowsParams& p, int64_t i, RowTotals& totals) {
  CallState& call = *p.call;
  const loss::Scaling scaling = scaling_of(call);
  const double positive = p.positive[i];
  const loss::RowSums sums = sums_of(call, p.row_sums, p.row_groups, p.row_stride, i);
  const loss::RowResult row = p.labelled.count != nullptr
                                  ? labelled_result(p, sums, i, scaling)
                                  : loss::row_result(p.rule, sums, positive, scaling, offset_of(p.offsets, i));
  p.row_lse[i] = row.lse;
  p.row_slope[i] = row.temperature_slope;
  if (p.bias_slope != nullptr) p.bias_slope[i] = row.bias_slope;
  double loss = row.loss;
  if (p.column_lse != nullptr) {
    const loss::RowSums column_sums = sums_of(call, p.column_sums, p.column_groups, p.column_stride, i);
    const loss::RowResult column = loss::row_result(p.rule, column_sums, positive, scaling);
    p.column_lse[i] = column.lse;
    p.column_slope[i] = column.temperature_slope;
    loss = 0.5 * (loss + column.loss);
  }
  loss = p.reducer.weighted(loss, i);
  if (call.far != 0 && !is_finite(loss)) tell_overflow(call, Argument::kSimilarity, i);
  if (p.losses != nullptr && p.late == (call.far != 0)) put(loss, p.losses[i], p.add);
  totals.loss += loss;
  if (p.metrics) add_metrics(p, i, p.offsets == nullptr ? row.entropy : std::nan(""), totals.metrics);
}

NCE_DEVICE RowTotals combine_totals(const RowTotals& mine, bool metrics) {
  RowTotals all{};
  all.loss = combine_block<Sum>(mine.loss);
  if (metrics) all.metrics = combine_block(mine.metrics);
  return all;
}

/// A block a part of the rows.
__global__ void finish_rows(const FinishRowsParams p) {
  if (!concerns(p.call, p.method) || (p.late && p.call->far == 0)) return;
  const Range part = part_of(p.rows, blockIdx.x, gridDim.x);
  RowTotals mine{};
  for (int64_t i = part.begin + threadIdx.x; i < part.end; i += kBlockThreads) finish_row(p, i, mine);
  const RowTotals all = combine_totals(mine, p.metrics);
  if (threadIdx.x == 0) p.totals[blockIdx.x] = all;
}

/// Whether a similarity, a loss or their sum overflowed.
NCE_DEVICE bool refuse(CallState& call, const loss::Reducer& reducer, double loss) {
  const bool sum = call.far != 0 && reducer.reduction != NCE_REDUCTION_NONE && !is_finite(loss);
  if (call.overflow == 0 && !sum) return false;
  call.status = NCE_STATUS_NON_FINITE;
  call.argument = Argument::kSimilarity;
  call.row = call.overflow != 0 ? overflow_row(call.overflow) : -1;
  return true;
}

__global__ void finish_loss(const FinishLossParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const RowTotals mine = threadIdx.x < parts_of(p.rows) ? p.totals[threadIdx.x] : RowTotals{};
  RowTotals all = combine_totals(mine, p.metrics != nullptr);
  if (threadIdx.x != 0 || refuse(*p.call, p.reducer, all.loss)) return;
  if (p.loss != nullptr) put(p.reducer.reduced(all.loss, p.call->weight_sum), *p.loss, p.add);
  if (p.metrics != nullptr) {
    all.metrics.positives = p.rows - all.metrics.rows_without_positives;
    all.metrics.further_negatives = p.further_negatives;
    if (p.by_labels) all.metrics.alignment = std::nan("");
    for (int32_t m = 0; m < p.matrices; ++m) all.metrics.zero_rows += p.ranges[m].zero_rows;
    loss::write_metrics(loss::metrics_of(p.function, p.range, all.metrics, p.rows), p.metrics);
  }
  p.call->plan = p.plan;
}

}  // namespace

void launch_finish_rows(const FinishRowsParams& params, cudaStream_t stream) {
  const auto parts = static_cast<unsigned>(parts_of(params.rows));
  launch({"finish_rows", dim3(parts), kBlockThreads, kReduceBytes, stream}, finish_rows, params);
}

void launch_finish_loss(const FinishLossParams& params, cudaStream_t stream) {
  launch({"finish_loss", dim3(1), kBlockThreads, kReduceBytes, stream}, finish_loss, params);
}

}  // namespace nce::cuda::dense
