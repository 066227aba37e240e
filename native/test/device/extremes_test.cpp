// Where numbers leave the range of their types: right, or refused, and never an infinity or NaN with success.

#include <cmath>
#include <limits>

#include "device_test.h"

namespace nce::test {
namespace {

using oracle::kContrastive;
using oracle::kDenseKinds;
using oracle::kInfoNce;
using oracle::kOwn;
using oracle::kRowwiseKinds;
using oracle::kSymmetric;
using oracle::kTriplet;

class Extremes : public DeviceTest {
 protected:
  static void scale(Problem& problem, double by) {
    for (auto* matrix : matrices(problem)) {
      for (double& value : *matrix) value = oracle::rounded(value * by, problem.dtype());
    }
  }

  /// Of a call that succeeds.
  static void expect_finite(const Result& result) {
    for (const double loss : result.loss) EXPECT_TRUE(std::isfinite(loss));
    for (const auto* gradient : gradients(result)) EXPECT_TRUE(std::isfinite(largest(*gradient)));
    EXPECT_TRUE(std::isfinite(result.d_temperature));
    EXPECT_TRUE(std::isfinite(result.metrics.positive_similarity));
    EXPECT_TRUE(std::isfinite(result.metrics.negative_similarity));
    EXPECT_FALSE(std::isinf(result.metrics.effective_negatives));
    EXPECT_FALSE(std::isinf(result.metrics.uniformity));
  }

  /// Rows of 5 elements, however large or small: squares of them may overflow.
  static void expect_close_rows(const std::vector<double>& actual, const std::vector<double>& expected) {
    ASSERT_EQ(actual.size(), expected.size());
    for (std::size_t row = 0; row < actual.size(); row += 5) {
      double size = 0.0;
      for (std::size_t d = row; d < row + 5; ++d) size = std::max(size, std::fabs(expected[d]));
      for (std::size_t d = row; d < row + 5; ++d) ASSERT_NEAR(actual[d], expected[d], 1e-12 * size) << row / 5;
    }
  }

  /// A gradient beyond its type is told by name, of both calls.
  void expect_told(const Problem& problem, const std::string& gradient) {
    SCOPED_TRACE(problem.label());
    for (const Calls calls : {Calls::kTogether, Calls::kBackward}) {
      DeviceRun run(device(), problem);
      if (calls == Calls::kBackward) {
        ASSERT_EQ(run.ended(Calls::kForward), NCE_STATUS_OK);
      }
      EXPECT_EQ(run.ended(calls), NCE_STATUS_NON_FINITE);
      EXPECT_EQ(std::string(nce_last_error()),
                "outputs->" + gradient + "; gradients may have been written, with infinities there");
    }
  }
};

TEST_P(Extremes, SimilaritiesBeyondFloat64AreRefusedAndNothingIsWritten) {
  for (const Kind& kind : kDenseKinds) {
    for (const nce_similarity similarity : {NCE_SIMILARITY_DOT, NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN}) {
      Problem problem = problem_of(
          {.kind = kind, .measure = similarity, .dtype = NCE_DTYPE_FLOAT64, .size = {4, 6, 5}, .tau = 1.0, .seed = 3});
      const int64_t row = 2;
      for (std::size_t d = 0; d < 5; ++d) problem.queries[row * 5 + d] = 1e160;
      if (similarity == NCE_SIMILARITY_DOT) {
        for (double& value : problem.keys) value *= 1e160;
        for (double& value : problem.negatives) value *= 1e160;
        if (problem.shape().tower) {
          for (std::size_t d = 0; d < 5; ++d) problem.queries[5 + d] = 1e160;
        }
      }
      SCOPED_TRACE(problem.label());
      DeviceRun run(device(), problem);
      EXPECT_EQ(run.ended(Calls::kTogether), NCE_STATUS_NON_FINITE);
      EXPECT_NE(std::string(nce_last_error()).find("similarity or distance beyond the range of float64 in row"),
                std::string::npos);
      EXPECT_TRUE(run.untouched());
    }
  }
}

/// Their products are as ever, or nothing, or too much.
TEST_P(Extremes, RowsOf1e200And1e_200HaveTheirDotProducts) {
  constexpr int kSize = 664;  // 2^664 is 8e199
  const auto scaled = [](std::vector<double> values, int exponent) {
    for (double& value : values) value = std::ldexp(value, exponent);
    return values;
  };
  for (const Kind& kind : {kInfoNce, kSymmetric, oracle::kShared, kOwn, oracle::kPaired}) {
    const Problem plain = problem_of({.kind = kind,
                                      .measure = NCE_SIMILARITY_DOT,
                                      .dtype = NCE_DTYPE_FLOAT64,
                                      .size = {5, 7, 6},
                                      .tau = 0.5,
                                      .seed = 3});
    for (const auto& [queries, keys] :
         {std::pair{kSize, -kSize}, std::pair{-kSize, kSize}, std::pair{-kSize, -kSize}}) {
      Problem problem = plain;
      // On the device uniformity is of similarities over norms, and these vanish where both sides are tiny.
      const bool dense = kind.negatives == NCE_NEGATIVES_IN_BATCH || kind.negatives == NCE_NEGATIVES_SHARED;
      problem.desc.metrics = dense && emulated() && queries == keys ? 0 : 1;
      problem.queries = scaled(plain.queries, queries);
      problem.keys = scaled(plain.keys, keys);
      problem.negatives = scaled(plain.negatives, keys);
      SCOPED_TRACE(problem.label() + ", queries times 2^" + std::to_string(queries) + ", keys times 2^" +
                   std::to_string(keys));
      // Gradients are compared as of rows of size 1, whose squares are in the range of float64.
      Answer answer = answer_to(problem);
      Result result = run(problem);
      for (auto& [gradient, exponent] : {std::pair{&answer.d_queries, keys}, std::pair{&answer.d_keys, queries},
                                         std::pair{&answer.d_negatives, queries}}) {
        gradient->values = scaled(gradient->values, -exponent);
        gradient->terms = std::ldexp(gradient->terms, -exponent);
      }
      result.d_queries = scaled(result.d_queries, -keys);
      result.d_keys = scaled(result.d_keys, -queries);
      result.d_negatives = scaled(result.d_negatives, -queries);
      EXPECT_GT(largest(answer.d_queries.values), 1e-3);
      const Bounds bounds{.loss = 1e-12,
                          .gradient = 1e-12,
                          .terms = 1e-14,
                          .temperature = 1e-12,
                          .similarity = 1e-300,
                          .metrics = 1e-6,
                          .effective = 1e-9,
                          .accuracy = queries == keys ? 1.0 : 1e-12};
      expect_close(problem, result, answer, bounds);
    }
    Problem huge = plain;
    for (auto* matrix : matrices(huge)) *matrix = scaled(*matrix, kSize);
    SCOPED_TRACE(huge.label() + ", all times 2^664");
    DeviceRun run(device(), huge);
    EXPECT_EQ(run.ended(Calls::kTogether), NCE_STATUS_NON_FINITE);
    EXPECT_NE(std::string(nce_last_error()).find("similarity or distance beyond the range of float64 in row 0"),
              std::string::npos)
        << nce_last_error();
    EXPECT_TRUE(run.untouched());
  }
}

/// Similarities of tiny rows vanish, or have lost their digits, where cosines have not; nor do a few tiny rows take the
/// digits of the others' cosines.
TEST_P(Extremes, UniformityIsOfUnitRowsHoweverSmallRowsAre) {
  if (emulated()) GTEST_SKIP() << "there cosines come from similarities, and from norms that are float";
  struct Rows {
    nce_dtype dtype;
    nce_precision precision;
    int exponent;
  };
  for (const Rows& rows :
       {Rows{NCE_DTYPE_FLOAT64, NCE_PRECISION_PRECISE, -664}, Rows{NCE_DTYPE_FLOAT32, NCE_PRECISION_PRECISE, -100},
        Rows{NCE_DTYPE_FLOAT32, NCE_PRECISION_FAST, -100}, Rows{NCE_DTYPE_FLOAT32, NCE_PRECISION_FAST, -60}}) {
    for (const nce_similarity similarity :
         {NCE_SIMILARITY_DOT, NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN, NCE_SIMILARITY_NEG_EUCLIDEAN}) {
      for (const Kind& kind : kDenseKinds) {
        for (const bool all : {true, false}) {
          if (!turn()) continue;
          // So many keys that they come in strips, where rows may.
          const bool square = kind.symmetric || kind.loss != NCE_LOSS_INFONCE;
          Problem problem = problem_of({.kind = kind,
                                        .measure = similarity,
                                        .dtype = rows.dtype,
                                        .size = {4, square ? 4 : 160, 5},
                                        .tau = 1.0,
                                        .seed = 3});
          problem.desc.precision = rows.precision;
          const double expected = answer_to(problem).metrics.uniformity;
          for (auto* matrix : matrices(problem)) {
            const std::size_t end = all ? matrix->size() : std::min<std::size_t>(matrix->size(), 5);
            for (std::size_t i = 0; i < end; ++i) (*matrix)[i] = std::ldexp((*matrix)[i], rows.exponent);
          }
          SCOPED_TRACE(problem.label() + ", times 2^" + std::to_string(rows.exponent) +
                       (all ? "" : ": the first rows"));
          EXPECT_LT(expected, -0.1);
          EXPECT_NEAR(run(problem).metrics.uniformity, expected, rows.dtype == NCE_DTYPE_FLOAT64 ? 1e-9 : 1e-5);
        }
      }
    }
  }
}

TEST_P(Extremes, SimilaritiesUpTo1e290GiveFiniteNumbers) {
  for (const Kind& kind : kDenseKinds) {
    for (const nce_similarity similarity :
         {NCE_SIMILARITY_DOT, NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN, NCE_SIMILARITY_NEG_EUCLIDEAN}) {
      for (const double size : {1e60, 1e120, 1e144}) {
        for (const nce_reduction reduction : {NCE_REDUCTION_MEAN, NCE_REDUCTION_NONE}) {
          if (!turn()) continue;
          Problem problem = problem_of({.kind = kind,
                                        .measure = similarity,
                                        .dtype = NCE_DTYPE_FLOAT64,
                                        .size = {4, 6, 5},
                                        .tau = 1.0,
                                        .seed = 3});
          problem.desc.reduction = reduction;
          scale(problem, size);
          SCOPED_TRACE(problem.label() + ", rows of " + std::to_string(std::log10(size)));
          const Result result = run(problem);
          expect_finite(result);
          const Answer answer = answer_to(problem);
          const std::vector<double> losses =
              reduction == NCE_REDUCTION_NONE ? answer.losses : std::vector<double>{answer.loss};
          ASSERT_EQ(result.loss.size(), losses.size());
          for (std::size_t i = 0; i < losses.size(); ++i) {
            EXPECT_NEAR(result.loss[i], losses[i], 1e-11 * std::fabs(losses[i]));
          }
        }
      }
    }
  }
}

TEST_P(Extremes, DistancesBeyondTheSquareRootOfFloat64AreRight) {
  for (const double size : {1e200, 1e-160, 1e-250}) {
    Problem problem = problem_of({.measure = NCE_SIMILARITY_NEG_EUCLIDEAN,
                                  .dtype = NCE_DTYPE_FLOAT64,
                                  .size = {4, 6, 5},
                                  .tau = 0.5,
                                  .seed = 3});
    const Answer plain = answer_to(problem);
    // Uniformity is there of distances squared.
    if (emulated()) problem.desc.metrics = 0;
    // Of large rows all weight is on the nearest; of small ones every key weighs alike.
    scale(problem, size);
    SCOPED_TRACE("rows of 1e" + std::to_string(std::log10(size)));
    const Answer answer = answer_to(problem);
    const Bounds bounds{.loss = 1e-11,
                        .loss_floor = 1e-300,
                        .gradient = 1e-10,
                        .terms = 1e-14,
                        .temperature = 1e-10,
                        .similarity = 1e-300,
                        .metrics = 1e-9 * std::max(1.0, size),
                        .effective = 1e-9,
                        .accuracy = 1e-12};
    expect_close(problem, run(problem), answer, bounds);
    EXPECT_GT(largest(plain.d_queries.values), 0.0);
  }
}

TEST_P(Extremes, FastRefusesWhatFloat32CannotHold) {
  for (const nce_similarity similarity : {NCE_SIMILARITY_DOT, NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN}) {
    Problem problem = problem_of({.measure = similarity, .size = {4, 6, 5}, .tau = 1.0, .seed = 3});
    problem.desc.precision = NCE_PRECISION_FAST;
    scale(problem, 1e25);
    DeviceRun run(device(), problem);
    EXPECT_EQ(run.ended(Calls::kTogether), NCE_STATUS_NON_FINITE);
    EXPECT_NE(std::string(nce_last_error()).find("beyond the range of float32, in which NCE_PRECISION_FAST computes,"),
              std::string::npos);
    EXPECT_TRUE(run.untouched());
  }
}

/// Rows so large that parts of a product overflow, or what they are scaled by, where the product itself is 0.
TEST_P(Extremes, ProductsThatCancelAreRightOrRefused) {
  for (const Kind& kind : kDenseKinds) {
    for (const bool fast : {true, false}) {
      for (const bool orthogonal : {true, false}) {
        if (!turn()) continue;
        Problem problem = problem_of({.kind = kind,
                                      .measure = NCE_SIMILARITY_DOT,
                                      .dtype = fast ? NCE_DTYPE_FLOAT32 : NCE_DTYPE_FLOAT64,
                                      .size = {4, 6, 5},
                                      .tau = 1.0,
                                      .seed = 3});
        if (fast) problem.desc.precision = NCE_PRECISION_FAST;
        const double size = fast ? 0x1p66 : 0x1p600;
        std::size_t row = 0;
        for (auto* matrix : matrices(problem)) {
          for (std::size_t i = 0; i < matrix->size(); i += 5, ++row) {
            double* const to = matrix->data() + i;
            const bool second = matrix != matrices(problem)[0] || (problem.shape().tower && row % 2 == 1);
            std::fill(to, to + 5, 0.0);
            to[0] = second && orthogonal ? 0.0 : size;
            to[1] = second ? -size : orthogonal ? 0.0 : size;
          }
        }
        SCOPED_TRACE(problem.label() + (orthogonal ? ", orthogonal" : ", cancelling"));
        DeviceRun run(device(), problem);
        const nce_status status = run.ended(Calls::kTogether);
        if (status == NCE_STATUS_NON_FINITE) {
          EXPECT_NE(std::string(nce_last_error()).find("beyond the range"), std::string::npos) << nce_last_error();
          EXPECT_TRUE(run.untouched());
          continue;
        }
        ASSERT_EQ(status, NCE_STATUS_OK) << nce_last_error();
        const Result result = run.read();
        expect_finite(result);
        EXPECT_NEAR(result.loss[0], answer_to(problem).loss, 1e-6 * std::fabs(answer_to(problem).loss));
      }
    }
  }
}

TEST_P(Extremes, MarginsWhoseLossOverflowsAreRefused) {
  Problem contrastive = problem_of({.kind = kContrastive, .size = {4, 4, 5}, .seed = 3});
  contrastive.desc.margin = 1e300;
  expect_refused(contrastive, NCE_STATUS_NON_FINITE,
                 "inputs->queries has a similarity or distance beyond the range of float64 in row 1");
  Problem triplet = problem_of({.kind = kTriplet, .size = {4, 4, 5}, .seed = 3});
  triplet.desc.margin = 1e300;
  expect_finite(run(triplet));
  triplet.desc.margin = 1e308;
  triplet.desc.reduction = NCE_REDUCTION_SUM;
  expect_refused(triplet, NCE_STATUS_NON_FINITE, "inputs->queries has losses whose sum is beyond the range of float64");
}

TEST_P(Extremes, LogitsBeyondFloat64OfRowwiseLossesAreRefused) {
  Problem problem = problem_of(
      {.kind = kOwn, .measure = NCE_SIMILARITY_DOT, .dtype = NCE_DTYPE_FLOAT64, .size = {3, 2, 5}, .tau = 1e-9});
  scale(problem, 1e152);
  DeviceRun run(device(), problem);
  EXPECT_EQ(run.ended(Calls::kTogether), NCE_STATUS_NON_FINITE);
  EXPECT_TRUE(run.untouched());
}

TEST_P(Extremes, SimilaritiesWhoseSumOverflowsHaveAMean) {
  Problem problem = problem_of(
      {.kind = kOwn, .measure = NCE_SIMILARITY_DOT, .dtype = NCE_DTYPE_FLOAT64, .size = {4, 2, 1}, .tau = 1.0});
  for (auto* matrix : matrices(problem)) std::fill(matrix->begin(), matrix->end(), 0x1p511);
  for (const double sign : {1.0, -1.0}) {
    for (double& value : problem.queries) value = 0x1p511 * sign;
    const Result result = run(problem);
    EXPECT_NEAR(result.loss[0], std::log(3.0), 1e-15);
    EXPECT_EQ(result.metrics.positive_similarity, 0x1p1022 * sign);
    EXPECT_EQ(result.metrics.negative_similarity, 0x1p1022 * sign);
  }
}

TEST_P(Extremes, GradientsBeyondTheirTypeAreTold) {
  // 16-bit gradients of tiny rows, and rows of float32 near its end: their cosine turns at 1 / |x|.
  Problem half = problem_of(
      {.dtype = NCE_DTYPE_FLOAT16, .size = {4, 6, 5}, .tau = 1.0, .noise = 3.0, .seed = 3, .narrow_gradients = true});
  for (std::size_t d = 0; d < 5; ++d)
    half.queries[10 + d] = oracle::rounded(half.queries[10 + d] * 1e-6, NCE_DTYPE_FLOAT16);
  expect_told(half, "d_queries overflows its element type in row 2");
  half.desc.gradient_dtype = NCE_DTYPE_FLOAT32;
  expect_finite(run(half));
  Problem single = problem_of({.size = {4, 6, 5}, .tau = 1.0, .noise = 3.0, .seed = 3});
  for (std::size_t d = 0; d < 5; ++d)
    single.keys[25 + d] = oracle::rounded(single.keys[25 + d] * 1e-42, NCE_DTYPE_FLOAT32);
  expect_told(single, "d_keys overflows its element type in row 5");
  Problem tower = problem_of({.kind = oracle::kNtXent, .size = {4, 4, 5}, .tau = 1.0, .noise = 3.0, .seed = 3});
  for (std::size_t d = 0; d < 5; ++d)
    tower.keys[10 + d] = oracle::rounded(tower.keys[10 + d] * 1e-42, NCE_DTYPE_FLOAT32);
  expect_told(tower, "d_keys overflows its element type in row 2");
  Problem own = problem_of({.kind = kOwn, .size = {4, 3, 5}, .tau = 1.0, .noise = 3.0, .seed = 3});
  for (std::size_t d = 0; d < 5; ++d)
    own.negatives[35 + d] = oracle::rounded(own.negatives[35 + d] * 1e-42, NCE_DTYPE_FLOAT32);
  expect_told(own, "d_negatives overflows its element type in row 7");
  Problem narrow = problem_of({.kind = kOwn,
                               .dtype = NCE_DTYPE_FLOAT16,
                               .size = {4, 3, 5},
                               .tau = 1.0,
                               .noise = 3.0,
                               .seed = 3,
                               .narrow_gradients = true});
  for (std::size_t d = 0; d < 5; ++d)
    narrow.keys[5 + d] = oracle::rounded(narrow.keys[5 + d] * 1e-6, NCE_DTYPE_FLOAT16);
  narrow.upstream = {64.0F};
  expect_told(narrow, "d_keys overflows its element type in row 1");
}

TEST_P(Extremes, DistancesNearTheSmallestNumberPullInTheRightDirection) {
  // The last is the smallest number, of which distances are multiples too, unless they are enlarged.
  const double root = std::sqrt(13.0);
  for (const double size : {1e-300, 1e-310, 0x1p-1074}) {
    Problem problem = problem_of({.kind = kTriplet, .dtype = NCE_DTYPE_FLOAT64, .size = {1, 1, 2}});
    problem.queries = {0.0, 0.0};
    problem.keys = {2.0 * size, 3.0 * size};
    problem.negatives = {0.0, -2.0 * size};
    SCOPED_TRACE(size);
    const Result result = run(problem);
    EXPECT_NEAR(result.d_keys[0], 2.0 / root, 1e-11);
    EXPECT_NEAR(result.d_keys[1], 3.0 / root, 1e-11);
    EXPECT_NEAR(result.d_negatives[1], 1.0, 1e-11);
    EXPECT_NEAR(result.d_queries[0], -2.0 / root, 1e-11);
    EXPECT_NEAR(result.d_queries[1], -3.0 / root - 1.0, 1e-11);
  }
}

TEST_P(Extremes, TinyRowsOfRowwiseLossesHaveADirection) {
  for (const Kind& kind : kRowwiseKinds) {
    for (const int32_t measure : measures_of(kind)) {
      const bool cosine = measure == (is_margin(kind) ? int32_t{NCE_DISTANCE_COSINE} : int32_t{NCE_SIMILARITY_COSINE});
      for (const double size : {0x1p-500, 0x1p-1020, 0x1p-1074}) {
        for (std::size_t matrix = 0; matrix < 3; ++matrix) {
          Problem problem = problem_of(
              {.kind = kind, .measure = measure, .dtype = NCE_DTYPE_FLOAT64, .size = {3, 2, 5}, .tau = 0.5, .seed = 3});
          problem.desc.reduction = NCE_REDUCTION_SUM;
          if (is_margin(kind)) problem.desc.margin = 4.0;
          problem.weights = {1.0F, 1e-20F, 1.0F};
          // Integers are exact also as multiples of the smallest number.
          int64_t at = 0;
          for (auto* values : matrices(problem)) {
            for (double& value : *values) value = static_cast<double>(at++ * 7 % 11 - 5);
          }
          std::vector<double>& tiny = *matrices(problem)[matrix];
          if (tiny.empty()) continue;
          const std::size_t first = tiny.size() / 15 * 5;
          for (std::size_t d = 0; d < 5; ++d) tiny[first + d] *= size;
          SCOPED_TRACE(problem.label() + ", a row of 2^" + std::to_string(std::log2(size)));
          const Answer answer = answer_to(problem);
          const Result result = run(problem);
          EXPECT_NEAR(result.loss[0], answer.loss, 1e-13 * answer.loss);
          EXPECT_NEAR(result.metrics.alignment, answer.metrics.alignment, 1e-13);
          EXPECT_NEAR(result.metrics.positive_similarity, answer.metrics.positive_similarity, 1e-13);
          EXPECT_EQ(result.metrics.zero_rows, 0);
          expect_close_rows(result.d_queries, answer.d_queries.values);
          expect_close_rows(result.d_keys, answer.d_keys.values);
          expect_close_rows(result.d_negatives, answer.d_negatives.values);
          if (!cosine || size != 0x1p-1074) continue;
          problem.weights = {1.0F, 1.0F, 1.0F};
          problem.labels.assign(problem.labels.size(), 1);
          const char* const names[] = {"d_queries", "d_keys", "d_negatives"};
          expect_told(problem,
                      std::string(names[matrix]) + " overflows its element type in row " + std::to_string(first / 5));
        }
      }
    }
  }
}

TEST_P(Extremes, KeysAndNegativesOfOtherMagnitudeKeepTheDigitsOfDotProducts) {
  for (const auto& [keys, negatives] : {std::pair{1e-12, 1.0}, std::pair{1.0, 1e-12}, std::pair{1e12, 1.0},
                                        std::pair{1e-17, 1e3}, std::pair{1.0, 1e17}}) {
    Problem problem = problem_of(
        {.kind = oracle::kShared, .measure = NCE_SIMILARITY_DOT, .size = {20, 31, 12}, .tau = 0.5, .seed = 3});
    for (double& value : problem.keys) value = oracle::rounded(value * keys, NCE_DTYPE_FLOAT32);
    for (double& value : problem.negatives) value = oracle::rounded(value * negatives, NCE_DTYPE_FLOAT32);
    SCOPED_TRACE(std::to_string(std::log10(keys)) + ", " + std::to_string(std::log10(negatives)));
    const Bounds bounds{.loss = 1e-5,
                        .gradient = 1e-5,
                        .terms = 1e-7,
                        .temperature = 1e-5,
                        .similarity = 1e-5,
                        .metrics = 1e-4 * std::max({1.0, keys, negatives}),
                        .effective = 1e-4,
                        .accuracy = 1e-12};
    expect_close(problem, run(problem), answer_to(problem), bounds);
  }
}

TEST_P(Extremes, TowersOfTwoMatricesMayHaveGradientsOfDifferentStrides) {
  for (const Kind& kind : {oracle::kNtXent, oracle::kNtLogistic}) {
    for (const nce_dtype dtype : oracle::kDtypes) {
      for (const bool narrow : {true, false}) {
        if (!narrow && oracle::bytes_of(dtype) > 2) continue;
        Problem problem = problem_of(
            {.kind = kind, .dtype = dtype, .size = {9, 9, 7}, .tau = 0.2, .seed = 3, .narrow_gradients = narrow});
        SCOPED_TRACE(problem.label() + (narrow ? "" : ", gradients of float32"));
        const Result plain = run(problem);
        problem.gaps = {.queries = 1, .keys = 4, .negatives = 0, .d_queries = 6, .d_keys = 3, .d_negatives = 0};
        const Result strided = run(problem);
        EXPECT_EQ(strided.difference(plain), "");
        expect_close(problem, strided, answer_to(problem), dense_bounds(problem));
      }
    }
  }
}

TEST_P(Extremes, SymmetricGradientByLnTauIsTheOracles) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
    Problem problem = problem_of({.kind = kSymmetric, .dtype = dtype, .size = {21, 21, 9}, .tau = 0.2, .seed = 3});
    problem.temperature_form = NCE_TEMPERATURE_LOGARITHM;
    check_dense(problem);
  }
}

TEST_P(Extremes, TripletHasNoSlopeAtItsKink) {
  Problem problem = problem_of({.kind = kTriplet, .dtype = NCE_DTYPE_FLOAT64, .size = {3, 3, 2}});
  problem.desc.margin = 1.0;
  problem.desc.reduction = NCE_REDUCTION_SUM;
  // d+ - d- + margin is 0, then a little more, then a little less.
  problem.queries = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0};
  problem.keys = {3.0, 4.0, 3.0, 4.0, 3.0, 4.0};
  problem.negatives = {0.0, 6.0, 0.0, 6.0 - 0x1p-40, 0.0, 6.0 + 0x1p-40};
  const Result result = run(problem);
  EXPECT_EQ(result.loss[0], 0x1p-40);
  EXPECT_EQ(std::vector<double>(result.d_keys.begin(), result.d_keys.begin() + 2), std::vector<double>(2, 0.0));
  EXPECT_NEAR(result.d_keys[2], 0.6, 1e-15);
  EXPECT_EQ(result.d_negatives[3], -1.0);
  EXPECT_EQ(std::vector<double>(result.d_keys.begin() + 4, result.d_keys.end()), std::vector<double>(2, 0.0));
}

TEST_P(Extremes, LnTauAtItsBoundsIsAllowedAndTheNextNumberIsNot) {
  constexpr double kBound = 20.723265836946411;
  const auto with_logarithm = [&](const Kind& kind, double logarithm) {
    Problem problem = problem_of({.kind = kind, .dtype = NCE_DTYPE_FLOAT64, .size = {3, 4, 5}, .seed = 3});
    problem.temperature_form = NCE_TEMPERATURE_LOGARITHM;
    problem.ln_tau = logarithm;
    problem.tau = std::exp(logarithm);
    return problem;
  };
  for (const Kind& kind : {kInfoNce, kOwn}) {
    for (const double sign : {-1.0, 1.0}) {
      const Problem at = with_logarithm(kind, sign * kBound);
      expect_finite(run(at));
      DeviceRun beyond(device(), with_logarithm(kind, sign * std::nextafter(kBound, 100.0)));
      EXPECT_EQ(beyond.ended(Calls::kTogether), NCE_STATUS_INVALID_ARGUMENT);
    }
  }
}

NCE_ON_EVERY_DEVICE(Extremes);

}  // namespace
}  // namespace nce::test
