// The dense engine where other implementations break: identical and zero rows, extreme norms, empty sets, bad input.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "dense_runner.h"

namespace nce::test {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

DenseCase shared_case(nce_similarity similarity, nce_dtype dtype, int64_t n, int64_t m, int64_t dim, double tau) {
  DenseCase result = make_case(NCE_LOSS_INFONCE, similarity, dtype, n, n, dim, tau, 0.7, 11);
  result.negatives = make_case(NCE_LOSS_INFONCE, similarity, dtype, m, 0, dim, tau, 0.7, 12).queries;
  result.desc.negatives = NCE_NEGATIVES_SHARED;
  result.desc.m = m;
  return result;
}

void set_rows(std::vector<double>& matrix, int64_t dim, const std::vector<double>& row) {
  for (size_t i = 0; i < matrix.size(); ++i) matrix[i] = row[i % static_cast<size_t>(dim)];
}

double largest(const std::vector<double>& values) {
  double result = 0.0;
  for (const double value : values) result = std::max(result, std::fabs(value));
  return result;
}

DenseResult run_on(const DenseCase& problem, nce_isa isa) {
  DenseRun how;
  how.isa = isa;
  return run_dense(problem, how);
}

TEST(DenseEdges, IdenticalVectorsGiveTheLogarithmOfTheCountAndNoGradient) {
  constexpr int64_t kDim = 33;
  std::vector<double> row;
  for (int64_t d = 0; d < kDim; ++d)
    row.push_back(static_cast<double>(static_cast<float>(0.3 + 0.01 * static_cast<double>(d * d % 17))));
  for (const nce_similarity similarity : {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_DOT,
                                          NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN, NCE_SIMILARITY_NEG_EUCLIDEAN}) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
      for (const double tau : {0.5, 0.03, 0.01}) {
        DenseCase in_batch = make_case(NCE_LOSS_INFONCE, similarity, dtype, 50, 70, kDim, tau, 1.0, 1);
        DenseCase symmetric = make_case(NCE_LOSS_INFONCE, similarity, dtype, 50, 50, kDim, tau, 1.0, 1);
        symmetric.desc.symmetric = 1;
        DenseCase tower = make_case(NCE_LOSS_NT_XENT, similarity, dtype, 50, 50, kDim, tau, 1.0, 1);
        DenseCase shared = shared_case(similarity, dtype, 50, 70, kDim, tau);
        const std::pair<DenseCase*, double> cases[] = {{&in_batch, 70}, {&symmetric, 50}, {&tower, 99}, {&shared, 71}};
        for (const auto& [problem, count] : cases) {
          set_rows(problem->queries, kDim, row);
          set_rows(problem->keys, kDim, row);
          set_rows(problem->negatives, kDim, row);
          for (const nce_isa isa : cpu::available_isas()) {
            SCOPED_TRACE(name_of(isa) + ", similarity " + std::to_string(similarity) + ", tau " + std::to_string(tau));
            const DenseResult result = run_on(*problem, isa);
            // E is the same number in every sum: what rounds is adding it up, and z (or its logarithm) in double.
            const double logit = std::fabs(result.metrics.positive_similarity) / tau;
            EXPECT_NEAR(result.loss[0], std::log(count), (dtype == NCE_DTYPE_FLOAT64 ? 1e-14 : 1e-6) + 3e-16 * logit);
            const double dust = (dtype == NCE_DTYPE_FLOAT64 ? 1e-14 : 1e-6) / tau;
            EXPECT_LE(largest(result.d_queries), dust);
            EXPECT_EQ(result.d_temperature, 0.0);
            EXPECT_EQ(result.metrics.top1_accuracy, 1.0);
            if (similarity != NCE_SIMILARITY_DOT) {  // whose keys with unequal roles are pulled, not turned
              EXPECT_LE(largest(result.d_keys), dust);
              EXPECT_LE(largest(result.d_negatives), dust);
            }
            EXPECT_NEAR(result.metrics.alignment, 0.0, 1e-12);
            EXPECT_NEAR(result.metrics.uniformity, 0.0, 1e-5);
          }
        }
      }
    }
  }
}

TEST(DenseEdges, OrthonormalRowsGiveTheClosedForms) {
  constexpr int64_t kCount = 128;
  for (const nce_isa isa : cpu::available_isas()) {
    DenseCase problem =
        make_case(NCE_LOSS_INFONCE, NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, kCount, kCount, kCount, 0.5, 0, 1);
    std::fill(problem.queries.begin(), problem.queries.end(), 0.0);
    for (size_t i = 0; i < kCount; ++i) problem.queries[i * kCount + i] = 3.0;
    problem.keys = problem.queries;
    const DenseResult info = run_on(problem, isa);
    EXPECT_NEAR(info.loss[0], 2.900738996938, 2e-6);
    EXPECT_NEAR(info.d_temperature, 3.780069707656, 4e-6);
    problem.desc.loss = NCE_LOSS_NT_XENT;
    EXPECT_NEAR(run_on(problem, isa).loss[0], 3.566009933821, 2e-6);
  }
}

TEST(DenseEdges, ZeroRowsKeepTheirLossHaveNoGradientAndAreCounted) {
  for (const nce_loss loss : {NCE_LOSS_INFONCE, NCE_LOSS_NT_XENT, NCE_LOSS_NT_LOGISTIC}) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
      DenseCase problem = make_case(loss, NCE_SIMILARITY_COSINE, dtype, 20, 20, 9, 0.2, 0.7, 5);
      std::fill_n(problem.queries.begin() + 3 * 9, 9, 0.0);
      std::fill_n(problem.keys.begin() + 3 * 9, 9, 0.0);
      std::fill_n(problem.keys.begin() + 5 * 9, 9, -0.0);
      const DenseAnswer expected = dense_oracle(problem);
      for (const nce_isa isa : cpu::available_isas()) {
        const DenseResult result = run_on(problem, isa);
        EXPECT_EQ(result.metrics.zero_rows, 3);
        EXPECT_LE(relative_error(result.loss[0], expected.loss), 1e-6);
        EXPECT_LE(relative_error(result.d_queries, expected.d_queries), 1e-5);
        EXPECT_LE(relative_error(result.d_keys, expected.d_keys), 1e-5);
        EXPECT_NEAR(result.metrics.uniformity, static_cast<double>(expected.uniformity), 1e-5);
        EXPECT_NEAR(result.metrics.alignment, static_cast<double>(expected.alignment), 1e-5);
        for (size_t d = 0; d < 9; ++d) {
          EXPECT_EQ(result.d_queries[3 * 9 + d], 0.0);
          EXPECT_EQ(result.d_keys[5 * 9 + d], 0.0);
        }
      }
    }
  }
}

TEST(DenseEdges, CosineForgetsScaleDownToTheEndsOfTheElementType) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
    const DenseCase problem = make_case(NCE_LOSS_INFONCE, NCE_SIMILARITY_COSINE, dtype, 20, 20, 16, 0.1, 0.7, 5);
    const bool single = dtype == NCE_DTYPE_FLOAT32;
    const DenseResult plain = run_on(problem, NCE_ISA_BEST);
    for (const int exponent : {single ? 125 : 1020, single ? -100 : -990}) {
      DenseCase scaled = problem;
      for (double& value : scaled.queries) value = std::ldexp(value, exponent);
      const DenseResult result = run_on(scaled, NCE_ISA_BEST);
      EXPECT_LE(std::fabs(result.loss[0] / plain.loss[0] - 1.0), single ? 1e-7 : 1e-14) << exponent;
      EXPECT_LE(std::fabs(result.d_temperature / plain.d_temperature - 1.0), single ? 1e-6 : 1e-13) << exponent;
      for (size_t i = 0; i < result.d_keys.size(); ++i) {
        EXPECT_NEAR(result.d_keys[i], plain.d_keys[i], (single ? 1e-6 : 1e-13) * largest(plain.d_keys));
      }
    }
  }
}

TEST(DenseEdges, WithoutNegativesLossAndGradientAreZero) {
  DenseCase cases[] = {make_case(NCE_LOSS_INFONCE, NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 1, 1, 7, 0.1, 0.7, 5),
                       make_case(NCE_LOSS_NT_XENT, NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 2, 0, 7, 0.1, 0.7, 5),
                       shared_case(NCE_SIMILARITY_DOT, NCE_DTYPE_FLOAT32, 6, 0, 7, 0.1)};
  for (const DenseCase& problem : cases) {
    for (const nce_isa isa : cpu::available_isas()) {
      const DenseResult result = run_on(problem, isa);
      EXPECT_EQ(result.loss[0], 0.0);
      EXPECT_EQ(result.d_temperature, 0.0);
      EXPECT_EQ(largest(result.d_queries), 0.0);
      EXPECT_EQ(largest(result.d_keys), 0.0);
      EXPECT_EQ(result.metrics.top1_accuracy, 1.0);
      EXPECT_TRUE(std::isnan(result.metrics.negative_similarity));
      EXPECT_TRUE(std::isnan(result.metrics.uniformity));
      EXPECT_TRUE(std::isnan(result.metrics.effective_negatives));
    }
  }
}

TEST(DenseEdges, AllZeroWeightsGiveZero) {
  for (const double tau : {0.1, 0.01}) {
    DenseCase problem = make_case(NCE_LOSS_INFONCE, NCE_SIMILARITY_DOT, NCE_DTYPE_FLOAT32, 9, 12, 7, tau, 0.7, 5);
    problem.weights.assign(9, 0.0f);
    const DenseResult result = run_on(problem, NCE_ISA_BEST);
    EXPECT_EQ(result.loss[0], 0.0);
    EXPECT_EQ(result.d_temperature, 0.0);
    EXPECT_EQ(largest(result.d_queries), 0.0);
    EXPECT_EQ(largest(result.d_keys), 0.0);
  }
}

TEST(DenseEdges, LossOf1e30KeepsItsDigits) {
  // Two orthonormal pairs: l = ln(1 + e^(-1 / tau)), here at 1e-30, and at 1e-12.
  for (const double wanted : {1e-30, 1e-12}) {
    DenseCase problem =
        make_case(NCE_LOSS_INFONCE, NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 2, 2, 2, -1.0 / std::log(wanted), 0, 1);
    problem.queries = problem.keys = {1.0, 0.0, 0.0, 1.0};
    for (const int symmetric : {0, 1}) {
      problem.desc.symmetric = symmetric;
      for (const nce_isa isa : cpu::available_isas()) {
        const DenseResult result = run_on(problem, isa);
        EXPECT_LE(std::fabs(result.loss[0] / wanted - 1.0), 1e-11);
        const double gradient = 0.5 * wanted / static_cast<double>(problem.tau);
        EXPECT_LE(std::fabs(result.d_queries[1] / gradient - 1.0), 1e-5);
      }
    }
  }
}

/// Expects `status` and a message with `text`, and outputs as they were.
void expect_refused(const DenseCase& problem, nce_status status, const std::string& text) {
  cpu::ThreadPool pool(2);
  const auto plan = cpu::make_dense_plan(problem.desc, pool, NCE_ISA_BEST);
  std::vector<float> matrices[3];
  const std::vector<double>* values[] = {&problem.queries, &problem.keys, &problem.negatives};
  std::vector<float> gradients[3];
  for (size_t k = 0; k < 3; ++k) {
    for (const double value : *values[k]) matrices[k].push_back(static_cast<float>(value));
    gradients[k].assign(values[k]->size(), 7.0f);
  }
  const auto tau = static_cast<double>(problem.tau);
  double loss = 7.0, d_temperature = 7.0;
  nce_metrics metrics{};
  metrics.rows = 7;
  nce_inputs in{};
  in.queries = matrices[0].data();
  in.keys = matrices[1].empty() ? nullptr : matrices[1].data();
  in.negatives = matrices[2].empty() ? nullptr : matrices[2].data();
  in.queries_stride = in.keys_stride = in.negatives_stride = problem.desc.dim;
  in.temperature = &tau;
  in.weights = problem.weights.empty() ? nullptr : problem.weights.data();
  in.upstream = problem.upstream.empty() ? nullptr : problem.upstream.data();
  nce_outputs out{};
  out.loss = &loss;
  out.d_queries = gradients[0].data();
  out.d_keys = gradients[1].empty() ? nullptr : gradients[1].data();
  out.d_negatives = gradients[2].empty() ? nullptr : gradients[2].data();
  out.d_queries_stride = out.d_keys_stride = out.d_negatives_stride = problem.desc.dim;
  out.d_temperature = &d_temperature;
  out.metrics = &metrics;
  const int64_t bytes = plan->workspace_bytes(NCE_PASS_FORWARD_BACKWARD);
  const std::unique_ptr<std::byte, void (*)(void*)> memory(
      static_cast<std::byte*>(std::aligned_alloc(64, static_cast<size_t>((bytes + 63) / 64 * 64))), std::free);
  try {
    plan->forward_backward(in, out, {memory.get(), bytes}, nullptr);
    ADD_FAILURE() << "accepted; expected: " << text;
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), status);
    EXPECT_NE(error.message().find(text), std::string::npos) << error.message();
  }
  EXPECT_EQ(loss, 7.0);
  EXPECT_EQ(d_temperature, 7.0);
  EXPECT_EQ(metrics.rows, 7);
  for (const auto& gradient : gradients) {
    for (const float value : gradient) ASSERT_EQ(value, 7.0f);
  }
}

TEST(DenseEdges, NonFiniteRowsAreNamedBeforeAnythingIsWritten) {
  const DenseCase shared = shared_case(NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 300, 310, 5, 0.1);
  const DenseCase tower = make_case(NCE_LOSS_NT_XENT, NCE_SIMILARITY_DOT, NCE_DTYPE_FLOAT32, 300, 300, 5, 0.1, 0.7, 5);
  const DenseCase in_batch =
      make_case(NCE_LOSS_INFONCE, NCE_SIMILARITY_NEG_EUCLIDEAN, NCE_DTYPE_FLOAT32, 3, 9, 5, 0.1, 0.7, 5);
  for (const double bad : {kNaN, kInfinity, -kInfinity}) {
    DenseCase broken = shared;
    broken.queries[270 * 5 + 4] = broken.queries[299 * 5] = bad;
    expect_refused(broken, NCE_STATUS_NON_FINITE, "inputs->queries holds a NaN or an infinity in row 270");
    broken = shared;
    broken.keys[1 * 5] = bad;
    expect_refused(broken, NCE_STATUS_NON_FINITE, "inputs->keys holds a NaN or an infinity in row 1;");
    broken = shared;
    broken.negatives[309 * 5 + 2] = bad;
    expect_refused(broken, NCE_STATUS_NON_FINITE, "inputs->negatives holds a NaN or an infinity in row 309");
    broken = tower;
    broken.keys[7 * 5 + 2] = bad;
    expect_refused(broken, NCE_STATUS_NON_FINITE, "inputs->keys holds a NaN or an infinity in row 7");
    broken = in_batch;
    broken.keys[8 * 5 + 2] = bad;
    expect_refused(broken, NCE_STATUS_NON_FINITE, "inputs->keys holds a NaN or an infinity in row 8");
  }
}

TEST(DenseEdges, BadNumbersAreRefusedBeforeAnythingIsWritten) {
  const DenseCase good = make_case(NCE_LOSS_INFONCE, NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 3, 9, 5, 0.1, 0.7, 5);
  for (const Wide tau : {0.0L, -1.0L, 1e-10L, 1e10L, static_cast<Wide>(kNaN), static_cast<Wide>(kInfinity)}) {
    DenseCase broken = good;
    broken.tau = tau;
    expect_refused(broken, NCE_STATUS_INVALID_ARGUMENT, "temperature");
  }
  DenseCase broken = good;
  broken.weights = {1.0f, -1.0f, 1.0f};
  expect_refused(broken, NCE_STATUS_INVALID_ARGUMENT, "weights[1]");
  broken = good;
  broken.upstream = {static_cast<float>(kNaN)};
  expect_refused(broken, NCE_STATUS_INVALID_ARGUMENT, "upstream[0]");
}

TEST(DenseEdges, WorkspaceStaysSmallWhereTheMatrixWouldBeLarge) {
  // The matrix of similarities alone would take 16 GiB.
  cpu::ThreadPool pool(2);
  DenseCase problem = make_case(NCE_LOSS_INFONCE, NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 1, 1, 128, 0.1, 0.7, 5);
  problem.desc.n = problem.desc.m = 65536;
  problem.desc.symmetric = 1;
  problem.desc.workspace_budget_bytes = int64_t{256} << 20;
  for (const nce_isa isa : cpu::available_isas()) {
    const auto plan = cpu::make_dense_plan(problem.desc, pool, isa);
    EXPECT_LE(plan->workspace_bytes(NCE_PASS_FORWARD_BACKWARD), int64_t{256} << 20);
    EXPECT_LE(plan->workspace_bytes(NCE_PASS_FORWARD), plan->workspace_bytes(NCE_PASS_FORWARD_BACKWARD));
  }
}

}  // namespace
}  // namespace nce::test
