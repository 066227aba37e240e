// Blocks: negatives among pairs of queries, pairs of keys, and the column of the positive.

#include <algorithm>
#include <cmath>

#include "device_test.h"

namespace nce::test {
namespace {

using oracle::kBlockKinds;
using oracle::kBlockThresholdKinds;
using oracle::kGte;
using oracle::kInfoNce;

constexpr int32_t kBlocks[] = {NCE_BLOCK_QUERY_QUERY, NCE_BLOCK_KEY_QUERY, NCE_BLOCK_KEY_KEY};

class BlocksTest : public DeviceTest {
 protected:
  static std::vector<Kind> kinds() {
    std::vector<Kind> kinds(std::begin(kBlockKinds), std::end(kBlockKinds));
    kinds.insert(kinds.end(), std::begin(kBlockThresholdKinds), std::end(kBlockThresholdKinds));
    return kinds;
  }

  static void scale(std::vector<double>& matrix, double by) {
    for (double& x : matrix) x *= by;
  }
};

TEST_P(BlocksTest, EveryKindSimilarityAndType) { check_measures_and_types(kinds(), 100, {49, 61, 17}); }

TEST_P(BlocksTest, RaggedShapes) { check_ragged_shapes(kBlockKinds, 300); }

/// Where keys would come in strips, were it not for the blocks.
TEST_P(BlocksTest, OfManyMoreKeysThanQueries) {
  const int64_t keys = emulated() ? 500 : 900;
  for (const Kind& kind : kBlockKinds) check_decided({.kind = kind, .size = {12, keys, 64}, .tau = 0.2, .seed = 2000});
}

/// Several strips of rows, and groups of columns, on the CPU.
TEST_P(BlocksTest, OfManyRows) {
  if (emulated()) GTEST_SKIP() << "on the emulator this takes minutes; Blocks has no shape there that others have not";
  for (const int32_t similarity : {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_NEG_EUCLIDEAN}) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
      check_decided(
          {.kind = kGte, .measure = similarity, .dtype = dtype, .size = {700, 800, 40}, .tau = 0.2, .seed = 9});
    }
  }
}

TEST_P(BlocksTest, ReductionsWeightsAndUpstream) { check_reductions(kBlockKinds, 50); }

TEST_P(BlocksTest, BudgetsCallsAndThreadsChangeNoBit) { check_bits(kinds()); }

/// All 4 n - 3 similarities of a row are equal: ln(1 + 4 (n - 1)).
TEST_P(BlocksTest, EqualVectors) {
  for (const nce_dtype dtype : oracle::kDtypes) {
    if (!turn()) continue;
    Problem problem = problem_of({.kind = kGte, .dtype = dtype, .size = {20, 20, 8}, .tau = 0.1});
    for (auto* matrix : matrices(problem)) std::fill(matrix->begin(), matrix->end(), 0.5);
    const Result result = run(problem);
    EXPECT_NEAR(result.loss[0], std::log(77.0), 2e-5);
    EXPECT_NEAR(result.metrics.effective_negatives, 76.0, 1e-3);
    // Ranks are among the keys.
    EXPECT_NEAR(result.metrics.top1_accuracy, 1.0 / 20.0, 1e-12);
    for (const auto* gradient : gradients(result)) EXPECT_LT(largest(*gradient), 1e-3);
  }
}

/// Query i and key i along axis i, and keys beyond n along axes of their own: each block alone, by hand.
TEST_P(BlocksTest, OrthogonalPairs) {
  constexpr int64_t kRows = 6, kKeys = 9;
  for (const int32_t block : kBlocks) {
    if (!turn()) continue;
    Kind kind = kInfoNce;
    kind.blocks = block;
    Problem problem = problem_of({.kind = kind, .size = {kRows, kKeys, kKeys}, .tau = 0.5});
    for (auto* matrix : matrices(problem)) std::fill(matrix->begin(), matrix->end(), 0.0);
    for (int64_t i = 0; i < kKeys; ++i) {
      if (i < kRows) problem.queries[static_cast<std::size_t>(i * kKeys + i)] = 1.0;
      problem.keys[static_cast<std::size_t>(i * kKeys + i)] = 2.0;
    }
    const double negatives = kKeys - 1 + kRows - 1;
    EXPECT_NEAR(run(problem).loss[0], std::log1p(negatives * std::exp(-2.0)), 1e-5);
    // Query 1 becomes query 0, or key 1 key 0: one pair more is equal.
    std::vector<double>& moved = block == NCE_BLOCK_KEY_KEY ? problem.keys : problem.queries;
    std::copy_n(moved.begin(), kKeys, moved.begin() + kKeys);
    check_dense(problem);
  }
}

TEST_P(BlocksTest, NoneAreTodaysBits) {
  for (const nce_dtype dtype : oracle::kDtypes) {
    if (!turn()) continue;
    const Problem problem = problem_of({.kind = kInfoNce, .dtype = dtype, .size = {1, 40, 12}, .tau = 0.2, .seed = 4});
    const Result without = run(problem);
    // Of one row, no block has a pair.
    Problem with = problem;
    with.desc.blocks = oracle::kAllBlocks;
    EXPECT_EQ(run(with).loss, without.loss);
    check_dense(with);
  }
}

/// Similarities of one matrix alone are large, so that the arithmetic of the others does not do for them.
TEST_P(BlocksTest, OfMatricesOfOtherSizes) {
  for (const int32_t similarity : {NCE_SIMILARITY_DOT, NCE_SIMILARITY_NEG_EUCLIDEAN}) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_FLOAT16}) {
      for (const double size : {40.0, 1.0 / 64.0}) {
        for (const Kind& kind : kBlockKinds) {
          if (!turn()) continue;
          Problem problem = problem_of(
              {.kind = kind, .measure = similarity, .dtype = dtype, .size = {17, 23, 16}, .tau = 0.25, .seed = 6});
          scale(problem.queries, size);
          scale(problem.keys, 1.0 / size);
          for (auto* matrix : matrices(problem)) {
            for (double& x : *matrix) x = oracle::rounded(x, dtype);
          }
          check_dense(problem);
        }
      }
    }
  }
}

/// Logits of thousands, with keys that have no column's coefficients.
TEST_P(BlocksTest, LargeLogits) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
    for (const Kind& kind : kBlockKinds) {
      if (!turn()) continue;
      Problem problem = problem_of(
          {.kind = kind, .measure = NCE_SIMILARITY_DOT, .dtype = dtype, .size = {21, 33, 16}, .tau = 0.01, .seed = 11});
      for (auto* matrix : matrices(problem)) scale(*matrix, 8.0);
      check_dense(problem);
    }
  }
}

/// Keys beyond the rows have no loss, and exponentials of them nothing to be relative to.
TEST_P(BlocksTest, LargeLogitsOfKeysBeyondTheRows) {
  Kind kind = kInfoNce;
  kind.blocks = NCE_BLOCK_KEY_QUERY;
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
    if (!turn()) continue;
    Problem problem = problem_of(
        {.kind = kind, .measure = NCE_SIMILARITY_DOT, .dtype = dtype, .size = {9, 40, 16}, .tau = 0.01, .seed = 4});
    for (double& x : problem.keys) x = oracle::rounded(x * 1e3, dtype);
    const Result result = run(problem);
    for (const auto* gradient : gradients(result)) EXPECT_TRUE(std::isfinite(largest(*gradient)));
  }
}

TEST_P(BlocksTest, RowsOfZeros) {
  for (const Kind& kind : kBlockKinds) {
    if (!turn()) continue;
    Problem problem = problem_of({.kind = kind, .size = {20, 30, 12}, .tau = 0.2, .seed = 12});
    std::fill_n(problem.queries.begin() + 3 * 12, 12, 0.0);
    std::fill_n(problem.keys.begin() + 5 * 12, 12, 0.0);
    std::fill_n(problem.keys.begin() + 25 * 12, 12, 0.0);
    check_dense(problem);
  }
}

TEST_P(BlocksTest, GroupsOfEverythingLeaveNothing) {
  if (!turn()) return;
  Problem problem = problem_of({.kind = oracle::kGteDecoupled, .size = {20, 30, 12}, .tau = 0.2, .seed = 12});
  problem.desc.denominator = NCE_DENOMINATOR_ALL;
  std::fill(problem.groups.begin(), problem.groups.end(), 3);
  std::fill(problem.key_groups.begin(), problem.key_groups.end(), 3);
  const Result result = run(problem);
  EXPECT_EQ(result.loss[0], 0.0);
  for (const auto* gradient : gradients(result)) EXPECT_EQ(largest(*gradient), 0.0);
}

/// A similarity beyond the range of float64, of two queries or of two keys.
TEST_P(BlocksTest, SimilaritiesBeyondTheRange) {
  for (const int32_t block : kBlocks) {
    if (!turn()) continue;
    Kind kind = kInfoNce;
    kind.blocks = block;
    Problem problem = problem_of({.kind = kind,
                                  .measure = NCE_SIMILARITY_DOT,
                                  .dtype = NCE_DTYPE_FLOAT64,
                                  .size = {10, 12, 4},
                                  .tau = 0.5,
                                  .seed = 3});
    std::vector<double>& large = block == NCE_BLOCK_KEY_KEY ? problem.keys : problem.queries;
    std::vector<double>& small = block == NCE_BLOCK_KEY_KEY ? problem.queries : problem.keys;
    scale(large, 1e160);
    scale(small, 1e-160);
    if (block == NCE_BLOCK_KEY_QUERY) {
      check_dense(problem);
    } else {
      expect_refused(problem, NCE_STATUS_NON_FINITE,
                     "inputs->queries has a similarity or distance beyond the range of float64 in row 0");
    }
  }
}

/// Rows on two sides of the others: only they are too far from one another, and their losses are finite.
TEST_P(BlocksTest, DistancesBeyondTheRange) {
  for (const int32_t block : {NCE_BLOCK_QUERY_QUERY, NCE_BLOCK_KEY_KEY}) {
    if (!turn()) continue;
    Kind kind = kInfoNce;
    kind.blocks = block;
    Problem problem = problem_of(
        {.kind = kind, .measure = NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN, .dtype = NCE_DTYPE_FLOAT64, .size = {6, 6, 3}});
    std::vector<double>& apart = block == NCE_BLOCK_KEY_KEY ? problem.keys : problem.queries;
    for (std::size_t i = 0; i < apart.size(); i += 3) apart[i] = i % 2 == 0 ? 7e149 : -7e149;
    expect_refused(problem, NCE_STATUS_NON_FINITE,
                   "inputs->queries has a similarity or distance beyond the range of float64 in row 0");
  }
}

NCE_ON_EVERY_DEVICE(BlocksTest);

}  // namespace
}  // namespace nce::test
