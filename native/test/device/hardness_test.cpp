// Negatives that count by how similar they are: exponentials of z + alpha s, of which alpha s is no function of s where
// it is differentiated.

#include <algorithm>
#include <cmath>

#include "device_test.h"

namespace nce::test {
namespace {

using oracle::kHard;
using oracle::kHardKinds;
using oracle::kHardOwn;

class Hardness : public DeviceTest {};

TEST_P(Hardness, EveryKindSimilarityAndType) { check_measures_and_types(kHardKinds, 100, {49, 61, 17}); }

TEST_P(Hardness, RaggedShapes) { check_ragged_shapes(kHardKinds, 300); }

TEST_P(Hardness, ReductionsWeightsAndUpstream) { check_reductions(kHardKinds, 50); }

TEST_P(Hardness, BudgetsCallsAndThreadsChangeNoBit) { check_bits(kHardKinds); }

TEST_P(Hardness, OfManyMoreKeysThanQueries) {
  const int64_t keys = emulated() ? 500 : 900;
  for (const Kind& kind : {kHard, oracle::kHardShared}) {
    check_decided({.kind = kind, .size = {12, keys, 64}, .tau = 0.2, .seed = 2000});
  }
}

TEST_P(Hardness, OfRowsWithNegativesOfTheirOwn) {
  uint64_t seed = 70;
  for (const int32_t similarity : measures_of(kHardOwn)) {
    for (const nce_dtype dtype : oracle::kDtypes) {
      for (const double tau : {0.5, 0.01}) {
        check_rowwise(problem_of({.kind = kHardOwn,
                                  .measure = similarity,
                                  .dtype = dtype,
                                  .size = {21, 6, 20},
                                  .tau = tau,
                                  .seed = ++seed}));
      }
    }
  }
}

/// Of one negative, what is not differentiated is a number of the row.
TEST_P(Hardness, OfOneNegativeIsANumberOfTheRow) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
    if (!turn()) continue;
    Problem problem = problem_of(
        {.kind = oracle::kHardShared, .measure = NCE_SIMILARITY_DOT, .dtype = dtype, .size = {1, 1, 2}, .tau = 0.5});
    problem.queries = {1.0, 0.0};
    problem.keys = {0.75, 0.0};
    problem.negatives = {0.5, 0.25};
    // z+ = 1.5, z- = 1, alpha s- = 2.5: softplus(1 + 2.5 - 1.5), whose slopes are those of z alone.
    const double odds = 1.0 + 2.5 - 1.5;
    const double pull = 1.0 / (1.0 + std::exp(-odds)) / 0.5;
    const Result result = run(problem);
    EXPECT_NEAR(result.loss[0], std::log1p(std::exp(odds)), 1e-6);
    expect_near(result.d_queries, {pull * (0.5 - 0.75), pull * 0.25}, 1e-6);
    expect_near(result.d_keys, {-pull, 0.0}, 1e-6);
    expect_near(result.d_negatives, {pull, 0.0}, 1e-6);
    EXPECT_NEAR(result.d_temperature, -pull * (0.5 - 0.75) / 0.5, 1e-6);
  }
}

/// n - 1 negatives as similar as the positive count as e^alpha times as many.
TEST_P(Hardness, EqualVectors) {
  for (const nce_dtype dtype : oracle::kDtypes) {
    if (!turn()) continue;
    Problem problem = problem_of({.kind = kHard, .dtype = dtype, .size = {20, 20, 8}, .tau = 0.1});
    for (auto* matrix : matrices(problem)) std::fill(matrix->begin(), matrix->end(), 0.5);
    const Result result = run(problem);
    EXPECT_NEAR(result.loss[0], std::log1p(19.0 * std::exp(5.0)), 2e-5);
    EXPECT_NEAR(result.metrics.effective_negatives, 19.0, 1e-3);
  }
}

/// Exponents that float and double hold only against a maximum.
TEST_P(Hardness, LargeExponents) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_FLOAT16}) {
    for (const double hardness : {100.0, 1000.0}) {
      if (!turn()) continue;
      Problem problem = problem_of(
          {.kind = kHard, .measure = NCE_SIMILARITY_DOT, .dtype = dtype, .size = {21, 33, 16}, .tau = 0.5, .seed = 11});
      problem.desc.hardness = hardness;
      Problem steep = problem;
      steep.tau = problem.negative_tau();  // whose bounds are those of such exponents
      SCOPED_TRACE(problem.label());
      expect_close(problem, run(problem), answer_to(problem), dense_bounds(steep));
    }
  }
}

/// A similarity over tau is in the range, and with its hardness beyond it.
TEST_P(Hardness, ExponentsBeyondTheRangeAreRefused) {
  if (!turn()) return;
  Problem problem = problem_of(
      {.kind = kHard, .measure = NCE_SIMILARITY_DOT, .dtype = NCE_DTYPE_FLOAT64, .size = {3, 4, 2}, .tau = 1.0});
  problem.queries = {0.5, 0.25, 1e149, 0.0, 0.25, 0.5};
  problem.keys = {0.5, 0.25, 0.5, 0.125, 0.25, 0.5, 1e149, 0.0};
  problem.desc.hardness = 1000.0;
  expect_refused(problem, NCE_STATUS_NON_FINITE,
                 "inputs->queries has a similarity or distance beyond the range of float64 in row 1");
  problem.desc.hardness = 0.0;
  EXPECT_TRUE(std::isfinite(run(problem).loss[0]));
}

NCE_ON_EVERY_DEVICE(Hardness);

}  // namespace
}  // namespace nce::test
