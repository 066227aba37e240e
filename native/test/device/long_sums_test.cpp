// Sums over many more rows than a matrix beside them has, and than a part of a sum: what is cut, and in which order it
// is put together again.

#include <cmath>

#include "device_test.h"

namespace nce::test {
namespace {

class LongSums : public DeviceTest {};

TEST_P(LongSums, OverAHundredTimesAsManyRowsOnOneSideAsOnTheOther) {
  constexpr Extent kWide[] = {{1, 300, 5}, {2, 300, 7}};
  constexpr Extent kTall[] = {{300, 1, 5}, {300, 3, 5}};
  uint64_t seed = 7100;
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_BFLOAT16, NCE_DTYPE_FLOAT64}) {
    for (const nce_similarity similarity : {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_DOT, NCE_SIMILARITY_NEG_EUCLIDEAN}) {
      const auto check = [&](const Kind& kind, const Extent& size) {
        ++seed;
        // In the emulator, each kind and shape with some of the others.
        if (emulated() && seed % (GetParam().sampled ? 16 : 4) != 0) return;
        Problem problem = problem_of({.kind = kind,
                                      .measure = similarity,
                                      .dtype = dtype,
                                      .size = size,
                                      .tau = 0.3,
                                      .noise = 0.4,
                                      .seed = seed});
        if (size.n > 1) weigh(problem);
        SCOPED_TRACE(problem.label());
        expect_close(problem, run(problem), answer_to(problem), dense_bounds(problem));
      };
      for (const Extent& size : kWide) {
        check(oracle::kInfoNce, size);
        check(oracle::kShared, size);
      }
      for (const Extent& size : kTall) check(oracle::kShared, size);
    }
  }
}

TEST_P(LongSums, OfRowwiseLossesOverMoreRowsThanAPart) {
  for (const Kind& kind : oracle::kRowwiseKinds) {
    for (const nce_reduction reduction : {NCE_REDUCTION_MEAN, NCE_REDUCTION_SUM}) {
      Problem problem = problem_of(
          {.kind = kind, .measure = measures_of(kind)[2], .size = {600, 2, 3}, .tau = 0.3, .noise = 0.4, .seed = 7300});
      problem.desc.reduction = reduction;
      weigh(problem);
      SCOPED_TRACE(problem.label());
      const Answer answer = answer_to(problem);
      Bounds bounds = rowwise_bounds(problem, answer);
      bounds.loss += 600 * 0x1p-53;
      bounds.temperature += 600 * 0x1p-53;
      expect_close(problem, run(problem), answer, bounds);
    }
  }
}

/// On the device sums of G and G Y are cut in parts of 512 rows, or 1024 in float, that are added to those before.
TEST_P(LongSums, OfDistancesOverMoreRowsThanAPart) {
  constexpr std::pair<Kind, Extent> kCpu[] = {{oracle::kInfoNce, {70, 1100, 4}},
                                              {oracle::kShared, {600, 50, 3}},
                                              {oracle::kSymmetric, {520, 520, 3}},
                                              {oracle::kNtLogistic, {300, 300, 3}}};
  constexpr std::pair<Kind, Extent> kEmulated[] = {{oracle::kInfoNce, {3, 530, 4}}, {oracle::kShared, {530, 3, 3}}};
  const auto check = [&](const Kind& kind, nce_similarity similarity, nce_precision precision, const Extent& size) {
    Problem problem =
        problem_of({.kind = kind, .measure = similarity, .size = size, .tau = 0.3, .noise = 0.4, .seed = 7200});
    problem.desc.precision = precision;
    SCOPED_TRACE(problem.label());
    Bounds bounds = dense_bounds(problem);
    if (precision == NCE_PRECISION_FAST) {
      bounds.loss = bounds.loss_floor = bounds.gradient = bounds.temperature = 1e-4;
    }
    expect_close(problem, run(problem), answer_to(problem), bounds);
  };
  for (const auto& [kind, size] : by_device<std::pair<Kind, Extent>>(kCpu, kEmulated)) {
    check(kind, NCE_SIMILARITY_NEG_EUCLIDEAN, NCE_PRECISION_PRECISE, size);
    if (GetParam().sampled) continue;
    check(kind, NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN, NCE_PRECISION_PRECISE, size);
    if (!emulated()) check(kind, NCE_SIMILARITY_NEG_EUCLIDEAN, NCE_PRECISION_FAST, size);
  }
  if (emulated()) check(oracle::kInfoNce, NCE_SIMILARITY_NEG_EUCLIDEAN, NCE_PRECISION_FAST, {2, 1040, 3});
}

NCE_ON_EVERY_DEVICE(LongSums);

}  // namespace
}  // namespace nce::test
