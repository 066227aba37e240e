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
    for (const nce_similarity similarity :
         {NCE_SIMILARITY_DOT, NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN, NCE_SIMILARITY_NEG_EUCLIDEAN}) {
      for (const nce_dtype dtype : kDtypes) {
        for (int power = 0; power <= 19; ++power) {
          if (!turn() || (emulated() && power % 4 != 3 && power != 0)) continue;
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
                        .terms = half ? 5e-5 : 0x1p-24,
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

NCE_ON_EVERY_DEVICE(LargeLogits);

}  // namespace
}  // namespace nce::test
