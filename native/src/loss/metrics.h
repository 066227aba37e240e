#pragma once
// From sums over rows to nce_metrics, on host and device.

#include <cmath>
#include <cstdint>
#include <limits>

#include "infonce.h"
#include "loss/pairwise.h"
#include "loss/problem.h"
#include "loss/row.h"
#include "loss/scalar.h"

namespace nce::loss {

/// What row-wise losses add up of a similarity, which may be as large as a double can be; dense losses refuse those.
constexpr double kSimilarityShare = 0x1p-40;

/// Sums of what metrics are means of.
struct MetricTotals {
  double positive_similarity;
  double negative_similarity;
  double alignment;   ///< of |x^ - y^|^2 over positives
  double uniformity;  ///< of exp(-2 |x^ - y^|^2) over negatives
  double effective_negatives;
  int64_t positives;
  int64_t negatives;
  int64_t further_negatives;  ///< at most so many, of blocks, that are in a softmax alone
  int64_t mixed;              ///< rows with a softmax over negatives
  double top1;                ///< of rank_credit
  double topk;
  int64_t zero_rows;
  int64_t rows_without_positives;
  int64_t rows_without_negatives;

  /// The entropy of a row's softmax over its negatives; NaN: the row has none.
  NCE_HOST_DEVICE void add_entropy(double entropy) {
    if (entropy != entropy) return;
    effective_negatives += std::exp(entropy);
    mixed += 1;
  }

  NCE_HOST_DEVICE void add(const MetricTotals& of) {
    positive_similarity += of.positive_similarity;
    negative_similarity += of.negative_similarity;
    alignment += of.alignment;
    uniformity += of.uniformity;
    effective_negatives += of.effective_negatives;
    positives += of.positives;
    negatives += of.negatives;
    further_negatives += of.further_negatives;
    mixed += of.mixed;
    top1 += of.top1;
    topk += of.topk;
    zero_rows += of.zero_rows;
    rows_without_positives += of.rows_without_positives;
    rows_without_negatives += of.rows_without_negatives;
  }
};

/// How likely a row's positive is among the first k if those as similar as it, `tied` negatives, come in random order.
NCE_HOST_DEVICE inline double rank_credit(double above, double tied, double k) {
  const double credit = (k - above) / (1.0 + tied);
  return credit < 0.0 ? 0.0 : credit > 1.0 ? 1.0 : credit;
}

/// What similarities can be, their rounding apart.
struct SimilarityRange {
  double smallest;
  double largest;
};

inline SimilarityRange similarity_range(const Problem& problem) {
  constexpr double kMost = std::numeric_limits<double>::max();
  const Measure measure = measure_of(problem);
  switch (measure.base) {
    case Base::kCosine:
      return measure.similarity_sign > 0.0 ? SimilarityRange{-1.0, 1.0} : SimilarityRange{-2.0, 0.0};
    case Base::kDot:
      return {-kMost, kMost};
    case Base::kSquaredDistance:
    case Base::kDistance:
      return {-kMost, 0.0};
  }
  return {};
}

/// NaN stays what it is.
NCE_HOST_DEVICE inline double within(double x, double smallest, double largest) {
  return x < smallest ? smallest : x > largest ? largest : x;
}

NCE_HOST_DEVICE inline double mean_of(double sum, int64_t count) {
  return count > 0 ? sum / static_cast<double>(count) : std::nan("");
}

/// Whether rows have both a positive and negatives to rank it among.
NCE_HOST_DEVICE inline bool has_ranks(RowFunction function) {
  switch (family_of(function)) {
    case RowFamily::kOdds:
    case RowFamily::kLogistic:
    case RowFamily::kTriplet:
    case RowFamily::kDistilled:
    case RowFamily::kWeighed:
      return true;
    case RowFamily::kContrastive:
      return false;
  }
  return false;
}

/// `rows` have a loss, and `share` of each similarity was added up. A metric without meaning for the loss is NaN;
/// rounding takes none out of its range.
NCE_HOST_DEVICE inline nce_metrics metrics_of(RowFunction function, const SimilarityRange& range,
                                              const MetricTotals& totals, int64_t rows, double share = 1.0) {
  const int64_t ranked = has_ranks(function) ? rows - totals.rows_without_positives : 0;
  const int64_t mixed = has_softmax(function) ? totals.mixed : 0;
  nce_metrics metrics{};
  metrics.struct_size = sizeof metrics;
  metrics.top1_accuracy = within(mean_of(totals.top1, ranked), 0.0, 1.0);
  metrics.topk_accuracy = within(mean_of(totals.topk, ranked), 0.0, 1.0);
  metrics.positive_similarity =
      within(mean_of(totals.positive_similarity, totals.positives) / share, range.smallest, range.largest);
  metrics.negative_similarity =
      within(mean_of(totals.negative_similarity, totals.negatives) / share, range.smallest, range.largest);
  metrics.alignment = within(mean_of(totals.alignment, totals.positives), 0.0, 4.0);
  metrics.uniformity = within(std::log(mean_of(totals.uniformity, totals.negatives)), -8.0, 0.0);
  const auto negatives = static_cast<double>(totals.negatives + totals.further_negatives);
  metrics.effective_negatives = within(mean_of(totals.effective_negatives, mixed), 1.0, mean_of(negatives, mixed));
  metrics.rows = rows;
  metrics.zero_rows = totals.zero_rows;
  metrics.rows_without_positives = totals.rows_without_positives;
  metrics.rows_without_negatives = totals.rows_without_negatives;
  return metrics;
}

/// Of rows that are compared with vectors of their own, at most one of which is a positive.
NCE_HOST_DEVICE inline void count_rowwise(const MetricTotals& totals, int64_t rows, int64_t comparisons_of_row,
                                          nce_metrics& metrics) {
  metrics.rows_without_positives = rows - totals.positives;
  metrics.rows_without_negatives = comparisons_of_row == 1 ? rows - totals.negatives : 0;
}

/// Into the caller's struct, whose size stays what it is.
NCE_HOST_DEVICE inline void write_metrics(nce_metrics metrics, nce_metrics* to) {
  metrics.struct_size = to->struct_size;
  *to = metrics;
}

}  // namespace nce::loss
