// Triplets mined in the batch: against the oracle, closed forms and published values, and to the same bits.

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "distances_test.h"

namespace nce::test {
namespace {

using oracle::kMinedKinds;
using oracle::mined_kind;

constexpr Kind kHard = mined_kind("batch hard", NCE_MINING_BATCH_HARD);
constexpr Kind kEasy = mined_kind("batch easy", NCE_MINING_BATCH_EASY);
constexpr Kind kEasyPositive = mined_kind("easy positive", NCE_MINING_EASY_POSITIVE);
constexpr Kind kSemiHard = mined_kind("semi-hard", NCE_MINING_SEMI_HARD);
constexpr Kind kAll = mined_kind("batch all", NCE_MINING_BATCH_ALL);

/// Every mining, hard and soft, with every distance.
template <typename Body>
void for_each_kind(const Body& body) {
  for (const Kind& kind : kMinedKinds) {
    for (const int32_t distance : measures_of(kind)) body(kind, distance);
  }
}

class Mined : public DistancesTest {
 protected:
  Mined() : DistancesTest(7) {}

  /// Where two numbers that are compared nearly tie, an error chooses: then the losses of other rows are chosen, which
  /// are as large, but gradients, counts and ranks are not near.
  void check(const Problem& problem) {
    if (!long_turn()) return;
    SCOPED_TRACE(problem.label());
    const Answer answer = answer_to(problem);
    Bounds bounds = bounds_of(problem);
    const bool ambiguous = answer.nearest_choice < 4.0 * distance_error(problem);
    count_case(ambiguous);
    if (ambiguous) {
      bounds.gradient = bounds.accuracy = kAnything;
      if (problem.desc.reduction == NCE_REDUCTION_MEAN) bounds.loss_floor = kAnything;
    }
    expect_close(problem, run(problem), answer, bounds);
  }
};

Problem on_a_line(const Kind& kind, const std::vector<double>& points, const std::vector<int32_t>& labels) {
  Problem problem =
      problem_of({.kind = kind, .dtype = NCE_DTYPE_FLOAT64, .size = {static_cast<int64_t>(points.size()), 1, 1}});
  problem.queries = points;
  problem.labels = labels;
  return problem;
}

TEST_P(Mined, EveryMiningAndDistanceAtRaggedSizes) {
  constexpr Extent kCpu[] = {{1, 1, 1}, {2, 1, 3}, {3, 1, 8}, {17, 1, 33}, {130, 1, 20}, {300, 1, 65}};
  constexpr Extent kEmulated[] = {{1, 1, 1}, {2, 1, 3}, {3, 1, 8}, {17, 1, 33}, {70, 1, 5}, {130, 1, 5}};
  for_each_kind([&](const Kind& kind, int32_t distance) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
      uint64_t seed = 10;
      for (const Extent& size : by_device<Extent>(kCpu, kEmulated)) {
        check(problem_of({.kind = kind, .measure = distance, .dtype = dtype, .size = size, .seed = ++seed}));
      }
    }
  });
  expect_mostly_clear();
}

TEST_P(Mined, EveryPatternOfLabels) {
  using Label = int32_t (*)(int64_t row);
  constexpr Label kPatterns[] = {
      [](int64_t) -> int32_t { return 3; },                              // no negatives
      [](int64_t row) -> int32_t { return static_cast<int32_t>(row); },  // no positives
      [](int64_t) -> int32_t { return -1; },                             // no anchors
      [](int64_t row) -> int32_t { return row % 2 == 0 ? -2 : 0; },      // half of the rows of no label
      [](int64_t row) -> int32_t { return row < 20 ? 7 : 1000000 + static_cast<int32_t>(row % 3); },
      [](int64_t row) -> int32_t { return row % 2 == 0 ? 2147483647 : 0; }};
  for_each_kind([&](const Kind& kind, int32_t distance) {
    for (const Label label : kPatterns) {
      Problem problem =
          problem_of({.kind = kind, .measure = distance, .dtype = NCE_DTYPE_FLOAT64, .size = {29, 1, 6}, .seed = 31});
      for (int64_t i = 0; i < problem.desc.n; ++i) problem.labels[static_cast<std::size_t>(i)] = label(i);
      check(problem);
    }
  });
  expect_mostly_clear();
}

TEST_P(Mined, NoTripletsMeanNoLossAndNoGradient) {
  for_each_kind([&](const Kind& kind, int32_t distance) {
    for (const bool alike : {false, true}) {
      if (!long_turn()) continue;
      Problem problem = problem_of({.kind = kind, .measure = distance, .size = {7, 1, 5}, .seed = 3});
      for (int32_t i = 0; i < 7; ++i) problem.labels[static_cast<std::size_t>(i)] = alike ? 4 : i;
      const Result result = run(problem);
      EXPECT_EQ(result.loss, std::vector<double>(1, 0.0));
      EXPECT_EQ(result.d_queries, std::vector<double>(35, 0.0));
      EXPECT_EQ(result.d_temperature, 0.0);
      EXPECT_TRUE(std::isnan(result.metrics.top1_accuracy));
      EXPECT_EQ(std::isnan(result.metrics.positive_similarity), !alike);
      EXPECT_EQ(std::isnan(result.metrics.negative_similarity), alike);
      EXPECT_EQ(result.metrics.rows, 7);
    }
  });
}

TEST_P(Mined, ReductionsWeightsUpstreamAndStrides) {
  for_each_kind([&](const Kind& kind, int32_t distance) {
    for (const nce_reduction reduction : {NCE_REDUCTION_MEAN, NCE_REDUCTION_SUM, NCE_REDUCTION_NONE}) {
      Problem problem =
          problem_of({.kind = kind, .measure = distance, .dtype = NCE_DTYPE_FLOAT64, .size = {37, 1, 12}, .seed = 11});
      problem.desc.reduction = reduction;
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

TEST_P(Mined, WeightsThatAreAllZeroMakeAMeanOfZero) { expect_zero_of_zero_weights(kMinedKinds); }

TEST_P(Mined, SixteenBitElementsAndGradients) {
  for_each_kind([&](const Kind& kind, int32_t distance) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT16, NCE_DTYPE_BFLOAT16}) {
      for (const bool narrow : {false, true}) {
        check(problem_of({.kind = kind,
                          .measure = distance,
                          .dtype = dtype,
                          .size = {40, 1, 40},
                          .seed = 12,
                          .narrow_gradients = narrow}));
      }
    }
  });
  expect_mostly_clear();
}

TEST_P(Mined, FastArithmeticIsNear) {
  for_each_kind([&](const Kind& kind, int32_t distance) {
    Problem problem = problem_of({.kind = kind, .measure = distance, .size = {12, 1, 24}, .seed = 14});
    problem.desc.precision = NCE_PRECISION_FAST;
    problem.labels = {0, 0, 0, 1, 1, 1, 2, 2, 2, -1, 3, 3};
    check(problem);
  });
}

TEST_P(Mined, SoftMarginsOfLargeGapsAreTheOracles) {
  for (const Kind& kind : kMinedKinds) {
    if (!kind.soft_margin) continue;
    for (const double size : {30.0, 300.0, 3000.0}) {
      Problem problem = problem_of({.kind = kind, .dtype = NCE_DTYPE_FLOAT64, .size = {31, 1, 6}, .seed = 15});
      for (double& x : problem.queries) x *= size;
      check(problem);
    }
  }
  expect_mostly_clear();
}

TEST_P(Mined, TiesGoToTheSmallestIndex) {
  // From 0 the positives at 2 and -2 are as far, and the negatives at 3 and -3.
  const std::vector<double> points = {0, 2, -2, 3, -3};
  const std::vector<int32_t> labels = {0, 0, 0, 1, 2};
  for (const Kind& kind : {kHard, kEasy, kEasyPositive}) {
    Problem problem = on_a_line(kind, points, labels);
    problem.desc.reduction = NCE_REDUCTION_NONE;
    problem.desc.margin = 4.0;
    problem.upstream = {1, 0, 0, 0, 0};
    // d(0, p) - d(0, n) + 4 = 3: p is pushed to the anchor, n away from it.
    EXPECT_EQ(run(problem).loss[0], 3.0);
    EXPECT_EQ(run(problem).d_queries, (std::vector<double>{0, 1, 0, -1, 0})) << kind.name;
  }
  Problem problem = on_a_line(kSemiHard, points, labels);
  problem.desc.reduction = NCE_REDUCTION_NONE;
  problem.desc.margin = 4.0;
  problem.upstream = {1, 0, 0, 0, 0};
  EXPECT_EQ(run(problem).loss[0], 6.0);
  EXPECT_EQ(run(problem).d_queries, (std::vector<double>{2, 1, -1, -2, 0}));
}

TEST_P(Mined, ExactTiesOfIntegersOnALineAreTheOracles) {
  for_each_kind([&](const Kind& kind, int32_t distance) {
    if (distance == NCE_DISTANCE_COSINE) return;
    for (const double margin : {0.0, 1.0, 2.0}) {
      std::vector<double> points;
      std::vector<int32_t> labels;
      for (int32_t i = 0; i < 40; ++i) {
        points.push_back(i * 7 % 13);
        labels.push_back(i % 4 - (i % 9 == 5 ? 9 : 0));
      }
      Problem problem = on_a_line(kind, points, labels);
      problem.desc.distance = distance;
      problem.desc.margin = margin;
      // Where a gap is 0 to the last bit the hinge is closed.
      check(problem);
    }
  });
  expect_mostly_clear();
}

TEST_P(Mined, EqualPointsHaveNoGradientOfTheirDistance) {
  for_each_kind([&](const Kind& kind, int32_t distance) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
      Problem problem = problem_of({.kind = kind, .measure = distance, .dtype = dtype, .size = {30, 1, 6}, .seed = 4});
      for (std::size_t i = 0; i < problem.queries.size(); ++i) problem.queries[i] = problem.queries[i % 18];
      check(problem);
      if (!long_turn()) continue;
      std::fill(problem.queries.begin(), problem.queries.end(), 0.5);
      const Result result = run(problem);
      EXPECT_LE(largest(result.d_queries), distance == NCE_DISTANCE_COSINE ? 1e-7 : 0.0);
      EXPECT_EQ(result.metrics.alignment, 0.0);
    }
  });
}

TEST_P(Mined, ZeroRowsAreTheOracles) {
  for_each_kind([&](const Kind& kind, int32_t distance) {
    Problem problem =
        problem_of({.kind = kind, .measure = distance, .dtype = NCE_DTYPE_FLOAT64, .size = {23, 1, 6}, .seed = 6});
    for (const std::ptrdiff_t row : {0, 4, 5, 22}) std::fill_n(problem.queries.begin() + row * 6, 6, 0.0);
    check(problem);
    if (long_turn()) expect_zero_rows_counted(problem, 4, distance == NCE_DISTANCE_COSINE);
  });
}

TEST_P(Mined, NearRowsFarFromTheOriginKeepTheirDigits) {
  for_each_kind([&](const Kind& kind, int32_t distance) {
    if (distance == NCE_DISTANCE_COSINE) return;
    Problem problem =
        problem_of({.kind = kind, .measure = distance, .dtype = NCE_DTYPE_FLOAT64, .size = {26, 1, 9}, .seed = 8});
    for (double& x : problem.queries) x = 1024.0 + std::ldexp(std::round(std::ldexp(x, 20)), -30);
    problem.desc.margin = 1e-4;
    check(problem);
  });
}

TEST_P(Mined, PublishedMiningsOfNineNumbersOnALine) {
  // pytorch-metric-learning, tests/miners/test_batch_hard_miner.py: rows 0 ... 8.
  const std::vector<double> points = {0, 1, 2, 3, 4, 5, 6, 7, 8};
  const std::vector<int32_t> labels = {0, 0, 1, 1, 0, 2, 1, 1, 1};
  const int64_t positives[] = {4, 4, 8, 8, 0, -1, 2, 2, 2};
  const int64_t negatives[] = {2, 2, 1, 4, 3, -1, 5, 5, 5};
  Problem problem = on_a_line(kHard, points, labels);
  problem.desc.reduction = NCE_REDUCTION_NONE;
  problem.desc.margin = 100.0;
  const Result result = run(problem);
  for (std::size_t a = 0; a < 9; ++a) {
    const double at = points[a];
    const double expected = positives[a] < 0 ? 0.0
                                             : std::fabs(at - points[static_cast<std::size_t>(positives[a])]) -
                                                   std::fabs(at - points[static_cast<std::size_t>(negatives[a])]) + 100;
    EXPECT_EQ(result.loss[a], expected) << "anchor " << a;
  }
}

TEST_P(Mined, PublishedLossesOfSixUnitRows) {
  // tensorflow/similarity, test_triplet_loss.py, test_mining: margin 1, easy and hard.
  for (const auto& [kind, expected] : {std::pair{kEasy, 1.0 / 3.0}, std::pair{kHard, 2.0}}) {
    Problem problem =
        problem_of({.kind = kind, .measure = NCE_DISTANCE_COSINE, .dtype = NCE_DTYPE_FLOAT64, .size = {6, 1, 2}});
    problem.queries = {1, 0, 1, 0, 0, 1, 0, 1, 0, 1, 1, 0};
    problem.labels = {0, 0, 0, 1, 1, 1};
    problem.desc.margin = 1.0;
    EXPECT_DOUBLE_EQ(run(problem).loss[0], expected) << kind.name;
  }
}

TEST_P(Mined, GradientsAreCentralDifferences) {
  constexpr double kStep = 1e-6;
  for_each_kind([&](const Kind& kind, int32_t distance) {
    if (!long_turn()) return;
    Problem problem =
        problem_of({.kind = kind, .measure = distance, .dtype = NCE_DTYPE_FLOAT64, .size = {11, 1, 3}, .seed = 17});
    problem.labels = {0, 0, 0, 1, 1, 1, 2, 2, -1, 3, 3};
    weigh(problem);
    SCOPED_TRACE(problem.label());
    ASSERT_GT(answer_to(problem).nearest_choice, 10 * kStep);
    const std::vector<double> gradient = run(problem).d_queries;
    for (std::size_t i = 0; i < problem.queries.size(); i += emulated() ? 7U : 1U) {
      const double x = problem.queries[i];
      problem.queries[i] = x + kStep;
      const double above = run(problem, Calls::kForward).loss[0];
      problem.queries[i] = x - kStep;
      const double below = run(problem, Calls::kForward).loss[0];
      problem.queries[i] = x;
      EXPECT_NEAR(gradient[i], (above - below) / (2 * kStep), 1e-7) << "element " << i;
    }
  });
}

TEST_P(Mined, CallsApartThreadsOtherOrdersAndMetricsChangeNoBit) {
  for_each_kind([&](const Kind& kind, int32_t distance) {
    if (!long_turn()) return;
    Problem problem =
        problem_of({.kind = kind, .measure = distance, .size = {emulated() ? 70 : 300, 1, 19}, .seed = 6});
    expect_same_bits(problem);
  });
}

/// Rows among whose distances the first of equals, or a difference beyond float, decides.
struct CloseRows {
  const char* name;
  double (*element)(double element, double row, double place);
};
double one_and_a_few(double row, double place, int exponent) {
  return 1.0 + std::ldexp(std::fmod(row * 5.0, 13.0), exponent) * place;
}
constexpr CloseRows kCloseRows[] = {
    {"as they are", [](double x, double, double) { return x; }},
    {"on a grid", [](double x, double, double) { return std::round(2.0 * x); }},
    {"all equal", [](double, double, double place) { return 0.5 + place; }},
    {"at seven points", [](double, double row, double place) { return std::fmod(row, 7.0) * (place + 1.0); }},
    {"nearer than floats", [](double, double row, double place) { return one_and_a_few(row, place, -40); }},
    {"as near as floats", [](double, double row, double place) { return one_and_a_few(row, place, -23); }},
    {"far from the origin", [](double x, double, double) { return 1048576.0 + std::round(16.0 * x) / 16.0; }},
    {"of all sizes", [](double x, double row, double) { return x * std::exp2(std::fmod(row, 23.0) - 11.0); }},
    {"half of them zero", [](double x, double row, double) { return std::fmod(row, 2.0) * x; }}};

constexpr Kind kPairKinds[] = {kHard, kEasy, kEasyPositive};

TEST_P(Mined, PairsOfCloseRowsAreTheSameWithoutMetricsAndForAnyThreads) {
  for (const Kind& kind : kPairKinds) {
    for (const int32_t distance : measures_of(kind)) {
      for (const CloseRows& rows : kCloseRows) {
        for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
          if (!long_turn()) continue;
          constexpr int64_t kDim = 5;
          Problem problem = problem_of(
              {.kind = kind, .measure = distance, .dtype = dtype, .size = {emulated() ? 70 : 430, 1, kDim}, .seed = 9});
          SCOPED_TRACE(problem.label() + ", rows " + rows.name);
          for (int64_t i = 0; i < problem.desc.n * kDim; ++i) {
            double& x = problem.queries[static_cast<std::size_t>(i)];
            x = rows.element(x, static_cast<double>(i / kDim), static_cast<double>(i % kDim));
            if (dtype == NCE_DTYPE_FLOAT32) x = static_cast<double>(static_cast<float>(x));
          }
          problem.desc.reduction = NCE_REDUCTION_NONE;
          const Result with_metrics = run(problem);
          problem.desc.metrics = 0;
          problem.desc.top_k = 0;
          Result without = run(problem);
          without.metrics = with_metrics.metrics;
          EXPECT_EQ(without.difference(with_metrics), "");
          if (emulated()) continue;
          for (const int32_t threads : {1, 3}) {
            Result other = DeviceRun(*with_threads(threads), problem)(Calls::kTogether);
            other.metrics = with_metrics.metrics;
            EXPECT_EQ(other.difference(with_metrics), "") << threads << " threads";
          }
        }
      }
    }
  }
}

TEST_P(Mined, TiesAcrossTheBatchGoToTheSmallestIndex) {
  for (const Kind& kind : kPairKinds) {
    for (const int32_t distance : {NCE_DISTANCE_EUCLIDEAN, NCE_DISTANCE_SQUARED_EUCLIDEAN}) {
      // As many blocks as are odd in number, and even.
      for (const int64_t rows : {emulated() ? 61 : 401, emulated() ? 90 : 430}) {
        std::vector<double> points;
        std::vector<int32_t> labels;
        for (int64_t i = 0; i < rows; ++i) {
          points.push_back(static_cast<double>(i * 7 % 13));
          labels.push_back(static_cast<int32_t>(i % 4 - (i % 9 == 5 ? 9 : 0)));
        }
        Problem problem = on_a_line(kind, points, labels);
        problem.desc.distance = distance;
        problem.desc.margin = 20.0;
        problem.desc.metrics = 0;
        problem.desc.top_k = 0;
        problem.desc.reduction = NCE_REDUCTION_NONE;
        weigh(problem);
        set_upstream_by_row(problem);
        check(problem);
      }
    }
  }
  expect_mostly_clear();
}

TEST_P(Mined, PairsWithoutMetricsAreTheOracles) {
  constexpr Extent kCpu[] = {{1, 1, 3}, {2, 1, 3}, {5, 1, 40}, {97, 1, 7}, {260, 1, 33}, {700, 1, 4}};
  constexpr Extent kEmulated[] = {{1, 1, 3}, {5, 1, 8}, {97, 1, 5}};
  for (const Kind& kind : kPairKinds) {
    for (const int32_t distance : measures_of(kind)) {
      for (const nce_precision precision : {NCE_PRECISION_PRECISE, NCE_PRECISION_FAST}) {
        for (const Extent& size : by_device<Extent>(kCpu, kEmulated)) {
          Problem problem = problem_of({.kind = kind, .measure = distance, .size = size, .seed = 21});
          problem.desc.precision = precision;
          problem.desc.metrics = 0;
          problem.desc.top_k = 0;
          if (size.n == 97) std::fill_n(problem.queries.begin() + 8 * size.dim, size.dim, 0.0);
          check(problem);
        }
      }
    }
  }
}

TEST_P(Mined, MoreRowsThanAStripHolds) {
  if (emulated() && GetParam().sampled) GTEST_SKIP() << "takes long, and no other device has strips of its own";
  for (const Kind& kind : {kAll, kHard, kSemiHard}) {
    if (!turn()) continue;
    // A CUDA strip has 2^24 bytes: distances of 1430 rows, or of 572 and what is ranked beside them.
    const int64_t rows = !emulated() ? 2100 : kind.mining == NCE_MINING_BATCH_HARD ? 1466 : 592;
    Problem problem = problem_of({.kind = kind, .measure = NCE_DISTANCE_SQUARED_EUCLIDEAN, .size = {rows, 1, 3}});
    problem.desc.metrics = 0;
    problem.desc.top_k = 0;
    problem.desc.reduction = NCE_REDUCTION_SUM;
    SCOPED_TRACE(problem.label());
    const Answer answer = oracle::oracle<double>(problem, 50);
    expect_close(problem, run(problem), answer, bounds_of(problem));
  }
}

TEST_P(Mined, RowsThatAreNotFiniteAreRefused) { expect_rows_that_are_not_finite_refused(kMinedKinds); }

/// Distances that double holds, of squares that it does not.
TEST_P(Mined, DistancesWhoseSquaresLeaveTheRangeAreWhatTheyAre) {
  for (const Kind& kind : {kAll, kHard}) {
    for (const double size : {1e-200, 1e160}) {
      Problem problem = problem_of({.kind = kind, .dtype = NCE_DTYPE_FLOAT64, .size = {9, 1, 4}, .seed = 2});
      for (double& x : problem.queries) x *= size;
      problem.desc.metrics = problem.desc.top_k = 0;  // whose bounds are absolute
      SCOPED_TRACE(problem.label());
      const Result result = run(problem);
      expect_close(problem, result, answer_to(problem), bounds_of(problem));
      EXPECT_GT(largest(result.d_queries), 0.0);
    }
  }
}

TEST_P(Mined, DistancesBeyondTheirArithmeticAreRefused) {
  for (const Kind& kind : {kAll, kHard}) {
    Problem problem = problem_of({.kind = kind,
                                  .measure = NCE_DISTANCE_SQUARED_EUCLIDEAN,
                                  .dtype = NCE_DTYPE_FLOAT64,
                                  .size = {9, 1, 4},
                                  .seed = 2});
    problem.queries[5 * 4 + 1] = 1e160;
    DeviceRun run(device(), problem);
    EXPECT_EQ(run.ended(Calls::kTogether), NCE_STATUS_NON_FINITE);
    EXPECT_TRUE(run.untouched());
  }
}

TEST_P(Mined, AGradientBeyondItsTypeIsRefused) {
  expect_gradient_beyond_its_type_refused(std::array{kAll, kHard}, 1e6F);
}

TEST_P(Mined, ABackwardPassNeedsItsForwardPass) { expect_backward_needs_its_forward(kMinedKinds); }

NCE_ON_EVERY_DEVICE(Mined);

}  // namespace
}  // namespace nce::test
