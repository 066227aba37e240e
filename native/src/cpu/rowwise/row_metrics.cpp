#include "cpu/rowwise/row_metrics.h"

#include <cmath>
#include <string>

#include "api/backend.h"

namespace nce::cpu {
namespace {

void keep_first(int64_t& first, int64_t later) {
  if (first < 0) first = later;
}

void check_row(int64_t row, const char* matrix) {
  if (row < 0) return;
  throw Error(NCE_STATUS_NON_FINITE, "inputs->" + std::string(matrix) + " holds a NaN or an infinity in row " +
                                         std::to_string(row) + "; all elements must be finite");
}

}  // namespace

void RowwiseTotals::add(const RowwiseTotals& later) {
  metrics.positive_similarity += later.metrics.positive_similarity;
  metrics.negative_similarity += later.metrics.negative_similarity;
  metrics.alignment += later.metrics.alignment;
  metrics.uniformity += later.metrics.uniformity;
  metrics.effective_negatives += later.metrics.effective_negatives;
  metrics.positives += later.metrics.positives;
  metrics.negatives += later.metrics.negatives;
  metrics.top1 += later.metrics.top1;
  metrics.topk += later.metrics.topk;
  metrics.zero_rows += later.metrics.zero_rows;
  keep_first(bad_query, later.bad_query);
  keep_first(bad_key, later.bad_key);
  keep_first(bad_negative, later.bad_negative);
  keep_first(overflow, later.overflow);
}

void RowwiseTotals::add_positive(double similarity, double squared_unit_distance) {
  metrics.positive_similarity += similarity;
  metrics.alignment += squared_unit_distance;
  ++metrics.positives;
}

void RowwiseTotals::add_negative(double similarity, double squared_unit_distance) {
  metrics.negative_similarity += similarity;
  metrics.uniformity += std::exp(-2.0 * squared_unit_distance);
  ++metrics.negatives;
}

void check_finite(const RowwiseTotals& totals) {
  check_row(totals.bad_query, "queries");
  check_row(totals.bad_key, "keys");
  check_row(totals.bad_negative, "negatives");
  if (totals.overflow >= 0) {
    throw Error(NCE_STATUS_NON_FINITE,
                "inputs->queries has a similarity or distance beyond the range of float64 in row " +
                    std::to_string(totals.overflow));
  }
}

}  // namespace nce::cpu
