// From rows to the loss, and the metrics of anchors.

#include "cuda/mined/mined.cuh"

namespace nce::cuda {
namespace {

/// |x^ - y^|^2 of unit vectors.
NCE_DEVICE double unit_distance_squared(const MinedParams& p, int64_t a, int64_t j) {
  const bool unit = p.measure.base == loss::Base::kCosine;
  double sum = 0.0;
  for (int64_t d = 0; d < p.dim; ++d) {
    double x = p.packed[a * p.dim + d], y = p.packed[j * p.dim + d];
    if (!unit) {
      x = x * p.scales[a] * inverse_of(p, a);
      y = y * p.scales[j] * inverse_of(p, j);
    }
    sum += (x - y) * (x - y);
  }
  return sum;
}

/// A block an anchor.
__global__ void mined_metrics(const MinedParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const int64_t anchor = p.strip_first + blockIdx.x;
  const double* const distances = p.distances + int64_t{blockIdx.x} * p.rows;
  loss::MetricTotals mine{};
  double nearest = HUGE_VAL;
  for (int64_t j = threadIdx.x; j < p.rows; j += kBlockThreads) {
    if (is_positive(p, anchor, j)) {
      mine.positive_similarity += (p.rule.top - distances[j]) * loss::kSimilarityShare;
      mine.alignment += unit_distance_squared(p, anchor, j);
      mine.positives += 1;
      nearest = Smallest()(nearest, distances[j]);
    } else if (is_negative(p, anchor, j)) {
      mine.negative_similarity += (p.rule.top - distances[j]) * loss::kSimilarityShare;
      mine.uniformity += std::exp(-2.0 * unit_distance_squared(p, anchor, j));
      mine.negatives += 1;
    }
  }
  nearest = combine_block<Smallest>(nearest);
  double above = 0.0, tied = 0.0;
  for (int64_t j = threadIdx.x; j < p.rows; j += kBlockThreads) {
    if (!is_negative(p, anchor, j)) continue;
    above += distances[j] < nearest ? 1.0 : 0.0;
    tied += distances[j] == nearest ? 1.0 : 0.0;
  }
  above = combine_block<Sum>(above);
  tied = combine_block<Sum>(tied);
  loss::MetricTotals all = combine_block(mine);
  if (threadIdx.x != 0) return;
  const bool ranked = all.positives > 0 && all.negatives > 0;
  all.top1 = ranked ? loss::rank_credit(above, tied, 1.0) : 0.0;
  all.topk = ranked ? loss::rank_credit(above, tied, p.top_k) : 0.0;
  all.zero_rows = p.lengths[anchor] == 0.0 ? 1 : 0;
  p.totals[anchor] = all;
  p.ranked_anchors[anchor] = ranked ? 1 : 0;
}

NCE_DEVICE void write_mined_metrics(const MinedParams& p) {
  loss::MetricTotals mine{};
  int64_t ranked = 0, without_positives = 0, without_negatives = 0;
  for (int64_t i = threadIdx.x; i < p.rows; i += kBlockThreads) {
    mine.add(p.totals[i]);
    ranked += p.ranked_anchors[i];
    if (p.totals[i].positives == 0) without_positives += 1;
    if (p.totals[i].negatives == 0) without_negatives += 1;
  }
  const loss::MetricTotals all = combine_block(mine);
  ranked = combine_block<Count>(ranked);
  without_positives = combine_block<Count>(without_positives);
  without_negatives = combine_block<Count>(without_negatives);
  if (threadIdx.x != 0) return;
  nce_metrics metrics = loss::metrics_of(p.function, p.range, all, ranked, loss::kSimilarityShare);
  metrics.rows = p.rows;
  metrics.rows_without_positives = without_positives;
  metrics.rows_without_negatives = without_negatives;
  loss::write_metrics(metrics, p.metrics);
}

/// One block, as rows are few beside their pairs.
__global__ void mined_loss(const MinedParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  double loss = 0.0, counted = 0.0;
  int64_t bad = kNoRow;
  for (int64_t i = threadIdx.x; i < p.rows; i += kBlockThreads) {
    const double weighted = p.reducer.weighted(p.mined[i].loss, i);
    if (!is_finite(weighted)) bad = Smallest()(bad, i);
    loss += weighted;
    counted += p.reducer.times_weight(p.mined[i].count, i);
  }
  loss = combine_block<Sum>(loss);
  counted = combine_block<Sum>(counted);
  bad = combine_block<Smallest>(bad);
  const bool sum = p.reducer.reduction != NCE_REDUCTION_NONE;
  if (bad == kNoRow && sum && !is_finite(loss)) bad = -1;
  if (bad != kNoRow) {
    if (threadIdx.x != 0) return;
    p.call->status = NCE_STATUS_NON_FINITE;
    p.call->argument = Argument::kSimilarity;
    p.call->row = bad;
    return;
  }
  if (p.metrics != nullptr) write_mined_metrics(p);
  if (p.loss_out != nullptr && !sum) {
    for (int64_t i = threadIdx.x; i < p.rows; i += kBlockThreads) {
      put(p.reducer.weighted(p.mined[i].loss, i), p.loss_out[i], p.add);
    }
  }
  if (threadIdx.x != 0) return;
  *p.counted = counted;
  if (p.loss_out != nullptr && sum) put(p.reducer.reduced(loss, counted), *p.loss_out, p.add);
  p.call->plan = p.plan;
}

}  // namespace

void launch_mined_metrics(const MinedParams& params, cudaStream_t stream) {
  launch({"mined_metrics", blocks_of(params.strip_rows, 1), kBlockThreads, kReduceBytes, stream}, mined_metrics,
         params);
}

void launch_mined_loss(const MinedParams& params, cudaStream_t stream) {
  launch({"mined_loss", dim3(1), kBlockThreads, kReduceBytes, stream}, mined_loss, params);
}

}  // namespace nce::cuda
