#pragma once
// From sums over rows to nce_metrics, on host and device.

#include <cmath>
#include <cstdint>

#include "infonce.h"
#include "loss/row.h"
#include "loss/scalar.h"

namespace nce::loss {

/// Sums of what metrics are means of.
struct MetricTotals {
  double positive_similarity;
  double negative_similarity;
  double alignment;   ///< of |x^ - y^|^2 over positives
  double uniformity;  ///< of exp(-2 |x^ - y^|^2) over negatives
  double effective_negatives;
  int64_t positives;
  int64_t negatives;
  int64_t top1;  ///< rows whose positive is at least as similar as every negative
  int64_t topk;
  int64_t zero_rows;
};

NCE_HOST_DEVICE inline double mean_of(double sum, int64_t count) {
  return count > 0 ? sum / static_cast<double>(count) : std::nan("");
}

/// Whether rows have both a positive and negatives to rank it among.
NCE_HOST_DEVICE inline bool has_ranks(RowFunction function) {
  switch (family_of(function)) {
    case RowFamily::kOdds:
    case RowFamily::kLogistic:
    case RowFamily::kTriplet:
      return true;
    case RowFamily::kContrastive:
      return false;
  }
  return false;
}

/// `rows` have a loss. A metric without meaning for the loss is NaN.
NCE_HOST_DEVICE inline nce_metrics metrics_of(RowFunction function, const MetricTotals& totals, int64_t rows) {
  const int64_t ranked = has_ranks(function) ? rows : 0;
  const int64_t mixed = has_softmax(function) && totals.negatives > 0 ? rows : 0;
  nce_metrics metrics{};
  metrics.struct_size = sizeof metrics;
  metrics.top1_accuracy = mean_of(static_cast<double>(totals.top1), ranked);
  metrics.topk_accuracy = mean_of(static_cast<double>(totals.topk), ranked);
  metrics.positive_similarity = mean_of(totals.positive_similarity, totals.positives);
  metrics.negative_similarity = mean_of(totals.negative_similarity, totals.negatives);
  metrics.alignment = mean_of(totals.alignment, totals.positives);
  metrics.uniformity = std::log(mean_of(totals.uniformity, totals.negatives));
  metrics.effective_negatives = mean_of(totals.effective_negatives, mixed);
  metrics.rows = rows;
  metrics.zero_rows = totals.zero_rows;
  return metrics;
}

}  // namespace nce::loss
