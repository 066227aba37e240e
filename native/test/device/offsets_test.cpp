// Offsets of keys: numbers that are added to the logits of a key, the positive's too.

#include <algorithm>
#include <cmath>
#include <limits>

#include "device_test.h"

namespace nce::test {
namespace {

using oracle::kInfoNce;
using oracle::kOffsetKinds;
using oracle::kOffsets;
using oracle::kOffsetsAbsolute;
using oracle::kOffsetsGrouped;

class Offsets : public DeviceTest {
 protected:
  Extent size() const { return emulated() ? Extent{70, 90, 24} : Extent{60, 110, 24}; }

  static void set(Problem& problem, float offset) {
    std::fill(problem.key_offsets.begin(), problem.key_offsets.end(), offset);
  }

  /// As large as allowed, and as small, in turns.
  static void set_extremes(Problem& problem) {
    for (std::size_t j = 0; j < problem.key_offsets.size(); ++j) problem.key_offsets[j] = j % 2 == 0 ? 30.0F : -30.0F;
  }

  static Problem without_offsets(Problem problem) {
    problem.desc.offsets = 0;
    problem.key_offsets.clear();
    return problem;
  }

  void expect_same(const Result& a, const Result& b, double allowed) const {
    expect_near(a.loss, b.loss, allowed);
    EXPECT_NEAR(a.d_temperature, b.d_temperature, 10.0 * allowed);
    for (std::size_t k = 0; k < 3; ++k) expect_near(*gradients(a)[k], *gradients(b)[k], allowed);
  }
};

TEST_P(Offsets, EveryKindSimilarityAndType) { check_measures_and_types(kOffsetKinds, 100, {49, 61, 17}); }

TEST_P(Offsets, RaggedShapes) { check_ragged_shapes(kOffsetKinds, 310); }

TEST_P(Offsets, ReductionsWeightsAndUpstream) { check_reductions(kOffsetKinds, 50000); }

TEST_P(Offsets, BudgetsCallsAndThreadsChangeNoBit) { check_bits(kOffsetKinds); }

TEST_P(Offsets, OfManyMoreKeysThanQueries) {
  const int64_t keys = emulated() ? 1100 : 2500;
  for (const Kind& kind : kOffsetKinds) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_BFLOAT16}) {
      check_decided({.kind = kind, .dtype = dtype, .size = {12, keys, 64}, .tau = 0.2, .seed = 2000});
    }
  }
}

/// So many that strips are several, on the CPU.
TEST_P(Offsets, OfKeysInStrips) {
  if (emulated()) GTEST_SKIP() << "its strips are longer";
  const Extent size{3, 1500, 2048};
  check_decided({.kind = kOffsets, .size = size, .tau = 0.05, .seed = 4});
  check_decided(
      {.kind = kOffsetsAbsolute, .measure = NCE_SIMILARITY_NEG_EUCLIDEAN, .size = size, .tau = 0.5, .seed = 5});
  Problem problem = problem_of({.kind = kOffsets, .size = size, .tau = 0.05, .seed = 6});
  const Result together = run(problem);
  EXPECT_EQ(run(problem, Calls::kSeparate).difference(together), "");
  problem.desc.workspace_budget_bytes = 0;
  EXPECT_EQ(run(problem).difference(together), "");
}

TEST_P(Offsets, ZerosChangeNothing) {
  for (const Kind& kind : kOffsetKinds) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_BFLOAT16}) {
      if (!turn()) continue;
      Problem problem = decided_problem_of({.kind = kind, .dtype = dtype, .size = size(), .tau = 0.2, .seed = 3});
      SCOPED_TRACE(problem.label());
      set(problem, 0.0F);
      expect_same(run(problem), run(without_offsets(problem)), 2e-6);
    }
  }
}

/// Where rows have negatives of their own, whose logits have no offset, it would.
TEST_P(Offsets, OneNumberForAllChangesNothing) {
  for (const Kind& kind : {kOffsets, kOffsetsAbsolute}) {
    for (const float more : {-19.0F, 0.75F, 22.0F}) {
      if (!turn()) continue;
      Problem problem = decided_problem_of({.kind = kind, .size = size(), .tau = 0.2, .seed = 4});
      SCOPED_TRACE(problem.label());
      const Result before = run(problem);
      for (float& offset : problem.key_offsets) offset += more;
      expect_same(run(problem), before, 4e-6);
    }
  }
}

TEST_P(Offsets, TheSmallestIsNearlyNoKey) {
  if (!turn()) return;
  const Extent with{30, 41, 12};
  Problem problem = problem_of({.kind = kOffsets, .size = with, .tau = 0.5, .seed = 5});
  set(problem, 0.0F);
  problem.key_offsets.back() = -30.0F;
  Problem less = problem_of({.kind = kInfoNce, .size = {with.n, with.m - 1, with.dim}, .tau = 0.5, .seed = 5});
  less.queries = problem.queries;
  std::copy_n(problem.keys.begin(), less.keys.size(), less.keys.begin());
  const Result result = run(problem);
  const Result without = run(less);
  EXPECT_NEAR(result.loss[0], without.loss[0], 2e-6);
  expect_near(result.d_queries, without.d_queries, 2e-6);
  std::vector<double> others(result.d_keys.begin(), result.d_keys.end() - with.dim);
  expect_near(others, without.d_keys, 2e-6);
  EXPECT_LE(largest({result.d_keys.end() - with.dim, result.d_keys.end()}), 1e-10);
}

/// Then nothing but offsets tells keys apart.
TEST_P(Offsets, EqualVectors) {
  for (const nce_dtype dtype : oracle::kDtypes) {
    if (!turn()) continue;
    Problem problem = problem_of({.kind = kOffsets, .dtype = dtype, .size = {20, 20, 8}, .tau = 0.1, .seed = 6});
    problem.desc.reduction = NCE_REDUCTION_NONE;
    for (auto* matrix : matrices(problem)) std::fill(matrix->begin(), matrix->end(), 0.5);
    double sum = 0.0;
    for (const float offset : problem.key_offsets) sum += std::exp(static_cast<double>(offset));
    const Result result = run(problem);
    for (std::size_t i = 0; i < 20; ++i) {
      const double expected = std::log(sum) - static_cast<double>(problem.key_offsets[i]);
      EXPECT_NEAR(result.loss[i], expected, 2e-5 * (1.0 + expected)) << i;
    }
    EXPECT_NEAR(result.metrics.top1_accuracy, 1.0 / 20.0, 1e-12);
  }
}

TEST_P(Offsets, ExtremesInTurns) {
  for (const Kind& kind : kOffsetKinds) {
    for (const int32_t similarity : oracle::measures_of(kind)) {
      for (const nce_dtype dtype : oracle::kDtypes) {
        for (const double tau : {0.04, 0.01, 1e-3}) {
          if (!turn()) continue;
          Problem problem = decided_problem_of(
              {.kind = kind, .measure = similarity, .dtype = dtype, .size = {33, 49, 12}, .tau = tau, .seed = 7});
          set_extremes(problem);
          check_dense(problem);
        }
      }
    }
  }
}

/// In the arithmetic that is the fastest, and where sums of exponentials times similarities are the largest.
TEST_P(Offsets, ExtremesStayInRange) {
  for (const nce_dtype dtype : oracle::kDtypes) {
    for (const double factor : {1.0, 0x1p14}) {
      if (!turn()) continue;
      if (dtype == NCE_DTYPE_FLOAT16 && factor > 1.0) continue;
      Problem problem = problem_of({.kind = kOffsets,
                                    .measure = NCE_SIMILARITY_DOT,
                                    .dtype = dtype,
                                    .size = {40, 60, 12},
                                    .tau = 1.0,
                                    .seed = 8});
      for (auto* matrix : matrices(problem)) {
        for (double& x : *matrix) x *= factor;
      }
      problem.tau = std::min(1e9, 0.5 * factor * factor);
      problem.desc.metrics = problem.desc.top_k = 0;  // their sizes are those of similarities
      set_extremes(problem);
      check_dense(problem);
      problem.desc.precision = NCE_PRECISION_FAST;
      SCOPED_TRACE(problem.label());
      const Result result = run(problem);
      const Answer answer = answer_to(problem);
      EXPECT_NEAR(result.loss[0], answer.loss, 0.02 * std::fabs(answer.loss));
      EXPECT_TRUE(std::isfinite(result.d_temperature));
      for (const auto* gradient : gradients(result)) EXPECT_TRUE(std::isfinite(largest(*gradient)));
    }
  }
}

TEST_P(Offsets, LargeLogitsAndOtherSizes) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_FLOAT16}) {
    for (const double factor : {1.0 / 64.0, 1.0, 16.0}) {
      for (const Kind& kind : kOffsetKinds) {
        if (!turn()) continue;
        Problem problem = decided_problem_of({.kind = kind,
                                              .measure = NCE_SIMILARITY_DOT,
                                              .dtype = dtype,
                                              .size = {21, 33, 16},
                                              .tau = 0.05,
                                              .seed = 11});
        if (kind.threshold == NCE_THRESHOLD_NONE) {
          for (double& x : problem.keys) x = oracle::rounded(x * factor, dtype);
        }
        check_dense(problem);
      }
    }
  }
}

TEST_P(Offsets, GradientsThatAreNotWanted) {
  for (const Kind& kind : kOffsetKinds) {
    if (turn()) check_unwanted_gradients(problem_of({.kind = kind, .size = {50, 60, 24}, .tau = 0.2, .seed = 9}));
  }
}

TEST_P(Offsets, MetricsDoNotSeeThem) {
  for (const Kind& kind : kOffsetKinds) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_BFLOAT16}) {
      if (!turn()) continue;
      // So that both have the same form, and so the same arithmetic.
      const Problem problem = problem_of({.kind = kind, .dtype = dtype, .size = size(), .tau = 0.2, .seed = 3});
      SCOPED_TRACE(problem.label());
      const nce_metrics with = run(problem).metrics;
      const nce_metrics without = run(without_offsets(problem)).metrics;
      EXPECT_EQ(with.top1_accuracy, without.top1_accuracy);
      EXPECT_EQ(with.topk_accuracy, without.topk_accuracy);
      EXPECT_EQ(with.positive_similarity, without.positive_similarity);
      EXPECT_EQ(with.negative_similarity, without.negative_similarity);
      EXPECT_EQ(with.alignment, without.alignment);
      EXPECT_NEAR(with.uniformity, without.uniformity, 1e-5);  // tiles with weights are rounded otherwise
      EXPECT_TRUE(std::isnan(with.effective_negatives));
      EXPECT_FALSE(std::isnan(without.effective_negatives));
    }
  }
}

TEST_P(Offsets, NumbersThatAreNotAllowed) {
  if (!turn()) return;
  const Problem problem = problem_of({.kind = kOffsetsGrouped, .size = {20, 300, 12}, .tau = 0.2, .seed = 12});
  const auto refused = [&](float offset, const char* given) {
    Problem wrong = problem;
    wrong.key_offsets[280] = wrong.key_offsets[291] = offset;
    expect_refused(wrong, NCE_STATUS_INVALID_ARGUMENT,
                   std::string("inputs->key_offsets[280] is ") + given + "; allowed: a number from -30 to 30");
  };
  refused(30.5F, "30.5");
  refused(-31.0F, "-31");
  refused(std::numeric_limits<float>::quiet_NaN(), "nan");
  refused(std::numeric_limits<float>::infinity(), "inf");
  Problem weighted = problem;
  weighted.key_offsets[3] = 40.0F;
  weighted.weights.assign(20, 1.0F);
  weighted.weights[7] = -1.0F;
  expect_refused(weighted, NCE_STATUS_INVALID_ARGUMENT, "inputs->weights[7] is -1; allowed: finite and >= 0");
}

/// As large as logits of exponentials without a maximum may be, of similarities as large as temperatures make them.
TEST_P(Offsets, SumsOfLargeSimilaritiesStayInRange) {
  for (const auto& [dtype, logit] : {std::pair{NCE_DTYPE_FLOAT32, 31.5}, std::pair{NCE_DTYPE_FLOAT64, 649.0}}) {
    if (!turn()) continue;
    Problem problem =
        problem_of({.kind = kOffsets, .measure = NCE_SIMILARITY_DOT, .dtype = dtype, .size = {1, 64, 2}, .tau = 1e9});
    problem.desc.metrics = problem.desc.top_k = 0;
    const double length = oracle::rounded(std::sqrt(logit * problem.tau), dtype);
    problem.queries = {length, 0.0};
    for (std::size_t j = 0; j < problem.keys.size(); j += 2) {
      problem.keys[j] = j == 0 ? -length : length;
      problem.keys[j + 1] = 0.0;
    }
    std::fill(problem.key_offsets.begin(), problem.key_offsets.end(), 30.0F);
    check_dense(problem);
  }
}

NCE_ON_EVERY_DEVICE(Offsets);

}  // namespace
}  // namespace nce::test
