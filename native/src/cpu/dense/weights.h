#pragma once
// What the backward pass multiplies the exponentials of rows and columns by.

#include "cpu/dense/call.h"

namespace nce::cpu::dense {

/// Fills factors, weights and references of rows [begin, end) of X, and if the call is symmetric of Y. Returns the
/// largest |dl/dz+| (NT-Logistic: factor), by which all but the positives' weights are divided; 0 if all are 0. All
/// rows at once, unless the problem goes by rows.
template <typename Real>
double find_weights(const Call& call, const BackwardScratch<Real>& scratch, int64_t begin, int64_t end);

/// The gradient of the temperature, from the factors of all rows.
template <typename Real>
void write_temperature_gradient(const Call& call, const BackwardScratch<Real>& scratch);

}  // namespace nce::cpu::dense
