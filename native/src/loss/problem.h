#pragma once
// What a plan computes: its loss, who is compared with whom, and how many rows everything has. One answer for the C
// interface and all backends.

#include <cmath>
#include <cstdint>

#include "infonce.h"
#include "loss/row.h"
#include "loss/rules.h"
#include "loss/tile.h"

namespace nce::loss {

/// How an arrangement is computed: in tiles, many rows meeting many columns; row by row; or by what rows of distances
/// hold.
enum class Engine : int32_t { kDense, kRowwise, kMined };

constexpr Engine engine_of(Arrangement arrangement) {
  switch (arrangement) {
    case Arrangement::kTwoTowers:
    case Arrangement::kOneTower:
    case Arrangement::kShared:
      return Engine::kDense;
    case Arrangement::kOwn:
    case Arrangement::kTriples:
    case Arrangement::kLabelled:
      return Engine::kRowwise;
    case Arrangement::kMined:
      return Engine::kMined;
  }
  return {};
}

/// The arrangement of a loss with one of the negatives that it allows.
constexpr Arrangement arrangement_of(const LossRule& rule, nce_negatives negatives) {
  switch (negatives) {
    case NCE_NEGATIVES_IN_BATCH:
      return rule.in_batch;
    case NCE_NEGATIVES_SHARED:
      return Arrangement::kShared;
    case NCE_NEGATIVES_OWN:
      return Arrangement::kOwn;
    case NCE_NEGATIVES_PAIRED:
      return Arrangement::kTriples;
  }
  return {};
}

/// Pairs whose similarities are negatives of a row beside those of its query and the other keys, see nce_block.
struct Blocks {
  bool query_query;
  bool key_query;
  bool key_key;

  NCE_HOST_DEVICE bool any() const { return query_query || key_query || key_key; }
  int64_t count() const { return int64_t{query_query} + int64_t{key_query} + int64_t{key_key}; }
};

/// Scratch for kept tiles where the caller leaves it to the library and the backend has no better number.
constexpr int64_t kDefaultBudget = int64_t{256} << 20;

/// Everything that follows from a description alone, whose enums and combinations have been checked. Dense losses are
/// described as rows X, columns Y and the positive of each row: X are the queries or the tower, Y what they are
/// compared with (keys, shared negatives or the tower again), Z the keys beside shared negatives, or each row's own
/// negatives beside the keys.
struct Problem {
  explicit Problem(const nce_plan_desc& description);

  nce_plan_desc desc;
  LossRule rule;
  Arrangement arrangement;
  Engine engine;
  RowRule row;
  nce_similarity similarity;
  nce_distance distance;
  nce_mining mining;
  nce_reduction reduction;
  double loss_weight;
  nce_dtype dtype;
  nce_dtype gradient_dtype;
  nce_precision precision;

  // The caller's matrices. -1: there is none such, not even one without rows.
  int64_t key_rows;
  int64_t negative_rows;
  int64_t loss_rows;           ///< r, the rows that have a loss
  int64_t negatives_of_row;    ///< how many each row has; 0 where labels decide
  int64_t comparisons_of_row;  ///< row by row: vectors that a query is compared with, the key first

  // Dense.
  bool tower;
  bool shared;
  bool symmetric;
  Excluded excluded;
  bool grouped;         ///< rows and columns of one group are no negatives of each other
  Threshold threshold;  ///< negatives above it are left out
  Blocks blocks;
  bool by_labels;  ///< rows and columns of one label are positives of each other, and there are no others
  int64_t own;     ///< negatives that each row has for itself beside those of the batch: rows of Z
  int64_t queue;   ///< rows of Y behind the keys, which have no gradient
  bool offsets;    ///< logits of columns have offsets
  int64_t x_rows;
  int64_t y_rows;
  int64_t z_rows;  ///< 0 unless shared, or rows have negatives of their own

  /// Bytes that the caller allows for kept tiles, or the given default if it leaves that open.
  int64_t budget_or(int64_t default_bytes) const {
    return desc.workspace_budget_bytes < 0 ? default_bytes : desc.workspace_budget_bytes;
  }

  /// Pairs of blocks that are negatives of all rows together, if nothing is left out.
  int64_t block_pairs() const { return blocks.count() * x_rows * (x_rows - 1); }

  bool has_keys() const { return key_rows >= 0; }
  bool has_negatives() const { return negative_rows >= 0; }
  /// Rows of Y that arrays by key have: the keys, then the queue.
  int64_t key_columns() const { return key_rows + queue; }
  /// Rows of Y that have a gradient, which come first.
  int64_t rows_with_gradient() const { return y_rows - queue; }
  bool has_temperature() const { return loss::has_temperature(row.function); }
  bool has_teacher() const { return family_of(row.function) == RowFamily::kDistilled; }
  bool has_bias() const { return rule.bias; }
  bool has_labels() const {
    return by_labels || arrangement == Arrangement::kLabelled || arrangement == Arrangement::kMined;
  }
  bool cosine() const { return similarity == NCE_SIMILARITY_COSINE; }
  bool euclidean() const {
    return similarity == NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN || similarity == NCE_SIMILARITY_NEG_EUCLIDEAN;
  }
  bool half_elements() const { return dtype == NCE_DTYPE_FLOAT16 || dtype == NCE_DTYPE_BFLOAT16; }
  /// Tower: rows of one view; else 0.
  int64_t views_half() const { return tower ? x_rows / 2 : 0; }
  /// Tower: the row whose view row i shares.
  int64_t other_view(int64_t i) const { return i < x_rows / 2 ? i + x_rows / 2 : i - x_rows / 2; }
  /// The row of the positive of row i in its matrix: the tower, Z if shared, else Y.
  int64_t positive_row(int64_t i) const { return tower ? other_view(i) : i; }
};

/// Bytes of an element.
NCE_HOST_DEVICE constexpr int64_t dtype_bytes(nce_dtype dtype) {
  switch (dtype) {
    case NCE_DTYPE_FLOAT64:
      return 8;
    case NCE_DTYPE_FLOAT32:
      return 4;
    case NCE_DTYPE_FLOAT16:
    case NCE_DTYPE_BFLOAT16:
      return 2;
  }
  return 0;
}

/// The smallest number that rounds to infinity in a type.
NCE_HOST_DEVICE constexpr double overflow_of(nce_dtype dtype) {
  switch (dtype) {
    case NCE_DTYPE_FLOAT64:
      return HUGE_VAL;
    case NCE_DTYPE_FLOAT32:
      return 0x1.ffffffp127;
    case NCE_DTYPE_FLOAT16:
      return 65520.0;
    case NCE_DTYPE_BFLOAT16:
      return 0x1.ffp127;
  }
  return 0.0;
}

}  // namespace nce::loss
