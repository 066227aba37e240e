// A block mines a row of distances: the extremes of both kinds, or all of them in order.

#include "cuda/mined/mined.cuh"

namespace nce::cuda {
namespace {

using loss::triplet_gap;
using loss::triplet_loss;
using loss::triplet_slope;

constexpr int64_t kKindShift = 60;
constexpr int64_t kRowMask = (int64_t{1} << kKindShift) - 1;
constexpr int64_t kMineBytes = kReduceBytes + kBlockThreads * int64_t{sizeof(double)};

NCE_DEVICE int64_t row_of(const Ranked& ranked) { return ranked.tag & kRowMask; }

NCE_DEVICE bool comes_before(const Ranked& a, const Ranked& b) {
  if (a.tag >> kKindShift != b.tag >> kKindShift) return a.tag < b.tag;
  return a.distance != b.distance ? a.distance < b.distance : a.tag < b.tag;
}

/// A block's row. All threads call every function.
struct MinedBlock {
  const MinedParams& p;
  int64_t anchor;
  double* distances;
  Ranked* ranked;
  double* sums;
  int64_t positive_count;
  int64_t negative_count;

  NCE_DEVICE MinedBlock(const MinedParams& params)
      : p(params),
        anchor(p.strip_first + blockIdx.x),
        distances(p.distances + int64_t{blockIdx.x} * p.rows),
        ranked(p.ranked + int64_t{blockIdx.x} * p.ranked_stride),
        sums(p.sums + int64_t{blockIdx.x} * p.ranked_stride),
        positive_count(0),
        negative_count(0) {}

  NCE_DEVICE const Ranked* positives() const { return ranked; }
  NCE_DEVICE const Ranked* negatives() const { return ranked + positive_count; }
  NCE_DEVICE double gap(int64_t positive, int64_t negative) const {
    return triplet_gap(positives()[positive].distance, negatives()[negative].distance, p.rule.margin);
  }

  template <typename Candidate>
  NCE_DEVICE Distant extreme(double sign, const Candidate& candidate) const {
    double least = HUGE_VAL;
    int64_t at = kNoRow;
    for (int64_t j = threadIdx.x; j < p.rows; j += kBlockThreads) {
      if (!candidate(j) || !(sign * distances[j] < least)) continue;
      least = sign * distances[j];
      at = j;
    }
    const double all = combine_block<Smallest>(least);
    const int64_t row = combine_block<Smallest>(least == all ? at : kNoRow);
    return row == kNoRow ? Distant{0.0, -1} : Distant{sign * all, row};
  }

  NCE_DEVICE MinedRow choose_pair() const {
    const loss::Signs signs = loss::signs_of(p.rule.mining);
    const Distant positive = extreme(signs.positive, [&](int64_t j) { return is_positive(p, anchor, j); });
    const Distant negative = extreme(signs.negative, [&](int64_t j) { return is_negative(p, anchor, j); });
    const bool both = positive.row >= 0 && negative.row >= 0;
    if (threadIdx.x == 0) p.pairs[anchor] = both ? MinedPair{positive, negative} : MinedPair{{0.0, -1}, {0.0, -1}};
    if (!both) return {0.0, 0.0};
    return {triplet_loss(triplet_gap(positive.distance, negative.distance, p.rule.margin), p.rule.soft), 1.0};
  }

  /// Positives in order of their distances, then negatives, then the rest. A bitonic sort.
  NCE_DEVICE void rank() {
    int64_t positive = 0, negative = 0;
    for (int64_t j = threadIdx.x; j < p.ranked_stride; j += kBlockThreads) {
      const bool row = j < p.rows;
      const int64_t kind = row && is_positive(p, anchor, j) ? 0 : row && is_negative(p, anchor, j) ? 1 : 2;
      ranked[j] = {row ? distances[j] : 0.0, kind << kKindShift | j};
      positive += kind == 0 ? 1 : 0;
      negative += kind == 1 ? 1 : 0;
    }
    positive_count = combine_block<Count>(positive);
    negative_count = combine_block<Count>(negative);
    for (int64_t size = 2; size <= p.ranked_stride; size *= 2) {
      for (int64_t apart = size / 2; apart > 0; apart /= 2) {
        __syncthreads();
        for (int64_t i = threadIdx.x; i < p.ranked_stride; i += kBlockThreads) compare_and_swap(i, i ^ apart, size);
      }
    }
    __syncthreads();
  }

  NCE_DEVICE void compare_and_swap(int64_t i, int64_t other, int64_t size) const {
    if (other < i) return;
    const Ranked a = ranked[i], b = ranked[other];
    const bool rising = (i & size) == 0;
    if (rising != comes_before(b, a)) return;
    ranked[i] = b;
    ranked[other] = a;
  }

  /// sums[k]: what the distances of the first k + 1 negatives exceed that of the first by.
  NCE_DEVICE void sum_negatives() const {
    auto* const parts = reinterpret_cast<double*>(shared_memory() + kReduceBytes);
    const double nearest = negatives()[0].distance;
    const Range part = part_of(negative_count, threadIdx.x, kBlockThreads);
    double sum = 0.0;
    for (int64_t k = part.begin; k < part.end; ++k) sum += negatives()[k].distance - nearest;
    __syncthreads();
    parts[threadIdx.x] = sum;
    __syncthreads();
    sum = 0.0;
    for (unsigned t = 0; t < threadIdx.x; ++t) sum += parts[t];
    for (int64_t k = part.begin; k < part.end; ++k) {
      sum += negatives()[k].distance - nearest;
      sums[k] = sum;
    }
    __syncthreads();
  }

  NCE_DEVICE void put(const Ranked& ranked_row, double slope, double factor) const {
    distances[row_of(ranked_row)] = weight_of(p, slope, factor, ranked_row.distance);
  }

  NCE_DEVICE void clear() const {
    for (int64_t j = threadIdx.x; j < p.rows; j += kBlockThreads) distances[j] = 0.0;
    __syncthreads();
  }

  NCE_DEVICE MinedRow combined(double loss, double count) const {
    return {combine_block<Sum>(loss), combine_block<Sum>(count)};
  }

  NCE_DEVICE MinedRow all_hinges(bool weights, double factor) const {
    sum_negatives();
    const double nearest = negatives()[0].distance;
    double loss = 0.0, count = 0.0;
    for (int64_t k = threadIdx.x; k < positive_count; k += kBlockThreads) {
      const double distance = positives()[k].distance;
      const int64_t active = loss::first_inside(
          negatives(), negative_count, [&](double d) { return !(triplet_gap(distance, d, p.rule.margin) > 0.0); });
      if (active > 0) {
        loss += static_cast<double>(active) * ((distance - nearest) + p.rule.margin) - sums[active - 1];
      }
      count += static_cast<double>(active);
      if (weights) put(positives()[k], static_cast<double>(active), factor);
    }
    for (int64_t k = threadIdx.x; weights && k < negative_count; k += kBlockThreads) {
      const int64_t inactive =
          loss::inactive_positives(positives(), positive_count, negatives()[k].distance, p.rule.margin);
      put(negatives()[k], -static_cast<double>(positive_count - inactive), factor);
    }
    const MinedRow row = combined(loss, count);
    // What is left of sums that cancel may be below 0.
    return {row.loss > 0.0 ? row.loss : 0.0, row.count};
  }

  /// A thread a negative, then a warp a positive.
  NCE_DEVICE MinedRow all_soft(bool weights, double factor) const {
    double loss = 0.0;
    for (int64_t k = threadIdx.x; k < negative_count; k += kBlockThreads) {
      double slopes = 0.0;
      for (int64_t i = 0; i < positive_count; ++i) {
        loss += triplet_loss(gap(i, k), true);
        if (weights) slopes += triplet_slope(gap(i, k), true);
      }
      if (weights) put(negatives()[k], -slopes, factor);
    }
    for (int64_t i = threadIdx.x / kWarpThreads; weights && i < positive_count; i += kBlockWarps) {
      double slopes = 0.0;
      for (int64_t k = threadIdx.x % kWarpThreads; k < negative_count; k += kWarpThreads) {
        slopes += triplet_slope(gap(i, k), true);
      }
      slopes = combine_warp<Sum>(slopes);
      if (threadIdx.x % kWarpThreads == 0) put(positives()[i], slopes, factor);
    }
    const double pairs = static_cast<double>(positive_count) * static_cast<double>(negative_count);
    return {combine_block<Sum>(loss), pairs};
  }

  /// The negative of positive k, by its place among negatives: it rises with k.
  NCE_DEVICE int64_t semi_hard_negative(int64_t k) const {
    const double distance = positives()[k].distance;
    const int64_t farther = loss::first_inside(negatives(), negative_count, [=](double d) { return d > distance; });
    if (farther < negative_count) return farther;
    const double farthest = negatives()[negative_count - 1].distance;
    return loss::first_inside(negatives(), negative_count, [=](double d) { return !(d < farthest); });
  }

  NCE_DEVICE MinedRow semi_hard(bool weights, double factor) const {
    double loss = 0.0;
    for (int64_t k = threadIdx.x; k < positive_count; k += kBlockThreads) {
      const int64_t negative = semi_hard_negative(k);
      loss += triplet_loss(gap(k, negative), p.rule.soft);
      if (!weights) continue;
      put(positives()[k], triplet_slope(gap(k, negative), p.rule.soft), factor);
      // The first positive with a negative adds up what all with it do to that.
      if (k > 0 && semi_hard_negative(k - 1) == negative) continue;
      double slopes = 0.0;
      for (int64_t i = k; i < positive_count && semi_hard_negative(i) == negative; ++i) {
        slopes += triplet_slope(gap(i, negative), p.rule.soft);
      }
      put(negatives()[negative], -slopes, factor);
    }
    return {combine_block<Sum>(loss), static_cast<double>(positive_count)};
  }

  NCE_DEVICE MinedRow mine(bool weights, double factor) {
    rank();
    if (weights) clear();
    if (positive_count == 0 || negative_count == 0) return {0.0, 0.0};
    switch (p.rule.mining) {
      case NCE_MINING_BATCH_ALL:
        return p.rule.soft ? all_soft(weights, factor) : all_hinges(weights, factor);
      case NCE_MINING_SEMI_HARD:
        return semi_hard(weights, factor);
      case NCE_MINING_NONE:
      case NCE_MINING_BATCH_HARD:
      case NCE_MINING_EASY_POSITIVE:
      case NCE_MINING_BATCH_EASY:
        break;
    }
    return {std::nan(""), std::nan("")};
  }
};

/// A block an anchor. A row with a distance that is too far has no loss that is a number, and ends the call.
template <bool kWeights>
__global__ void mine_rows(const MinedParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  MinedBlock block(p);
  const bool far = !kWeights && is_far(p, block.distances);
  const double factor = kWeights ? p.factors.factor(block.anchor, 0.0) : 0.0;
  MinedRow row = p.pairs != nullptr ? block.choose_pair() : block.mine(kWeights, factor);
  if (far) row.loss = std::nan("");
  if (!kWeights && threadIdx.x == 0) p.mined[block.anchor] = row;
}

}  // namespace

void launch_mine_rows(const MinedParams& params, bool weights, cudaStream_t stream) {
  if (params.rule.weighed()) return launch_weigh_pairs(params, weights, stream);
  const Launch how{"mine_rows", blocks_of(params.strip_rows, 1), kBlockThreads, kMineBytes, stream};
  if (weights) {
    launch(how, mine_rows<true>, params);
  } else {
    launch(how, mine_rows<false>, params);
  }
}

}  // namespace nce::cuda
