// What plans may be made of.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "handles.h"

namespace nce::test {
namespace {

using Mutation = std::function<void(nce_plan_desc&)>;

struct Case {
  nce_plan_desc base;
  Mutation mutate;
  const char* text;
  nce_status status = NCE_STATUS_INVALID_ARGUMENT;
};

nce_plan_desc with(nce_plan_desc desc, int32_t negatives) {
  desc.negatives = negatives;
  return desc;
}

TEST(ApiPlan, RefusesMalformedDescriptions) {
  const nce_plan_desc in_batch = describe(NCE_LOSS_INFONCE, 4, 6, 3);
  const nce_plan_desc own = with(describe(NCE_LOSS_INFONCE, 4, 6, 3), NCE_NEGATIVES_OWN);
  const nce_plan_desc tower = describe(NCE_LOSS_NT_XENT, 4, 0, 3);
  const nce_plan_desc logistic = describe(NCE_LOSS_NT_LOGISTIC, 4, 0, 3);
  const nce_plan_desc paired = with(describe(NCE_LOSS_NT_LOGISTIC, 4, 4, 3), NCE_NEGATIVES_PAIRED);
  const nce_plan_desc siglip = describe(NCE_LOSS_SIGLIP, 4, 6, 3);
  const nce_plan_desc contrastive = describe(NCE_LOSS_CONTRASTIVE, 4, 4, 3);
  const nce_plan_desc triplet = describe(NCE_LOSS_TRIPLET, 4, 4, 3);
  nce_plan_desc mined = with(describe(NCE_LOSS_TRIPLET, 4, 0, 3), NCE_NEGATIVES_IN_BATCH);
  mined.mining = NCE_MINING_BATCH_HARD;
  const nce_plan_desc multi = describe(NCE_LOSS_MULTI_SIMILARITY, 4, 0, 3);
  const nce_plan_desc circle = describe(NCE_LOSS_CIRCLE, 4, 0, 3);
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

  const Case cases[] = {
      {own, [](auto& d) { d.struct_size = 4; }, "desc->struct_size"},
      {own, [](auto& d) { d.loss = NCE_LOSS_CIRCLE + 1; }, "desc->loss"},
      {own, [](auto& d) { d.loss = -1; }, "desc->loss"},
      {own, [](auto& d) { d.negatives = 4; }, "desc->negatives"},
      {own, [](auto& d) { d.negatives = NCE_NEGATIVES_PAIRED; }, "desc->negatives"},
      {tower, [](auto& d) { d.negatives = NCE_NEGATIVES_SHARED; }, "desc->negatives"},
      {logistic, [](auto& d) { d.negatives = NCE_NEGATIVES_OWN; }, "desc->negatives"},
      {contrastive, [](auto& d) { d.negatives = NCE_NEGATIVES_PAIRED; }, "desc->negatives"},
      {triplet, [](auto& d) { d.negatives = NCE_NEGATIVES_IN_BATCH; }, "desc->negatives"},
      {own, [](auto& d) { d.similarity = 4; }, "desc->similarity"},
      {triplet, [](auto& d) { d.similarity = NCE_SIMILARITY_DOT; }, "desc->similarity"},
      {own, [](auto& d) { d.distance = NCE_DISTANCE_COSINE; }, "desc->distance"},
      {triplet, [](auto& d) { d.distance = 3; }, "desc->distance"},
      {own, [](auto& d) { d.reduction = 3; }, "desc->reduction"},
      {own, [](auto& d) { d.symmetric = 2; }, "desc->symmetric"},
      {own, [](auto& d) { d.symmetric = 1; }, "desc->symmetric"},
      {tower, [](auto& d) { d.symmetric = 1; }, "desc->symmetric"},
      {in_batch, [](auto& d) { d.symmetric = 1; }, "desc->m"},
      {own, [](auto& d) { d.negative_reduction = NCE_REDUCTION_SUM; }, "desc->negative_reduction"},
      {paired, [](auto& d) { d.negative_reduction = NCE_REDUCTION_SUM; }, "desc->negative_reduction"},
      {logistic, [](auto& d) { d.negative_reduction = NCE_REDUCTION_NONE; }, "desc->negative_reduction"},
      {own, [](auto& d) { d.dtype = 4; }, "desc->dtype"},
      {own, [](auto& d) { d.gradient_dtype = -1; }, "desc->gradient_dtype"},
      {own, [](auto& d) { d.gradient_dtype = NCE_DTYPE_FLOAT64; }, "desc->gradient_dtype"},
      {own, [](auto& d) { d.dtype = NCE_DTYPE_FLOAT16, d.gradient_dtype = NCE_DTYPE_BFLOAT16; },
       "desc->gradient_dtype"},
      {own, [](auto& d) { d.precision = 2; }, "desc->precision"},
      {own, [](auto& d) { d.metrics = 2; }, "desc->metrics"},
      {own, [](auto& d) { d.top_k = 0; }, "desc->top_k"},
      {own, [](auto& d) { d.metrics = 0, d.top_k = -1; }, "desc->top_k"},
      {own, [](auto& d) { d.denominator = 2; }, "desc->denominator"},
      {logistic, [](auto& d) { d.denominator = NCE_DENOMINATOR_NEGATIVES; }, "desc->denominator"},
      {triplet, [](auto& d) { d.denominator = NCE_DENOMINATOR_NEGATIVES; }, "desc->denominator"},
      {own, [](auto& d) { d.class_prior = -0.1; }, "desc->class_prior is -0.1"},
      {own, [](auto& d) { d.class_prior = 1.0; }, "desc->class_prior"},
      {own, [](auto& d) { d.class_prior = kNan; }, "desc->class_prior"},
      {logistic, [](auto& d) { d.class_prior = 0.1; }, "desc->class_prior"},
      {triplet, [](auto& d) { d.class_prior = 0.1; }, "desc->class_prior"},
      {own, [](auto& d) { d.class_prior = 0.1, d.similarity = NCE_SIMILARITY_DOT; }, "only the cosine"},
      {own, [](auto& d) { d.class_prior = 0.1, d.denominator = NCE_DENOMINATOR_NEGATIVES; }, "decoupled"},
      {in_batch, [](auto& d) { d.class_prior = 0.1, d.groups = 1; }, "desc->groups is 1"},
      {own, [](auto& d) { d.groups = 1; }, "desc->groups is 1; allowed: 0, because rows do not meet"},
      {in_batch, [](auto& d) { d.groups = 2; }, "desc->groups is 2; allowed: 0 or 1"},
      {in_batch, [](auto& d) { d.negatives = NCE_NEGATIVES_SHARED, d.groups = 1; }, "desc->groups"},
      {paired, [](auto& d) { d.groups = 1; }, "desc->groups"},
      {contrastive, [](auto& d) { d.groups = 1; }, "desc->groups"},
      {logistic, [](auto& d) { d.groups = 1; }, "desc->negative_reduction is 0 (MEAN)"},
      {in_batch, [](auto& d) { d.blocks = 8; }, "desc->blocks"},
      {in_batch, [](auto& d) { d.blocks = -1; }, "desc->blocks"},
      {own, [](auto& d) { d.blocks = NCE_BLOCK_QUERY_QUERY; }, "desc->blocks"},
      {tower, [](auto& d) { d.blocks = NCE_BLOCK_KEY_QUERY; }, "desc->blocks"},
      {siglip, [](auto& d) { d.blocks = NCE_BLOCK_KEY_KEY; }, "desc->blocks"},
      {in_batch, [](auto& d) { d.blocks = 7, d.negatives = NCE_NEGATIVES_SHARED; }, "desc->blocks"},
      {in_batch, [](auto& d) { d.blocks = 7, d.symmetric = 1; }, "desc->blocks"},
      {in_batch, [](auto& d) { d.blocks = 7, d.positives = 1; }, "desc->blocks"},
      {in_batch, [](auto& d) { d.blocks = 7, d.class_prior = 0.1; }, "desc->blocks"},
      {in_batch, [](auto& d) { d.offsets = 2; }, "desc->offsets"},
      {own, [](auto& d) { d.offsets = 1; }, "desc->offsets"},
      {tower, [](auto& d) { d.offsets = 1; }, "desc->offsets"},
      {siglip, [](auto& d) { d.offsets = 1; }, "desc->offsets"},
      {in_batch, [](auto& d) { d.offsets = 1, d.symmetric = 1; }, "desc->offsets"},
      {in_batch, [](auto& d) { d.offsets = 1, d.positives = 1; }, "desc->offsets"},
      {in_batch, [](auto& d) { d.offsets = 1, d.class_prior = 0.1; }, "desc->offsets"},
      {in_batch, [](auto& d) { d.offsets = 1, d.blocks = 1; }, "desc->offsets"},
      {in_batch, [](auto& d) { d.hardness = -1.0; }, "desc->hardness"},
      {in_batch, [](auto& d) { d.hardness = 1001.0; }, "desc->hardness"},
      {in_batch, [](auto& d) { d.hardness = kNan; }, "desc->hardness"},
      {siglip, [](auto& d) { d.hardness = 1.0; }, "desc->hardness"},
      {triplet, [](auto& d) { d.hardness = 1.0; }, "desc->hardness"},
      {in_batch, [](auto& d) { d.hardness = 1.0, d.positives = 1; }, "desc->hardness"},
      {in_batch, [](auto& d) { d.hardness = 1.0, d.class_prior = 0.1; }, "desc->hardness"},
      {in_batch, [](auto& d) { d.queue = -1; }, "desc->queue"},
      {in_batch, [](auto& d) { d.queue = int64_t{1} << 58; }, "desc->queue"},
      {in_batch, [](auto& d) { d.queue = INT64_MAX; }, "desc->queue"},
      {own, [](auto& d) { d.queue = 2; }, "desc->queue"},
      {tower, [](auto& d) { d.queue = 2; }, "desc->queue"},
      {siglip, [](auto& d) { d.queue = 2; }, "desc->queue"},
      {in_batch, [](auto& d) { d.queue = 2, d.symmetric = 1; }, "desc->queue"},
      {in_batch, [](auto& d) { d.own_negatives = -1; }, "desc->own_negatives"},
      {in_batch, [](auto& d) { d.own_negatives = int64_t{1} << 58; }, "desc->own_negatives"},
      {own, [](auto& d) { d.own_negatives = 2; }, "desc->own_negatives"},
      {tower, [](auto& d) { d.own_negatives = 2; }, "desc->own_negatives"},
      {siglip, [](auto& d) { d.own_negatives = 2; }, "desc->own_negatives"},
      {in_batch, [](auto& d) { d.own_negatives = 2, d.symmetric = 1; }, "desc->own_negatives"},
      {in_batch, [](auto& d) { d.own_negatives = 2, d.positives = 1; }, "desc->own_negatives"},
      {in_batch, [](auto& d) { d.threshold = 3; }, "desc->threshold"},
      {in_batch, [](auto& d) { d.threshold_margin = 0.1; }, "desc->threshold_margin"},
      {in_batch, [](auto& d) { d.threshold = 1, d.threshold_margin = 2e100; }, "desc->threshold_margin"},
      {in_batch, [](auto& d) { d.threshold = 1, d.threshold_margin = kNan; }, "desc->threshold_margin"},
      {in_batch, [](auto& d) { d.threshold = 2, d.threshold_margin = -0.1; }, "desc->threshold_margin"},
      {in_batch, [](auto& d) { d.threshold = 1, d.positives = 1; }, "desc->threshold"},
      {in_batch, [](auto& d) { d.threshold = 1, d.class_prior = 0.1; }, "desc->threshold"},
      {in_batch, [](auto& d) { d.threshold = 1, d.negatives = NCE_NEGATIVES_OWN; }, "desc->threshold"},
      {in_batch, [](auto& d) { d.threshold = 1, d.loss = NCE_LOSS_SIGLIP; }, "desc->threshold"},
      {in_batch, [](auto& d) { d.aggregation = 1; }, "desc->aggregation"},
      {in_batch, [](auto& d) { d.positives = 2; }, "desc->positives"},
      {in_batch, [](auto& d) { d.positives = d.symmetric = 1; }, "desc->positives"},
      {in_batch, [](auto& d) { d.positives = d.groups = 1; }, "desc->positives"},
      {in_batch,
       [](auto& d) {
         d.positives = 1;
         d.class_prior = 0.5;
       },
       "desc->positives"},
      {in_batch, [](auto& d) { d.positives = 1, d.negatives = NCE_NEGATIVES_SHARED; }, "desc->positives"},
      {in_batch, [](auto& d) { d.positives = 1, d.loss = NCE_LOSS_SIGLIP; }, "desc->positives"},
      {own, [](auto& d) { d.n = 0; }, "desc->n"},
      {own, [](auto& d) { d.n = -3; }, "desc->n"},
      {own, [](auto& d) { d.m = -1; }, "desc->m"},
      {own, [](auto& d) { d.dim = 0; }, "desc->dim"},
      {own, [](auto& d) { d.dim = (1 << 20) + 1; }, "desc->dim"},
      {own, [](auto& d) { d.n = int64_t{1} << 40, d.m = int64_t{1} << 40; }, "2^60"},
      {own, [](auto& d) { d.n = INT64_MAX, d.m = INT64_MAX, d.dim = 1 << 20; }, "2^60"},
      {own, [](auto& d) { d.n = int64_t{1} << 60, d.m = 0, d.dim = 1; }, "2^60"},
      {own, [](auto& d) { d.n = int64_t{1} << 24, d.m = int64_t{1} << 24, d.dim = 1 << 12; }, "2^60"},
      {in_batch, [](auto& d) { d.m = 3; }, "desc->m"},
      {tower, [](auto& d) { d.n = 5; }, "desc->n"},
      {tower, [](auto& d) { d.m = 3; }, "desc->m"},
      {logistic, [](auto& d) { d.m = 8; }, "desc->m"},
      {paired, [](auto& d) { d.m = 5; }, "desc->m"},
      {contrastive, [](auto& d) { d.m = 0; }, "desc->m"},
      {triplet, [](auto& d) { d.m = 3; }, "desc->m"},
      {own, [](auto& d) { d.workspace_budget_bytes = -2; }, "desc->workspace_budget_bytes"},
      {own, [](auto& d) { d.margin = -0.5; }, "desc->margin"},
      {own, [](auto& d) { d.margin = kNan; }, "desc->margin"},
      {own, [](auto& d) { d.margin = 1e101; }, "desc->margin"},
      {logistic, [](auto& d) { d.margin = 0.5; }, "desc->margin"},
      {siglip, [](auto& d) { d.margin = 0.5; }, "desc->margin"},
      {siglip, [](auto& d) { d.m = 3; }, "desc->m"},
      {siglip, [](auto& d) { d.symmetric = 1; }, "desc->symmetric"},
      {siglip, [](auto& d) { d.negatives = NCE_NEGATIVES_SHARED; }, "desc->negatives"},
      {siglip, [](auto& d) { d.distance = NCE_DISTANCE_COSINE; }, "desc->distance"},
      {siglip, [](auto& d) { d.denominator = NCE_DENOMINATOR_NEGATIVES; }, "desc->denominator"},
      {siglip, [](auto& d) { d.negative_reduction = NCE_REDUCTION_SUM; }, "desc->negative_reduction"},
      {contrastive, [](auto& d) { d.margin = 0.0; }, "desc->margin"},
      {contrastive, [](auto& d) { d.margin = -1.0; }, "desc->margin"},
      {triplet, [](auto& d) { d.margin = -1.0; }, "desc->margin"},
      {triplet, [](auto& d) { d.margin = kNan; }, "desc->margin"},
      {triplet, [](auto& d) { d.margin = HUGE_VAL; }, "desc->margin"},
      {own, [](auto& d) { d.loss_weight = -0.5; }, "desc->loss_weight is -0.5"},
      {in_batch, [](auto& d) { d.loss_weight = HUGE_VAL; }, "desc->loss_weight"},
      {triplet, [](auto& d) { d.loss_weight = kNan; }, "desc->loss_weight"},
      {mined, [](auto& d) { d.mining = 6; }, "desc->mining"},
      {mined, [](auto& d) { d.mining = -1; }, "desc->mining"},
      {mined, [](auto& d) { d.mining = NCE_MINING_NONE; }, "desc->mining"},
      {triplet, [](auto& d) { d.mining = NCE_MINING_BATCH_ALL; }, "desc->mining"},
      {own, [](auto& d) { d.mining = NCE_MINING_BATCH_ALL; }, "desc->mining"},
      {contrastive, [](auto& d) { d.mining = NCE_MINING_BATCH_ALL; }, "desc->mining"},
      {mined, [](auto& d) { d.m = 4; }, "desc->m"},
      {mined, [](auto& d) { d.negatives = NCE_NEGATIVES_SHARED; }, "desc->negatives"},
      {mined, [](auto& d) { d.similarity = NCE_SIMILARITY_DOT; }, "desc->similarity"},
      {mined, [](auto& d) { d.margin = -0.5; }, "desc->margin"},
      {mined, [](auto& d) { d.soft_margin = 2; }, "desc->soft_margin"},
      {own, [](auto& d) { d.soft_margin = 1; }, "desc->soft_margin"},
      {contrastive, [](auto& d) { d.soft_margin = 1; }, "desc->soft_margin"},
      {multi, [](auto& d) { d.similarity = NCE_SIMILARITY_DOT; },
       "desc->similarity is 1 (DOT); NCE_LOSS_MULTI_SIMILARITY allows 0 (COSINE), 2 (NEG_SQUARED_EUCLIDEAN), 3 "
       "(NEG_EUCLIDEAN), because it compares rows by distances"},
      {circle, [](auto& d) { d.similarity = NCE_SIMILARITY_DOT; }, "NCE_LOSS_CIRCLE allows 0 (COSINE)"},
      {multi, [](auto& d) { d.similarity = 4; }, "desc->similarity is 4"},
      {multi, [](auto& d) { d.distance = NCE_DISTANCE_COSINE; }, "desc->distance"},
      {circle, [](auto& d) { d.negatives = NCE_NEGATIVES_SHARED; }, "desc->negatives"},
      {multi, [](auto& d) { d.m = 4; }, "desc->m is 4 with desc->n is 4; allowed: 0"},
      {circle, [](auto& d) { d.m = 4; }, "desc->m"},
      {multi, [](auto& d) { d.mining = NCE_MINING_BATCH_ALL; }, "desc->mining"},
      {circle, [](auto& d) { d.mining = NCE_MINING_SEMI_HARD; }, "desc->mining"},
      {circle, [](auto& d) { d.soft_margin = 1; }, "desc->soft_margin"},
      {multi, [](auto& d) { d.symmetric = 1; }, "desc->symmetric"},
      {multi, [](auto& d) { d.negative_reduction = NCE_REDUCTION_SUM; }, "desc->negative_reduction"},
      {multi, [](auto& d) { d.denominator = NCE_DENOMINATOR_NEGATIVES; }, "desc->denominator"},
      {circle, [](auto& d) { d.groups = 1; }, "desc->groups"},
      {multi, [](auto& d) { d.positives = NCE_POSITIVES_LABELS; }, "desc->positives"},
      {circle, [](auto& d) { d.class_prior = 0.1; }, "desc->class_prior"},
      {multi, [](auto& d) { d.threshold = 1; }, "desc->threshold"},
      {multi, [](auto& d) { d.blocks = 1; }, "desc->blocks"},
      {circle, [](auto& d) { d.offsets = 1; }, "desc->offsets"},
      {circle, [](auto& d) { d.queue = 2; }, "desc->queue"},
      {multi, [](auto& d) { d.own_negatives = 2; }, "desc->own_negatives"},
      {multi, [](auto& d) { d.hardness = 1.0; }, "desc->hardness"},
      {multi, [](auto& d) { d.margin = 0.1; },
       "desc->margin is 0.100000; allowed: 0, because NCE_LOSS_MULTI_SIMILARITY does not use it"},
      {circle, [](auto& d) { d.margin = 1.5; }, "desc->margin is 1.500000; allowed for NCE_LOSS_CIRCLE: 0 to 1"},
      {circle, [](auto& d) { d.margin = -0.5; }, "desc->margin"},
      {circle, [](auto& d) { d.margin = kNan; }, "desc->margin"},
      {multi, [](auto& d) { d.positive_scale = 0.0; },
       "desc->positive_scale is 0.000000; allowed for NCE_LOSS_MULTI_SIMILARITY: above 0, and at most 10000"},
      {multi, [](auto& d) { d.positive_scale = 10001.0; }, "desc->positive_scale"},
      {multi, [](auto& d) { d.positive_scale = kNan; }, "desc->positive_scale"},
      {multi, [](auto& d) { d.negative_scale = 0.0; }, "desc->negative_scale"},
      {multi, [](auto& d) { d.negative_scale = -1.0; }, "desc->negative_scale"},
      {multi, [](auto& d) { d.negative_scale = HUGE_VAL; }, "desc->negative_scale"},
      {circle, [](auto& d) { d.positive_scale = 0.0; }, "desc->positive_scale"},
      {circle, [](auto& d) { d.positive_scale = 1e5; }, "desc->positive_scale"},
      {circle, [](auto& d) { d.negative_scale = 2.0; },
       "desc->negative_scale is 2.000000; allowed: 0, because NCE_LOSS_CIRCLE does not use it"},
      {circle, [](auto& d) { d.negative_scale = kNan; }, "desc->negative_scale"},
      {triplet, [](auto& d) { d.positive_scale = 2.0; }, "desc->positive_scale"},
      {own, [](auto& d) { d.positive_scale = kNan; }, "desc->positive_scale"},
      {own, [](auto& d) { d.negative_scale = 2.0; }, "desc->negative_scale"},
      {multi, [](auto& d) { d.base = 10001.0; },
       "desc->base is 10001.000000; allowed for NCE_LOSS_MULTI_SIMILARITY: -1"},
      {multi, [](auto& d) { d.base = kNan; }, "desc->base"},
      {circle, [](auto& d) { d.base = 0.5; }, "desc->base is 0.500000; allowed: 0, because NCE_LOSS_CIRCLE"},
      {mined, [](auto& d) { d.base = -0.5; }, "desc->base"},
      {siglip, [](auto& d) { d.base = kNan; }, "desc->base"},
  };
  const ContextOwner context = open_cpu();
  for (const Case& c : cases) {
    nce_plan_desc desc = c.base;
    c.mutate(desc);
    nce_plan* plan = nullptr;
    EXPECT_EQ(nce_plan_create(context.get(), &desc, &plan), c.status) << c.text << ": " << nce_last_error();
    EXPECT_NE(std::string(nce_last_error()).find(c.text), std::string::npos) << nce_last_error();
    EXPECT_EQ(plan, nullptr);
    EXPECT_EQ(nce_plan_supported(context.get(), &desc), c.status) << c.text;
  }
}

TEST(ApiPlan, RefusesNulls) {
  const ContextOwner context = open_cpu();
  const nce_plan_desc desc = describe(NCE_LOSS_TRIPLET, 1, 1, 1);
  nce_plan* plan = nullptr;
  EXPECT_EQ(nce_plan_create(context.get(), nullptr, &plan), NCE_STATUS_INVALID_ARGUMENT);
  EXPECT_NE(std::string(nce_last_error()).find("desc"), std::string::npos);
  EXPECT_EQ(nce_plan_create(context.get(), &desc, nullptr), NCE_STATUS_INVALID_ARGUMENT);
  EXPECT_NE(std::string(nce_last_error()).find("plan"), std::string::npos);
  EXPECT_EQ(plan, nullptr);
}

TEST(ApiPlan, TakesEveryAllowedCombination) {
  const ContextOwner context = open_cpu();
  const auto expect_plan = [&](nce_plan_desc desc) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64}) {
      for (const nce_precision precision : {NCE_PRECISION_PRECISE, NCE_PRECISION_FAST}) {
        desc.dtype = desc.gradient_dtype = dtype;
        desc.precision = precision;
        EXPECT_EQ(nce_plan_supported(context.get(), &desc), NCE_STATUS_OK) << nce_last_error();
        const PlanOwner plan = make_plan(context, desc);
        int64_t forward = 0;
        int64_t both = 0;
        expect_ok(nce_plan_workspace_bytes(plan.get(), NCE_PASS_FORWARD, &forward));
        expect_ok(nce_plan_workspace_bytes(plan.get(), NCE_PASS_FORWARD_BACKWARD, &both));
        EXPECT_GE(forward, 1);
        EXPECT_GE(both, forward);
      }
    }
  };
  for (int32_t similarity = 0; similarity < 4; ++similarity) {
    const auto plan = [&](nce_loss loss, nce_negatives negatives, int64_t m, int32_t symmetric) {
      nce_plan_desc desc = describe(loss, 4, m, 3);
      desc.negatives = negatives;
      desc.similarity = similarity;
      desc.symmetric = symmetric;
      expect_plan(desc);
    };
    plan(NCE_LOSS_INFONCE, NCE_NEGATIVES_IN_BATCH, 6, 0);
    plan(NCE_LOSS_INFONCE, NCE_NEGATIVES_IN_BATCH, 4, 1);
    plan(NCE_LOSS_SIGLIP, NCE_NEGATIVES_IN_BATCH, 4, 0);
    plan(NCE_LOSS_SIGLIP, NCE_NEGATIVES_IN_BATCH, 6, 0);
    plan(NCE_LOSS_INFONCE, NCE_NEGATIVES_SHARED, 0, 0);
    plan(NCE_LOSS_INFONCE, NCE_NEGATIVES_SHARED, 9, 0);
    plan(NCE_LOSS_INFONCE, NCE_NEGATIVES_OWN, 0, 0);
    plan(NCE_LOSS_INFONCE, NCE_NEGATIVES_OWN, 9, 0);
    plan(NCE_LOSS_NT_XENT, NCE_NEGATIVES_IN_BATCH, 0, 0);
    plan(NCE_LOSS_NT_XENT, NCE_NEGATIVES_IN_BATCH, 4, 0);
    plan(NCE_LOSS_NT_LOGISTIC, NCE_NEGATIVES_IN_BATCH, 0, 0);
    plan(NCE_LOSS_NT_LOGISTIC, NCE_NEGATIVES_IN_BATCH, 4, 0);
    plan(NCE_LOSS_NT_LOGISTIC, NCE_NEGATIVES_PAIRED, 4, 0);
  }
  for (const nce_loss loss : {NCE_LOSS_MULTI_SIMILARITY, NCE_LOSS_CIRCLE}) {
    for (const int32_t similarity :
         {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN, NCE_SIMILARITY_NEG_EUCLIDEAN}) {
      for (const double scale : {1e-300, 1e4}) {
        nce_plan_desc desc = describe(loss, 5, 0, 3);
        desc.similarity = similarity;
        desc.positive_scale = scale;
        if (loss == NCE_LOSS_MULTI_SIMILARITY) {
          desc.negative_scale = scale;
          desc.base = -scale;
        } else {
          desc.margin = scale < 1.0 ? 0.0 : 1.0;
        }
        expect_plan(desc);
      }
    }
  }
  for (int32_t distance = 0; distance < 3; ++distance) {
    for (const nce_loss loss : {NCE_LOSS_CONTRASTIVE, NCE_LOSS_TRIPLET}) {
      nce_plan_desc desc = describe(loss, 4, 4, 3);
      desc.distance = distance;
      expect_plan(desc);
    }
  }
}

TEST(ApiPlan, WorkspaceQueryRefusesMalformedCalls) {
  const ContextOwner context = open_cpu();
  const PlanOwner plan = make_plan(context, describe(NCE_LOSS_TRIPLET, 1, 1, 1));
  int64_t bytes = -7;
  EXPECT_EQ(nce_plan_workspace_bytes(plan.get(), infonce_pass(2), &bytes), NCE_STATUS_INVALID_ARGUMENT);
  EXPECT_NE(std::string(nce_last_error()).find("pass"), std::string::npos);
  EXPECT_EQ(nce_plan_workspace_bytes(plan.get(), NCE_PASS_FORWARD, nullptr), NCE_STATUS_INVALID_ARGUMENT);
  EXPECT_NE(std::string(nce_last_error()).find("bytes"), std::string::npos);
  EXPECT_EQ(bytes, -7);
}

}  // namespace
}  // namespace nce::test
