// Debiased losses: both sides of the maximum in their estimate, for every row that has one.

#include <algorithm>
#include <cmath>

#include "device_test.h"

namespace nce::test {
namespace {

using oracle::kDebiased;
using oracle::kDebiasedKinds;
using oracle::kInfoNce;

class Debiased : public DeviceTest {
 protected:
  void check(const Problem& problem) {
    if (problem.shape().rowwise) {
      check_rowwise(problem);
    } else {
      check_dense(problem);
    }
  }
};

TEST_P(Debiased, EveryTypeAndTemperature) {
  uint64_t seed = 9100;
  for (const Kind& kind : kDebiasedKinds) {
    for (const nce_dtype dtype : oracle::kDtypes) {
      for (const double tau : {2.0, 0.5, 0.2, 0.1}) {
        ++seed;
        if (!turn()) continue;
        check(problem_of({.kind = kind, .dtype = dtype, .size = {37, 53, 20}, .tau = tau, .seed = seed}));
      }
    }
  }
}

TEST_P(Debiased, PriorsOfAnySizeAndRowsOnBothSidesOfTheMaximum) {
  uint64_t seed = 9200;
  for (const Kind& kind : kDebiasedKinds) {
    for (const double prior : {1e-9, 0.05, 0.3, 0.9}) {
      for (const double noise : {0.05, 1.0, 4.0}) {
        ++seed;
        if (!turn()) continue;
        Problem problem = problem_of(
            {.kind = kind, .dtype = NCE_DTYPE_FLOAT64, .size = {40, 60, 9}, .tau = 0.4, .noise = noise, .seed = seed});
        problem.desc.class_prior = prior;
        check(problem);
      }
    }
  }
}

TEST_P(Debiased, ReductionsWeightsAndUpstream) {
  for (const Kind& kind : kDebiasedKinds) {
    for (const nce_reduction reduction : {NCE_REDUCTION_MEAN, NCE_REDUCTION_SUM, NCE_REDUCTION_NONE}) {
      if (!turn()) continue;
      Problem problem = problem_of({.kind = kind, .size = {33, 50, 12}, .tau = 0.5, .seed = 9300});
      problem.desc.reduction = reduction;
      problem.temperature_form = NCE_TEMPERATURE_LOGARITHM;
      oracle::weigh(problem);
      if (reduction == NCE_REDUCTION_NONE) oracle::set_upstream_by_row(problem);
      check(problem);
    }
  }
}

/// u is the number k of negatives, so that (u - p k) / (1 - p) is k whatever p is.
TEST_P(Debiased, EqualVectorsGiveTheLogarithmOfTheCountWhateverThePrior) {
  constexpr int64_t kRows = 40;
  for (const double prior : {0.01, 0.5, 0.99}) {
    if (!turn()) continue;
    Problem problem =
        problem_of({.kind = kDebiased, .dtype = NCE_DTYPE_FLOAT64, .size = {kRows, kRows, 5}, .tau = 0.5});
    problem.desc.class_prior = prior;
    for (auto* matrix : matrices(problem)) std::fill(matrix->begin(), matrix->end(), 0.5);
    EXPECT_NEAR(run(problem).loss[0], std::log(static_cast<double>(kRows)), 1e-12 / (1.0 - prior));
  }
}

/// Opposed negatives are as far as a cosine goes: e^(-1/tau) each, less than what positives among them would have.
TEST_P(Debiased, OpposedNegativesArePushedByNobody) {
  constexpr int64_t kRows = 20;
  const double tau = 0.5;
  Problem problem = problem_of(
      {.kind = oracle::kOwnDebiased, .dtype = NCE_DTYPE_FLOAT64, .size = {kRows, 3, 4}, .tau = tau, .seed = 9400});
  for (auto* matrix : {&problem.queries, &problem.keys, &problem.negatives}) {
    const double sign = matrix == &problem.negatives ? -1.0 : 1.0;
    for (std::size_t i = 0; i < matrix->size(); ++i) (*matrix)[i] = sign * static_cast<double>(1 + i % 4);
  }
  const Result result = run(problem);
  const double odds = 3.0 * std::exp(-2.0 / tau);
  EXPECT_NEAR(result.loss[0], std::log1p(odds), 1e-14);
  EXPECT_EQ(largest(result.d_negatives), 0.0);
  EXPECT_NEAR(result.d_temperature, odds / (1.0 + odds) * 2.0 / (tau * tau), 1e-13);
}

TEST_P(Debiased, NoPriorGivesTheBitsOfInfoNce) {
  if (!turn()) return;
  Problem problem = problem_of({.kind = kDebiased, .size = {60, 70, 11}, .tau = 0.1, .seed = 9500});
  problem.desc.class_prior = 0.0;
  EXPECT_EQ(
      run(problem).difference(run(problem_of({.kind = kInfoNce, .size = {60, 70, 11}, .tau = 0.1, .seed = 9500}))), "");
}

NCE_ON_EVERY_DEVICE(Debiased);

}  // namespace
}  // namespace nce::test
