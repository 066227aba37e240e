#pragma once
// Rows of distances: an anchor's positives (other rows of its label) and its negatives (rows of another label), of
// which triplets are mined, or which are all weighed (weighed.h). In double, on host and device. Sources: batch-all and
// batch-hard 1703.07737, semi-hard 1503.03832.

#include <cstdint>

#include "loss/pairwise.h"

namespace nce::loss {

/// Whether each anchor has one positive and one negative at most, so that triplets are as many as rows.
NCE_HOST_DEVICE constexpr bool one_pair(nce_mining mining) {
  switch (mining) {
    case NCE_MINING_BATCH_HARD:
    case NCE_MINING_EASY_POSITIVE:
    case NCE_MINING_BATCH_EASY:
      return true;
    case NCE_MINING_NONE:
    case NCE_MINING_BATCH_ALL:
    case NCE_MINING_SEMI_HARD:
      return false;
  }
  return false;
}

/// What the distances of an anchor are multiplied by for the smallest to be the one it takes; the first of several that
/// are equal. For minings of one pair.
struct Signs {
  double positive;
  double negative;
};
NCE_HOST_DEVICE constexpr Signs signs_of(nce_mining mining) {
  switch (mining) {
    case NCE_MINING_BATCH_HARD:
      return {-1.0, 1.0};
    case NCE_MINING_EASY_POSITIVE:
      return {1.0, 1.0};
    case NCE_MINING_BATCH_EASY:
      return {1.0, -1.0};
    case NCE_MINING_NONE:
    case NCE_MINING_BATCH_ALL:
    case NCE_MINING_SEMI_HARD:
      break;
  }
  return {0.0, 0.0};
}

/// What all anchors of a call have in common.
struct MinedRule {
  RowFunction function;
  nce_mining mining;
  bool soft;
  double margin;
  double positive_scale;
  double negative_scale;
  double base;
  double top;  ///< the similarity at a distance of 0: all similarities are this less the distance

  /// Whether all pairs are weighed, instead of triplets being mined.
  NCE_HOST_DEVICE bool weighed() const { return family_of(function) == RowFamily::kWeighed; }
};

inline MinedRule mined_rule_of(const Problem& problem) {
  const bool cosines = measured_by(problem.row.function) == Measured::kSimilarity && problem.cosine();
  return {.function = problem.row.function,
          .mining = problem.mining,
          .soft = problem.row.function == RowFunction::kSoftTriplet,
          .margin = problem.desc.margin,
          .positive_scale = problem.desc.positive_scale,
          .negative_scale = problem.desc.negative_scale,
          .base = problem.desc.base,
          .top = cosines ? 1.0 : 0.0};
}

/// An anchor's loss l and the number c of its triplets that a mean counts.
struct MinedRow {
  double loss;
  double count;
};

/// A row of the batch and its distance from the anchor; row -1: there is none.
struct Distant {
  double distance;
  int64_t row;
};

/// The nearer of two; of equals the one with the smaller row.
NCE_HOST_DEVICE inline Distant nearer(const Distant& a, const Distant& b) {
  if (a.row < 0 || b.row < 0) return a.row < 0 ? b : a;
  if (a.distance != b.distance) return a.distance < b.distance ? a : b;
  return a.row < b.row ? a : b;
}

/// The farther of two, likewise.
NCE_HOST_DEVICE inline Distant farther(const Distant& a, const Distant& b) {
  if (a.row < 0 || b.row < 0) return a.row < 0 ? b : a;
  if (a.distance != b.distance) return a.distance > b.distance ? a : b;
  return a.row < b.row ? a : b;
}

/// How many of `count` positives, the nearest first, come before those for which inside(distance) holds. It is
/// monotone. Without branches on distances, which nobody could predict.
template <typename Item, typename Inside>
NCE_HOST_DEVICE int64_t first_inside(const Item* items, int64_t count, const Inside& inside) {
  if (count == 0) return 0;
  int64_t first = 0;
  int64_t left = count;
  while (left > 1) {
    const int64_t half = left / 2;
    first += half * static_cast<int64_t>(!inside(items[first + half - 1].distance));
    left -= half;
  }
  return first + static_cast<int64_t>(!inside(items[first].distance));
}

/// How many positives, the nearest first, have no active triplet with a negative at this distance: their gaps are <= 0.
template <typename Item>
NCE_HOST_DEVICE int64_t inactive_positives(const Item* positives, int64_t count, double negative, double margin) {
  return first_inside(positives, count, [=](double d) { return triplet_gap(d, negative, margin) > 0.0; });
}

/// How many positives are nearer than a negative at this distance.
template <typename Item>
NCE_HOST_DEVICE int64_t nearer_positives(const Item* positives, int64_t count, double negative) {
  return first_inside(positives, count, [=](double d) { return !(d < negative); });
}

}  // namespace nce::loss
