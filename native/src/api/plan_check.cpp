#include "api/plan_check.h"

#include <cmath>
#include <string>
#include <string_view>

#include "api/structs.h"

namespace nce::api {
namespace {

constexpr double kLargestHardness = 1e3;
constexpr int64_t kLargestDim = int64_t{1} << 20;
constexpr double kLargestScale = 1e4;
constexpr double kLargestBase = 1e4;
constexpr double kLargestCircleMargin = 1.0;
constexpr double kLargestMargin = 1e100;  // over the least temperature, squared, it is in range
constexpr int64_t kLargestVolume = int64_t{1} << 60;

using loss::Arrangement;
using loss::LossRule;
using loss::Measured;

const char* name_of(nce_negatives negatives) {
  switch (negatives) {
    case NCE_NEGATIVES_IN_BATCH:
      return "IN_BATCH";
    case NCE_NEGATIVES_SHARED:
      return "SHARED";
    case NCE_NEGATIVES_OWN:
      return "OWN";
    case NCE_NEGATIVES_PAIRED:
      return "PAIRED";
  }
  return "";
}

/// "0 (INFONCE), 1 (NT_XENT), ...": the values in [0, last] that are allowed, with their names.
template <typename Enum, typename Allowed, typename Name>
std::string listed(Enum last, const Allowed& allowed, const Name& name) {
  std::string list;
  for (int32_t value = 0; value <= last; ++value) {
    const auto each = static_cast<Enum>(value);
    if (!allowed(each)) continue;
    list += (list.empty() ? "" : ", ") + std::to_string(value) + " (" + name(each) + ")";
  }
  return list;
}

std::string losses() {
  constexpr std::size_t kPrefix = std::string_view("NCE_LOSS_").size();
  return listed(
      loss::kLastLoss, [](nce_loss) { return true; }, [](nce_loss each) { return loss::rule_of(each).name + kPrefix; });
}

std::string negatives_of(const LossRule& rule) {
  return listed(
      NCE_NEGATIVES_PAIRED, [&](nce_negatives each) { return rule.negatives.has(each); },
      [](nce_negatives each) { return name_of(each); });
}

void check_enums(const nce_plan_desc& desc) {
  check_enum(desc.loss, loss::kLastLoss, "desc->loss", losses().c_str());
  check_enum(desc.negatives, NCE_NEGATIVES_PAIRED, "desc->negatives", "0 (IN_BATCH), 1 (SHARED), 2 (OWN), 3 (PAIRED)");
  check_enum(desc.similarity, NCE_SIMILARITY_NEG_EUCLIDEAN, "desc->similarity",
             "0 (COSINE), 1 (DOT), 2 (NEG_SQUARED_EUCLIDEAN), 3 (NEG_EUCLIDEAN)");
  check_enum(desc.distance, NCE_DISTANCE_COSINE, "desc->distance", "0 (EUCLIDEAN), 1 (SQUARED_EUCLIDEAN), 2 (COSINE)");
  check_enum(desc.denominator, NCE_DENOMINATOR_NEGATIVES, "desc->denominator", "0 (ALL), 1 (NEGATIVES)");
  check_enum(desc.reduction, NCE_REDUCTION_NONE, "desc->reduction", "0 (MEAN), 1 (SUM), 2 (NONE)");
  check_enum(desc.symmetric, 1, "desc->symmetric", "0 or 1");
  check_enum(desc.negative_reduction, NCE_REDUCTION_SUM, "desc->negative_reduction", "0 (MEAN), 1 (SUM)");
  check_enum(desc.dtype, NCE_DTYPE_BFLOAT16, "desc->dtype", "0 (FLOAT32), 1 (FLOAT64), 2 (FLOAT16), 3 (BFLOAT16)");
  check_enum(desc.gradient_dtype, NCE_DTYPE_BFLOAT16, "desc->gradient_dtype",
             "0 (FLOAT32), 1 (FLOAT64), 2 (FLOAT16), 3 (BFLOAT16)");
  check_enum(desc.precision, NCE_PRECISION_FAST, "desc->precision", "0 (PRECISE), 1 (FAST)");
  check_enum(desc.metrics, 1, "desc->metrics", "0 or 1");
  check_enum(desc.mining, NCE_MINING_BATCH_EASY, "desc->mining",
             "0 (NONE), 1 (BATCH_ALL), 2 (BATCH_HARD), 3 (SEMI_HARD), 4 (EASY_POSITIVE), 5 (BATCH_EASY)");
  check_enum(desc.soft_margin, 1, "desc->soft_margin", "0 or 1");
  check_enum(desc.groups, 1, "desc->groups", "0 or 1");
  check_enum(desc.positives, NCE_POSITIVES_LABELS, "desc->positives", "0 (PAIRED), 1 (LABELS)");
  check_enum(desc.aggregation, NCE_AGGREGATION_SUM, "desc->aggregation", "0 (OUTSIDE), 1 (INSIDE), 2 (SUM)");
  check_enum(desc.offsets, 1, "desc->offsets", "0 or 1");
  check_enum(desc.threshold, NCE_THRESHOLD_RELATIVE, "desc->threshold", "0 (NONE), 1 (ABSOLUTE), 2 (RELATIVE)");
}

void check_positives(const nce_plan_desc& desc, const LossRule& rule) {
  if (desc.positives == NCE_POSITIVES_PAIRED) {
    check_zero(desc.aggregation, "desc->aggregation",
               "only with desc->positives 1 (LABELS) has a row several positives");
    return;
  }
  const std::string given = "desc->positives is 1; allowed: 0, because ";
  if (!loss::has_denominator(rule) || desc.negatives != NCE_NEGATIVES_IN_BATCH) {
    refuse_argument(given +
                    "only NCE_LOSS_INFONCE and NCE_LOSS_NT_XENT with NCE_NEGATIVES_IN_BATCH find positives by labels");
  }
  if (desc.symmetric != 0) refuse_argument(given + "desc->symmetric is 1, and columns have no positives by labels");
  if (desc.groups != 0) refuse_argument(given + "desc->groups is 1: labels already say who is no negative");
  if (desc.class_prior != 0.0) refuse_argument(given + "desc->class_prior corrects losses with one positive");
}

void check_groups(const nce_plan_desc& desc, const LossRule& rule) {
  const std::string given = "desc->groups is 1; allowed: 0, because ";
  const auto negatives = static_cast<nce_negatives>(desc.negatives);
  switch (loss::arrangement_of(rule, negatives)) {
    case Arrangement::kTwoTowers:
    case Arrangement::kOneTower:
      break;
    case Arrangement::kShared:
    case Arrangement::kOwn:
    case Arrangement::kTriples:
    case Arrangement::kLabelled:
    case Arrangement::kMined:
      refuse_argument(given + "rows do not meet as negatives of each other in the batch");
  }
  if (rule.reduces_negatives && desc.negative_reduction == NCE_REDUCTION_MEAN) {
    refuse_argument(given + "desc->negative_reduction is 0 (MEAN): groups leave every row another number of negatives");
  }
}

void check_threshold(const nce_plan_desc& desc, const LossRule& rule) {
  const std::string margin = "desc->threshold_margin is " + std::to_string(desc.threshold_margin) + "; allowed: ";
  if (desc.threshold == NCE_THRESHOLD_NONE) {
    if (desc.threshold_margin != 0.0) refuse_argument(margin + "0, because desc->threshold is 0 (NONE)");
    return;
  }
  const std::string given = "desc->threshold is " + std::to_string(desc.threshold) + "; allowed: 0, because ";
  if (!loss::has_denominator(rule)) refuse_argument(given + rule.name + " does not use it");
  if (desc.negatives == NCE_NEGATIVES_OWN) {
    refuse_argument(given + "negatives of a row's own (desc->negatives 2) are left out by the caller");
  }
  if (desc.positives != NCE_POSITIVES_PAIRED) {
    refuse_argument(given + "desc->positives is 1: labels already say who is no negative");
  }
  if (desc.class_prior != 0.0) {
    refuse_argument(given + "desc->class_prior corrects sums that still have what a threshold leaves out");
  }
  const double least = desc.threshold == NCE_THRESHOLD_RELATIVE ? 0.0 : -kLargestMargin;
  if (!(desc.threshold_margin >= least && desc.threshold_margin <= kLargestMargin)) {
    refuse_argument(margin + (desc.threshold == NCE_THRESHOLD_RELATIVE ? "0 to 1e100" : "-1e100 to 1e100"));
  }
}

void check_blocks(const nce_plan_desc& desc) {
  constexpr int32_t kAll = NCE_BLOCK_QUERY_QUERY | NCE_BLOCK_KEY_QUERY | NCE_BLOCK_KEY_KEY;
  const std::string given = "desc->blocks is " + std::to_string(desc.blocks) + "; allowed: ";
  if ((desc.blocks & ~kAll) != 0) {
    refuse_argument(given + "1 (QUERY_QUERY), 2 (KEY_QUERY), 4 (KEY_KEY) and their sums, or 0");
  }
  const std::string none = given + "0, because ";
  if (desc.loss != NCE_LOSS_INFONCE || desc.negatives != NCE_NEGATIVES_IN_BATCH) {
    refuse_argument(none + "only NCE_LOSS_INFONCE with NCE_NEGATIVES_IN_BATCH has other pairs to take");
  }
  if (desc.symmetric != 0) refuse_argument(none + "desc->symmetric is 1, and columns have a softmax of their own");
  if (desc.positives != NCE_POSITIVES_PAIRED) {
    refuse_argument(none + "desc->positives is 1: what labels call positive may be in any block");
  }
  if (desc.class_prior != 0.0) {
    refuse_argument(none + "desc->class_prior corrects sums over the keys alone");
  }
}

void check_own_negatives(const nce_plan_desc& desc) {
  const std::string given = "desc->own_negatives is " + std::to_string(desc.own_negatives) + "; allowed: ";
  if (desc.own_negatives < 0) refuse_argument(given + "0 or more");
  const std::string none = given + "0, because ";
  if (desc.loss != NCE_LOSS_INFONCE || desc.negatives != NCE_NEGATIVES_IN_BATCH) {
    refuse_argument(none + "only NCE_LOSS_INFONCE with NCE_NEGATIVES_IN_BATCH has others beside them");
  }
  if (desc.symmetric != 0) refuse_argument(none + "desc->symmetric is 1, and columns would have none");
  if (desc.positives != NCE_POSITIVES_PAIRED) {
    refuse_argument(none + "desc->positives is 1: labels already say who is a negative");
  }
}

void check_offsets(const nce_plan_desc& desc) {
  const std::string given = "desc->offsets is 1; allowed: 0, because ";
  if (desc.loss != NCE_LOSS_INFONCE || desc.negatives != NCE_NEGATIVES_IN_BATCH) {
    refuse_argument(given + "only NCE_LOSS_INFONCE with NCE_NEGATIVES_IN_BATCH has offsets of keys");
  }
  if (desc.symmetric != 0)
    refuse_argument(given + "desc->symmetric is 1, and a column's offset cancels in its softmax");
  if (desc.positives != NCE_POSITIVES_PAIRED)
    refuse_argument(given + "desc->positives is 1: offsets are of losses with one positive");
  if (desc.class_prior != 0.0)
    refuse_argument(given + "desc->class_prior needs a smallest logit, which is a cosine's alone");
  if (desc.blocks != 0)
    refuse_argument(given + "desc->blocks is " + std::to_string(desc.blocks) + ", and queries have no offset");
}

void check_hardness(const nce_plan_desc& desc, const LossRule& rule) {
  if (desc.hardness == 0.0) return;
  const std::string given = "desc->hardness is " + std::to_string(desc.hardness) + "; allowed: ";
  if (!loss::has_denominator(rule)) refuse_argument(given + "0, because " + rule.name + " does not use it");
  if (!(desc.hardness > 0.0 && desc.hardness <= kLargestHardness)) refuse_argument(given + "0 to 1000");
  if (desc.positives != NCE_POSITIVES_PAIRED) {
    refuse_argument(given +
                    "0, because desc->positives is 1, and the positives in a row's sum are none of its negatives");
  }
  if (desc.class_prior != 0.0) {
    refuse_argument(given + "0, because desc->class_prior corrects sums that do not favour hard negatives");
  }
}

void check_queue(const nce_plan_desc& desc) {
  const std::string given = "desc->queue is " + std::to_string(desc.queue) + "; allowed: ";
  if (desc.queue < 0) refuse_argument(given + "0 or more");
  const std::string none = given + "0, because ";
  if (desc.loss != NCE_LOSS_INFONCE || desc.negatives != NCE_NEGATIVES_IN_BATCH) {
    refuse_argument(none + "only NCE_LOSS_INFONCE with NCE_NEGATIVES_IN_BATCH has keys that a queue lengthens");
  }
  if (desc.symmetric != 0) refuse_argument(none + "desc->symmetric is 1, and rows of a queue have no queries");
}

/// Triplets are mined exactly where negatives are those of the batch.
void check_mining(const nce_plan_desc& desc, const LossRule& rule) {
  const bool mined = loss::has_mining(rule) && loss::arrangement_of(rule, static_cast<nce_negatives>(desc.negatives)) ==
                                                   loss::Arrangement::kMined;
  if (mined && desc.mining == NCE_MINING_NONE) {
    refuse_argument(std::string("desc->mining is 0 with desc->negatives 0; allowed: 1 to 5, or desc->negatives 3 ") +
                    "(PAIRED), because triplets of a batch are mined");
  }
  if (!mined) {
    check_zero(desc.mining, "desc->mining", "only NCE_LOSS_TRIPLET with NCE_NEGATIVES_IN_BATCH mines");
  }
}

/// Rows that are weighed by similarities are compared by distances.
void check_similarity(const nce_plan_desc& desc, const LossRule& rule) {
  if (loss::family_of(rule.row) != loss::RowFamily::kWeighed || desc.similarity != NCE_SIMILARITY_DOT) return;
  refuse_argument(std::string("desc->similarity is 1 (DOT); ") + rule.name +
                  " allows 0 (COSINE), 2 (NEG_SQUARED_EUCLIDEAN), 3 (NEG_EUCLIDEAN), because it compares rows by "
                  "distances; of rows of norm 1 COSINE is the same number");
}

/// A number above 0 and at most kLargestScale where the loss uses it, else 0.
void check_scale(double value, const char* field, bool used, const LossRule& rule) {
  const std::string given = std::string(field) + " is " + std::to_string(value) + "; allowed";
  if (!used && value != 0.0) refuse_argument(given + ": 0, because " + rule.name + " does not use it");
  if (used && !(value > 0.0 && value <= kLargestScale)) {
    refuse_argument(given + " for " + rule.name + ": above 0, and at most 10000");
  }
}

void check_scales(const nce_plan_desc& desc, const LossRule& rule) {
  check_scale(desc.positive_scale, "desc->positive_scale", loss::has_positive_scale(rule), rule);
  check_scale(desc.negative_scale, "desc->negative_scale", loss::has_negative_scale(rule), rule);
  const std::string given = "desc->base is " + std::to_string(desc.base) + "; allowed";
  if (!loss::has_base(rule)) {
    if (desc.base != 0.0) refuse_argument(given + ": 0, because " + rule.name + " does not use it");
    return;
  }
  if (!(std::fabs(desc.base) <= kLargestBase)) refuse_argument(given + " for " + rule.name + ": -10000 to 10000");
}

void check_combinations(const nce_plan_desc& desc) {
  const LossRule rule = loss::rule_of(static_cast<nce_loss>(desc.loss));
  const auto negatives = static_cast<nce_negatives>(desc.negatives);
  const std::string name = rule.name;
  const auto unused = [&](int32_t value, const char* field) {
    check_zero(value, field, (name + " does not use it").c_str());
  };
  const bool only_in_batch = !rule.negatives.has(NCE_NEGATIVES_SHARED) && !rule.negatives.has(NCE_NEGATIVES_OWN) &&
                             !rule.negatives.has(NCE_NEGATIVES_PAIRED);
  if (only_in_batch) unused(desc.negatives, "desc->negatives");
  if (!rule.negatives.has(negatives)) {
    refuse_argument("desc->negatives is " + std::to_string(desc.negatives) + "; " + name + " allows " +
                    negatives_of(rule));
  }
  switch (loss::measured_by(rule.row)) {
    case Measured::kSimilarity:
      unused(desc.distance, "desc->distance");
      break;
    case Measured::kDistance:
      unused(desc.similarity, "desc->similarity");
      break;
  }
  check_similarity(desc, rule);
  const bool in_batch = negatives == NCE_NEGATIVES_IN_BATCH;
  if (desc.symmetric != 0 && !(rule.symmetric && in_batch)) {
    refuse_argument(
        "desc->symmetric is 1; allowed: 0, because only NCE_LOSS_INFONCE with NCE_NEGATIVES_IN_BATCH has columns");
  }
  if (!(rule.reduces_negatives && in_batch)) {
    check_zero(desc.negative_reduction, "desc->negative_reduction",
               "only NCE_LOSS_NT_LOGISTIC with NCE_NEGATIVES_IN_BATCH uses it");
  }
  check_positives(desc, rule);
  if (desc.groups != 0) check_groups(desc, rule);
  if (!loss::has_denominator(rule)) unused(desc.denominator, "desc->denominator");
  if (!loss::has_soft_margin(rule)) unused(desc.soft_margin, "desc->soft_margin");
  check_mining(desc, rule);
  if (desc.blocks != 0) check_blocks(desc);
  if (desc.own_negatives != 0) check_own_negatives(desc);
  if (desc.offsets != 0) check_offsets(desc);
  if (desc.queue != 0) check_queue(desc);
  check_threshold(desc, rule);
}

void check_dtypes(const nce_plan_desc& desc) {
  const bool half = desc.dtype == NCE_DTYPE_FLOAT16 || desc.dtype == NCE_DTYPE_BFLOAT16;
  if (desc.gradient_dtype == desc.dtype || (half && desc.gradient_dtype == NCE_DTYPE_FLOAT32)) return;
  refuse_argument("desc->gradient_dtype is " + std::to_string(desc.gradient_dtype) + " with desc->dtype " +
                  std::to_string(desc.dtype) + "; allowed: the same" + (half ? ", or 0 (FLOAT32)" : ""));
}

void check_sizes(const nce_plan_desc& desc) {
  const auto size = [](const char* name, int64_t value) { return std::string(name) + " is " + std::to_string(value); };
  if (desc.n < 1) refuse_argument(size("desc->n", desc.n) + "; allowed: 1 or more");
  if (desc.m < 0) refuse_argument(size("desc->m", desc.m) + "; allowed: 0 or more");
  if (desc.dim < 1 || desc.dim > kLargestDim) refuse_argument(size("desc->dim", desc.dim) + "; allowed: 1 to 1048576");
  const int64_t columns = desc.m > 1 ? desc.m : 1;
  if (desc.n > (kLargestVolume - 1) / columns || desc.n * columns > (kLargestVolume - 1) / desc.dim) {
    refuse_argument(size("desc->n", desc.n) + ", " + size("desc->m", desc.m) + " and " + size("desc->dim", desc.dim) +
                    "; allowed: n * max(1, m) * dim below 2^60");
  }
  if (desc.own_negatives > (kLargestVolume - 1) / desc.n / desc.dim) {
    refuse_argument(size("desc->own_negatives", desc.own_negatives) + " with " + size("desc->n", desc.n) + " and " +
                    size("desc->dim", desc.dim) + "; allowed: n * own_negatives * dim below 2^60");
  }
  if (desc.queue > (kLargestVolume - 1) / desc.n / desc.dim - columns) {
    refuse_argument(size("desc->queue", desc.queue) + " with " + size("desc->n", desc.n) + ", " +
                    size("desc->m", desc.m) + " and " + size("desc->dim", desc.dim) +
                    "; allowed: n * (m + queue) * dim below 2^60");
  }
  const std::string given = size("desc->m", desc.m) + " with " + size("desc->n", desc.n);
  const LossRule rule = loss::rule_of(static_cast<nce_loss>(desc.loss));
  switch (loss::arrangement_of(rule, static_cast<nce_negatives>(desc.negatives))) {
    case Arrangement::kOneTower:
      if (desc.m != 0 && desc.m != desc.n) refuse_argument(given + "; allowed: 0 (one matrix) or n (two views)");
      if (desc.m == 0 && desc.n % 2 != 0 && desc.positives == NCE_POSITIVES_PAIRED) {
        refuse_argument(size("desc->n", desc.n) +
                        " with desc->m 0; allowed: even, as rows i and i + n/2 are views of one thing");
      }
      break;
    case Arrangement::kTriples:
    case Arrangement::kLabelled:
      if (desc.m != desc.n) refuse_argument(given + "; allowed: m = n, as rows form pairs");
      break;
    case Arrangement::kTwoTowers:
      if (desc.symmetric != 0 && desc.m != desc.n) refuse_argument(given + "; allowed: m = n, as desc->symmetric is 1");
      if (desc.positives == NCE_POSITIVES_LABELS) {
        if (desc.m < 1) refuse_argument(given + "; allowed: 1 or more");
      } else if (desc.m < desc.n) {
        refuse_argument(given + "; allowed: m >= n, as key i is the positive of query i");
      }
      break;
    case Arrangement::kMined:
      if (desc.m != 0) refuse_argument(given + "; allowed: 0, as queries hold all rows of the batch");
      break;
    case Arrangement::kShared:
    case Arrangement::kOwn:
      break;
  }
}

void check_class_prior(const nce_plan_desc& desc, const LossRule& rule) {
  if (desc.class_prior == 0.0) return;
  const std::string given = "desc->class_prior is " + std::to_string(desc.class_prior) + "; allowed: ";
  if (!loss::has_denominator(rule)) refuse_argument(given + "0, because " + rule.name + " does not use it");
  if (!(desc.class_prior > 0.0 && desc.class_prior < 1.0)) refuse_argument(given + "0 or more, and below 1");
  if (desc.denominator != NCE_DENOMINATOR_ALL) {
    refuse_argument(given + "0, because a decoupled loss (desc->denominator 1) has none");
  }
  if (desc.similarity != NCE_SIMILARITY_COSINE) {
    refuse_argument(given + "0, because only the cosine (desc->similarity 0) has a smallest similarity");
  }
  if (desc.groups != 0) {
    refuse_argument(given + "0, because desc->groups is 1, and leaves every row another number of negatives");
  }
}

void check_numbers(const nce_plan_desc& desc) {
  if (desc.metrics != 0 ? desc.top_k < 1 : desc.top_k < 0) {
    refuse_argument("desc->top_k is " + std::to_string(desc.top_k) +
                    "; allowed: " + (desc.metrics != 0 ? "1 or more, as desc->metrics is 1" : "0 or more"));
  }
  if (desc.workspace_budget_bytes < -1) {
    refuse_argument("desc->workspace_budget_bytes is " + std::to_string(desc.workspace_budget_bytes) +
                    "; allowed: -1 (the default) or more");
  }
  if (!(std::isfinite(desc.loss_weight) && desc.loss_weight >= 0.0)) {
    refuse_argument("desc->loss_weight is " + std::to_string(desc.loss_weight) +
                    "; allowed: finite and above 0, or 0 for 1");
  }
  const LossRule rule = loss::rule_of(static_cast<nce_loss>(desc.loss));
  check_class_prior(desc, rule);
  check_hardness(desc, rule);
  check_scales(desc, rule);
  const std::string given = "desc->margin is " + std::to_string(desc.margin);
  if (!loss::has_margin(rule)) {
    if (desc.margin != 0.0) refuse_argument(given + "; allowed: 0, because " + rule.name + " does not use it");
    return;
  }
  if (!std::isfinite(desc.margin) || desc.margin < 0.0) refuse_argument(given + "; allowed: finite and >= 0");
  if (loss::has_denominator(rule) && desc.margin > kLargestMargin) {
    refuse_argument(given + "; allowed for " + rule.name + ": 0 to 1e100");
  }
  if (loss::family_of(rule.row) == loss::RowFamily::kWeighed && desc.margin > kLargestCircleMargin) {
    refuse_argument(given + "; allowed for " + rule.name + ": 0 to 1");
  }
  if (rule.positive_margin && desc.margin == 0.0) refuse_argument(given + "; allowed for " + rule.name + ": above 0");
}

}  // namespace

loss::Problem checked_problem(const nce_plan_desc* desc) {
  check_struct(desc, "desc");
  check_enums(*desc);
  check_combinations(*desc);
  check_dtypes(*desc);
  check_sizes(*desc);
  check_numbers(*desc);
  nce_plan_desc complete = *desc;
  complete.struct_size = sizeof complete;
  return loss::Problem(complete);
}

}  // namespace nce::api
