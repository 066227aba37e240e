// From measures to each row's loss and slopes, and to sums over rows: in double, in fixed order.

#include "cuda/launch.h"
#include "cuda/reduce.cuh"
#include "cuda/rowwise.cuh"

namespace nce::cuda {
namespace {

/// Rows with more pairs than this have a warp each; others a thread.
constexpr int64_t kMostPairsOfThread = 8;

/// What the kLanes threads that share a row bring, combined.
template <int kLanes, typename Combine, typename T>
NCE_DEVICE T combine_lanes(T value) {
  if constexpr (kLanes == 1) {
    return value;
  } else {
    return combine_warp<Combine>(value);
  }
}

template <int kLanes>
NCE_DEVICE RowTerms infonce_terms(const RowPair* pairs, int64_t count, int64_t lane, double tau) {
  if (count == 1) return {0.0, 0.0, -HUGE_VAL, 0.0};
  // Logits relative to the positive's: an offset common to all would cost the digits of a small loss.
  const double positive = pairs[0].value;
  double largest = -HUGE_VAL;
  for (int64_t k = 1 + lane; k < count; k += kLanes) {
    largest = Largest()(largest, (pairs[k].value - positive) / tau);
  }
  largest = combine_lanes<kLanes, Largest>(largest);
  double sum = 0.0;
  double weighted = 0.0;
  for (int64_t k = 1 + lane; k < count; k += kLanes) {
    const double distance = (pairs[k].value - positive) / tau - largest;
    const double e = std::exp(distance);
    sum += e;
    weighted += e * distance;
  }
  sum = combine_lanes<kLanes, Sum>(sum);
  const double mean = combine_lanes<kLanes, Sum>(weighted) / sum;
  const double log_ratio = largest + std::log(sum);
  const double mass = loss::softmax_row_negative_mass(log_ratio, 0.0);
  return {loss::softmax_row_loss(log_ratio, 0.0), -mass * (mean + largest) / tau, log_ratio, std::log(sum) - mean};
}

NCE_DEVICE RowTerms logistic_terms(const RowPair* pairs, double tau) {
  const double positive = pairs[0].value / tau;
  const double negative = pairs[1].value / tau;
  const double slope =
      -(loss::logistic_positive_slope(positive) * positive + loss::logistic_negative_slope(negative) * negative) / tau;
  return {loss::logistic_positive(positive) + loss::logistic_negative(negative), slope, 0.0, 0.0};
}

template <int kLanes>
NCE_DEVICE RowTerms row_terms(const RowwiseParams& p, const RowPair* pairs, int64_t lane, bool alike) {
  switch (p.loss) {
    case NCE_LOSS_INFONCE:
      return infonce_terms<kLanes>(pairs, p.pairs, lane, p.call->tau);
    case NCE_LOSS_NT_LOGISTIC:
      return logistic_terms(pairs, p.call->tau);
    case NCE_LOSS_CONTRASTIVE:
      return {loss::contrastive_loss(pairs[0].value, alike, p.margin), 0.0, 0.0, 0.0};
    default:
      return {loss::triplet_loss(pairs[0].value, pairs[1].value, p.margin), 0.0, 0.0, 0.0};
  }
}

NCE_DEVICE void keep_first(int64_t& first, int64_t row) { first = Smallest()(first, row); }

/// Adds what is bad in pair k of a row.
NCE_DEVICE void find_bad(const RowwiseParams& p, int64_t row, int64_t k, const RowPair& pair, RowwiseTotals& totals) {
  if (!is_finite(pair.inverse_norm)) {
    if (k == 0) {
      keep_first(totals.bad_key, row);
    } else {
      keep_first(totals.bad_negative, row * (p.pairs - 1) + k - 1);
    }
  } else if (!is_finite(pair.value)) {
    keep_first(totals.overflow, row);
  }
}

NCE_DEVICE void add_pair_metrics(const RowwiseParams& p, int64_t row, int64_t k, const RowPair& pair, bool alike,
                                 RowwiseTotals& totals) {
  const double units = (p.inverse_norms[row] > 0.0 ? 1.0 : 0.0) + (pair.inverse_norm > 0.0 ? 1.0 : 0.0);
  const double squared_unit_distance = Largest()(0.0, units - 2.0 * p.cosines[row * p.pairs + k]);
  const double similarity = p.measure.similarity_sign * pair.value;
  if (k == 0 && alike) {
    totals.positive_similarity += similarity;
    totals.alignment += squared_unit_distance;
    totals.positives += 1;
  } else {
    totals.negative_similarity += similarity;
    totals.uniformity += std::exp(-2.0 * squared_unit_distance);
    totals.negatives += 1;
  }
  if (pair.inverse_norm == 0.0) totals.zero_rows += 1;
}

NCE_DEVICE RowwiseTotals no_rows() {
  RowwiseTotals totals{};
  totals.bad_query = totals.bad_key = totals.bad_negative = totals.overflow = kNoRow;
  return totals;
}

/// One row; the lanes bring different parts of the totals.
template <int kLanes>
NCE_DEVICE void finish_row(const RowwiseParams& p, int64_t row, int64_t lane, RowwiseTotals& totals) {
  const RowPair* const pairs = p.row_pairs + row * p.pairs;
  const bool alike = is_alike(p, row);
  const bool good_query = is_finite(p.inverse_norms[row]);
  int64_t closer = 0;
  for (int64_t k = lane; k < p.pairs; k += kLanes) {
    const RowPair pair = pairs[k];
    find_bad(p, row, k, pair, totals);
    if (p.metrics == nullptr) continue;
    add_pair_metrics(p, row, k, pair, alike, totals);
    if (k > 0 && p.measure.similarity_sign * pair.value > p.measure.similarity_sign * pairs[0].value) ++closer;
  }
  closer = combine_lanes<kLanes, Count>(closer);
  const RowTerms terms = row_terms<kLanes>(p, pairs, lane, alike);
  if (lane != 0) return;
  if (!good_query) keep_first(totals.bad_query, row);
  p.terms[row] = terms;
  totals.loss += terms.loss * (p.weights == nullptr ? 1.0 : static_cast<double>(p.weights[row]));
  if (p.metrics == nullptr) return;
  if (p.inverse_norms[row] == 0.0) totals.zero_rows += 1;
  if (closer == 0) totals.top1 += 1;
  if (closer < p.top_k) totals.topk += 1;
  totals.effective_negatives += std::exp(terms.entropy);
}

NCE_DEVICE RowwiseTotals combine_totals(const RowwiseTotals& mine, bool metrics) {
  RowwiseTotals all = no_rows();
  all.loss = combine_block<Sum>(mine.loss);
  all.bad_query = combine_block<Smallest>(mine.bad_query);
  all.bad_key = combine_block<Smallest>(mine.bad_key);
  all.bad_negative = combine_block<Smallest>(mine.bad_negative);
  all.overflow = combine_block<Smallest>(mine.overflow);
  if (!metrics) return all;
  all.positive_similarity = combine_block<Sum>(mine.positive_similarity);
  all.negative_similarity = combine_block<Sum>(mine.negative_similarity);
  all.alignment = combine_block<Sum>(mine.alignment);
  all.uniformity = combine_block<Sum>(mine.uniformity);
  all.effective_negatives = combine_block<Sum>(mine.effective_negatives);
  all.positives = combine_block<Count>(mine.positives);
  all.negatives = combine_block<Count>(mine.negatives);
  all.top1 = combine_block<Count>(mine.top1);
  all.topk = combine_block<Count>(mine.topk);
  all.zero_rows = combine_block<Count>(mine.zero_rows);
  return all;
}

/// A block a part of the rows.
template <int kLanes>
__global__ void finish_rowwise(const RowwiseParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  constexpr int kRowsAtOnce = kBlockThreads / kLanes;
  const Range part = part_of(p.rows, blockIdx.x, gridDim.x);
  RowwiseTotals mine = no_rows();
  for (int64_t row = part.begin + threadIdx.x / kLanes; row < part.end; row += kRowsAtOnce) {
    finish_row<kLanes>(p, row, threadIdx.x % kLanes, mine);
  }
  const RowwiseTotals all = combine_totals(mine, p.metrics != nullptr);
  if (threadIdx.x == 0) p.totals[blockIdx.x] = all;
}

/// The first bad row, in the order of the matrices, ends the call.
NCE_DEVICE bool refuse(const RowwiseTotals& all, CallState& call) {
  const auto refused = [&](Argument argument, int64_t row) {
    if (row == kNoRow) return false;
    call.status = NCE_STATUS_NON_FINITE;
    call.argument = argument;
    call.row = row;
    return true;
  };
  return refused(Argument::kQueries, all.bad_query) || refused(Argument::kKeys, all.bad_key) ||
         refused(Argument::kNegatives, all.bad_negative) || refused(Argument::kSimilarity, all.overflow);
}

NCE_DEVICE double mean_of(double sum, int64_t count) {
  return count > 0 ? sum / static_cast<double>(count) : std::nan("");
}

NCE_DEVICE void write_metrics(const RowwiseParams& p, const RowwiseTotals& all) {
  const bool ranked = p.loss != NCE_LOSS_CONTRASTIVE;
  nce_metrics metrics{};
  metrics.struct_size = sizeof metrics;
  metrics.top1_accuracy = ranked ? mean_of(static_cast<double>(all.top1), p.rows) : std::nan("");
  metrics.topk_accuracy = ranked ? mean_of(static_cast<double>(all.topk), p.rows) : std::nan("");
  metrics.positive_similarity = mean_of(all.positive_similarity, all.positives);
  metrics.negative_similarity = mean_of(all.negative_similarity, all.negatives);
  metrics.alignment = mean_of(all.alignment, all.positives);
  metrics.uniformity = std::log(mean_of(all.uniformity, all.negatives));
  metrics.effective_negatives =
      p.loss == NCE_LOSS_INFONCE && p.pairs > 1 ? mean_of(all.effective_negatives, p.rows) : std::nan("");
  metrics.rows = p.rows;
  metrics.zero_rows = all.zero_rows;
  *p.metrics = metrics;
}

__global__ void finish_rowwise_loss(const RowwiseParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const RowwiseTotals mine = threadIdx.x < p.parts ? p.totals[threadIdx.x] : no_rows();
  const RowwiseTotals all = combine_totals(mine, p.metrics != nullptr);
  if (threadIdx.x != 0 || refuse(all, *p.call)) return;
  if (p.loss_out != nullptr && p.reduction != NCE_REDUCTION_NONE) {
    const double weights = p.call->weight_sum;
    *p.loss_out = p.reduction == NCE_REDUCTION_SUM ? all.loss : weights > 0.0 ? all.loss / weights : 0.0;
  }
  if (p.metrics != nullptr) write_metrics(p, all);
  p.call->plan = p.plan;
}

__global__ void write_row_losses(const RowwiseParams p) {
  const int64_t row = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (p.call->status != NCE_STATUS_OK || row >= p.rows) return;
  p.loss_out[row] = p.terms[row].loss * (p.weights == nullptr ? 1.0 : static_cast<double>(p.weights[row]));
}

}  // namespace

void launch_rowwise_terms(const RowwiseParams& params, cudaStream_t stream) {
  const dim3 parts(static_cast<unsigned>(params.parts));
  if (params.pairs > kMostPairsOfThread) {
    launch({"finish_rowwise", parts, kBlockThreads, kReduceBytes, stream}, finish_rowwise<kWarpThreads>, params);
  } else {
    launch({"finish_rowwise", parts, kBlockThreads, kReduceBytes, stream}, finish_rowwise<1>, params);
  }
  launch({"finish_rowwise_loss", dim3(1), kBlockThreads, kReduceBytes, stream}, finish_rowwise_loss, params);
  if (params.loss_out != nullptr && params.reduction == NCE_REDUCTION_NONE) {
    const auto blocks = static_cast<unsigned>((params.rows + kBlockThreads - 1) / kBlockThreads);
    launch({"write_row_losses", dim3(blocks), kBlockThreads, 0, stream}, write_row_losses, params);
  }
}

}  // namespace nce::cuda
