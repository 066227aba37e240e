#pragma once
// NT-Logistic (2002.05709 table 2): -ln sigmoid(z+) - ln sigmoid(-z-).

#include "loss/scalar.h"

namespace nce::loss {

/// The term of a positive pair, -ln sigmoid(z), and its derivative by z.
NCE_HOST_DEVICE inline double logistic_positive(double z) { return softplus(-z); }
NCE_HOST_DEVICE inline double logistic_positive_slope(double z) { return -sigmoid(-z); }

/// The term of a negative pair, -ln sigmoid(-z), and its derivative by z.
NCE_HOST_DEVICE inline double logistic_negative(double z) { return softplus(z); }
NCE_HOST_DEVICE inline double logistic_negative_slope(double z) { return sigmoid(z); }

}  // namespace nce::loss
