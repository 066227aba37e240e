// Dense losses by distances, where |x|^2 + |y|^2 - 2 <x, y> would cancel: far from the origin, and of rows that are
// near.

#include <cmath>

#include "device_test.h"

namespace nce::test {
namespace {

using oracle::kDenseKinds;
using oracle::kDtypes;
using oracle::rounded;

constexpr nce_similarity kEuclidean[] = {NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN, NCE_SIMILARITY_NEG_EUCLIDEAN};

class Euclidean : public DeviceTest {
 protected:
  /// The distances that rows of this type have about this place are what the promise is of, whatever their rounding.
  void check(Problem problem, double digits) {
    if (!turn()) return;
    SCOPED_TRACE(problem.label());
    const bool wide = problem.dtype() == NCE_DTYPE_FLOAT64;
    const bool half = oracle::bytes_of(problem.gradient_dtype()) == 2;
    const double promise = wide ? digits : 1e-5;
    const Bounds bounds{.loss = promise,
                        .loss_floor = promise,
                        .gradient = half ? 5e-3 : promise,
                        // A gradient is a sum of terms that may cancel, each of which has the promised digits.
                        .terms = 1e-2 * promise,
                        .smallest = 0x1p-127,
                        .temperature = promise,
                        .metrics = 1e-4 * (1.0 + problem.tau),
                        .effective = 1e-4,
                        .accuracy = problem.desc.dim < 3 ? 1.0 : 1e-12};
    expect_close(problem, run(problem), oracle::oracle<long double>(problem), bounds);
  }

  static void move(Problem& problem, double offset, double spread) {
    int64_t element = 0;
    for (auto* matrix : matrices(problem)) {
      for (double& value : *matrix) {
        const auto d = static_cast<double>(element++ % problem.desc.dim);
        value = rounded(value * spread + offset * (1.0 - 0.1 * d), problem.dtype());
      }
    }
  }
};

TEST_P(Euclidean, DistancesFarFromTheOriginKeepTheirDigits) {
  int cases = 0;
  for (const Kind& kind : kDenseKinds) {
    for (const nce_similarity similarity : kEuclidean) {
      for (const nce_dtype dtype : kDtypes) {
        for (int power = 2; power <= 12; power += 2) {
          if (emulated() && ++cases % 5 != 0) continue;
          if (dtype == NCE_DTYPE_FLOAT16 && power > 4) continue;
          const double offset = std::pow(10.0, power);
          // At least a few steps of the type's digits about the offset.
          const double unit = rounded(offset * 1.01, dtype) == offset ? 0.02 * offset : 0.0;
          const double digits = dtype == NCE_DTYPE_FLOAT32 ? 0x1p-21 : 0x1p-50;
          const double spread = std::max({1.0, unit, oracle::bytes_of(dtype) == 2 ? 0.05 * offset : digits * offset});
          const Extent size = emulated() ? Extent{9, 13, 6} : Extent{37, 50, 6};
          const double tau = similarity == NCE_SIMILARITY_NEG_EUCLIDEAN ? 0.5 * spread : 0.5 * spread * spread;
          Problem problem = problem_of({.kind = kind,
                                        .measure = similarity,
                                        .dtype = dtype,
                                        .size = size,
                                        .tau = std::min(tau, 1e9),
                                        .seed = static_cast<uint64_t>(power)});
          move(problem, offset, spread);
          check(problem, 1e-10);
        }
      }
    }
  }
}

TEST_P(Euclidean, MapCoordinatesKeepTheirDigits) {
  for (const Kind& kind : kDenseKinds) {
    for (const nce_similarity similarity : kEuclidean) {
      Problem problem =
          problem_of({.kind = kind, .measure = similarity, .size = {20, 31, 2}, .tau = 1.0, .noise = 0.3, .seed = 5});
      int64_t element = 0;
      for (auto* matrix : matrices(problem)) {
        for (double& value : *matrix) {
          value = rounded(value * 8.0 + (element++ % 2 == 0 ? 5e5 : 5.4e6), NCE_DTYPE_FLOAT32);
        }
      }
      check(problem, 1e-10);
    }
  }
}

TEST_P(Euclidean, NearDuplicatesInAWideCloudKeepTheirDigits) {
  uint64_t seed = 50;
  int cases = 0;
  for (const Kind& kind : kDenseKinds) {
    for (const nce_similarity similarity : kEuclidean) {
      for (const nce_dtype dtype : {NCE_DTYPE_FLOAT64, NCE_DTYPE_FLOAT32}) {
        for (const double mean : {0.0, 1e4}) {
          for (int power = 1; power <= 6; ++power) {
            ++seed;
            const double near = std::pow(10.0, -power);
            if (dtype == NCE_DTYPE_FLOAT32 && mean * 0x1p-22 > near) continue;
            for (const double tau : {near * near, near, 1.0}) {
              if (tau < 1e-9 || (emulated() && ++cases % 5 != 0)) continue;
              const Extent size = emulated() ? Extent{9, 13, 8} : Extent{37, 50, 8};
              Problem problem = problem_of({.kind = kind,
                                            .measure = similarity,
                                            .dtype = dtype,
                                            .size = size,
                                            .tau = tau,
                                            .noise = near,
                                            .seed = seed});
              // Negatives come near as well: rows beside others of their own matrix.
              for (auto* matrix : matrices(problem)) {
                const auto rows = static_cast<int64_t>(matrix->size()) / size.dim;
                for (int64_t row = 1; row < rows; row += 3) {
                  for (int64_t d = 0; d < size.dim; ++d) {
                    const double other = (*matrix)[static_cast<std::size_t>((row - 1) * size.dim + d)];
                    double& value = (*matrix)[static_cast<std::size_t>(row * size.dim + d)];
                    value = other + 0.5 * near * value;
                  }
                }
                for (double& value : *matrix) value = rounded(value + mean, dtype);
              }
              // Sums of G x are rounded at the size of x, over which a direction has the distance.
              check(problem, 1e-8);
            }
          }
        }
      }
    }
  }
}

TEST_P(Euclidean, OutliersDoNotSpoilTheOthers) {
  for (const nce_similarity similarity : kEuclidean) {
    Problem problem =
        problem_of({.measure = similarity, .dtype = NCE_DTYPE_FLOAT64, .size = {20, 31, 6}, .tau = 0.5, .seed = 8});
    for (auto* matrix : matrices(problem)) {
      for (double& value : *matrix) value += 1e6;
    }
    std::fill_n(problem.keys.begin(), 6, 0.0);
    std::fill_n(problem.keys.begin() + 25 * 6, 6, -3e7);
    problem.desc.metrics = 0;
    check(problem, 1e-8);
  }
}

NCE_ON_EVERY_DEVICE(Euclidean);

}  // namespace
}  // namespace nce::test
