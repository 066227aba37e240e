// What the rowwise losses promise beside their values: bits, edges, refusals, metrics.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "rowwise_problem.h"

namespace nce::test {
namespace {

nce_plan_desc own_negatives(int64_t n, int64_t m, int64_t dim, nce_similarity similarity = NCE_SIMILARITY_COSINE) {
  nce_plan_desc desc = describe(NCE_LOSS_INFONCE, n, m, dim);
  desc.negatives = NCE_NEGATIVES_OWN;
  desc.similarity = similarity;
  return desc;
}

/// Every bit of a result.
std::vector<uint64_t> bits(const RowwiseResult& result) {
  std::vector<double> all = result.loss;
  for (const auto* part : {&result.d_queries, &result.d_keys, &result.d_negatives}) {
    all.insert(all.end(), part->begin(), part->end());
  }
  const nce_metrics& m = result.metrics;
  all.insert(all.end(), {result.d_temperature, m.top1_accuracy, m.topk_accuracy, m.positive_similarity,
                         m.negative_similarity, m.alignment, m.uniformity, m.effective_negatives});
  std::vector<uint64_t> words(all.size());
  std::memcpy(words.data(), all.data(), all.size() * sizeof(double));
  return words;
}

TEST(RowwiseBits, DoNotDependOnThreadsNorOnRuns) {
  const ContextOwner one = open_cpu(1);
  const ContextOwner three = open_cpu(3);
  const ContextOwner sixteen = open_cpu(16);
  for (nce_plan_desc desc : rowwise_kinds()) {
    desc.n = 700;  // many chunks
    desc.m = desc.negatives == NCE_NEGATIVES_OWN ? 5 : desc.n;
    desc.dim = 37;
    const auto problem = random_problem(desc, 0.2, 5);
    SCOPED_TRACE(describe(problem));
    const auto expected = bits(run(problem, one));
    EXPECT_EQ(bits(run(problem, one)), expected);
    EXPECT_EQ(bits(run(problem, three)), expected);
    EXPECT_EQ(bits(run(problem, sixteen)), expected);
  }
}

TEST(RowwiseBits, AreTheSameInOneCallAndInTwo) {
  const ContextOwner context = open_cpu(2);
  for (nce_plan_desc desc : rowwise_kinds()) {
    desc.n = 40;
    desc.m = desc.negatives == NCE_NEGATIVES_OWN ? 3 : desc.n;
    desc.dim = 19;
    const auto problem = random_problem(desc, 0.1, 6);
    SCOPED_TRACE(describe(problem));
    EXPECT_EQ(bits(run(problem, context, Calls::kForwardThenBackward)), bits(run(problem, context)));
  }
}

TEST(RowwiseEdges, IdenticalVectorsGiveTheLogarithmOfTheirNumber) {
  const ContextOwner context = open_cpu();
  for (int32_t similarity = 0; similarity < 4; ++similarity) {
    auto problem = random_problem(own_negatives(3, 7, 5, static_cast<nce_similarity>(similarity)), 0.07, 1);
    for (auto* matrix : {&problem.queries, &problem.keys, &problem.negatives}) {
      for (double& x : *matrix) x = 0.5;
    }
    const RowwiseResult result = run(problem, context);
    EXPECT_NEAR(result.loss[0], std::log(8.0), 4 * 0x1p-52) << similarity;
    EXPECT_EQ(result.d_temperature, 0.0);
    EXPECT_NEAR(result.metrics.effective_negatives, 7.0, 1e-14);
    EXPECT_EQ(result.metrics.top1_accuracy, 1.0);
  }
}

TEST(RowwiseEdges, OrthonormalVectorsGiveTheClosedForm) {
  const ContextOwner context = open_cpu();
  const double tau = 0.5;
  auto problem = random_problem(own_negatives(1, 3, 4), tau, 1);
  problem.queries = {2, 0, 0, 0};
  problem.keys = {3, 0, 0, 0};
  problem.negatives = {0, 1, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0.25};
  const RowwiseResult result = run(problem, context);
  const double e = std::exp(-1.0 / tau);
  EXPECT_NEAR(result.loss[0], std::log1p(3 * e), 1e-15);
  EXPECT_NEAR(result.d_temperature, 3 * e / (tau * tau * (1 + 3 * e)), 1e-14);
}

TEST(RowwiseEdges, NoNegativesMeanNoLossAndNoGradient) {
  const ContextOwner context = open_cpu();
  for (int32_t similarity = 0; similarity < 4; ++similarity) {
    const auto problem = random_problem(own_negatives(3, 0, 9, static_cast<nce_similarity>(similarity)), 0.07, 2);
    const RowwiseResult result = run(problem, context);
    EXPECT_EQ(result.loss[0], 0.0);
    EXPECT_EQ(result.d_queries, std::vector<double>(27, 0.0));
    EXPECT_EQ(result.d_keys, std::vector<double>(27, 0.0));
    EXPECT_EQ(result.d_temperature, 0.0);
    EXPECT_TRUE(std::isnan(result.metrics.negative_similarity));
    EXPECT_TRUE(std::isnan(result.metrics.uniformity));
    EXPECT_TRUE(std::isnan(result.metrics.effective_negatives));
    EXPECT_EQ(result.metrics.top1_accuracy, 1.0);
  }
}

TEST(RowwiseEdges, ZeroDistancesHaveZeroSubgradients) {
  const ContextOwner context = open_cpu();
  for (nce_plan_desc desc : rowwise_kinds()) {
    desc.n = 2;
    desc.m = 2;
    desc.dim = 6;
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
      desc.dtype = desc.gradient_dtype = dtype;
      auto problem = random_problem(desc, 0.3, 3);
      problem.keys = problem.queries;
      for (std::size_t i = 0; i < problem.negatives.size(); ++i) problem.negatives[i] = problem.queries[i % 6];
      SCOPED_TRACE(describe(problem));
      const RowwiseResult result = run(problem, context);
      EXPECT_TRUE(std::isfinite(result.loss[0]));
      for (const auto* part : {&result.d_queries, &result.d_keys, &result.d_negatives}) {
        for (const double x : *part) EXPECT_TRUE(std::isfinite(x));
      }
      const bool margin_loss = desc.loss == NCE_LOSS_CONTRASTIVE || desc.loss == NCE_LOSS_TRIPLET;
      if (margin_loss && desc.distance == NCE_DISTANCE_EUCLIDEAN) {
        EXPECT_EQ(result.d_keys, std::vector<double>(12, 0.0));
      }
    }
  }
}

TEST(RowwiseEdges, ZeroRowsHaveNoGradientAreCountedAndKeepTheirLoss) {
  const ContextOwner context = open_cpu();
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
    auto desc = own_negatives(2, 3, 5);
    desc.dtype = desc.gradient_dtype = dtype;
    desc.reduction = NCE_REDUCTION_NONE;
    auto problem = random_problem(desc, 0.5, 4);
    std::fill_n(problem.queries.begin(), 5, 0.0);         // query 0
    std::fill_n(problem.negatives.begin() + 15, 5, 0.0);  // negative 0 of row 1
    const RowwiseResult result = run(problem, context);
    EXPECT_NEAR(result.loss[0], std::log(4.0), 1e-15);  // every cosine of a zero row is 0
    EXPECT_EQ(std::vector<double>(result.d_queries.begin(), result.d_queries.begin() + 5), std::vector<double>(5, 0.0));
    EXPECT_EQ(std::vector<double>(result.d_negatives.begin() + 15, result.d_negatives.begin() + 20),
              std::vector<double>(5, 0.0));
    EXPECT_NE(result.d_negatives[25], 0.0);
    EXPECT_EQ(result.metrics.zero_rows, 2);
  }
}

TEST(RowwiseEdges, AllZeroWeightsGiveZero) {
  const ContextOwner context = open_cpu();
  auto problem = random_problem(own_negatives(2, 3, 5), 0.5, 4);
  problem.weights = {0.0F, 0.0F};
  const RowwiseResult result = run(problem, context);
  EXPECT_EQ(result.loss[0], 0.0);
  EXPECT_EQ(result.d_temperature, 0.0);
  for (const double x : result.d_queries) EXPECT_EQ(x, 0.0);
}

TEST(RowwiseEdges, HugeAndTinyVectorsKeepTheirCosine) {
  // Their squares leave the range of their type; in float64 also that of double.
  const ContextOwner context = open_cpu();
  const struct {
    nce_dtype dtype;
    double scale;
  } cases[] = {{NCE_DTYPE_FLOAT32, 0x1p100},
               {NCE_DTYPE_FLOAT32, 0x1p-100},
               {NCE_DTYPE_FLOAT64, 0x1p900},
               {NCE_DTYPE_FLOAT64, 0x1p-900}};
  for (nce_plan_desc desc : rowwise_kinds()) {
    const bool margin_loss = desc.loss == NCE_LOSS_CONTRASTIVE || desc.loss == NCE_LOSS_TRIPLET;
    if (margin_loss ? desc.distance != NCE_DISTANCE_COSINE : desc.similarity != NCE_SIMILARITY_COSINE) continue;
    desc.n = 3;
    desc.m = desc.negatives == NCE_NEGATIVES_OWN ? 2 : 3;
    desc.dim = 11;
    for (const auto& c : cases) {
      desc.dtype = desc.gradient_dtype = c.dtype;
      const auto plain = random_problem(desc, 0.2, 9);
      auto scaled = plain;
      for (auto* matrix : {&scaled.queries, &scaled.keys, &scaled.negatives}) {
        for (double& x : *matrix) x *= c.scale;
      }
      SCOPED_TRACE(describe(scaled) + " scale " + std::to_string(std::log2(c.scale)));
      const RowwiseResult expected = run(plain, context);
      RowwiseResult actual = run(scaled, context);
      EXPECT_NEAR(actual.loss[0], expected.loss[0], loss_bound(plain) * expected.loss[0]);
      for (auto* part : {&actual.d_queries, &actual.d_keys, &actual.d_negatives}) {
        for (double& x : *part) x *= c.scale;  // d cos / dx goes with 1 / |x|
      }
      EXPECT_NEAR(actual.metrics.alignment, expected.metrics.alignment, 1e-13);
      expect_gradient(plain, actual.d_queries, expected.d_queries, "d_queries");
      expect_gradient(plain, actual.d_keys, expected.d_keys, "d_keys");
      expect_gradient(plain, actual.d_negatives, expected.d_negatives, "d_negatives");
    }
  }
}

TEST(RowwiseEdges, HugeAndTinyDistancesAreFinite) {
  const ContextOwner context = open_cpu();
  for (const double scale : {0x1p600, 0x1p-600}) {
    auto desc = describe(NCE_LOSS_TRIPLET, 1, 1, 2);
    desc.dtype = desc.gradient_dtype = NCE_DTYPE_FLOAT64;
    desc.margin = 5 * scale;
    auto problem = random_problem(desc, 1.0, 1);
    problem.queries = {0.0, 0.0};
    problem.keys = {3.0 * scale, 4.0 * scale};
    problem.negatives = {0.0, 8.0 * scale};
    const RowwiseResult result = run(problem, context);
    EXPECT_EQ(result.loss[0], 2.0 * scale);
    EXPECT_NEAR(result.d_keys[0], 0.6, 1e-15);
    EXPECT_NEAR(result.d_keys[1], 0.8, 1e-15);
    EXPECT_EQ(result.d_negatives[1], -1.0);
  }
}

TEST(RowwiseMetrics, FollowTheirDefinitions) {
  const ContextOwner context = open_cpu();
  auto desc = own_negatives(2, 2, 2);
  desc.top_k = 2;
  auto problem = random_problem(desc, 1.0, 1);
  problem.queries = {1, 0, 0, 2};
  problem.keys = {0, 1, 0, 1};         // cosines 0 and 1
  problem.negatives = {1, 1,  -1, 0,   // row 0: sqrt(1/2), -1: one is closer than the positive
                       0, -3, 0,  0};  // row 1: -1, a zero row: 0
  const nce_metrics metrics = run(problem, context).metrics;
  const double s = std::sqrt(0.5);
  EXPECT_EQ(metrics.struct_size, sizeof metrics);
  EXPECT_EQ(metrics.top1_accuracy, 0.5);
  EXPECT_EQ(metrics.topk_accuracy, 1.0);
  EXPECT_NEAR(metrics.positive_similarity, 0.5, 1e-15);
  EXPECT_NEAR(metrics.negative_similarity, (s - 2.0) / 4.0, 1e-15);
  EXPECT_NEAR(metrics.alignment, 1.0, 1e-15);  // |x - y|^2 is 2 and 0
  const double uniformity = std::exp(-2 * (2 - 2 * s)) + 2 * std::exp(-8.0) + std::exp(-2.0);
  EXPECT_NEAR(metrics.uniformity, std::log(uniformity / 4.0), 1e-14);
  const auto effective = [](double a, double b) {
    const double p = std::exp(a) / (std::exp(a) + std::exp(b));
    return std::exp(-p * std::log(p) - (1 - p) * std::log(1 - p));
  };
  EXPECT_NEAR(metrics.effective_negatives, (effective(s, -1.0) + effective(-1.0, 0.0)) / 2.0, 1e-14);
  EXPECT_EQ(metrics.rows, 2);
  EXPECT_EQ(metrics.zero_rows, 1);
  EXPECT_EQ(metrics.non_finite_rows, 0);
}

TEST(RowwiseMetrics, OfMarginLossesUseMinusTheDistance) {
  const ContextOwner context = open_cpu();
  auto contrastive = random_problem(describe(NCE_LOSS_CONTRASTIVE, 2, 2, 2), 1.0, 1);
  contrastive.queries = {1, 0, 0, 1};
  contrastive.keys = {1, 2, 3, 1};  // distances 2 (alike) and 3 (not)
  contrastive.labels = {1, 0};
  nce_metrics metrics = run(contrastive, context).metrics;
  EXPECT_EQ(metrics.positive_similarity, -2.0);
  EXPECT_EQ(metrics.negative_similarity, -3.0);
  EXPECT_TRUE(std::isnan(metrics.top1_accuracy));
  EXPECT_TRUE(std::isnan(metrics.topk_accuracy));
  EXPECT_TRUE(std::isnan(metrics.effective_negatives));

  auto triplet = random_problem(describe(NCE_LOSS_TRIPLET, 2, 2, 1), 1.0, 1);
  triplet.queries = {0, 0};
  triplet.keys = {1, 3};
  triplet.negatives = {1, 2};  // a tie counts for the positive
  metrics = run(triplet, context).metrics;
  EXPECT_EQ(metrics.top1_accuracy, 0.5);
  EXPECT_EQ(metrics.topk_accuracy, 0.5);
  EXPECT_EQ(metrics.positive_similarity, -2.0);
  EXPECT_EQ(metrics.negative_similarity, -1.5);
}

TEST(RowwiseMetrics, WithoutMetricsTheResultIsTheSame) {
  const ContextOwner context = open_cpu();
  auto problem = random_problem(own_negatives(9, 4, 21), 0.1, 3);
  const RowwiseResult with = run(problem, context);
  problem.desc.metrics = 0;
  const RowwiseResult without = run(problem, context);
  EXPECT_EQ(with.loss, without.loss);
  EXPECT_EQ(with.d_negatives, without.d_negatives);
}

}  // namespace
}  // namespace nce::test
