// Where logits are large: 1e0 to 1e19.

#include <cmath>
#include <limits>

#include "device_test.h"

namespace nce::test {
namespace {

using oracle::kDenseKinds;
using oracle::kDtypes;

constexpr int64_t kSpokes = 16;

class LargeLogits : public DeviceTest {
 protected:
  /// Whether the device has the next case at this power of ten: the emulator, where each takes a tenth of a second, has
  /// one power of each twenty in a row, and another the next time.
  bool turn_at(int power) {
    if (power == 0) ++round_;
    return turn() && (!emulated() || power == round_ * 7 % 20);
  }

  /// A problem whose similarities are exact in double and about `size`, in steps that are exact too: what is wrong with
  /// a gradient is not their rounding.
  static Problem exact_problem(const Kind& kind, int32_t similarity, nce_dtype dtype, double logit) {
    // The largest similarity that 16 products of float16 give is 2^34; else the temperature may be 1.
    const bool small = dtype == NCE_DTYPE_FLOAT16;
    int exponent = static_cast<int>(std::lround(std::log2(logit)));
    if (small) exponent = std::min(exponent, similarity == NCE_SIMILARITY_NEG_EUCLIDEAN ? 14 : 30);
    const Extent size = {4, 6, kSpokes + 1};
    Problem problem = empty_problem_of({.kind = kind, .measure = similarity, .dtype = dtype, .size = size});
    problem.tau = std::max(1e-9, std::ldexp(1.0, exponent) / logit);
    oracle::fill(problem, 1.0, 1);
    int64_t row = 0;
    for (auto* matrix : matrices(problem)) {
      for (std::size_t i = 0; i < matrix->size(); i += static_cast<std::size_t>(size.dim), ++row) {
        set_row(problem, exponent, row, matrix->data() + i);
      }
    }
    return problem;
  }

 private:
  int round_ = 0;

  static void set_row(const Problem& problem, int exponent, int64_t row, double* to) {
    const int step = static_cast<int>(row * 7 % 5) - 2;
    // Steps of the last element that change a similarity by about tau, or by its last bit.
    const int unit = std::max(static_cast<int>(std::floor(std::log2(problem.tau))), exponent - 48) / 2;
    switch (static_cast<nce_similarity>(problem.desc.similarity)) {
      case NCE_SIMILARITY_COSINE:
        return;
      case NCE_SIMILARITY_DOT: {
        const double spoke = std::ldexp(1.0, (exponent - 4) / 2);
        std::fill(to, to + kSpokes, spoke);
        to[kSpokes] = std::ldexp(step, unit);
        return;
      }
      case NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN:
        std::fill(to, to + kSpokes, 0.0);
        to[row % kSpokes] = std::ldexp(1.0, exponent / 2);
        to[kSpokes] = std::ldexp(step, unit);
        return;
      case NCE_SIMILARITY_NEG_EUCLIDEAN:
        // Roots are not exact: ties, or far apart.
        std::fill(to, to + kSpokes, 0.0);
        to[row % kSpokes] = std::ldexp(1.0, exponent);
        to[kSpokes] = step > 0 ? std::ldexp(1.0, exponent) : 0.0;
        return;
    }
  }
};

TEST_P(LargeLogits, From1To1e19KeepTheDigitsOfDenseGradients) {
  for (const Kind& kind : kDenseKinds) {
    // The mean of several positives' logits is rounded as they are.
    if (kind.by_labels && kind.aggregation == NCE_AGGREGATION_OUTSIDE) continue;
    for (const nce_similarity similarity :
         {NCE_SIMILARITY_DOT, NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN, NCE_SIMILARITY_NEG_EUCLIDEAN}) {
      for (const nce_dtype dtype : kDtypes) {
        for (int power = 0; power <= 19; ++power) {
          if (!turn_at(power)) continue;
          const Problem problem = exact_problem(kind, similarity, dtype, std::pow(10.0, power));
          SCOPED_TRACE(problem.label() + ", logits of 1e" + std::to_string(power));
          const bool wide = dtype == NCE_DTYPE_FLOAT64;
          // Bfloat16 rounds G where products of it are used at all, and float16 on tensor cores.
          const bool half = oracle::bytes_of(dtype) == 2 && similarity == NCE_SIMILARITY_DOT;
          const double size = problem.tau * std::pow(10.0, power);
          const double promise = wide ? 1e-11 : 1e-5;
          Bounds bounds{.loss = promise,
                        .loss_floor = wide ? 1e-300 : 1e-6,
                        .gradient = half ? 5e-3 : promise,
                        // Positives by labels are in G too.
                        .terms = !half            ? 0x1p-24
                                 : kind.by_labels ? 5e-3
                                                  : 5e-5,
                        .temperature = promise,
                        .metrics = 1e-4 * (1.0 + size),
                        .effective = wide ? 1e-9 : 1e-4,
                        .accuracy = 1.0};
          if (wide) bounds.terms = 0x1p-49;
          expect_close(problem, run(problem), answer_to(problem), bounds);
        }
      }
    }
  }
}

TEST_P(LargeLogits, From1To1e19KeepTheDigitsOfRowwiseGradients) {
  for (const Kind& kind : {oracle::kOwn, oracle::kPaired}) {
    for (const nce_similarity similarity :
         {NCE_SIMILARITY_DOT, NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN, NCE_SIMILARITY_NEG_EUCLIDEAN}) {
      for (const nce_dtype dtype : kDtypes) {
        for (int power = 0; power <= 19; ++power) {
          if (!turn()) continue;
          const Problem problem = exact_problem(kind, similarity, dtype, std::pow(10.0, power));
          SCOPED_TRACE(problem.label() + ", logits of 1e" + std::to_string(power));
          const Answer answer = answer_to(problem);
          Bounds bounds = rowwise_bounds(problem, answer);
          // Similarities, or their differences, are exact here, so that their size is no excuse. Where the root of a
          // triple is not, e^z has the rounding of z, and is 0 or no part of a slope beyond |z| = 745.
          const bool root = kind.loss == NCE_LOSS_NT_LOGISTIC && similarity == NCE_SIMILARITY_NEG_EUCLIDEAN;
          const double rounding = problem.gradient_dtype() == NCE_DTYPE_FLOAT64 ? 0x1p-53 : 0x1p-24;
          bounds.loss = bounds.terms = bounds.temperature = (root ? 745.0 : 16.0) * 0x1p-53;
          bounds.gradient = bounds.loss + rounding;
          bounds.metrics = 1e-9 * (1.0 + problem.tau * std::pow(10.0, power));
          bounds.accuracy = 1e-12;
          expect_close(problem, run(problem), answer, bounds);
        }
      }
    }
  }
}

/// The bound that infonce.h states: similarities are off by 2^-9 of |x| |y| on CUDA and 2^-20 on the CPU, logits by
/// that over tau, and gradients by as much, until that is all of them.
TEST_P(LargeLogits, From1To1e19AreWithinWhatFastStates) {
  for (const Kind& kind : kDenseKinds) {
    for (const nce_similarity similarity :
         {NCE_SIMILARITY_DOT, NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN, NCE_SIMILARITY_NEG_EUCLIDEAN}) {
      for (int power = 0; power <= 19; ++power) {
        if (!turn_at(power)) continue;
        Problem problem = exact_problem(kind, similarity, NCE_DTYPE_FLOAT32, std::pow(10.0, power));
        problem.desc.precision = NCE_PRECISION_FAST;
        SCOPED_TRACE(problem.label() + ", fast, logits of 1e" + std::to_string(power));
        DeviceRun run(device(), problem);
        const nce_status status = run.ended(Calls::kTogether);
        if (status == NCE_STATUS_NON_FINITE) {
          // Of distances as large, float32 has no squares.
          EXPECT_TRUE(similarity == NCE_SIMILARITY_NEG_EUCLIDEAN && power >= 18) << nce_last_error();
          EXPECT_TRUE(run.untouched());
          continue;
        }
        ASSERT_EQ(status, NCE_STATUS_OK);
        const double of_logit = std::pow(10.0, power) * (emulated() ? 0x1p-9 : 0x1p-20);
        const double share = std::min(std::expm1(std::min(of_logit, 1.0)), 1.0) + 1e-5;
        const Bounds bounds{.loss = 1e-5,
                            .loss_floor = 2.0 * of_logit + 1e-6,
                            .gradient = share,
                            .terms = 2.0 * share,
                            .temperature = share,
                            .similarity = of_logit * problem.tau,
                            .metrics = HUGE_VAL,
                            .effective = HUGE_VAL,
                            .accuracy = 1.0};
        expect_close(problem, run.read(), answer_to(problem), bounds);
      }
    }
  }
}

/// Logits of 1 / 0.0140 to 1 / 0.0110, about which exponentials in float need a scale, and then no longer have one, the
/// earlier the more terms they are summed up to. Rows are nearly parallel and opposed, so that their exponentials lie
/// at both ends.
TEST_P(LargeLogits, OfTemperaturesAtWhichExponentialsLeaveFloat) {
  constexpr Kind kKinds[] = {oracle::kShared, oracle::kInfoNce, oracle::kSymmetric, oracle::kNtXent};
  constexpr Extent kCpuSizes[] = {{5, 7, 9}, {130, 200, 9}, {4, 1500, 9}};
  constexpr Extent kEmulatedSizes[] = {{5, 7, 9}, {4, 1100, 9}};
  for (int step = 0; step <= 12; ++step) {
    const double tau = 0.0110 + 0.00025 * step;
    for (std::size_t k = 0; k < std::size(kKinds); ++k) {
      for (const Extent& size : by_device<Extent>(kCpuSizes, kEmulatedSizes)) {
        const bool large = size.m > 1000;
        if (large && kKinds[k].negatives != NCE_NEGATIVES_SHARED) continue;
        // In the emulator, each temperature with one loss, and those about both changes with many negatives.
        const int turn = step + static_cast<int>(k);
        const bool chosen = large ? step == 3 || step == 5 : turn % (GetParam().sampled ? 16 : 4) == 0;
        if (emulated() && !chosen) continue;
        Problem problem = problem_of(
            {.kind = kKinds[k], .size = size, .tau = tau, .noise = 1.0, .seed = 4700 + static_cast<uint64_t>(step)});
        const auto dim = static_cast<std::size_t>(size.dim);
        const std::vector<double> first(problem.queries.begin(), problem.queries.begin() + size.dim);
        for (auto* matrix : matrices(problem)) {
          for (std::size_t i = 0; i < matrix->size(); ++i) {
            const double sign = matrix == &problem.queries && i / dim % 3 == 2 ? -1.0 : 1.0;
            (*matrix)[i] = oracle::rounded(sign * (first[i % dim] + 0.05 * (*matrix)[i]), problem.dtype());
          }
        }
        SCOPED_TRACE(problem.label());
        Bounds bounds = dense_bounds(problem);
        // Similarities are all about as large, so that of the slopes by them little is left.
        if (emulated()) bounds.similarity = 0x1p-22;
        expect_close(problem, run(problem), answer_to(problem), bounds);
      }
    }
  }
}

NCE_ON_EVERY_DEVICE(LargeLogits);

}  // namespace
}  // namespace nce::test
