// Outputs that are added to what memory holds, and the weight of a loss: on every engine, to the rounding of the type.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "device_test.h"

namespace nce::test {
namespace {

using oracle::kDtypes;
using oracle::kInfoNce;
using oracle::kOwn;
using oracle::kSigLip;
using oracle::kSymmetric;

/// A kind or two of every way that outputs are written in.
constexpr Kind kKinds[] = {kInfoNce,
                           kSymmetric,
                           oracle::kShared,
                           oracle::kNtXent,
                           oracle::kNtXentOneMatrix,
                           oracle::kSymmetricGrouped,
                           oracle::kNtLogistic,
                           kSigLip,
                           oracle::kSupCon,
                           oracle::kSupConTwoTowers,
                           oracle::kSymmetricRelative,
                           kOwn,
                           oracle::kPaired,
                           oracle::kContrastive,
                           oracle::kTriplet,
                           oracle::mined_kind("batch all", NCE_MINING_BATCH_ALL),
                           oracle::mined_kind("batch hard", NCE_MINING_BATCH_HARD),
                           oracle::kMultiSimilarity,
                           oracle::kCircle};

/// The distance of a number's neighbours in its type.
double unit_of(nce_dtype dtype, double x) {
  const auto unit = [x](int digits, int smallest) {
    return std::ldexp(1.0, std::max(x == 0.0 ? smallest : std::ilogb(x), smallest) - digits);
  };
  switch (dtype) {
    case NCE_DTYPE_FLOAT64:
      return unit(52, -1022);
    case NCE_DTYPE_FLOAT32:
      return unit(23, -126);
    case NCE_DTYPE_FLOAT16:
      return unit(10, -14);
    case NCE_DTYPE_BFLOAT16:
      return unit(7, -126);
  }
  oracle::unknown("no such type");
}

class Accumulate : public DeviceTest {
 protected:
  /// Of sizes at which the emulator has several tiles and launches.
  Problem small(const Kind& kind, int32_t measure, nce_dtype dtype, bool narrow, uint64_t seed) const {
    return problem_of({.kind = kind,
                       .measure = measure,
                       .dtype = dtype,
                       .size = emulated() ? Extent{22, 29, 20} : Extent{70, 85, 37},
                       .tau = 0.3,
                       .seed = seed,
                       .narrow_gradients = narrow});
  }

  /// Numbers of the size of a result, of either sign, that its types hold.
  static Result held_by(const Problem& problem, const Result& like) {
    Result held = like;
    for (std::size_t i = 0; i < held.loss.size(); ++i) held.loss[i] = 0.75 - 0.5 * static_cast<double>(i % 4);
    for (auto* const gradient : gradients(held)) {
      const double size = std::max(largest(*gradient), 1e-3);
      for (std::size_t i = 0; i < gradient->size(); ++i) {
        const double share = static_cast<double>(i * 37 % 101) / 50.0 - 1.0;
        (*gradient)[i] = oracle::rounded(size * share, problem.gradient_dtype());
      }
    }
    held.d_temperature = -1.25;
    held.d_bias = 2.5;
    return held;
  }

  /// The sum is rounded once, and what was written alone was too; 16 bits are rounded from float32.
  static void expect_sums(const Problem& problem, const Result& sums, const Result& held, const Result& written) {
    const auto expect = [](const char* what, nce_dtype dtype, const std::vector<double>& sum,
                           const std::vector<double>& before, const std::vector<double>& added) {
      ASSERT_EQ(sum.size(), added.size()) << what;
      for (std::size_t i = 0; i < sum.size(); ++i) {
        const double allowed = 0.505 * (unit_of(dtype, sum[i]) + unit_of(dtype, added[i]));
        const long double right = static_cast<long double>(before[i]) + static_cast<long double>(added[i]);
        ASSERT_LE(std::fabs(static_cast<long double>(sum[i]) - right), allowed) << what << ", element " << i;
      }
    };
    expect("loss", NCE_DTYPE_FLOAT64, sums.loss, held.loss, written.loss);
    expect("d_temperature", NCE_DTYPE_FLOAT64, {sums.d_temperature}, {held.d_temperature}, {written.d_temperature});
    expect("d_bias", NCE_DTYPE_FLOAT64, {sums.d_bias}, {held.d_bias}, {written.d_bias});
    expect("d_queries", problem.gradient_dtype(), sums.d_queries, held.d_queries, written.d_queries);
    expect("d_keys", problem.gradient_dtype(), sums.d_keys, held.d_keys, written.d_keys);
    expect("d_negatives", problem.gradient_dtype(), sums.d_negatives, held.d_negatives, written.d_negatives);
    EXPECT_EQ(std::memcmp(&sums.metrics, &written.metrics, sizeof sums.metrics), 0) << "metrics are written";
  }

  void check_sums(Problem problem, Calls calls) {
    SCOPED_TRACE(problem.label());
    const Result written = run(problem);
    problem.gaps = {.queries = 1, .keys = 2, .negatives = 3, .d_queries = 4, .d_keys = 1, .d_negatives = 2};
    DeviceRun adding(device(), problem);
    adding.out.accumulate = 1;
    const Result held = held_by(problem, written);
    adding.hold(held);
    expect_sums(problem, adding(calls), held, written);
  }
};

TEST_P(Accumulate, EveryKindSimilarityAndType) {
  uint64_t seed = 0;
  for (const Kind& kind : kKinds) {
    for (const int32_t measure : measures_of(kind)) {
      for (const nce_dtype dtype : kDtypes) {
        for (const bool narrow : {false, true}) {
          if (narrow && oracle::bytes_of(dtype) > 2) continue;
          ++seed;
          // In the emulator each kind has every measure, and every type, in turns.
          if ((emulated() && seed % 5 != 0) || !turn()) continue;
          check_sums(small(kind, measure, dtype, narrow, seed), seed % 2 == 0 ? Calls::kTogether : Calls::kSeparate);
        }
      }
    }
  }
}

TEST_P(Accumulate, ReductionsWeightsAndUpstream) {
  for (const Kind& kind : kKinds) {
    for (const nce_reduction reduction : {NCE_REDUCTION_SUM, NCE_REDUCTION_NONE}) {
      if (!turn()) continue;
      Problem problem = small(kind, measures_of(kind)[0], NCE_DTYPE_FLOAT32, false, 7);
      problem.desc.reduction = reduction;
      oracle::weigh(problem);
      if (reduction == NCE_REDUCTION_NONE) oracle::set_upstream_by_row(problem);
      check_sums(problem, Calls::kTogether);
    }
  }
}

/// Strips of keys, strips of rows, wide rows and many steps of the device.
TEST_P(Accumulate, ProblemsThatComeInParts) {
  const int64_t keys = emulated() ? 1100 : 2500;
  for (const Kind& kind : {kInfoNce, oracle::kShared, oracle::kAbsolute}) {
    for (const int32_t similarity : {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_NEG_EUCLIDEAN}) {
      if (!turn()) continue;
      const bool wide = similarity == NCE_SIMILARITY_COSINE;
      check_sums(
          problem_of({.kind = kind, .measure = similarity, .size = {12, keys, wide ? 64 : 16}, .tau = 0.3, .seed = 41}),
          Calls::kTogether);
    }
  }
  for (const Kind& kind : {kSymmetric, oracle::kNtXent}) {
    if (!turn()) continue;
    check_sums(problem_of({.kind = kind,
                           .dtype = NCE_DTYPE_BFLOAT16,
                           .size = emulated() ? Extent{40, 40, 290} : Extent{700, 700, 290},
                           .tau = 0.3,
                           .seed = 42}),
               Calls::kSeparate);
  }
  for (const int64_t budget : {int64_t{0}, int64_t{3} << 20}) {
    if (emulated() || !turn()) continue;
    Problem problem = problem_of({.kind = kInfoNce, .size = {900, 1100, 33}, .tau = 0.3, .seed = 43});
    problem.desc.workspace_budget_bytes = budget;
    check_sums(problem, Calls::kTogether);
  }
}

TEST_P(Accumulate, ToZerosIsWhatIsWritten) {
  for (const Kind& kind : kKinds) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT16}) {
      if (!turn()) continue;
      const Problem problem = small(kind, measures_of(kind)[0], dtype, true, 3);
      SCOPED_TRACE(problem.label());
      DeviceRun run(device(), problem);
      const Result written = run(Calls::kTogether);
      Result zeros = written;
      std::fill(zeros.loss.begin(), zeros.loss.end(), 0.0);
      for (auto* const gradient : gradients(zeros)) std::fill(gradient->begin(), gradient->end(), 0.0);
      zeros.d_temperature = zeros.d_bias = 0.0;
      run.poison();
      run.hold(zeros);
      run.out.accumulate = 1;
      const Result sums = run(Calls::kTogether);
      EXPECT_EQ(sums.loss, written.loss);
      for (std::size_t k = 0; k < 3; ++k) EXPECT_EQ(*gradients(sums)[k], *gradients(written)[k]) << "gradient " << k;
      EXPECT_EQ(sums.d_temperature, written.d_temperature);
      EXPECT_EQ(sums.d_bias, written.d_bias);
    }
  }
}

/// Where a loss has no gradient, memory stays as it is.
TEST_P(Accumulate, WithoutAGradientMemoryStays) {
  for (const Kind& kind : kKinds) {
    if (!turn()) continue;
    Problem problem = small(kind, measures_of(kind)[0], NCE_DTYPE_FLOAT32, false, 5);
    SCOPED_TRACE(problem.label());
    problem.weights.assign(static_cast<std::size_t>(problem.shape().rows), 0.0F);
    DeviceRun run(device(), problem);
    const Result held = held_by(problem, run(Calls::kTogether));
    run.hold(held);
    run.out.accumulate = 1;
    const Result sums = run(Calls::kTogether);
    EXPECT_EQ(sums.loss, held.loss);
    for (std::size_t k = 0; k < 3; ++k) EXPECT_EQ(*gradients(sums)[k], *gradients(held)[k]) << "gradient " << k;
    EXPECT_EQ(sums.d_temperature, held.d_temperature);
    EXPECT_EQ(sums.d_bias, held.d_bias);
  }
}

TEST_P(Accumulate, RefusedCallsLeaveWhatIsThere) {
  for (const Kind& kind : kKinds) {
    if (!turn()) continue;
    Problem problem = small(kind, measures_of(kind)[0], NCE_DTYPE_FLOAT32, false, 6);
    problem.desc.reduction = NCE_REDUCTION_NONE;
    SCOPED_TRACE(problem.label());
    const Result held = held_by(problem, run(problem));
    problem.queries.back() = std::numeric_limits<double>::quiet_NaN();
    DeviceRun adding(device(), problem);
    adding.hold(held);
    adding.out.accumulate = 1;
    EXPECT_EQ(adding.ended(Calls::kTogether), NCE_STATUS_NON_FINITE);
    Result after = adding.read();
    after.metrics = held.metrics;
    EXPECT_EQ(after.difference(held), "");
  }
}

/// A gradient is told where its sum is beyond its type, though it is not.
TEST_P(Accumulate, SumsBeyondTheirTypeAreTold) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto expect = [&](const Problem& problem, const char* what, const auto& change) {
    if (!turn()) return;
    SCOPED_TRACE(problem.label() + ": " + what);
    DeviceRun run(device(), problem);
    Result held = run(Calls::kTogether);
    change(held);
    run.hold(held);
    run.out.accumulate = 1;
    EXPECT_EQ(run.ended(Calls::kTogether), NCE_STATUS_NON_FINITE);
    const std::string text =
        std::string("outputs->") + what +
        " overflows its element type in row 5; gradients may have been written, with infinities there";
    EXPECT_EQ(std::string(nce_last_error()), text);
  };
  const auto fill = [](std::vector<double>& gradient, int64_t dim, double number) {
    for (int64_t i = 5 * dim; i < 6 * dim; ++i) {
      gradient[static_cast<std::size_t>(i)] = std::copysign(number, gradient[static_cast<std::size_t>(i)]);
    }
  };
  for (const Kind& kind : {kInfoNce, kOwn, oracle::mined_kind("batch all", NCE_MINING_BATCH_ALL)}) {
    for (const nce_dtype dtype : kDtypes) {
      Problem problem = small(kind, measures_of(kind)[0], dtype, true, 8);
      const int64_t dim = problem.desc.dim;
      expect(problem, "d_queries", [&](Result& held) { fill(held.d_queries, dim, kInfinity); });
      if (problem.shape().keys > 0) {
        expect(problem, "d_keys", [&](Result& held) { fill(held.d_keys, dim, kInfinity); });
      }
      if (dtype != NCE_DTYPE_FLOAT16) continue;
      // Above half the distance of the largest numbers, 32, and below these.
      problem.desc.reduction = NCE_REDUCTION_SUM;
      problem.upstream = {256.0F};
      expect(problem, "d_queries", [&](Result& held) { fill(held.d_queries, dim, 65504.0); });
    }
  }
}

TEST_P(Accumulate, NumbersBeyondTheirTypeAreTold) {
  for (const Kind& kind : {kInfoNce, kOwn, kSigLip}) {
    for (const bool bias : {false, true}) {
      if ((bias && kind.loss != NCE_LOSS_SIGLIP) || !turn()) continue;
      const Problem problem = small(kind, 0, NCE_DTYPE_FLOAT32, false, 9);
      SCOPED_TRACE(problem.label());
      DeviceRun run(device(), problem);
      Result held = run(Calls::kTogether);
      (bias ? held.d_bias : held.d_temperature) = std::numeric_limits<double>::infinity();
      run.hold(held);
      run.out.accumulate = 1;
      EXPECT_EQ(run.ended(Calls::kTogether), NCE_STATUS_NON_FINITE);
      EXPECT_EQ(std::string(nce_last_error()),
                std::string("outputs->") + (bias ? "d_bias" : "d_temperature") +
                    " overflows its element type in row 0; gradients may have been written, with infinities there");
    }
  }
}

TEST_P(Accumulate, TwoHalvesAreOne) {
  for (const Kind& kind : kKinds) {
    if (!turn()) continue;
    Problem problem = small(kind, measures_of(kind)[0], NCE_DTYPE_FLOAT32, false, 10);
    SCOPED_TRACE(problem.label());
    const Result whole = run(problem);
    problem.desc.loss_weight = 0.5;
    DeviceRun run(device(), problem);
    const Result first = run(Calls::kTogether);
    run.out.accumulate = 1;
    const Result sums = run(Calls::kTogether);
    // Halves are exact but below the normal numbers.
    EXPECT_EQ(sums.loss, whole.loss);
    EXPECT_EQ(sums.d_temperature, whole.d_temperature);
    EXPECT_EQ(sums.d_bias, whole.d_bias);
    for (std::size_t k = 0; k < 3; ++k) expect_near(*gradients(sums)[k], *gradients(whole)[k], 0x1p-149);
    EXPECT_EQ(std::memcmp(&sums.metrics, &whole.metrics, sizeof whole.metrics), 0);
    EXPECT_EQ(std::memcmp(&first.metrics, &whole.metrics, sizeof whole.metrics), 0);
  }
}

TEST_P(Accumulate, AWeightOfOneAndPowersOfTwoChangeNoOtherBit) {
  for (const Kind& kind : kKinds) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
      if (!turn()) continue;
      Problem problem = small(kind, measures_of(kind)[0], dtype, false, 11);
      problem.desc.reduction = NCE_REDUCTION_NONE;
      oracle::weigh(problem);
      SCOPED_TRACE(problem.label());
      Result plain = run(problem);
      problem.desc.loss_weight = 1.0;
      EXPECT_EQ(run(problem).difference(plain), "");
      problem.desc.loss_weight = 8.0;
      for (double& loss : plain.loss) loss *= 8.0;
      for (auto* const gradient : gradients(plain)) {
        for (double& x : *gradient) x *= 8.0;
      }
      plain.d_temperature *= 8.0;
      plain.d_bias *= 8.0;
      EXPECT_EQ(run(problem).difference(plain), "");
    }
  }
}

TEST_P(Accumulate, WeightsAgainstTheOracle) {
  uint64_t seed = 300;
  for (const Kind& kind : kKinds) {
    // Their choices are decided by other tests.
    if (kind.mining != NCE_MINING_NONE || kind.threshold != NCE_THRESHOLD_NONE) continue;
    for (const nce_reduction reduction : {NCE_REDUCTION_MEAN, NCE_REDUCTION_NONE}) {
      for (const double weight : {0.3, 17.0}) {
        Problem problem = small(kind, measures_of(kind)[0], NCE_DTYPE_FLOAT32, false, ++seed);
        problem.desc.reduction = reduction;
        problem.desc.loss_weight = weight;
        oracle::weigh(problem);
        if (reduction == NCE_REDUCTION_NONE) oracle::set_upstream_by_row(problem);
        if (problem.shape().rowwise) {
          check_rowwise(problem);
        } else {
          check_dense(problem);
        }
      }
    }
  }
}

/// Losses that a weight takes out of the range of double are refused before anything is written.
TEST_P(Accumulate, WeightsBeyondAllLossesAreRefused) {
  for (const Kind& kind : {kInfoNce, kSymmetric, kSigLip, kOwn, oracle::kContrastive}) {
    for (const nce_reduction reduction : {NCE_REDUCTION_SUM, NCE_REDUCTION_NONE}) {
      if (!turn()) continue;
      Problem problem = small(kind, 0, NCE_DTYPE_FLOAT32, false, 12);
      problem.desc.reduction = reduction;
      problem.weights.assign(static_cast<std::size_t>(problem.shape().rows), 1e30F);
      problem.desc.loss_weight = 1e307;
      SCOPED_TRACE(problem.label());
      DeviceRun run(device(), problem);
      EXPECT_EQ(run.ended(Calls::kTogether), NCE_STATUS_NON_FINITE);
      EXPECT_TRUE(run.untouched());
    }
  }
}

/// Losses so heavy that each is looked at are what they are otherwise.
TEST_P(Accumulate, HeavyLossesAreAsOthers) {
  for (const Kind& kind : {kInfoNce, kSymmetric, oracle::kSupCon, kOwn}) {
    for (const nce_reduction reduction : {NCE_REDUCTION_MEAN, NCE_REDUCTION_NONE}) {
      if (!turn()) continue;
      Problem problem = small(kind, 0, NCE_DTYPE_FLOAT64, false, 13);
      problem.desc.reduction = reduction;
      SCOPED_TRACE(problem.label());
      Result plain = run(problem);
      problem.desc.loss_weight = 0x1p200;
      for (double& loss : plain.loss) loss *= 0x1p200;
      const Result heavy = run(problem);
      EXPECT_EQ(heavy.loss, plain.loss);
      EXPECT_EQ(heavy.d_temperature, plain.d_temperature * 0x1p200);
    }
  }
}

/// As prefixes in Java do: a call keeps how it ended in the first 256 bytes of its workspace.
TEST_P(Accumulate, CallsMayShareTheMemoryBehindTheirStates) {
  constexpr int64_t kStateDistance = 256;
  for (const Kind& kind : kKinds) {
    if (!emulated() || !turn()) continue;
    Problem problem = small(kind, measures_of(kind)[0], NCE_DTYPE_FLOAT32, false, 14);
    SCOPED_TRACE(problem.label());
    DeviceRun good(device(), problem);
    const Result expected = good(Calls::kTogether);
    problem.queries.back() = std::numeric_limits<double>::quiet_NaN();
    DeviceRun bad(device(), problem, {.workspace_offset = kStateDistance});
    auto* const memory = static_cast<std::byte*>(bad.workspace) - kStateDistance;
    bad.workspace = memory;
    EXPECT_EQ(bad.ended(Calls::kTogether), NCE_STATUS_NON_FINITE);
    good.poison_outputs();
    good.workspace = memory + kStateDistance;
    EXPECT_EQ(good(Calls::kTogether).difference(expected), "");
    EXPECT_EQ(bad.status(), NCE_STATUS_NON_FINITE);
    EXPECT_EQ(good.status(), NCE_STATUS_OK);
  }
}

NCE_ON_EVERY_DEVICE(Accumulate);

}  // namespace
}  // namespace nce::test
