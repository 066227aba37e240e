#include "cpu/dense/problem.h"

namespace nce::cpu::dense {

Problem::Problem(const nce_plan_desc& description)
    : desc(description),
      tower(desc.loss != NCE_LOSS_INFONCE),
      shared(desc.negatives == NCE_NEGATIVES_SHARED),
      symmetric(desc.symmetric != 0),
      logistic(desc.loss == NCE_LOSS_NT_LOGISTIC),
      x_rows(tower && desc.m != 0 ? 2 * desc.n : desc.n),
      y_rows(tower ? x_rows : desc.m),
      z_rows(shared ? desc.n : 0),
      first_view(desc.n),
      negatives(tower    ? x_rows - 2
                : shared ? desc.m
                         : desc.m - 1),
      negative_factor(logistic && desc.negative_reduction == NCE_REDUCTION_MEAN && negatives > 0
                          ? 1.0 / static_cast<double>(negatives)
                          : 1.0) {}

}  // namespace nce::cpu::dense
