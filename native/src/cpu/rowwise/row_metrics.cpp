#include "cpu/rowwise/row_metrics.h"

#include <cmath>
#include <limits>
#include <string>

#include "api/backend.h"

namespace nce::cpu {
namespace {

void keep_first(int64_t& first, int64_t later) {
  if (first < 0) first = later;
}

double mean(double sum, int64_t count) {
  return count > 0 ? sum / static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN();
}

void check_row(int64_t row, const char* matrix) {
  if (row < 0) return;
  throw Error(NCE_STATUS_NON_FINITE, "inputs->" + std::string(matrix) + " holds a NaN or an infinity in row " +
                                         std::to_string(row) + "; all elements must be finite");
}

}  // namespace

void RowSums::add(const RowSums& later) {
  positive_similarity += later.positive_similarity;
  negative_similarity += later.negative_similarity;
  alignment += later.alignment;
  uniformity += later.uniformity;
  effective_negatives += later.effective_negatives;
  positives += later.positives;
  negatives += later.negatives;
  top1 += later.top1;
  topk += later.topk;
  zero_rows += later.zero_rows;
  keep_first(bad_query, later.bad_query);
  keep_first(bad_key, later.bad_key);
  keep_first(bad_negative, later.bad_negative);
  keep_first(overflow, later.overflow);
}

void RowSums::add_positive(double similarity, double squared_unit_distance) {
  positive_similarity += similarity;
  alignment += squared_unit_distance;
  ++positives;
}

void RowSums::add_negative(double similarity, double squared_unit_distance) {
  negative_similarity += similarity;
  uniformity += std::exp(-2.0 * squared_unit_distance);
  ++negatives;
}

void check_finite(const RowSums& sums) {
  check_row(sums.bad_query, "queries");
  check_row(sums.bad_key, "keys");
  check_row(sums.bad_negative, "negatives");
  if (sums.overflow >= 0) {
    throw Error(NCE_STATUS_NON_FINITE,
                "inputs->queries has a similarity or distance beyond the range of float64 in row " +
                    std::to_string(sums.overflow));
  }
}

void write_metrics(const nce_plan_desc& desc, const RowSums& sums, nce_metrics* metrics) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  const bool ranked = desc.loss != NCE_LOSS_CONTRASTIVE;
  metrics->reserved = 0;
  metrics->top1_accuracy = ranked ? mean(static_cast<double>(sums.top1), desc.n) : kNone;
  metrics->topk_accuracy = ranked ? mean(static_cast<double>(sums.topk), desc.n) : kNone;
  metrics->positive_similarity = mean(sums.positive_similarity, sums.positives);
  metrics->negative_similarity = mean(sums.negative_similarity, sums.negatives);
  metrics->alignment = mean(sums.alignment, sums.positives);
  metrics->uniformity = std::log(mean(sums.uniformity, sums.negatives));
  metrics->effective_negatives =
      desc.loss == NCE_LOSS_INFONCE && desc.m > 0 ? mean(sums.effective_negatives, desc.n) : kNone;
  metrics->rows = desc.n;
  metrics->zero_rows = sums.zero_rows;
  metrics->non_finite_rows = 0;
}

}  // namespace nce::cpu
