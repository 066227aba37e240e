// The rowwise losses against their definitions in quadruple precision, whose gradients are central differences.

#include <gtest/gtest.h>

#include <cmath>

#include "rowwise_problem.h"

namespace nce::test {
namespace {

void expect_oracle(const RowwiseProblem& problem, const ContextOwner& context) {
  SCOPED_TRACE(describe(problem));
  const RowwiseResult expected = oracle(problem);
  const RowwiseResult actual = run(problem, context);
  ASSERT_EQ(actual.loss.size(), expected.loss.size());
  for (std::size_t i = 0; i < expected.loss.size(); ++i) {
    EXPECT_NEAR(actual.loss[i], expected.loss[i], loss_bound(problem) * std::abs(expected.loss[i])) << "row " << i;
  }
  expect_gradient(problem, actual.d_queries, expected.d_queries, "d_queries");
  expect_gradient(problem, actual.d_keys, expected.d_keys, "d_keys");
  expect_gradient(problem, actual.d_negatives, expected.d_negatives, "d_negatives");
  EXPECT_NEAR(actual.d_temperature, expected.d_temperature, gradient_bound(problem) * std::abs(expected.d_temperature));
}

nce_plan_desc sized(nce_plan_desc kind, int64_t n, int64_t m, int64_t dim, nce_dtype dtype) {
  kind.n = n;
  kind.m = kind.negatives == NCE_NEGATIVES_OWN ? m : n;
  kind.dim = dim;
  kind.dtype = kind.gradient_dtype = dtype;
  return kind;
}

class RowwiseOracle : public testing::TestWithParam<nce_isa> {
 protected:
  const ContextOwner context_ = open_cpu(2, GetParam());
};

TEST_P(RowwiseOracle, MatchesTheDefinitionAtRaggedSizes) {
  // Around the lane pairs of every instruction set: tails alone, exact, unrolled, unrolled with a tail.
  const int64_t sizes[][3] = {{1, 1, 1},  {3, 2, 3},  {2, 5, 8},  {5, 3, 15},
                              {4, 1, 16}, {3, 4, 17}, {2, 3, 33}, {2, 2, 65}};
  for (const nce_plan_desc& kind : rowwise_kinds()) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
      uint32_t seed = 100;
      for (const auto& size : sizes) {
        expect_oracle(random_problem(sized(kind, size[0], size[1], size[2], dtype), 0.5, seed++), context_);
      }
    }
  }
}

TEST_P(RowwiseOracle, MatchesTheDefinitionAtAllTemperatures) {
  for (const nce_plan_desc& kind : rowwise_kinds()) {
    if (kind.loss == NCE_LOSS_CONTRASTIVE || kind.loss == NCE_LOSS_TRIPLET) continue;
    for (const double tau : {100.0, 1.0, 0.07, 0.01}) {
      expect_oracle(random_problem(sized(kind, 4, 6, 24, NCE_DTYPE_FLOAT32), tau, 7), context_);
      auto logarithm = random_problem(sized(kind, 4, 6, 24, NCE_DTYPE_FLOAT64), tau, 8);
      logarithm.form = NCE_TEMPERATURE_LOGARITHM;
      expect_oracle(logarithm, context_);
    }
  }
}

TEST_P(RowwiseOracle, AppliesReductionsWeightsAndUpstream) {
  for (nce_plan_desc kind : rowwise_kinds()) {
    for (const nce_reduction reduction : {NCE_REDUCTION_MEAN, NCE_REDUCTION_SUM, NCE_REDUCTION_NONE}) {
      kind.reduction = reduction;
      auto problem = random_problem(sized(kind, 5, 3, 12, NCE_DTYPE_FLOAT64), 0.3, 11);
      problem.weights = {0.5F, 0.0F, 2.0F, 1.25F, 3.0F};
      problem.upstream = {-1.75F};
      problem.padding = 3;
      expect_oracle(problem, context_);
      if (reduction == NCE_REDUCTION_NONE) {
        problem.upstream = {1.0F, -2.0F, 0.5F, 0.0F, 3.0F};
        expect_oracle(problem, context_);
      }
    }
  }
}

TEST_P(RowwiseOracle, KeepsTheDigitsOfTinyLosses) {
  // A key that nearly is its query: losses down to 1e-40 at tau = 0.01, relative errors as ever.
  for (nce_plan_desc kind : rowwise_kinds()) {
    if (kind.loss != NCE_LOSS_INFONCE) continue;
    auto problem = random_problem(sized(kind, 4, 3, 32, NCE_DTYPE_FLOAT32), 0.01, 21, 0.01);
    const auto losses = oracle_row_losses(problem);
    EXPECT_LT(losses[0], 1e-9) << describe(problem);
    expect_oracle(problem, context_);
  }
}

TEST_P(RowwiseOracle, KeepsTheDigitsOfTinyDistances) {
  for (nce_plan_desc kind : rowwise_kinds()) {
    if (kind.loss != NCE_LOSS_CONTRASTIVE) continue;
    auto problem = random_problem(sized(kind, 4, 4, 40, NCE_DTYPE_FLOAT32), 1.0, 22, 1e-5);
    problem.labels = {1, 1, 1, 1};
    EXPECT_LT(oracle_row_losses(problem)[0], 1e-9) << describe(problem);
    expect_oracle(problem, context_);
  }
}

TEST_P(RowwiseOracle, HingesOpenAndCloseWithTheMargin) {
  for (const nce_plan_desc& kind : rowwise_kinds()) {
    if (kind.loss != NCE_LOSS_CONTRASTIVE && kind.loss != NCE_LOSS_TRIPLET) continue;
    for (const double margin : {1e-6, 0.2, 1e6}) {
      auto desc = sized(kind, 6, 6, 10, NCE_DTYPE_FLOAT64);
      desc.margin = margin;
      expect_oracle(random_problem(desc, 1.0, 31), context_);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, RowwiseOracle, testing::Values(NCE_ISA_PORTABLE, NCE_ISA_AVX2, NCE_ISA_AVX512));

}  // namespace
}  // namespace nce::test
