// Negatives of a row's own beside those of the batch.

#include <algorithm>
#include <cmath>

#include "device_test.h"

namespace nce::test {
namespace {

using oracle::kOwnToo;
using oracle::kOwnTooDebiased;
using oracle::kOwnTooKinds;
using oracle::kQwen3;

class OwnNegativesToo : public DeviceTest {
 protected:
  static std::vector<Kind> kinds() {
    std::vector<Kind> kinds(std::begin(kOwnTooKinds), std::end(kOwnTooKinds));
    kinds.push_back(kQwen3);
    return kinds;
  }

  static double* row(std::vector<double>& of, const Problem& problem, int64_t i) {
    return of.data() + i * problem.desc.dim;
  }
};

TEST_P(OwnNegativesToo, EveryKindSimilarityAndType) { check_measures_and_types(kinds(), 100, {49, 61, 17}); }

TEST_P(OwnNegativesToo, Debiased) {
  for (const nce_dtype dtype : oracle::kDtypes) {
    for (const uint64_t seed : {uint64_t{1000}, uint64_t{2000}}) {
      check_decided({.kind = kOwnTooDebiased, .dtype = dtype, .size = {19, 27, 20}, .tau = 0.5, .seed = seed});
    }
  }
}

TEST_P(OwnNegativesToo, RaggedShapes) {
  uint64_t seed = 300;
  for (const Kind& kind : kinds()) {
    check_ragged_shapes({&kind, 1}, seed);
    seed += 7;
    check_decided({.kind = kind, .size = {140, 150, 20}, .tau = 0.2, .seed = 1000 * seed});
  }
}

/// Many more than there are keys, and than rows are in a tile.
TEST_P(OwnNegativesToo, ManyOfThem) {
  Kind kind = kOwnToo;
  for (const int64_t own : {17, 150}) {
    kind.own_negatives = own;
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_BFLOAT16}) {
      check_decided({.kind = kind, .dtype = dtype, .size = {5, 7, 24}, .tau = 0.2, .seed = 7});
    }
    if (!emulated()) check_decided({.kind = kind, .size = {210, 230, 24}, .tau = 0.2, .seed = 8});
  }
}

TEST_P(OwnNegativesToo, OfManyMoreKeysThanQueries) {
  const int64_t keys = emulated() ? 500 : 900;
  for (const Kind& kind : kOwnTooKinds) check_decided({.kind = kind, .size = {12, keys, 64}, .tau = 0.2, .seed = 2000});
}

TEST_P(OwnNegativesToo, ReductionsWeightsAndUpstream) { check_reductions(kOwnTooKinds, 50); }

TEST_P(OwnNegativesToo, BudgetsCallsAndThreadsChangeNoBit) { check_bits(kinds()); }

TEST_P(OwnNegativesToo, GradientsThatAreNotWanted) {
  for (const Kind& kind : kOwnTooKinds) {
    if (turn()) check_unwanted_gradients(problem_of({.kind = kind, .size = {50, 60, 24}, .tau = 0.2, .seed = 9}));
  }
}

/// n - 1 of the batch and as many own ones as there are, all equal to the positive.
TEST_P(OwnNegativesToo, EqualVectors) {
  for (const nce_dtype dtype : oracle::kDtypes) {
    if (!turn()) continue;
    Problem problem = problem_of({.kind = kOwnToo, .dtype = dtype, .size = {20, 20, 8}, .tau = 0.1});
    for (auto* matrix : matrices(problem)) std::fill(matrix->begin(), matrix->end(), 0.5);
    const Result result = run(problem);
    EXPECT_NEAR(result.loss[0], std::log(23.0), 2e-5);
    EXPECT_NEAR(result.metrics.effective_negatives, 22.0, 1e-3);
    EXPECT_NEAR(result.metrics.top1_accuracy, 1.0 / 23.0, 1e-12);
    EXPECT_NEAR(result.metrics.negative_similarity, 1.0, 1e-6);
  }
}

/// A row's own negatives move its loss alone.
TEST_P(OwnNegativesToo, AreNobodyElses) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_BFLOAT16}) {
    if (!turn()) continue;
    Problem problem = problem_of({.kind = kOwnToo, .dtype = dtype, .size = {150, 150, 16}, .tau = 0.2, .seed = 3});
    problem.desc.reduction = NCE_REDUCTION_NONE;
    const Result before = run(problem);
    for (const int64_t changed : {0, 47, 48, 127, 128, 149}) {
      Problem other = problem;
      const int64_t own = other.desc.own_negatives;
      for (int64_t k = 0; k < own; ++k) {
        std::copy_n(row(other.queries, other, changed), 16, row(other.negatives, other, changed * own + k));
      }
      const Result after = run(other);
      for (int64_t i = 0; i < 150; ++i) {
        if (i == changed) {
          EXPECT_GT(after.loss[static_cast<std::size_t>(i)], before.loss[static_cast<std::size_t>(i)]);
        } else {
          EXPECT_EQ(after.loss[static_cast<std::size_t>(i)], before.loss[static_cast<std::size_t>(i)]) << i;
        }
      }
    }
  }
}

/// Where all keys are in one group, what is left is InfoNCE with own negatives alone.
TEST_P(OwnNegativesToo, GroupsLeaveThem) {
  if (!turn()) return;
  Problem problem = problem_of({.kind = oracle::kOwnTooGrouped, .size = {30, 40, 12}, .tau = 0.2, .seed = 5});
  problem.desc.denominator = NCE_DENOMINATOR_ALL;
  problem.desc.margin = 0.0;
  std::fill(problem.groups.begin(), problem.groups.end(), 3);
  std::fill(problem.key_groups.begin(), problem.key_groups.end(), 3);
  const Result both = run(problem);
  Problem alone = problem_of({.kind = oracle::kOwn, .size = {30, 1, 12}, .tau = 0.2, .seed = 5});
  alone.queries = problem.queries;
  std::copy_n(problem.keys.begin(), alone.keys.size(), alone.keys.begin());
  alone.negatives = problem.negatives;
  const Result own = run(alone);
  EXPECT_NEAR(both.loss[0], own.loss[0], 2e-6);
  expect_near(both.d_negatives, own.d_negatives, 2e-6);
  expect_near(both.d_queries, own.d_queries, 2e-6);
}

/// A copy of the positive ties and stays, in every arithmetic; with the least margin it goes.
TEST_P(OwnNegativesToo, CopiesOfThePositive) {
  for (const int32_t similarity : measures_of(kOwnToo)) {
    for (const nce_dtype dtype : oracle::kDtypes) {
      if (!turn()) continue;
      Kind kind = kOwnToo;
      kind.own_negatives = 1;
      Problem problem = problem_of(
          {.kind = kind, .measure = similarity, .dtype = dtype, .size = {40, 40, 30}, .tau = 0.2, .seed = 5});
      std::copy_n(problem.keys.begin(), 40 * problem.desc.dim, problem.negatives.begin());
      SCOPED_TRACE(problem.label());
      problem.desc.threshold = NCE_THRESHOLD_ABSOLUTE;
      EXPECT_EQ(run(problem).metrics.top1_accuracy, 0.5);
      problem.desc.threshold_margin = 0.01;
      EXPECT_EQ(run(problem).metrics.top1_accuracy, 1.0);
    }
  }
}

/// So low that it leaves many of them out.
TEST_P(OwnNegativesToo, BelowAThreshold) {
  Kind kind = kOwnToo;
  kind.threshold = NCE_THRESHOLD_ABSOLUTE;
  kind.threshold_margin = 0.7;
  for (const nce_dtype dtype : oracle::kDtypes) {
    check_decided({.kind = kind, .dtype = dtype, .size = {19, 27, 20}, .tau = 0.2, .seed = 4000});
  }
}

TEST_P(OwnNegativesToo, LargeLogitsAndOtherSizes) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_FLOAT16}) {
    for (const double factor : {1.0 / 64.0, 1.0, 16.0}) {
      for (const Kind& kind : kOwnTooKinds) {
        if (!turn()) continue;
        Problem problem = problem_of({.kind = kind,
                                      .measure = NCE_SIMILARITY_DOT,
                                      .dtype = dtype,
                                      .size = {21, 33, 16},
                                      .tau = 0.05,
                                      .seed = 11});
        for (double& x : problem.negatives) x = oracle::rounded(x * factor, dtype);
        check_dense(problem);
      }
    }
  }
}

TEST_P(OwnNegativesToo, RowsOfZeros) {
  for (const Kind& kind : kOwnTooKinds) {
    if (!turn()) continue;
    Problem problem = problem_of({.kind = kind, .size = {20, 30, 12}, .tau = 0.2, .seed = 12});
    std::fill_n(row(problem.queries, problem, 3), 12, 0.0);
    std::fill_n(row(problem.negatives, problem, 5), 12, 0.0);
    check_dense(problem);
  }
}

TEST_P(OwnNegativesToo, RowsThatAreNotFinite) {
  if (!turn()) return;
  Problem problem = problem_of({.kind = kOwnToo, .size = {20, 30, 12}, .tau = 0.2, .seed = 12});
  row(problem.negatives, problem, 41)[3] = std::nan("");
  expect_refused(problem, NCE_STATUS_NON_FINITE,
                 "inputs->negatives holds a NaN or an infinity in row 41; all elements must be finite");
}

TEST_P(OwnNegativesToo, SimilaritiesBeyondTheRange) {
  if (!turn()) return;
  Problem problem = problem_of({.kind = kOwnToo,
                                .measure = NCE_SIMILARITY_DOT,
                                .dtype = NCE_DTYPE_FLOAT64,
                                .size = {10, 12, 4},
                                .tau = 0.5,
                                .seed = 3});
  for (double& x : problem.queries) x *= 1e160;
  for (double& x : problem.keys) x *= 1e-160;
  for (int64_t d = 0; d < 4; ++d) row(problem.negatives, problem, 3 * 7 + 1)[d] *= 1e160;
  expect_refused(problem, NCE_STATUS_NON_FINITE,
                 "inputs->queries has a similarity or distance beyond the range of float64 in row 7");
}

NCE_ON_EVERY_DEVICE(OwnNegativesToo);

}  // namespace
}  // namespace nce::test
