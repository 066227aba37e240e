// Rowwise losses against the oracle, and to the same bits.

#include <cmath>

#include "device_test.h"

namespace nce::test {
namespace {

using oracle::kContrastive;
using oracle::kOwn;
using oracle::kRowwiseKinds;

class RowwiseAccuracy : public DeviceTest {};

/// Every loss with every similarity or distance.
template <typename Body>
void for_each_kind(const Body& body) {
  for (const Kind& kind : kRowwiseKinds) {
    for (const int32_t measure : measures_of(kind)) body(kind, measure);
  }
}

TEST_P(RowwiseAccuracy, EveryLossAndMeasureAtRaggedSizes) {
  // Around the lane pairs of every instruction set: tails alone, exact, unrolled, unrolled with a tail. Around a lane's
  // and a warp's columns; more pairs than one thread, and than one warp, takes.
  constexpr Extent kCpu[] = {{1, 1, 1},  {3, 2, 3},  {2, 5, 8},  {5, 3, 15},
                             {4, 1, 16}, {3, 4, 17}, {2, 3, 33}, {2, 2, 65}};
  constexpr Extent kEmulated[] = {{1, 1, 1}, {9, 2, 31}, {3, 8, 33}, {2, 33, 3}, {1, 2, 129}};
  for_each_kind([&](const Kind& kind, int32_t measure) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
      uint64_t seed = 100;
      for (const Extent& size : by_device<Extent>(kCpu, kEmulated)) {
        check_rowwise(
            problem_of({.kind = kind, .measure = measure, .dtype = dtype, .size = size, .tau = 0.5, .seed = ++seed}));
      }
    }
  });
}

TEST_P(RowwiseAccuracy, EveryTemperature) {
  for_each_kind([&](const Kind& kind, int32_t measure) {
    if (!has_temperature(kind)) return;
    for (const double tau : {100.0, 1.0, 0.07, 0.01}) {
      check_rowwise(problem_of({.kind = kind, .measure = measure, .size = {4, 6, 24}, .tau = tau, .seed = 7}));
      Problem logarithm = problem_of(
          {.kind = kind, .measure = measure, .dtype = NCE_DTYPE_FLOAT64, .size = {4, 6, 24}, .tau = tau, .seed = 8});
      logarithm.temperature_form = NCE_TEMPERATURE_LOGARITHM;
      check_rowwise(logarithm);
    }
  });
}

TEST_P(RowwiseAccuracy, ReductionsWeightsUpstreamAndStrides) {
  for_each_kind([&](const Kind& kind, int32_t measure) {
    for (const nce_reduction reduction : {NCE_REDUCTION_MEAN, NCE_REDUCTION_SUM, NCE_REDUCTION_NONE}) {
      Problem problem = problem_of(
          {.kind = kind, .measure = measure, .dtype = NCE_DTYPE_FLOAT64, .size = {5, 3, 12}, .tau = 0.3, .seed = 11});
      problem.desc.reduction = reduction;
      problem.gaps = {3, 3, 3, 3, 3, 3};
      problem.weights = {0.5F, 0.0F, 2.0F, 1.25F, 3.0F};
      problem.upstream = {-1.75F};
      check_rowwise(problem);
      if (reduction != NCE_REDUCTION_NONE) continue;
      problem.upstream = {1.0F, -2.0F, 0.5F, 0.0F, 3.0F};
      check_rowwise(problem);
    }
  });
}

/// 16-bit inputs are exact in double; their gradients round once, to float or to themselves.
TEST_P(RowwiseAccuracy, SixteenBitElementsAndGradients) {
  for_each_kind([&](const Kind& kind, int32_t measure) {
    for (const auto& [dtype, unit] : {std::pair{NCE_DTYPE_FLOAT16, 0x1p-11}, std::pair{NCE_DTYPE_BFLOAT16, 0x1p-8}}) {
      if (!turn()) continue;
      Problem problem =
          problem_of({.kind = kind, .measure = measure, .dtype = dtype, .size = {5, 4, 40}, .tau = 0.5, .seed = 12});
      SCOPED_TRACE(problem.label());
      const Answer answer = answer_to(problem);
      const Result wide = run(problem);
      expect_close(problem, wide, answer, rowwise_bounds(problem, answer));
      problem.desc.gradient_dtype = dtype;
      const Result narrow = run(problem);
      EXPECT_EQ(narrow.loss, wide.loss);
      for (std::size_t k = 0; k < 3; ++k) {
        const std::vector<double>&a = *gradients(narrow)[k], &b = *gradients(wide)[k];
        ASSERT_EQ(a.size(), b.size());
        for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], unit * std::fabs(b[i]) + 0x1p-25);
      }
    }
  });
}

TEST_P(RowwiseAccuracy, TinyLossesAndDistancesKeepTheirDigits) {
  const auto check = [&](const Problem& problem) {
    EXPECT_LT(answer_to(problem).losses[0], 1e-9) << problem.label();
    check_rowwise(problem);
  };
  // A key that nearly is its query: losses down to 1e-40 at tau = 0.01, relative errors as ever.
  for (const int32_t similarity : measures_of(kOwn)) {
    check(
        problem_of({.kind = kOwn, .measure = similarity, .size = {4, 3, 32}, .tau = 0.01, .noise = 0.01, .seed = 21}));
  }
  for (const int32_t distance : measures_of(kContrastive)) {
    Problem problem =
        problem_of({.kind = kContrastive, .measure = distance, .size = {4, 4, 40}, .noise = 1e-5, .seed = 22});
    problem.labels = {1, 1, 1, 1};
    check(problem);
  }
}

TEST_P(RowwiseAccuracy, HingesOpenAndCloseWithTheMargin) {
  for_each_kind([&](const Kind& kind, int32_t distance) {
    if (!is_margin(kind)) return;
    for (const double margin : {1e-6, 0.2, 1e6}) {
      Problem problem =
          problem_of({.kind = kind, .measure = distance, .dtype = NCE_DTYPE_FLOAT64, .size = {6, 6, 10}, .seed = 31});
      problem.desc.margin = margin;
      check_rowwise(problem);
    }
  });
}

TEST_P(RowwiseAccuracy, CallsApartOtherOrdersAndMetricsChangeNoBit) {
  for_each_kind([&](const Kind& kind, int32_t measure) {
    if (!turn()) return;
    // On the device more rows than a part of the sums.
    Problem problem = problem_of({.kind = kind,
                                  .measure = measure,
                                  .size = {emulated() ? 300 : 40, 3, emulated() ? 5 : 19},
                                  .tau = 0.1,
                                  .seed = 6});
    SCOPED_TRACE(problem.label());
    const Result first = run(problem);
    const OtherOrder other;
    EXPECT_EQ(run(problem, Calls::kSeparate).difference(first), "");
    problem.desc.metrics = 0;
    Result without = run(problem);
    without.metrics = first.metrics;
    EXPECT_EQ(without.difference(first), "") << "without metrics";
  });
}

NCE_ON_EVERY_DEVICE(RowwiseAccuracy);

}  // namespace
}  // namespace nce::test
