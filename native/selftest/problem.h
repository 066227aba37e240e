#pragma once
// A loss with its data: what the library and the oracle are both given.

#include <cstdint>
#include <string>
#include <vector>

#include "infonce.h"

namespace nce::selftest {

/// Which rows are what, for each shape that infonce.h knows.
struct Problem {
  nce_plan_desc desc{};
  double tau = 1.0;
  int32_t temperature_form = NCE_TEMPERATURE_VALUE;
  int64_t extra_stride = 0;                      ///< elements between the rows of every matrix
  std::vector<double> queries, keys, negatives;  ///< row-major without gaps, exactly representable in desc.dtype
  std::vector<float> weights;                    ///< empty: all 1
  std::vector<float> upstream;                   ///< empty: 1; one number, or one a row
  std::vector<int32_t> labels;

  bool margin() const { return desc.loss == NCE_LOSS_CONTRASTIVE || desc.loss == NCE_LOSS_TRIPLET; }
  bool tower() const;    ///< all rows are anchors, and candidates
  bool rowwise() const;  ///< no matrix of similarities
  int64_t rows() const;  ///< that have a loss
  int64_t own() const;   ///< negatives of a row, where each has its own
  std::string label() const;
};

/// The nearest number that a type holds; ties to even.
double rounded(double x, nce_dtype dtype);
const char* name_of(nce_dtype dtype);
int64_t bytes_of(nce_dtype dtype);

/// Gaussian rows of expected norm 1; the other view of a row is the row plus `noise` times another, so that the cosine
/// of positives is about 1 / sqrt(1 + noise^2).
void fill(Problem& problem, double noise, uint64_t seed);

/// A loss without shapes, for lists of cases.
struct Kind {
  const char* name;
  nce_loss loss;
  nce_negatives negatives;
  bool symmetric;
  bool one_matrix;  ///< the tower lies in one matrix
  bool sum;         ///< NT-Logistic sums over negatives
};

inline constexpr Kind kDenseKinds[] = {
    {"InfoNCE", NCE_LOSS_INFONCE, NCE_NEGATIVES_IN_BATCH, false, false, false},
    {"InfoNCE symmetric", NCE_LOSS_INFONCE, NCE_NEGATIVES_IN_BATCH, true, false, false},
    {"InfoNCE shared", NCE_LOSS_INFONCE, NCE_NEGATIVES_SHARED, false, false, false},
    {"NT-Xent", NCE_LOSS_NT_XENT, NCE_NEGATIVES_IN_BATCH, false, false, false},
    {"NT-Xent one matrix", NCE_LOSS_NT_XENT, NCE_NEGATIVES_IN_BATCH, false, true, false},
    {"NT-Logistic", NCE_LOSS_NT_LOGISTIC, NCE_NEGATIVES_IN_BATCH, false, false, false},
    {"NT-Logistic one matrix, sum", NCE_LOSS_NT_LOGISTIC, NCE_NEGATIVES_IN_BATCH, false, true, true},
};
inline constexpr Kind kRowwiseKinds[] = {
    {"InfoNCE own", NCE_LOSS_INFONCE, NCE_NEGATIVES_OWN, false, false, false},
    {"NT-Logistic paired", NCE_LOSS_NT_LOGISTIC, NCE_NEGATIVES_PAIRED, false, false, false},
    {"contrastive", NCE_LOSS_CONTRASTIVE, NCE_NEGATIVES_IN_BATCH, false, false, false},
    {"triplet", NCE_LOSS_TRIPLET, NCE_NEGATIVES_PAIRED, false, false, false},
};

/// `kind` at a shape, with m fitted to what the loss allows. `measure` is the similarity, or the distance of margin
/// losses. Gradients have the type of the inputs, or float32 where `wide_gradients` and the type has 16 bits.
Problem problem_of(const Kind& kind, int32_t measure, nce_dtype dtype, int64_t n, int64_t m, int64_t dim, double tau,
                   bool wide_gradients = true);

}  // namespace nce::selftest
