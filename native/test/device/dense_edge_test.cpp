// Dense losses where other implementations break: identical and zero rows, extreme norms, empty sets, bad numbers.

#include <algorithm>
#include <cmath>
#include <limits>

#include "device_test.h"

namespace nce::test {
namespace {

using oracle::kInfoNce;
using oracle::kNtXent;
using oracle::kShared;
using oracle::kSymmetric;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

class DenseEdges : public DeviceTest {};

TEST_P(DenseEdges, IdenticalVectorsGiveTheLogarithmOfTheCountAndNoGradient) {
  const Extent size = emulated() ? Extent{30, 40, 33} : Extent{50, 70, 33};
  const auto n = static_cast<double>(size.n), m = static_cast<double>(size.m);
  const std::pair<Kind, double> kinds[] = {{kInfoNce, m}, {kSymmetric, n}, {kNtXent, 2 * n - 1}, {kShared, m + 1}};
  for (const int32_t similarity : measures_of(kInfoNce)) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
      for (const double tau : {0.5, emulated() ? 0.012 : 0.03, emulated() ? 0.001 : 0.01}) {
        for (const auto& [kind, count] : kinds) {
          if (emulated() && (kind.loss != kInfoNce.loss || kind.symmetric || dtype == NCE_DTYPE_FLOAT64)) continue;
          if (!turn()) continue;
          Problem problem = problem_of({.kind = kind, .measure = similarity, .dtype = dtype, .size = size, .tau = tau});
          for (auto* matrix : matrices(problem)) {
            for (std::size_t i = 0; i < matrix->size(); ++i) {
              (*matrix)[i] = 0.125 + static_cast<double>(i % 33 * (i % 33) % 17) / 64.0;
            }
          }
          SCOPED_TRACE(problem.label());
          const Result result = run(problem);
          const bool wide = dtype == NCE_DTYPE_FLOAT64;
          // E is the same number in every sum: what rounds is adding it up, and z (or its logarithm) in double; on the
          // emulated device the argument of every exponential, alike.
          const double logit = std::fabs(result.metrics.positive_similarity) / tau;
          const double unit = wide ? 1e-14 : 1e-6;
          const double bound = emulated() ? std::max(unit, 2e-5 * 0.01 / tau) * (1.0 + std::log(count)) : unit;
          EXPECT_NEAR(result.loss[0], std::log(count), bound + 3e-16 * logit);
          EXPECT_LE(largest(result.d_queries), unit / tau);
          EXPECT_EQ(result.d_temperature, 0.0);
          // Every order of the rows is as likely as any other.
          EXPECT_NEAR(result.metrics.top1_accuracy, 1.0 / count, 1e-15);
          EXPECT_NEAR(result.metrics.topk_accuracy, 5.0 / count, 1e-15);
          EXPECT_LE(result.metrics.uniformity, 0.0);
          if (similarity == NCE_SIMILARITY_COSINE) {
            EXPECT_LE(result.metrics.positive_similarity, 1.0);
            EXPECT_LE(result.metrics.negative_similarity, 1.0);
          }
          if (similarity != NCE_SIMILARITY_DOT) {  // whose keys with unequal roles are pulled, not turned
            EXPECT_LE(largest(result.d_keys), unit / tau);
            EXPECT_LE(largest(result.d_negatives), unit / tau);
          }
          EXPECT_NEAR(result.metrics.alignment, 0.0, 1e-12);
          EXPECT_NEAR(result.metrics.uniformity, 0.0, 1e-5);
        }
      }
    }
  }
}

TEST_P(DenseEdges, OrthonormalRowsGiveTheClosedForms) {
  const int64_t n = emulated() ? 32 : 128;
  const double tau = 0.5;
  Problem problem = problem_of({.kind = kInfoNce, .size = {n, n, n}, .tau = tau});
  std::fill(problem.queries.begin(), problem.queries.end(), 0.0);
  for (int64_t i = 0; i < n; ++i) problem.queries[static_cast<std::size_t>(i * n + i)] = 3.0;
  problem.keys = problem.queries;
  const double mass = static_cast<double>(n - 1) * std::exp(-1.0 / tau);
  const Result result = run(problem);
  EXPECT_NEAR(result.loss[0], std::log1p(mass), 2e-6);
  EXPECT_NEAR(result.d_temperature, mass / (1 + mass) / (tau * tau), 4e-6);
  problem.desc.loss = NCE_LOSS_NT_XENT;
  EXPECT_NEAR(run(problem).loss[0], std::log1p(2 * mass), 2e-6);
}

TEST_P(DenseEdges, ZeroRowsKeepTheirLossHaveNoGradientAndAreCounted) {
  for (const Kind& kind : {kInfoNce, kNtXent, oracle::kNtLogistic, kSymmetric, kShared}) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_BFLOAT16}) {
      if (!turn()) continue;
      Problem problem = problem_of({.kind = kind, .dtype = dtype, .size = {20, 20, 9}, .tau = 0.2, .seed = 5});
      std::fill_n(problem.queries.begin() + 3 * 9, 9, 0.0);
      std::fill_n(problem.keys.begin() + 3 * 9, 9, 0.0);
      std::fill_n(problem.keys.begin() + 5 * 9, 9, -0.0);
      const bool negatives = !problem.negatives.empty();
      if (negatives) std::fill_n(problem.negatives.begin() + 7 * 9, 9, 0.0);
      SCOPED_TRACE(problem.label());
      const Answer answer = answer_to(problem);
      EXPECT_EQ(answer.metrics.zero_rows, negatives ? 4 : 3);
      Bounds bounds = dense_bounds(problem);
      bounds.loss = bounds.loss_floor = 1e-6;
      bounds.gradient = dtype == NCE_DTYPE_BFLOAT16 ? 5e-3 : 1e-5;
      bounds.terms = 0;
      bounds.metrics = 1e-5;
      const Result result = run(problem);
      expect_close(problem, result, answer, bounds);
      for (std::size_t d = 0; d < 9; ++d) {
        EXPECT_EQ(result.d_queries[3 * 9 + d], 0.0);
        EXPECT_EQ(result.d_keys[5 * 9 + d], 0.0);
        if (negatives) {
          EXPECT_EQ(result.d_negatives[7 * 9 + d], 0.0);
        }
      }
    }
  }
}

/// What a row is multiplied by its gradient is divided by, while the others' do not change.
TEST_P(DenseEdges, CosineForgetsScaleDownToTheEndsOfTheElementType) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_BFLOAT16}) {
    const bool wide = dtype == NCE_DTYPE_FLOAT64;
    for (const Kind& kind : {kInfoNce, kShared, kNtXent}) {
      if (!turn()) continue;
      const Problem problem = problem_of({.kind = kind, .dtype = dtype, .size = {20, 20, 16}, .tau = 0.1, .seed = 5});
      const Result plain = run(problem);
      // At 2^-515, squares are below the normal numbers of float64, but not 0.
      std::size_t sizes = 0;
      for (const int exponent : {wide ? 1020 : 125, wide ? -990 : -100, wide ? -515 : -70}) {
        ++sizes;
        for (std::size_t scaled_one = 0; scaled_one < 3; ++scaled_one) {
          Problem scaled = problem;
          std::vector<double>& matrix = *matrices(scaled)[scaled_one];
          // In the emulator each size is one matrix's, with one loss after another.
          const std::size_t others = kind.loss == NCE_LOSS_NT_XENT ? 1 : kind.negatives == NCE_NEGATIVES_SHARED ? 2 : 0;
          if (matrix.empty() || (emulated() && (scaled_one + sizes + others) % 3 != 1)) continue;
          SCOPED_TRACE(problem.label() + ", matrix " + std::to_string(scaled_one) + " times 2^" +
                       std::to_string(exponent));
          for (double& value : matrix) value = std::ldexp(value, exponent);
          Result result = run(scaled);
          EXPECT_LE(std::fabs(result.loss[0] / plain.loss[0] - 1.0), wide ? 1e-14 : 1e-7);
          EXPECT_LE(std::fabs(result.d_temperature / plain.d_temperature - 1.0), wide ? 1e-13 : 1e-6);
          EXPECT_NEAR(result.metrics.alignment, plain.metrics.alignment, wide ? 1e-12 : 1e-6);
          EXPECT_NEAR(result.metrics.uniformity, plain.metrics.uniformity, 1e-6);
          for (double& value : *gradients(result)[scaled_one]) value = std::ldexp(value, exponent);
          for (std::size_t k = 0; k < 3; ++k) {
            const std::vector<double>& expected = *gradients(plain)[k];
            const double smallest = k == scaled_one ? std::ldexp(1.0, exponent - (wide ? 1074 : 149)) : 0.0;
            expect_near(*gradients(result)[k], expected, (wide ? 1e-13 : 1e-6) * largest(expected) + smallest);
          }
        }
      }
    }
  }
}

TEST_P(DenseEdges, WithoutNegativesLossAndGradientAreZero) {
  const Problem problems[] = {
      problem_of({.size = {1, 1, 7}, .tau = 0.1}), problem_of({.kind = kShared, .size = {6, 0, 7}, .tau = 0.1}),
      problem_of({.kind = kShared, .measure = NCE_SIMILARITY_DOT, .size = {6, 0, 7}, .tau = 0.1}),
      problem_of({.kind = oracle::kNtXentOneMatrix, .dtype = NCE_DTYPE_FLOAT16, .size = {1, 0, 7}, .tau = 0.1})};
  for (const Problem& problem : problems) {
    SCOPED_TRACE(problem.label());
    const Result result = run(problem);
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

TEST_P(DenseEdges, AllZeroWeightsGiveZero) {
  for (const double tau : {0.1, 0.01, 0.0001}) {
    Problem problem = problem_of({.measure = NCE_SIMILARITY_DOT, .size = {9, 12, 7}, .tau = tau});
    problem.weights.assign(9, 0.0F);
    const Result result = run(problem);
    EXPECT_EQ(result.loss[0], 0.0);
    EXPECT_EQ(result.d_temperature, 0.0);
    EXPECT_EQ(largest(result.d_queries), 0.0);
    EXPECT_EQ(largest(result.d_keys), 0.0);
  }
}

TEST_P(DenseEdges, LossOf1e30KeepsItsDigits) {
  // Two orthonormal pairs: l = ln(1 + e^(-1 / tau)), here at 1e-30, and at 1e-12.
  for (const double wanted : {1e-30, 1e-12}) {
    Problem problem = problem_of({.size = {2, 2, 2}, .tau = -1.0 / std::log(wanted)});
    problem.queries = problem.keys = {1.0, 0.0, 0.0, 1.0};
    for (const int symmetric : {0, 1}) {
      problem.desc.symmetric = symmetric;
      const Result result = run(problem);
      EXPECT_LE(std::fabs(result.loss[0] / wanted - 1.0), 1e-11);
      EXPECT_LE(std::fabs(result.d_queries[1] / (0.5 * wanted / problem.tau) - 1.0), 1e-5);
    }
  }
}

TEST_P(DenseEdges, NonFiniteRowsAreNamedInOrderAndNothingIsWritten) {
  const auto expect = [&](const Problem& problem, const std::string& matrix, int row) {
    expect_refused(problem, NCE_STATUS_NON_FINITE,
                   "inputs->" + matrix + " holds a NaN or an infinity in row " + std::to_string(row) +
                       "; all elements must be finite");
  };
  const int first = emulated() ? 27 : 270;  // among more rows than one thread checks
  const Extent size = {first + 30, first + 40, 5};
  const auto at = [&](int row, int d) { return static_cast<std::size_t>(row * 5 + d); };
  for (const double bad : {kNaN, kInfinity, -kInfinity}) {
    Problem shared = problem_of({.kind = kShared, .size = size, .tau = 0.1});
    shared.negatives[at(first + 39, 2)] = bad;
    expect(shared, "negatives", first + 39);
    shared.keys[at(1, 0)] = bad;
    expect(shared, "keys", 1);
    shared.queries[at(first, 4)] = shared.queries[at(first + 29, 0)] = bad;
    expect(shared, "queries", first);
    Problem tower = problem_of({.kind = kNtXent,
                                .measure = NCE_SIMILARITY_DOT,
                                .dtype = emulated() ? NCE_DTYPE_FLOAT16 : NCE_DTYPE_FLOAT32,
                                .size = size,
                                .tau = 0.1});
    tower.keys[at(7, 2)] = bad;
    expect(tower, "keys", 7);
    Problem in_batch = problem_of({.measure = NCE_SIMILARITY_NEG_EUCLIDEAN, .size = {3, 9, 5}, .tau = 0.1});
    in_batch.keys[at(8, 2)] = bad;
    expect(in_batch, "keys", 8);
    Problem long_one = problem_of({.size = {300, 300, 2}, .tau = 0.1});
    long_one.queries[2 * 299] = bad;
    expect(long_one, "queries", 299);
  }
}

TEST_P(DenseEdges, BadNumbersAreRefusedInTheSameWordsAndNothingIsWritten) {
  const Problem good = problem_of({.size = {3, 9, 5}, .tau = 0.1});
  Problem broken = good;
  const std::pair<double, const char*> temperatures[] = {{0.0, "0"},      {-1.0, "-1"},       {1e-10, "1e-10"},
                                                         {1e10, "1e+10"}, {kInfinity, "inf"}, {kNaN, "nan"}};
  for (const auto& [tau, text] : temperatures) {
    broken.tau = tau;
    expect_refused(broken, NCE_STATUS_INVALID_ARGUMENT,
                   std::string("*inputs->temperature is ") + text + "; allowed: 1e-9 to 1e9");
  }
  broken.tau = 1e-10;
  broken.temperature_form = NCE_TEMPERATURE_LOGARITHM;
  expect_refused(broken, NCE_STATUS_INVALID_ARGUMENT,
                 "*inputs->temperature is -23.0258509 as a logarithm; allowed: ln 1e-9 = -20.7232658 to ln 1e9 = "
                 "20.7232658");
  broken = good;
  broken.upstream = {static_cast<float>(kInfinity)};
  expect_refused(broken, NCE_STATUS_INVALID_ARGUMENT, "inputs->upstream[0] is inf; allowed: finite");
  broken.upstream = {static_cast<float>(kNaN)};
  expect_refused(broken, NCE_STATUS_INVALID_ARGUMENT, "inputs->upstream[0] is nan; allowed: finite");
  broken.weights = {1.0F, -1.5F, -2.0F};
  expect_refused(broken, NCE_STATUS_INVALID_ARGUMENT, "inputs->weights[1] is -1.5; allowed: finite and >= 0");
  Problem by_row = problem_of({.size = {300, 301, 2}, .tau = 0.1});
  by_row.desc.reduction = NCE_REDUCTION_NONE;
  by_row.upstream.assign(300, 1.0F);
  by_row.upstream[290] = static_cast<float>(kInfinity);
  expect_refused(by_row, NCE_STATUS_INVALID_ARGUMENT, "inputs->upstream[290] is inf; allowed: finite");
  by_row.weights.assign(300, 1.0F);
  by_row.weights[280] = -1.0F;
  expect_refused(by_row, NCE_STATUS_INVALID_ARGUMENT, "inputs->weights[280] is -1; allowed: finite and >= 0");
}

TEST_P(DenseEdges, TheLogarithmOfTheEndsOfTheRangeIsAllowed) {
  for (const double tau : {1e-9, 1e9}) {
    Problem problem = problem_of({.size = {3, 4, 5}, .tau = tau});
    problem.temperature_form = NCE_TEMPERATURE_LOGARITHM;
    EXPECT_NO_THROW(run(problem));
  }
}

TEST_P(DenseEdges, GradientByLnTauIsTauTimesTheOneByTau) {
  for (const Kind& kind : oracle::kDenseKinds) {
    if (!turn()) continue;
    Problem problem = problem_of({.kind = kind, .size = {30, 40, 20}, .tau = 0.2, .seed = 3});
    SCOPED_TRACE(problem.label());
    const Result plain = run(problem);
    problem.temperature_form = NCE_TEMPERATURE_LOGARITHM;
    const Result logarithm = run(problem);
    EXPECT_NEAR(logarithm.d_temperature, 0.2 * plain.d_temperature, 1e-9);
    EXPECT_GT(std::fabs(logarithm.d_temperature), 1e-3);
    EXPECT_NEAR(logarithm.loss[0], plain.loss[0], 1e-9);
  }
}

TEST_P(DenseEdges, ABackwardPassNeedsItsForwardPassAndItsTemperature) {
  Problem problem = problem_of({.size = {9, 12, 7}, .tau = 0.25, .seed = 5});
  problem.upstream = {1.0F};
  DeviceRun run(device(), problem);
  DeviceRun other(device(), problem);
  EXPECT_EQ(other.ended(Calls::kForward), NCE_STATUS_OK);
  void* const own = std::exchange(run.workspace, other.workspace);
  EXPECT_EQ(run.ended(Calls::kBackward), NCE_STATUS_INVALID_STATE) << "another plan's forward pass";
  EXPECT_TRUE(run.untouched());
  run.workspace = own;

  EXPECT_EQ(run.ended(Calls::kForward), NCE_STATUS_OK);
  EXPECT_EQ(run.ended(Calls::kBackward), NCE_STATUS_OK);
  const Result once = run.read();
  EXPECT_GT(largest(once.d_queries), 0.0);
  problem.upstream = {2.0F};
  run.upload(problem);
  EXPECT_EQ(run.ended(Calls::kBackward), NCE_STATUS_OK);
  const Result twice = run.read();
  for (std::size_t i = 0; i < once.d_queries.size(); ++i) EXPECT_EQ(twice.d_queries[i], 2.0 * once.d_queries[i]);

  const auto with_temperature = [&](double tau) {
    problem.tau = tau;
    run.upload(problem);
    return run.ended(Calls::kBackward);
  };
  EXPECT_EQ(with_temperature(0.5), NCE_STATUS_INVALID_STATE);
  EXPECT_EQ(std::string(nce_last_error()),
            "*inputs->temperature is tau = 0.500000, the forward pass in the workspace had 0.250000");
  EXPECT_EQ(with_temperature(-1.0), NCE_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(with_temperature(0.25), NCE_STATUS_OK) << "the forward pass is still there";

  Problem broken = problem;
  broken.queries[1] = kNaN;
  run.upload(broken);
  EXPECT_EQ(run.ended(Calls::kForward), NCE_STATUS_NON_FINITE);
  run.upload(problem);
  EXPECT_EQ(run.ended(Calls::kBackward), NCE_STATUS_INVALID_STATE) << "the forward pass failed";
}

TEST_P(DenseEdges, AForwardPassInAWorkspaceOfItsOwnIsNoneForABackwardPass) {
  for (const Kind& kind : {kInfoNce, kSymmetric, kShared, kNtXent}) {
    const Problem problem = problem_of({.kind = kind, .size = {9, 12, 7}, .tau = 0.25, .seed = 5});
    SCOPED_TRACE(problem.label());
    DeviceRun run(device(), problem);
    const int64_t both = run.workspace_bytes;
    const int64_t forward = run.plan.workspace_bytes(NCE_PASS_FORWARD);
    ASSERT_LT(forward, both);
    run.workspace_bytes = forward;
    EXPECT_EQ(run.ended(Calls::kForward), NCE_STATUS_OK);
    run.poison_outputs();
    EXPECT_EQ(run.call(Calls::kBackward), NCE_STATUS_WORKSPACE_TOO_SMALL);
    run.workspace_bytes = both;
    EXPECT_EQ(run.ended(Calls::kBackward), NCE_STATUS_INVALID_STATE) << "a forward pass that left nothing to it";
    EXPECT_TRUE(run.untouched());
    EXPECT_EQ(run.ended(Calls::kForward), NCE_STATUS_OK);
    EXPECT_EQ(run.ended(Calls::kBackward), NCE_STATUS_OK);
  }
}

TEST_P(DenseEdges, WorkspaceStaysSmallWhereTheMatrixWouldBeLarge) {
  // The matrix of similarities alone would take 16 GiB.
  nce_plan_desc desc = empty_problem_of({.kind = kSymmetric, .size = {65536, 65536, 128}}).desc;
  desc.workspace_budget_bytes = int64_t{256} << 20;
  const selftest::Plan plan(device(), desc);
  const int64_t both = plan.workspace_bytes(NCE_PASS_FORWARD_BACKWARD);
  EXPECT_LE(both, int64_t{emulated() ? 512 : 256} << 20);
  EXPECT_LE(plan.workspace_bytes(NCE_PASS_FORWARD), both);
}

NCE_ON_EVERY_DEVICE(DenseEdges);

}  // namespace
}  // namespace nce::test
