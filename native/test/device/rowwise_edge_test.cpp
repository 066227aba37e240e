// What rowwise losses promise beside their values: closed forms, edges, metrics, refusals.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "device_test.h"

namespace nce::test {
namespace {

using oracle::kContrastive;
using oracle::kOwn;
using oracle::kRowwiseKinds;
using oracle::kTriplet;

class RowwiseEdges : public DeviceTest {};
class RowwiseMetrics : public DeviceTest {};

TEST_P(RowwiseEdges, IdenticalVectorsGiveTheLogarithmOfTheirNumber) {
  for (const int32_t similarity : measures_of(kOwn)) {
    Problem problem = problem_of({.kind = kOwn, .measure = similarity, .size = {3, 7, 5}, .tau = 0.07});
    for (auto* matrix : matrices(problem)) std::fill(matrix->begin(), matrix->end(), 0.5);
    SCOPED_TRACE(problem.label());
    const Result result = run(problem);
    EXPECT_NEAR(result.loss[0], std::log(8.0), 4 * 0x1p-52);
    EXPECT_EQ(result.d_temperature, 0.0);
    EXPECT_NEAR(result.metrics.effective_negatives, 7.0, 1e-14);
    // Every order of the rows is as likely as any other.
    EXPECT_NEAR(result.metrics.top1_accuracy, 1.0 / 8.0, 1e-15);
    EXPECT_NEAR(result.metrics.topk_accuracy, 5.0 / 8.0, 1e-15);
    EXPECT_LE(result.metrics.uniformity, 0.0);
    if (similarity == NCE_SIMILARITY_COSINE) {
      EXPECT_LE(result.metrics.positive_similarity, 1.0);
    }
  }
}

TEST_P(RowwiseEdges, OrthonormalVectorsGiveTheClosedForm) {
  const double tau = 0.5;
  Problem problem = problem_of({.kind = kOwn, .size = {1, 3, 4}, .tau = tau});
  problem.queries = {2, 0, 0, 0};
  problem.keys = {3, 0, 0, 0};
  problem.negatives = {0, 1, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0.25};
  const Result result = run(problem);
  const double e = std::exp(-1.0 / tau);
  EXPECT_NEAR(result.loss[0], std::log1p(3 * e), 1e-15);
  EXPECT_NEAR(result.d_temperature, 3 * e / (tau * tau * (1 + 3 * e)), 1e-14);
}

TEST_P(RowwiseEdges, NoNegativesMeanNoLossAndNoGradient) {
  for (const int32_t similarity : measures_of(kOwn)) {
    const Problem problem = problem_of({.kind = kOwn, .measure = similarity, .size = {3, 0, 9}, .tau = 0.07});
    const Result result = run(problem);
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

TEST_P(RowwiseEdges, EqualVectorsHaveZeroSubgradientsOfDistances) {
  for (const Kind& kind : kRowwiseKinds) {
    for (const int32_t measure : measures_of(kind)) {
      for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
        Problem problem =
            problem_of({.kind = kind, .measure = measure, .dtype = dtype, .size = {2, 2, 6}, .tau = 0.3, .seed = 3});
        problem.keys = problem.queries;
        for (std::size_t i = 0; i < problem.negatives.size(); ++i) problem.negatives[i] = problem.queries[i % 6];
        SCOPED_TRACE(problem.label());
        const Result result = run(problem);
        EXPECT_TRUE(std::isfinite(result.loss[0]));
        for (const auto* gradient : gradients(result)) EXPECT_TRUE(std::isfinite(largest(*gradient)));
        if (is_margin(kind) && measure == NCE_DISTANCE_EUCLIDEAN) {
          EXPECT_EQ(result.d_keys, std::vector<double>(12, 0.0));
        }
      }
    }
  }
}

TEST_P(RowwiseEdges, ZeroRowsHaveNoGradientAreCountedAndKeepTheirLoss) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
    Problem problem = problem_of({.kind = kOwn, .dtype = dtype, .size = {2, 3, 5}, .tau = 0.5, .seed = 4});
    problem.desc.reduction = NCE_REDUCTION_NONE;
    std::fill_n(problem.queries.begin(), 5, 0.0);         // query 0
    std::fill_n(problem.negatives.begin() + 15, 5, 0.0);  // negative 0 of row 1
    const Result result = run(problem);
    EXPECT_NEAR(result.loss[0], std::log(4.0), 1e-15);  // every cosine of a zero row is 0
    for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(result.d_queries[i], 0.0);
    for (std::size_t i = 15; i < 20; ++i) EXPECT_EQ(result.d_negatives[i], 0.0);
    EXPECT_NE(result.d_negatives[25], 0.0);
    EXPECT_EQ(result.metrics.zero_rows, 2);
  }
}

TEST_P(RowwiseEdges, ZeroQueriesKeysAndNegativesOfEveryLossAreTheOracles) {
  for (const Kind& kind : kRowwiseKinds) {
    for (const int32_t measure : measures_of(kind)) {
      for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_FLOAT16}) {
        Problem problem =
            problem_of({.kind = kind, .measure = measure, .dtype = dtype, .size = {6, 10, 5}, .tau = 0.5, .seed = 4});
        // One in each matrix, and a pair of two.
        const auto clear = [](std::vector<double>& matrix, std::size_t row) {
          if (!matrix.empty()) std::fill_n(matrix.begin() + static_cast<std::ptrdiff_t>(5 * row), 5, 0.0);
        };
        clear(problem.queries, 1);
        clear(problem.keys, 2);
        clear(problem.negatives, problem.negatives.size() / 5 - 1);
        clear(problem.queries, 3);
        clear(problem.keys, 3);
        SCOPED_TRACE(problem.label());
        const Answer answer = answer_to(problem);
        EXPECT_EQ(answer.metrics.zero_rows, problem.negatives.empty() ? 4 : 5);
        const Result result = run(problem);
        expect_close(problem, result, answer, rowwise_bounds(problem, answer));
        if (measure != (is_margin(kind) ? int32_t{NCE_DISTANCE_COSINE} : int32_t{NCE_SIMILARITY_COSINE})) continue;
        for (std::size_t d = 0; d < 5; ++d) {
          EXPECT_EQ(result.d_queries[5 + d], 0.0);
          EXPECT_EQ(result.d_keys[10 + d], 0.0);
          if (!result.d_negatives.empty()) {
            EXPECT_EQ(result.d_negatives[result.d_negatives.size() - 5 + d], 0.0);
          }
        }
      }
    }
  }
}

TEST_P(RowwiseEdges, AllZeroWeightsGiveZero) {
  Problem problem = problem_of({.kind = kOwn, .size = {2, 3, 5}, .tau = 0.5, .seed = 4});
  problem.weights = {0.0F, 0.0F};
  const Result result = run(problem);
  EXPECT_EQ(result.loss[0], 0.0);
  EXPECT_EQ(result.d_temperature, 0.0);
  EXPECT_EQ(largest(result.d_queries), 0.0);
}

TEST_P(RowwiseEdges, HugeAndTinyVectorsKeepTheirCosine) {
  // Their squares leave the range of their type; in float64 also that of double.
  const std::pair<nce_dtype, double> cases[] = {{NCE_DTYPE_FLOAT32, 0x1p100},
                                                {NCE_DTYPE_FLOAT32, 0x1p-100},
                                                {NCE_DTYPE_FLOAT64, 0x1p900},
                                                {NCE_DTYPE_FLOAT64, 0x1p-900}};
  for (const Kind& kind : kRowwiseKinds) {
    const int32_t cosine = is_margin(kind) ? int32_t{NCE_DISTANCE_COSINE} : int32_t{NCE_SIMILARITY_COSINE};
    for (const auto& [dtype, scale] : cases) {
      const Problem plain =
          problem_of({.kind = kind, .measure = cosine, .dtype = dtype, .size = {3, 2, 11}, .tau = 0.2, .seed = 9});
      Problem scaled = plain;
      for (auto* matrix : matrices(scaled)) {
        for (double& x : *matrix) x *= scale;
      }
      SCOPED_TRACE(plain.label() + ", scale 2^" + std::to_string(std::log2(scale)));
      Result result = run(scaled);
      for (auto* gradient : gradients(result)) {
        for (double& x : *gradient) x *= scale;  // d cos / dx goes with 1 / |x|
      }
      const Answer answer = answer_to(plain);
      Bounds bounds = rowwise_bounds(plain, answer);
      bounds.metrics = 1e-13;
      expect_close(plain, result, answer, bounds);
    }
  }
}

/// 1 - cosine would have few digits of them. In closed form, as an oracle has as few: of the unit vectors along
/// (1, 0) and (1, t), whose distance is about t^2 / 2.
TEST_P(RowwiseEdges, CosineDistancesOfNearlyEqualRowsKeepTheirDigits) {
  constexpr std::size_t kDim = 70;
  constexpr std::size_t kFirst = 3;
  constexpr std::size_t kSecond = 66;
  const auto distance = [](double t) { return t * t / (1.0 + t * t + std::sqrt(1.0 + t * t)); };
  for (const auto& [dtype, t] : {std::pair{NCE_DTYPE_FLOAT32, 0x1p-20}, std::pair{NCE_DTYPE_FLOAT64, 0x1p-30},
                                 std::pair{NCE_DTYPE_FLOAT16, 0x1p-8}}) {
    for (const Kind& kind : {kContrastive, kTriplet}) {
      for (const double size : {1.0, dtype == NCE_DTYPE_FLOAT64 ? 0x1p-600 : 0x1p-5}) {
        Problem problem =
            empty_problem_of({.kind = kind, .measure = NCE_DISTANCE_COSINE, .dtype = dtype, .size = {1, 1, kDim}});
        problem.desc.margin = 0x1p-300;
        problem.queries.assign(kDim, 0.0);
        problem.queries[kFirst] = 2.0;
        problem.keys.assign(kDim, 0.0);
        problem.keys[kFirst] = size;
        problem.keys[kSecond] = t * size;
        const bool triplet = kind.loss == NCE_LOSS_TRIPLET;
        if (triplet) {
          problem.negatives.assign(kDim, 0.0);
          problem.negatives[kFirst] = 0.5;
          problem.negatives[kSecond] = -0.25 * t;
        } else {
          problem.labels = {1};
        }
        SCOPED_TRACE(problem.label() + ", t " + std::to_string(std::log2(t)));
        const double near = distance(t);
        const double other = distance(0.5 * t);
        const double slope = triplet ? 1.0 : near;
        const Result result = run(problem);
        const double loss = triplet ? near - other : 0.5 * near * near;
        EXPECT_NEAR(result.loss[0] / loss, 1.0, 1e-13);
        EXPECT_NEAR(result.metrics.positive_similarity / -near, 1.0, 1e-13);
        if (triplet) {
          EXPECT_NEAR(result.metrics.negative_similarity / -other, 1.0, 1e-13);
          EXPECT_EQ(result.metrics.top1_accuracy, 0.0);
        }
        // The gradient by the key: across it, towards the query.
        const double unit = dtype == NCE_DTYPE_FLOAT64 ? 1e-13 : 1e-7;
        const double square = 1.0 + t * t;
        EXPECT_NEAR(result.d_keys[kSecond] / (slope * t / square / std::sqrt(square) / size), 1.0, unit);
        const double h = std::sqrt(1.0 + 0.25 * t * t);
        const double by_query = triplet ? -(t / std::sqrt(square) + 0.5 * t / h) : -slope * t / std::sqrt(square);
        EXPECT_NEAR(result.d_queries[kSecond] / (0.5 * by_query), 1.0, unit);
        for (std::size_t d = 0; d < kDim; ++d) {
          if (d == kSecond) continue;
          EXPECT_LE(std::fabs(result.d_queries[d]), slope * 0x1p-51);
          EXPECT_LE(std::fabs(result.d_keys[d] * size), slope * (t * t + 0x1p-51));
        }
      }
    }
  }
}

TEST_P(RowwiseEdges, HugeAndTinyDistancesAreFinite) {
  for (const double scale : {0x1p600, 0x1p-600}) {
    Problem problem = problem_of({.kind = kTriplet, .dtype = NCE_DTYPE_FLOAT64, .size = {1, 1, 2}});
    problem.desc.margin = 5 * scale;
    problem.queries = {0.0, 0.0};
    problem.keys = {3.0 * scale, 4.0 * scale};
    problem.negatives = {0.0, 8.0 * scale};
    const Result result = run(problem);
    EXPECT_EQ(result.loss[0], 2.0 * scale);
    EXPECT_NEAR(result.d_keys[0], 0.6, 1e-15);
    EXPECT_NEAR(result.d_keys[1], 0.8, 1e-15);
    EXPECT_EQ(result.d_negatives[1], -1.0);
  }
}

TEST_P(RowwiseEdges, BadNumbersAreToldByNameAndTouchNothing) {
  const Problem good =
      problem_of({.kind = kOwn, .dtype = NCE_DTYPE_FLOAT64, .size = {40, 3, 5}, .tau = 0.5, .seed = 4});
  const double infinity = std::numeric_limits<double>::infinity();
  const auto refuse = [&](nce_status status, const std::string& message, const auto& spoil) {
    Problem problem = good;
    spoil(problem);
    expect_refused(problem, status, message);
  };
  const auto bad_row = [&](const std::string& name, const auto& spoil) {
    refuse(NCE_STATUS_NON_FINITE, "inputs->" + name + "; all elements must be finite", spoil);
  };
  bad_row("queries holds a NaN or an infinity in row 37", [&](Problem& p) { p.queries[37 * 5 + 4] = infinity; });
  bad_row("keys holds a NaN or an infinity in row 9", [&](Problem& p) {
    p.keys[38 * 5] = std::nan("");
    p.keys[9 * 5] = infinity;
  });
  bad_row("negatives holds a NaN or an infinity in row 119", [&](Problem& p) { p.negatives[119 * 5 + 1] = -infinity; });
  refuse(NCE_STATUS_NON_FINITE, "inputs->queries has a similarity or distance beyond the range of float64 in row 3",
         [](Problem& p) {
           p.desc.similarity = NCE_SIMILARITY_DOT;
           p.queries[15] = p.keys[15] = 1e200;
         });
  refuse(NCE_STATUS_INVALID_ARGUMENT, "*inputs->temperature is 0; allowed: 1e-9 to 1e9",
         [](Problem& p) { p.tau = 0.0; });
  refuse(NCE_STATUS_INVALID_ARGUMENT, "inputs->weights[33] is -2; allowed: finite and >= 0", [](Problem& p) {
    p.weights.assign(40, 1.0F);
    p.weights[33] = -2.0F;
  });
}

TEST_P(RowwiseEdges, ABackwardPassNeedsItsForwardPassAndItsTemperature) {
  Problem problem = problem_of({.kind = kOwn, .size = {3, 2, 5}, .tau = 0.5, .seed = 4});
  const Result expected = run(problem);
  DeviceRun run(device(), problem);
  EXPECT_EQ(run.ended(Calls::kForward), NCE_STATUS_OK);
  const Result forward = run.read();
  problem.tau = 0.25;
  run.upload(problem);
  EXPECT_EQ(run.ended(Calls::kBackward), NCE_STATUS_INVALID_STATE);
  EXPECT_EQ(run.read().difference(forward), "");
  problem.tau = 0.5;
  run.upload(problem);
  EXPECT_EQ(run.ended(Calls::kBackward), NCE_STATUS_OK);
  EXPECT_EQ(run.read().difference(expected), "");
}

TEST_P(RowwiseEdges, AFailedForwardPassLeavesNothingToABackwardPass) {
  for (const Kind& kind : kRowwiseKinds) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT64, NCE_DTYPE_FLOAT16}) {
      const Problem problem = problem_of({.kind = kind, .dtype = dtype, .size = {3, 2, 5}, .tau = 0.5, .seed = 4});
      SCOPED_TRACE(problem.label());
      DeviceRun run(device(), problem);
      EXPECT_EQ(run.ended(Calls::kForward), NCE_STATUS_OK);
      Problem broken = problem;
      broken.keys[1] = std::nan("");
      run.upload(broken);
      EXPECT_EQ(run.ended(Calls::kForward), NCE_STATUS_NON_FINITE);
      run.upload(problem);
      run.poison_outputs();
      EXPECT_EQ(run.ended(Calls::kBackward), NCE_STATUS_INVALID_STATE);
      EXPECT_TRUE(run.untouched());
    }
  }
}

TEST_P(RowwiseEdges, TheKinkOfATripletHasNoGradient) {
  for (const int32_t distance : {NCE_DISTANCE_EUCLIDEAN, NCE_DISTANCE_SQUARED_EUCLIDEAN}) {
    for (const double past : {0.0, 0x1p-40}) {
      Problem problem =
          problem_of({.kind = kTriplet, .measure = distance, .dtype = NCE_DTYPE_FLOAT64, .size = {1, 1, 2}});
      problem.queries = {4.0, 0.0};
      problem.keys = {2.0, 0.0};
      problem.negatives = {4.0, 4.0};  // distances 2 and 4
      problem.desc.margin = (distance == NCE_DISTANCE_EUCLIDEAN ? 2.0 : 12.0) + past;
      SCOPED_TRACE(problem.label());
      const Result result = run(problem);
      EXPECT_EQ(result.loss[0], past);
      EXPECT_EQ(result.d_temperature, 0.0);
      EXPECT_EQ(largest(result.d_queries) > 0.0, past > 0.0);
      EXPECT_EQ(largest(result.d_keys) > 0.0, past > 0.0);
      EXPECT_EQ(largest(result.d_negatives) > 0.0, past > 0.0);
    }
  }
}

TEST_P(RowwiseEdges, TheFirstBadRowIsNamedHoweverManyThereAre) {
  // Rows of so many elements that each task has a few of them.
  Problem problem =
      problem_of({.kind = kContrastive, .size = {emulated() ? 6 : 24, 24, emulated() ? 512 : 8192}, .seed = 4});
  const auto rows = static_cast<std::size_t>(problem.desc.n), dim = static_cast<std::size_t>(problem.desc.dim);
  for (const std::size_t first : {std::size_t{1}, rows / 2}) {
    Problem broken = problem;
    for (std::size_t row = first; row < rows; row += 2) broken.keys[row * dim] = HUGE_VAL;
    expect_refused(
        broken, NCE_STATUS_NON_FINITE,
        "inputs->keys holds a NaN or an infinity in row " + std::to_string(first) + "; all elements must be finite");
  }
}

TEST_P(RowwiseEdges, GradientByLnTauIsTauTimesTheOneByTau) {
  for (const Kind& kind : {kOwn, oracle::kPaired}) {
    Problem problem = problem_of({.kind = kind, .size = {7, 3, 5}, .tau = 0.2, .seed = 3});
    SCOPED_TRACE(problem.label());
    const Result plain = run(problem);
    problem.temperature_form = NCE_TEMPERATURE_LOGARITHM;
    EXPECT_NEAR(run(problem).d_temperature / (0.2 * plain.d_temperature), 1.0, 1e-12);
  }
}

TEST_P(RowwiseEdges, AForwardPassAloneNeedsItsOwnWorkspaceOnly) {
  for (const Kind& kind : kRowwiseKinds) {
    for (const nce_dtype dtype : oracle::kDtypes) {
      const Problem problem = problem_of({.kind = kind, .dtype = dtype, .size = {70, 3, 9}, .tau = 0.2, .seed = 6});
      SCOPED_TRACE(problem.label());
      DeviceRun alone(device(), problem, {.pass = NCE_PASS_FORWARD});
      const Result forward = alone(Calls::kForward);
      const Result both = run(problem);
      EXPECT_EQ(forward.loss, both.loss);
      EXPECT_EQ(std::memcmp(&forward.metrics, &both.metrics, sizeof both.metrics), 0);
    }
  }
}

TEST_P(RowwiseMetrics, FollowTheirDefinitions) {
  Problem problem = problem_of({.kind = kOwn, .size = {2, 2, 2}});
  problem.desc.top_k = 2;
  problem.queries = {1, 0, 0, 2};
  problem.keys = {0, 1, 0, 1};         // cosines 0 and 1
  problem.negatives = {1, 1,  -1, 0,   // row 0: sqrt(1/2), -1: one is closer than the positive
                       0, -3, 0,  0};  // row 1: -1, a zero row: 0
  const nce_metrics metrics = run(problem).metrics;
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

TEST_P(RowwiseMetrics, OfMarginLossesUseMinusTheDistance) {
  Problem contrastive = problem_of({.kind = kContrastive, .size = {2, 2, 2}});
  contrastive.queries = {1, 0, 0, 1};
  contrastive.keys = {1, 2, 3, 1};  // distances 2 (alike) and 3 (not)
  contrastive.labels = {1, 0};
  nce_metrics metrics = run(contrastive).metrics;
  EXPECT_EQ(metrics.positive_similarity, -2.0);
  EXPECT_EQ(metrics.negative_similarity, -3.0);
  EXPECT_TRUE(std::isnan(metrics.top1_accuracy));
  EXPECT_TRUE(std::isnan(metrics.topk_accuracy));
  EXPECT_TRUE(std::isnan(metrics.effective_negatives));

  Problem triplet = problem_of({.kind = kTriplet, .size = {2, 2, 1}});
  triplet.desc.top_k = 1;
  triplet.queries = {0, 0};
  triplet.keys = {1, 3};
  triplet.negatives = {1, 2};  // of a tie each is first as often as the other
  metrics = run(triplet).metrics;
  EXPECT_EQ(metrics.top1_accuracy, 0.25);
  EXPECT_EQ(metrics.topk_accuracy, 0.25);
  EXPECT_EQ(metrics.positive_similarity, -2.0);
  EXPECT_EQ(metrics.negative_similarity, -1.5);
}

/// Rows are ranked by one thread while they have few negatives, and by a warp else.
TEST_P(RowwiseMetrics, RanksAreThoseOfEveryNumberOfNegatives) {
  uint64_t turn = 0;
  for (const Kind& kind : {kOwn, oracle::kShared}) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_BFLOAT16}) {
      for (const int64_t count : {7, 8, 9, 33, 70}) {
        constexpr int64_t kRows = 5;
        // In the emulator every number of negatives, with one of the types; all at once has no such numbers.
        if (emulated() && (turn++ % 3 != 0 || (kind.negatives == NCE_NEGATIVES_SHARED && count == 8))) continue;
        Problem problem = problem_of(
            {.kind = kind, .measure = NCE_SIMILARITY_DOT, .dtype = dtype, .size = {kRows, count, 1}, .tau = 4.0});
        // Similarities 0, 0, 1, 1, 2, ... in any order; the positive of row i is among the best, between them, or
        // worst.
        problem.queries.assign(kRows, 1.0);
        for (std::size_t i = 0; i < problem.negatives.size(); ++i) {
          const auto column = static_cast<int64_t>(i) % count;
          problem.negatives[i] = static_cast<double>((column * 37 % count) / 2);
        }
        const double best = static_cast<double>((count - 1) / 2);
        problem.keys = {best + 1.0, best, best - 0.5, best - 2.0, -1.0};
        for (const int32_t top_k : {3, 50}) {
          problem.desc.top_k = top_k;
          SCOPED_TRACE(problem.label() + ", top " + std::to_string(top_k));
          double top1 = 0.0;
          double topk = 0.0;
          for (const double positive : problem.keys) {
            double above = 0.0;
            double tied = 0.0;
            for (int64_t k = 0; k < count; ++k) {
              const double negative = static_cast<double>(k / 2);
              above += negative > positive ? 1.0 : 0.0;
              tied += negative == positive ? 1.0 : 0.0;
            }
            top1 += std::clamp((1.0 - above) / (1.0 + tied), 0.0, 1.0) / kRows;
            topk += std::clamp((top_k - above) / (1.0 + tied), 0.0, 1.0) / kRows;
          }
          ASSERT_LT(top1, 1.0);
          const nce_metrics metrics = run(problem).metrics;
          EXPECT_NEAR(metrics.top1_accuracy, top1, 1e-14);
          EXPECT_NEAR(metrics.topk_accuracy, topk, 1e-14);
        }
      }
    }
  }
}

NCE_ON_EVERY_DEVICE(RowwiseEdges);
NCE_ON_EVERY_DEVICE(RowwiseMetrics);

}  // namespace
}  // namespace nce::test
