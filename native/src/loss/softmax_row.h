#pragma once
// One row of InfoNCE (1807.03748 eq. 4) and NT-Xent (2002.05709 eq. 1), with the positive kept out of the sum:
// l = ln(1 + sum_j e^(z_j - z+)) = softplus(lse_negatives - z+). An "lse - z+" over all logits would lose every digit
// of a small loss.

#include "loss/scalar.h"

namespace nce::loss {

/// `log_negatives` is ln sum_j e^z_j over the negatives (-inf without any), `positive` is z+.
NCE_HOST_DEVICE inline double softmax_row_loss(double log_negatives, double positive) {
  return softplus(log_negatives - positive);
}

/// Softmax mass of all negatives: 1 - P+, without the subtraction. It is also -dl/dz+.
NCE_HOST_DEVICE inline double softmax_row_negative_mass(double log_negatives, double positive) {
  return sigmoid(log_negatives - positive);
}

}  // namespace nce::loss
