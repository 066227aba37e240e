// From comparisons to each row's loss and slopes, and to sums over rows: in double, in fixed order.

#include "cuda/rowwise/rowwise.cuh"

namespace nce::cuda {
namespace {

/// Rows with more comparisons than this have a warp each; others a thread.
constexpr int64_t kMostComparisonsOfThread = 8;

/// The threads that share a row, as loss::row_terms wants them: one, or those of a warp.
template <int kLanes>
struct Lanes {
  static_assert(kLanes == 1 || kLanes == kWarpThreads);
  int64_t lane;

  NCE_DEVICE int64_t first() const { return lane; }
  NCE_DEVICE int64_t step() const { return kLanes; }
  NCE_DEVICE double sum(double value) const { return combine<Sum>(value); }
  NCE_DEVICE double largest(double value) const { return combine<Largest>(value); }

  template <typename Combine, typename T>
  NCE_DEVICE T combine(T value) const {
    if constexpr (kLanes == 1) {
      return value;
    } else {
      return combine_warp<Combine>(value);
    }
  }
};

NCE_DEVICE void keep_first(int64_t& first, int64_t row) { first = Smallest()(first, row); }

/// Adds what is bad in comparison k of a row.
NCE_DEVICE void find_bad(const RowwiseParams& p, int64_t row, int64_t k, const Comparison& comparison,
                         RowwiseTotals& totals) {
  if (!is_finite(comparison.inverse_norm)) {
    if (k == 0) {
      keep_first(totals.bad_key, row);
    } else {
      keep_first(totals.bad_negative, negative_row(p, row, k));
    }
  } else if (!is_finite(comparison.value)) {
    keep_first(totals.overflow, row);
  }
}

NCE_DEVICE void add_metrics(const RowwiseParams& p, int64_t row, int64_t k, const Comparison& comparison, bool alike,
                            loss::MetricTotals& totals) {
  const double units = (p.inverse_norms[row] != 0.0 ? 1.0 : 0.0) + (comparison.inverse_norm != 0.0 ? 1.0 : 0.0);
  const double squared_unit_distance = Largest()(0.0, units - 2.0 * p.cosines[row * p.comparisons_of_row + k]);
  const double similarity = p.measure.similarity_sign * comparison.value;
  if (k == 0 && alike) {
    totals.positive_similarity += similarity * loss::kSimilarityShare;
    totals.alignment += squared_unit_distance;
    totals.positives += 1;
  } else {
    totals.negative_similarity += similarity * loss::kSimilarityShare;
    totals.uniformity += std::exp(-2.0 * squared_unit_distance);
    totals.negatives += 1;
  }
  if (comparison.inverse_norm == 0.0) totals.zero_rows += 1;
}

NCE_DEVICE RowwiseTotals no_rows() {
  RowwiseTotals totals{};
  totals.bad_query = totals.bad_key = totals.bad_negative = totals.overflow = kNoRow;
  return totals;
}

/// One row; the lanes bring different parts of the totals.
template <int kLanes>
NCE_DEVICE void finish_row(const RowwiseParams& p, int64_t row, const Lanes<kLanes>& lanes, RowwiseTotals& totals) {
  const Comparison* const comparisons = comparisons_of(p, row);
  const loss::RowTargets targets = targets_of(p, row);
  const bool good_query = is_finite(p.inverse_norms[row]);
  double above = 0.0, tied = 0.0;
  for (int64_t k = lanes.first(); k < p.comparisons_of_row; k += lanes.step()) {
    const Comparison comparison = comparisons[k];
    find_bad(p, row, k, comparison, totals);
    if (p.metrics == nullptr) continue;
    add_metrics(p, row, k, comparison, targets.alike, totals.metrics);
    if (k == 0) continue;
    const double similarity = p.measure.similarity_sign * comparison.value;
    const double positive = p.measure.similarity_sign * comparisons[0].value;
    above += similarity > positive ? 1.0 : 0.0;
    tied += similarity == positive ? 1.0 : 0.0;
  }
  above = lanes.sum(above);
  tied = lanes.sum(tied);
  const RowTerms terms = loss::row_terms(rule_of(p), comparisons, p.comparisons_of_row, targets, lanes);
  for (int64_t k = lanes.first(); p.taught_slopes != nullptr && k < p.comparisons_of_row; k += lanes.step()) {
    p.taught_slopes[row * p.comparisons_of_row + k] =
        loss::distilled_slope(rule_of(p), comparisons, k, targets.teacher, terms);
  }
  if (lanes.first() != 0) return;
  if (!good_query) keep_first(totals.bad_query, row);
  p.terms[row] = terms;
  if (!is_finite(p.reducer.weighted(terms.loss, row)) || !is_finite(terms.temperature_slope)) {
    keep_first(totals.overflow, row);
  }
  totals.loss += p.reducer.weighted(terms.loss, row);
  if (p.metrics == nullptr) return;
  if (p.inverse_norms[row] == 0.0) totals.metrics.zero_rows += 1;
  totals.metrics.top1 += loss::rank_credit(above, tied, 1.0);
  totals.metrics.topk += loss::rank_credit(above, tied, p.top_k);
  totals.metrics.add_entropy(terms.entropy);
}

NCE_DEVICE RowwiseTotals combine_totals(const RowwiseTotals& mine, bool metrics) {
  RowwiseTotals all = no_rows();
  all.loss = combine_block<Sum>(mine.loss);
  all.bad_query = combine_block<Smallest>(mine.bad_query);
  all.bad_key = combine_block<Smallest>(mine.bad_key);
  all.bad_negative = combine_block<Smallest>(mine.bad_negative);
  all.overflow = combine_block<Smallest>(mine.overflow);
  if (metrics) all.metrics = combine_block(mine.metrics);
  return all;
}

/// A block a part of the rows.
template <int kLanes>
__global__ void finish_rowwise(const RowwiseParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  constexpr int kRowsAtOnce = kBlockThreads / kLanes;
  const Range part = part_of(p.rows, blockIdx.x, gridDim.x);
  const Lanes<kLanes> lanes{threadIdx.x % kLanes};
  RowwiseTotals mine = no_rows();
  for (int64_t row = part.begin + threadIdx.x / kLanes; row < part.end; row += kRowsAtOnce) {
    finish_row(p, row, lanes, mine);
  }
  const RowwiseTotals all = combine_totals(mine, p.metrics != nullptr);
  if (threadIdx.x == 0) p.totals[blockIdx.x] = all;
}

/// The first bad row, in the order of the matrices, ends the call.
NCE_DEVICE bool refuse(const RowwiseTotals& all, bool sum, CallState& call) {
  const auto refused = [&](Argument argument, int64_t row) {
    if (row == kNoRow) return false;
    call.status = NCE_STATUS_NON_FINITE;
    call.argument = argument;
    call.row = row;
    return true;
  };
  return refused(Argument::kQueries, all.bad_query) || refused(Argument::kKeys, all.bad_key) ||
         refused(Argument::kNegatives, all.bad_negative) || refused(Argument::kSimilarity, all.overflow) ||
         (sum && refused(Argument::kSimilarity, is_finite(all.loss) ? kNoRow : -1));
}

__global__ void finish_rowwise_loss(const RowwiseParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const RowwiseTotals mine = threadIdx.x < parts_of(p.rows) ? p.totals[threadIdx.x] : no_rows();
  const RowwiseTotals all = combine_totals(mine, p.metrics != nullptr);
  const bool sum = p.reducer.reduction != NCE_REDUCTION_NONE;
  if (threadIdx.x != 0 || refuse(all, sum, *p.call)) return;
  if (p.loss_out != nullptr && p.reducer.reduction != NCE_REDUCTION_NONE) {
    put(p.reducer.reduced(all.loss, p.call->weight_sum), *p.loss_out, p.add);
  }
  if (p.metrics != nullptr) {
    nce_metrics metrics = loss::metrics_of(p.function, p.range, all.metrics, p.rows, loss::kSimilarityShare);
    loss::count_rowwise(all.metrics, p.rows, p.comparisons_of_row, metrics);
    loss::write_metrics(metrics, p.metrics);
  }
  p.call->plan = p.plan;
}

__global__ void write_row_losses(const RowwiseParams p) {
  const int64_t row = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (p.call->status != NCE_STATUS_OK || row >= p.rows) return;
  put(p.reducer.weighted(p.terms[row].loss, row), p.loss_out[row], p.add);
}

}  // namespace

void launch_row_terms(const RowwiseParams& params, cudaStream_t stream) {
  const Launch how{"finish_rowwise", dim3(static_cast<unsigned>(parts_of(params.rows))), kBlockThreads, kReduceBytes,
                   stream};
  if (params.comparisons_of_row > kMostComparisonsOfThread) {
    launch(how, finish_rowwise<kWarpThreads>, params);
  } else {
    launch(how, finish_rowwise<1>, params);
  }
  launch({"finish_rowwise_loss", dim3(1), kBlockThreads, kReduceBytes, stream}, finish_rowwise_loss, params);
  if (params.loss_out != nullptr && params.reducer.reduction == NCE_REDUCTION_NONE) {
    launch({"write_row_losses", blocks_of(params.rows, kBlockThreads), kBlockThreads, 0, stream}, write_row_losses,
           params);
  }
}

}  // namespace nce::cuda
