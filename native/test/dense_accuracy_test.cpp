// The dense engine against the plain oracle: every loss, similarity and instruction set, ragged shapes, temperatures.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "dense_runner.h"

namespace nce::test {
namespace {

/// What infonce promises for fp32 in "precise" (relative; gradients in Frobenius norm), and what double arithmetic
/// reaches: rounding of 2^-53 a term, times 1 / tau = 100 in the exponent, with room for sums.
constexpr double kSingle = 1e-5;
constexpr double kDouble = 1e-11;
/// And for gradients of 16 bits, or of products of bfloat16.
constexpr double kHalf = 5e-3;

double gradient_bound(const nce_plan_desc& desc) {
  if (desc.dtype == NCE_DTYPE_FLOAT64) return kDouble;
  const bool products = desc.dtype == NCE_DTYPE_BFLOAT16 &&
                        (desc.similarity == NCE_SIMILARITY_COSINE || desc.similarity == NCE_SIMILARITY_DOT);
  return products || desc.gradient_dtype != NCE_DTYPE_FLOAT32 ? kHalf : kSingle;
}

struct Kind {
  const char* name;
  nce_loss loss;
  bool symmetric;
  bool shared;
  bool one_matrix;
  bool sum_of_negatives;
};

constexpr Kind kKinds[] = {
    {"InfoNCE", NCE_LOSS_INFONCE, false, false, false, false},
    {"InfoNCE symmetric", NCE_LOSS_INFONCE, true, false, false, false},
    {"InfoNCE shared negatives", NCE_LOSS_INFONCE, false, true, false, false},
    {"NT-Xent", NCE_LOSS_NT_XENT, false, false, false, false},
    {"NT-Xent in one matrix", NCE_LOSS_NT_XENT, false, false, true, false},
    {"NT-Logistic", NCE_LOSS_NT_LOGISTIC, false, false, false, false},
    {"NT-Logistic in one matrix, sum", NCE_LOSS_NT_LOGISTIC, false, false, true, true},
};

constexpr nce_similarity kSimilarities[] = {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_DOT,
                                            NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN, NCE_SIMILARITY_NEG_EUCLIDEAN};

DenseCase case_of(const Kind& kind, nce_similarity similarity, nce_dtype dtype, int64_t n, int64_t m, int64_t dim,
                  double tau, double noise, unsigned seed) {
  if (kind.symmetric || (kind.loss != NCE_LOSS_INFONCE && !kind.one_matrix)) m = n;
  if (kind.one_matrix) {
    n *= 2;
    m = 0;
  }
  DenseCase result = make_case(kind.loss, similarity, dtype, n, kind.shared ? n : m, dim, tau, noise, seed);
  result.desc.symmetric = kind.symmetric ? 1 : 0;
  if (kind.sum_of_negatives) result.desc.negative_reduction = NCE_REDUCTION_SUM;
  if (kind.shared) {
    const DenseCase other = make_case(kind.loss, similarity, dtype, m, m, dim, tau, noise, seed + 1);
    result.negatives = other.queries;
    result.desc.m = m;
    result.desc.negatives = NCE_NEGATIVES_SHARED;
  }
  return result;
}

std::string label(const Kind& kind, const DenseCase& problem, nce_isa isa) {
  return std::string(kind.name) + ", similarity " + std::to_string(problem.desc.similarity) + ", dtype " +
         std::to_string(problem.desc.dtype) + ", n " + std::to_string(problem.desc.n) + ", m " +
         std::to_string(problem.desc.m) + ", dim " + std::to_string(problem.desc.dim) + ", tau " +
         std::to_string(static_cast<double>(problem.tau)) + ", " + name_of(isa);
}

double worst_loss = 0, worst_gradient = 0, worst_temperature = 0;

void expect_close(const DenseResult& result, const DenseAnswer& expected, const DenseCase& problem) {
  const double bound = problem.desc.dtype == NCE_DTYPE_FLOAT64 ? kDouble : kSingle;
  const double of_gradients = gradient_bound(problem.desc);
  if (problem.desc.reduction == NCE_REDUCTION_NONE) {
    ASSERT_EQ(result.loss.size(), expected.losses.size());
    for (size_t i = 0; i < result.loss.size(); ++i) {
      EXPECT_LE(relative_error(result.loss[i], expected.losses[i]), bound) << "row " << i;
    }
  } else {
    EXPECT_LE(relative_error(result.loss[0], expected.loss), bound)
        << result.loss[0] << " for " << static_cast<double>(expected.loss);
    worst_loss = std::max(worst_loss, relative_error(result.loss[0], expected.loss));
  }
  // Below a hundredth of its terms a gradient is their cancellation (wholly so in one dimension).
  const Wide floor = 0.01L * expected.gradient_terms / std::sqrt(static_cast<Wide>(problem.rows()));
  for (const double error : {relative_error(result.d_queries, expected.d_queries, floor),
                             relative_error(result.d_keys, expected.d_keys, floor),
                             relative_error(result.d_negatives, expected.d_negatives, floor)}) {
    EXPECT_LE(error, of_gradients);
    worst_gradient = std::max(worst_gradient, error);
  }
  const double error = std::fabs(result.d_temperature - static_cast<double>(expected.d_temperature)) /
                       std::max(1e-300, static_cast<double>(expected.d_temperature_terms));
  EXPECT_LE(error, bound);
  worst_temperature = std::max(worst_temperature, error);
  EXPECT_TRUE(std::isfinite(result.d_temperature));
}

void expect_close_metrics(const nce_metrics& metrics, const DenseAnswer& expected, const DenseCase& problem) {
  constexpr double kBound = 1e-4;  // metrics are for reading
  EXPECT_NEAR(metrics.top1_accuracy, static_cast<double>(expected.top1), 1e-12);
  EXPECT_NEAR(metrics.topk_accuracy, static_cast<double>(expected.topk), 1e-12);
  EXPECT_NEAR(metrics.positive_similarity, static_cast<double>(expected.positive_similarity), kBound);
  EXPECT_NEAR(metrics.alignment, static_cast<double>(expected.alignment), kBound);
  EXPECT_EQ(metrics.rows, problem.rows());
  EXPECT_EQ(metrics.zero_rows, 0);
  EXPECT_EQ(metrics.non_finite_rows, 0);
  if (std::isnan(static_cast<double>(expected.negative_similarity))) {
    EXPECT_TRUE(std::isnan(metrics.negative_similarity));
    EXPECT_TRUE(std::isnan(metrics.uniformity));
    EXPECT_TRUE(std::isnan(metrics.effective_negatives));
    return;
  }
  EXPECT_NEAR(metrics.negative_similarity, static_cast<double>(expected.negative_similarity), kBound);
  EXPECT_NEAR(metrics.uniformity, static_cast<double>(expected.uniformity), kBound);
  if (problem.desc.loss == NCE_LOSS_NT_LOGISTIC) {
    EXPECT_TRUE(std::isnan(metrics.effective_negatives));
  } else {
    EXPECT_LE(relative_error(metrics.effective_negatives, expected.effective_negatives), kBound);
  }
}

void check(const Kind& kind, const DenseCase& problem) {
  const DenseAnswer expected = dense_oracle(problem);
  for (const nce_isa isa : cpu::available_isas()) {
    SCOPED_TRACE(label(kind, problem, isa));
    DenseRun how;
    how.isa = isa;
    const DenseResult result = run_dense(problem, how);
    expect_close(result, expected, problem);
    if (problem.desc.metrics != 0) expect_close_metrics(result.metrics, expected, problem);
  }
}

class DenseAccuracy : public testing::Test {
 protected:
  void TearDown() override {
    RecordProperty("worst_loss", std::to_string(worst_loss));
    if (std::getenv("INFONCE_PRINT_ERRORS") != nullptr) {
      std::printf("worst relative errors: loss %.2e, gradients %.2e, temperature %.2e\n", worst_loss, worst_gradient,
                  worst_temperature);
    }
    worst_loss = worst_gradient = worst_temperature = 0;
  }
};

TEST_F(DenseAccuracy, EveryLossAndSimilarityAtRaggedShapes) {
  constexpr int64_t kShapes[][3] = {{1, 1, 1},   {1, 5, 2},   {2, 2, 5},     {5, 7, 31},    {31, 33, 32},
                                    {33, 65, 3}, {63, 64, 7}, {65, 127, 33}, {64, 129, 129}};
  unsigned seed = 100;
  for (const Kind& kind : kKinds) {
    for (const nce_similarity similarity : kSimilarities) {
      for (const auto& shape : kShapes) {
        for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
          check(kind, case_of(kind, similarity, dtype, shape[0], shape[1], shape[2], 0.5, 1.0, ++seed));
        }
      }
    }
  }
}

TEST_F(DenseAccuracy, EveryTemperature) {
  unsigned seed = 1000;
  for (const Kind& kind : kKinds) {
    for (const nce_similarity similarity : kSimilarities) {
      for (const double tau : {1.0, 0.5, 0.07, 0.0156, 0.015625, 0.0125, 0.01}) {
        for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
          check(kind, case_of(kind, similarity, dtype, 60, 71, 40, tau, 0.7, ++seed));
        }
      }
    }
  }
}

TEST_F(DenseAccuracy, UnboundedSimilarities) {
  unsigned seed = 2000;
  for (const Kind& kind : kKinds) {
    for (const nce_similarity similarity : kSimilarities) {
      for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
        DenseCase problem = case_of(kind, similarity, dtype, 30, 61, 20, 0.01, 3.0, ++seed);
        for (auto* values : {&problem.queries, &problem.keys, &problem.negatives}) {
          for (double& value : *values) value *= 4.0;
        }
        check(kind, problem);
      }
    }
  }
}

TEST_F(DenseAccuracy, SixteenBitElements) {
  constexpr int64_t kShapes[][3] = {{1, 1, 1}, {2, 5, 5}, {31, 33, 32}, {63, 64, 7}, {65, 127, 33}, {64, 129, 129}};
  unsigned seed = 6000;
  for (const Kind& kind : kKinds) {
    for (const nce_similarity similarity : kSimilarities) {
      for (const nce_dtype dtype : {NCE_DTYPE_FLOAT16, NCE_DTYPE_BFLOAT16}) {
        for (const auto& shape : kShapes) {
          DenseCase problem = case_of(kind, similarity, dtype, shape[0], shape[1], shape[2], 0.5, 1.0, ++seed);
          check(kind, problem);
          problem.desc.gradient_dtype = NCE_DTYPE_FLOAT32;
          problem.desc.metrics = 0;
          check(kind, problem);
        }
        for (const double tau : {0.07, 0.04, 0.01}) {
          DenseCase problem = case_of(kind, similarity, dtype, 60, 71, 40, tau, 0.7, ++seed);
          problem.desc.gradient_dtype = NCE_DTYPE_FLOAT32;
          check(kind, problem);
        }
      }
    }
    DenseCase weighted = case_of(kind, NCE_SIMILARITY_COSINE, NCE_DTYPE_BFLOAT16, 37, 50, 24, 0.1, 0.7, ++seed);
    weighted.desc.reduction = NCE_REDUCTION_NONE;
    for (int64_t i = 0; i < weighted.rows(); ++i) {
      weighted.weights.push_back(static_cast<float>(i % 5) * 0.25f);
      weighted.upstream.push_back(static_cast<float>(i % 7) - 3.0f);
    }
    check(kind, weighted);
  }
}

TEST_F(DenseAccuracy, SixteenBitRowsOfAnySize) {
  // Norms that a pair's factor must undo: bfloat16 reaches from 1e-38 to 3e38.
  unsigned seed = 7000;
  for (const Kind& kind : kKinds) {
    for (const double largest : {1e-30, 1e-12, 1e12, 1e30}) {
      DenseCase problem = case_of(kind, NCE_SIMILARITY_COSINE, NCE_DTYPE_BFLOAT16, 40, 61, 21, 0.1, 0.7, ++seed);
      problem.desc.gradient_dtype = NCE_DTYPE_FLOAT32;
      int64_t element = 0;
      for (auto* values : {&problem.queries, &problem.keys, &problem.negatives}) {
        for (double& value : *values) {
          const int64_t row = element++ / problem.desc.dim;
          value = rounded(NCE_DTYPE_BFLOAT16, value * std::pow(largest, static_cast<double>(row % 4) / 3.0));
        }
      }
      check(kind, problem);
    }
    for (const double size : {1e-4, 30.0, 1e4}) {
      DenseCase problem =
          case_of(kind, NCE_SIMILARITY_DOT, NCE_DTYPE_BFLOAT16, 40, 61, 21, size * size * 0.1, 0.7, ++seed);
      problem.desc.gradient_dtype = NCE_DTYPE_FLOAT32;
      problem.desc.metrics = 0;
      for (auto* values : {&problem.queries, &problem.keys, &problem.negatives}) {
        for (double& value : *values) value = rounded(NCE_DTYPE_BFLOAT16, value * size);
      }
      check(kind, problem);
    }
  }
}

TEST_F(DenseAccuracy, LargerShapes) {
  unsigned seed = 3000;
  for (const Kind& kind : kKinds) {
    check(kind, case_of(kind, NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 150, 250, 65, 0.07, 0.5, ++seed));
  }
  for (const Kind& kind : kKinds) {
    check(kind, case_of(kind, NCE_SIMILARITY_COSINE, NCE_DTYPE_BFLOAT16, 150, 250, 301, 0.07, 0.5, ++seed));
  }
  check(kKinds[1], case_of(kKinds[1], NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 1000, 1000, 12, 0.04, 0.5, ++seed));
  check(kKinds[0], case_of(kKinds[0], NCE_SIMILARITY_DOT, NCE_DTYPE_FLOAT32, 64, 100, 1024, 0.0625, 0.5, ++seed));
}

TEST_F(DenseAccuracy, ReductionsWeightsAndUpstream) {
  unsigned seed = 4000;
  for (const Kind& kind : kKinds) {
    for (const nce_reduction reduction : {NCE_REDUCTION_MEAN, NCE_REDUCTION_SUM, NCE_REDUCTION_NONE}) {
      DenseCase problem = case_of(kind, NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 37, 50, 24, 0.1, 0.7, ++seed);
      problem.desc.reduction = reduction;
      for (int64_t i = 0; i < problem.rows(); ++i) problem.weights.push_back(static_cast<float>(i % 5) * 0.25f);
      problem.upstream = {-2.5f};
      check(kind, problem);
      if (reduction != NCE_REDUCTION_NONE) continue;
      problem.upstream.clear();
      for (int64_t i = 0; i < problem.rows(); ++i) problem.upstream.push_back(static_cast<float>(i % 7) - 3.0f);
      check(kind, problem);
    }
  }
}

TEST_F(DenseAccuracy, TinyLossesKeepTheirDigits) {
  // Near-orthogonal rows with exact positives: the loss is about n exp(-1 / tau).
  for (const double tau : {0.035, 0.02, 0.0156, 0.0145, 0.01}) {
    for (const Kind& kind : kKinds) {
      if (kind.loss == NCE_LOSS_NT_LOGISTIC) continue;
      // At 0.01 gradients are near 1e-42, where float has no digits left.
      const nce_dtype dtype = tau == 0.01 ? NCE_DTYPE_FLOAT64 : NCE_DTYPE_FLOAT32;
      check(kind, case_of(kind, NCE_SIMILARITY_COSINE, dtype, 20, 20, 2000, tau, 0.01, 77));
    }
  }
}

TEST_F(DenseAccuracy, FastKeepsThreeDigitsAtTheSmallestTemperature) {
  // fp32 logits of size 100 are rounded to 4e-6 and their products to about 1e-7 / tau.
  constexpr double kFast = 1e-3;
  unsigned seed = 5000;
  for (const Kind& kind : kKinds) {
    for (const nce_similarity similarity : kSimilarities) {
      DenseCase problem = case_of(kind, similarity, NCE_DTYPE_FLOAT32, 60, 71, 40, 0.01, 0.7, ++seed);
      problem.desc.precision = NCE_PRECISION_FAST;
      const DenseAnswer expected = dense_oracle(problem);
      for (const nce_isa isa : cpu::available_isas()) {
        SCOPED_TRACE(label(kind, problem, isa));
        DenseRun how;
        how.isa = isa;
        const DenseResult result = run_dense(problem, how);
        EXPECT_LE(relative_error(result.loss[0], expected.loss), kFast);
        EXPECT_LE(relative_error(result.d_queries, expected.d_queries), kFast);
        EXPECT_LE(relative_error(result.d_keys, expected.d_keys), kFast);
        EXPECT_LE(relative_error(result.d_negatives, expected.d_negatives), kFast);
      }
    }
  }
}

}  // namespace
}  // namespace nce::test
