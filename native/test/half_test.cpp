// 16-bit floats: their conversion, and plans that take them, which give what a plan of float gives for the same
// numbers.

#include "api/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "api/plan_shape.h"
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

struct Type {
  nce_dtype dtype;
  uint16_t (*narrow)(float);
  float (*widen)(uint16_t);
};

constexpr Type kTypes[] = {{NCE_DTYPE_FLOAT16, to_float16, from_float16},
                           {NCE_DTYPE_BFLOAT16, to_bfloat16, from_bfloat16}};
constexpr int64_t kRows = 6, kDim = 19, kStride = 23;
constexpr uint16_t kGap = 0x1234;

template <typename Element>
struct Matrices {
  std::vector<Element> queries, keys, negatives;
};

template <typename Element>
struct Answer {
  nce_status status = NCE_STATUS_OK;
  std::string message;
  std::vector<double> loss = std::vector<double>(2 * kRows, -1.0);
  double d_temperature = 0.0;
  nce_metrics metrics{};
  Matrices<Element> gradients;
};

template <typename Element, typename Gradient>
Answer<Gradient> run(const nce_plan_desc& desc, const Matrices<Element>& x, bool separate,
                     nce_isa max_isa = NCE_ISA_BEST) {
  const ContextOwner context = open_cpu(2, max_isa);
  const PlanOwner plan = make_plan(context, desc);
  const WorkspaceOwner workspace(plan, NCE_PASS_FORWARD_BACKWARD);
  Answer<Gradient> answer;
  answer.gradients = {std::vector<Gradient>(x.queries.size(), Gradient(kGap)),
                      std::vector<Gradient>(x.keys.size(), Gradient(kGap)),
                      std::vector<Gradient>(x.negatives.size(), Gradient(kGap))};
  const double temperature = 0.3;
  const std::vector<int32_t> labels = {1, 0, 1, 1, 0, 0};
  nce_inputs in{};
  in.struct_size = sizeof in;
  in.queries = x.queries.data();
  if (!x.keys.empty()) in.keys = x.keys.data();
  if (!x.negatives.empty()) in.negatives = x.negatives.data();
  in.queries_stride = in.keys_stride = in.negatives_stride = kStride;
  const bool margin = desc.loss == NCE_LOSS_CONTRASTIVE || desc.loss == NCE_LOSS_TRIPLET;
  if (!margin) in.temperature = &temperature;
  if (desc.loss == NCE_LOSS_CONTRASTIVE) in.labels = labels.data();
  nce_outputs out{};
  out.struct_size = sizeof out;
  out.loss = answer.loss.data();
  out.d_queries = answer.gradients.queries.data();
  if (in.keys != nullptr) out.d_keys = answer.gradients.keys.data();
  if (in.negatives != nullptr) out.d_negatives = answer.gradients.negatives.data();
  out.d_queries_stride = out.d_keys_stride = out.d_negatives_stride = kStride;
  out.d_temperature = &answer.d_temperature;
  answer.metrics.struct_size = sizeof answer.metrics;
  out.metrics = &answer.metrics;
  if (separate) {
    answer.status = nce_forward(plan.get(), &in, &out, workspace.data(), workspace.bytes(), nullptr);
    if (answer.status == NCE_STATUS_OK) {
      answer.status = nce_backward(plan.get(), &in, &out, workspace.data(), workspace.bytes(), nullptr);
    }
  } else {
    answer.status = nce_forward_backward(plan.get(), &in, &out, workspace.data(), workspace.bytes(), nullptr);
  }
  answer.message = nce_last_error();
  return answer;
}

std::vector<nce_plan_desc> descriptions() {
  std::vector<nce_plan_desc> all;
  const auto add = [&](nce_loss loss, nce_negatives negatives, int64_t m) -> nce_plan_desc& {
    all.push_back(describe(loss, kRows, m, kDim));
    all.back().negatives = negatives;
    return all.back();
  };
  add(NCE_LOSS_INFONCE, NCE_NEGATIVES_IN_BATCH, kRows + 3);
  add(NCE_LOSS_INFONCE, NCE_NEGATIVES_IN_BATCH, kRows).symmetric = 1;
  add(NCE_LOSS_INFONCE, NCE_NEGATIVES_SHARED, 11).reduction = NCE_REDUCTION_NONE;
  add(NCE_LOSS_INFONCE, NCE_NEGATIVES_OWN, 4);
  add(NCE_LOSS_NT_XENT, NCE_NEGATIVES_IN_BATCH, 0);
  add(NCE_LOSS_NT_LOGISTIC, NCE_NEGATIVES_IN_BATCH, kRows);
  add(NCE_LOSS_NT_LOGISTIC, NCE_NEGATIVES_PAIRED, kRows);
  add(NCE_LOSS_CONTRASTIVE, NCE_NEGATIVES_IN_BATCH, kRows);
  add(NCE_LOSS_TRIPLET, NCE_NEGATIVES_PAIRED, kRows);
  return all;
}

Matrices<uint16_t> random_halves(const nce_plan_desc& desc, const Type& type, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  const auto matrix = [&](int64_t rows) {
    std::vector<uint16_t> x(static_cast<std::size_t>(rows * kStride));
    for (uint16_t& element : x) element = type.narrow(normal(engine));
    return x;
  };
  return {matrix(desc.n), matrix(key_rows(desc)), matrix(negative_rows(desc))};
}

Matrices<float> widened(const Matrices<uint16_t>& x, const Type& type) {
  const auto matrix = [&](const std::vector<uint16_t>& halves) {
    std::vector<float> wide;
    for (const uint16_t half : halves) wide.push_back(type.widen(half));
    return wide;
  };
  return {matrix(x.queries), matrix(x.keys), matrix(x.negatives)};
}

/// Elements of rows, and gaps between them that stay as they were.
template <typename Gradient, typename Convert>
void expect_gradients(const std::vector<Gradient>& got, const std::vector<float>& wide, const Convert& convert) {
  ASSERT_EQ(got.size(), wide.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    const bool gap = static_cast<int64_t>(i) % kStride >= kDim;
    EXPECT_EQ(got[i], gap ? Gradient(kGap) : convert(wide[i])) << i;
  }
}

/// Where products of bfloat16 are not the processor's own.
TEST(Half, PlansGiveWhatAPlanOfFloatGivesForTheSameNumbers) {
  unsigned seed = 40;
  for (const nce_plan_desc& wide_desc : descriptions()) {
    for (const Type& type : kTypes) {
      SCOPED_TRACE("loss " + std::to_string(wide_desc.loss) + ", negatives " + std::to_string(wide_desc.negatives) +
                   ", dtype " + std::to_string(type.dtype) + ", seed " + std::to_string(++seed));
      nce_plan_desc desc = wide_desc;
      desc.dtype = desc.gradient_dtype = type.dtype;
      const Matrices<uint16_t> x = random_halves(desc, type, seed);
      const auto expected = run<float, float>(wide_desc, widened(x, type), false, NCE_ISA_AVX2);
      ASSERT_EQ(expected.status, NCE_STATUS_OK) << expected.message;
      for (const bool separate : {false, true}) {
        const auto got = run<uint16_t, uint16_t>(desc, x, separate, NCE_ISA_AVX2);
        ASSERT_EQ(got.status, NCE_STATUS_OK) << got.message;
        EXPECT_EQ(got.loss, expected.loss);
        EXPECT_EQ(got.d_temperature, expected.d_temperature);
        EXPECT_EQ(got.metrics.positive_similarity, expected.metrics.positive_similarity);
        expect_gradients(got.gradients.queries, expected.gradients.queries, type.narrow);
        expect_gradients(got.gradients.keys, expected.gradients.keys, type.narrow);
        expect_gradients(got.gradients.negatives, expected.gradients.negatives, type.narrow);
      }
      desc.gradient_dtype = NCE_DTYPE_FLOAT32;
      const auto in_float = run<uint16_t, float>(desc, x, false, NCE_ISA_AVX2);
      ASSERT_EQ(in_float.status, NCE_STATUS_OK) << in_float.message;
      expect_gradients(in_float.gradients.queries, expected.gradients.queries, [](float g) { return g; });
    }
  }
}

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

TEST(Half, ABadRowIsRefusedAndNothingWritten) {
  for (const Type& type : kTypes) {
    nce_plan_desc desc = descriptions().front();
    desc.dtype = desc.gradient_dtype = type.dtype;
    Matrices<uint16_t> x = random_halves(desc, type, 3);
    x.keys[2 * kStride + 1] = type.narrow(std::numeric_limits<float>::infinity());
    const auto got = run<uint16_t, uint16_t>(desc, x, false);
    EXPECT_EQ(got.status, NCE_STATUS_NON_FINITE);
    EXPECT_NE(got.message.find("inputs->keys"), std::string::npos) << got.message;
    EXPECT_NE(got.message.find("row 2"), std::string::npos) << got.message;
    EXPECT_EQ(got.loss[0], -1.0);
    for (const uint16_t element : got.gradients.queries) EXPECT_EQ(element, kGap);
  }
}

}  // namespace
}  // namespace nce::test
