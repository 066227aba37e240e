// The rowwise losses on the emulated device, against their definitions in quadruple precision.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "cuda_device.h"
#include "emulation/control.h"
#include "rowwise_problem.h"

namespace nce::test {
namespace {

bool is_margin(const nce_plan_desc& desc) { return desc.loss == NCE_LOSS_CONTRASTIVE || desc.loss == NCE_LOSS_TRIPLET; }

nce_plan_desc sized(nce_plan_desc kind, int64_t n, int64_t m, int64_t dim, nce_dtype dtype) {
  kind.n = n;
  kind.m = kind.negatives == NCE_NEGATIVES_OWN ? m : n;
  kind.dim = dim;
  kind.dtype = kind.gradient_dtype = dtype;
  return kind;
}

nce_plan_desc own_negatives(int64_t n, int64_t m, int64_t dim, nce_similarity similarity = NCE_SIMILARITY_COSINE) {
  nce_plan_desc desc = describe(NCE_LOSS_INFONCE, n, m, dim);
  desc.negatives = NCE_NEGATIVES_OWN;
  desc.similarity = similarity;
  return desc;
}

/// Elements on the device: those of the problem's description, or 16-bit ones with gradients of their own type or
/// float.
struct Elements {
  nce_dtype dtype;
  nce_dtype gradient_dtype;
};

Elements elements_of(const RowwiseProblem& p) {
  return {static_cast<nce_dtype>(p.desc.dtype), static_cast<nce_dtype>(p.desc.gradient_dtype)};
}

/// A plan and the memory of its calls, outputs marked.
class DeviceCall {
 public:
  DeviceCall(const RowwiseProblem& p, const Elements& elements)
      : p_(p),
        device_(80),
        queries_(device_, elements.dtype, p.queries, p.desc.dim, p.desc.dim + p.padding),
        keys_(device_, elements.dtype, p.keys, p.desc.dim, p.desc.dim + p.padding),
        negatives_(device_, elements.dtype, p.negatives, p.desc.dim, p.desc.dim + p.padding),
        d_queries_(marked(elements, p.queries)),
        d_keys_(marked(elements, p.keys)),
        d_negatives_(marked(elements, p.negatives)),
        weights_(device_, bytes_from(p.weights)),
        labels_(device_, bytes_from(p.labels)),
        upstream_(device_, bytes_from(p.upstream)),
        temperature_(device_, bytes_from(std::vector<double>{given_temperature()})),
        loss_(device_, bytes_from(std::vector<double>(losses(), DeviceMatrix::kMark))),
        d_temperature_(device_, bytes_from(std::vector<double>{DeviceMatrix::kMark})),
        metrics_(device_, std::vector<std::byte>(sizeof(nce_metrics), std::byte{0x55})) {
    nce_plan_desc desc = p.desc;
    desc.dtype = elements.dtype;
    desc.gradient_dtype = elements.gradient_dtype;
    expect_ok(nce_plan_create(device_.get(), &desc, &plan_));
    int64_t bytes = 0;
    expect_ok(nce_plan_workspace_bytes(plan_, NCE_PASS_FORWARD_BACKWARD, &bytes));
    workspace_ = std::make_unique<DeviceBytes>(device_, bytes);
  }
  ~DeviceCall() { nce_plan_destroy(plan_); }
  DeviceCall(const DeviceCall&) = delete;
  DeviceCall& operator=(const DeviceCall&) = delete;

  void set_temperature(double value) { temperature_.write(bytes_from(std::vector<double>{value})); }

  /// Enqueues a call; what the device finds is in status().
  template <typename Function>
  void enqueue(Function function) {
    nce_inputs in{};
    in.struct_size = sizeof in;
    in.temperature_form = p_.form;
    in.upstream_per_row = p_.upstream.size() > 1 ? 1 : 0;
    in.queries = queries_.data();
    in.keys = keys_.data();
    in.negatives = negatives_.data();
    in.queries_stride = in.keys_stride = in.negatives_stride = p_.desc.dim + p_.padding;
    in.temperature = is_margin(p_.desc) ? nullptr : temperature_.get<double>();
    in.weights = weights_.get<float>();
    in.labels = labels_.get<int32_t>();
    in.upstream = upstream_.get<float>();
    nce_outputs out{};
    out.struct_size = sizeof out;
    out.loss = loss_.get<double>();
    out.d_queries = d_queries_.data();
    out.d_keys = d_keys_.data();
    out.d_negatives = d_negatives_.data();
    out.d_queries_stride = out.d_keys_stride = out.d_negatives_stride = p_.desc.dim + p_.padding;
    out.d_temperature = d_temperature_.get<double>();
    out.metrics = p_.desc.metrics != 0 ? metrics_.get<nce_metrics>() : nullptr;
    expect_ok(function(plan_, &in, &out, workspace_->get(), workspace_->size(), nullptr));
  }
  nce_status status() const { return nce_workspace_status(plan_, workspace_->get(), nullptr); }

  RowwiseResult result() const {
    RowwiseResult result;
    result.loss.resize(losses());
    copy(loss_, result.loss.data());
    copy(d_temperature_, &result.d_temperature);
    copy(metrics_, &result.metrics);
    result.d_queries = d_queries_.values();
    result.d_keys = d_keys_.values();
    result.d_negatives = d_negatives_.values();
    return result;
  }

  /// Whether every output still has its mark.
  void expect_untouched() const {
    const RowwiseResult now = result();
    for (const auto* part : {&now.loss, &now.d_queries, &now.d_keys, &now.d_negatives}) {
      for (const double x : *part) ASSERT_EQ(x, DeviceMatrix::kMark);
    }
    EXPECT_EQ(now.d_temperature, DeviceMatrix::kMark);
    EXPECT_EQ(now.metrics.rows, 0x5555555555555555);
  }

 private:
  static void copy(const DeviceBytes& from, void* to) {
    const std::vector<std::byte> bytes = from.read();
    std::memcpy(to, bytes.data(), bytes.size());
  }
  std::size_t losses() const {
    return p_.desc.reduction == NCE_REDUCTION_NONE ? static_cast<std::size_t>(p_.desc.n) : 1;
  }
  double given_temperature() const { return p_.form == NCE_TEMPERATURE_LOGARITHM ? std::log(p_.tau) : p_.tau; }
  DeviceMatrix marked(const Elements& elements, const std::vector<double>& like) const {
    return {device_, elements.gradient_dtype, static_cast<int64_t>(like.size()) / p_.desc.dim, p_.desc.dim,
            p_.desc.dim + p_.padding};
  }

  const RowwiseProblem& p_;
  const Device device_;
  const DeviceMatrix queries_, keys_, negatives_, d_queries_, d_keys_, d_negatives_;
  const DeviceBytes weights_, labels_, upstream_;
  DeviceBytes temperature_;
  const DeviceBytes loss_, d_temperature_, metrics_;
  nce_plan* plan_ = nullptr;
  std::unique_ptr<DeviceBytes> workspace_;
};

RowwiseResult run_on_device(const RowwiseProblem& p, const Elements& elements, Calls calls = Calls::kTogether) {
  DeviceCall call(p, elements);
  if (calls == Calls::kTogether) {
    call.enqueue(nce_forward_backward);
  } else {
    call.enqueue(nce_forward);
    call.enqueue(nce_backward);
  }
  expect_ok(call.status());
  return call.result();
}

RowwiseResult run_on_device(const RowwiseProblem& p) { return run_on_device(p, elements_of(p)); }

void expect_result(const RowwiseProblem& p, const RowwiseResult& actual) {
  SCOPED_TRACE(describe(p));
  const RowwiseResult expected = oracle(p);
  ASSERT_EQ(actual.loss.size(), expected.loss.size());
  for (std::size_t i = 0; i < expected.loss.size(); ++i) {
    EXPECT_NEAR(actual.loss[i], expected.loss[i], loss_bound(p) * std::fabs(expected.loss[i])) << "row " << i;
  }
  expect_gradient(p, actual.d_queries, expected.d_queries, "d_queries");
  expect_gradient(p, actual.d_keys, expected.d_keys, "d_keys");
  expect_gradient(p, actual.d_negatives, expected.d_negatives, "d_negatives");
  EXPECT_NEAR(actual.d_temperature, expected.d_temperature, gradient_bound(p) * std::fabs(expected.d_temperature));
}

void expect_oracle(const RowwiseProblem& p) { expect_result(p, run_on_device(p)); }

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

TEST(CudaRowwise, MatchesTheDefinitionAtRaggedSizes) {
  // Around a lane's and a warp's columns; more pairs than one thread, and than one warp, takes.
  const int64_t sizes[][3] = {{1, 1, 1}, {9, 2, 31}, {3, 8, 33}, {2, 33, 3}, {1, 2, 129}};
  for (const nce_plan_desc& kind : rowwise_kinds()) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
      uint32_t seed = 100;
      for (const auto& size : sizes) {
        if (size[1] > 8 && kind.negatives != NCE_NEGATIVES_OWN) continue;
        expect_oracle(random_problem(sized(kind, size[0], size[1], size[2], dtype), 0.5, seed++));
      }
    }
  }
}

TEST(CudaRowwise, MatchesTheDefinitionAtAllTemperatures) {
  for (const nce_plan_desc& kind : rowwise_kinds()) {
    if (is_margin(kind)) continue;
    for (const double tau : {100.0, 0.07, 0.01}) {
      expect_oracle(random_problem(sized(kind, 4, 6, 24, NCE_DTYPE_FLOAT32), tau, 7));
      auto logarithm = random_problem(sized(kind, 4, 6, 24, NCE_DTYPE_FLOAT64), tau, 8);
      logarithm.form = NCE_TEMPERATURE_LOGARITHM;
      expect_oracle(logarithm);
    }
  }
}

TEST(CudaRowwise, AppliesReductionsWeightsAndUpstream) {
  for (nce_plan_desc kind : rowwise_kinds()) {
    for (const nce_reduction reduction : {NCE_REDUCTION_MEAN, NCE_REDUCTION_SUM, NCE_REDUCTION_NONE}) {
      kind.reduction = reduction;
      auto problem = random_problem(sized(kind, 5, 3, 12, NCE_DTYPE_FLOAT64), 0.3, 11);
      problem.weights = {0.5F, 0.0F, 2.0F, 1.25F, 3.0F};
      problem.upstream = {-1.75F};
      problem.padding = 3;
      expect_oracle(problem);
      if (reduction == NCE_REDUCTION_NONE) {
        problem.upstream = {1.0F, -2.0F, 0.5F, 0.0F, 3.0F};
        expect_oracle(problem);
      }
    }
  }
}

/// 16-bit inputs are exact in double; their gradients round once, to float or to themselves.
TEST(CudaRowwise, ReadsAndWritesSixteenBits) {
  const struct {
    nce_dtype dtype;
    double unit;
  } types[] = {{NCE_DTYPE_FLOAT16, 0x1p-11}, {NCE_DTYPE_BFLOAT16, 0x1p-8}};
  for (const nce_plan_desc& kind : rowwise_kinds()) {
    for (const auto& type : types) {
      auto p = random_problem(sized(kind, 5, 4, 40, NCE_DTYPE_FLOAT32), 0.5, 12);
      for (auto* matrix : {&p.queries, &p.keys, &p.negatives}) {
        for (double& x : *matrix) x = rounded(type.dtype, x);
      }
      const RowwiseResult wide = run_on_device(p, {type.dtype, NCE_DTYPE_FLOAT32});
      expect_result(p, wide);
      const RowwiseResult narrow = run_on_device(p, {type.dtype, type.dtype});
      EXPECT_EQ(narrow.loss, wide.loss);
      const auto expect_rounded = [&](const std::vector<double>& a, const std::vector<double>& b) {
        ASSERT_EQ(a.size(), b.size());
        for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], type.unit * std::fabs(b[i]) + 0x1p-25);
      };
      expect_rounded(narrow.d_queries, wide.d_queries);
      expect_rounded(narrow.d_keys, wide.d_keys);
      expect_rounded(narrow.d_negatives, wide.d_negatives);
    }
  }
}

TEST(CudaRowwise, KeepsTheDigitsOfTinyLossesAndDistances) {
  for (const nce_plan_desc& kind : rowwise_kinds()) {
    if (kind.loss == NCE_LOSS_INFONCE) {
      const auto problem = random_problem(sized(kind, 4, 3, 32, NCE_DTYPE_FLOAT32), 0.01, 21, 0.01);
      EXPECT_LT(oracle_row_losses(problem)[0], 1e-9) << describe(problem);
      expect_oracle(problem);
    } else if (kind.loss == NCE_LOSS_CONTRASTIVE) {
      auto problem = random_problem(sized(kind, 4, 4, 40, NCE_DTYPE_FLOAT32), 1.0, 22, 1e-5);
      problem.labels = {1, 1, 1, 1};
      EXPECT_LT(oracle_row_losses(problem)[0], 1e-9) << describe(problem);
      expect_oracle(problem);
    }
  }
}

TEST(CudaRowwise, HasTheSameBitsInAnyOrderAndInOneCallOrTwo) {
  const emulation::Options before = emulation::options();
  for (nce_plan_desc desc : rowwise_kinds()) {
    // More rows than a part of the sums.
    const auto problem = random_problem(sized(desc, 300, 3, 5, NCE_DTYPE_FLOAT32), 0.2, 5);
    SCOPED_TRACE(describe(problem));
    const auto expected = bits(run_on_device(problem));
    emulation::options().seed += 5;
    EXPECT_EQ(bits(run_on_device(problem, elements_of(problem), Calls::kForwardThenBackward)), expected);
    emulation::options() = before;
  }
}

TEST(CudaRowwise, NoNegativesMeanNoLossAndNoGradient) {
  const auto problem = random_problem(own_negatives(3, 0, 9), 0.07, 2);
  const RowwiseResult result = run_on_device(problem);
  EXPECT_EQ(result.loss[0], 0.0);
  EXPECT_EQ(result.d_queries, std::vector<double>(27, 0.0));
  EXPECT_EQ(result.d_keys, std::vector<double>(27, 0.0));
  EXPECT_EQ(result.d_temperature, 0.0);
  EXPECT_TRUE(std::isnan(result.metrics.negative_similarity));
  EXPECT_TRUE(std::isnan(result.metrics.effective_negatives));
  EXPECT_EQ(result.metrics.top1_accuracy, 1.0);
}

TEST(CudaRowwise, ZeroRowsHaveNoGradientAreCountedAndKeepTheirLoss) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
    auto desc = own_negatives(2, 3, 5);
    desc.dtype = desc.gradient_dtype = dtype;
    desc.reduction = NCE_REDUCTION_NONE;
    auto problem = random_problem(desc, 0.5, 4);
    std::fill_n(problem.queries.begin(), 5, 0.0);
    std::fill_n(problem.negatives.begin() + 15, 5, 0.0);
    const RowwiseResult result = run_on_device(problem);
    EXPECT_NEAR(result.loss[0], std::log(4.0), 1e-15);  // every cosine of a zero row is 0
    for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(result.d_queries[i], 0.0);
    for (std::size_t i = 15; i < 20; ++i) EXPECT_EQ(result.d_negatives[i], 0.0);
    EXPECT_NE(result.d_negatives[25], 0.0);
    EXPECT_EQ(result.metrics.zero_rows, 2);
  }
}

TEST(CudaRowwise, EqualVectorsHaveZeroSubgradientsOfDistances) {
  for (const nce_plan_desc& kind : rowwise_kinds()) {
    auto problem = random_problem(sized(kind, 2, 2, 6, NCE_DTYPE_FLOAT32), 0.3, 3);
    problem.keys = problem.queries;
    for (std::size_t i = 0; i < problem.negatives.size(); ++i) problem.negatives[i] = problem.queries[i % 6];
    SCOPED_TRACE(describe(problem));
    const RowwiseResult result = run_on_device(problem);
    EXPECT_TRUE(std::isfinite(result.loss[0]));
    for (const auto* part : {&result.d_queries, &result.d_keys, &result.d_negatives}) {
      for (const double x : *part) EXPECT_TRUE(std::isfinite(x));
    }
    if (is_margin(kind) && kind.distance == NCE_DISTANCE_EUCLIDEAN) {
      EXPECT_EQ(result.d_keys, std::vector<double>(12, 0.0));
    }
  }
}

TEST(CudaRowwise, HugeAndTinyVectorsKeepTheirCosine) {
  const struct {
    nce_dtype dtype;
    double scale;
  } cases[] = {{NCE_DTYPE_FLOAT32, 0x1p100},
               {NCE_DTYPE_FLOAT32, 0x1p-100},
               {NCE_DTYPE_FLOAT64, 0x1p900},
               {NCE_DTYPE_FLOAT64, 0x1p-900}};
  for (const nce_plan_desc& kind : rowwise_kinds()) {
    if (is_margin(kind) ? kind.distance != NCE_DISTANCE_COSINE : kind.similarity != NCE_SIMILARITY_COSINE) continue;
    for (const auto& c : cases) {
      const auto plain = random_problem(sized(kind, 3, 2, 11, c.dtype), 0.2, 9);
      auto scaled = plain;
      for (auto* matrix : {&scaled.queries, &scaled.keys, &scaled.negatives}) {
        for (double& x : *matrix) x *= c.scale;
      }
      RowwiseResult actual = run_on_device(scaled);
      for (auto* part : {&actual.d_queries, &actual.d_keys, &actual.d_negatives}) {
        for (double& x : *part) x *= c.scale;  // d cos / dx goes with 1 / |x|
      }
      expect_result(plain, actual);
    }
  }
}

TEST(CudaRowwise, HugeAndTinyDistancesAreFinite) {
  for (const double scale : {0x1p600, 0x1p-600}) {
    auto desc = describe(NCE_LOSS_TRIPLET, 1, 1, 2);
    desc.dtype = desc.gradient_dtype = NCE_DTYPE_FLOAT64;
    desc.margin = 5 * scale;
    auto problem = random_problem(desc, 1.0, 1);
    problem.queries = {0.0, 0.0};
    problem.keys = {3.0 * scale, 4.0 * scale};
    problem.negatives = {0.0, 8.0 * scale};
    const RowwiseResult result = run_on_device(problem);
    EXPECT_EQ(result.loss[0], 2.0 * scale);
    EXPECT_NEAR(result.d_keys[0], 0.6, 1e-15);
    EXPECT_NEAR(result.d_keys[1], 0.8, 1e-15);
    EXPECT_EQ(result.d_negatives[1], -1.0);
  }
}

TEST(CudaRowwise, MetricsFollowTheirDefinitions) {
  auto desc = own_negatives(2, 2, 2);
  desc.top_k = 2;
  auto problem = random_problem(desc, 1.0, 1);
  problem.queries = {1, 0, 0, 2};
  problem.keys = {0, 1, 0, 1};         // cosines 0 and 1
  problem.negatives = {1, 1,  -1, 0,   // row 0: sqrt(1/2), -1: one is closer than the positive
                       0, -3, 0,  0};  // row 1: -1, a zero row: 0
  const nce_metrics metrics = run_on_device(problem).metrics;
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
    const double share = std::exp(a) / (std::exp(a) + std::exp(b));
    return std::exp(-share * std::log(share) - (1 - share) * std::log(1 - share));
  };
  EXPECT_NEAR(metrics.effective_negatives, (effective(s, -1.0) + effective(-1.0, 0.0)) / 2.0, 1e-14);
  EXPECT_EQ(metrics.rows, 2);
  EXPECT_EQ(metrics.zero_rows, 1);
  EXPECT_EQ(metrics.non_finite_rows, 0);
}

TEST(CudaRowwise, MetricsOfMarginLossesUseMinusTheDistance) {
  auto problem = random_problem(describe(NCE_LOSS_CONTRASTIVE, 2, 2, 2), 1.0, 1);
  problem.queries = {1, 0, 0, 1};
  problem.keys = {1, 2, 3, 1};  // distances 2 (alike) and 3 (not)
  problem.labels = {1, 0};
  const nce_metrics metrics = run_on_device(problem).metrics;
  EXPECT_EQ(metrics.positive_similarity, -2.0);
  EXPECT_EQ(metrics.negative_similarity, -3.0);
  EXPECT_TRUE(std::isnan(metrics.top1_accuracy));
  EXPECT_TRUE(std::isnan(metrics.topk_accuracy));
  EXPECT_TRUE(std::isnan(metrics.effective_negatives));
}

/// A call with `change` made to a good problem must end like this, with its outputs untouched.
void expect_refusal(const std::function<void(RowwiseProblem&)>& change, nce_status status, const std::string& message) {
  auto problem = random_problem(own_negatives(40, 3, 5), 0.5, 4);
  problem.desc.dtype = problem.desc.gradient_dtype = NCE_DTYPE_FLOAT64;
  change(problem);
  DeviceCall call(problem, elements_of(problem));
  call.enqueue(nce_forward_backward);
  EXPECT_EQ(call.status(), status) << message;
  EXPECT_EQ(std::string(nce_last_error()), message);
  call.expect_untouched();
}

TEST(CudaRowwise, BadNumbersAreToldByNameAndTouchNothing) {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::string after = "; all elements must be finite";
  expect_refusal([&](RowwiseProblem& p) { p.queries[37 * 5 + 4] = infinity; }, NCE_STATUS_NON_FINITE,
                 "inputs->queries holds a NaN or an infinity in row 37" + after);
  expect_refusal(
      [&](RowwiseProblem& p) {
        p.keys[38 * 5] = std::nan("");
        p.keys[9 * 5] = infinity;
      },
      NCE_STATUS_NON_FINITE, "inputs->keys holds a NaN or an infinity in row 9" + after);
  expect_refusal([&](RowwiseProblem& p) { p.negatives[119 * 5 + 1] = -infinity; }, NCE_STATUS_NON_FINITE,
                 "inputs->negatives holds a NaN or an infinity in row 119" + after);
  expect_refusal(
      [&](RowwiseProblem& p) {
        p.desc.similarity = NCE_SIMILARITY_DOT;
        p.queries[15] = p.keys[15] = 1e200;
      },
      NCE_STATUS_NON_FINITE, "inputs->queries has a similarity or distance beyond the range of float64 in row 3");
  expect_refusal([](RowwiseProblem& p) { p.tau = 0.0; }, NCE_STATUS_INVALID_ARGUMENT,
                 "*inputs->temperature is 0; allowed: 1e-9 to 1e9");
  expect_refusal(
      [](RowwiseProblem& p) {
        p.weights.assign(40, 1.0F);
        p.weights[33] = -2.0F;
      },
      NCE_STATUS_INVALID_ARGUMENT, "inputs->weights[33] is -2; allowed: finite and >= 0");
}

TEST(CudaRowwise, BackwardNeedsItsForwardAndItsTemperature) {
  const auto problem = random_problem(own_negatives(3, 2, 5), 0.5, 4);
  DeviceCall call(problem, elements_of(problem));
  call.enqueue(nce_forward);
  expect_ok(call.status());
  call.set_temperature(0.25);
  call.enqueue(nce_backward);
  EXPECT_EQ(call.status(), NCE_STATUS_INVALID_STATE);
  EXPECT_EQ(call.result().d_queries[0], DeviceMatrix::kMark);
  call.set_temperature(0.5);
  call.enqueue(nce_backward);
  expect_ok(call.status());
  EXPECT_EQ(bits(call.result()), bits(run_on_device(problem)));
}

}  // namespace
}  // namespace nce::test
