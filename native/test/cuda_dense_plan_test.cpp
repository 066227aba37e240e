// The dense losses on the emulated device against the plain oracle: every loss, similarity, element type, temperature
// and kind of device.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>

#include "cuda_dense_runner.h"
#include "emulation_options.h"

namespace nce::test {
namespace {

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
constexpr nce_dtype kTypes[] = {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_FLOAT16, NCE_DTYPE_BFLOAT16};
constexpr double kTemperatures[] = {1.0, 0.5, 0.07, 0.01};
constexpr int32_t kCapabilities[] = {75, 80, 86, 90};

DenseCase case_of(const Kind& kind, nce_similarity similarity, nce_dtype dtype, int64_t n, int64_t m, int64_t dim,
                  double tau, double noise, unsigned seed) {
  if (kind.symmetric || kind.shared || (kind.loss != NCE_LOSS_INFONCE && !kind.one_matrix)) {
    const int64_t negatives = m;
    DenseCase result = device_case(kind.loss, similarity, dtype, n, n, dim, tau, noise, seed);
    result.desc.symmetric = kind.symmetric ? 1 : 0;
    if (kind.shared) share_negatives(result, negatives, seed + 1);
    return result;
  }
  if (kind.one_matrix) {
    n *= 2;
    m = 0;
  }
  DenseCase result = device_case(kind.loss, similarity, dtype, n, m, dim, tau, noise, seed);
  if (kind.sum_of_negatives) result.desc.negative_reduction = NCE_REDUCTION_SUM;
  return result;
}

/// What is promised of a call, relative to 1 + loss and to the norm of the gradient.
struct Bounds {
  double loss;
  double gradient;
};

Bounds bounds_of(const DenseCase& problem) {
  const double steep = 0.01 / static_cast<double>(problem.tau);
  switch (problem.desc.dtype) {
    case NCE_DTYPE_FLOAT64:
      return {1e-11, 1e-11};
    case NCE_DTYPE_FLOAT32:
      return {std::max(1e-6, 2e-5 * steep), std::max(3e-6, 5e-5 * steep)};
    default:
      return {std::max(1e-6, 2e-5 * steep), 5e-3};
  }
}

double worst_loss = 0, worst_gradient = 0, worst_temperature = 0;

void expect_close(const DeviceResult& result, const DenseAnswer& expected, const DenseCase& problem,
                  const Bounds& bounds) {
  ASSERT_EQ(result.status, NCE_STATUS_OK) << result.message;
  const bool each = problem.desc.reduction == NCE_REDUCTION_NONE;
  for (std::size_t i = 0; i < result.loss.size(); ++i) {
    const Wide wanted = each ? expected.losses[i] : expected.loss;
    const auto error = static_cast<double>(std::fabs(static_cast<Wide>(result.loss[i]) - wanted) / (1 + wanted));
    EXPECT_LE(error, bounds.loss) << result.loss[i] << " for " << static_cast<double>(wanted);
    worst_loss = std::max(worst_loss, error / bounds.loss);
  }
  // Below a hundredth of its terms a gradient is their cancellation (wholly so in one dimension).
  const Wide floor = 0.01L * expected.gradient_terms / std::sqrt(static_cast<Wide>(problem.rows()));
  for (const double error :
       {error_of(result.d_queries, expected.d_queries, floor), error_of(result.d_keys, expected.d_keys, floor),
        error_of(result.d_negatives, expected.d_negatives, floor)}) {
    EXPECT_LE(error, bounds.gradient);
    worst_gradient = std::max(worst_gradient, error / bounds.gradient);
  }
  const double temperature_bound = std::max(bounds.loss, std::min(bounds.gradient, 1e-4));
  const double error = std::fabs(result.d_temperature - static_cast<double>(expected.d_temperature)) /
                       std::max(1e-300, static_cast<double>(expected.d_temperature_terms));
  EXPECT_LE(error, temperature_bound);
  worst_temperature = std::max(worst_temperature, error / temperature_bound);
}

void expect_close_metrics(const nce_metrics& metrics, const DenseAnswer& expected, const DenseCase& problem) {
  constexpr double kBound = 1e-4;  // metrics are for reading
  EXPECT_EQ(metrics.struct_size, sizeof metrics);
  EXPECT_EQ(metrics.reserved, 0);
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
    EXPECT_NEAR(metrics.effective_negatives / static_cast<double>(expected.effective_negatives), 1.0, kBound);
  }
}

std::string label(const Kind& kind, const DenseCase& problem, int32_t capability) {
  return std::string(kind.name) + ", similarity " + std::to_string(problem.desc.similarity) + ", dtype " +
         std::to_string(problem.desc.dtype) + ", n " + std::to_string(problem.desc.n) + ", m " +
         std::to_string(problem.desc.m) + ", dim " + std::to_string(problem.desc.dim) + ", tau " +
         std::to_string(static_cast<double>(problem.tau)) + ", capability " + std::to_string(capability);
}

void check(const Kind& kind, const DenseCase& problem, std::initializer_list<int32_t> capabilities) {
  const DenseAnswer expected = dense_oracle(problem);
  for (const int32_t capability : capabilities) {
    SCOPED_TRACE(label(kind, problem, capability));
    DeviceRun how;
    how.capability = capability;
    const DeviceResult result = run_on_device(problem, how);
    expect_close(result, expected, problem, bounds_of(problem));
    if (result.status == NCE_STATUS_OK) expect_close_metrics(result.metrics, expected, problem);
  }
}

class CudaDense : public testing::Test {
 protected:
  void TearDown() override {
    if (std::getenv("INFONCE_PRINT_ERRORS") != nullptr) {
      std::printf("worst errors as shares of their bounds: loss %.3f, gradients %.3f, temperature %.3f\n", worst_loss,
                  worst_gradient, worst_temperature);
    }
    worst_loss = worst_gradient = worst_temperature = 0;
  }
};

TEST_F(CudaDense, EveryLossSimilarityTypeAndTemperature) {
  unsigned seed = 100;
  for (const Kind& kind : kKinds) {
    for (const nce_similarity similarity : kSimilarities) {
      for (const nce_dtype dtype : kTypes) {
        for (const double tau : kTemperatures) {
          check(kind, case_of(kind, similarity, dtype, 19, 27, 20, tau, 0.7, ++seed), {80});
        }
      }
    }
  }
}

TEST_F(CudaDense, EveryKindOfDevice) {
  unsigned seed = 1000;
  for (const Kind& kind : kKinds) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_BFLOAT16}) {
      for (const double tau : {0.5, 0.01}) {
        check(kind, case_of(kind, NCE_SIMILARITY_COSINE, dtype, 19, 27, 20, tau, 0.7, ++seed), {75, 86, 90});
        check(kind, case_of(kind, NCE_SIMILARITY_DOT, dtype, 19, 27, 20, tau, 0.7, ++seed), {75, 86, 90});
      }
    }
  }
}

TEST_F(CudaDense, RaggedShapes) {
  constexpr int64_t kShapes[][3] = {{1, 1, 1}, {1, 5, 2}, {2, 2, 65}, {65, 127, 33}};
  unsigned seed = 2000;
  for (const Kind& kind : kKinds) {
    for (const auto& shape : kShapes) {
      check(kind,
            case_of(kind, NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, shape[0], shape[1], shape[2], 0.2, 1.0, ++seed),
            {80});
    }
    check(kind, case_of(kind, NCE_SIMILARITY_DOT, NCE_DTYPE_FLOAT16, 129, 130, 70, 0.2, 1.0, ++seed), {80});
  }
  check(kKinds[1], case_of(kKinds[1], NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 130, 130, 257, 0.2, 1.0, ++seed), {80});
  check(kKinds[2], case_of(kKinds[2], NCE_SIMILARITY_DOT, NCE_DTYPE_FLOAT32, 129, 200, 130, 0.2, 1.0, ++seed), {80});
  check(kKinds[3], case_of(kKinds[3], NCE_SIMILARITY_NEG_EUCLIDEAN, NCE_DTYPE_FLOAT32, 65, 65, 33, 0.2, 1.0, ++seed),
        {80});
}

TEST_F(CudaDense, UnboundedSimilaritiesAndNormsFarApart) {
  unsigned seed = 3000;
  for (const Kind& kind : kKinds) {
    for (const nce_similarity similarity : kSimilarities) {
      for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_BFLOAT16}) {
        DenseCase problem = case_of(kind, similarity, dtype, 20, 31, 20, 0.01, 3.0, ++seed);
        for (auto* values : {&problem.queries, &problem.keys, &problem.negatives}) {
          for (std::size_t i = 0; i < values->size(); ++i) {
            const auto row = static_cast<int>(i / 20);
            (*values)[i] = std::ldexp((*values)[i], row % 3 == 0 ? 2 : -row % 5);
          }
        }
        check(kind, problem, {80});
      }
    }
  }
}

TEST_F(CudaDense, ReductionsWeightsAndUpstream) {
  unsigned seed = 4000;
  for (const Kind& kind : kKinds) {
    for (const nce_reduction reduction : {NCE_REDUCTION_MEAN, NCE_REDUCTION_SUM, NCE_REDUCTION_NONE}) {
      DenseCase problem = case_of(kind, NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 37, 50, 24, 0.1, 0.7, ++seed);
      problem.desc.reduction = reduction;
      for (int64_t i = 0; i < problem.rows(); ++i) problem.weights.push_back(static_cast<float>(i % 5) * 0.25f);
      problem.upstream = {-2.5f};
      check(kind, problem, {80});
      if (reduction != NCE_REDUCTION_NONE) continue;
      problem.upstream.clear();
      for (int64_t i = 0; i < problem.rows(); ++i) problem.upstream.push_back(static_cast<float>(i % 7) - 3.0f);
      check(kind, problem, {80});
    }
  }
}

TEST_F(CudaDense, FastKeepsTwoDigitsOfTheGradient) {
  // Elements are rounded to 2^-11, so logits to about 3e-4 / tau of random errors over the norm.
  unsigned seed = 5000;
  for (const Kind& kind : kKinds) {
    for (const nce_similarity similarity : kSimilarities) {
      DenseCase problem = case_of(kind, similarity, NCE_DTYPE_FLOAT32, 40, 51, 40, 0.07, 0.7, ++seed);
      problem.desc.precision = NCE_PRECISION_FAST;
      SCOPED_TRACE(label(kind, problem, 80));
      expect_close(run_on_device(problem, {}), dense_oracle(problem), problem, {2e-3, 1e-2});
    }
  }
}

TEST_F(CudaDense, TinyLossesKeepTheirDigits) {
  // Near-orthogonal rows with exact positives: the loss is about n exp(-1 / tau), below 1e-9.
  for (const double tau : {0.035, 0.02, 0.0125, 0.01}) {
    for (const Kind& kind : kKinds) {
      if (kind.loss == NCE_LOSS_NT_LOGISTIC) continue;
      // At 0.01 gradients are near 1e-42, where float has no digits left.
      const nce_dtype dtype = tau == 0.01 ? NCE_DTYPE_FLOAT64 : NCE_DTYPE_FLOAT32;
      const DenseCase problem = case_of(kind, NCE_SIMILARITY_COSINE, dtype, 12, 12, 600, tau, 0.01, 77);
      SCOPED_TRACE(label(kind, problem, 80));
      const DenseAnswer expected = dense_oracle(problem);
      ASSERT_LT(expected.loss, 1e-9L);
      const DeviceResult result = run_on_device(problem, {});
      ASSERT_EQ(result.status, NCE_STATUS_OK) << result.message;
      // As small as this it is proportional to the mass of the negatives, like the gradient.
      EXPECT_LE(std::fabs(result.loss[0] / static_cast<double>(expected.loss) - 1.0), 5e-5 * 0.01 / tau);
      EXPECT_LE(error_of(result.d_queries, expected.d_queries, 0), 5e-5 * 0.01 / tau);
      EXPECT_LE(error_of(result.d_keys, expected.d_keys, 0), 5e-5 * 0.01 / tau);
    }
  }
}

TEST_F(CudaDense, BackwardAfterForwardGivesTheSameBits) {
  unsigned seed = 6000;
  for (const Kind& kind : kKinds) {
    for (const nce_dtype dtype : kTypes) {
      for (const double tau : {0.5, 0.003}) {
        const DenseCase problem = case_of(kind, NCE_SIMILARITY_DOT, dtype, 40, 51, 70, tau, 0.7, ++seed);
        SCOPED_TRACE(label(kind, problem, 80));
        DeviceRun how;
        const DeviceResult together = run_on_device(problem, how);
        how.separate = true;
        how.workspace_offset = 0;
        const DeviceResult separate = run_on_device(problem, how);
        ASSERT_EQ(separate.status, NCE_STATUS_OK) << separate.message;
        EXPECT_TRUE(separate == together);
      }
    }
  }
}

TEST_F(CudaDense, OrdersOfBlocksAndArrivalsOfCopiesChangeNoBit) {
  using emulation::Arrival;
  unsigned seed = 6500;
  for (const Kind& kind : {kKinds[1], kKinds[3]}) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_BFLOAT16}) {
      for (const int64_t dim : {24, 290}) {                    // gradients by tiles, and by blocks
        if (dtype == NCE_DTYPE_FLOAT64 && dim > 24) continue;  // by blocks in any case
        const DenseCase problem = case_of(kind, NCE_SIMILARITY_COSINE, dtype, 140, 150, dim, 0.1, 0.7, ++seed);
        SCOPED_TRACE(label(kind, problem, 80));
        std::optional<DeviceResult> first;
        for (const auto& [order, arrival] :
             {std::pair{1, Arrival::kLate}, std::pair{2, Arrival::kEarly}, std::pair{3, Arrival::kShuffled}}) {
          const emulation::test::Emulation how(static_cast<uint64_t>(order), arrival);
          const DeviceResult result = run_on_device(problem, {});
          ASSERT_EQ(result.status, NCE_STATUS_OK) << result.message;
          if (!first) first = result;
          EXPECT_TRUE(result == *first) << "order " << order;
        }
      }
    }
  }
}

TEST_F(CudaDense, ExchangedTowersExchangeTheirGradientsToTheBit) {
  unsigned seed = 6700;
  for (const nce_similarity similarity : {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_NEG_EUCLIDEAN}) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_BFLOAT16}) {
      for (const int64_t dim : {24, 290}) {
        // Distances are doubles in every type, and by blocks.
        if (dim > 24 && (dtype == NCE_DTYPE_FLOAT64 || similarity == NCE_SIMILARITY_NEG_EUCLIDEAN)) continue;
        const DenseCase problem = case_of(kKinds[1], similarity, dtype, 140, 140, dim, 0.5, 0.7, ++seed);
        SCOPED_TRACE(label(kKinds[1], problem, 80));
        DenseCase exchanged = problem;
        std::swap(exchanged.queries, exchanged.keys);
        const DeviceResult result = run_on_device(problem, {});
        const DeviceResult other = run_on_device(exchanged, {});
        ASSERT_EQ(result.status, NCE_STATUS_OK) << result.message;
        ASSERT_EQ(other.status, NCE_STATUS_OK) << other.message;
        EXPECT_EQ(result.loss, other.loss);
        EXPECT_TRUE(same_bits(result.d_queries, other.d_keys));
        EXPECT_TRUE(same_bits(result.d_keys, other.d_queries));
      }
    }
  }
}

TEST_F(CudaDense, TheBudgetChangesNoBit) {
  // More rows than a part of a sum in double has, so that a block holds one part or several.
  DenseCase problem = case_of(kKinds[1], NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT64, 520, 520, 9, 0.2, 0.7, 9);
  problem.desc.workspace_budget_bytes = 0;
  const DeviceResult least = run_on_device(problem, {});
  problem.desc.workspace_budget_bytes = -1;
  const DeviceResult most = run_on_device(problem, {});
  ASSERT_EQ(least.status, NCE_STATUS_OK) << least.message;
  EXPECT_TRUE(least == most);
}

TEST_F(CudaDense, OnlyTheGradientsThatAreAskedForAreWritten) {
  for (const Kind& kind : kKinds) {
    const DenseCase problem =
        case_of(kind, NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 20, 30, kind.symmetric ? 260 : 20, 0.2, 0.7, 9);
    const DeviceResult all = run_on_device(problem, {});
    for (int wanted = 0; wanted < 8; ++wanted) {
      DeviceRun how;
      how.want_queries = (wanted & 1) != 0;
      how.want_keys = (wanted & 2) != 0;
      how.want_negatives = (wanted & 4) != 0;
      const DeviceResult some = run_on_device(problem, how);
      ASSERT_EQ(some.status, NCE_STATUS_OK) << some.message;
      const auto expect = [&](bool is_wanted, const std::vector<double>& got, const std::vector<double>& full) {
        EXPECT_TRUE(same_bits(got, is_wanted ? full : std::vector<double>(got.size(), DeviceMatrix::kMark)));
      };
      expect(how.want_queries, some.d_queries, all.d_queries);
      expect(how.want_keys, some.d_keys, all.d_keys);
      expect(how.want_negatives, some.d_negatives, all.d_negatives);
    }
  }
}

TEST_F(CudaDense, GradientsComeInTheTypeThatThePlanNames) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT16, NCE_DTYPE_BFLOAT16}) {
    DenseCase problem = case_of(kKinds[0], NCE_SIMILARITY_COSINE, dtype, 20, 30, 20, 0.2, 0.7, 9);
    const DeviceResult wide = run_on_device(problem, {});
    problem.desc.gradient_dtype = dtype;
    const DeviceResult narrow = run_on_device(problem, {});
    ASSERT_EQ(narrow.status, NCE_STATUS_OK) << narrow.message;
    for (std::size_t i = 0; i < wide.d_queries.size(); ++i) {
      EXPECT_EQ(narrow.d_queries[i], rounded(dtype, wide.d_queries[i]));
    }
  }
}

}  // namespace
}  // namespace nce::test
