#include "cpu/rowwise/row_metrics.h"

#include <cmath>

#include "api/refusals.h"

namespace nce::cpu {
namespace {

void keep_first(int64_t& first, int64_t later) {
  if (first < 0) first = later;
}

}  // namespace

void RowwiseTotals::add(const RowwiseTotals& later) {
  metrics.add(later.metrics);
  keep_first(bad_query, later.bad_query);
  keep_first(bad_key, later.bad_key);
  keep_first(bad_negative, later.bad_negative);
  keep_first(overflow, later.overflow);
}

void RowwiseTotals::add_positive(double similarity, double squared_unit_distance) {
  metrics.positive_similarity += similarity * loss::kSimilarityShare;
  metrics.alignment += squared_unit_distance;
  ++metrics.positives;
}

void RowwiseTotals::add_negative(double similarity, double squared_unit_distance) {
  metrics.negative_similarity += similarity * loss::kSimilarityShare;
  metrics.uniformity += std::exp(-2.0 * squared_unit_distance);
  ++metrics.negatives;
}

void check_finite(const RowwiseTotals& totals) {
  if (totals.bad_query >= 0) refuse_row("queries", totals.bad_query);
  if (totals.bad_key >= 0) refuse_row("keys", totals.bad_key);
  if (totals.bad_negative >= 0) refuse_row("negatives", totals.bad_negative);
  if (totals.overflow >= 0) refuse_similarity(totals.overflow);
}

}  // namespace nce::cpu
