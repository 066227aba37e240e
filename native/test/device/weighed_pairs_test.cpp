// Multi-similarity and circle: against the oracle, closed forms and published values, and to the same bits.

#include <algorithm>
#include <cmath>
#include <string>

#include "distances_test.h"

namespace nce::test {
namespace {

using oracle::kCircle;
using oracle::kMultiSimilarity;
using oracle::kWeighedKinds;

template <typename Body>
void for_each_kind(const Body& body) {
  for (const Kind& kind : kWeighedKinds) {
    for (const int32_t similarity : measures_of(kind)) body(kind, similarity);
  }
}

class WeighedPairs : public DistancesTest {
 protected:
  WeighedPairs() : DistancesTest(5) {}

  /// Where two numbers that are compared nearly tie, an error chooses: of ranks, or whether circle's factor is 0, where
  /// its slope jumps.
  void check(const Problem& problem) {
    if (!long_turn()) return;
    SCOPED_TRACE(problem.label());
    const Answer answer = answer_to(problem);
    Bounds bounds = bounds_of(problem, answer.condition);
    if (answer.nearest_choice < 4.0 * distance_error(problem)) bounds.accuracy = kAnything;
    const bool ambiguous = answer.limit_gap < 4.0 * distance_error(problem);
    count_case(ambiguous);
    if (ambiguous) bounds.gradient = kAnything;
    expect_close(problem, run(problem), answer, bounds);
  }
};

/// Nearer to each other: of distances as small as circle's margin.
void draw_together(Problem& problem, double by) {
  for (double& x : problem.queries) x = oracle::rounded(x * by, problem.dtype());
}

double softplus(double x) { return x > 0.0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }

/// The loss of a row with so many positives at one similarity, and negatives at another.
double row_of(const nce_plan_desc& desc, double positives, double positive, double negatives, double negative) {
  if (desc.loss == NCE_LOSS_CIRCLE) {
    if (positives == 0.0 || negatives == 0.0) return 0.0;
    const double g = desc.positive_scale, m = desc.margin;
    return softplus(std::log(positives) - g * std::max(0.0, 1.0 + m - positive) * (positive - 1.0 + m) +
                    std::log(negatives) + g * std::max(0.0, negative + m) * (negative - m));
  }
  const double a = desc.positive_scale, b = desc.negative_scale;
  return softplus(std::log(positives) - a * (positive - desc.base)) / a +
         softplus(std::log(negatives) + b * (negative - desc.base)) / b;
}

TEST_P(WeighedPairs, EverySimilarityAndTypeAtRaggedSizes) {
  constexpr Extent kCpu[] = {{1, 1, 1}, {2, 1, 3}, {3, 1, 8}, {17, 1, 33}, {130, 1, 20}, {300, 1, 65}};
  constexpr Extent kEmulated[] = {{1, 1, 1}, {2, 1, 3}, {3, 1, 8}, {17, 1, 33}, {70, 1, 5}, {130, 1, 5}};
  for_each_kind([&](const Kind& kind, int32_t similarity) {
    for (const nce_dtype dtype : oracle::kDtypes) {
      uint64_t seed = 10;
      for (const Extent& size : by_device<Extent>(kCpu, kEmulated)) {
        for (const double by : {1.0, 0.2}) {
          Problem problem =
              problem_of({.kind = kind, .measure = similarity, .dtype = dtype, .size = size, .seed = ++seed});
          draw_together(problem, by);
          check(problem);
        }
      }
    }
  });
  expect_mostly_clear();
}

TEST_P(WeighedPairs, EveryPatternOfLabels) {
  using Label = int32_t (*)(int64_t row);
  constexpr Label kPatterns[] = {
      [](int64_t) -> int32_t { return 3; },                              // no negatives
      [](int64_t row) -> int32_t { return static_cast<int32_t>(row); },  // no positives
      [](int64_t) -> int32_t { return -1; },                             // no anchors
      [](int64_t row) -> int32_t { return row % 2 == 0 ? -2 : 0; },      // half of the rows of no label
      [](int64_t row) -> int32_t { return row < 20 ? 7 : 1000000 + static_cast<int32_t>(row % 3); },
      [](int64_t row) -> int32_t { return row < 20 ? 7 : static_cast<int32_t>(100 + row); },  // some have no positives
      [](int64_t row) -> int32_t { return row % 2 == 0 ? 2147483647 : 0; }};
  for_each_kind([&](const Kind& kind, int32_t similarity) {
    for (const Label label : kPatterns) {
      Problem problem =
          problem_of({.kind = kind, .measure = similarity, .dtype = NCE_DTYPE_FLOAT64, .size = {29, 1, 6}, .seed = 31});
      draw_together(problem, 0.4);
      for (int64_t i = 0; i < problem.desc.n; ++i) problem.labels[static_cast<std::size_t>(i)] = label(i);
      check(problem);
    }
  });
  expect_mostly_clear();
}

TEST_P(WeighedPairs, ReductionsWeightsUpstreamAndStrides) {
  for_each_kind([&](const Kind& kind, int32_t similarity) {
    for (const nce_reduction reduction : {NCE_REDUCTION_MEAN, NCE_REDUCTION_SUM, NCE_REDUCTION_NONE}) {
      Problem problem = problem_of(
          {.kind = kind, .measure = similarity, .dtype = NCE_DTYPE_FLOAT64, .size = {37, 1, 12}, .seed = 11});
      // Of ten rows each with positives, one without, and one that is no anchor.
      problem.labels[5] = 1000;
      problem.desc.reduction = reduction;
      problem.desc.loss_weight = 0.375;
      problem.gaps = {3, 3, 3, 3, 3, 3};
      weigh(problem);
      problem.upstream = {-1.75F};
      check(problem);
      if (reduction != NCE_REDUCTION_NONE) continue;
      set_upstream_by_row(problem);
      check(problem);
    }
  });
  expect_mostly_clear();
}

TEST_P(WeighedPairs, SixteenBitElementsAndGradients) {
  for_each_kind([&](const Kind& kind, int32_t similarity) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT16, NCE_DTYPE_BFLOAT16}) {
      Problem problem = problem_of({.kind = kind,
                                    .measure = similarity,
                                    .dtype = dtype,
                                    .size = {40, 1, 40},
                                    .seed = 12,
                                    .narrow_gradients = true});
      draw_together(problem, 0.3);
      check(problem);
    }
  });
  expect_mostly_clear();
}

TEST_P(WeighedPairs, FastArithmeticIsNear) {
  for_each_kind([&](const Kind& kind, int32_t similarity) {
    for (const uint64_t seed : {14U, 15U}) {
      Problem problem = problem_of({.kind = kind, .measure = similarity, .size = {52, 1, 24}, .seed = seed});
      problem.desc.precision = NCE_PRECISION_FAST;
      check(problem);
    }
  });
}

/// Rows of one label are all at one similarity, and those of two labels at another.
TEST_P(WeighedPairs, RowsThatAreEqualOrOrthonormalHaveClosedForms) {
  constexpr int64_t kRows = 12;
  for_each_kind([&](const Kind& kind, int32_t similarity) {
    for (const bool equal : {false, true}) {
      for (const int64_t alike : {int64_t{1}, int64_t{3}, kRows}) {
        if (!long_turn()) continue;
        Problem problem =
            problem_of({.kind = kind, .measure = similarity, .dtype = NCE_DTYPE_FLOAT64, .size = {kRows, 1, kRows}});
        SCOPED_TRACE(problem.label() + ", " + std::to_string(alike) + " of a label" + (equal ? ", equal" : ""));
        for (int64_t i = 0; i < kRows; ++i) {
          problem.labels[static_cast<std::size_t>(i)] = static_cast<int32_t>(i / alike);
          for (int64_t d = 0; d < kRows; ++d) {
            problem.queries[static_cast<std::size_t>(i * kRows + d)] = d == (equal ? 0 : i) ? 1.0 : 0.0;
          }
        }
        double s = similarity == NCE_SIMILARITY_COSINE          ? 0.0
                   : similarity == NCE_SIMILARITY_NEG_EUCLIDEAN ? -std::sqrt(2.0)
                                                                : -2.0;
        if (equal) s = similarity == NCE_SIMILARITY_COSINE ? 1.0 : 0.0;
        const double expected =
            row_of(problem.desc, static_cast<double>(alike - 1), s, static_cast<double>(kRows - alike), s);
        const Result result = run(problem);
        EXPECT_NEAR(result.loss[0], expected, 1e-12 * expected);
        // By symmetry equal rows pull each other along themselves alone.
        if (equal) {
          EXPECT_LE(largest(result.d_queries), 1e-12);
        }
        EXPECT_EQ(result.d_temperature, 0.0);
        EXPECT_EQ(result.metrics.rows_without_positives, alike == 1 ? kRows : 0);
        EXPECT_EQ(result.metrics.rows_without_negatives, alike == kRows ? kRows : 0);
        EXPECT_EQ(std::isnan(result.metrics.positive_similarity), alike == 1);
        EXPECT_EQ(std::isnan(result.metrics.negative_similarity), alike == kRows);
        if (alike > 1) {
          EXPECT_NEAR(result.metrics.positive_similarity, s, 1e-12);
        }
        if (alike < kRows) {
          EXPECT_NEAR(result.metrics.negative_similarity, s, 1e-12);
        }
      }
    }
  });
}

/// Of multi-similarity each row counts in a mean; of circle those that have both kinds.
TEST_P(WeighedPairs, AMeanCountsEveryRowOrThoseThatHaveBothKinds) {
  for (const Kind& kind : kWeighedKinds) {
    Problem problem = problem_of({.kind = kind, .dtype = NCE_DTYPE_FLOAT64, .size = {9, 1, 4}, .seed = 41});
    // Five rows have both, three have no positives, and one is no anchor.
    problem.labels = {0, 0, 1, 1, 1, 2, 3, 4, -1};
    Problem sum = problem;
    sum.desc.reduction = NCE_REDUCTION_SUM;
    Problem none = problem;
    none.desc.reduction = NCE_REDUCTION_NONE;
    const double count = kind.loss == NCE_LOSS_CIRCLE ? 5.0 : 9.0;
    EXPECT_NEAR(run(problem).loss[0] * count, run(sum).loss[0], 1e-12) << kind.name;
    const std::vector<double> rows = run(none).loss;
    EXPECT_EQ(rows[8], 0.0);
    for (const std::size_t row : {5U, 6U, 7U}) {
      EXPECT_EQ(rows[row] == 0.0, kind.loss == NCE_LOSS_CIRCLE) << kind.name << ", row " << row;
    }
  }
}

TEST_P(WeighedPairs, RowsWithoutPairsHaveNoLossAndNoGradient) {
  for_each_kind([&](const Kind& kind, int32_t similarity) {
    if (!long_turn()) return;
    Problem problem = problem_of({.kind = kind, .measure = similarity, .size = {7, 1, 5}, .seed = 3});
    std::fill(problem.labels.begin(), problem.labels.end(), -4);
    const Result result = run(problem);
    EXPECT_EQ(result.loss, std::vector<double>(1, 0.0));
    EXPECT_EQ(result.d_queries, std::vector<double>(35, 0.0));
    EXPECT_TRUE(std::isnan(result.metrics.top1_accuracy));
    EXPECT_EQ(result.metrics.rows_without_positives, 7);
    EXPECT_EQ(result.metrics.rows_without_negatives, 7);
  });
}

TEST_P(WeighedPairs, WeightsThatAreAllZeroMakeAMeanOfZero) { expect_zero_of_zero_weights(kWeighedKinds); }

TEST_P(WeighedPairs, PublishedLossesOfFiveAngles) {
  // pytorch-metric-learning, the formulas of test_multi_similarity_loss.py and test_circle_loss.py in float64: unit
  // rows at 0, 20, 40, 60 and 80 degrees.
  const std::vector<double> rows = {1.0,
                                    0.0,
                                    0.9396926207859084,
                                    0.3420201433256687,
                                    0.766044443118978,
                                    0.6427876096865393,
                                    0.5000000000000001,
                                    0.8660254037844386,
                                    0.17364817766693041,
                                    0.984807753012208};
  struct Published {
    Kind kind;
    double loss;
    std::vector<double> gradient;
  };
  const Published published[] = {
      {{.name = "multi-similarity",
        .loss = NCE_LOSS_MULTI_SIMILARITY,
        .positive_scale = 0.1,
        .negative_scale = 40.0,
        .base = 0.5},
       5.7762208089656895,
       {0.0, 0.061778592258103705, -0.06968952216366699, 0.19147038851725745, 0.21336629596238033, -0.2542800497516864,
        -0.1760850800670608, 0.10166276837699441, 0.13484345247519058, -0.023776538843255843}},
      {{.name = "circle", .loss = NCE_LOSS_CIRCLE, .margin = 0.4, .positive_scale = 80.0},
       39.40877346940437,
       {0.0, 18.046047975086797, -9.35822227514215, 25.711504387190296, 30.248149256254727, -36.04834054546749,
        -12.562442631208345, 7.252929634807366, 12.660444431534465, -2.2323779410397724}}};
  for (const Published& of : published) {
    Problem problem = problem_of({.kind = of.kind, .dtype = NCE_DTYPE_FLOAT64, .size = {5, 1, 2}});
    problem.queries = rows;
    problem.labels = {0, 0, 1, 1, 2};
    const Result result = run(problem);
    EXPECT_NEAR(result.loss[0], of.loss, 1e-12 * of.loss) << of.kind.name;
    expect_near(result.d_queries, of.gradient, 1e-12 * largest(of.gradient));
  }
}

TEST_P(WeighedPairs, GradientsAreCentralDifferences) {
  constexpr double kStep = 1e-6;
  for_each_kind([&](const Kind& kind, int32_t similarity) {
    for (const double by : {0.4, 0.15}) {
      if (!long_turn()) continue;
      Problem problem =
          problem_of({.kind = kind, .measure = similarity, .dtype = NCE_DTYPE_FLOAT64, .size = {11, 1, 3}, .seed = 17});
      draw_together(problem, by);
      problem.labels = {0, 0, 0, 1, 1, 1, 2, 2, -1, 3, 4};
      weigh(problem);
      SCOPED_TRACE(problem.label());
      ASSERT_GT(answer_to(problem).limit_gap, 10 * kStep);
      const std::vector<double> gradient = run(problem).d_queries;
      for (std::size_t i = 0; i < problem.queries.size(); i += emulated() ? 7U : 1U) {
        const double x = problem.queries[i];
        problem.queries[i] = x + kStep;
        const double above = run(problem, Calls::kForward).loss[0];
        problem.queries[i] = x - kStep;
        const double below = run(problem, Calls::kForward).loss[0];
        problem.queries[i] = x;
        // Third derivatives are at most (2 g)^3 and a few times that over |x|^3, times kStep^2 / 6.
        EXPECT_NEAR(gradient[i], (above - below) / (2 * kStep), 1e-6 * std::max(1.0, largest(gradient)))
            << "element " << i;
      }
    }
  });
}

/// A pair beyond circle's margin adds e^0, and is not pushed.
TEST_P(WeighedPairs, FactorsOfCircleThatEndAtZeroHaveNoSlope) {
  for (const int32_t similarity : {NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN, NCE_SIMILARITY_NEG_EUCLIDEAN}) {
    Problem problem =
        problem_of({.kind = kCircle, .measure = similarity, .dtype = NCE_DTYPE_FLOAT64, .size = {4, 1, 1}});
    problem.queries = {0.0, 0.5, 8.0, 8.5};
    problem.labels = {0, 0, 1, 1};
    problem.desc.margin = 1.0;
    const double s = similarity == NCE_SIMILARITY_NEG_EUCLIDEAN ? -0.5 : -0.25;
    const Result result = run(problem);
    const double expected = row_of(problem.desc, 1.0, s, 2.0, -7.5);
    EXPECT_NEAR(result.loss[0], expected, 1e-13 * expected);
    const double mass = 1.0 / (1.0 + std::exp(-16.0 * (2.0 - s) * -s - std::log(2.0)));
    // Two rows of a label pull each other with 2 g (1 - s) each, of a mean over four.
    const double by_distance = similarity == NCE_SIMILARITY_NEG_EUCLIDEAN ? 1.0 : 2.0 * 0.5;
    const double pull = 2.0 * mass * 32.0 * (1.0 - s) * by_distance / 4.0;
    expect_near(result.d_queries, {-pull, pull, -pull, pull}, 1e-12 * pull);
  }
}

TEST_P(WeighedPairs, ScalesOfTenThousandAreTheOracles) {
  for_each_kind([&](const Kind& kind, int32_t similarity) {
    for (const double scale : {1e-6, 300.0, 1e4}) {
      Problem problem =
          problem_of({.kind = kind, .measure = similarity, .dtype = NCE_DTYPE_FLOAT64, .size = {31, 1, 6}, .seed = 15});
      draw_together(problem, 0.3);
      problem.desc.positive_scale = scale;
      if (kind.loss == NCE_LOSS_MULTI_SIMILARITY) problem.desc.negative_scale = scale;
      check(problem);
    }
  });
  expect_mostly_clear();
}

TEST_P(WeighedPairs, BasesFarFromEverySimilarityAreTheOracles) {
  for (const int32_t similarity : measures_of(kMultiSimilarity)) {
    for (const double base : {-1e4, -3.0, 0.0, 20.0, 1e4}) {
      Problem problem = problem_of({.kind = kMultiSimilarity,
                                    .measure = similarity,
                                    .dtype = NCE_DTYPE_FLOAT64,
                                    .size = {23, 1, 6},
                                    .seed = 16});
      problem.desc.base = base;
      check(problem);
    }
  }
}

/// Of classes that are apart: about e^-200 and e^-70, to the relative error that similarities have.
TEST_P(WeighedPairs, TinyLossesKeepTheirDigits) {
  for (const Kind& kind : kWeighedKinds) {
    Problem problem = problem_of({.kind = kind, .dtype = NCE_DTYPE_FLOAT64, .size = {10, 1, 6}, .seed = 25});
    for (std::size_t i = 0; i < problem.queries.size(); ++i) {
      const std::size_t row = i / 6, column = i % 6;
      problem.queries[i] = (column == 0 ? (row % 2 == 0 ? 1.0 : -1.0) : 0.0) + 1e-3 * problem.queries[i];
      problem.labels[row] = static_cast<int32_t>(row % 2);
    }
    problem.desc.positive_scale = kind.loss == NCE_LOSS_CIRCLE ? 80.0 : 400.0;
    if (kind.loss == NCE_LOSS_CIRCLE) problem.desc.margin = 0.95;
    if (kind.loss == NCE_LOSS_MULTI_SIMILARITY) problem.desc.negative_scale = 400.0;
    SCOPED_TRACE(problem.label());
    const Answer answer = answer_to(problem);
    EXPECT_LT(answer.loss, 1e-25);
    EXPECT_GT(answer.loss, 0.0);
    expect_close(problem, run(problem), answer, bounds_of(problem, answer.condition));
  }
}

TEST_P(WeighedPairs, ZeroRowsAreTheOracles) {
  for_each_kind([&](const Kind& kind, int32_t similarity) {
    Problem problem =
        problem_of({.kind = kind, .measure = similarity, .dtype = NCE_DTYPE_FLOAT64, .size = {23, 1, 6}, .seed = 6});
    for (const std::ptrdiff_t row : {0, 4, 5, 22}) std::fill_n(problem.queries.begin() + row * 6, 6, 0.0);
    check(problem);
    if (long_turn()) expect_zero_rows_counted(problem, 4, similarity == NCE_SIMILARITY_COSINE);
  });
}

TEST_P(WeighedPairs, EqualPointsHaveNoGradientOfTheirDistance) {
  for_each_kind([&](const Kind& kind, int32_t similarity) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
      Problem problem =
          problem_of({.kind = kind, .measure = similarity, .dtype = dtype, .size = {30, 1, 6}, .seed = 4});
      draw_together(problem, 0.25);
      for (std::size_t i = 0; i < problem.queries.size(); ++i) problem.queries[i] = problem.queries[i % 18];
      check(problem);
      if (!long_turn()) continue;
      std::fill(problem.queries.begin(), problem.queries.end(), 0.5);
      const Result result = run(problem);
      EXPECT_LE(largest(result.d_queries), similarity == NCE_SIMILARITY_COSINE ? 1e-6 : 0.0);
      EXPECT_EQ(result.metrics.alignment, 0.0);
    }
  });
}

TEST_P(WeighedPairs, NearRowsFarFromTheOriginKeepTheirDigits) {
  for_each_kind([&](const Kind& kind, int32_t similarity) {
    if (similarity == NCE_SIMILARITY_COSINE) return;
    Problem problem =
        problem_of({.kind = kind, .measure = similarity, .dtype = NCE_DTYPE_FLOAT64, .size = {26, 1, 9}, .seed = 8});
    for (double& x : problem.queries) x = 1024.0 + std::ldexp(std::round(std::ldexp(x, 20)), -21);
    check(problem);
  });
}

TEST_P(WeighedPairs, CallsApartThreadsOtherOrdersAndMetricsChangeNoBit) {
  for_each_kind([&](const Kind& kind, int32_t similarity) {
    if (!long_turn()) return;
    Problem problem =
        problem_of({.kind = kind, .measure = similarity, .size = {emulated() ? 70 : 300, 1, 19}, .seed = 6});
    draw_together(problem, 0.4);
    const Result first = expect_same_bits(problem);
    // What labels are called, and the budget, which is of dense losses.
    Problem renamed = problem;
    for (int32_t& label : renamed.labels) label = label < 0 ? label - 5 : 2000000000 - 77 * label;
    renamed.desc.workspace_budget_bytes = 0;
    EXPECT_EQ(run(renamed).difference(first), "") << problem.label() << ", labels of other names";
  });
}

TEST_P(WeighedPairs, MoreRowsThanAStripHolds) {
  if (emulated() && GetParam().sampled) GTEST_SKIP() << "takes long, and no other device has strips of its own";
  for (const Kind& kind : kWeighedKinds) {
    if (!turn()) continue;
    // A CUDA strip has 2^24 bytes: distances of 1430 rows. A CPU strip has 2^25.
    const int64_t rows = emulated() ? 1466 : 2100;
    Problem problem = problem_of({.kind = kind, .measure = NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN, .size = {rows, 1, 3}});
    draw_together(problem, 0.3);
    problem.desc.metrics = 0;
    problem.desc.top_k = 0;
    problem.desc.reduction = NCE_REDUCTION_SUM;
    SCOPED_TRACE(problem.label());
    const Answer answer = oracle::oracle<double>(problem, 50);
    Bounds bounds = bounds_of(problem, answer.condition);
    // Sums of so many rows, here and in the oracle.
    bounds.loss += 0x1p-42;
    expect_close(problem, run(problem), answer, bounds);
  }
}

TEST_P(WeighedPairs, RowsThatAreNotFiniteAreRefused) { expect_rows_that_are_not_finite_refused(kWeighedKinds); }

/// The second is a distance that double holds, and circle's exponent of it does not.
TEST_P(WeighedPairs, NumbersBeyondTheirArithmeticAreRefused) {
  for (const Kind& kind : kWeighedKinds) {
    for (const double x : {1e160, 1e80}) {
      Problem problem = problem_of({.kind = kind,
                                    .measure = NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN,
                                    .dtype = NCE_DTYPE_FLOAT64,
                                    .size = {9, 1, 4},
                                    .seed = 2});
      problem.labels.assign(9, 1);
      problem.labels[8] = 2;
      problem.queries[5 * 4 + 1] = x;
      DeviceRun run(device(), problem);
      const bool refused = x == 1e160 || kind.loss == NCE_LOSS_CIRCLE;
      EXPECT_EQ(run.ended(Calls::kTogether), refused ? NCE_STATUS_NON_FINITE : NCE_STATUS_OK) << kind.name << ", " << x;
      if (refused) {
        EXPECT_TRUE(run.untouched());
      }
    }
  }
}

TEST_P(WeighedPairs, AGradientBeyondItsTypeIsRefused) { expect_gradient_beyond_its_type_refused(kWeighedKinds, 1e7F); }

TEST_P(WeighedPairs, ABackwardPassNeedsItsForwardPass) { expect_backward_needs_its_forward(kWeighedKinds); }

NCE_ON_EVERY_DEVICE(WeighedPairs);

}  // namespace
}  // namespace nce::test
