#pragma once
// Rows so large that their similarities may leave the range of the arithmetic that tiles have.

#include "cpu/dense/call.h"

namespace nce::cpu::dense {

/// Looks at every similarity, slowly, and throws for the first row with one, or a logit, beyond loss::Reach. `single`:
/// tiles compute in float.
void refuse_far_similarities(const Call& call, bool single);

}  // namespace nce::cpu::dense
