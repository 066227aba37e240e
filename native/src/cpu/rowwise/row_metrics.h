#pragma once
// Metrics of nce_metrics, summed a chunk of rows at a time.

#include <cstdint>

#include "infonce.h"
#include "loss/metrics.h"

namespace nce::cpu {

/// Sums over some rows, and the first rows of each matrix found with a NaN or an infinity (-1: none).
struct RowwiseTotals {
  loss::MetricTotals metrics{};
  int64_t bad_query = -1;
  int64_t bad_key = -1;
  int64_t bad_negative = -1;
  int64_t overflow = -1;  // a row of queries whose similarity or distance is beyond double

  /// Adds the sums of rows that come after these.
  void add(const RowwiseTotals& later);

  void add_positive(double similarity, double squared_unit_distance);
  void add_negative(double similarity, double squared_unit_distance);
};

/// Throws NON_FINITE, naming matrix and first row, if any is bad.
void check_finite(const RowwiseTotals& totals);

}  // namespace nce::cpu
