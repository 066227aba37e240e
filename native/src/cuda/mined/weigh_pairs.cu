// A block weighs all pairs of an anchor: their exponents' maxima, their sums, and then what each weighs.

#include "cuda/mined/mined.cuh"
#include "loss/weighed.h"

namespace nce::cuda {
namespace {

/// A block's row. All threads call every function.
struct WeighedBlock {
  const MinedParams& p;
  int64_t anchor;
  double* distances;

  NCE_DEVICE WeighedBlock(const MinedParams& params)
      : p(params), anchor(p.strip_first + blockIdx.x), distances(p.distances + int64_t{blockIdx.x} * p.rows) {}

  NCE_DEVICE loss::Exponent exponent(int64_t other, bool positive) const {
    return loss::exponent_of(p.rule, distances[other], positive);
  }

  /// body(row, whether it is a positive) for the thread's pairs.
  template <typename Body>
  NCE_DEVICE void for_pairs(const Body& body) const {
    for (int64_t j = threadIdx.x; j < p.rows; j += kBlockThreads) {
      const bool positive = is_positive(p, anchor, j);
      if (positive || is_negative(p, anchor, j)) body(j, positive);
    }
  }

  /// Numbers of both kinds are chosen by their values: by address they would lie in local memory.
  NCE_DEVICE loss::WeighedRow weigh(loss::ExponentialSum& positives, loss::ExponentialSum& negatives) const {
    double positive_top = -HUGE_VAL, negative_top = -HUGE_VAL;
    for_pairs([&](int64_t j, bool positive) {
      const double value = exponent(j, positive).value;
      positive_top = Largest()(positive_top, positive ? value : -HUGE_VAL);
      negative_top = Largest()(negative_top, positive ? -HUGE_VAL : value);
    });
    positive_top = combine_block<Largest>(positive_top);
    negative_top = combine_block<Largest>(negative_top);
    double positive_sum = 0.0, negative_sum = 0.0;
    for_pairs([&](int64_t j, bool positive) {
      const double term = loss::exponential_term(exponent(j, positive).value, positive ? positive_top : negative_top);
      positive_sum += positive ? term : 0.0;
      negative_sum += positive ? 0.0 : term;
    });
    positives = {positive_top, combine_block<Sum>(positive_sum)};
    negatives = {negative_top, combine_block<Sum>(negative_sum)};
    return loss::weighed_row(p.rule, positives, negatives);
  }

  /// The anchor itself, and rows that are no pair of it, weigh nothing.
  NCE_DEVICE void put_weights(const loss::WeighedRow& row, double positive_top, double negative_top,
                              double factor) const {
    for (int64_t j = threadIdx.x; j < p.rows; j += kBlockThreads) {
      const bool positive = is_positive(p, anchor, j);
      double weight = 0.0;
      if (positive || is_negative(p, anchor, j)) {
        const loss::Exponent of = exponent(j, positive);
        const double term = loss::exponential_term(of.value, positive ? positive_top : negative_top);
        const double share = term * (positive ? row.positives : row.negatives);
        weight = weight_of(p, share * of.slope, factor, distances[j]);
      }
      distances[j] = weight;
    }
  }
};

/// A block an anchor. A row with a distance that is too far has no loss that is a number, and ends the call.
template <bool kWeights>
__global__ void weigh_pairs(const MinedParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  const WeighedBlock block(p);
  loss::ExponentialSum positives, negatives;
  const loss::WeighedRow row = block.weigh(positives, negatives);
  if constexpr (kWeights) {
    block.put_weights(row, positives.top, negatives.top, p.factors.factor(block.anchor, 0.0));
  } else {
    const bool far = is_far(p, block.distances);
    if (threadIdx.x == 0) p.mined[block.anchor] = {far ? std::nan("") : row.row.loss, row.row.count};
  }
}

}  // namespace

void launch_weigh_pairs(const MinedParams& params, bool weights, cudaStream_t stream) {
  const Launch how{"weigh_pairs", blocks_of(params.strip_rows, 1), kBlockThreads, kReduceBytes, stream};
  if (weights) {
    launch(how, weigh_pairs<true>, params);
  } else {
    launch(how, weigh_pairs<false>, params);
  }
}

}  // namespace nce::cuda
