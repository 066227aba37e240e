#include "api/plan_check.h"

#include <cmath>
#include <string>

#include "api/plan_shape.h"
#include "api/structs.h"

namespace nce::api {
namespace {

constexpr int64_t kLargestDim = int64_t{1} << 20;
constexpr int64_t kLargestVolume = int64_t{1} << 60;
constexpr int64_t kDefaultBudget = int64_t{256} << 20;

constexpr const char* kLossNames[] = {"NCE_LOSS_INFONCE", "NCE_LOSS_NT_XENT", "NCE_LOSS_NT_LOGISTIC",
                                      "NCE_LOSS_CONTRASTIVE", "NCE_LOSS_TRIPLET"};

void check_enums(const nce_plan_desc& desc) {
  check_enum(desc.loss, NCE_LOSS_TRIPLET, "desc->loss",
             "0 (INFONCE), 1 (NT_XENT), 2 (NT_LOGISTIC), 3 (CONTRASTIVE), 4 (TRIPLET)");
  check_enum(desc.negatives, NCE_NEGATIVES_PAIRED, "desc->negatives", "0 (IN_BATCH), 1 (SHARED), 2 (OWN), 3 (PAIRED)");
  check_enum(desc.similarity, NCE_SIMILARITY_NEG_EUCLIDEAN, "desc->similarity",
             "0 (COSINE), 1 (DOT), 2 (NEG_SQUARED_EUCLIDEAN), 3 (NEG_EUCLIDEAN)");
  check_enum(desc.distance, NCE_DISTANCE_COSINE, "desc->distance", "0 (EUCLIDEAN), 1 (SQUARED_EUCLIDEAN), 2 (COSINE)");
  check_enum(desc.reduction, NCE_REDUCTION_NONE, "desc->reduction", "0 (MEAN), 1 (SUM), 2 (NONE)");
  check_enum(desc.symmetric, 1, "desc->symmetric", "0 or 1");
  check_enum(desc.negative_reduction, NCE_REDUCTION_SUM, "desc->negative_reduction", "0 (MEAN), 1 (SUM)");
  check_enum(desc.dtype, NCE_DTYPE_BFLOAT16, "desc->dtype", "0 (FLOAT32), 1 (FLOAT64), 2 (FLOAT16), 3 (BFLOAT16)");
  check_enum(desc.gradient_dtype, NCE_DTYPE_BFLOAT16, "desc->gradient_dtype",
             "0 (FLOAT32), 1 (FLOAT64), 2 (FLOAT16), 3 (BFLOAT16)");
  check_enum(desc.precision, NCE_PRECISION_FAST, "desc->precision", "0 (PRECISE), 1 (FAST)");
  check_enum(desc.metrics, 1, "desc->metrics", "0 or 1");
}

void check_combinations(const nce_plan_desc& desc) {
  const std::string loss = kLossNames[desc.loss];
  const auto unused = [&](int32_t value, const char* name) {
    check_zero(value, name, (loss + " does not use it").c_str());
  };
  const auto negatives_not_allowed = [&](const char* allowed) {
    invalid("desc->negatives is " + std::to_string(desc.negatives) + "; " + loss + " allows " + allowed);
  };
  switch (desc.loss) {
    case NCE_LOSS_INFONCE:
      if (desc.negatives == NCE_NEGATIVES_PAIRED) negatives_not_allowed("0 (IN_BATCH), 1 (SHARED), 2 (OWN)");
      break;
    case NCE_LOSS_NT_LOGISTIC:
      if (desc.negatives != NCE_NEGATIVES_IN_BATCH && desc.negatives != NCE_NEGATIVES_PAIRED) {
        negatives_not_allowed("0 (IN_BATCH), 3 (PAIRED)");
      }
      break;
    case NCE_LOSS_TRIPLET:
      if (desc.negatives != NCE_NEGATIVES_PAIRED) negatives_not_allowed("3 (PAIRED)");
      break;
    default:
      unused(desc.negatives, "desc->negatives");
  }
  if (is_margin_loss(desc)) {
    unused(desc.similarity, "desc->similarity");
  } else {
    unused(desc.distance, "desc->distance");
  }
  if (desc.symmetric != 0 && !(desc.loss == NCE_LOSS_INFONCE && desc.negatives == NCE_NEGATIVES_IN_BATCH)) {
    invalid("desc->symmetric is 1; allowed: 0, because only NCE_LOSS_INFONCE with NCE_NEGATIVES_IN_BATCH has columns");
  }
  if (desc.loss != NCE_LOSS_NT_LOGISTIC || desc.negatives != NCE_NEGATIVES_IN_BATCH) {
    check_zero(desc.negative_reduction, "desc->negative_reduction",
               "only NCE_LOSS_NT_LOGISTIC with NCE_NEGATIVES_IN_BATCH uses it");
  }
  check_zero(desc.reserved, "desc->reserved", "it is reserved");
}

void check_dtypes(const nce_plan_desc& desc) {
  const bool half = desc.dtype == NCE_DTYPE_FLOAT16 || desc.dtype == NCE_DTYPE_BFLOAT16;
  if (desc.gradient_dtype == desc.dtype || (half && desc.gradient_dtype == NCE_DTYPE_FLOAT32)) return;
  invalid("desc->gradient_dtype is " + std::to_string(desc.gradient_dtype) + " with desc->dtype " +
          std::to_string(desc.dtype) + "; allowed: the same" + (half ? ", or 0 (FLOAT32)" : ""));
}

void check_sizes(const nce_plan_desc& desc) {
  const auto size = [](const char* name, int64_t value) { return std::string(name) + " is " + std::to_string(value); };
  if (desc.n < 1) invalid(size("desc->n", desc.n) + "; allowed: 1 or more");
  if (desc.m < 0) invalid(size("desc->m", desc.m) + "; allowed: 0 or more");
  if (desc.dim < 1 || desc.dim > kLargestDim) invalid(size("desc->dim", desc.dim) + "; allowed: 1 to 1048576");
  const int64_t columns = desc.m > 1 ? desc.m : 1;
  if (desc.n > (kLargestVolume - 1) / columns || desc.n * columns > (kLargestVolume - 1) / desc.dim) {
    invalid(size("desc->n", desc.n) + ", " + size("desc->m", desc.m) + " and " + size("desc->dim", desc.dim) +
            "; allowed: n * max(1, m) * dim below 2^60");
  }
  const std::string given = size("desc->m", desc.m) + " with " + size("desc->n", desc.n);
  if (is_one_tower(desc)) {
    if (desc.m != 0 && desc.m != desc.n) invalid(given + "; allowed: 0 (one matrix) or n (two views)");
    if (desc.m == 0 && desc.n % 2 != 0) {
      invalid(size("desc->n", desc.n) + " with desc->m 0; allowed: even, as rows i and i + n/2 are views of one thing");
    }
  } else if (desc.negatives == NCE_NEGATIVES_PAIRED || desc.loss == NCE_LOSS_CONTRASTIVE) {
    if (desc.m != desc.n) invalid(given + "; allowed: m = n, as rows form pairs");
  } else if (desc.negatives == NCE_NEGATIVES_IN_BATCH) {
    if (desc.symmetric != 0 && desc.m != desc.n) invalid(given + "; allowed: m = n, as desc->symmetric is 1");
    if (desc.m < desc.n) invalid(given + "; allowed: m >= n, as key i is the positive of query i");
  }
}

void check_numbers(const nce_plan_desc& desc) {
  if (desc.metrics != 0 ? desc.top_k < 1 : desc.top_k < 0) {
    invalid("desc->top_k is " + std::to_string(desc.top_k) +
            "; allowed: " + (desc.metrics != 0 ? "1 or more, as desc->metrics is 1" : "0 or more"));
  }
  if (desc.workspace_budget_bytes < -1) {
    invalid("desc->workspace_budget_bytes is " + std::to_string(desc.workspace_budget_bytes) +
            "; allowed: -1 (the default) or more");
  }
  const std::string given = "desc->margin is " + std::to_string(desc.margin);
  if (!is_margin_loss(desc)) {
    if (desc.margin != 0.0) invalid(given + "; allowed: 0, because " + kLossNames[desc.loss] + " does not use it");
  } else if (!std::isfinite(desc.margin) || desc.margin < 0.0) {
    invalid(given + "; allowed: finite and >= 0");
  } else if (desc.loss == NCE_LOSS_CONTRASTIVE && desc.margin == 0.0) {
    invalid(given + "; allowed for NCE_LOSS_CONTRASTIVE: above 0");
  }
}

}  // namespace

nce_plan_desc checked_plan_desc(const nce_plan_desc* desc) {
  check_struct(desc, "desc");
  check_enums(*desc);
  check_combinations(*desc);
  check_dtypes(*desc);
  check_sizes(*desc);
  check_numbers(*desc);
  nce_plan_desc complete = *desc;
  complete.struct_size = sizeof complete;
  if (complete.workspace_budget_bytes == -1) complete.workspace_budget_bytes = kDefaultBudget;
  return complete;
}

}  // namespace nce::api
