#pragma once
// What a dense plan computes, told as rows X, columns Y and the positive of each row. X are the queries or the tower, Y
// what they are compared with: keys, shared negatives or the tower again, Z the keys beside shared negatives.

#include <cstdint>

#include "infonce.h"

namespace nce::cuda {

struct DenseProblem {
  explicit DenseProblem(const nce_plan_desc& description)
      : desc(description),
        tower(desc.loss != NCE_LOSS_INFONCE),
        shared(desc.negatives == NCE_NEGATIVES_SHARED),
        symmetric(desc.symmetric != 0),
        logistic(desc.loss == NCE_LOSS_NT_LOGISTIC),
        x_rows(tower && desc.m != 0 ? 2 * desc.n : desc.n),
        y_rows(tower ? x_rows : desc.m),
        z_rows(shared ? desc.n : 0),
        negatives(tower    ? x_rows - 2
                  : shared ? desc.m
                           : desc.m - 1),
        negative_factor(logistic && desc.negative_reduction == NCE_REDUCTION_MEAN && negatives > 0
                            ? 1.0 / static_cast<double>(negatives)
                            : 1.0) {}

  nce_plan_desc desc;
  bool tower;
  bool shared;
  bool symmetric;
  bool logistic;
  int64_t x_rows;
  int64_t y_rows;
  int64_t z_rows;          ///< 0 unless shared
  int64_t negatives;       ///< of each row
  double negative_factor;  ///< NT-Logistic: what the sum over negatives is multiplied by

  bool cosine() const { return desc.similarity == NCE_SIMILARITY_COSINE; }
  bool euclidean() const {
    return desc.similarity == NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN || desc.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN;
  }
  bool half_elements() const { return desc.dtype == NCE_DTYPE_FLOAT16 || desc.dtype == NCE_DTYPE_BFLOAT16; }
};

}  // namespace nce::cuda
