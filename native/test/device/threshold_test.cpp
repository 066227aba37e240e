// Thresholds: negatives more similar than the positive lets them be are left out, by rows and by columns apart.

#include <algorithm>
#include <cmath>

#include "device_test.h"

namespace nce::test {
namespace {

using oracle::kAbsolute;
using oracle::kInfoNce;
using oracle::kNtXentAbsolute;
using oracle::kShared;
using oracle::kSymmetric;
using oracle::kSymmetricRelative;
using oracle::kThresholdKinds;

class Threshold : public DeviceTest {
 protected:
  Extent size() const { return emulated() ? Extent{70, 90, 24} : Extent{60, 110, 24}; }

  /// Pairs of rows along axes of their own, which are as similar as `positive`, and every negative 0 but where a test
  /// says otherwise. One tower in one matrix has 2 n rows.
  static Problem axes(const Kind& kind, nce_dtype dtype, int64_t n, double positive) {
    Problem problem = problem_of({.kind = kind, .dtype = dtype, .size = {n, n, 2 * n}, .tau = 0.25});
    for (auto* matrix : matrices(problem)) std::fill(matrix->begin(), matrix->end(), 0.0);
    const int64_t dim = problem.desc.dim;
    for (int64_t i = 0; i < n; ++i) {
      problem.queries[static_cast<std::size_t>(i * dim + 2 * i)] = 1.0;
      problem.keys[static_cast<std::size_t>(i * dim + 2 * i)] = positive;
      problem.keys[static_cast<std::size_t>(i * dim + 2 * i + 1)] = std::sqrt(1.0 - positive * positive);
    }
    return problem;
  }
};

TEST_P(Threshold, EveryKindSimilarityAndType) { check_measures_and_types(kThresholdKinds, 100, {49, 50, 17}); }

TEST_P(Threshold, RaggedShapes) { check_ragged_shapes(kThresholdKinds, 300); }

TEST_P(Threshold, OfManyMoreKeysThanQueries) {
  const int64_t keys = emulated() ? 1100 : 2500;
  check_decided({.kind = kAbsolute, .size = {12, keys, 64}, .tau = 0.2, .seed = 2000});
}

TEST_P(Threshold, ReductionsWeightsAndUpstream) { check_reductions(kThresholdKinds, 50000); }

TEST_P(Threshold, BudgetsCallsAndThreadsChangeNoBit) { check_bits(kThresholdKinds); }

TEST_P(Threshold, LimitsAboveEverythingChangeNothing) {
  for (Kind kind : {kInfoNce, kSymmetric, kShared, oracle::kNtXent}) {
    if (!turn()) continue;
    Problem problem = problem_of({.kind = kind, .size = size(), .tau = 0.2, .seed = 3});
    SCOPED_TRACE(problem.label());
    const Result without = run(problem);
    const auto answer = answer_to(problem);
    problem.desc.threshold = NCE_THRESHOLD_ABSOLUTE;
    problem.desc.threshold_margin = -3.0;
    const Result with = run(problem);
    EXPECT_EQ(with.loss, without.loss);
    EXPECT_EQ(with.d_temperature, without.d_temperature);
    expect_close(problem, with, answer, dense_bounds(problem));
  }
}

TEST_P(Threshold, LimitsBelowEverythingLeaveNothing) {
  for (const Kind& kind : kThresholdKinds) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_BFLOAT16}) {
      if (!turn()) continue;
      Problem problem = problem_of({.kind = kind, .dtype = dtype, .size = size(), .tau = 0.2, .seed = 3});
      problem.desc.threshold = NCE_THRESHOLD_ABSOLUTE;
      problem.desc.threshold_margin = 1e100;
      SCOPED_TRACE(problem.label());
      const Result result = run(problem);
      EXPECT_EQ(result.loss[0], 0.0);
      EXPECT_EQ(result.d_temperature, 0.0);
      for (const auto* gradient : gradients(result)) EXPECT_EQ(largest(*gradient), 0.0);
      EXPECT_EQ(result.metrics.rows_without_negatives, result.metrics.rows);
      EXPECT_EQ(result.metrics.top1_accuracy, 1.0);
      EXPECT_TRUE(std::isnan(result.metrics.negative_similarity));
      EXPECT_TRUE(std::isnan(result.metrics.uniformity));
    }
  }
}

/// With a margin of 0 copies tie and stay, in every arithmetic; with the least margin they go.
TEST_P(Threshold, CopiesOfThePositive) {
  for (const int32_t similarity : measures_of(kInfoNce)) {
    for (const nce_dtype dtype : oracle::kDtypes) {
      if (!turn()) continue;
      Problem problem = problem_of(
          {.kind = kInfoNce, .measure = similarity, .dtype = dtype, .size = {40, 80, 30}, .tau = 0.2, .seed = 5});
      std::copy_n(problem.keys.begin(), 40 * problem.desc.dim, problem.keys.begin() + 40 * problem.desc.dim);
      SCOPED_TRACE(problem.label());
      problem.desc.threshold = NCE_THRESHOLD_ABSOLUTE;
      const Result stay = run(problem);
      EXPECT_EQ(stay.metrics.rows_without_negatives, 0);
      // Every copy, and no more than a copy, is as similar as the positive.
      EXPECT_EQ(stay.metrics.top1_accuracy, 0.5);
      problem.desc.threshold_margin = 0.01;
      EXPECT_EQ(run(problem).metrics.top1_accuracy, 1.0);
    }
  }
}

/// A share of a positive below 0 is taken off its size: with the sign, limits would rise.
TEST_P(Threshold, RelativeToAPositiveBelowZero) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
    if (!turn()) continue;
    Problem problem = axes(kSymmetricRelative, dtype, 20, -0.5);
    problem.desc.margin = 0.0;
    problem.desc.threshold_margin = 0.0;
    // Negatives are 0, above every limit.
    EXPECT_EQ(run(problem).metrics.rows_without_negatives, 20);
    // Limits are -0.5 - 0.5 m, and 0 is above them as well.
    problem.desc.threshold_margin = 0.9;
    EXPECT_EQ(run(problem).metrics.rows_without_negatives, 20);
    // Key 1 along -query 0: a similarity of -1 stays, as the limit of row 0 is -0.95.
    const auto row = [&](std::vector<double>& of, int64_t i) { return of.data() + i * problem.desc.dim; };
    row(problem.keys, 1)[0] = -1.0;
    row(problem.keys, 1)[2] = row(problem.keys, 1)[3] = 0.0;
    problem.desc.symmetric = 0;
    check_dense(problem);
    // Row 0 has kept key 1, and row 1, whose positive is 0 now, all others.
    EXPECT_EQ(run(problem).metrics.rows_without_negatives, 18);
  }
}

/// Query 0 is as similar to key 1 as a column may have it, and not a row.
TEST_P(Threshold, ColumnsHaveLimitsOfTheirOwn) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_BFLOAT16}) {
    if (!turn()) continue;
    Problem problem = axes(kSymmetric, dtype, 33, 1.0);
    const auto at = [&](std::vector<double>& of, int64_t i, int64_t d) -> double& {
      return of[static_cast<std::size_t>(i * problem.desc.dim + d)];
    };
    problem.desc.similarity = NCE_SIMILARITY_DOT;
    at(problem.keys, 0, 0) = 0.25;  // the positive of row 0
    at(problem.keys, 1, 0) = 0.5;
    problem.desc.threshold = NCE_THRESHOLD_ABSOLUTE;
    check_dense(problem);
    problem.desc.reduction = NCE_REDUCTION_NONE;
    const Result result = run(problem);
    const double tau = problem.tau;
    // Row 0 has 31 negatives of 0 beside its positive, its column 32.
    const double row = std::log1p(31.0 * std::exp(-0.25 / tau)), column = std::log1p(32.0 * std::exp(-0.25 / tau));
    EXPECT_NEAR(result.loss[0], 0.5 * (row + column), 1e-5);
    // Column 1 keeps query 0 at 0.5.
    const double others = std::exp(-1.0 / tau);
    const double of_column = std::log1p(31.0 * others + std::exp(-0.5 / tau));
    EXPECT_NEAR(result.loss[1], 0.5 * (std::log1p(32.0 * others) + of_column), 1e-5);
  }
}

/// Both directions of one tower: the row that leaves a pair out has no part of it, the other row has.
TEST_P(Threshold, OneTowerLeavesOutByEachRow) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
    if (!turn()) continue;
    Problem problem = axes(kNtXentAbsolute, dtype, 12, 1.0);
    problem.desc.similarity = NCE_SIMILARITY_DOT;
    problem.desc.threshold_margin = 0.0;
    problem.queries[0] = 0.5;   // s+ of rows 0 and 12 is 0.5
    problem.queries[2] = 0.75;  // queries 0, keys 1: 0.75 > 0.5, and <= 1
    check_dense(problem);
  }
}

/// Whose similarities say nothing of their cosines, and yet what is left out.
TEST_P(Threshold, UniformityOfTinyRows) {
  if (emulated()) GTEST_SKIP() << "on CUDA cosines come from products, which are 0 there, with thresholds and without";
  for (const Kind& kind : {kAbsolute, kNtXentAbsolute}) {
    Problem problem = problem_of(
        {.kind = kind, .measure = NCE_SIMILARITY_DOT, .dtype = NCE_DTYPE_FLOAT64, .size = {20, 31, 7}, .seed = 4});
    problem.desc.threshold_margin = 0.0;
    for (auto* matrix : matrices(problem)) {
      for (double& x : *matrix) x = std::ldexp(x, -530);
    }
    SCOPED_TRACE(problem.label());
    EXPECT_NEAR(run(problem).metrics.uniformity, answer_to(problem).metrics.uniformity, 1e-6);
  }
}

NCE_ON_EVERY_DEVICE(Threshold);

}  // namespace
}  // namespace nce::test
