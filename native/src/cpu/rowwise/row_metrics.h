#pragma once
// Metrics of nce_metrics, summed a chunk of rows at a time.

#include <cstdint>

#include "infonce.h"

namespace nce::cpu {

/// Sums over some rows, and the first rows of each matrix found with a NaN or an infinity (-1: none).
struct RowSums {
  double positive_similarity = 0.0;
  double negative_similarity = 0.0;
  double alignment = 0.0;
  double uniformity = 0.0;
  double effective_negatives = 0.0;
  int64_t positives = 0;
  int64_t negatives = 0;
  int64_t top1 = 0;
  int64_t topk = 0;
  int64_t zero_rows = 0;
  int64_t bad_query = -1;
  int64_t bad_key = -1;
  int64_t bad_negative = -1;
  int64_t overflow = -1;  // a row of queries whose similarity or distance is beyond double

  /// Adds the sums of rows that come after these.
  void add(const RowSums& later);

  void add_positive(double similarity, double squared_unit_distance);
  void add_negative(double similarity, double squared_unit_distance);
};

/// Throws NON_FINITE, naming matrix and first row, if any is bad.
void check_finite(const RowSums& sums);

/// Writes all fields but struct_size.
void write_metrics(const nce_plan_desc& desc, const RowSums& sums, nce_metrics* metrics);

}  // namespace nce::cpu
