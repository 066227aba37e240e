#pragma once
// What a dense plan computes, told as rows X, columns Y and the positive of each row.

#include <cstdint>

#include "infonce.h"

namespace nce::cpu::dense {

/// Everything that follows from the description alone. X are the queries or the tower, Y what they are compared with:
/// keys, shared negatives or the tower again, Z the keys beside shared negatives.
struct Problem {
  explicit Problem(const nce_plan_desc& description);

  nce_plan_desc desc;
  bool tower;
  bool shared;
  bool symmetric;
  bool logistic;
  int64_t x_rows;
  int64_t y_rows;
  int64_t z_rows;          ///< 0 unless shared
  int64_t first_view;      ///< tower: rows given as queries; the others are keys
  int64_t negatives;       ///< of each row
  double negative_factor;  ///< NT-Logistic: what the sum over negatives is multiplied by

  bool cosine() const { return desc.similarity == NCE_SIMILARITY_COSINE; }
  bool euclidean() const {
    return desc.similarity == NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN || desc.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN;
  }
  /// Whether gradients of negatives need the sums of their own row of X alone, so that a strip of whole rows can go
  /// forward and backward while its tiles are kept.
  bool by_rows() const { return !tower && !symmetric; }
  /// Tower: the row whose view row i shares.
  int64_t other_view(int64_t i) const { return i < x_rows / 2 ? i + x_rows / 2 : i - x_rows / 2; }
  /// The row of the positive of row i in its matrix: the tower, Z if shared, else Y.
  int64_t positive_row(int64_t i) const { return tower ? other_view(i) : i; }
};

}  // namespace nce::cpu::dense
