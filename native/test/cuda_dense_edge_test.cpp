// The dense losses on the emulated device where other implementations break: what only the device can find out, zero
// rows, empty sets, ends of ranges, memory that is none.

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "cuda_dense_runner.h"

namespace nce::test {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

DenseCase in_batch(nce_similarity similarity, nce_dtype dtype, int64_t n, int64_t m, int64_t dim, double tau) {
  return device_case(NCE_LOSS_INFONCE, similarity, dtype, n, m, dim, tau, 0.7, 5);
}

DenseCase shared_case(int64_t n, int64_t m, int64_t dim) {
  DenseCase result = in_batch(NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, n, n, dim, 0.1);
  share_negatives(result, m, 12);
  return result;
}

double largest(const std::vector<double>& values) {
  double result = 0.0;
  for (const double value : values) result = std::max(result, std::fabs(value));
  return result;
}

bool untouched(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double x) { return x == DeviceMatrix::kMark; });
}

void expect_refused(const DenseCase& problem, nce_status status, const std::string& message, bool logarithm = false) {
  for (const bool separate : {false, true}) {
    DeviceRun how;
    how.separate = separate;
    how.logarithm = logarithm;
    const DeviceResult result = run_on_device(problem, how);
    // A backward pass after a forward pass that failed says so.
    EXPECT_EQ(result.status, separate ? NCE_STATUS_INVALID_STATE : status) << result.message;
    if (!separate) {
      EXPECT_EQ(result.message, message);
    }
    EXPECT_TRUE(untouched(result.loss));
    EXPECT_TRUE(untouched(result.d_queries));
    EXPECT_TRUE(untouched(result.d_keys));
    EXPECT_TRUE(untouched(result.d_negatives));
    EXPECT_EQ(result.d_temperature, DeviceMatrix::kMark);
    EXPECT_EQ(result.metrics.rows, 0x7f7f7f7f7f7f7f7f);
  }
}

TEST(CudaDenseEdges, NonFiniteRowsAreNamedInTheOrderOfTheCpuAndNothingIsWritten) {
  const auto text = [](const std::string& matrix, int row) {
    return "inputs->" + matrix + " holds a NaN or an infinity in row " + std::to_string(row) +
           "; all elements must be finite";
  };
  DenseCase broken = shared_case(30, 31, 5);
  broken.negatives[29 * 5 + 2] = kInfinity;
  expect_refused(broken, NCE_STATUS_NON_FINITE, text("negatives", 29));
  broken.keys[1 * 5] = kNaN;
  expect_refused(broken, NCE_STATUS_NON_FINITE, text("keys", 1));
  broken.queries[27 * 5 + 4] = broken.queries[29 * 5] = -kInfinity;
  expect_refused(broken, NCE_STATUS_NON_FINITE, text("queries", 27));
  DenseCase tower = device_case(NCE_LOSS_NT_XENT, NCE_SIMILARITY_DOT, NCE_DTYPE_FLOAT16, 30, 30, 5, 0.1, 0.7, 5);
  tower.keys[7 * 5 + 2] = kNaN;
  expect_refused(tower, NCE_STATUS_NON_FINITE, text("keys", 7));
}

TEST(CudaDenseEdges, BadNumbersAreRefusedInTheWordsOfTheCpuAndNothingIsWritten) {
  const DenseCase good = in_batch(NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 3, 9, 5, 0.1);
  const std::pair<Wide, const char*> temperatures[] = {
      {0.0L, "0"}, {-1.0L, "-1"}, {1e-10L, "1e-10"}, {1e10L, "1e+10"}, {static_cast<Wide>(kInfinity), "inf"}};
  DenseCase broken = good;
  for (const auto& [tau, text] : temperatures) {
    broken.tau = tau;
    expect_refused(broken, NCE_STATUS_INVALID_ARGUMENT,
                   std::string("*inputs->temperature is ") + text + "; allowed: 1e-9 to 1e9");
  }
  broken.tau = 1e-10L;
  expect_refused(broken, NCE_STATUS_INVALID_ARGUMENT,
                 "*inputs->temperature is -23.0258509 as a logarithm; allowed: ln 1e-9 = -20.7232658 to ln 1e9 = "
                 "20.7232658",
                 true);
  broken = good;
  broken.upstream = {static_cast<float>(kInfinity)};
  expect_refused(broken, NCE_STATUS_INVALID_ARGUMENT, "inputs->upstream[0] is inf; allowed: finite");
  broken.weights = {1.0f, -1.5f, -2.0f};
  expect_refused(broken, NCE_STATUS_INVALID_ARGUMENT, "inputs->weights[1] is -1.5; allowed: finite and >= 0");
}

TEST(CudaDenseEdges, TheLogarithmOfTheEndsOfTheRangeIsAllowed) {
  for (const Wide tau : {1e-9L, 1e9L}) {
    DenseCase problem = in_batch(NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 3, 4, 5, 1.0);
    problem.tau = tau;
    DeviceRun how;
    how.logarithm = true;
    const DeviceResult result = run_on_device(problem, how);
    EXPECT_EQ(result.status, NCE_STATUS_OK) << result.message;
  }
}

TEST(CudaDenseEdges, ZeroRowsKeepTheirLossHaveNoGradientAndAreCounted) {
  for (const nce_loss loss : {NCE_LOSS_INFONCE, NCE_LOSS_NT_XENT, NCE_LOSS_NT_LOGISTIC}) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_BFLOAT16}) {
      DenseCase problem = device_case(loss, NCE_SIMILARITY_COSINE, dtype, 20, 20, 9, 0.2, 0.7, 5);
      std::fill_n(problem.queries.begin() + 3 * 9, 9, 0.0);
      std::fill_n(problem.keys.begin() + 3 * 9, 9, 0.0);
      std::fill_n(problem.keys.begin() + 5 * 9, 9, -0.0);
      const DenseAnswer expected = dense_oracle(problem);
      const DeviceResult result = run_on_device(problem, {});
      ASSERT_EQ(result.status, NCE_STATUS_OK) << result.message;
      EXPECT_EQ(result.metrics.zero_rows, 3);
      EXPECT_NEAR(result.loss[0], static_cast<double>(expected.loss), 2e-6);
      const double bound = dtype == NCE_DTYPE_BFLOAT16 ? 5e-3 : 1e-5;
      EXPECT_LE(error_of(result.d_queries, expected.d_queries, 0), bound);
      EXPECT_LE(error_of(result.d_keys, expected.d_keys, 0), bound);
      EXPECT_NEAR(result.metrics.uniformity, static_cast<double>(expected.uniformity), 1e-5);
      EXPECT_NEAR(result.metrics.alignment, static_cast<double>(expected.alignment), 1e-5);
      for (std::size_t d = 0; d < 9; ++d) {
        EXPECT_EQ(result.d_queries[3 * 9 + d], 0.0);
        EXPECT_EQ(result.d_keys[5 * 9 + d], 0.0);
      }
    }
  }
}

TEST(CudaDenseEdges, WithoutNegativesLossAndGradientAreZero) {
  const DenseCase cases[] = {
      in_batch(NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 1, 1, 7, 0.1),
      device_case(NCE_LOSS_NT_XENT, NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT16, 2, 0, 7, 0.1, 0.7, 5),
      shared_case(6, 0, 7)};
  for (const DenseCase& problem : cases) {
    const DeviceResult result = run_on_device(problem, {});
    ASSERT_EQ(result.status, NCE_STATUS_OK) << result.message;
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

TEST(CudaDenseEdges, AllZeroWeightsGiveZero) {
  for (const double tau : {0.1, 0.01, 0.0001}) {
    DenseCase problem = in_batch(NCE_SIMILARITY_DOT, NCE_DTYPE_FLOAT32, 9, 12, 7, tau);
    problem.weights.assign(9, 0.0f);
    const DeviceResult result = run_on_device(problem, {});
    ASSERT_EQ(result.status, NCE_STATUS_OK) << result.message;
    EXPECT_EQ(result.loss[0], 0.0);
    EXPECT_EQ(result.d_temperature, 0.0);
    EXPECT_EQ(largest(result.d_queries), 0.0);
    EXPECT_EQ(largest(result.d_keys), 0.0);
  }
}

TEST(CudaDenseEdges, LossOf1e30KeepsItsDigits) {
  // Two orthonormal pairs: l = ln(1 + e^(-1 / tau)), here at 1e-30, and at 1e-12.
  for (const double wanted : {1e-30, 1e-12}) {
    DenseCase problem = in_batch(NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 2, 2, 2, -1.0 / std::log(wanted));
    problem.queries = problem.keys = {1.0, 0.0, 0.0, 1.0};
    for (const int symmetric : {0, 1}) {
      problem.desc.symmetric = symmetric;
      const DeviceResult result = run_on_device(problem, {});
      EXPECT_LE(std::fabs(result.loss[0] / wanted - 1.0), 1e-11);
      const double gradient = 0.5 * wanted / static_cast<double>(problem.tau);
      EXPECT_LE(std::fabs(result.d_queries[1] / gradient - 1.0), 1e-5);
    }
  }
}

TEST(CudaDenseEdges, CosineForgetsScaleDownToTheEndsOfTheElementType) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_BFLOAT16}) {
    const DenseCase problem = in_batch(NCE_SIMILARITY_COSINE, dtype, 20, 20, 16, 0.1);
    const DeviceResult plain = run_on_device(problem, {});
    const bool wide = dtype == NCE_DTYPE_FLOAT64;
    for (const int exponent : {wide ? 1020 : 125, wide ? -990 : -100}) {
      DenseCase scaled = problem;
      for (double& value : scaled.queries) value = std::ldexp(value, exponent);
      const DeviceResult result = run_on_device(scaled, {});
      ASSERT_EQ(result.status, NCE_STATUS_OK) << result.message;
      EXPECT_LE(std::fabs(result.loss[0] / plain.loss[0] - 1.0), wide ? 1e-14 : 1e-7) << exponent;
      for (std::size_t i = 0; i < result.d_keys.size(); ++i) {
        EXPECT_NEAR(result.d_keys[i], plain.d_keys[i], (wide ? 1e-13 : 1e-6) * largest(plain.d_keys));
      }
    }
  }
}

TEST(CudaDenseEdges, IdenticalVectorsGiveTheLogarithmOfTheCount) {
  for (const nce_similarity similarity : {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_DOT,
                                          NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN, NCE_SIMILARITY_NEG_EUCLIDEAN}) {
    for (const double tau : {0.5, 0.012, 0.001}) {
      DenseCase problem = in_batch(similarity, NCE_DTYPE_FLOAT32, 30, 40, 33, tau);
      for (auto* values : {&problem.queries, &problem.keys}) {
        for (std::size_t i = 0; i < values->size(); ++i) (*values)[i] = 0.125 + static_cast<double>(i % 33) / 64.0;
      }
      const DeviceResult result = run_on_device(problem, {});
      ASSERT_EQ(result.status, NCE_STATUS_OK) << result.message;
      // All exponentials err alike, by the rounding of their argument.
      const double logit = std::fabs(result.metrics.positive_similarity) / tau;
      const double bound = std::max(1e-6, 2e-5 * 0.01 / tau) * (1.0 + std::log(40.0));
      EXPECT_NEAR(result.loss[0], std::log(40.0), bound + 3e-16 * logit);
      EXPECT_EQ(result.d_temperature, 0.0);
      EXPECT_LE(largest(result.d_queries), 1e-6 / tau);
      EXPECT_EQ(result.metrics.top1_accuracy, 1.0);
    }
  }
}

TEST(CudaDenseEdges, ABackwardPassNeedsItsForwardPassAndItsTemperature) {
  const DenseCase problem = in_batch(NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 9, 12, 7, 0.25);
  DeviceProblem call(problem, {});
  DeviceProblem other(problem, {});
  const nce_inputs in = call.inputs();
  const nce_outputs out = call.outputs();
  const auto backward = [&] {
    expect_success(nce_backward(call.plan(), &in, &out, call.workspace().get(), call.workspace().size(), nullptr));
    return nce_workspace_status(call.plan(), call.workspace().get(), nullptr);
  };
  EXPECT_EQ(other.run().status, NCE_STATUS_OK);
  call.workspace().write(other.workspace().read());
  EXPECT_EQ(backward(), NCE_STATUS_INVALID_STATE) << "another plan's forward pass";

  EXPECT_EQ(call.run().status, NCE_STATUS_OK);
  EXPECT_EQ(backward(), NCE_STATUS_OK);
  call.set_temperature(0.5);
  EXPECT_EQ(backward(), NCE_STATUS_INVALID_STATE);
  EXPECT_EQ(std::string(nce_last_error()),
            "*inputs->temperature is tau = 0.500000, the forward pass in the workspace had 0.250000");
  call.set_temperature(-1.0);
  EXPECT_EQ(backward(), NCE_STATUS_INVALID_ARGUMENT);
  call.set_temperature(0.25);
  EXPECT_EQ(backward(), NCE_STATUS_OK) << "the forward pass is still there";
}

TEST(CudaDenseEdges, WrongMemoryIsRefusedByName) {
  const DenseCase problem = in_batch(NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 9, 12, 7, 0.25);
  const DeviceProblem call(problem, {});
  const auto expect = [&](const nce_inputs& in, const nce_outputs& out, int64_t offset, int64_t bytes,
                          nce_status status, const std::string& name) {
    std::byte* const workspace = call.workspace().get<std::byte>() + offset;
    EXPECT_EQ(nce_forward_backward(call.plan(), &in, &out, workspace, bytes, nullptr), status) << name;
    EXPECT_NE(std::string(nce_last_error()).find(name), std::string::npos) << nce_last_error();
  };
  const int64_t bytes = call.workspace().size();
  nce_inputs in = call.inputs();
  nce_outputs out = call.outputs();
  expect(in, out, 0, bytes - 1, NCE_STATUS_WORKSPACE_TOO_SMALL, "workspace_bytes");
  expect(in, out, 32, bytes, NCE_STATUS_INVALID_ARGUMENT, "workspace");
  const std::vector<float> host(9 * 12);
  in.queries = host.data();
  expect(in, out, 0, bytes, NCE_STATUS_INVALID_ARGUMENT, "inputs->queries");
  in = call.inputs();
  double loss = 0.0;
  out.loss = &loss;
  expect(in, out, 0, bytes, NCE_STATUS_INVALID_ARGUMENT, "outputs->loss");
  out = call.outputs();
  in.keys = static_cast<const std::byte*>(in.keys) + 2;
  expect(in, out, 0, bytes, NCE_STATUS_INVALID_ARGUMENT, "inputs->keys");
  in = call.inputs();
  in.queries_stride = 6;
  expect(in, out, 0, bytes, NCE_STATUS_INVALID_ARGUMENT, "inputs->queries_stride");
}

TEST(CudaDenseEdges, SizesBeyondAnyDeviceAreUnsupported) {
  const Device device(80);
  nce_plan_desc desc = in_batch(NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 1, 1, 1, 1.0).desc;
  nce_plan* plan = nullptr;
  desc.dim = 0;
  EXPECT_EQ(nce_plan_create(device.get(), &desc, &plan), NCE_STATUS_INVALID_ARGUMENT);
  desc.dim = 1 << 20;
  desc.n = desc.m = 1 << 19;
  EXPECT_EQ(nce_plan_create(device.get(), &desc, &plan), NCE_STATUS_UNSUPPORTED);
  EXPECT_NE(std::string(nce_last_error()).find("n = 524288"), std::string::npos) << nce_last_error();
  desc.dim = 1;
  desc.n = 1;
  desc.m = int64_t{1} << 45;
  EXPECT_EQ(nce_plan_create(device.get(), &desc, &plan), NCE_STATUS_UNSUPPORTED);
  // Beyond 2^31 elements, but not beyond every device.
  desc.dim = 1024;
  desc.n = desc.m = int64_t{1} << 22;
  ASSERT_EQ(nce_plan_create(device.get(), &desc, &plan), NCE_STATUS_OK) << nce_last_error();
  int64_t bytes = 0;
  EXPECT_EQ(nce_plan_workspace_bytes(plan, NCE_PASS_FORWARD, &bytes), NCE_STATUS_OK);
  EXPECT_GT(bytes, int64_t{1} << 33);
  nce_plan_destroy(plan);
}

TEST(CudaDenseEdges, ACapBelowEveryArchitectureIsRefused) {
  nce_context_desc desc{};
  desc.struct_size = sizeof desc;
  desc.backend = NCE_BACKEND_EMULATED;
  desc.max_compute_capability = 70;
  nce_context* context = nullptr;
  EXPECT_EQ(nce_context_create(&desc, &context), NCE_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(std::string(nce_last_error()), "desc->max_compute_capability is 70; allowed: 75 or more, or 0 for no cap");
}

}  // namespace
}  // namespace nce::test
