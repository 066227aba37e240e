#pragma once
// The numbers a_i and b_j of the backward pass, by which the exponentials of rows and columns are multiplied.

#include "cpu/dense/call.h"

namespace nce::cpu::dense {

/// Fills factors, coefficients and references of rows [begin, end) of X, and if the call is symmetric of Y. Returns the
/// largest slope, by which all but the positives' coefficients are divided; 0 if all are 0. All rows at once, unless
/// the problem goes by rows.
template <typename Real>
double find_coefficients(const Call& call, const BackwardScratch<Real>& scratch, int64_t begin, int64_t end);

/// The gradients of the temperature and of the bias, from the factors of all rows.
template <typename Real>
void write_number_gradients(const Call& call, const BackwardScratch<Real>& scratch);

}  // namespace nce::cpu::dense
