// Rows and columns of one group are no negatives of each other: what that leaves of a loss, whatever groups are called.

#include <algorithm>
#include <cmath>

#include "device_test.h"

namespace nce::test {
namespace {

using oracle::kGrouped;
using oracle::kNtXentGrouped;
using oracle::kSymmetricGrouped;

constexpr Kind kGroupedKinds[] = {kGrouped, kSymmetricGrouped, kNtXentGrouped};

class Groups : public DeviceTest {
 protected:
  /// Rows enough for several tiles and for one that is not full.
  Extent size() const { return emulated() ? Extent{70, 140, 24} : Extent{150, 240, 24}; }

  Problem grouped(const Kind& kind, nce_dtype dtype = NCE_DTYPE_FLOAT32) const {
    return problem_of({.kind = kind, .dtype = dtype, .size = size(), .tau = 0.2, .seed = 3});
  }
};

void set_all(Problem& problem, int32_t group) {
  for (auto* groups : {&problem.groups, &problem.key_groups}) std::fill(groups->begin(), groups->end(), group);
}

TEST_P(Groups, OneGroupOfAllLeavesNothing) {
  for (const Kind& kind : kGroupedKinds) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_BFLOAT16}) {
      if (!turn()) continue;
      Problem problem = grouped(kind, dtype);
      set_all(problem, 7);
      SCOPED_TRACE(problem.label());
      const Result result = run(problem);
      EXPECT_EQ(result.loss[0], 0.0);
      EXPECT_EQ(result.d_temperature, 0.0);
      for (const auto* gradient : gradients(result)) EXPECT_EQ(largest(*gradient), 0.0);
      EXPECT_EQ(result.metrics.top1_accuracy, 1.0);
      EXPECT_TRUE(std::isnan(result.metrics.negative_similarity));
      EXPECT_TRUE(std::isnan(result.metrics.uniformity));
      EXPECT_TRUE(std::isnan(result.metrics.effective_negatives));
      EXPECT_FALSE(std::isnan(result.metrics.positive_similarity));
    }
  }
}

TEST_P(Groups, NumbersBelowZeroAndGroupsOfOneAreAsNoGroups) {
  for (const Kind& kind : kGroupedKinds) {
    if (!turn()) continue;
    Problem problem = grouped(kind);
    SCOPED_TRACE(problem.label());
    set_all(problem, -5);
    const Result alone = run(problem);
    // Row i and its positive are of group i, which excludes nobody else.
    for (auto* groups : {&problem.groups, &problem.key_groups}) {
      for (std::size_t i = 0; i < groups->size(); ++i) {
        const auto row = static_cast<int64_t>(i);
        (*groups)[i] = static_cast<int32_t>(problem.shape().tower ? row % problem.desc.n : row);
      }
    }
    EXPECT_EQ(run(problem).difference(alone), "");
    problem.desc.groups = 0;
    problem.groups.clear();
    problem.key_groups.clear();
    EXPECT_EQ(run(problem).difference(alone), "");
  }
}

TEST_P(Groups, OtherNamesChangeNoBit) {
  for (const Kind& kind : kGroupedKinds) {
    if (!turn()) continue;
    Problem problem = grouped(kind);
    SCOPED_TRACE(problem.label());
    const Result before = run(problem);
    for (auto* groups : {&problem.groups, &problem.key_groups}) {
      for (int32_t& group : *groups) group = group < 0 ? group - 11 : 2147483647 - 1000003 * group;
    }
    EXPECT_EQ(run(problem).difference(before), "");
  }
}

/// Groups of k consecutive rows, all of them equal vectors: each row is left with the n - k keys of other groups.
TEST_P(Groups, EqualVectorsLeaveTheLogarithmOfTheOtherGroups) {
  constexpr int64_t kRows = 96, kOfAGroup = 8;
  for (const Kind& kind : kGroupedKinds) {
    if (!turn()) continue;
    Problem problem = problem_of({.kind = kind, .size = {kRows, kRows, 17}, .tau = 0.5});
    for (auto* matrix : matrices(problem)) std::fill(matrix->begin(), matrix->end(), 0.25);
    for (auto* groups : {&problem.groups, &problem.key_groups}) {
      for (std::size_t i = 0; i < groups->size(); ++i) {
        (*groups)[i] = static_cast<int32_t>(i % kRows) / static_cast<int32_t>(kOfAGroup);
      }
    }
    SCOPED_TRACE(problem.label());
    const Result result = run(problem);
    const bool tower = kind.loss == NCE_LOSS_NT_XENT;
    const double others = static_cast<double>((tower ? 2 : 1) * (kRows - kOfAGroup));
    EXPECT_NEAR(result.loss[0], std::log1p(others), 2e-5);
    EXPECT_NEAR(result.metrics.top1_accuracy, 1.0 / (1.0 + others), 1e-15);
    EXPECT_NEAR(result.metrics.effective_negatives, others, 1e-3 * others);
  }
}

/// What is excluded may be as similar as it likes.
TEST_P(Groups, CopiesOfThePositiveInItsGroupDoNoHarm) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
    if (!turn()) continue;
    Problem problem = grouped(kGrouped, dtype);
    SCOPED_TRACE(problem.label());
    const int64_t n = problem.desc.n, m = problem.desc.m, dim = problem.desc.dim;
    ASSERT_GE(m, n + n / 2);
    // Keys n + i are copies of keys i, and of the group of query i.
    for (int64_t j = 0; j < m; ++j) problem.key_groups[static_cast<std::size_t>(j)] = -1;
    for (int64_t i = 0; i < n; ++i) problem.groups[static_cast<std::size_t>(i)] = static_cast<int32_t>(i);
    for (int64_t j = n; j < m; ++j) {
      std::copy_n(problem.keys.begin() + (j - n) * dim, dim, problem.keys.begin() + j * dim);
      problem.key_groups[static_cast<std::size_t>(j)] = static_cast<int32_t>(j - n);
    }
    check_dense(problem);
    const double excluding = run(problem).loss[0];
    problem.desc.groups = 0;
    problem.groups.clear();
    problem.key_groups.clear();
    EXPECT_GT(run(problem).loss[0], excluding + 0.01);
  }
}

/// Whose similarities say nothing of their cosines.
TEST_P(Groups, UniformityOfTinyRows) {
  if (emulated()) GTEST_SKIP() << "on CUDA cosines come from products, which are 0 there, with groups and without";
  Problem problem = problem_of(
      {.kind = kGrouped, .measure = NCE_SIMILARITY_DOT, .dtype = NCE_DTYPE_FLOAT64, .size = {20, 31, 7}, .seed = 4});
  for (auto* matrix : matrices(problem)) {
    for (double& x : *matrix) x = std::ldexp(x, -560);
  }
  EXPECT_NEAR(run(problem).metrics.uniformity, answer_to(problem).metrics.uniformity, 1e-6);
}

TEST_P(Groups, ReductionsWeightsAndUpstream) {
  for (const Kind& kind : kGroupedKinds) {
    for (const nce_reduction reduction : {NCE_REDUCTION_MEAN, NCE_REDUCTION_SUM, NCE_REDUCTION_NONE}) {
      if (!turn()) continue;
      Problem problem = grouped(kind);
      problem.desc.reduction = reduction;
      oracle::weigh(problem);
      if (reduction == NCE_REDUCTION_NONE) oracle::set_upstream_by_row(problem);
      check_dense(problem);
    }
  }
}

/// So many that a CUDA block sums several tiles of columns, whatever the GPU.
TEST_P(Groups, OfMoreKeysThanBlocksHaveTiles) {
  if (!turn()) return;
  check_dense(problem_of({.kind = kGrouped, .size = {8, 40000, 4}, .tau = 0.2, .seed = 5}));
}

NCE_ON_EVERY_DEVICE(Groups);

}  // namespace
}  // namespace nce::test
