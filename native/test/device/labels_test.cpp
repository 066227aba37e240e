// Several positives by labels: SupCon outside and inside, multi-instance, decoupled; what labels mean, and what is
// known of their losses.

#include <algorithm>
#include <cmath>

#include "device_test.h"

namespace nce::test {
namespace {

using oracle::kLabelledKinds;
using oracle::kMultiInstance;
using oracle::kMultiInstanceDecoupled;
using oracle::kNtXent;
using oracle::kSupCon;
using oracle::kSupConDecoupled;
using oracle::kSupConInside;
using oracle::kSupConOutsideTwoTowers;
using oracle::kSupConTwoTowers;

constexpr Kind kAllKinds[] = {kSupCon,          kSupConInside,           kMultiInstance,         kSupConDecoupled,
                              kSupConTwoTowers, kSupConOutsideTwoTowers, kMultiInstanceDecoupled};

class Labels : public DeviceTest {
 protected:
  /// Rows enough for several tiles and for one that is not full.
  Extent size() const { return emulated() ? Extent{70, 140, 24} : Extent{150, 240, 24}; }

  Problem labelled(const Kind& kind, nce_dtype dtype = NCE_DTYPE_FLOAT32) const {
    return problem_of({.kind = kind, .dtype = dtype, .size = size(), .tau = 0.2, .seed = 3});
  }
};

std::vector<std::vector<int32_t>*> labels_of(Problem& problem) { return {&problem.labels, &problem.key_labels}; }

void set_all(Problem& problem, int32_t label) {
  for (auto* labels : labels_of(problem)) std::fill(labels->begin(), labels->end(), label);
}

TEST_P(Labels, EveryKindSimilarityAndType) {
  uint64_t seed = 100;
  for (const Kind& kind : kLabelledKinds) {
    for (const int32_t similarity : measures_of(kind)) {
      for (const nce_dtype dtype : oracle::kDtypes) {
        for (const double tau : {0.5, 0.01}) {
          ++seed;
          if (emulated() && seed % 5 != 0) continue;
          check_dense(problem_of({.kind = kind,
                                  .measure = similarity,
                                  .dtype = dtype,
                                  .size = emulated() ? Extent{19, 27, 20} : Extent{49, 50, 17},
                                  .tau = tau,
                                  .seed = seed}));
        }
      }
    }
  }
}

TEST_P(Labels, RaggedShapes) {
  uint64_t seed = 200;
  for (const Kind& kind : kAllKinds) {
    for (const Extent& of : {Extent{1, 1, 1}, Extent{1, 5, 2}, Extent{2, 2, 5}, Extent{65, 127, 33}}) {
      check_dense(problem_of({.kind = kind, .size = of, .tau = 0.5, .noise = 1.0, .seed = ++seed}));
    }
    check_dense(labelled(kind, NCE_DTYPE_BFLOAT16));
  }
}

TEST_P(Labels, AnyNumberOfRows) {
  for (const int64_t rows : {1, 2, 3, 7, 131}) {
    if (!turn()) continue;
    Problem problem = problem_of({.kind = kSupCon, .size = {(rows + 1) / 2, 0, 9}, .tau = 0.2, .seed = 4});
    problem.desc.n = rows;
    problem.queries.resize(static_cast<std::size_t>(rows * problem.desc.dim));
    problem.labels.resize(static_cast<std::size_t>(rows));
    check_dense(problem);
  }
  // Fewer keys than queries, and one of them alone.
  for (const int64_t keys : {1, 5, 60}) {
    Problem problem = problem_of({.kind = kSupConOutsideTwoTowers, .size = {75, 90, 9}, .tau = 0.2, .seed = 5});
    problem.desc.m = keys;
    problem.keys.resize(static_cast<std::size_t>(keys * problem.desc.dim));
    problem.key_labels.resize(static_cast<std::size_t>(keys));
    check_dense(problem);
  }
}

TEST_P(Labels, OfManyMoreKeysThanQueries) {
  if (!turn()) return;
  const int64_t keys = emulated() ? 2100 : 9000;
  check_dense(problem_of({.kind = kSupConTwoTowers, .size = {20, keys, 8}, .tau = 0.2, .seed = 6}));
}

TEST_P(Labels, ReductionsWeightsAndUpstream) {
  for (const Kind& kind : kAllKinds) {
    for (const nce_reduction reduction : {NCE_REDUCTION_MEAN, NCE_REDUCTION_SUM, NCE_REDUCTION_NONE}) {
      if (!turn()) continue;
      Problem problem = labelled(kind);
      problem.desc.reduction = reduction;
      oracle::weigh(problem);
      if (reduction == NCE_REDUCTION_NONE) oracle::set_upstream_by_row(problem);
      check_dense(problem);
    }
  }
}

TEST_P(Labels, OtherNamesChangeNoBit) {
  for (const Kind& kind : kAllKinds) {
    if (!turn()) continue;
    Problem problem = labelled(kind);
    SCOPED_TRACE(problem.label());
    const Result before = run(problem);
    for (auto* labels : labels_of(problem)) {
      for (int32_t& label : *labels) label = label < 0 ? label - 11 : 2147483647 - 1000003 * label;
    }
    EXPECT_EQ(run(problem).difference(before), "");
  }
}

/// Nobody is like anybody: there is nothing to learn, and no row has a share in the mean.
TEST_P(Labels, BelowZeroAreLikeNoOther) {
  for (const Kind& kind : kAllKinds) {
    if (!turn()) continue;
    Problem problem = labelled(kind);
    set_all(problem, -3);
    SCOPED_TRACE(problem.label());
    const Result result = run(problem);
    EXPECT_EQ(result.loss[0], 0.0);
    EXPECT_EQ(result.d_temperature, 0.0);
    for (const auto* gradient : gradients(result)) EXPECT_EQ(largest(*gradient), 0.0);
    EXPECT_EQ(result.metrics.rows_without_positives, problem.shape().rows);
    EXPECT_EQ(result.metrics.rows_without_negatives, 0);
    EXPECT_TRUE(std::isnan(result.metrics.top1_accuracy));
    EXPECT_TRUE(std::isnan(result.metrics.positive_similarity));
    EXPECT_FALSE(std::isnan(result.metrics.negative_similarity));
  }
}

TEST_P(Labels, OneOfAllLeavesNoNegatives) {
  for (const Kind& kind : kAllKinds) {
    if (!turn()) continue;
    Problem problem = labelled(kind);
    set_all(problem, 3);
    SCOPED_TRACE(problem.label());
    const Result result = run(problem);
    EXPECT_EQ(result.loss[0], 0.0);
    EXPECT_EQ(result.d_temperature, 0.0);
    for (const auto* gradient : gradients(result)) EXPECT_EQ(largest(*gradient), 0.0);
    EXPECT_EQ(result.metrics.rows_without_positives, 0);
    EXPECT_EQ(result.metrics.rows_without_negatives, problem.shape().rows);
  }
}

/// SupContrast issue 141: rows without positives must not make the mean of the others smaller, or no number.
TEST_P(Labels, RowsWithoutPositivesHaveNoShareInTheMean) {
  if (!turn()) return;
  Problem problem = problem_of({.kind = kSupCon, .size = {20, 0, 8}, .tau = 0.2, .seed = 7});
  problem.labels.assign(problem.labels.size(), -1);
  for (std::size_t i = 0; i < 12; ++i) problem.labels[i] = static_cast<int32_t>(i / 3);
  Problem sum = problem;
  sum.desc.reduction = NCE_REDUCTION_SUM;
  EXPECT_NEAR(run(problem).loss[0], run(sum).loss[0] / 12.0, 1e-12);
  check_dense(problem);
}

/// Where every row has the other view for its only positive, the loss is NT-Xent, also to the last digits of a tiny
/// one.
TEST_P(Labels, PairsAreNtXent) {
  for (const double tau : {0.5, 0.07, 0.035}) {
    for (const Kind& kind : {kSupCon, kSupConInside}) {
      if (!turn()) continue;
      const int64_t dim = emulated() ? 300 : 2000;
      Problem problem = problem_of({.kind = kNtXent, .size = {12, 12, dim}, .tau = tau, .noise = 0.01, .seed = 77});
      const Answer answer = answer_to(problem);
      if (tau == 0.035) {
        ASSERT_LT(answer.loss, 1e-9);
      }
      problem.desc.positives = NCE_POSITIVES_LABELS;
      problem.desc.aggregation = kind.aggregation;
      for (int32_t i = 0; i < 24; ++i) problem.labels.push_back(i % 12);
      Bounds bounds = dense_bounds(problem);
      if (emulated()) bounds.loss = bounds.gradient = 5e-5 * 0.01 / tau;
      bounds.loss_floor = bounds.terms = 0;
      const Result result = run(problem);
      Answer as_labelled = answer;
      as_labelled.metrics.alignment = std::nan("");
      expect_close(problem, result, as_labelled, bounds);
    }
  }
}

/// n equal rows of one tower: ln(n - 1) outside. SupContrast issue 106: 16 rows, ln 15.
TEST_P(Labels, EqualVectors) {
  if (!turn()) return;
  Problem problem = problem_of({.kind = kSupCon, .size = {8, 0, 5}, .tau = 0.07});
  std::fill(problem.queries.begin(), problem.queries.end(), 0.25);
  for (int32_t i = 0; i < 16; ++i) problem.labels[static_cast<std::size_t>(i)] = i / 4;
  const Result result = run(problem);
  EXPECT_NEAR(result.loss[0], std::log(15.0), 2e-6);
  EXPECT_NEAR(result.metrics.top1_accuracy, 1.0 / 13.0, 1e-12);
}

/// A backward pass alone leaves rows without positives out of the mean too.
TEST_P(Labels, CallsApartCountTheSameRows) {
  for (const Kind& kind : kAllKinds) {
    if (!turn()) continue;
    Problem problem = labelled(kind);
    SCOPED_TRACE(problem.label());
    const Result together = run(problem);
    ASSERT_GT(together.metrics.rows_without_positives, 0);
    EXPECT_EQ(run(problem, Calls::kSeparate).difference(together), "");
  }
}

/// Exponentials of logits as large as these have a shift, which constants have not.
TEST_P(Labels, AtTheLargestBoundedLogits) {
  if (!turn()) return;
  check_dense(problem_of({.kind = kSupConOutsideTwoTowers, .size = {8, 1000, 4}, .tau = 1.0 / 81.0, .seed = 9}));
}

TEST_P(Labels, EqualRowsOfALabelHaveNoDirection) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
    if (!turn()) continue;
    Problem problem = problem_of({.kind = kSupCon,
                                  .measure = NCE_SIMILARITY_NEG_EUCLIDEAN,
                                  .dtype = dtype,
                                  .size = {20, 0, 7},
                                  .tau = 0.5,
                                  .seed = 10});
    for (std::size_t pair = 0; pair < 10; ++pair) {
      std::copy_n(problem.queries.begin() + static_cast<std::ptrdiff_t>(14 * pair), 7,
                  problem.queries.begin() + static_cast<std::ptrdiff_t>(14 * pair + 7));
      problem.labels[2 * pair] = problem.labels[2 * pair + 1] = static_cast<int32_t>(pair % 4);
    }
    check_dense(problem);
  }
}

/// Slopes pass through float divided by the largest, or what is left of tiny ones would be 0.
TEST_P(Labels, TinyUpstream) {
  if (!turn()) return;
  Problem problem = problem_of(
      {.kind = kSupConOutsideTwoTowers, .measure = NCE_SIMILARITY_DOT, .size = {20, 30, 9}, .tau = 0.5, .seed = 11});
  for (double& x : problem.queries) x = std::ldexp(x, -33);
  for (double& x : problem.keys) x = std::ldexp(x, 33);
  const Result before = run(problem);
  problem.upstream = {1e-40F};
  const auto upstream = static_cast<double>(problem.upstream[0]);
  const Result tiny = run(problem);
  for (std::size_t i = 0; i < tiny.d_queries.size(); ++i) {
    const double expected = upstream * before.d_queries[i];
    EXPECT_NEAR(tiny.d_queries[i], expected, 1e-3 * upstream * largest(before.d_queries));
  }
}

/// Whose similarities say nothing of their cosines.
TEST_P(Labels, UniformityOfTinyRows) {
  if (emulated()) GTEST_SKIP() << "on CUDA cosines come from products, which are 0 there, with labels and without";
  Problem problem = problem_of({.kind = kSupConOutsideTwoTowers,
                                .measure = NCE_SIMILARITY_DOT,
                                .dtype = NCE_DTYPE_FLOAT64,
                                .size = {20, 31, 7},
                                .seed = 4});
  for (auto* matrix : matrices(problem)) {
    for (double& x : *matrix) x = std::ldexp(x, -560);
  }
  EXPECT_NEAR(run(problem).metrics.uniformity, answer_to(problem).metrics.uniformity, 1e-6);
}

/// The mean similarity of a row's positives ties with that of its negatives to the bit, however many they are.
TEST_P(Labels, CollapsedModelsAreAsGoodAsChance) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_BFLOAT16}) {
    for (const int32_t of_a_class : {3, 5, 50, 70, 105}) {
      if (!turn()) continue;
      Problem problem = problem_of({.kind = kSupCon,
                                    .measure = of_a_class < 50 ? NCE_SIMILARITY_COSINE : NCE_SIMILARITY_DOT,
                                    .dtype = dtype,
                                    .size = {105, 0, 7},
                                    .tau = of_a_class == 5 ? 0.01 : 0.3});
      for (std::size_t i = 0; i < problem.queries.size(); ++i) {
        problem.queries[i] = oracle::rounded(0.1 + 0.13 * static_cast<double>(i % 7) / of_a_class, dtype);
      }
      for (int32_t i = 0; i < 210; ++i) problem.labels[static_cast<std::size_t>(i)] = i / of_a_class;
      SCOPED_TRACE(problem.label() + ", " + std::to_string(of_a_class) + " rows a class");
      double expected = 0.0;
      for (int32_t i = 0; i < 210; ++i) {
        const int32_t alike = std::min((i / of_a_class + 1) * of_a_class, 210) - i / of_a_class * of_a_class;
        expected += 1.0 / (211.0 - alike) / 210.0;
      }
      EXPECT_NEAR(run(problem).metrics.top1_accuracy, expected, 1e-12);
    }
  }
}

/// c orthonormal classes of k equal rows each.
TEST_P(Labels, OrthonormalClasses) {
  constexpr int64_t kClasses = 6, kRows = 5;
  constexpr double kTau = 0.5;
  const double away = static_cast<double>(kRows * (kClasses - 1)) * std::exp(-1.0 / kTau);
  for (const nce_aggregation aggregation : {NCE_AGGREGATION_OUTSIDE, NCE_AGGREGATION_INSIDE, NCE_AGGREGATION_SUM}) {
    if (!turn()) continue;
    Problem problem = problem_of({.kind = kSupCon, .size = {kClasses * kRows / 2, 0, kClasses}, .tau = kTau});
    problem.desc.aggregation = aggregation;
    std::fill(problem.queries.begin(), problem.queries.end(), 0.0);
    for (int64_t i = 0; i < kClasses * kRows; ++i) {
      problem.labels[static_cast<std::size_t>(i)] = static_cast<int32_t>(i / kRows);
      problem.queries[static_cast<std::size_t>(i * kClasses + i / kRows)] = 3.0;
    }
    const double expected = aggregation == NCE_AGGREGATION_SUM ? std::log1p(away / static_cast<double>(kRows - 1))
                                                               : std::log(static_cast<double>(kRows - 1) + away);
    EXPECT_NEAR(run(problem).loss[0], expected, 2e-6 * expected);
  }
}

/// Far logits need sums relative to a maximum of each class: of positives far below all negatives nothing would be
/// left.
TEST_P(Labels, PositivesFarBelowNegatives) {
  uint64_t seed = 300;
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
    for (const Kind& kind : kAllKinds) {
      if (!turn()) continue;
      Problem problem = problem_of({.kind = kind,
                                    .measure = NCE_SIMILARITY_DOT,
                                    .dtype = dtype,
                                    .size = {31, 37, 24},
                                    .tau = 0.002,
                                    .seed = ++seed});
      // Rows of one label point away from each other.
      const auto dim = static_cast<std::size_t>(problem.desc.dim);
      for (std::size_t row = 0; row < problem.queries.size() / dim; row += 2) {
        for (std::size_t d = 0; d < dim; ++d) problem.queries[row * dim + d] *= -1.0;
      }
      SCOPED_TRACE(problem.label());
      Bounds bounds = dense_bounds(problem);
      bounds.loss_floor = 1e-4;
      bounds.gradient = std::max(bounds.gradient, dtype == NCE_DTYPE_FLOAT64 ? 1e-10 : 1e-4);
      expect_close(problem, run(problem), answer_to(problem), bounds);
    }
  }
}

/// Of a row without positives nothing is pulled, whatever its exponentials would come to.
TEST_P(Labels, RowsWithoutPositivesAtSharpTemperatures) {
  for (const Kind& kind : kAllKinds) {
    for (const nce_precision precision : {NCE_PRECISION_PRECISE, NCE_PRECISION_FAST}) {
      if (!turn()) continue;
      Problem problem = problem_of({.kind = kind, .size = {30, 41, 24}, .tau = 0.004, .seed = 8});
      problem.desc.precision = precision;
      problem.labels[3] = problem.labels[4] = -1;
      SCOPED_TRACE(problem.label());
      const Result result = run(problem);
      EXPECT_GE(result.metrics.rows_without_positives, 2);
      for (const auto* gradient : gradients(result)) EXPECT_LT(largest(*gradient), 1e3);
      if (precision == NCE_PRECISION_PRECISE) check_dense(problem);
    }
  }
}

NCE_ON_EVERY_DEVICE(Labels);

}  // namespace
}  // namespace nce::test
