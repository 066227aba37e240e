#pragma once
// What the backward pass multiplies the exponentials of rows and columns by.

#include "cpu/dense/call.h"

namespace nce::cpu::dense {

/// Fills factors, weights and references of the scratch, and writes the temperature's gradient if it is asked for.
/// Returns the largest |dl/dz+| (NT-Logistic: factor), by which all weights are divided; 0 if all are 0.
template <typename Real>
double find_weights(const Call& call, const BackwardScratch<Real>& scratch);

}  // namespace nce::cpu::dense
