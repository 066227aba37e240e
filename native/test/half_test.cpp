// 16-bit floats: their conversion, and plans that take them, which give what a plan of float gives for the same
// numbers.

#include "api/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "device/device_test.h"
#include "handles.h"

namespace nce::test {
namespace {

TEST(Half, Float16IsWhatItsBitsSay) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const int exponent = static_cast<int>(bits >> 10 & 31), fraction = static_cast<int>(bits & 1023);
    const float sign = (bits & 0x8000) != 0 ? -1.0F : 1.0F;
    const float got = from_float16(static_cast<uint16_t>(bits));
    if (exponent == 31 && fraction != 0) {
      EXPECT_TRUE(std::isnan(got)) << bits;
      continue;
    }
    const float expected = exponent == 31  ? std::numeric_limits<float>::infinity()
                           : exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                           : std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
    EXPECT_EQ(got, sign * expected) << bits;
    EXPECT_EQ(to_float16(got), bits);
  }
}

TEST(Half, Bfloat16IsTheUpperHalfOfAFloat) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float got = from_bfloat16(static_cast<uint16_t>(bits));
    EXPECT_EQ(std::bit_cast<uint32_t>(got), bits << 16);
    if (std::isnan(got)) continue;
    EXPECT_EQ(to_bfloat16(got), bits);
  }
}

/// Halfway between neighbours to the even one, else to the nearer.
TEST(Half, RoundingIsToNearestEven) {
  for (uint32_t bits = 0; bits < 0x7bff; ++bits) {
    const float low = from_float16(static_cast<uint16_t>(bits));
    const float high = from_float16(static_cast<uint16_t>(bits + 1));
    const float middle = low + (high - low) / 2;
    EXPECT_EQ(to_float16(middle), (bits & 1) == 0 ? bits : bits + 1);
    EXPECT_EQ(to_float16(std::nextafter(middle, 0.0F)), bits);
    EXPECT_EQ(to_float16(std::nextafter(middle, 1e9F)), bits + 1);
    EXPECT_EQ(to_float16(-middle), 0x8000 | ((bits & 1) == 0 ? bits : bits + 1));
  }
  EXPECT_EQ(to_float16(65519.0F), 0x7bff);
  EXPECT_EQ(to_float16(65520.0F), 0x7c00);
  EXPECT_EQ(to_float16(std::nanf("")) & 0x7fff, 0x7fff);
  EXPECT_EQ(to_bfloat16(std::bit_cast<float>(0x3f808000U)), 0x3f80);
  EXPECT_EQ(to_bfloat16(std::bit_cast<float>(0x3f818000U)), 0x3f82);
  EXPECT_EQ(to_bfloat16(std::bit_cast<float>(0x3f808001U)), 0x3f81);
  EXPECT_EQ(to_bfloat16(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(to_bfloat16(std::nanf("")), 0x7fff);
}

constexpr nce_dtype kHalves[] = {NCE_DTYPE_FLOAT16, NCE_DTYPE_BFLOAT16};

class HalfPlans : public DeviceTest {};

TEST_P(HalfPlans, GiveWhatAPlanOfFloatGivesForTheSameNumbers) {
  uint64_t seed = 40;
  const auto check = [&](const Kind& kind) {
    for (const nce_dtype dtype : kHalves) {
      // With AVX-512 products of bfloat16 may be the processor's own.
      if (dtype == NCE_DTYPE_BFLOAT16 && device().isa() == NCE_ISA_AVX512) continue;
      Problem problem = problem_of(
          {.kind = kind, .dtype = dtype, .size = {6, 9, 19}, .tau = 0.3, .seed = ++seed, .narrow_gradients = true});
      problem.gaps = {4, 4, 4, 4, 4, 4};
      SCOPED_TRACE(problem.label());
      Problem wide = problem;
      wide.desc.dtype = wide.desc.gradient_dtype = NCE_DTYPE_FLOAT32;
      const Result in_float = run(wide);
      Result expected = in_float;
      for (auto* gradient : gradients(expected)) {
        for (double& x : *gradient) x = oracle::rounded(x, dtype);
      }
      EXPECT_EQ(run(problem).difference(expected), "");
      EXPECT_EQ(run(problem, Calls::kSeparate).difference(expected), "");
      problem.desc.gradient_dtype = NCE_DTYPE_FLOAT32;
      EXPECT_EQ(run(problem).difference(in_float), "");
    }
  };
  for (const Kind& kind : oracle::kDenseKinds) check(kind);
  for (const Kind& kind : oracle::kRowwiseKinds) check(kind);
}

TEST_P(HalfPlans, ABadRowIsRefusedAndNothingWritten) {
  for (const nce_dtype dtype : kHalves) {
    Problem problem = problem_of({.dtype = dtype, .size = {6, 9, 19}, .tau = 0.3, .narrow_gradients = true});
    problem.keys[2 * 19 + 1] = std::numeric_limits<double>::infinity();
    expect_refused(problem, NCE_STATUS_NON_FINITE,
                   "inputs->keys holds a NaN or an infinity in row 2; all elements must be finite");
  }
}

NCE_ON_EVERY_DEVICE(HalfPlans);

TEST(Half, ProductsOfBfloat16AreTheProcessorsOwnWhereItHasThem) {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx512bf16")) GTEST_SKIP() << "this processor has no products of bfloat16";
#else
  GTEST_SKIP() << "no products of bfloat16 on this architecture";
#endif
  // Without them panels are of float.
  nce_plan_desc desc = describe(NCE_LOSS_INFONCE, 512, 512, 256);
  desc.precision = NCE_PRECISION_FAST;
  desc.dtype = desc.gradient_dtype = NCE_DTYPE_BFLOAT16;
  const auto bytes = [&](nce_isa max_isa) {
    const ContextOwner context = open_cpu(1, max_isa);
    return WorkspaceOwner(make_plan(context, desc), NCE_PASS_FORWARD).bytes();
  };
  EXPECT_LT(bytes(NCE_ISA_BEST), bytes(NCE_ISA_AVX2) * 2 / 3);
}

}  // namespace
}  // namespace nce::test
