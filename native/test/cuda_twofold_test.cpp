// Row-wise losses where doubles are slow, by twofold floats: as right as by doubles, whatever the rows.

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "cuda/launch.h"
#include "cuda/rowwise/twofold.cuh"
#include "device/device_test.h"
#include "emulation/control.h"

namespace nce::test {
namespace {

constexpr nce_dtype kNarrow[] = {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT16, NCE_DTYPE_BFLOAT16};

selftest::Device device_for(int32_t capability) {
  return selftest::Device(selftest::linked_library(), {.struct_size = sizeof(nce_context_desc),
                                                       .backend = NCE_BACKEND_EMULATED,
                                                       .device_index = 0,
                                                       .threads = 0,
                                                       .max_isa = NCE_ISA_BEST,
                                                       .max_compute_capability = capability});
}

void for_each_problem(const Extent& size, const std::function<void(const Problem&)>& use) {
  for (const Kind& kind : oracle::kRowwiseKinds) {
    for (const int32_t measure : measures_of(kind)) {
      for (const nce_dtype dtype : kNarrow) {
        use(problem_of({.kind = kind, .measure = measure, .dtype = dtype, .size = size, .tau = 0.3, .seed = 17}));
      }
    }
  }
}

/// How often a kernel was launched by a call.
int64_t launches(const std::string& kernel, const selftest::Device& device, const Problem& problem) {
  emulation::reset_counters();
  DeviceRun(device, problem)(Calls::kTogether);
  const auto found = emulation::counters().find(kernel);
  return found == emulation::counters().end() ? 0 : found->second.launches;
}

TEST(CudaTwofold, AreTheChoiceOfTheCapabilityAlone) {
  const Problem narrow = problem_of({.kind = oracle::kOwn, .size = {3, 2, 5}, .tau = 0.3, .seed = 1});
  const Problem wide =
      problem_of({.kind = oracle::kOwn, .dtype = NCE_DTYPE_FLOAT64, .size = {3, 2, 5}, .tau = 0.3, .seed = 1});
  for (const int32_t capability : {75, 80, 86, 87, 89, 90, 100, 103, 120}) {
    const bool slow = capability != 80 && capability != 90 && capability != 100;
    const selftest::Device device = device_for(capability);
    EXPECT_EQ(launches("compare_rows_twofold", device, narrow), slow ? 1 : 0) << capability;
    EXPECT_EQ(launches("rowwise_gradients_twofold", device, narrow), slow ? 1 : 0) << capability;
    EXPECT_EQ(launches("compare_rows_twofold", device, wide), 0) << capability;
  }
  const Result one = DeviceRun(device_for(75), narrow)(Calls::kTogether);
  EXPECT_EQ(DeviceRun(device_for(120), narrow)(Calls::kTogether).difference(one), "");
}

/// |a - b| over |b|, as vectors.
double relative(const std::vector<double>& a, const std::vector<double>& b) {
  double error = 0.0, norm = 0.0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    error += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  return error == 0.0 ? 0.0 : std::sqrt(error / norm);
}

/// Some roundings of 2^-48 in similarities, which the condition multiplies.
double allowed_by_condition(const Problem& problem) { return 0x1p-45 * oracle::oracle<double>(problem).condition; }

void expect_as_by_doubles(const Problem& problem, double allowed) {
  SCOPED_TRACE(problem.label());
  static const selftest::Device slow = device_for(89), fast = device_for(80);
  DeviceRun by_twofold(slow, problem), by_doubles(fast, problem);
  const nce_status status = by_doubles.ended(Calls::kTogether);
  const std::string said = status == NCE_STATUS_OK ? "" : nce_last_error();
  EXPECT_EQ(by_twofold.ended(Calls::kTogether), status);
  if (status != NCE_STATUS_OK) {
    EXPECT_EQ(nce_last_error(), said);
    return;
  }
  const Result twofold = by_twofold.read(), doubles = by_doubles.read();
  EXPECT_LE(relative(twofold.loss, doubles.loss), allowed);
  EXPECT_LE(relative({twofold.d_temperature}, {doubles.d_temperature}), allowed);
  const bool single = problem.gradient_dtype() == NCE_DTYPE_FLOAT32;
  const double rounding = single ? 0x1p-23 : problem.dtype() == NCE_DTYPE_FLOAT16 ? 0x1p-10 : 0x1p-7;
  const auto a = gradients(twofold), b = gradients(doubles);
  for (std::size_t m = 0; m < a.size(); ++m) EXPECT_LE(relative(*a[m], *b[m]), rounding + allowed) << m;
  EXPECT_NEAR(twofold.metrics.alignment, doubles.metrics.alignment, 1e-10);
  EXPECT_EQ(twofold.metrics.zero_rows, doubles.metrics.zero_rows);
  if (!std::isnan(doubles.metrics.top1_accuracy)) {
    EXPECT_EQ(twofold.metrics.top1_accuracy, doubles.metrics.top1_accuracy);
  }
}

TEST(CudaTwofold, LongRowsKeepTheDigitsOfDoubles) {
  for_each_problem({2, 2, 700},
                   [](const Problem& problem) { expect_as_by_doubles(problem, allowed_by_condition(problem)); });
}

/// Sixteen-bit gradients, of rows in many chunks.
TEST(CudaTwofold, NarrowGradientsAreThoseOfDoubles) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT16, NCE_DTYPE_BFLOAT16}) {
    const Problem problem = problem_of(
        {.kind = oracle::kOwn, .dtype = dtype, .size = {3, 40, 150}, .tau = 0.3, .seed = 5, .narrow_gradients = true});
    expect_as_by_doubles(problem, allowed_by_condition(problem));
  }
}

/// Every fourth row, or its key, is of another size, zero, or equal to its key: some of that is beyond what floats can
/// do, and left to doubles, while the other rows are not.
TEST(CudaTwofold, RowsOfAnySizeMayMeet) {
  for_each_problem({9, 3, 33}, [](const Problem& plain) {
    const bool float16 = plain.dtype() == NCE_DTYPE_FLOAT16;
    for (const double size : {0x1p-41, 0x1p-30, 0x1p-12, 0x1p12, 0x1p30, 0x1p41, 0x1p100, 0.0, 1.0}) {
      if (float16 && (size > 0x1p12 || (size < 0x1p-12 && size != 0.0))) continue;
      Problem problem = plain;
      problem.desc.reduction = NCE_REDUCTION_NONE;
      problem.desc.metrics = 1;
      for (std::size_t row = 0; row < 9; row += 4) {
        for (std::size_t d = row * 33; d < (row + 1) * 33; ++d) {
          if (size == 1.0) problem.keys[d] = problem.queries[d];
          (row == 4 ? problem.keys : problem.queries)[d] *= size;
        }
      }
      for (auto* matrix : matrices(problem)) {
        for (double& x : *matrix) x = oracle::rounded(x, problem.dtype());
      }
      expect_as_by_doubles(problem, allowed_by_condition(problem));
    }
  });
}

/// A distance that is all radial, or next to nothing, has no digits to lose but those that its rows lack.
TEST(CudaTwofold, NearRowsKeepTheirDistance) {
  for (const Kind& kind : {oracle::kContrastive, oracle::kTriplet}) {
    for (const int32_t measure : measures_of(kind)) {
      for (const double noise : {1e-2, 1e-4, 1e-6}) {
        for (const double stretch : {1.0, 2.0, 1.37}) {
          Problem problem =
              problem_of({.kind = kind, .measure = measure, .size = {4, 4, 40}, .noise = noise, .seed = 21});
          std::fill(problem.labels.begin(), problem.labels.end(), 1);
          for (double& x : problem.keys) x = oracle::rounded(x * stretch, problem.dtype());
          // No cancellation of 1 - cosine: what a rounding of unit rows is of the distance between them.
          expect_as_by_doubles(problem, 64.0 * 0x1p-48 / noise);
        }
      }
    }
  }
}

/// Of one dimension: unit rows are equal, or opposite, whatever is left of their roundings.
TEST(CudaTwofold, EqualUnitRowsHaveNoDistance) {
  for (const nce_dtype dtype : kNarrow) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      Problem problem = problem_of({.kind = oracle::kContrastive,
                                    .measure = NCE_DISTANCE_COSINE,
                                    .dtype = dtype,
                                    .size = {4, 4, 1},
                                    .noise = 0.1,
                                    .seed = seed});
      std::fill(problem.labels.begin(), problem.labels.end(), 1);
      for (std::size_t i = 0; i < 4; ++i) problem.keys[i] = std::copysign(problem.keys[i], problem.queries[i]);
      EXPECT_LE(DeviceRun(device_for(120), problem)(Calls::kTogether).loss[0], 0x1p-209) << "some roundings of doubles";
    }
  }
}

/// Slopes of 1e-40 and less: of negatives that are far, or of weights that are small.
TEST(CudaTwofold, TinySlopesKeepTheirDigits) {
  for (const Kind& kind : oracle::kRowwiseKinds) {
    for (const int32_t measure : measures_of(kind)) {
      Problem problem = problem_of({.kind = kind, .measure = measure, .size = {3, 3, 20}, .tau = 0.01, .seed = 9});
      problem.weights = {1e-30F, 1.0F, 1e-36F};
      problem.upstream = {1e20F};
      expect_as_by_doubles(problem, allowed_by_condition(problem));
    }
  }
}

TEST(Twofold, KeepsFortyEightDigits) {
  using cuda::Twofold;
  const double a = 1.0 / 3.0, b = -0.7853981633974483, c = 0x1p-20 / 7.0;
  const auto near = [](const Twofold& actual, double expected) {
    EXPECT_NEAR(cuda::wide(actual), expected, std::fabs(expected) * 0x1p-46);
  };
  near(cuda::twofold_of(a), a);
  near(cuda::twofold_of(a) + cuda::twofold_of(b), a + b);
  near(cuda::twofold_of(a) + cuda::twofold_of(c), a + c);
  near(cuda::twofold_of(a) * cuda::twofold_of(b), a * b);
  near(cuda::twofold_of(a) * 0.3f, a * static_cast<double>(0.3f));
  near(square(cuda::twofold_of(b)), b * b);
  for (const double x : {1.0, a, 2.0 * a, 0x1p-79, 0x1.8p79}) {
    near(cuda::inverse_root(cuda::twofold_of(x)), 1.0 / std::sqrt(x));
  }
  EXPECT_EQ(cuda::wide(cuda::exact_sum(1.0f, 0x1p-40f)), 1.0 + 0x1p-40);
  EXPECT_EQ(cuda::wide(cuda::exact_product(1.0f + 0x1p-23f, 1.0f - 0x1p-23f)), 1.0 - 0x1p-46);
}

}  // namespace
}  // namespace nce::test
