// Dense losses against the oracle: every loss, similarity, element type and temperature, ragged shapes, weights.

#include <cmath>

#include "device_test.h"

namespace nce::test {
namespace {

using oracle::kDenseKinds;
using oracle::kDtypes;

constexpr Extent kCpuShapes[] = {{1, 1, 1},   {1, 5, 2},   {2, 2, 5},     {5, 7, 31},    {31, 33, 32},
                                 {33, 65, 3}, {63, 64, 7}, {65, 127, 33}, {64, 129, 129}};
constexpr Extent kEmulatedShapes[] = {{1, 1, 1}, {1, 5, 2}, {2, 2, 65}};
constexpr double kCpuTaus[] = {1.0, 0.5, 0.07, 0.0156, 0.015625, 0.0125, 0.01};
constexpr double kEmulatedTaus[] = {1.0, 0.5, 0.07, 0.01};

class DenseAccuracy : public DeviceTest {
 protected:
  std::span<const Extent> shapes() const { return by_device<Extent>(kCpuShapes, kEmulatedShapes); }
  std::span<const double> taus() const { return by_device<double>(kCpuTaus, kEmulatedTaus); }
};

TEST_P(DenseAccuracy, EveryLossAndSimilarityAtRaggedShapes) {
  uint64_t seed = 100;
  for (const Kind& kind : kDenseKinds) {
    for (const int32_t similarity : measures_of(kind)) {
      for (const Extent& size : shapes()) {
        for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
          ++seed;
          // In the emulator, each kind, similarity and shape with some of the others.
          const bool chief = similarity == NCE_SIMILARITY_COSINE && dtype == NCE_DTYPE_FLOAT32;
          if (emulated() && !chief && seed % 7 != 0) continue;
          check_dense(problem_of({.kind = kind,
                                  .measure = similarity,
                                  .dtype = dtype,
                                  .size = size,
                                  .tau = 0.5,
                                  .noise = 1.0,
                                  .seed = seed}));
        }
      }
    }
  }
}

TEST_P(DenseAccuracy, EveryTypeAndTemperature) {
  // A little more than one panel of the widest tiles, as sanitizers multiply the time; the emulator has a third of all.
  const Extent size = emulated() ? Extent{19, 27, 20} : Extent{49, 50, 17};
  uint64_t seed = 1000;
  for (const Kind& kind : kDenseKinds) {
    for (const int32_t similarity : measures_of(kind)) {
      for (const nce_dtype dtype : kDtypes) {
        for (const double tau : taus()) {
          ++seed;
          if (emulated() && seed % 3 != 0) continue;
          check_dense(problem_of(
              {.kind = kind, .measure = similarity, .dtype = dtype, .size = size, .tau = tau, .seed = seed}));
        }
      }
    }
  }
}

TEST_P(DenseAccuracy, LargerShapes) {
  uint64_t seed = 3000;
  for (const Kind& kind : kDenseKinds) {
    check_dense(problem_of({.kind = kind, .size = {65, 127, 33}, .tau = 0.2, .noise = 1.0, .seed = ++seed}));
    check_dense(problem_of({.kind = kind,
                            .measure = NCE_SIMILARITY_DOT,
                            .dtype = NCE_DTYPE_FLOAT16,
                            .size = {129, 130, 70},
                            .tau = 0.2,
                            .noise = 1.0,
                            .seed = ++seed}));
    if (emulated()) continue;
    check_dense(problem_of({.kind = kind, .size = {150, 250, 65}, .tau = 0.07, .noise = 0.5, .seed = ++seed}));
    check_dense(problem_of({.kind = kind,
                            .dtype = NCE_DTYPE_BFLOAT16,
                            .size = {150, 250, 301},
                            .tau = 0.07,
                            .noise = 0.5,
                            .seed = ++seed}));
  }
  const auto single = [&](const Kind& kind, int32_t similarity, const Extent& size, double tau) {
    check_dense(
        problem_of({.kind = kind, .measure = similarity, .size = size, .tau = tau, .noise = 1.0, .seed = ++seed}));
  };
  single(oracle::kSymmetric, NCE_SIMILARITY_COSINE, {130, 130, 257}, 0.2);
  single(oracle::kShared, NCE_SIMILARITY_DOT, {129, 200, 130}, 0.2);
  single(oracle::kNtXent, NCE_SIMILARITY_NEG_EUCLIDEAN, {65, 65, 33}, 0.2);
  if (emulated()) return;
  single(oracle::kSymmetric, NCE_SIMILARITY_COSINE, {1000, 1000, 12}, 0.04);
  single(oracle::kInfoNce, NCE_SIMILARITY_DOT, {64, 100, 1024}, 0.0625);
}

TEST_P(DenseAccuracy, UnboundedSimilaritiesAndNormsFarApart) {
  uint64_t seed = 2000;
  const auto check = [&](const Kind& kind, int32_t similarity, nce_dtype dtype, const Extent& size, auto exponent_of) {
    Problem problem = problem_of(
        {.kind = kind, .measure = similarity, .dtype = dtype, .size = size, .tau = 0.01, .noise = 3.0, .seed = ++seed});
    for (auto* matrix : matrices(problem)) {
      for (std::size_t i = 0; i < matrix->size(); ++i) {
        (*matrix)[i] = std::ldexp((*matrix)[i], exponent_of(static_cast<int>(i / 20)));
      }
    }
    check_dense(problem);
  };
  for (const Kind& kind : kDenseKinds) {
    for (const int32_t similarity : measures_of(kind)) {
      for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
        if (!emulated()) check(kind, similarity, dtype, {30, 61, 20}, [](int) { return 2; });
      }
      for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_BFLOAT16}) {
        check(kind, similarity, dtype, {20, 31, 20}, [](int row) { return row % 3 == 0 ? 2 : -row % 5; });
      }
    }
  }
}

/// Logits are as ever, so that no wider arithmetic takes over: what rows are scaled by must come back in every place.
TEST_P(DenseAccuracy, ProductsOfRowsOfAnySizeAtTheirTemperature) {
  uint64_t seed = 2500;
  for (const int exponent : {-10, 5}) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_BFLOAT16}) {
      for (const Kind& kind : {oracle::kInfoNce, oracle::kSymmetric, oracle::kShared, oracle::kNtXent}) {
        if (!turn()) continue;
        Problem problem = problem_of({.kind = kind,
                                      .measure = NCE_SIMILARITY_DOT,
                                      .dtype = dtype,
                                      .size = {20, 31, 20},
                                      .tau = std::ldexp(1.0, 2 * exponent),
                                      .seed = ++seed});
        for (auto* matrix : matrices(problem)) {
          for (std::size_t i = 0; i < matrix->size(); ++i) {
            (*matrix)[i] = std::ldexp((*matrix)[i], exponent + static_cast<int>(i / 20 % 4) - 2);
          }
        }
        SCOPED_TRACE(problem.label());
        Bounds bounds = dense_bounds(problem);
        // What is promised goes with logits, which are about 1, and not with tau alone.
        if (emulated()) bounds.loss = bounds.loss_floor = bounds.temperature = 1e-6;
        if (emulated() && dtype == NCE_DTYPE_FLOAT32) bounds.gradient = bounds.temperature = 3e-6;
        bounds.terms = 0.01 * bounds.gradient;
        bounds.similarity *= std::ldexp(1.0, 2 * exponent);
        bounds.metrics = 1e-4 * std::max(1.0, 4.0 * problem.tau);
        expect_close(problem, run(problem), answer_to(problem), bounds);
      }
    }
  }
}

/// Keys of norm 2^exponent whose products with their queries are about 1, as large terms cancel.
void make_keys_across(Problem& problem, int exponent) {
  const auto dim = static_cast<std::size_t>(problem.desc.dim);
  for (std::size_t first = 0; first < problem.keys.size(); first += dim) {
    const double* const x = problem.queries.data() + first;
    double* const z = problem.keys.data() + first;
    double along = 0.0, squares = 0.0;
    for (std::size_t d = 0; d < dim; ++d) along += x[d] * z[d], squares += x[d] * x[d];
    for (std::size_t d = 0; d < dim; ++d) {
      z[d] = oracle::rounded(std::ldexp(z[d] - along / squares * x[d], exponent) + x[d], problem.dtype());
    }
  }
}

// The keys' products may be beyond what an arithmetic keeps digits of, while the negatives' are not.
TEST_P(DenseAccuracy, KeysAndSharedNegativesOfDifferentSize) {
  uint64_t seed = 4000;
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
    for (const int exponent : {-12, 0, 9, 14}) {
      Problem problem = problem_of({.kind = oracle::kShared,
                                    .measure = NCE_SIMILARITY_DOT,
                                    .dtype = dtype,
                                    .size = {20, 31, 20},
                                    .tau = 0.5,
                                    .seed = ++seed});
      make_keys_across(problem, exponent);
      check_dense(problem);
    }
  }
}

TEST_P(DenseAccuracy, SixteenBitElementsAndGradients) {
  constexpr Extent kCpu[] = {{1, 1, 1}, {2, 5, 5}, {31, 33, 32}, {63, 64, 7}, {65, 127, 33}, {64, 129, 129}};
  constexpr Extent kEmulated[] = {{2, 5, 5}};
  uint64_t seed = 6000;
  for (const Kind& kind : kDenseKinds) {
    for (const int32_t similarity : measures_of(kind)) {
      for (const nce_dtype dtype : {NCE_DTYPE_FLOAT16, NCE_DTYPE_BFLOAT16}) {
        for (const Extent& size : by_device<Extent>(kCpu, kEmulated)) {
          Problem problem = problem_of({.kind = kind,
                                        .measure = similarity,
                                        .dtype = dtype,
                                        .size = size,
                                        .tau = 0.5,
                                        .noise = 1.0,
                                        .seed = ++seed,
                                        .narrow_gradients = true});
          if (emulated() && seed % 3 != 0) continue;
          check_dense(problem);
          if (emulated()) continue;
          problem.desc.gradient_dtype = NCE_DTYPE_FLOAT32;
          problem.desc.metrics = 0;
          check_dense(problem);
        }
      }
    }
    Problem weighted = problem_of({.kind = kind,
                                   .dtype = NCE_DTYPE_BFLOAT16,
                                   .size = {37, 50, 24},
                                   .tau = 0.1,
                                   .seed = ++seed,
                                   .narrow_gradients = true});
    weighted.desc.reduction = NCE_REDUCTION_NONE;
    weigh(weighted);
    set_upstream_by_row(weighted);
    check_dense(weighted);
  }
}

TEST_P(DenseAccuracy, SixteenBitRowsOfAnySize) {
  // Norms that a pair's factor must undo: bfloat16 reaches from 1e-38 to 3e38.
  const Extent size = emulated() ? Extent{10, 15, 9} : Extent{40, 61, 21};
  uint64_t seed = 7000;
  for (const Kind& kind : kDenseKinds) {
    for (const double most : {1e-30, 1e-12, 1e12, 1e30}) {
      Problem problem =
          problem_of({.kind = kind, .dtype = NCE_DTYPE_BFLOAT16, .size = size, .tau = 0.1, .seed = ++seed});
      int64_t element = 0;
      for (auto* matrix : matrices(problem)) {
        for (double& value : *matrix) {
          const int64_t row = element++ / size.dim;
          value = oracle::rounded(value * std::pow(most, static_cast<double>(row % 4) / 3.0), NCE_DTYPE_BFLOAT16);
        }
      }
      check_dense(problem);
    }
    for (const double norm : {1e-4, 30.0, 1e4}) {
      Problem problem = problem_of({.kind = kind,
                                    .measure = NCE_SIMILARITY_DOT,
                                    .dtype = NCE_DTYPE_BFLOAT16,
                                    .size = size,
                                    .tau = norm * norm * 0.1,
                                    .seed = ++seed});
      problem.desc.metrics = 0;
      for (auto* matrix : matrices(problem)) {
        for (double& value : *matrix) value = oracle::rounded(value * norm, NCE_DTYPE_BFLOAT16);
      }
      check_dense(problem);
    }
  }
}

TEST_P(DenseAccuracy, ReductionsWeightsAndUpstream) {
  uint64_t seed = 4000;
  for (const Kind& kind : kDenseKinds) {
    for (const nce_reduction reduction : {NCE_REDUCTION_MEAN, NCE_REDUCTION_SUM, NCE_REDUCTION_NONE}) {
      Problem problem = problem_of({.kind = kind, .size = {37, 50, 24}, .tau = 0.1, .seed = ++seed});
      problem.desc.reduction = reduction;
      weigh(problem);
      problem.upstream = {-2.5F};
      check_dense(problem);
      if (reduction != NCE_REDUCTION_NONE) continue;
      set_upstream_by_row(problem);
      check_dense(problem);
    }
  }
}

TEST_P(DenseAccuracy, TinyLossesKeepTheirDigits) {
  // Near-orthogonal rows with exact positives: the loss is about n exp((margin - 1) / tau), unless decoupled.
  constexpr double kCpu[] = {0.035, 0.02, 0.0156, 0.0145, 0.01};
  constexpr double kEmulated[] = {0.035, 0.02, 0.0125, 0.01};
  for (const double tau : by_device<double>(kCpu, kEmulated)) {
    // On the device gradients by blocks, and by tiles.
    const Extent size = !emulated() ? Extent{20, 20, 2000} : Extent{12, 12, tau == 0.02 || tau == 0.01 ? 200 : 300};
    for (const Kind& kind : kDenseKinds) {
      // Several positives leave a loss of their own.
      if (!is_softmax(kind) || kind.by_labels || kind.denominator == NCE_DENOMINATOR_NEGATIVES || !turn()) continue;
      // At 0.01 gradients are near 1e-42, where float has no digits left.
      const nce_dtype dtype = tau == 0.01 ? NCE_DTYPE_FLOAT64 : NCE_DTYPE_FLOAT32;
      const Problem problem =
          problem_of({.kind = kind, .dtype = dtype, .size = size, .tau = tau, .noise = 0.01, .seed = 77});
      const Answer answer = answer_to(problem);
      ASSERT_LT(answer.loss, kind.margin > 0.0 ? 1e-8 : 1e-9) << problem.label();
      // As small as this the loss is proportional to the mass of the negatives, like the gradient.
      Bounds bounds = dense_bounds(problem);
      if (emulated()) bounds.loss = bounds.gradient = 5e-5 * 0.01 / tau;
      bounds.loss_floor = bounds.terms = 0;
      expect_close(problem, run(problem), answer, bounds);
    }
  }
}

/// Tensor cores truncate what they add. Where nearly all of a row's mass is on one near row, each drift of its
/// similarity is one of its gradient.
TEST_P(DenseAccuracy, NearRowsInTwosKeepTheirDigits) {
  uint64_t seed = 5600;
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_BFLOAT16, NCE_DTYPE_FLOAT64}) {
    for (const int64_t dim : {32, 64, 128, 200, 256, 300, 512, 1024}) {
      for (const double tau : {0.07, 0.0125}) {
        ++seed;
        if (!turn() || (emulated() && dtype != NCE_DTYPE_FLOAT32 && (dim != 256 || tau < 0.05))) continue;
        const int64_t n = emulated() && dim > 256 ? 16 : 48;
        Problem problem = problem_of(
            {.kind = oracle::kSymmetric, .dtype = dtype, .size = {n, n, dim}, .tau = tau, .noise = 0.3, .seed = seed});
        for (auto* matrix : matrices(problem)) {
          for (int64_t row = 1; row < static_cast<int64_t>(matrix->size()) / dim; row += 2) {
            for (int64_t d = 0; d < dim; ++d) {
              double& value = (*matrix)[static_cast<std::size_t>(row * dim + d)];
              value = oracle::rounded((*matrix)[static_cast<std::size_t>((row - 1) * dim + d)] + 0.3 * value, dtype);
            }
          }
        }
        check_dense(problem);
      }
    }
  }
}

TEST_P(DenseAccuracy, FastKeepsAFewDigits) {
  // On the CPU, logits of size 100 are rounded to 4e-6 and their products to about 1e-7 / tau. On tensor cores elements
  // are rounded to 2^-11, so logits to about 3e-4 / tau of random errors over the norm.
  const Extent size = emulated() ? Extent{40, 51, 40} : Extent{60, 71, 40};
  uint64_t seed = 5000;
  for (const Kind& kind : kDenseKinds) {
    for (const int32_t similarity : measures_of(kind)) {
      if (!turn()) continue;
      Problem problem = problem_of(
          {.kind = kind, .measure = similarity, .size = size, .tau = emulated() ? 0.07 : 0.01, .seed = ++seed});
      problem.desc.precision = NCE_PRECISION_FAST;
      problem.desc.metrics = 0;
      Bounds bounds{.loss = 1e-3, .gradient = 1e-3, .temperature = 1e-3};
      if (emulated()) bounds = {.loss = 2e-3, .loss_floor = 2e-3, .gradient = 1e-2, .terms = 1e-4, .temperature = 2e-3};
      expect_close(problem, run(problem), answer_to(problem), bounds);
    }
  }
}

NCE_ON_EVERY_DEVICE(DenseAccuracy);

}  // namespace
}  // namespace nce::test
