// SigLIP by what is known of it without an oracle: closed forms, its two towers, its bias at any size.

#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "device_test.h"

namespace nce::test {
namespace {

using oracle::kDtypes;
using oracle::kSigLip;

class SigLip : public DeviceTest {
 protected:
  Problem small(int32_t similarity, nce_dtype dtype, double tau, double bias) const {
    const Extent size = emulated() ? Extent{17, 23, 20} : Extent{40, 61, 20};
    Problem problem = problem_of(
        {.kind = kSigLip, .measure = similarity, .dtype = dtype, .size = size, .tau = tau, .noise = 1.0, .seed = 31});
    problem.bias = bias;
    return problem;
  }
};

/// n orthonormal pairs, the last of `keys` being of nobody.
Problem orthonormal(int64_t n, int64_t keys, nce_dtype dtype, double tau, double bias) {
  Problem problem = empty_problem_of({.kind = kSigLip, .dtype = dtype, .size = {n, keys, keys}, .tau = tau});
  problem.bias = bias;
  problem.queries.assign(static_cast<std::size_t>(n * keys), 0.0);
  problem.keys.assign(static_cast<std::size_t>(keys * keys), 0.0);
  for (int64_t i = 0; i < n; ++i) problem.queries[static_cast<std::size_t>(i * keys + i)] = 3.0;
  for (int64_t j = 0; j < keys; ++j) problem.keys[static_cast<std::size_t>(j * keys + j)] = 0.5;
  return problem;
}

/// ln 2 + (N - 1) ln(1 + e^b) where 1 / tau + b = 0. The first is open_clip's SigLipLoss (_loss: minus the sum of
/// logsigmoid(labels * logits), over the rows) of 64 such pairs at the start of its training, a scale of 10 and a bias
/// of -10: 0.696007311.
TEST_P(SigLip, OfOrthonormalPairsIsLn2AndAllNegativesAlike) {
  for (const nce_dtype dtype : kDtypes) {
    const Result start = run(orthonormal(64, 64, dtype, 0.1, -10.0));
    EXPECT_NEAR(start.loss[0], 0.696007311, 1e-6 * 0.7);
    for (const auto& [tau, bias] : {std::pair{0.5, -2.0}, std::pair{0.05, -20.0}, std::pair{0.02, -50.0}}) {
      const int64_t n = 9, keys = 14;
      const Result result = run(orthonormal(n, keys, dtype, tau, bias));
      const double negative = std::exp(bias) / (1.0 + std::exp(bias));
      const auto others = static_cast<double>(keys - 1);
      EXPECT_NEAR(result.loss[0], std::log(2.0) + others * std::log1p(std::exp(bias)), 1e-5);
      EXPECT_NEAR(result.d_bias, others * negative - 0.5, 1e-5);
      EXPECT_NEAR(result.d_temperature, 0.5 / (tau * tau), 1e-5 / (tau * tau));
      EXPECT_NEAR(result.metrics.positive_similarity, 1.0, 1e-3);
      EXPECT_NEAR(result.metrics.negative_similarity, 0.0, 1e-6);
      EXPECT_EQ(result.metrics.top1_accuracy, 1.0);
    }
  }
}

/// Two rows and three keys by dot products, with the sigmoids of a pocket calculator.
TEST_P(SigLip, WithoutBiasIsTheLogisticLossOfEachPair) {
  Problem problem = empty_problem_of({.kind = kSigLip, .measure = NCE_SIMILARITY_DOT, .size = {2, 3, 1}, .tau = 0.5});
  problem.bias = 0.0;
  problem.desc.reduction = NCE_REDUCTION_NONE;
  problem.queries = {1.0, -0.5};
  problem.keys = {1.0, 0.5, -1.0};
  const auto softplus = [](double z) { return std::log1p(std::exp(z)); };
  const auto sigmoid = [](double z) { return 1.0 / (1.0 + std::exp(-z)); };
  const Result result = run(problem);
  EXPECT_NEAR(result.loss[0], softplus(-2.0) + softplus(1.0) + softplus(-2.0), 1e-5);
  EXPECT_NEAR(result.loss[1], softplus(0.5) + softplus(-1.0) + softplus(1.0), 1e-5);
  EXPECT_NEAR(result.d_bias,
              -sigmoid(-2.0) + sigmoid(1.0) + sigmoid(-2.0) - sigmoid(0.5) + sigmoid(-1.0) + sigmoid(1.0), 1e-5);
  EXPECT_NEAR(result.d_keys[1], (sigmoid(1.0) * 1.0 + sigmoid(0.5) * 0.5) / 0.5, 2e-5);

  DeviceRun zero(device(), problem);
  selftest::Buffer bias(device(), zero.stream, 8);
  const double nothing = 0.0;
  bias.upload(&nothing);
  zero.in.bias = static_cast<const double*>(bias.data());
  EXPECT_EQ(zero(Calls::kTogether).difference(result), "") << "a bias of 0 and none";
}

TEST_P(SigLip, StaysWhenTheTowersChangePlaces) {
  for (const int32_t similarity : measures_of(kSigLip)) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
      if (!turn()) continue;
      Problem problem = problem_of({.kind = kSigLip,
                                    .measure = similarity,
                                    .dtype = dtype,
                                    .size = {30, 30, 19},
                                    .tau = 0.3,
                                    .noise = 1.0,
                                    .seed = 5});
      const Result straight = run(problem);
      std::swap(problem.queries, problem.keys);
      const Result swapped = run(problem);
      const double share = dtype == NCE_DTYPE_FLOAT64 ? 1e-12 : 5e-6;
      SCOPED_TRACE(problem.label());
      EXPECT_NEAR(swapped.loss[0], straight.loss[0], share * (1.0 + straight.loss[0]));
      EXPECT_NEAR(swapped.d_bias, straight.d_bias, share * (1.0 + straight.loss[0]));
      EXPECT_NEAR(swapped.d_temperature, straight.d_temperature, share * 30.0);
      expect_near(swapped.d_queries, straight.d_keys, share * largest(straight.d_keys));
      expect_near(swapped.d_keys, straight.d_queries, share * largest(straight.d_queries));
    }
  }
}

/// Biases about which arithmetic changes (32 on the CPU, 128 on CUDA), and far beyond exponentials of any type.
TEST_P(SigLip, HasTheAnswersOfBiasesOfAnySize) {
  for (const nce_dtype dtype : kDtypes) {
    for (const int32_t similarity : measures_of(kSigLip)) {
      for (const double bias : {1e-9, 3.0, -31.0, 33.0, -127.0, 129.0, -150.0, 800.0, -1e5, 1e30, -1e30}) {
        if (!turn()) continue;
        Problem problem = small(similarity, dtype, 0.5, bias);
        SCOPED_TRACE(problem.label());
        Bounds bounds = dense_bounds(problem);
        // A logit is rounded to its own size.
        const double rounding = std::fabs(bias) * (bounds.loss > 1e-9 ? 0x1p-23 : 0x1p-52);
        bounds.loss += std::min(1.0, rounding);
        bounds.gradient += std::min(1.0, rounding);
        bounds.temperature += std::min(1.0, rounding);
        // Gradients of 16 bits, and those of e^-127 in float32, have no smaller numbers.
        bounds.smallest = 1e-37;
        expect_close(problem, run(problem), answer_to(problem), bounds);
      }
    }
  }
}

/// softplus of -30 to -700: with every pair far away and no positive but a perfect one, the loss is e^b times a sum.
TEST_P(SigLip, OfTinySigmoidsKeepsItsDigits) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
    for (const double gap : {15.0, 28.0, 60.0, 100.0}) {
      // Positives have a logit of gap, negatives one of -gap.
      Problem problem = orthonormal(12, 16, dtype, 0.5 / gap, -gap);
      problem.desc.reduction = NCE_REDUCTION_SUM;
      SCOPED_TRACE(problem.label());
      const Answer answer = answer_to(problem);
      ASSERT_LT(answer.loss, 1e-4);
      Bounds bounds = dense_bounds(problem);
      bounds.loss_floor = bounds.terms = 0;
      if (dtype == NCE_DTYPE_FLOAT32) bounds.smallest = 0x1p-149;
      // Rounded to a share of the logits, of the kind that tiles have.
      if (dtype == NCE_DTYPE_FLOAT32) bounds.loss = bounds.gradient = bounds.temperature = 1e-5 + 3.0 * gap * 0x1p-23;
      if (dtype == NCE_DTYPE_FLOAT64) bounds.loss = bounds.gradient = bounds.temperature = 1e-11;
      expect_close(problem, run(problem), answer, bounds);
    }
  }
}

/// So many that they come in strips, whose sums of sigmoids add up.
TEST_P(SigLip, OfManyKeysHasTheAnswersOfTheOracle) {
  uint64_t seed = 40;
  for (const nce_dtype dtype : kDtypes) {
    const Extent size = {5, emulated() ? 150 : 1500, 12};
    check_dense(problem_of({.kind = kSigLip, .dtype = dtype, .size = size, .tau = 0.4, .seed = ++seed}));
  }
}

TEST_P(SigLip, GradientsByNumbersAreCentralDifferences) {
  for (const int32_t similarity : measures_of(kSigLip)) {
    if (!turn()) continue;
    Problem problem = small(similarity, NCE_DTYPE_FLOAT64, 0.4, -1.5);
    weigh(problem);
    const Result result = run(problem);
    const auto slope = [&](double& number) {
      constexpr double kStep = 1e-4;
      const double at = number;
      number = at + kStep;
      const double high = run(problem).loss[0];
      number = at - kStep;
      const double low = run(problem).loss[0];
      number = at;
      return (high - low) / (2.0 * kStep);
    };
    SCOPED_TRACE(problem.label());
    EXPECT_NEAR(result.d_bias, slope(problem.bias), 1e-5 * (1.0 + std::fabs(result.d_bias)));
    EXPECT_NEAR(result.d_temperature, slope(problem.tau), 1e-5 * (1.0 + std::fabs(result.d_temperature)));
  }
}

TEST_P(SigLip, HasItsBitsWhicheverGradientsAreAskedFor) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_BFLOAT16}) {
    const Problem problem = small(NCE_SIMILARITY_COSINE, dtype, 0.2, -4.0);
    const Result all = run(problem);
    DeviceRun alone(device(), problem);
    alone.out.d_queries = alone.out.d_keys = nullptr;
    alone.out.d_temperature = nullptr;
    EXPECT_EQ(alone(Calls::kTogether).d_bias, all.d_bias);
    DeviceRun without(device(), problem);
    without.out.d_bias = nullptr;
    Result rest = without(Calls::kTogether);
    rest.d_bias = all.d_bias;
    EXPECT_EQ(rest.difference(all), "");
  }
}

TEST_P(SigLip, MetricsHaveNoBias) {
  const Result with = run(small(NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 0.2, -4.0));
  const Result without = run(small(NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 0.2, 0.0));
  EXPECT_NE(with.loss, without.loss);
  EXPECT_EQ(std::memcmp(&with.metrics, &without.metrics, sizeof with.metrics), 0);
}

TEST_P(SigLip, RefusesABiasThatIsNoNumberOrTooLarge) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto refuse = [&](double bias, const std::string& given) {
    expect_refused(small(NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 0.5, bias), NCE_STATUS_INVALID_ARGUMENT,
                   "*inputs->bias is " + given + "; allowed: -1e30 to 1e30");
  };
  refuse(kInfinity, "inf");
  refuse(-kInfinity, "-inf");
  refuse(1.01e30, "1.01e+30");
  refuse(-2e30, "-2e+30");
  refuse(std::nan(""), "nan");
  Problem both = small(NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 0.0, kInfinity);
  expect_refused(both, NCE_STATUS_INVALID_ARGUMENT, "*inputs->temperature is 0; allowed: 1e-9 to 1e9");
  both.tau = 1.0;
  weigh(both);
  both.weights[3] = -1.0F;
  expect_refused(both, NCE_STATUS_INVALID_ARGUMENT, "*inputs->bias is inf; allowed: -1e30 to 1e30");
}

TEST_P(SigLip, RefusesABackwardPassWithAnotherBias) {
  Problem problem = small(NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 0.5, -2.0);
  DeviceRun run(device(), problem);
  ASSERT_EQ(run.ended(Calls::kForward), NCE_STATUS_OK);
  problem.bias = -2.5;
  run.upload(problem);
  run.poison_outputs();
  EXPECT_EQ(run.ended(Calls::kBackward), NCE_STATUS_INVALID_STATE);
  EXPECT_EQ(std::string(nce_last_error()),
            "*inputs->bias is -2.500000, the forward pass in the workspace had -2.000000");
  EXPECT_TRUE(run.untouched());
  problem.bias = -2.0;
  run.upload(problem);
  EXPECT_EQ(run.ended(Calls::kBackward), NCE_STATUS_OK) << "the forward pass is still there";
}

/// The bias in units of similarities leaves float32, in which "fast" computes: up, losses do too.
TEST_P(SigLip, RefusesWhatFastHasNoRangeFor) {
  for (const nce_reduction reduction : {NCE_REDUCTION_MEAN, NCE_REDUCTION_NONE}) {
    Problem problem = small(NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 1e9, 1e30);
    problem.desc.precision = NCE_PRECISION_FAST;
    problem.desc.reduction = reduction;
    DeviceRun far(device(), problem);
    EXPECT_EQ(far.ended(Calls::kTogether), NCE_STATUS_NON_FINITE);
    EXPECT_TRUE(far.untouched());
    problem.bias = -1e30;
    const Answer answer = answer_to(problem);
    expect_close(problem, run(problem), answer,
                 {.loss = 1e-5,
                  .gradient = emulated() ? 5e-3 : 1e-5,
                  .smallest = 1e-37,
                  .temperature = 5e-3,
                  .metrics = 1e-2,
                  .accuracy = 1.0});
  }
}

NCE_ON_EVERY_DEVICE(SigLip);

}  // namespace
}  // namespace nce::test
